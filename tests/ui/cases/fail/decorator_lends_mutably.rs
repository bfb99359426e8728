//! A decorated function cannot return a borrow from `&mut`: the next attempt needs it again.
use persevere::{immediate, retry};
use std::future::Future;
use std::pin::Pin;

struct Connection(Vec<u8>);

struct Rows<'a>(&'a [u8]);

impl Connection {
    #[retry(immediate().max_attempts(3))]
    fn read(&mut self, name: &str) -> Result<&[u8], String> {
        self.0.get(..4).ok_or_else(|| name.into())
    }

    #[retry(immediate().max_attempts(3))]
    async fn query<'a>(&'a mut self) -> Result<Rows<'a>, String> {
        Ok(Rows(&self.0))
    }

    #[retry(immediate().max_attempts(3))]
    fn later(&mut self) -> Pin<Box<dyn Future<Output = Result<Rows<'_>, String>> + '_>> {
        Box::pin(async move { Ok(Rows(&self.0)) })
    }
}

#[retry(immediate().max_attempts(3))]
fn fill(buffer: &mut Vec<u8>, by: u8) -> Option<&mut u8> {
    buffer.push(by);
    buffer.last_mut()
}

fn main() {}
