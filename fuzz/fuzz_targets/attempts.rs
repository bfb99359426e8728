//! A loop whose attempts and sleeps are cut at any point, by the future of an attempt being dropped:
//! no attempt begins before its delay has passed, none begins after the limit while the loop has an
//! outcome to end with, and every attempt and the call end once, with the outcome of the last attempt
//! that had one. The policy is plain, erased, or has signals or guards.
#![no_main]

use std::cell::Cell;
use std::future::Future;
use std::ops::ControlFlow::{self, Break, Continue};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use persevere::guard::Guard;
use persevere::hook::{AttemptEvent, FinishEvent, Hook, RetryEvent};
use persevere::time::{BlockingTimer, CancelToken, Clock, RetrySignal, Timer};
use persevere::{
    Attempt, Backoff, DynPolicy, Interruption, Policy, Reason, Veto, constant, delays, exponential,
};

#[derive(Arbitrary, Debug)]
struct Input {
    kind: Kind,
    backoff: Curve,
    jitter: bool,
    max_attempts: u8,
    max_elapsed: Option<u16>,
    seed: u64,
    /// Whether the hook reads the clock.
    timed: bool,
    /// Without its last outcome, a loop goes on where it would end with it.
    forgets: bool,
    /// A bit for each of the first attempts after which the hook vetoes the retry.
    vetoes: u8,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Kind {
    Plain,
    Erased,
    Signals {
        erased: bool,
    },
    /// The bits are those of the attempts that the guard refuses.
    Guards {
        refused: u8,
        attempt_timeout: Millis,
        deadline: Millis,
        erased: bool,
    },
    /// As the guards of a loop that may block.
    Deadline {
        refused: u8,
        deadline: Millis,
        erased: bool,
    },
}

#[derive(Arbitrary, Debug)]
enum Curve {
    Constant(Millis),
    Delays(Vec<Millis>),
    Exponential(Millis),
}

#[derive(Arbitrary, Debug, Clone, Copy)]
struct Millis(u16);

impl Millis {
    fn duration(self) -> Duration {
        Duration::from_millis(self.0.into())
    }
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Step {
    /// The future of the attempt is dropped after so many polls, or driven until it is ready.
    Attempt {
        operation: Plan,
        polls: Option<u8>,
        between: Millis,
    },
    Check {
        ends: End,
        polls: Option<u8>,
        between: Millis,
    },
    Blocking(End),
    Pass(Millis),
    RetryNow,
    Current,
    Cancel,
    Signal,
}

/// The behaviour of an operation: the polls until it is ready, and its outcome.
#[derive(Arbitrary, Debug, Clone, Copy)]
struct Plan {
    pending: u8,
    ends: End,
}

#[derive(Arbitrary, Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Good,
    Bad,
    Permanent,
}

/// Longer loops are only slower.
const LONGEST_LOOP: usize = 40;

#[derive(Debug, PartialEq, Eq)]
enum Failure {
    Bad(u32),
    Permanent(u32),
    /// With the number of the error of the attempt before.
    Interrupted(Option<u32>),
}

type Outcome = Result<u32, Failure>;

fn outcome(ends: End, id: u32) -> Outcome {
    match ends {
        End::Good => Ok(id),
        End::Bad => Err(Failure::Bad(id)),
        End::Permanent => Err(Failure::Permanent(id)),
    }
}

/// The model: the expected behaviour of the loop by the events of its hook and its timer. It belongs to the
/// thread, so that hook, guard and timer are empty and an erased policy can have them.
struct Model {
    now: Cell<Duration>,
    start: Cell<Duration>,
    most: Cell<Option<u32>>,
    max_elapsed: Cell<Option<Duration>>,
    attempt_timeout: Cell<Duration>,
    deadline: Cell<Duration>,
    keeps: Cell<bool>,
    timed: Cell<bool>,
    vetoes: Cell<u8>,
    refused: Cell<u8>,

