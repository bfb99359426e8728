//! A future that a function does not make itself cannot be made again.
use persevere::{immediate, retry};
use std::future::{Future, ready};
use std::pin::Pin;

#[retry(immediate().max_attempts(3))]
fn opaque() -> impl Future<Output = Option<u8>> {
    ready(None)
}

#[retry(immediate().max_attempts(3))]
fn boxed() -> Pin<Box<dyn Future<Output = Option<u8>>>> {
    Box::pin(ready(None))
}

fn main() {}
