//! A field that is `through` has kinds, and a type with `sources` is an error.
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
