//! `#[retry(..)]`: functions, arguments, `self`, `?` and `return` under the decorator, in virtual
//! time. `parity.rs` tests that decorated functions retry as all surfaces do.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::cell::{Cell, RefCell};
use std::fmt::{Debug, Display};
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::num::ParseIntError;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use persevere::backoff::{Constant, MaxAttempts};
use persevere::hook::{FinishEvent, RetryEvent};
use persevere::policy::{Policies, referenced_policies};
use persevere::time::{CancelToken, Clock, RetrySignal, VirtualClock};
use persevere::{
    CircuitBreaker, Finite, Hook, Outcome, Policy, Reason, RetryError, constant, exponential,
    immediate, retry,
};

type AtOnce = MaxAttempts<Constant>;

const SECOND: Duration = Duration::from_secs(1);

static THREE: Policy<AtOnce> = Policy::new(immediate().max_attempts(3));
static ONE: Policy<AtOnce> = Policy::new(immediate().max_attempts(1));

/// Counts its clones.
#[derive(Debug, Default)]
struct Counted(Rc<Cell<u32>>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.set(self.0.get() + 1);
        Counted(self.0.clone())
    }
}

impl Counted {
    /// Counts the clones of the value that `call` is given.
    fn during<R>(call: impl FnOnce(Counted) -> R) -> (u32, R) {
        let counted = Counted::default();
        let clones = counted.0.clone();
        let outcome = call(counted);
        (clones.get(), outcome)
    }
}

/// Fails until it has been called `good` times.
fn until_call(calls: &Cell<u32>, good: u32) -> Result<u32, String> {
    calls.set(calls.get() + 1);
    if calls.get() < good { Err(format!("call {}", calls.get())) } else { Ok(calls.get()) }
}

/// Drives a future that is never woken by anything but the clock of its policy.
fn block_on<F: Future>(future: F) -> F::Output {
    VirtualClock::new().block_on(future)
}

fn assert_send<T: Send>(value: T) -> T {
    value
}

// ------------------------------------------------------------------------------------------------
// Policies.

#[test]
fn a_policy_is_a_path_a_field_an_expression_or_an_argument() {
    struct Client {
        policy: Policy<AtOnce>,
        shared: Arc<Policy<AtOnce>>,
    }
    impl Client {
        const POLICY: Policy<AtOnce> = Policy::new(immediate().max_attempts(4));

        #[retry(self.policy)]
        fn by_field(&self, calls: &Cell<u32>) -> Result<u32, String> {
            until_call(calls, 9)
        }
        #[retry(self.shared)]
        fn by_shared_field(&self, calls: &Cell<u32>) -> Result<u32, String> {
            until_call(calls, 9)
        }
        #[retry(Self::POLICY)]
        fn by_constant(&self, calls: &Cell<u32>) -> Result<u32, String> {
            until_call(calls, 9)
        }
        #[retry(self.shared.clone())]
        fn by_clone(&mut self, calls: &Cell<u32>) -> Result<u32, String> {
            until_call(calls, 9)
        }
    }
    #[retry(THREE)]
    fn by_static(calls: &Cell<u32>) -> Result<u32, String> {
        until_call(calls, 9)
    }
    const SHARED: &Policy<AtOnce> = &THREE;
    #[retry((SHARED))]
    fn by_value(calls: &Cell<u32>) -> Result<u32, String> {
        until_call(calls, 9)
    }
    #[retry(&immediate().max_attempts(5))]
    fn by_reference_to_a_value(calls: &Cell<u32>) -> Result<u32, String> {
        until_call(calls, 9)
    }
    #[retry(immediate().max_attempts(attempts))]
    fn by_expression(attempts: u32, calls: &Cell<u32>) -> Result<u32, String> {
        until_call(calls, 9)
    }
    #[retry(policy)]
    fn by_argument(policy: &Policy<AtOnce>, calls: &Cell<u32>) -> Result<u32, String> {
        until_call(calls, 9)
    }
    #[retry(policy)]
    fn by_owned_argument(policy: Arc<Policy<AtOnce>>, calls: &Cell<u32>) -> Result<u32, String> {
        until_call(calls, 9)
    }
    #[retry(policy)]
    fn by_dynamic_argument(policy: &dyn Finite, calls: &Cell<u32>) -> Result<u32, String> {
        until_call(calls, 9)
    }

    let seven = || Policy::new(immediate().max_attempts(7));
    let mut client = Client { policy: seven(), shared: Arc::new(seven()) };
    let made = |call: &mut dyn FnMut(&Cell<u32>) -> Result<u32, String>| {
        let calls = Cell::new(0);
        assert_eq!(call(&calls), Err(format!("call {}", calls.get())));
        calls.get()
    };
    assert_eq!(made(&mut |calls| client.by_field(calls)), 7);
    assert_eq!(made(&mut |calls| client.by_shared_field(calls)), 7);
    assert_eq!(made(&mut |calls| client.by_constant(calls)), 4);
    assert_eq!(made(&mut |calls| client.by_clone(calls)), 7);
    assert_eq!(made(&mut by_static), 3);
    assert_eq!(made(&mut by_value), 3);
    assert_eq!(made(&mut by_reference_to_a_value), 5);
    assert_eq!(made(&mut |calls| by_expression(6, calls)), 6);
    assert_eq!(made(&mut |calls| by_argument(&seven(), calls)), 7);
    assert_eq!(made(&mut |calls| by_owned_argument(Arc::new(seven()), calls)), 7);
    assert_eq!(made(&mut |calls| by_dynamic_argument(&immediate().max_attempts(2), calls)), 2);
}

#[test]
fn an_expression_is_evaluated_once_for_each_call() {
    #[retry({ made.set(made.get() + 1); immediate().max_attempts(3) })]
    fn fail(made: &Cell<u32>) -> Option<()> {
        None
    }
    let made = Cell::new(0);
    fail(&made);
    fail(&made);
    assert_eq!(made.get(), 2);
}

/// The policies of this program; one test may install them first, and any other.
fn install() {
    use figment::Figment;
    use figment::providers::{Format as _, Toml};
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let settings = r#"
            [default_policy]
            attempts = 4
            wait_min = "1ms"
            wait_max = "1ms"
            [policies.fast_retry]
            attempts = 2
            [policies.choosy]
            exceptions = ["TimedOut"]
        "#;
        let policies = Policies::load(&Figment::from(Toml::string(settings)), "").unwrap();
        policies.install().unwrap();
    });
}

