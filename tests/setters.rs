//! Every setter has its effect: alone, before and after every other, at a call, on a policy, and split
//! between the two; with every kind of policy, awaited, blocking and as a loop.
#![allow(clippy::result_large_err, reason = "the report has an error of the tests")]
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::future::{IntoFuture, pending};
use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use figment::Figment;
use figment::providers::{Format as _, Toml};
use futures::future::join;
use persevere::backoff::{Constant, MaxAttempts};
use persevere::classify::Classifier;
use persevere::guard::Guard;
use persevere::hook::{FinishEvent, FinishFacts, Hook};
use persevere::policy::{Policies, PolicyHandle};
use persevere::retry::Loop;
use persevere::testing::TestScope;
use persevere::time::{BlockingTimer, CancelToken, Clock, RetrySignal, Timer, VirtualClock};
use persevere::{
    Attempt, Interrupted, Kinded, Policy, Reason, RetryError, RetryExt, Verdict, Veto, constant,
    immediate,
};

use support::secs;

/// The errors of the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Busy,
    /// `.when` returns `false`.
    Fatal,
    /// `.classify` gives it a delay of 40 s.
    Late,
    /// `.classifier` forbids its retry.
    Cursed,
    Interrupted(Interrupted),
}
use Fault::{Busy, Cursed, Fatal, Late};

impl From<Interrupted> for Fault {
    fn from(interrupted: Interrupted) -> Self {
        Fault::Interrupted(interrupted)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Fault {}

impl Kinded for Fault {
    const KINDS: &'static [&'static str] = &[];

    fn is_kind(&self, _: &str) -> bool {
        false
    }
}

type Made = Result<u32, Fault>;

/// An attempt of the script.
#[derive(Clone, Copy)]
enum Does {
    Makes(Made),
    Hangs,
}
use Does::{Hangs, Makes};

/// The world of one call: its script, the settings that its setters take, and the record of it.
struct World {
    clock: VirtualClock,
    /// The attempts; the last one repeats.
    script: Vec<Does>,
    delay: Duration,
    refuse_from: u32,
    timeout: Duration,
    timeout_by: Duration,
    cancel_at: Option<Duration>,
    cancel_when_at: Duration,
    retry_at: Option<Duration>,
    outer_deadline: Option<Duration>,
    token: CancelToken,
    signal: RetrySignal,
    record: Record,
}

/// The record of a call. It is shared, since the hooks of policies are `'static`.
#[derive(Clone, Default)]
struct Record(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    calls: Vec<Duration>,
    draws: Vec<u64>,
    events: Vec<&'static str>,
    finish: Option<FinishFacts>,
}

impl Record {
    fn event(&self, event: &'static str) {
        self.0.lock().unwrap().events.push(event);
    }
    fn has(&self, event: &str) -> bool {
        self.0.lock().unwrap().events.contains(&event)
    }
    fn calls(&self) -> Vec<u64> {
        self.0.lock().unwrap().calls.iter().map(Duration::as_secs).collect()
    }
    fn finish(&self) -> FinishFacts {
        self.0.lock().unwrap().finish.unwrap()
    }
}

/// A hook that every call of the test has.
impl<O> Hook<O> for Record {
    fn before_attempt(&mut self, attempt: &Attempt) {
        self.0.lock().unwrap().draws.push(attempt.random());
    }
    fn finish(&mut self, event: &FinishEvent<'_, O>) {
        self.0.lock().unwrap().finish = Some(*event.facts());
    }
}

/// A hook that a setter adds.
#[derive(Clone)]
struct Added(Record);

impl<O> Hook<O> for Added {
    fn finish(&mut self, _: &FinishEvent<'_, O>) {
        self.0.event("hook");
    }
}

/// Forbids to retry [`Cursed`].
#[derive(Clone)]
struct Forbids;

impl Classifier<Made> for Forbids {
    fn classify(&self, made: &Made, _: &Attempt) -> Option<Verdict> {
        matches!(made, Err(Cursed)).then_some(Verdict::Forbidden)
    }
}

/// A guard that refuses attempts from a number on.
#[derive(Clone)]
struct Refuses(u32);

impl<O> Guard<O> for Refuses {
    fn allow_attempt(&mut self, attempt: &Attempt) -> ControlFlow<Veto> {
        if attempt.number() < self.0 { Continue(()) } else { Break(Veto::Refused) }
    }
}

/// The clock of the world, and a count of its readings.
#[derive(Clone)]
struct Counted(VirtualClock, Arc<AtomicU32>);

impl Clock for Counted {
    type Sleep = <VirtualClock as Clock>::Sleep;
    fn now(&self) -> Duration {
        self.1.fetch_add(1, Relaxed);
        self.0.now()
    }
}

impl Timer for Counted {
    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.1.fetch_add(1, Relaxed);
        self.0.sleep(duration)
    }
}

