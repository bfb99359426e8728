//! An engine that is driven by hand, with any outcomes at any times: every wait is within the limits of
//! its policy and of the caller, every call ends once, hooks see what the caller sees, and nothing
//! overflows or panics, whatever clock the times come from.
#![no_main]

use std::cell::Cell;
use std::ops::ControlFlow::{self, Break, Continue};
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use persevere::guard::Guard;
use persevere::hook::{AttemptEvent, FinishEvent, Hook, RetryEvent};
use persevere::{
    Attempt, Backoff, Decision, Engine, Now, Policy, Reason, Verdict, Veto, constant, delays,
    exponential,
};

#[derive(Arbitrary, Debug)]
struct Input {
    backoff: Curve,
    jitter: bool,
    max_attempts: u8,
    max_elapsed: Option<Time>,
    max_retry_after: Time,
    attempt_timeout: Time,
    deadline: Time,
    seed: u64,
    /// Whether the hook reads the clock.
    timed: bool,
    /// A bit for each of the first attempts: the guard refuses it, the hook vetoes the retry after it.
    refused: u8,
    vetoes: u8,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Curve {
    Constant(Time),
    Delays(Vec<Time>),
    Exponential(Time),
}

/// Durations of every magnitude.
#[derive(Arbitrary, Debug, Clone, Copy)]
enum Time {
    Nanos(u64),
    Millis(u16),
    Seconds(u64),
    Max,
}

impl Time {
    fn duration(self) -> Duration {
        match self {
            Time::Nanos(nanos) => Duration::from_nanos(nanos),
            Time::Millis(millis) => Duration::from_millis(millis.into()),
            Time::Seconds(seconds) => Duration::from_secs(seconds),
            Time::Max => Duration::MAX,
        }
    }
}

/// From 584 years on, all times are the same to a retry, and no limit.
const FOR_EVER: Duration = Duration::from_secs(u64::MAX / 1_000_000_000);

#[derive(Arbitrary, Debug)]
struct Step {
    /// An attempt that was not entered counts too.
    enters: bool,
    begins: When,
    ends: When,
    /// `None`: it took too long.
    outcome: Option<Meaning>,
}

/// A time of a clock that may stand still or go backwards, and the time that the caller has left.
#[derive(Arbitrary, Debug, Clone, Copy)]
struct When {
    time: Option<Time>,
    left: Option<Time>,
}

impl When {
    fn now(self) -> Now {
        let now = Now::from(self.time.map(Time::duration));
        match self.left {
            Some(left) => now.deadline_in(left.duration()),
            None => now,
        }
    }

    fn leaves(self, delay: Duration) -> bool {
        let left = self.left.map_or(Duration::MAX, Time::duration);
        delay < left || left >= FOR_EVER
    }
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Meaning {
    Good,
    Bad,
    Permanent,
    After(Time),
    Forbidden,
}

type Outcome = Result<(), Meaning>;

fn verdict(outcome: &Outcome) -> Verdict {
    match outcome {
        Ok(()) => Verdict::Accept,
        Err(Meaning::After(time)) => Verdict::RetryAfter(time.duration()),
        Err(Meaning::Permanent) => Verdict::Stop,
        Err(Meaning::Forbidden) => Verdict::Forbidden,
        Err(_) => Verdict::Retry,
    }
}

fn bit(bits: u8, number: u32) -> bool {
    (1..=8).contains(&number) && bits >> (number - 1) & 1 == 1
}

/// The events of a call.
#[derive(Debug, Default)]
struct Log {
    begun: Cell<u32>,
    ended: Cell<u32>,
    delay: Cell<Option<Duration>>,
    end: Cell<Option<Reason>>,
}

struct Watch<'a> {
    log: &'a Log,
    input: &'a Input,
}

impl Hook<Outcome> for Watch<'_> {
    fn reads_clock(&self) -> bool {
        self.input.timed
    }

    fn before_attempt(&mut self, attempt: &Attempt) {
        assert_eq!(self.log.end.get(), None, "{attempt} comes after the end");
        self.log.begun.set(attempt.number());
        self.log.delay.set(None);
    }

    fn after_attempt(&mut self, event: &AttemptEvent<'_, Outcome>) {
        assert_eq!(event.verdict(), event.outcome().map_or(Verdict::Retry, verdict));
        self.log.ended.set(event.attempt().number());
    }

    fn allow_retry(&mut self, event: &RetryEvent<'_, Outcome>) -> ControlFlow<Veto> {
        if bit(self.input.vetoes, event.number()) { Break(Veto::Refused) } else { Continue(()) }
    }