#[test]
fn a_name_follows_the_installed_policy_of_that_name() {
    #[retry("fast_retry")]
    fn fast(calls: &Cell<u32>) -> io::Result<u32> {
        until_call(calls, 9).map_err(io::Error::other)
    }
    #[retry]
    async fn by_default(calls: &Cell<u32>) -> io::Result<u32> {
        until_call(calls, 9).map_err(io::Error::other)
    }
    #[retry()]
    fn by_default_again(calls: &Cell<u32>) -> io::Result<u32> {
        until_call(calls, 9).map_err(io::Error::other)
    }
    #[retry("choosy")]
    fn choosy(calls: &Cell<u32>) -> io::Result<u32> {
        let kind = if calls.get() == 0 { io::ErrorKind::TimedOut } else { io::ErrorKind::NotFound };
        until_call(calls, 9).map_err(|error| io::Error::new(kind, error))
    }
    /// An error without kinds, which the call speaks for.
    #[retry("choosy", when = |error: &String| error == "call 1")]
    fn unknown(calls: &Cell<u32>) -> Result<u32, String> {
        until_call(calls, 9)
    }
    install();
    let calls = Cell::new(0);
    assert!(fast(&calls).is_err());
    assert_eq!(calls.take(), 2);
    assert!(futures::executor::block_on(by_default(&calls)).is_err());
    assert_eq!(calls.take(), 4);
    assert!(by_default_again(&calls).is_err());
    assert_eq!(calls.take(), 4);
    assert!(choosy(&calls).is_err());
    assert_eq!(calls.take(), 2);
    assert!(unknown(&calls).is_err());
    assert_eq!(calls.take(), 2);
}

#[test]
fn the_names_that_a_program_uses_are_listed() {
    #[retry("never_installed", named = "never.called")]
    fn never<T>(value: T) -> Result<T, io::Error>
    where
        T: Clone,
    {
        Ok(value)
    }
    struct Owner;
    impl Owner {
        #[retry("fast_retry")]
        #[allow(dead_code, reason = "what is tested")]
        async fn method(&self) -> io::Result<()> {
            Ok(())
        }
    }
    install();
    let used = referenced_policies();
    let uses = |name: &str, operation: &str| {
        used.iter().any(|used| (used.name, used.operation) == (name, operation))
    };
    assert!(uses("never_installed", "never.called"));
    assert!(uses("fast_retry", "decorator::method") && uses("fast_retry", "decorator::fast"));
    assert!(uses("default_policy", "decorator::by_default"));
    let refusal = Policies::installed().unwrap().check_references().unwrap_err().to_string();
    assert!(
        refusal.contains("`never.called`") && refusal.contains("`never_installed`"),
        "{refusal}"
    );
    assert!(!refusal.contains("by_default"), "{refusal}");
    let panic = std::panic::catch_unwind(|| never(1)).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("`never.called`") && message.contains("fast_retry"), "{message}");
}

// ------------------------------------------------------------------------------------------------
// Keys.

#[test]
fn when_and_until_decide_which_outcomes_are_retried() {
    fn is_short(error: &impl AsRef<str>) -> bool {
        error.as_ref().len() < 3
    }
    #[retry(immediate().max_attempts(9), when = is_short, until = |value: &u32| *value == 4)]
    fn call(calls: &Cell<u32>, outcomes: &[Result<u32, &str>]) -> Result<u32, String> {
        calls.set(calls.get() + 1);
        Ok(outcomes[calls.get() as usize - 1]?)
    }
    let calls = Cell::new(0);
    let outcomes = [Err("a"), Ok(1), Err("aa"), Ok(4), Ok(5)];
    assert_eq!((call(&calls, &outcomes), calls.take()), (Ok(4), 4));
    let outcomes = [Ok(3), Err("aaa"), Ok(4)];
    assert_eq!((call(&calls, &outcomes), calls.take()), (Err("aaa".into()), 2));
}

#[test]
fn events_are_heard_and_know_the_operation() {
    thread_local!(static HEARD: RefCell<Vec<String>> = const { RefCell::new(vec![]) });
    fn hear(line: impl Display) {
        HEARD.with_borrow_mut(|heard| heard.push(line.to_string()));
    }
    #[derive(Clone)]
    struct Names;
    impl<O: Outcome> Hook<O> for Names {
        fn before_retry(&mut self, event: &RetryEvent<'_, O>) {
            hear(event.operation().unwrap());
        }
        fn finish(&mut self, event: &FinishEvent<'_, O>) {
            hear(event.operation().unwrap());
        }
    }
    #[retry(
        THREE,
        hook = Names,
        on_retry = |event| hear(format!("retry {}", event.number())),
        on_success = |_| hear("success"),
        on_give_up = |event| hear(format!("gave up: {}", event.reason())),
    )]
    fn call(calls: &Cell<u32>, good: u32) -> Result<u32, String> {
        until_call(calls, good)
    }
    #[retry(THREE, named = "orders.save", hook = Names)]
    async fn named() -> Option<()> {
        None
    }

    let path = "decorator::call";
    assert_eq!(call(&Cell::new(0), 2), Ok(2));
    assert_eq!(HEARD.take(), [path, "retry 1", path, "success"]);
    assert!(call(&Cell::new(0), 9).is_err());
    let gave_up = format!("gave up: {}", Reason::Attempts);
    assert_eq!(HEARD.take(), [path, "retry 1", path, "retry 2", path, &gave_up]);
    assert_eq!(block_on(named()), None);
    assert_eq!(HEARD.take(), ["orders.save"; 3]);
}

#[test]
fn a_key_may_use_the_arguments() {
    #[retry(
        immediate().max_attempts(limit),
        when = |error: &String| error.contains(&word),
        on_retry = |_| *retries += 1,
    )]
    fn call(limit: u32, word: String, retries: &mut u32, calls: &Cell<u32>) -> Result<u32, String> {
        let owned: String = word;
        until_call(calls, 9).map_err(|error| error + &owned)
    }
    let mut retries = 0;
    assert!(call(5, "call".into(), &mut retries, &Cell::new(0)).is_err());
    assert_eq!(retries, 4);
}