impl BlockingTimer for Counted {
    fn sleep_blocking(&self, duration: Duration) {
        self.1.fetch_add(1, Relaxed);
        self.0.sleep_blocking(duration);
    }
}

impl World {
    fn new(script: &[Does]) -> Self {
        World {
            clock: VirtualClock::new(),
            script: script.to_vec(),
            delay: secs(10),
            refuse_from: u32::MAX,
            timeout: secs(1000),
            timeout_by: secs(1000),
            cancel_at: None,
            cancel_when_at: Duration::MAX,
            retry_at: None,
            outer_deadline: None,
            token: CancelToken::new(),
            signal: RetrySignal::new(),
            record: Record::default(),
        }
    }

    /// A policy with a hook, and without any other setter.
    fn policy(&self) -> Policy<MaxAttempts<Constant>, ((), Record)> {
        Policy::new(constant(self.delay).max_attempts(4)).hook(self.record.clone())
    }

    /// A policy of settings.
    fn handle(&self) -> PolicyHandle {
        let delay = self.delay.as_secs();
        let toml = format!(
            "retry.policies.fixed = {{ strategy = 'constant', attempts = 4, wait_min = '{delay}s', \
             wait_max = '{delay}s', jitter = 'none' }}"
        );
        let figment = Figment::from(Toml::string(&toml));
        Policies::load(&figment, "retry").unwrap().get("fixed").unwrap()
    }

    fn begin(&self) -> Does {
        let mut record = self.record.0.lock().unwrap();
        let number = record.calls.len();
        record.calls.push(self.clock.now());
        self.script[number.min(self.script.len() - 1)]
    }

    async fn operation(&self) -> Made {
        match self.begin() {
            Makes(made) => made,
            Hangs => pending().await,
        }
    }

    fn blocking_operation(&self) -> Made {
        match self.begin() {
            Makes(made) => made,
            Hangs => unreachable!("a blocking attempt does not hang"),
        }
    }

    /// Runs `call` in virtual time, with the events from outside.
    fn run<F: IntoFuture>(&self, call: F) -> F::Output {
        let outside = async {
            if let Some(at) = self.cancel_at {
                self.clock.sleep(at).await;
                self.token.cancel();
            }
            if let Some(at) = self.retry_at {
                self.clock.sleep(at).await;
                self.signal.retry_now();
            }
        };
        let Some(limit) = self.outer_deadline else {
            return self.clock.block_on(join(call.into_future(), outside)).0;
        };
        let mut call = Some(call.into_future());
        let outer = || {
            let call = call.take().unwrap();
            async { Ok::<_, Interrupted>(call.await) }
        };
        let outer = outer.retry_with(immediate().max_attempts(1)).deadline(limit);
        self.clock.block_on(outer).expect("the inner call ends before the outer one")
    }

    /// Calls a function in virtual time, on this thread.
    fn call<T>(&self, call: impl FnOnce() -> T) -> T {
        let _scope = TestScope::new().clock(&self.clock).enter();
        call()
    }
}

/// An outcome with or without a report.
trait Ends {
    fn into_made(self) -> Option<Made>;
    fn is_report(&self) -> bool;
}

impl Ends for Made {
    fn into_made(self) -> Option<Made> {
        Some(self)
    }
    fn is_report(&self) -> bool {
        false
    }
}

impl Ends for Result<u32, RetryError<Fault>> {
    /// `None` if the report has an interruption alone.
    fn into_made(self) -> Option<Made> {
        match self {
            Ok(value) => Some(Ok(value)),
            Err(error) => match error.interrupted() {
                Some(interrupted) => Some(Err(Fault::Interrupted(interrupted))),
                None => error.into_error().map(Err),
            },
        }
    }
    fn is_report(&self) -> bool {
        self.is_err()
    }
}

