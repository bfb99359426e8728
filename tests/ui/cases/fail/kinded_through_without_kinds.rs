//! What is looked through needs kinds, and what has sources is an error.
use persevere::classify::Kinded;

struct Opaque;

#[derive(Kinded)]
enum Error {
    #[kinded(through)]
    Inner(Opaque),
}

#[derive(Kinded)]
#[kinded(sources(std::io::Error))]
struct NoError;

fn main() {}
