//! Policies in statics: by their type, by reference to a `dyn Finite`, and with all their slots.
use persevere::backoff::{Constant, Exponential, FullJitter, MaxAttempts, MaxDelay};
use persevere::guard::Deadline;
use persevere::hook::ReadClock;
use persevere::policy::{Ask, Until, When};
use persevere::{
    DefaultTimer, Finite, Policy, RetryExt, StaticPolicy, classify, constant, exponential,
};
use std::time::Duration;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

static TYPED: Policy<MaxAttempts<FullJitter<MaxDelay<Exponential>>>> =
    Policy::new(exponential(ms(1)).max_delay(ms(2)).full_jitter().max_attempts(3));

static DYNAMIC: Policy<&'static (dyn Finite + Sync)> =
    Policy::new(&exponential(ms(1)).full_jitter().max_attempts(3));

static SHORT: StaticPolicy = Policy::new(&exponential(ms(1)).max_attempts(3));

static WHEN: Policy<When<MaxAttempts<Constant>, fn(&u16) -> bool>> =
    Policy::with(When::new(constant(ms(1)).max_attempts(3), IS_BUSY), (), (), DefaultTimer).seed(7);

const IS_BUSY: fn(&u16) -> bool = |status| *status == 503;

static UNTIL: Policy<Until<MaxAttempts<Constant>, fn(&u8) -> bool>> = Policy::with(
    Until::new(constant(ms(1)).max_attempts(3), |value| *value == 2),
    (),
    (),
    DefaultTimer,
);

static ALL: Policy<
    Ask<MaxAttempts<Constant>, classify::When<fn(&std::io::Error) -> bool>>,
    ReadClock,
    Deadline,
> = Policy::with(
    Ask::new(constant(ms(1)).max_attempts(3), classify::when(classify::io::is_transient)),
    ReadClock,
    Deadline::new(ms(60_000)),
    DefaultTimer,
);

fn main() {
    let parse = || "7".parse::<u32>();
    assert_eq!(parse.retry_with(&TYPED).call(), Ok(7));
    assert_eq!(parse.retry_with(&DYNAMIC).call(), Ok(7));
    assert_eq!(parse.retry_with(&SHORT).call(), Ok(7));
    assert_eq!(WHEN.call(|_| Err::<(), _>(404)), Err(404));
    assert_eq!(UNTIL.call(|attempt| Some(attempt.number() as u8)), Some(2));
    assert!(ALL.call(|_| std::fs::read("/no/such/file")).is_err());
}