    /// The number of sleeps that the timer has made.
    sleeps: Cell<u32>,
    /// The attempts that were announced, and the last of them that the operation began.
    entered: Cell<u32>,
    begun: Cell<u32>,
    begun_at: Cell<Duration>,
    running: Cell<bool>,
    /// A sleep that has begun, and the earliest time of the attempt after it.
    asleep: Cell<bool>,
    due: Cell<Duration>,
    /// The end of the sleep, unless something ends it early.
    planned: Cell<Duration>,
    delay: Cell<Duration>,
    /// The sleep is the last delay again, at a limit.
    repeats: Cell<bool>,
    /// The next attempt need not be waited for.
    skips: Cell<bool>,
    cancelled: Cell<bool>,
    /// The last outcome.
    outcome: Cell<Option<u32>>,
    end: Cell<Option<Reason>>,
    /// The last attempt or sleep was cut.
    cut: Cell<bool>,
}

thread_local! {
    static MODEL: Model = const {
        Model {
            now: Cell::new(Duration::ZERO),
            start: Cell::new(Duration::ZERO),
            most: Cell::new(None),
            max_elapsed: Cell::new(None),
            attempt_timeout: Cell::new(Duration::MAX),
            deadline: Cell::new(Duration::MAX),
            keeps: Cell::new(true),
            timed: Cell::new(false),
            vetoes: Cell::new(0),
            refused: Cell::new(0),
            sleeps: Cell::new(0),
            entered: Cell::new(0),
            begun: Cell::new(0),
            begun_at: Cell::new(Duration::ZERO),
            running: Cell::new(false),
            asleep: Cell::new(false),
            due: Cell::new(Duration::ZERO),
            planned: Cell::new(Duration::ZERO),
            delay: Cell::new(Duration::ZERO),
            repeats: Cell::new(false),
            skips: Cell::new(false),
            cancelled: Cell::new(false),
            outcome: Cell::new(None),
            end: Cell::new(None),
            cut: Cell::new(false),
        }
    };
}

fn model<R>(look: impl FnOnce(&Model) -> R) -> R {
    MODEL.with(look)
}

fn bit(bits: u8, number: u32) -> bool {
    (1..=8).contains(&number) && bits >> (number - 1) & 1 == 1
}

/// The delay of an attempt at a limit, where the loop has no outcome to end with and no delay before.
const WITHOUT_DELAY: Duration = Duration::from_secs(1);

impl Model {
    fn begin(&self, input: &Input, most: Option<u32>) {
        self.now.set(Duration::from_secs(1000));
        self.start.set(self.now.get());
        self.most.set(most);
        self.max_elapsed.set(input.max_elapsed.map(|millis| Millis(millis).duration()));
        self.attempt_timeout.set(Duration::MAX);
        self.deadline.set(Duration::MAX);
        self.refused.set(0);
        match input.kind {
            Kind::Guards { refused, attempt_timeout, deadline, .. } => {
                self.attempt_timeout.set(attempt_timeout.duration());
                self.deadline.set(deadline.duration());
                self.refused.set(refused);
            }
            Kind::Deadline { refused, deadline, .. } => {
                self.deadline.set(deadline.duration());
                self.refused.set(refused);
            }
            Kind::Plain | Kind::Erased | Kind::Signals { .. } => {}
        }
        // Signals, and the closure of `or_interrupted`, need the last outcome in any case. An erased
        // policy may have both.
        self.keeps.set(!input.forgets || !matches!(input.kind, Kind::Plain));
        self.timed.set(input.timed);
        self.vetoes.set(input.vetoes);
        self.sleeps.set(0);
        self.entered.set(0);
        self.begun.set(0);
        self.running.set(false);
        self.asleep.set(false);
        self.due.set(Duration::ZERO);
        self.delay.set(Duration::ZERO);
        self.repeats.set(false);
        self.skips.set(false);
        self.cancelled.set(false);
        self.outcome.set(None);
        self.end.set(None);
        self.cut.set(false);
    }

    /// Whether the loop ends where the limit on attempts allows no other.
    fn has_outcome(&self) -> bool {
        self.keeps.get() && self.outcome.get().is_some()
    }

    fn ended(&self) -> bool {
        self.end.get().is_some()
    }

    fn pass(&self, time: Duration) {
        self.now.set(self.now.get() + time);
    }