/// The outcome of a call, and whether it was a report.
type Ended = (Option<Made>, bool);

fn ended(outcome: impl Ends) -> Ended {
    let is_report = outcome.is_report();
    (outcome.into_made(), is_report)
}

/// Makes the call of a world.
type Call = fn(&World) -> Ended;

/// Adds a setter to a call or a policy.
macro_rules! set {
    ($on:expr, $world:ident, when) => {
        $on.when(|error: &Fault| *error != Fatal)
    };
    ($on:expr, $world:ident, until) => {
        $on.until(|value: &u32| *value != 1)
    };
    ($on:expr, $world:ident, classify) => {
        $on.classify(|made: &Made, _: &Attempt| match made {
            Err(Late) => Some(Verdict::RetryAfter(secs(40))),
            _ => None,
        })
    };
    ($on:expr, $world:ident, classifier) => {
        $on.classifier(Forbids)
    };
    ($on:expr, $world:ident, hook) => {
        $on.hook(Added($world.record.clone()))
    };
    ($on:expr, $world:ident, on_attempt) => {{
        let record = $world.record.clone();
        $on.on_attempt(move |_| record.event("on_attempt"))
    }};
    ($on:expr, $world:ident, on_retry) => {{
        let record = $world.record.clone();
        $on.on_retry(move |_| record.event("on_retry"))
    }};
    ($on:expr, $world:ident, on_success) => {{
        let record = $world.record.clone();
        $on.on_success(move |_| record.event("on_success"))
    }};
    ($on:expr, $world:ident, on_give_up) => {{
        let record = $world.record.clone();
        $on.on_give_up(move |_| record.event("on_give_up"))
    }};
    ($on:expr, $world:ident, on_finish) => {{
        let record = $world.record.clone();
        $on.on_finish(move |_| record.event("on_finish"))
    }};
    ($on:expr, $world:ident, guard) => {
        $on.guard(Refuses($world.refuse_from))
    };
    ($on:expr, $world:ident, attempt_timeout) => {
        $on.attempt_timeout($world.timeout)
    };
    ($on:expr, $world:ident, attempt_timeout_by) => {{
        let limit = $world.timeout_by;
        $on.attempt_timeout_by(move |_: &Attempt| limit)
    }};
    ($on:expr, $world:ident, deadline) => {
        $on.deadline(secs(45))
    };
    ($on:expr, $world:ident, inherit_deadline) => {
        $on.inherit_deadline()
    };
    ($on:expr, $world:ident, timer) => {{
        let readings = READINGS.with(Arc::clone);
        $on.timer(Counted($world.clock.clone(), readings))
    }};
    ($on:expr, $world:ident, cancel_by) => {
        $on.cancel_by(&$world.token)
    };
    ($on:expr, $world:ident, retry_now_by) => {
        $on.retry_now_by(&$world.signal)
    };
    ($on:expr, $world:ident, seed) => {
        $on.seed(42)
    };
    ($on:expr, $world:ident, named) => {
        $on.named("load")
    };
    ($on:expr, $world:ident, timed) => {
        $on.timed()
    };
    // Setters of a call alone.
    ($on:expr, $world:ident, cancel_when) => {
        $on.cancel_when($world.clock.sleep($world.cancel_when_at))
    };
    ($on:expr, $world:ident, report) => {
        $on.report()
    };
}

thread_local! {
    /// The readings of the clock that `.timer` gives.
    static READINGS: Arc<AtomicU32> = Arc::default();
}

