//! `#[retry]` on items that are no functions, and on functions that cannot be retried.
use persevere::retry;

#[retry]
struct Struct;

#[retry]
enum Enum {}

#[retry("fast_retry")]
impl Struct {
    fn method(&self) -> Option<u8> {
        None
    }
}

#[retry]
trait Trait {
    #[retry]
    fn without_body(&self) -> Option<u8>;

    #[retry]
    async fn without_body_async(&self) -> Option<u8>;
}

#[retry]
const fn constant() -> Option<u8> {
    None
}

#[retry]
fn nothing() {}

#[retry]
async fn nothing_async() -> () {}

#[retry]
fn never() -> ! {
    panic!()
}

fn main() {}
