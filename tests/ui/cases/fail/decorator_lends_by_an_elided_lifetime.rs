//! Where the lifetime of a returned borrow from `&mut` is not written, the compiler refuses it.
#![allow(elided_lifetimes_in_paths)]
use persevere::{immediate, retry};

struct Connection(Vec<u8>);

struct Rows<'a>(&'a [u8]);

impl Connection {
    #[retry(immediate().max_attempts(3))]
    fn query(&mut self) -> Result<Rows, String> {
        Ok(Rows(&self.0))
    }
}

fn main() {}