#[test]
fn a_key_may_use_the_bindings_of_a_pattern() {
    #[retry(immediate().max_attempts(limit), when = |error: &String| error.contains(&word))]
    fn call((limit, mut word): (u32, String), calls: &Cell<u32>) -> Result<u32, String> {
        word.push('!');
        until_call(calls, 9).map_err(|error| error + &word)
    }
    #[retry(immediate().max_attempts(limit))]
    async fn call_async([limit, good]: [u32; 2], calls: &Cell<u32>) -> Result<u32, String> {
        until_call(calls, good)
    }
    assert_eq!(call((4, "call".into()), &Cell::new(0)), Err("call 4call!".into()));
    assert_eq!(block_on(call_async([3, 9], &Cell::new(0))), Err("call 3".into()));
}

#[test]
fn a_report_has_reason_and_attempts() {
    #[retry(THREE, report)]
    fn parse(text: &str) -> Result<i32, RetryError<ParseIntError>> {
        let number = text.parse()?;
        Ok(number)
    }
    #[retry(THREE, report, when = |_| false)]
    async fn parse_async<T>(text: T) -> Result<impl Debug, RetryError<ParseIntError>>
    where
        T: AsRef<str> + Clone,
    {
        text.as_ref().parse::<i32>()
    }
    assert_eq!(parse("7").unwrap(), 7);
    let error = parse("x").unwrap_err();
    assert_eq!((error.attempts(), error.reason()), (3, Reason::Attempts));
    let error = block_on(parse_async("x")).err().unwrap();
    assert_eq!((error.attempts(), error.reason()), (1, Reason::NotRetryable));
}

#[test]
fn a_timer_and_a_seed_may_be_given() {
    #[retry(exponential(SECOND).full_jitter().max_attempts(4), timer = clock.clone(), seed = 7)]
    fn call(clock: &VirtualClock) -> Option<()> {
        None
    }
    let slept = || {
        let clock = VirtualClock::new();
        call(&clock);
        clock.slept()
    };
    assert_eq!(slept().len(), 3);
    assert_eq!(slept(), slept());
}

#[test]
fn guards_and_limits_on_time_may_be_given() {
    const EACH_SECOND: MaxAttempts<Constant> = constant(SECOND).max_attempts(3);

    #[retry(EACH_SECOND, timer = clock.clone(), attempt_timeout = 5 * SECOND)]
    async fn limited(clock: &VirtualClock) -> io::Result<()> {
        std::future::pending().await
    }
    #[retry(EACH_SECOND, timer = clock.clone(), attempt_timeout_by = |it| it.number() * SECOND)]
    async fn limited_by(clock: &VirtualClock) -> io::Result<()> {
        std::future::pending().await
    }
    #[retry(
        EACH_SECOND,
        timer = clock.clone(),
        deadline = 7 * SECOND,
        interrupted = |why| format!("{why} after {:?}", why.last_error()),
    )]
    async fn with_deadline(clock: &VirtualClock, calls: &Cell<u32>) -> Result<u32, String> {
        until_call(calls, 2)?;
        std::future::pending().await
    }
    #[retry(EACH_SECOND, timer = clock.clone(), inherit_deadline, interrupted = |why| why.to_string())]
    async fn inner(clock: &VirtualClock) -> Result<u32, String> {
        std::future::pending().await
    }
    #[retry(EACH_SECOND, timer = clock.clone(), deadline = 4 * SECOND, interrupted = |why| why.to_string())]
    async fn outer(clock: &VirtualClock) -> Result<u32, String> {
        inner(clock).await
    }
    #[retry(THREE, guard = breaker.by_ref(), interrupted = |why| why.to_string())]
    fn guarded(breaker: &CircuitBreaker, calls: &Cell<u32>) -> Result<u32, String> {
        until_call(calls, 2)
    }

    let clock = VirtualClock::new();
    let error = clock.block_on(limited(&clock)).unwrap_err();
    assert_eq!(error.to_string(), "the attempt timed out after 5 s");
    assert_eq!(clock.now(), (5 + 1 + 5 + 1 + 5) * SECOND);
    let clock = VirtualClock::new();
    let error = clock.block_on(limited_by(&clock)).unwrap_err();
    assert_eq!(error.to_string(), "the attempt timed out after 3 s");
    assert_eq!(clock.now(), (1 + 1 + 2 + 1 + 3) * SECOND);
    let (clock, calls) = (VirtualClock::new(), Cell::new(0));
    let error = clock.block_on(with_deadline(&clock, &calls)).unwrap_err();
    assert_eq!(error, "deadline of 7 s exceeded after Some(\"call 1\")");
    assert_eq!((clock.now(), calls.get()), (7 * SECOND, 2));
    let clock = VirtualClock::new();
    assert_eq!(clock.block_on(outer(&clock)), Err("deadline of 4 s exceeded".into()));
    assert_eq!(clock.now(), 4 * SECOND);
    let (breaker, calls) = (CircuitBreaker::default(), Cell::new(0));
    assert_eq!(guarded(&breaker, &calls), Ok(2));
    breaker.isolate();
    let refused = guarded(&breaker, &calls);
    assert_eq!(refused, Err("the attempt was refused: circuit open".into()));
    assert_eq!(calls.get(), 2);
}

#[test]
fn signals_may_be_given() {
    #[retry(constant(3600 * SECOND).max_attempts(3), cancel_by = token, timer = clock.clone())]
    async fn cancelled(
        token: &CancelToken,
        clock: &VirtualClock,
        calls: &Cell<u32>,
    ) -> Result<u32, String> {
        until_call(calls, 9)
    }
    #[retry(constant(3600 * SECOND).max_attempts(3), cancel_by = token)]
    fn cancelled_blocking(token: &CancelToken, calls: &Cell<u32>) -> Result<u32, String> {
        token.cancel();
        until_call(calls, 9)
    }
    #[retry(constant(3600 * SECOND).max_attempts(3), retry_now_by = signal, timer = clock.clone())]
    async fn hastened(
        signal: &RetrySignal,
        clock: &VirtualClock,
        calls: &Cell<u32>,
    ) -> Result<u32, String> {
        until_call(calls, 2)
    }
    let (token, clock, calls) = (CancelToken::new(), VirtualClock::new(), Cell::new(0));
    {
        let mut call = pin!(cancelled(&token, &clock, &calls));
        assert!(call.as_mut().now_or_never().is_none());
        token.cancel();
        assert_eq!(clock.block_on(call), Err("call 1".into()));
    }
    assert_eq!((clock.now(), calls.take()), (Duration::ZERO, 1));
    assert_eq!(cancelled_blocking(&CancelToken::new(), &calls), Err("call 1".into()));
    assert_eq!(calls.take(), 1);
    let signal = RetrySignal::new();
    {
        let mut call = pin!(hastened(&signal, &clock, &calls));
        assert!(call.as_mut().now_or_never().is_none());
        signal.retry_now();
        assert_eq!(clock.block_on(call), Ok(2));
    }
    assert_eq!((clock.now(), calls.take()), (Duration::ZERO, 2));
}