/// Asserts that `setter` had its effect, as one of `setters`: the probe makes the world in which the
/// effect shows. The other setters have no effect in that world.
fn probe(setter: &str, setters: &[&str], surface: &str, call: Call) {
    let text = format!("{setter} of {setters:?} on {surface}");
    let run = |script: &[Does], change: fn(&mut World)| {
        READINGS.with(|readings| readings.store(0, Relaxed));
        let mut world = World::new(script);
        change(&mut world);
        let (outcome, is_report) = call(&world);
        (world, outcome, is_report)
    };
    let unchanged = |_: &mut World| {};
    let (busy, fails) = (Makes(Err(Busy)), [Makes(Err(Busy))]);
    let hangs = [Hangs, Makes(Ok(7))];
    match setter {
        "when" => {
            let (world, outcome, _) = run(&[busy, Makes(Err(Fatal))], unchanged);
            assert_eq!((world.record.calls(), outcome), (vec![0, 10], Some(Err(Fatal))), "{text}");
        }
        "until" => {
            let (world, outcome, _) = run(&[Makes(Ok(1)), Makes(Ok(7))], unchanged);
            assert_eq!((world.record.calls(), outcome), (vec![0, 10], Some(Ok(7))), "{text}");
        }
        "classify" => {
            let (world, ..) = run(&[Makes(Err(Late)), Makes(Ok(7))], unchanged);
            assert_eq!(world.record.calls(), [0, 40], "{text}");
        }
        "classifier" => {
            let (world, outcome, _) = run(&[Makes(Err(Cursed))], unchanged);
            assert_eq!((world.record.calls(), outcome), (vec![0], Some(Err(Cursed))), "{text}");
        }
        "hook" | "on_attempt" | "on_retry" | "on_give_up" | "on_finish" => {
            let (world, ..) = run(&fails, unchanged);
            assert_eq!(world.record.calls(), [0, 10, 20, 30], "{text}");
            assert!(world.record.has(setter), "{text}");
        }
        "on_success" => {
            let (world, outcome, _) = run(&[busy, Makes(Ok(7))], unchanged);
            assert_eq!(outcome, Some(Ok(7)), "{text}");
            assert!(world.record.has(setter), "{text}");
        }
        "guard" => {
            let (world, outcome, _) = run(&fails, |world| world.refuse_from = 3);
            let refused = Err(Fault::Interrupted(Interrupted::Vetoed(Veto::Refused)));
            assert_eq!((world.record.calls(), outcome), (vec![0, 10], Some(refused)), "{text}");
        }
        "attempt_timeout" => {
            let (world, outcome, _) = run(&hangs, |world| world.timeout = secs(3));
            assert_eq!((world.record.calls(), outcome), (vec![0, 13], Some(Ok(7))), "{text}");
        }
        "attempt_timeout_by" => {
            let (world, outcome, _) = run(&hangs, |world| world.timeout_by = secs(4));
            assert_eq!((world.record.calls(), outcome), (vec![0, 14], Some(Ok(7))), "{text}");
        }
        "deadline" => {
            let (world, ..) = run(&fails, |world| world.delay = secs(20));
            assert_eq!(world.record.calls(), [0, 20, 40], "{text}");
            assert_eq!(world.record.finish().reason(), Reason::Deadline, "{text}");
        }
        "inherit_deadline" => {
            let (world, ..) = run(&[Hangs], |world| world.outer_deadline = Some(secs(25)));
            assert_eq!(world.record.finish().reason(), Reason::Deadline, "{text}");
            assert!(world.clock.now() <= secs(25), "{text}");
        }
        "timer" => {
            let (world, ..) = run(&fails, unchanged);
            assert_eq!(world.record.calls(), [0, 10, 20, 30], "{text}");
            assert!(READINGS.with(|readings| readings.load(Relaxed)) >= 3, "{text}");
        }
        "cancel_by" | "cancel_when" => {
            let by_token = setter == "cancel_by";
            let (world, outcome, _) = match by_token {
                true => run(&fails, |world| world.cancel_at = Some(secs(15))),
                false => run(&fails, |world| world.cancel_when_at = secs(15)),
            };
            assert_eq!((world.record.calls(), outcome), (vec![0, 10], Some(Err(Busy))), "{text}");
            assert_eq!(world.record.finish().reason(), Reason::Cancelled, "{text}");
            assert_eq!(world.clock.now(), secs(15), "{text}");
        }
        "retry_now_by" => {
            let (world, ..) = run(&fails, |world| world.retry_at = Some(secs(15)));
            assert_eq!(world.record.calls(), [0, 10, 15, 25], "{text}");
        }
        "seed" => {
            let (world, ..) = run(&fails, unchanged);
            let (again, ..) = run(&fails, unchanged);
            let draws = |world: World| world.record.0.lock().unwrap().draws.clone();
            let draws = [draws(world), draws(again)];
            assert_eq!((draws[0].len(), &draws[0]), (4, &draws[1]), "{text}");
        }
        "named" => {
            let (world, ..) = run(&fails, unchanged);
            assert_eq!(world.record.finish().operation(), Some("load"), "{text}");
        }
        "timed" => {
            let (world, ..) = run(&fails, unchanged);
            assert_eq!(world.record.finish().elapsed(), Ok(secs(30)), "{text}");
        }
        "report" => {
            let (_, _, is_report) = run(&fails, unchanged);
            assert!(is_report, "{text}");
        }
        other => unreachable!("{other} has no probe"),
    }
}