    fn sleep(&self, delay: Duration, repeats: bool) {
        self.asleep.set(true);
        self.delay.set(delay);
        self.repeats.set(repeats);
        self.planned.set(self.now.get() + delay);
        let waits = !self.skips.get() && (repeats || !self.cancelled.get());
        self.due.set(if waits { self.planned.get() } else { Duration::ZERO });
    }

    /// The latest time of the attempt after a sleep. A repeated delay may be kept by a cancelled loop,
    /// whatever signal came before.
    fn latest(&self) -> Duration {
        let keeps = self.cancelled.get() && self.repeats.get();
        if keeps { self.planned.get() } else { self.due.get() }
    }

    /// The sleep that was cut, or the one that comes, may end early.
    fn skip(&self) {
        self.skips.set(true);
        self.due.set(Duration::ZERO);
    }

    /// The number of the attempt that the body makes now.
    fn number(&self) -> u32 {
        let number = self.entered.get();
        let is_last = self.most.get().is_some_and(|most| number >= most);
        let ends = self.ended() || self.has_outcome() && is_last;
        if self.cut.get() && !ends { number + 1 } else { number }
    }

    /// The operation makes its attempt.
    fn operate(&self, number: u32) {
        if self.ended() {
            return;
        }
        assert!(self.running.get(), "an operation without an attempt");
        assert_eq!(self.entered.get(), number, "the body was promised another attempt");
        assert!(self.begun.get() < number, "attempt {number} is made twice");
        self.begun.set(number);
        self.begun_at.set(self.now.get());
    }

    /// The operation has returned.
    fn produce(&self, id: u32) {
        if !self.ended() {
            self.outcome.set(Some(id));
        }
    }
}

#[derive(Clone, Copy)]
struct Watch;

impl<O> Hook<O> for Watch {
    fn reads_clock(&self) -> bool {
        model(|model| model.timed.get())
    }

    fn before_attempt(&mut self, attempt: &Attempt) {
        model(|model| {
            let number = attempt.number();
            assert!(!model.ended() && !model.running.get(), "{attempt} comes too early or late");
            assert_eq!(number, model.entered.get() + 1, "attempts are counted");
            if model.has_outcome() {
                let most = model.most.get().unwrap_or(u32::MAX);
                assert!(number <= most, "{attempt} begins, although the loop could end");
            }
            let now = model.now.get();
            assert!(
                now >= model.due.get(),
                "{attempt} begins at {now:?}, not {:?}",
                model.due.get()
            );
            let elapsed = now - model.start.get();
            assert!(elapsed < model.deadline.get(), "{attempt} begins after the deadline");
            model.entered.set(number);
            model.running.set(true);
            model.asleep.set(false);
            model.skips.set(false);
            model.due.set(Duration::ZERO);
        });
    }

    fn after_attempt(&mut self, event: &AttemptEvent<'_, O>) {
        model(|model| {
            assert!(model.running.replace(false), "an attempt ends once");
            assert_eq!(event.attempt().number(), model.entered.get());
            if event.outcome().is_none() {
                let now = model.now.get();
                let late = now - model.begun_at.get() >= model.attempt_timeout.get()
                    || now - model.start.get() >= model.deadline.get();
                assert!(late, "an attempt is interrupted before its time");
            }
        });
    }

    fn attempt_dropped(&mut self, attempt: &Attempt) {
        model(|model| {
            assert!(model.running.replace(false), "an attempt ends once");
            assert_eq!(attempt.number(), model.entered.get());
            assert_eq!(model.begun.get(), model.entered.get(), "an attempt that began was dropped");
            // The last delay again, unless a retry is announced.
            let delay = model.delay.get();
            model.sleep(if delay.is_zero() { WITHOUT_DELAY } else { delay }, true);
        });
    }

    fn allow_retry(&mut self, event: &RetryEvent<'_, O>) -> ControlFlow<Veto> {
        let vetoed = model(|model| bit(model.vetoes.get(), event.number()));
        if vetoed { Break(Veto::Refused) } else { Continue(()) }
    }