#[test]
fn a_call_may_be_timed_and_reported_without_a_source() {
    #[derive(Debug, PartialEq)]
    struct Busy;
    #[retry(THREE, timed, on_retry = |retry| elapsed.push(retry.elapsed().is_ok()))]
    fn timed(elapsed: &mut Vec<bool>) -> Option<()> {
        None
    }
    #[retry(THREE, report_without_source)]
    fn busy() -> Result<(), RetryError<Busy>> {
        Err(Busy)
    }
    let mut elapsed = vec![];
    assert_eq!(timed(&mut elapsed), None);
    assert_eq!(elapsed, [true; 2]);
    let error = busy().unwrap_err();
    assert_eq!((error.attempts(), error.into_error()), (3, Some(Busy)));
}

// ------------------------------------------------------------------------------------------------
// Arguments.

#[test]
fn the_last_attempt_takes_the_value_itself() {
    #[retry(THREE)]
    fn call(counted: Counted, calls: &Cell<u32>, good: u32) -> Result<u32, String> {
        drop(counted);
        until_call(calls, good)
    }
    assert_eq!(Counted::during(|it| call(it, &Cell::new(0), 9)).0, 2);
    assert_eq!(Counted::during(|it| call(it, &Cell::new(0), 3)), (2, Ok(3)));
    assert_eq!(Counted::during(|it| call(it, &Cell::new(0), 2)), (2, Ok(2)));
    assert_eq!(Counted::during(|it| call(it, &Cell::new(0), 1)), (1, Ok(1)));
}

#[test]
fn a_single_attempt_clones_nothing() {
    #[retry(ONE)]
    fn call(counted: Counted) -> Option<()> {
        drop(counted);
        None
    }
    #[retry(ONE)]
    async fn call_async(counted: Counted) -> Option<()> {
        drop(counted);
        None
    }
    assert_eq!(Counted::during(call), (0, None));
    assert_eq!(Counted::during(|counted| block_on(call_async(counted))), (0, None));
}

#[test]
fn arguments_that_the_body_does_not_mention_are_held_and_never_cloned() {
    struct Guard<'a>(&'a Cell<bool>);
    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    #[retry(THREE)]
    fn call(
        _guard: Guard<'_>,
        _: Guard<'_>,
        calls: &Cell<u32>,
        dropped: &Cell<bool>,
    ) -> Option<()> {
        assert!(!dropped.get());
        calls.set(calls.get() + 1);
        None
    }
    let (calls, dropped, wild) = (Cell::new(0), Cell::new(false), Cell::new(false));
    call(Guard(&dropped), Guard(&wild), &calls, &dropped);
    assert_eq!((calls.get(), dropped.get(), wild.get()), (3, true, true));
}

#[test]
fn an_argument_that_only_a_format_string_names_is_there() {
    #[retry(THREE)]
    fn call(word: String, number: u32) -> Result<(), String> {
        Err(format!("{word} {number:?}"))
    }
    assert_eq!(call("a".into(), 1), Err("a 1".into()));
}

#[test]
fn patterns_and_mutable_arguments_are_made_anew_for_each_attempt() {
    struct Pair {
        left: u32,
        right: Vec<u32>,
    }
    #[retry(THREE)]
    fn call(
        (a, mut b): (u32, Vec<u32>),
        Both { left, right: mut others }: Both,
        mut total: u32,
        [first, ..]: [u32; 3],
        seen: &mut Vec<u32>,
    ) -> Option<()> {
        b.push(1);
        others.push(2);
        total += a + left + first + b.len() as u32 + others.len() as u32;
        seen.push(total);
        None
    }
    type Both = Pair;
    impl Clone for Pair {
        fn clone(&self) -> Self {
            Pair { left: self.left, right: self.right.clone() }
        }
    }
    let mut seen = vec![];
    call((1, vec![]), Pair { left: 10, right: vec![] }, 100, [1_000, 0, 0], &mut seen);
    assert_eq!(seen, [1_113; 3]);
}

#[test]
fn mutable_references_are_lent_to_one_attempt_after_another() {
    #[retry(THREE)]
    fn call(log: &mut Vec<u32>, more: &mut dyn FnMut() -> u32) -> Result<(), usize> {
        log.push(more());
        Err(log.len())
    }
    #[retry(THREE)]
    async fn call_async(
        log: &mut Vec<u32>,
        mut more: impl FnMut() -> u32 + Clone,
    ) -> Result<(), usize> {
        log.push(more());
        std::future::ready(()).await;
        Err(log.len())
    }
    let (mut log, mut n) = (vec![], 0);
    let mut next = || {
        n += 1;
        n
    };
    assert_eq!(call(&mut log, &mut next), Err(3));
    assert_eq!(log, [1, 2, 3]);
    let mut n = 10;
    let next = move || {
        n += 1;
        n
    };
    assert_eq!(block_on(call_async(&mut log, next)), Err(6));
    assert_eq!(log, [1, 2, 3, 11, 11, 11]);
}

#[test]
fn pinned_references_are_lent_to_one_attempt_after_another() {
    #[retry(THREE)]
    async fn next(
        mut stream: Pin<&mut (dyn Iterator<Item = u32> + Unpin)>,
        least: u32,
    ) -> Option<u32> {
        stream.next().filter(|next| *next >= least)
    }
    let mut numbers = 1..9;
    assert_eq!(block_on(next(Pin::new(&mut numbers), 3)), Some(3));
    assert_eq!(block_on(next(Pin::new(&mut numbers), 9)), None);
    assert_eq!(numbers, 7..9);
}

