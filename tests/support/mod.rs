//! Shared parts of the behaviour tests: operations that follow a script, and one log into which the
//! operation, the classifier, the hooks and the timer write, so that a test sees their order.
#![allow(dead_code, reason = "each of the test files uses a part of it")]

use std::collections::VecDeque;
use std::error::Error;
use std::fmt::{self, Debug, Display, Formatter, Write as _};
use std::future::Future;
use std::ops::ControlFlow::{self, Break, Continue};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use persevere::classify::Classifier;
use persevere::guard::Guard;
use persevere::hook::{AttemptEvent, FinishEvent, Hook, RetryEvent};
use persevere::time::{BlockingTimer, Clock, Timer, TokioTimer, VirtualClock};
use persevere::{Attempt, Finite, Interrupted, Outcome, Verdict, Veto};

pub(crate) const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(crate) const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A backoff of any type.
pub(crate) type AnyBackoff = Arc<dyn Finite + Send + Sync>;

/// The outcome of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    /// A value that is accepted.
    Done,
    /// A value that may be better the next time.
    NotYet,
    /// A value that will not get better.
    Useless,
    /// An error that may be gone the next time.
    Busy,
    /// An error that stays.
    Fatal,
    /// An error that counts as a success.
    Harmless,
    /// An error with the server's wish to be left alone for a while.
    After(Duration),
}

/// One attempt of a script: its duration and its outcome.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) does: Does,
    pub(crate) takes: Duration,
}

impl From<Does> for Step {
    fn from(does: Does) -> Self {
        Step { does, takes: Duration::ZERO }
    }
}

impl Does {
    pub(crate) fn taking(self, millis: u64) -> Step {
        Step { does: self, takes: ms(millis) }
    }
}

/// A value, and the number of the attempt that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply(pub(crate) Does, pub(crate) u32);

/// An error, and the number of the attempt that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Made(Does, u32),
    Interrupted(Interrupted),
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(self, f)
    }
}

impl Error for Fault {}

impl From<Interrupted> for Fault {
    fn from(interrupted: Interrupted) -> Self {
        Fault::Interrupted(interrupted)
    }
}

/// The outcome of a scripted attempt.
pub(crate) type Made = Result<Reply, Fault>;

impl Does {
    pub(crate) fn made(self, number: u32) -> Made {
        match self {
            Does::Done | Does::NotYet | Does::Useless => Ok(Reply(self, number)),
            _ => Err(Fault::Made(self, number)),
        }
    }

    pub(crate) fn verdict(self) -> Verdict {
        match self {
            Does::Done | Does::Harmless => Verdict::Accept,
            Does::NotYet | Does::Busy => Verdict::Retry,
            Does::Useless | Does::Fatal => Verdict::Stop,
            Does::After(delay) => Verdict::RetryAfter(delay),
        }
    }
}

/// Lines, in the order in which things happened; one of them may be made to panic.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<String>,
    bomb: Option<usize>,
}

impl Log {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a line. If it is the one with the bomb, its writer panics, without output.
    pub(crate) fn say(&self, line: impl Into<String>) {
        let mut lines = self.lines();
        lines.lines.push(line.into());
        let explodes = lines.bomb == Some(lines.lines.len() - 1);
        drop(lines);
        if explodes {
            resume_unwind(Box::new("bomb"));
        }
    }

    /// Lets the writer of line number `line` panic.
    pub(crate) fn plant(&self, line: usize) {
        self.lines().bomb = Some(line);
    }

    pub(crate) fn read(&self) -> Vec<String> {
        self.lines().lines.clone()
    }

    pub(crate) fn clear(&self) {
        *self.lines() = Lines::default();
    }
}

/// The time of a test.
#[derive(Clone, Debug)]
pub(crate) enum Time {
    Virtual(VirtualClock),
    /// tokio's, paused.
    Tokio,
}

impl Time {
    pub(crate) fn now(&self) -> Duration {
        match self {
            Time::Virtual(clock) => clock.now(),
            Time::Tokio => TokioTimer.now(),
        }
    }
}

/// A timer that logs its sleeps.
#[derive(Clone, Debug)]
pub(crate) struct Spy {
    pub(crate) time: Time,
    pub(crate) log: Log,
}

