//! The extension traits of this crate give methods to predicates, operations and backoffs, and to
//! no other types.
use persevere::backoff::*;
use persevere::classify::*;
use persevere::guard::*;
use persevere::hook::*;
use persevere::time::*;
use persevere::*;

fn main() {
    let _ = 5u8.and("x");
    let _ = 5u8.or_else("x");
    let _ = "x".or(5u8);
    let _ = "x".retry_after_jitter(0.5);
}