#[test]
fn borrowed_values_may_be_returned() {
    #[retry(THREE)]
    fn longest<'a>(texts: &'a [String], least: &usize) -> Option<&'a str> {
        texts.iter().map(String::as_str).find(|text| text.len() >= *least)
    }
    #[retry(THREE)]
    async fn first(text: &str) -> Result<&str, String> {
        Ok(text.split(' ').next().ok_or("none")?)
    }
    struct Names(Vec<String>);
    impl Names {
        #[retry(THREE)]
        fn get(&self, index: usize) -> Option<&String> {
            self.0.get(index)
        }
        #[retry(THREE)]
        async fn text<'a>(&mut self, text: &'a str) -> Result<&'a str, &'a str> {
            self.0.push(text.into());
            if self.0.len() > 2 { Ok(text) } else { Err(text) }
        }
    }
    assert_eq!(longest(&["a".into(), "bb".into()], &2), Some("bb"));
    assert_eq!(block_on(first("a b")), Ok("a"));
    let mut names = Names(vec!["x".into()]);
    assert_eq!(block_on(names.text("y")), Ok("y"));
    assert_eq!(names.get(2).unwrap(), "y");
}

// ------------------------------------------------------------------------------------------------
// Bodies.

#[test]
fn a_question_mark_ends_the_attempt_and_converts_its_error() {
    #[derive(Debug, PartialEq)]
    struct Wrapped(String);
    impl From<ParseIntError> for Wrapped {
        fn from(error: ParseIntError) -> Self {
            Wrapped(error.to_string())
        }
    }
    #[retry(THREE)]
    fn sum(texts: &[&str], calls: &mut u32) -> Result<u32, Wrapped> {
        *calls += 1;
        let mut sum = 0;
        for text in texts {
            sum += text.parse::<u32>()?;
        }
        Ok(sum)
    }
    #[retry(THREE)]
    async fn sum_async(texts: &[&str], calls: &mut u32) -> Result<u32, Wrapped> {
        *calls += 1;
        let mut sum = 0;
        for text in texts {
            sum += std::future::ready(text.parse::<u32>()).await?;
        }
        Ok(sum)
    }
    let mut calls = 0;
    assert_eq!(sum(&["1", "2"], &mut calls), Ok(3));
    assert_eq!(block_on(sum_async(&["1", "2"], &mut calls)), Ok(3));
    assert_eq!(calls, 2);
    assert!(sum(&["1", "x"], &mut calls).is_err());
    assert_eq!(calls, 5);
    assert!(block_on(sum_async(&["x"], &mut calls)).is_err());
    assert_eq!(calls, 8);
}

#[test]
fn a_return_ends_the_attempt_out_of_loops_and_branches() {
    #[retry(THREE)]
    fn find(calls: &Cell<u32>, good: u32) -> Result<u32, u32> {
        calls.set(calls.get() + 1);
        for n in 0.. {
            for m in 0..n {
                if m == 4 {
                    if calls.get() < good {
                        return Err(calls.get());
                    }
                    return Ok(n);
                }
            }
        }
        unreachable!("the loop returns")
    }
    let calls = Cell::new(0);
    assert_eq!((find(&calls, 2), calls.take()), (Ok(5), 2));
    assert_eq!((find(&calls, 4), calls.take()), (Err(3), 3));
}

#[test]
fn names_of_the_expansion_and_of_the_body_do_not_meet() {
    static POLICY: u32 = 40;
    #[retry(THREE)]
    fn call(
        attempts: u32,
        outcome: u32,
        policy: u32,
        held_outcome: u32,
        lent_outcome: u32,
        (argument5, never): (u32, u32),
        calls: &Cell<u32>,
    ) -> Result<u32, String> {
        until_call(calls, 2)?;
        let total = attempts + outcome + policy + held_outcome + lent_outcome + argument5 + never;
        let attempts = total;
        Ok(attempts + POLICY)
    }
    #[retry(THREE)]
    fn of_patterns(
        (a, _): (u32, u32),
        argument0: u32,
        argument3: u32,
        (b, _): (u32, u32),
    ) -> Option<u32> {
        Some(a * 1_000 + argument0 * 100 + argument3 * 10 + b)
    }
    #[retry(THREE)]
    async fn call_async(attempts: String, outcome: &str, never: u8) -> Result<String, String> {
        let outcome = format!("{attempts}{outcome}{never}");
        let attempts = outcome;
        Ok(attempts)
    }
    assert_eq!(call(1, 1, 1, 1, 1, (1, 1), &Cell::new(0)), Ok(47));
    assert_eq!(of_patterns((1, 0), 2, 3, (4, 0)), Some(1_234));
    assert_eq!(block_on(call_async("a".into(), "b", 1)), Ok("ab1".into()));
}

#[test]
fn functions_may_be_made_by_macros() {
    macro_rules! function {
        ($name:ident, $policy:expr, $operation:expr, $argument:ident: $type:ty, $body:expr) => {
            #[retry($policy, named = $operation)]
            fn $name($argument: $type, own: u32) -> Option<u32> {
                $body.map(|value: u32| value + own)
            }
        };
    }
    macro_rules! method {
        ($type:ty, $name:literal, $self:ident, $argument:pat, $body:expr) => {
            impl $type {
                #[retry($name)]
                fn by_macro(&mut $self, $argument: (u32, String)) -> io::Result<usize> {
                    $body
                }
            }
        };
    }
    struct Owner(usize);
    // Two arguments of one name, which the compiler tells apart.
    function!(twice, THREE, "twice", own: String, Some(own.len() as u32));
    function!(by_argument, policy, "by", policy: &Policy<AtOnce>, policy.worst_case().map(|_| 1));
    method!(Owner, "fast_retry", self, (_, text), {
        self.0 += text.len();
        Err(io::Error::other("busy"))
    });
    assert_eq!(twice("abc".into(), 4), Some(7));
    assert_eq!(by_argument(&THREE, 2), Some(3));
    install();
    let mut owner = Owner(0);
    assert!(owner.by_macro((1, "ab".into())).is_err());
    assert_eq!(owner.0, 4);
}

#[test]
fn an_argument_may_be_shadowed_and_may_have_a_raw_name() {
    #[retry(THREE)]
    fn call(r#type: String, count: u32) -> Result<usize, String> {
        let r#type = r#type.len();
        let count = count as usize + r#type;
        Ok(count)
    }
    assert_eq!(call("abc".into(), 1), Ok(4));
}

