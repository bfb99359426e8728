//! [`Retry::call`]: the driver that blocks.

use core::ops::ControlFlow::Break;
use core::time::Duration;

use super::call::{Call, Live};
use super::finish::Finish;
use super::future::Retry;
use super::operation::{AtOnce, Operation};
use super::overlay::Overlay;
use super::source::Source;
#[cfg(feature = "std")]
use crate::enclosing;
use crate::ends::Ends;
use crate::engine::Phase;
use crate::hook::FinishFacts;
use crate::time::{BlockingTimer, Clock};
use crate::{Hook, Outcome, Reason, Verdict};

impl<Op, O, S, V, H, X, R, T> Retry<Op, O, S, V, H, X, R, T>
where
    Op: Operation,
    S: Source,
    H: Hook<O>,
    X: Ends,
    T: Clock,
{
    /// Runs the retry on this thread, blocking between attempts, and returns the operation's own
    /// outcome, or what [`.report()`](Retry::report) makes of it. For operations that make an
    /// outcome; those that make a future are awaited.
    ///
    /// ```
    /// use persevere::{RetryExt, constant};
    /// use std::time::Duration;
    /// let backoff = constant(Duration::from_millis(1)).max_attempts(3);
    /// let outcome = (|| "42".parse::<i32>()).retry_with(backoff).call();
    /// assert_eq!(outcome, Ok(42));
    /// ```
    // The first attempt is no part of the loop, so that a call which succeeds at once has nothing to
    // keep for another turn: that costs it half as much, and a third with guards.
    #[inline(always)]
    pub fn call<Y>(self) -> Y
    where
        Op::Output: AtOnce<O>,
        O: Outcome,
        V: Overlay<S, O>,
        R: Finish<O, X, Output = Y>,
        T: BlockingTimer,
    {
        let (mut operation, mut session, mut output) = self.into_parts();
        let mut call = session.live();
        let now = call.begin();
        let outcome = match attempt(&mut call, &mut operation, now) {
            Ok(outcome) => outcome,
            Err((interruption, facts)) => return output.interrupted(interruption, facts),
        };
        let (verdict, now) = call.assess(&outcome);
        if let Verdict::Accept = verdict {
            let facts = call.finish(Some(&outcome), Reason::Succeeded, now);
            return output.returned(outcome, facts);
        }
        go_on(session, operation, output, outcome, verdict, now)
    }
}

#[inline(always)]
fn attempt<Op, O, S, V, H, X, T>(
    call: &mut Live<'_, O, S, V, H, X, T>,
    operation: &mut Op,
    now: Option<Duration>,
) -> Result<O, (X::Interruption, FinishFacts)>
where
    Op: Operation<Output: AtOnce<O>>,
    S: Source,
    H: Hook<O>,
    X: Ends,
    T: Clock,
{
    let attempt = call.enter(now)?;
    call.set_phase(Phase::Inside);
    let output = match call.end(&attempt, now) {
        #[cfg(feature = "std")]
        Some(end) => enclosing::within(call.timer(), end, || operation.attempt(attempt)),
        _ => operation.attempt(attempt),
    };
    Ok(output.outcome())
}

/// What follows a first attempt that was not accepted.
#[inline(always)]
fn go_on<Op, O, S, V, H, X, R, T>(
    session: Call<O, S, V, H, X, T>,
    mut operation: Op,
    mut output: R,
    mut outcome: O,
    mut verdict: Verdict,
    mut now: Option<Duration>,
) -> R::Output
where
    Op: Operation<Output: AtOnce<O>>,
    O: Outcome,
    S: Source,
    V: Overlay<S, O>,
    H: Hook<O>,
    X: Ends,
    R: Finish<O, X>,
    T: BlockingTimer,
{
    // Moved, it may live in registers here, whatever the first attempt needed.
    let mut session = session.rebuild(|parts| parts);
    let mut call = session.live();
    loop {
        let pass = |outcome| output.pass(outcome);
        if let Break((outcome, facts)) = call.conclude_blocking(outcome, verdict, now, pass) {
            return output.returned(outcome, facts);
        }
        now = call.now();
        outcome = match attempt(&mut call, &mut operation, now) {
            Ok(outcome) => outcome,
            Err((interruption, facts)) => return output.interrupted(interruption, facts),
        };
        (verdict, now) = call.assess(&outcome);
    }
}