    fn before_retry(&mut self, event: &RetryEvent<'_, O>) {
        model(|model| {
            assert!(!model.ended() && !model.running.get());
            assert_eq!(event.number(), model.entered.get());
            let is_last = model.most.get().is_some_and(|most| event.number() >= most);
            assert!(!is_last, "{:?}", event.facts());
            if let (Ok(elapsed), Some(limit)) = (event.elapsed(), model.max_elapsed.get()) {
                assert!(elapsed + event.delay() < limit, "{:?}", event.facts());
            }
            model.sleep(event.delay(), false);
        });
    }

    fn finish(&mut self, event: &FinishEvent<'_, O>) {
        model(|model| {
            assert_eq!(model.end.replace(Some(event.reason())), None, "a call ends once");
            assert_eq!(event.attempts(), model.entered.get());
            model.running.set(false);
            model.asleep.set(false);
        });
    }
}

#[derive(Clone, Copy)]
struct Refuse;

impl<O> Guard<O> for Refuse {
    fn reads_clock(&self) -> bool {
        false
    }

    fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
        let refused = model(|model| bit(model.refused.get(), attempt.number()));
        if refused { Break(Veto::Circuit) } else { Continue(()) }
    }
}

/// A timer by the model's clock.
#[derive(Clone, Copy)]
struct Virtual;

struct Sleep(Duration);

impl Clock for Virtual {
    type Sleep = Sleep;
    fn now(&self) -> Duration {
        model(|model| model.now.get())
    }
}

impl Timer for Virtual {
    fn sleep(&self, duration: Duration) -> Sleep {
        assert!(!duration.is_zero(), "a timer makes no sleep of zero");
        model(|model| {
            model.sleeps.set(model.sleeps.get() + 1);
            Sleep(model.now.get().saturating_add(duration))
        })
    }
}

impl BlockingTimer for Virtual {
    fn sleep_blocking(&self, duration: Duration) {
        assert!(!duration.is_zero(), "a timer makes no sleep of zero");
        model(|model| {
            model.sleeps.set(model.sleeps.get() + 1);
            model.pass(duration);
        });
    }
}