#[test]
#[allow(unused_qualifications, reason = "what is tested")]
fn items_in_a_body_keep_their_own_self() {
    #[derive(Clone)]
    struct Outer(u32);
    impl Outer {
        #[retry(THREE)]
        fn call(self) -> Option<u32> {
            struct Inner(u32);
            impl Inner {
                fn get(&self) -> u32 {
                    self.0
                }
            }
            let closure = || self.0;
            (self.0 == 7).then(|| Inner(closure()).get() + self::ten())
        }
    }
    let outer = Outer(7);
    // `self::` is the module, and stays so.
    assert_eq!(outer.call(), Some(17));
}

fn ten() -> u32 {
    10
}

// ------------------------------------------------------------------------------------------------
// Methods, traits, generics.

#[derive(Clone, Debug, Default)]
struct Service {
    calls: Arc<AtomicU32>,
    name: String,
}

impl Service {
    fn enter(&self) -> Result<u32, String> {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if calls % 3 == 0 { Ok(calls) } else { Err(format!("{} {calls}", self.name)) }
    }

    #[retry(THREE)]
    fn by_reference(&self) -> Result<u32, String> {
        self.enter()
    }

    #[retry(THREE)]
    fn by_mutable_reference(&mut self) -> Result<u32, String> {
        self.name.push('x');
        let Self { name, .. } = self;
        name.push('y');
        self.enter()
    }

    #[retry(THREE)]
    fn by_value(mut self) -> Result<(u32, String), String> {
        self.name.push('x');
        let calls = self.enter()?;
        Ok((calls, self.name))
    }

    #[retry(THREE)]
    fn by_arc(self: Arc<Self>) -> Result<String, String> {
        let calls = self.enter()?;
        Ok(format!("{calls} {self:?} {{self}}"))
    }

    #[retry(THREE)]
    fn by_reference_to_arc(self: &Arc<Self>) -> Result<u32, String> {
        self.enter()
    }

    #[retry(THREE)]
    fn by_pin(mut self: Pin<&mut Self>) -> Result<u32, String> {
        self.name.push('x');
        self.as_mut().get_mut().name.push('y');
        self.enter()
    }

    #[retry(THREE)]
    async fn by_reference_async(&self) -> Result<u32, String> {
        self.enter()
    }

    #[retry(THREE)]
    async fn by_mutable_reference_async(&mut self) -> Result<u32, String> {
        self.name.push('x');
        std::future::ready(()).await;
        self.enter()
    }

    #[retry(THREE)]
    async fn by_value_async(self) -> Result<String, String> {
        let calls = self.enter()?;
        Ok(format!("{calls}{}", self.name))
    }

    #[retry(THREE)]
    async fn by_arc_async(self: Arc<Self>, suffix: String) -> Result<String, String> {
        let calls = self.enter()?;
        Ok(format!("{calls}{}{suffix}", self.name))
    }
}

#[test]
fn methods_take_self_in_every_way() {
    let mut service = Service::default();
    assert_eq!(service.by_reference(), Ok(3));
    assert_eq!(service.by_mutable_reference(), Ok(6));
    assert_eq!(service.name, "xyxyxy");
    service.name.clear();
    assert_eq!(service.clone().by_value(), Ok((9, "x".into())));
    assert_eq!(Arc::new(service.clone()).by_reference_to_arc(), Ok(12));
    let debug = format!("15 {service:?} {{self}}").replace(": 12", ": 15");
    assert_eq!(Arc::new(service.clone()).by_arc(), Ok(debug));
    assert_eq!(Pin::new(&mut service).by_pin(), Ok(18));
    assert_eq!(service.name, "xyxyxy");
    assert_eq!(block_on(service.by_reference_async()), Ok(21));
    assert_eq!(block_on(service.by_mutable_reference_async()), Ok(24));
    service.name = "n".into();
    assert_eq!(block_on(service.clone().by_value_async()), Ok("27n".into()));
    assert_eq!(block_on(Arc::new(service).by_arc_async("s".into())), Ok("30ns".into()));
}

#[test]
fn functions_may_be_generic() {
    #[retry(THREE)]
    fn call<'a, T, const N: usize>(values: [T; N], fallback: &'a T) -> Result<(T, &'a T), usize>
    where
        T: Clone + PartialEq,
    {
        let [first, ..] = &values[..] else { return Err(N) };
        Ok((first.clone(), fallback))
    }
    #[retry(THREE)]
    async fn decode<T: std::str::FromStr<Err: Debug> + Send>(text: &str) -> Result<T, T::Err> {
        text.parse()
    }
    #[retry(THREE)]
    fn lines(text: impl Into<String> + Clone) -> Result<impl Iterator<Item = char>, String> {
        let text: String = text.into();
        if text.is_empty() {
            Err("empty")?;
        }
        Ok(text.chars().rev().collect::<Vec<_>>().into_iter())
    }
    assert_eq!(call(["a", "b"], &"c"), Ok(("a", &"c")));
    assert_eq!(call::<u8, 0>([], &1), Err(0));
    assert_eq!(block_on(decode::<u8>("7")), Ok(7));
    assert_eq!(lines("abc").unwrap().collect::<String>(), "cba");
    assert!(lines("").is_err());
}

trait Fetch {
    fn calls(&self) -> &Cell<u32>;

    #[retry(THREE)]
    fn fetch(&self, good: u32) -> Result<u32, String> {
        until_call(self.calls(), good)
    }

    #[retry(THREE)]
    fn consume(self, good: u32) -> Result<u32, String>
    where
        Self: Sized + Clone,
    {
        until_call(self.calls(), good)
    }

    fn required(&self) -> impl Future<Output = Result<u32, String>>;
}

#[derive(Clone)]
struct Fetcher<'a>(&'a Cell<u32>);

impl Fetch for Fetcher<'_> {
    fn calls(&self) -> &Cell<u32> {
        self.0
    }

    #[retry(THREE)]
    async fn required(&self) -> Result<u32, String> {
        until_call(self.0, 3)
    }
}

#[test]
fn methods_of_traits_and_of_their_implementations_are_retried() {
    let calls = Cell::new(0);
    let fetcher = Fetcher(&calls);
    assert_eq!((fetcher.fetch(2), calls.take()), (Ok(2), 2));
    let dynamic: &dyn Fetcher2 = &fetcher;
    assert_eq!((dynamic.fetch_dyn(3), calls.take()), (Ok(3), 3));
    assert_eq!((fetcher.clone().consume(9).is_err(), calls.take()), (true, 3));
    assert_eq!((block_on(fetcher.required()), calls.take()), (Ok(3), 3));
}

/// A trait that can be a trait object.
trait Fetcher2 {
    fn fetch_dyn(&self, good: u32) -> Result<u32, String>;
}

