//! The code of a decorated function and of a derive uses full paths, and gives no warning.
#![deny(warnings, unused_qualifications, unreachable_pub, rust_2018_idioms)]
#![allow(dead_code, unused_macros)]

use persevere::classify::Kinded as _;

/// Names of the prelude with another meaning.
mod elsewhere {
    pub(crate) struct Some;
    pub(crate) struct Option;
    pub(crate) struct Err;
    pub(crate) struct Box;
    pub(crate) trait FnMut {}
    pub(crate) mod core {}
    macro_rules! concat {
        () => {};
    }
    macro_rules! matches {
        () => {};
    }

    type Outcome = ::std::result::Result<u8, Error>;

    #[derive(persevere::Kinded)]
    #[kinded(group = "all")]
    pub(crate) enum Error {
        Busy,
        #[kinded(through)]
        Io(::std::io::Error),
        #[deprecated]
        Old,
    }

    static POLICY: persevere::Policy<
        persevere::backoff::MaxAttempts<persevere::backoff::Constant>,
    > = persevere::Policy::new(persevere::immediate().max_attempts(3));

    #[persevere::retry(POLICY)]
    pub(crate) fn plain(mut calls: u8, seen: &mut u8) -> Outcome {
        calls += 1;
        *seen += 1;
        ::std::result::Result::Ok(calls)
    }

    #[persevere::retry(POLICY, when = |_| true)]
    pub(crate) async fn later((calls, _): (u8, u8)) -> Outcome {
        ::std::result::Result::Ok(calls)
    }

    #[persevere::retry("fast_retry", named = "named")]
    pub(crate) fn named(text: ::std::string::String) -> ::std::io::Result<usize> {
        ::std::result::Result::Ok(text.len())
    }
}

fn main() {
    let mut seen = 0;
    assert!(matches!(elsewhere::plain(1, &mut seen), Ok(2)));
    assert_eq!(seen, 1);
    assert!(elsewhere::Error::Busy.is_kind("all"));
}