impl Clock for Spy {
    type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;
    fn now(&self) -> Duration {
        self.time.now()
    }
}

impl Timer for Spy {
    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.log.say(format!("sleep {duration:?}"));
        match &self.time {
            Time::Virtual(clock) => Box::pin(clock.sleep(duration)),
            Time::Tokio => Box::pin(TokioTimer.sleep(duration)),
        }
    }
}

impl BlockingTimer for Spy {
    fn sleep_blocking(&self, duration: Duration) {
        self.log.say(format!("sleep {duration:?}"));
        match &self.time {
            Time::Virtual(clock) => clock.sleep_blocking(duration),
            Time::Tokio => unreachable!("tokio's paused clock does not block"),
        }
    }
}

/// Classifies the outcomes of a script, with values or without.
#[derive(Clone, Debug)]
pub(crate) struct Meaning(pub(crate) Log);

/// The values of outcomes that [`Meaning`] classifies.
pub(crate) trait Value {
    fn does(&self) -> Does;
}

impl Value for Reply {
    fn does(&self) -> Does {
        self.0
    }
}

impl Value for std::convert::Infallible {
    fn does(&self) -> Does {
        match *self {}
    }
}

/// An erased policy does not see the value. It accepts it, unless the call has classified it
/// before.
impl Value for () {
    fn does(&self) -> Does {
        Does::Done
    }
}

impl<O: Outcome<Error = Fault>> Classifier<O> for Meaning
where
    O::Value: Value,
{
    fn classify(&self, outcome: &O, attempt: &Attempt) -> Option<Verdict> {
        self.0.say(format!("classify {}", attempt.number()));
        match outcome.as_result() {
            Ok(value) => Some(value.does().verdict()),
            Err(Fault::Made(does, _)) => Some(does.verdict()),
            Err(Fault::Interrupted(_)) => None,
        }
    }
}

/// A hook that writes down every event, and may refuse.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    pub(crate) name: &'static str,
    pub(crate) log: Log,
    pub(crate) timed: bool,
    /// Refuses the retry after the attempt with this number.
    pub(crate) refuses_retry: Option<(u32, Veto)>,
    /// Refuses the attempt with this number.
    pub(crate) refuses_attempt: Option<(u32, Veto)>,
}

fn refused(refuses: Option<(u32, Veto)>, number: u32) -> ControlFlow<Veto> {
    match refuses {
        Some((refused, veto)) if refused == number => Break(veto),
        _ => Continue(()),
    }
}

/// The outcome of an attempt. One that was dropped has none.
fn shown<O: Outcome<Value: Debug, Error: Debug>>(outcome: Option<&O>) -> String {
    outcome.map_or("no outcome".to_owned(), |outcome| format!("{:?}", outcome.as_result()))
}

/// The events of a recorder, as a hook and as a guard alike.
macro_rules! events {
    () => {
        fn reads_clock(&self) -> bool {
            self.timed
        }

        fn before_attempt(&mut self, attempt: &Attempt) {
            let (number, waited) = (attempt.number(), attempt.waited());
            self.log.say(format!("{} begins {number}, {waited:?} waited", self.name));
        }

        fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
            let (number, verdict) = (event.attempt().number(), event.verdict());
            let outcome = shown(event.outcome());
            self.log.say(format!("{} hears {number}: {outcome} is {verdict:?}", self.name));
        }

        fn allow_retry(&mut self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
            self.log.say(format!("{} allows {}: {:?}", self.name, event.number(), event.delay()));
            refused(self.refuses_retry, event.number())
        }

        fn before_retry(&mut self, event: &RetryEvent<'_, O>) {
            let (number, delay) = (event.number(), event.delay());
            let outcome = shown(event.outcome());
            self.log.say(format!("{} retries {number}: {outcome} in {delay:?}", self.name));
        }

        fn finish(&mut self, event: &FinishEvent<'_, O>) {
            let facts = (event.reason(), event.attempts(), event.waited(), event.elapsed().ok());
            let mut line = format!("{} finishes: {facts:?}", self.name);
            if event.outcome().is_some() {
                write!(line, " with {}", shown(event.outcome())).unwrap();
            }
            self.log.say(line);
        }
    };
}