impl Fetcher2 for Fetcher<'_> {
    #[retry(THREE)]
    fn fetch_dyn(&self, good: u32) -> Result<u32, String> {
        until_call(self.0, good)
    }
}

// ------------------------------------------------------------------------------------------------
// Boxed futures, async_trait.

#[async_trait]
trait Store {
    #[retry(THREE)]
    async fn provided(&self, text: String, (a, mut b): (u32, u32)) -> Result<String, String> {
        b += a;
        self.load(&text).await.map(|loaded| format!("{loaded}{b}"))
    }

    async fn load(&self, text: &str) -> Result<String, String>;
    async fn save(&mut self, mut items: Vec<u32>) -> Result<usize, String>;
    async fn close(self: Box<Self>, last: Arc<str>) -> Result<String, String>;
}

#[derive(Clone, Default)]
struct Memory {
    calls: u32,
    failures: Arc<AtomicU32>,
}

#[async_trait]
impl Store for Memory {
    async fn load(&self, text: &str) -> Result<String, String> {
        let failed = self.failures.fetch_add(1, Ordering::Relaxed);
        if failed < 2 { Err(format!("failed {failed}")) } else { Ok(text.into()) }
    }

    #[retry(THREE)]
    async fn save(&mut self, mut items: Vec<u32>) -> Result<usize, String> {
        self.calls += 1;
        items.push(self.calls);
        std::future::ready(()).await;
        if self.calls < 3 {
            Err("not yet")?;
        }
        Ok(items.len())
    }

    #[retry(THREE)]
    async fn close(self: Box<Self>, last: Arc<str>) -> Result<String, String> {
        self.load(&last).await
    }
}

#[test]
fn methods_under_async_trait_are_retried() {
    let mut memory = Memory::default();
    assert_eq!(block_on(assert_send(memory.provided("a".into(), (1, 2)))), Ok("a3".into()));
    assert_eq!(memory.failures.swap(1, Ordering::Relaxed), 3);
    assert_eq!(block_on(assert_send(memory.save(vec![0]))), Ok(2));
    assert_eq!(memory.calls, 3);
    let failures = memory.failures.clone();
    let store: Box<dyn Store> = Box::new(memory);
    assert_eq!(block_on(store.close("z".into())), Ok("z".into()));
    assert_eq!(failures.load(Ordering::Relaxed), 3);
}

#[test]
fn methods_under_async_trait_may_report() {
    #[async_trait]
    trait Parse {
        async fn parse(&self, text: &str) -> Result<i32, RetryError<ParseIntError>>;
    }
    #[async_trait]
    impl Parse for Memory {
        #[retry(THREE, report)]
        async fn parse(&self, text: &str) -> Result<i32, RetryError<ParseIntError>> {
            let number = text.parse()?;
            Ok(number)
        }
    }
    let memory = Memory::default();
    assert_eq!(block_on(memory.parse("7")).unwrap(), 7);
    assert_eq!(block_on(assert_send(memory.parse("x"))).unwrap_err().attempts(), 3);
}

#[test]
fn functions_that_return_a_future_are_retried_in_it() {
    #[retry(THREE)]
    #[allow(clippy::manual_async_fn, reason = "what is tested")]
    fn opaque(calls: &Cell<u32>, text: String) -> impl Future<Output = Result<String, String>> {
        async move {
            until_call(calls, 3)?;
            Ok(text)
        }
    }
    #[retry(THREE)]
    fn boxed<'a>(calls: &'a AtomicU32, text: &str) -> BoxFuture<'a, Result<String, u32>> {
        // Once, when it is called.
        calls.fetch_add(100, Ordering::Relaxed);
        let text = text.to_owned();
        let (mut a, b) = (1, 2);
        async move {
            a += b;
            let calls = calls.fetch_add(1, Ordering::Relaxed);
            if calls < 102 { Err(calls) } else { Ok(format!("{text}{a}")) }
        }
        .boxed()
    }
    #[retry(THREE, when = |error| !error.is_empty())]
    fn of_patterns(
        (a, mut b): (String, u32),
        mut c: u32,
        calls: &Cell<u32>,
    ) -> impl Future<Output = Result<String, String>> {
        c += 1;
        let Some(last) = a.chars().last() else { unreachable!("it is not empty") };
        async move {
            c += 1;
            b += until_call(calls, 3)? + c;
            Ok(a + &last.to_string() + &b.to_string())
        }
    }
    #[retry(THREE)]
    fn pinned<T: Clone + 'static>(value: T) -> Pin<Box<dyn Future<Output = Option<T>>>> {
        Box::pin(async move { Some(value) })
    }
    let calls = Cell::new(0);
    let future = opaque(&calls, "a".into());
    assert_eq!(calls.get(), 0);
    assert_eq!((block_on(future), calls.get()), (Ok("a".into()), 3));
    let future = of_patterns(("ab".into(), 1), 10, &calls);
    calls.set(0);
    assert_eq!((block_on(future), calls.get()), (Ok("abb16".into()), 3));
    let calls = AtomicU32::new(0);
    let future = assert_send(boxed(&calls, "b"));
    assert_eq!(calls.load(Ordering::Relaxed), 100);
    assert_eq!((block_on(future), calls.load(Ordering::Relaxed)), (Ok("b3".into()), 103));
    assert_eq!(block_on(pinned(7)), Some(7));
}

#[test]
fn statements_before_a_future_may_change_self() {
    #[derive(Clone)]
    struct Owner(u32);
    impl Owner {
        #[retry(THREE)]
        fn changed(mut self: Box<Self>) -> impl Future<Output = Result<u32, u32>> {
            self.0 += 1;
            async move {
                self.0 += 10;
                Err(self.0)
            }
        }
        #[retry(THREE)]
        fn not_asked(mut self) -> impl Future<Output = Option<u32>> {
            self.0 += 1;
            let number = self.0;
            async move { (number == 3).then_some(number) }
        }
    }
    assert_eq!(block_on(Box::new(Owner(1)).changed()), Err(12));
    assert_eq!(block_on(Owner(2).not_asked()), Some(3));
}

