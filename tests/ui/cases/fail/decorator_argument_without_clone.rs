//! Arguments by value are cloned for each attempt.
use persevere::{immediate, retry};

struct Token(u32);

struct Client(Token);

#[retry(immediate().max_attempts(3))]
fn plain(token: Token) -> Option<u32> {
    (token.0 > 3).then_some(token.0)
}

#[retry(immediate().max_attempts(3))]
async fn nested(tokens: Vec<Token>, many: u32) -> Option<usize> {
    Some(tokens.len() + many as usize)
}

#[retry(immediate().max_attempts(3))]
fn pattern((a, b): (Token, u32)) -> Option<u32> {
    Some(a.0 + b)
}

#[retry(immediate().max_attempts(3))]
fn generic<T: Into<u32>>(value: T) -> Option<u32> {
    Some(value.into())
}

#[retry(immediate().max_attempts(3))]
fn opaque(value: impl Into<u32>) -> Option<u32> {
    Some(value.into())
}

impl Client {
    #[retry(immediate().max_attempts(3))]
    fn consume(self) -> Option<u32> {
        Some(self.0.0)
    }

    #[retry(immediate().max_attempts(3))]
    async fn consume_box(self: Box<Self>) -> Option<u32> {
        Some(self.0.0)
    }
}

fn main() {}