/// Asserts that each of the setters has its effect.
macro_rules! assert_effects {
    ([$($setter:ident),*], $surface:literal, $call:expr) => {
        let call: Call = $call;
        let setters = [$(stringify!($setter)),*];
        for setter in setters {
            probe(setter, &setters, $surface, call);
        }
    };
}

/// Adds setters in their order.
macro_rules! chain {
    ($on:expr, $world:ident, []) => { $on };
    ($on:expr, $world:ident, [$first:ident $($rest:ident)*]) => {
        chain!(set!($on, $world, $first), $world, [$($rest)*])
    };
}

/// Runs a callback with all setters in several orders: of any two, each comes before the other in one
/// of them, and directly before it or far away.
macro_rules! orders {
    ($callback:ident) => {
        $callback!([when until classify classifier hook on_attempt on_retry on_success on_give_up
            on_finish guard attempt_timeout attempt_timeout_by deadline inherit_deadline timer
            cancel_by retry_now_by seed named timed]);
        $callback!([timed named seed retry_now_by cancel_by timer inherit_deadline deadline
            attempt_timeout_by attempt_timeout guard on_finish on_give_up on_success on_retry
            on_attempt hook classifier classify until when]);
        $callback!([cancel_by timer retry_now_by on_retry when classify timed guard seed until
            inherit_deadline on_finish attempt_timeout named classifier on_attempt deadline hook
            on_give_up attempt_timeout_by on_success]);
        $callback!([deadline when timer guard cancel_by classifier on_success retry_now_by hook
            attempt_timeout on_attempt named until on_give_up seed attempt_timeout_by timed classify
            on_finish inherit_deadline on_retry]);
    };
}

#[test]
fn setters_of_a_call_have_their_effect_in_any_order() {
    macro_rules! order {
        ([$($setter:ident)*]) => {
            order!(@ [cancel_when report $($setter)*]);
            order!(@ [$($setter)* report cancel_when]);
        };
        (@ [$($setter:ident)*]) => {
            assert_effects!([$($setter),*], "a call", |world| {
                let retry = (|| world.operation()).retry_with(world.policy());
                ended(world.run(chain!(retry, world, [$($setter)*])))
            });
        };
    }
    orders!(order);
}

#[test]
fn setters_of_a_policy_have_their_effect_in_any_order() {
    macro_rules! order {
        ([$($setter:ident)*]) => {
            assert_effects!([$($setter),*], "a policy", |world| {
                let policy = chain!(world.policy(), world, [$($setter)*]);
                ended(world.run(policy.run(|_| world.operation())))
            });
        };
    }
    orders!(order);
}

#[test]
fn setters_of_a_policy_and_of_its_call_both_have_their_effect() {
    macro_rules! order {
        ([$a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident $i:ident $j:ident
            $($rest:ident)*]) => {
            order!(@ [$a $b $c $d $e $f $g $h $i $j], [$($rest)* report cancel_when]);
            order!(@ [$($rest)*], [$a $b $c $d $e report cancel_when $f $g $h $i $j]);
        };
        (@ [$($of_policy:ident)*], [$($of_call:ident)*]) => {
            assert_effects!([$($of_policy,)* $($of_call),*], "a policy and its call", |world| {
                let policy = chain!(world.policy(), world, [$($of_policy)*]);
                let retry = (|| world.operation()).retry_with(&policy);
                ended(world.run(chain!(retry, world, [$($of_call)*])))
            });
        };
    }
    orders!(order);
}