#[test]
fn statements_before_a_future_may_be_configured_away() {
    #[retry(THREE)]
    fn call(kept: u32, #[cfg(any())] absent: NoSuchType) -> impl Future<Output = Result<u32, u32>> {
        #[cfg(any())]
        let (kept, other) = (absent, absent);
        #[cfg(any())]
        let more = absent;
        #[cfg(not(any()))]
        let more = 10;
        async move {
            #[cfg(any())]
            let kept = other;
            Err(kept + more)
        }
    }
    assert_eq!(block_on(call(1)), Err(11));
}

// ------------------------------------------------------------------------------------------------
// Futures.

#[test]
fn a_future_that_was_send_stays_so() {
    /// `Send`, and not `Sync`.
    #[derive(Clone)]
    struct Unsynced(Cell<u32>);
    #[retry(THREE, on_retry = |_| ())]
    async fn call(unsynced: Unsynced, text: &str, log: &mut Vec<Cell<u32>>) -> Option<u32> {
        log.push(unsynced.0.clone());
        std::future::ready(()).await;
        (text.len() == unsynced.0.get() as usize).then(|| unsynced.0.get())
    }
    /// The same, and `Copy`: a reference to it is not `Send`.
    #[derive(Clone, Copy)]
    struct Marker(PhantomData<Cell<u32>>);
    impl Marker {
        #[retry(THREE)]
        async fn call(self, other: Marker) -> Option<Marker> {
            std::future::ready(()).await;
            let Marker(_) = self;
            Some(other)
        }
    }
    struct Owner(Cell<u32>);
    impl Owner {
        #[retry(THREE)]
        async fn call(&mut self) -> Option<u32> {
            self.0.set(self.0.get() + 1);
            std::future::ready(()).await;
            (self.0.get() == 3).then(|| self.0.get())
        }
    }
    let mut log = vec![];
    assert_eq!(block_on(assert_send(call(Unsynced(Cell::new(1)), "a", &mut log))), Some(1));
    assert_eq!(block_on(assert_send(Owner(Cell::new(0)).call())), Some(3));
    let marker = Marker(PhantomData);
    assert!(block_on(assert_send(marker.call(marker))).is_some());
}

#[test]
fn nothing_happens_before_the_first_poll_and_nothing_after_the_drop() {
    #[derive(Clone)]
    struct Ends<'a>(&'a RefCell<Vec<Reason>>);
    impl<O: Outcome> Hook<O> for Ends<'_> {
        fn finish(&mut self, event: &FinishEvent<'_, O>) {
            self.0.borrow_mut().push(event.reason());
        }
    }
    #[retry(
        constant(SECOND).max_attempts(3),
        timer = clock.clone(),
        hook = Ends(ends),
    )]
    async fn call(
        clock: &VirtualClock,
        ends: &RefCell<Vec<Reason>>,
        calls: &Cell<u32>,
        counted: Counted,
    ) -> Result<u32, String> {
        let _ = counted;
        until_call(calls, 9)
    }
    let (clock, ends, calls) = (VirtualClock::new(), RefCell::default(), Cell::new(0));
    let counted = Counted::default();
    let alive = Rc::downgrade(&counted.0);

    drop(call(&clock, &ends, &calls, Counted::default()));
    assert_eq!((calls.get(), ends.take()), (0, vec![]));

    {
        let mut future = pin!(call(&clock, &ends, &calls, counted));
        let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        assert_eq!((calls.get(), ends.borrow().len()), (1, 0));
        assert!(alive.upgrade().is_some());
    }
    assert_eq!((calls.get(), ends.take()), (1, vec![Reason::Cancelled]));
    assert!(alive.upgrade().is_none());
}

#[test]
fn an_attempt_that_takes_its_time_is_awaited() {
    #[retry(constant(SECOND).max_attempts(3), timer = clock.clone())]
    async fn call(clock: &VirtualClock, calls: &Cell<u32>) -> Result<u32, String> {
        persevere::time::Timer::sleep(clock, 10 * SECOND).await;
        until_call(calls, 3)
    }
    let clock = VirtualClock::new();
    assert_eq!(clock.block_on(call(&clock, &Cell::new(0))), Ok(3));
    assert_eq!(clock.now(), 32 * SECOND);
}

// ------------------------------------------------------------------------------------------------
// Attributes, stacking, outcomes.

/// Attributes stay, and stay where they were.
#[retry(THREE)]
#[allow(clippy::needless_pass_by_value, reason = "what is tested")]
#[must_use]
#[inline(never)]
pub(crate) fn with_attributes(
    #[allow(unused_variables, reason = "what is tested")] unused: u32,
    #[cfg(any())] absent: NoSuchType,
    #[cfg(not(any()))] present: String,
) -> Option<usize> {
    #![allow(unused_mut, reason = "an inner one, too")]
    let mut length = present.len();
    Some(length)
}

#[test]
fn a_function_keeps_its_attributes() {
    assert_eq!(with_attributes(1, "abc".into()), Some(3));
    let function: fn(u32, String) -> Option<usize> = with_attributes;
    assert_eq!(function(1, String::new()), Some(0));
}

#[test]
fn decorators_may_be_stacked() {
    #[retry(ONE)]
    #[retry(THREE)]
    fn call(calls: &Cell<u32>) -> Result<u32, String> {
        until_call(calls, 9)
    }
    #[retry(THREE)]
    #[retry(THREE)]
    async fn call_async(calls: &Cell<u32>, text: String) -> Result<u32, String> {
        drop(text);
        until_call(calls, 9)
    }
    let calls = Cell::new(0);
    assert!(call(&calls).is_err());
    assert_eq!(calls.take(), 3);
    assert_eq!(block_on(call_async(&calls, String::new())), Ok(9));
}

#[test]
fn outcomes_of_every_kind_are_retried() {
    use std::ops::ControlFlow::{self, Break, Continue};
    #[retry(THREE)]
    fn flow(calls: &mut u32) -> ControlFlow<u32, &'static str> {
        *calls += 1;
        if *calls == 2 { Break(*calls) } else { Continue("on") }
    }
    #[retry(THREE)]
    async fn later(calls: &Cell<u32>) -> Option<u32> {
        until_call(calls, 3).ok()
    }
    assert_eq!(flow(&mut 0), Break(2));
    assert_eq!(block_on(later(&Cell::new(0))), Some(3));
}

#[test]
fn the_library_may_have_another_name() {
    use persevere as steadfast;
    #[retry(THREE, crate = steadfast)]
    fn call(calls: &Cell<u32>) -> Result<u32, String> {
        until_call(calls, 3)
    }
    assert_eq!(call(&Cell::new(0)), Ok(3));
}