impl Future for Sleep {
    type Output = ();
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if Virtual.now() >= self.0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// The future of an operation, which was promised to be this attempt.
struct Operation {
    plan: Plan,
    id: u32,
    number: u32,
    begun: bool,
}

impl Future for Operation {
    type Output = Outcome;
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Outcome> {
        if !std::mem::replace(&mut self.begun, true) {
            model(|model| model.operate(self.number));
        }
        if self.plan.pending > 0 {
            self.plan.pending -= 1;
            return Poll::Pending;
        }
        model(|model| model.produce(self.id));
        Poll::Ready(outcome(self.plan.ends, self.id))
    }
}

/// Polls the future of an attempt so often, or to its end.
fn drive<F>(future: F, id: u32, polls: Option<u8>, between: Duration)
where
    F: Future<Output = ControlFlow<Outcome>>,
{
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    let late = model(Model::ended);
    for poll in 0..1000 {
        if polls.is_some_and(|polls| poll >= u32::from(polls)) {
            return;
        }
        let due = model(|model| {
            // A sleep that a signal ended gives the executor its turn.
            let cancelled = model.cancelled.get() && !model.repeats.get();
            let turn = poll == 0 && (model.skips.get() || cancelled);
            model.asleep.get() && model.now.get() >= model.latest() && !turn
        });
        let entered = model(|model| model.entered.get());
        let polled = future.as_mut().poll(&mut cx);
        let goes_on = model(|model| model.entered.get() > entered || model.ended());
        assert!(goes_on || !due, "the sleep is over, and the attempt does not begin");
        match polled {
            Poll::Ready(flow) => return model(|model| model.check(flow, id, late)),
            Poll::Pending => model(|model| {
                model.cut.set(!late);
                let left = model.latest().saturating_sub(model.now.get());
                // To the end: as long as it takes.
                let least = if polls.is_none() { left.max(MILLISECOND) } else { Duration::ZERO };
                model.pass(between.max(least));
            }),
        }
    }
    panic!("an attempt that is driven does not end");
}

const MILLISECOND: Duration = Duration::from_millis(1);

impl Model {
    /// Checks the result of the attempt with this outcome.
    fn check(&self, flow: ControlFlow<Outcome>, id: u32, late: bool) {
        self.cut.set(false);
        let Break(outcome) = flow else {
            assert!(!self.ended() && self.running.get(), "the loop goes on with an attempt");
            return;
        };
        let reason = self.end.get().expect("a loop that is left has ended");
        let last = if late { Some(id) } else { self.outcome.get() };
        match outcome {
            Ok(id) => {
                assert!(Some(id) == last && (late || reason == Reason::Succeeded), "{reason}");
            }
            Err(Failure::Permanent(id)) => {
                assert!(Some(id) == last && (late || reason == Reason::NotRetryable), "{reason}");
            }
            Err(Failure::Bad(id)) => {
                let ends = reason.gave_up() || self.cancelled.get() && reason == Reason::Cancelled;
                assert!(Some(id) == last && (late || ends), "{reason}");
            }
            Err(Failure::Interrupted(id)) => {
                assert!(id == last && !late && reason.gave_up(), "{reason}");
            }
        }
    }
}

/// Makes a loop of the steps: a macro, because the type of a loop is not for generic functions.
macro_rules! run {
    ($attempts:expr, $input:expr, $signals:expr, |$loop:ident, $operation:ident| $blocking:expr) => {{
        let (mut $loop, input): (_, &Input) = ($attempts, $input);
        let (token, signal): &(CancelToken, RetrySignal) = $signals;
        for (id, step) in (1..).zip(input.steps.iter().take(LONGEST_LOOP)) {
            let number = model(Model::number);
            assert_eq!($loop.number(), number);
            let is_last = model(|model| model.most.get().is_some_and(|most| number >= most));
            assert_eq!($loop.is_last(), is_last);
            match *step {
                Step::Attempt { operation: plan, polls, between } => {
                    let operation = Operation { plan, id, number, begun: false };
                    drive($loop.attempt(operation), id, polls, between.duration());
                }
                Step::Check { ends, polls, between } => {
                    // The outcome is that of the attempt which is made now, after the rest of a sleep.
                    let operation = async {
                        model(|model| model.operate(number));
                        model(|model| model.produce(id));
                        outcome(ends, id)
                    };
                    drive($loop.attempt(operation), id, polls, between.duration());
                }
                Step::Blocking(ends) => {
                    let late = model(Model::ended);
                    let $operation = || {
                        model(|model| model.operate(number));
                        model(|model| model.produce(id));
                        outcome(ends, id)
                    };
                    let flow: Option<ControlFlow<Outcome>> = $blocking;
                    if let Some(flow) = flow {
                        model(|model| model.check(flow, id, late));
                    }
                }
                Step::Pass(time) => model(|model| model.pass(time.duration())),
                Step::RetryNow => {
                    $loop.retry_now();
                    if model(|model| model.cut.get() && !model.ended()) {
                        model(Model::skip);
                    }
                }
                Step::Current => {
                    let current = $loop.current();
                    assert_eq!((current.number(), current.is_last()), (number, is_last));
                    assert_eq!(current.random(), $loop.current().random(), "a draw is pure");
                }
                Step::Cancel => {
                    token.cancel();
                    if matches!(input.kind, Kind::Signals { .. }) {
                        model(|model| {
                            model.cancelled.set(true);
                            if !model.repeats.get() {
                                model.due.set(Duration::ZERO);
                            }
                        });
                    }
                }
                Step::Signal => {
                    signal.retry_now();
                    let asleep = model(|model| {
                        let kept = model.cancelled.get() && model.repeats.get();
                        model.asleep.get() && !kept
                    });
                    if asleep && matches!(input.kind, Kind::Signals { .. }) {
                        model(Model::skip);
                    }
                }
            }
        }
        drop($loop);
    }};
}

fuzz_target!(|input: Input| {
    let curve: Box<dyn Backoff + Send + Sync> = match &input.backoff {
        Curve::Constant(delay) => Box::new(constant(delay.duration())),
        Curve::Delays(list) => {
            Box::new(delays(list.iter().map(|delay| delay.duration()).collect::<Vec<_>>()))
        }
        Curve::Exponential(first) => {
            Box::new(exponential(first.duration()).max_delay(Duration::from_secs(3600)))
        }
    };
    let curve: Box<dyn Backoff + Send + Sync> =
        if input.jitter { Box::new(curve.full_jitter()) } else { curve };
    let curve: Box<dyn Backoff + Send + Sync> = match input.max_elapsed {
        Some(millis) => Box::new(curve.max_elapsed(Millis(millis).duration())),
        None => curve,
    };
    let backoff = curve.max_attempts(u32::from(input.max_attempts % 8) + 1);
    model(|model| model.begin(&input, backoff.limits().attempts.map(Into::into)));
    let policy = Policy::new(backoff)
        .when(|failure: &Failure| !matches!(failure, Failure::Permanent(_)))
        .hook(Watch)
        .timer(Virtual)
        .seed(input.seed);
    let signals = (CancelToken::new(), RetrySignal::new());
    let interrupted = |why: Interruption<Failure>| {
        Failure::Interrupted(match why.into_last_error() {
            Some(Failure::Bad(id)) => Some(id),
            None => None,
            Some(other) => panic!("{other:?} was retried"),
        })
    };
    match input.kind {
        Kind::Plain if input.forgets => {
            let attempts = policy.start::<Outcome>().without_last_outcome();
            run!(attempts, &input, &signals, |a, op| Some(a.attempt_blocking(op)));
        }
        Kind::Plain => {
            let attempts = policy.start::<Outcome>();
            run!(attempts, &input, &signals, |a, op| Some(a.attempt_blocking(op)));
        }
        Kind::Erased => {
            let policy: DynPolicy<Failure> = policy.erase();
            let attempts = policy.try_start::<Outcome>().expect("there are no guards");
            run!(attempts, &input, &signals, |a, op| Some(a.attempt_blocking(op)));
        }
        Kind::Signals { erased } => {
            let policy = policy.cancel_by(&signals.0).retry_now_by(&signals.1);
            if erased {
                let policy: DynPolicy<Failure> = policy.erase();
                let attempts = policy.try_start::<Outcome>().expect("there are no guards");
                run!(attempts, &input, &signals, |a, op| Some(a.attempt_blocking(op)));
            } else {
                let attempts = policy.start::<Outcome>();
                run!(attempts, &input, &signals, |a, op| Some(a.attempt_blocking(op)));
            }
        }
        Kind::Guards { attempt_timeout, deadline, erased, .. } => {
            let policy = policy
                .guard(Refuse)
                .attempt_timeout(attempt_timeout.duration())
                .deadline(deadline.duration())
                .or_interrupted(interrupted);
            // An attempt timeout cannot interrupt blocking code.
            if erased {
                let policy: DynPolicy<Failure> = policy.erase();
                if let Ok(attempts) = policy.try_start::<Outcome>() {
                    run!(attempts, &input, &signals, |_a, _op| None);
                }
            } else if let Ok(attempts) = policy.try_start::<Outcome>() {
                run!(attempts, &input, &signals, |_a, _op| None);
            }
        }
        Kind::Deadline { deadline, erased, .. } => {
            let policy =
                policy.guard(Refuse).deadline(deadline.duration()).or_interrupted(interrupted);
            if erased {
                let policy: DynPolicy<Failure> = policy.erase();
                if let Ok(attempts) = policy.try_start::<Outcome>() {
                    run!(attempts, &input, &signals, |a, op| Some(a.attempt_blocking(op)));
                }
            } else if let Ok(attempts) = policy.try_start::<Outcome>() {
                run!(attempts, &input, &signals, |a, op| Some(a.attempt_blocking(op)));
            }
        }
    }
    model(|model| {
        let reason = model.end.get().expect("a call that began ends");
        if reason == Reason::Abandoned {
            assert!(!model.cut.get());
        }
        assert_ne!(reason, Reason::Panicked);
    });
});