    fn before_retry(&mut self, event: &RetryEvent<'_, Outcome>) {
        assert_eq!(event.number(), self.log.ended.get());
        if let (Ok(elapsed), Some(limit)) = (event.elapsed(), self.input.max_elapsed) {
            let limit = limit.duration();
            assert!(limit >= FOR_EVER || elapsed + event.delay() < limit, "{event:?}");
        }
        if let Some(after) = event.retry_after() {
            let after = after.min(FOR_EVER);
            assert!(after <= self.input.max_retry_after.duration(), "{event:?}");
            assert!(after <= event.delay(), "{event:?}");
        }
        self.log.delay.set(Some(event.delay()));
    }

    fn finish(&mut self, event: &FinishEvent<'_, Outcome>) {
        assert_eq!(self.log.end.replace(Some(event.reason())), None, "a call ends once");
    }
}

struct Refuse(u8);

impl<O> Guard<O> for Refuse {
    fn reads_clock(&self) -> bool {
        false
    }

    fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
        if bit(self.0, attempt.number()) { Break(Veto::Circuit) } else { Continue(()) }
    }
}

/// Longer calls are only slower.
const LONGEST_CALL: usize = 40;

fuzz_target!(|input: Input| {
    let curve: Box<dyn Backoff> = match &input.backoff {
        Curve::Constant(delay) => Box::new(constant(delay.duration())),
        Curve::Delays(list) => {
            Box::new(delays(list.iter().map(|delay| delay.duration()).collect::<Vec<_>>()))
        }
        Curve::Exponential(first) => Box::new(exponential(first.duration())),
    };
    let curve: Box<dyn Backoff> = if input.jitter { Box::new(curve.full_jitter()) } else { curve };
    let curve: Box<dyn Backoff> = match input.max_elapsed {
        Some(limit) => Box::new(curve.max_elapsed(limit.duration())),
        None => curve,
    };
    let backoff = curve
        .max_retry_after(input.max_retry_after.duration())
        .max_attempts(u32::from(input.max_attempts % 8) + 1);
    let most = backoff.limits().attempts.map_or(u32::MAX, Into::into);
    let log = Log::default();
    let policy = Policy::new(backoff)
        .classify(|outcome: &Outcome, _: &Attempt| Some(verdict(outcome)))
        .hook(Watch { log: &log, input: &input })
        .guard(Refuse(input.refused))
        .attempt_timeout(input.attempt_timeout.duration())
        .deadline(input.deadline.duration())
        .seed(input.seed);
    let mut engine = Engine::new(policy);
    assert!(engine.reads_clock(), "a deadline does");

    let (mut number, mut sleeps, mut began) = (0, false, false);
    for step in input.steps.iter().take(LONGEST_CALL) {
        began = true;
        if step.enters {
            match engine.enter(step.begins.now()) {
                Ok(attempt) => {
                    number += 1;
                    assert_eq!((attempt.number(), log.begun.get()), (number, number));
                    let limit = engine.attempt_limit(step.begins.now());
                    assert!(limit.is_none_or(|limit| limit <= input.attempt_timeout.duration()
                        || limit <= input.deadline.duration()));
                    sleeps = false;
                }
                Err((_, facts)) => {
                    assert_eq!((facts.attempts(), log.end.get()), (number, Some(facts.reason())));
                    break;
                }
            }
        }
        if !step.enters {
            number += 1;
        }
        let outcome = step.outcome.map(|meaning| match meaning {
            Meaning::Good => Ok(()),
            other => Err(other),
        });
        let decision = match &outcome {
            Some(outcome) => engine.decide(outcome, step.ends.now()),
            None => engine.time_out(step.ends.now()),
        };
        match decision {
            Decision::Wait(delay) => {
                assert!(number < most && log.end.get().is_none(), "attempt {number} of {most}");
                assert_eq!(log.delay.take(), Some(delay), "the hook sees the delay");
                assert!(step.ends.leaves(delay), "{delay:?} is more than the caller has left");
                sleeps = true;
            }
            Decision::Return(facts) => {
                assert_eq!((facts.attempts(), log.end.get()), (number, Some(facts.reason())));
                assert_eq!(facts.reason().is_success(), matches!(outcome, Some(Ok(()))));
                // An outcome after the end is returned, and changes nothing.
                let Decision::Return(again) = engine.decide(&Err(Meaning::Bad), None) else {
                    panic!("the call has ended")
                };
                assert_eq!(again.attempts(), number);
                break;
            }
        }
    }
    let ended = log.end.get();
    drop(engine);
    match ended {
        Some(_) => assert_eq!(log.end.get(), ended),
        None if !began => assert_eq!(log.end.get(), None, "a call that never began has no end"),
        None => {
            // All steps were made, so the last one was decided.
            assert!(sleeps);
            assert_eq!(log.end.get(), Some(Reason::Cancelled));
        }
    }
});
