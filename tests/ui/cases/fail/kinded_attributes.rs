//! Errors in `#[kinded(..)]`. All are reported at once.
use persevere::classify::Kinded;

#[derive(Kinded)]
#[kinded(gruop = "http", name = "Error", colour = "red")]
enum Keys {
    #[kinded(nmae = "Refused", sources(std::io::Error))]
    Refused,
    #[kinded(name = 7)]
    Number,
    #[kinded(name = "", group = "any")]
    Nameless,
    #[kinded(name = "A", name = "B")]
    Twice,
    #[kinded(serde::rename = "C")]
    Path,
    Field(#[kinded(group = "x")] u8),
}

#[derive(Kinded)]
enum Duplicates {
    #[kinded(name = "Timeout")]
    Slow,
    Timeout,
    #[kinded(group = "Timeout")]
    Other,
    #[kinded(group = "transient", group = "transient")]
    Twofold,
}

#[derive(Kinded)]
enum Through {
    #[kinded(through)]
    Nothing,
    #[kinded(through)]
    Two(std::io::Error, std::io::Error),
    #[kinded(through)]
    Both(#[kinded(through)] std::io::Error),
}

#[derive(Debug, Kinded)]
#[kinded(sources(Endless))]
struct Endless;

#[derive(Kinded)]
#[kinded(crate = "steadfast")]
struct Renamed;

#[derive(Kinded)]
union Union {
    number: u32,
}

fn main() {}