/// Asserts the effect of each setter alone, on a surface that is an expression of a call.
macro_rules! each_setter {
    ($surface:literal, [$($setter:ident)*], |$world:ident, $add:ident| $call:expr) => {
        $( assert_effects!([$setter], $surface, |$world| {
            macro_rules! $add {
                ($on:expr) => { set!($on, $world, $setter) };
            }
            $call
        }); )*
    };
    ($surface:literal, |$world:ident, $add:ident| $call:expr) => {
        each_setter!(
            $surface,
            [when until classify classifier hook on_attempt on_retry on_success on_give_up on_finish
             guard attempt_timeout attempt_timeout_by deadline inherit_deadline timer cancel_by
             cancel_when retry_now_by seed named timed report],
            |$world, $add| $call
        );
    };
}

#[test]
fn setters_have_their_effect_on_calls_of_every_kind_of_policy() {
    each_setter!("a call of an `Arc`", |world, add| {
        let policy = Arc::new(world.policy());
        ended(world.run(add!((|| world.operation()).retry_with(policy))))
    });
    each_setter!("a call of an erased policy", |world, add| {
        let policy = world.policy().erase::<Fault>();
        ended(world.run(add!((|| world.operation()).retry_with(&policy))))
    });
    each_setter!("a call of a handle", |world, add| {
        let policy = world.handle();
        let retry = (|| world.operation()).retry_with(&policy).hook(world.record.clone());
        ended(world.run(add!(retry)))
    });
    each_setter!("`run` of a policy", |world, add| {
        let policy = world.policy();
        ended(world.run(add!(policy.run(|_| world.operation()))))
    });
}

#[test]
fn setters_of_policies_survive_their_erasure() {
    each_setter!(
        "an erased policy",
        [when hook on_attempt on_retry on_success on_give_up on_finish guard attempt_timeout
         attempt_timeout_by deadline inherit_deadline timer cancel_by retry_now_by seed named timed],
        |world, add| {
            let policy = add!(world.policy()).erase::<Fault>();
            ended(world.run((|| world.operation()).retry_with(policy)))
        }
    );
    each_setter!(
        "an erased handle",
        [hook on_attempt on_retry on_success on_give_up on_finish guard attempt_timeout
         attempt_timeout_by deadline inherit_deadline timer cancel_by retry_now_by seed named timed],
        |world, add| {
            let policy = add!(world.handle().hook(world.record.clone())).erase::<Fault>();
            ended(world.run((|| world.operation()).retry_with(policy)))
        }
    );
}

#[test]
fn setters_of_a_loop_have_their_effect() {
    each_setter!("a loop", |world, add| {
        let retry = add!(Loop::<Made>::new().retry_with(world.policy()));
        let attempts = async {
            let mut attempts = match retry.begin() {
                Continue(attempts) => attempts,
                Break(outcome) => return ended(outcome),
            };
            loop {
                if let Break(outcome) = attempts.attempt(world.operation()).await {
                    return ended(outcome);
                }
            }
        };
        world.run(attempts)
    });
}

#[test]
fn setters_of_a_blocking_call_have_their_effect() {
    each_setter!(
        "a blocking call",
        [when until classify classifier hook on_attempt on_retry on_success on_give_up on_finish guard
         deadline timer seed named timed report],
        |world, add| {
            let retry = (|| world.blocking_operation()).retry_with(world.policy());
            ended(world.call(|| add!(retry).call()))
        }
    );
    each_setter!(
        "a blocking call of a policy",
        [when until classify classifier hook on_attempt on_retry on_success on_give_up on_finish guard
         deadline timer seed named timed],
        |world, add| {
            let policy = add!(world.policy());
            ended(world.call(|| policy.call(|_| world.blocking_operation())))
        }
    );
    each_setter!(
        "a blocking loop",
        [when until classify classifier hook on_attempt on_retry on_success on_give_up on_finish guard
         deadline timer seed named timed report],
        |world, add| world.call(|| {
            let mut attempts = match add!(Loop::<Made>::new().retry_with(world.policy())).begin() {
                Continue(attempts) => attempts,
                Break(outcome) => return ended(outcome),
            };
            loop {
                if let Break(outcome) = attempts.attempt_blocking(|| world.blocking_operation()) {
                    return ended(outcome);
                }
            }
        })
    );
}
