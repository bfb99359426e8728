//! Policies in statics: by their type, by reference to a `dyn Finite`, and with all their parts.
use persevere::backoff::{Constant, Exponential, FullJitter, MaxAttempts, MaxDelay};
use persevere::classify::{self, When};
use persevere::{DefaultTimer, Finite, Policy, RetryExt, constant, exponential};
use std::time::Duration;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

static TYPED: Policy<MaxAttempts<FullJitter<MaxDelay<Exponential>>>> =
    Policy::new(exponential(ms(1)).max_delay(ms(2)).full_jitter().max_attempts(3));

static SHORT: Policy<&'static (dyn Finite + Sync)> =
    Policy::new(&exponential(ms(1)).full_jitter().max_attempts(3));

static WHEN: Policy<MaxAttempts<Constant>, When<fn(&u16) -> bool>> =
    Policy::with(constant(ms(1)).max_attempts(3), IS_BUSY, (), DefaultTimer).seed(7);

const IS_BUSY: When<fn(&u16) -> bool> = classify::when(|status| *status == 503);

fn main() {
    let parse = || "7".parse::<u32>();
    assert_eq!(parse.retry_with(&TYPED).call(), Ok(7));
    assert_eq!(parse.retry_with(&SHORT).call(), Ok(7));
    assert_eq!(WHEN.call(|_| Err::<(), _>(404)), Err(404));
}