impl<O: Outcome<Value: Debug, Error: Debug>> Hook<O> for Recorder {
    events!();
}

impl<O: Outcome<Value: Debug, Error: Debug>> Guard<O> for Recorder {
    events!();

    fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
        self.log.say(format!("{} guards {}", self.name, attempt.number()));
        refused(self.refuses_attempt, attempt.number())
    }
}

/// Where a script is played.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) time: Time,
    pub(crate) log: Log,
    play: Arc<Mutex<Play>>,
}

#[derive(Debug)]
struct Play {
    script: VecDeque<Step>,
    began: Duration,
    calls: u32,
}

impl Stage {
    pub(crate) fn new(time: Time, script: &[Step]) -> Self {
        let (script, began) = (script.iter().copied().collect(), time.now());
        let play = Arc::new(Mutex::new(Play { script, began, calls: 0 }));
        Stage { time, log: Log::default(), play }
    }

    fn play(&self) -> MutexGuard<'_, Play> {
        self.play.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From the top, with an empty log; the clock runs on.
    pub(crate) fn rewind(&self, script: &[Step]) {
        self.log.clear();
        let script = script.iter().copied().collect();
        *self.play() = Play { script, began: self.time.now(), calls: 0 };
    }

    pub(crate) fn spy(&self) -> Spy {
        Spy { time: self.time.clone(), log: self.log.clone() }
    }

    pub(crate) fn meaning(&self) -> Meaning {
        Meaning(self.log.clone())
    }

    pub(crate) fn clock(&self) -> &VirtualClock {
        match &self.time {
            Time::Virtual(clock) => clock,
            Time::Tokio => unreachable!("tokio's time has no virtual clock"),
        }
    }

    /// An attempt begins: its number, and its step.
    fn enter(&self) -> (u32, Step) {
        let now = self.time.now();
        let (number, line, step) = {
            let mut play = self.play();
            play.calls += 1;
            let line = format!("call {} at {:?}", play.calls, now - play.began);
            (play.calls, line, play.script.pop_front())
        };
        self.log.say(line);
        (number, step.expect("the operation was called more often than its script foresees"))
    }

    /// The number that the next attempt has to have.
    fn expect(&self, attempt: Attempt) {
        let next = self.play().calls + 1;
        assert_eq!(attempt.number(), next, "the operation was told another number than its own");
    }

    /// As [`Stage::attempt`], for operations that are told the attempt.
    pub(crate) fn numbered(&self, attempt: Attempt) -> Made {
        self.expect(attempt);
        self.attempt()
    }

    /// As [`Stage::attempt_async`], for operations that are told the attempt.
    pub(crate) async fn numbered_async(self, attempt: Attempt) -> Made {
        self.expect(attempt);
        self.attempt_async().await
    }

    /// An attempt that blocks.
    pub(crate) fn attempt(&self) -> Made {
        let (number, step) = self.enter();
        self.clock().advance(step.takes);
        step.does.made(number)
    }

    /// An attempt that does not. It is only begun when polled, as an `async fn` is.
    pub(crate) async fn attempt_async(self) -> Made {
        let (number, step) = self.enter();
        if !step.takes.is_zero() {
            match &self.time {
                Time::Virtual(clock) => clock.sleep(step.takes).await,
                Time::Tokio => tokio::time::sleep(step.takes).await,
            }
        }
        step.does.made(number)
    }
}

/// A scripted attempt as a future that can be cloned: each clone is another attempt.
pub(crate) struct Clonable {
    stage: Stage,
    running: Option<Pin<Box<dyn Future<Output = Made> + Send>>>,
}

impl Clonable {
    pub(crate) fn new(stage: &Stage) -> Self {
        Clonable { stage: stage.clone(), running: None }
    }
}

impl Clone for Clonable {
    fn clone(&self) -> Self {
        Clonable::new(&self.stage)
    }
}

impl Future for Clonable {
    type Output = Made;
    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Made> {
        let stage = self.stage.clone();
        self.running.get_or_insert_with(|| Box::pin(stage.attempt_async())).as_mut().poll(cx)
    }
}
