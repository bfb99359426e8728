//! `#[retry(..)]`, the decorator.

/// Retries a function: each attempt runs its body.
///
/// ```
/// use persevere::{immediate, retry};
/// # use std::cell::Cell;
///
/// #[retry(immediate().max_attempts(3), when = |error: &String| error == "busy")]
/// fn answer(calls: &Cell<u32>) -> Result<u32, String> {
///     calls.set(calls.get() + 1);
///     if calls.get() < 3 { Err("busy")? }
///     Ok(42)
/// }
///
/// let calls = Cell::new(0);
/// assert_eq!((answer(&calls), calls.get()), (Ok(42), 3));
/// ```
///
/// The function keeps its signature, its visibility, its documentation and its attributes; its
/// future stays `Send` where it was. It may be `async` or not, free or a method, generic, in a
/// trait or in its implementation, and return any [`Outcome`](crate::Outcome). `?` and `return` end
/// the **attempt**, and what they return is what the policy is asked about.
///
/// # Which policy?
///
/// | written | follows |
/// |---|---|
/// | `#[retry]` | the default policy of the installed ones (feature `config`) |
/// | `#[retry("fast_retry")]` | the installed policy of that name (feature `config`) |
/// | `#[retry(POLICY)]`, `#[retry(self.policy)]` | `&POLICY`: what a path or a field names is borrowed |
/// | `#[retry(exponential(secs(1)).max_attempts(5))]` | what any other expression makes, anew for each call |
///
/// Policies are installed once, at the start of `main`, with `Policies::install`. A name that nobody
/// has installed panics at the first call, with the name to install; `Policies::check_references`
/// finds all such names at the start. A name stands for a plain handle, so its settings may have no
/// `attempt_timeout` and no `breaker`; give a handle of `Policies::get_guarded` as an expression
/// for those. The error type is [`Kinded`](trait@crate::classify::Kinded), or there is a `when = ..`.
///
/// Such a handle lies in a field, or for a free function in a `static`, which is borrowed with `&*`:
///
/// ```
/// # #[cfg(feature = "config")] {
/// use figment::{Figment, providers::{Format, Toml}};
/// use persevere::policy::{GuardedHandle, Policies};
/// use persevere::{Interrupted, Kinded, retry};
/// use std::sync::LazyLock;
///
/// static STORE: LazyLock<GuardedHandle> = LazyLock::new(|| {
///     let policies = Policies::installed().expect("`main` installs them");
///     policies.get_guarded("store").expect("the settings have it")
/// });
///
/// #[derive(Debug, PartialEq, Kinded)]
/// enum StoreError { Busy, Unavailable }
/// impl From<Interrupted> for StoreError {
///     fn from(_: Interrupted) -> Self { StoreError::Unavailable }
/// }
///
/// #[retry(&*STORE)]
/// fn read(calls: &mut u32) -> Result<(), StoreError> {
///     *calls += 1;
///     Err(StoreError::Busy)
/// }
///
/// let settings = "policies.store = { attempts = 5, wait_min = '0s', breaker = { failures = 2 } }";
/// Policies::load(&Figment::from(Toml::string(settings)), "")?.install()?;
/// let mut calls = 0;
/// assert_eq!((read(&mut calls), calls), (Err(StoreError::Busy), 2));
/// assert_eq!((read(&mut calls), calls), (Err(StoreError::Unavailable), 2));
/// # }
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// In parentheses, `#[retry((POLICY))]`, a path is given by value. The expression may use the
/// function's arguments:
///
/// ```
/// use persevere::backoff::{Constant, MaxAttempts};
/// use persevere::{Policy, immediate, retry};
///
/// struct Client { policy: Policy<MaxAttempts<Constant>> }
/// impl Client {
///     #[retry(self.policy)]
///     fn get(&self, path: &str) -> Result<String, String> { Err(format!("no {path}")) }
/// }
///
/// #[retry(immediate().max_attempts(limit))]
/// fn limited(limit: u32, calls: &mut u32) -> Option<()> {
///     *calls += 1;
///     None
/// }
///
/// let client = Client { policy: Policy::new(immediate().max_attempts(3)) };
/// assert_eq!(client.get("/"), Err("no /".into()));
/// let mut calls = 0;
/// limited(7, &mut calls);
/// assert_eq!(calls, 7);
/// ```
///
/// # What else can be said?
///
/// Keys follow the policy, in any order, each once. An expression is a path or a closure, as the
/// method of the same name takes it.
///
/// | key | value | default |
/// |---|---|---|
/// | `when` | which [errors](crate::Retry::when) are retried | what the policy says |
/// | `until` | which [values](crate::Retry::until) are good | what the policy says |
/// | `classify`, `classifier` | what an [outcome](crate::Retry::classify) means | what the policy says |
/// | `on_attempt`, `on_retry`, `on_success`, `on_give_up`, `on_finish` | hears of an [event](crate::hook) | |
/// | `hook` | a [`Hook`](crate::Hook), or a tuple of them | |
/// | `guard` | a [`Guard`](crate::guard::Guard), or a tuple of them | |
/// | `attempt_timeout`, `attempt_timeout_by`, `deadline`, `inherit_deadline` | a [limit on time](crate::guard); the last one without a value | that of the policy |
/// | `interrupted` | the error of a call that a guard ended, as [`or_interrupted`](crate::Retry::or_interrupted) takes it | `From<Interrupted>` |
/// | `named` | a string literal: the [name](crate::Retry::named) of the operation | its path without a type, `"crate::module::function"` |
/// | `report`, `report_without_source` | none; the function returns [`Result<T, RetryError<E>>`](crate::RetryError), its body makes `Result<T, E>` | the outcome itself |
/// | `timed` | none; [`elapsed`](crate::Attempt::elapsed) is known | |
/// | `timer`, `seed` | as [`timer`](crate::Retry::timer) and [`seed`](crate::Retry::seed) take it | that of the policy |
/// | `cancel_by`, `retry_now_by` | a reference to a [token](crate::time::CancelToken) or a [signal](crate::time::RetrySignal) | those of the policy |
/// | `crate` | the path of this library, where it is not `::persevere` | |
///
/// ```
/// use persevere::{RetryError, immediate, retry};
///
/// #[retry(immediate().max_attempts(3), report, named = "parse")]
/// fn parse(text: &str) -> Result<i32, RetryError<std::num::ParseIntError>> {
///     text.parse()
/// }
///
/// assert_eq!(parse("7").ok(), Some(7));
/// assert_eq!(parse("x").unwrap_err().attempts(), 3);
/// ```
///
/// # What happens to the arguments?
///
/// | argument | each attempt gets |
/// |---|---|
/// | `&T`, `&self` | the same reference |
/// | `&mut T`, `&mut self`, `Pin<&mut T>` | it, borrowed again |
/// | by value, `self` and `self: Arc<Self>` too | a clone; the last attempt that the limit allows, the value itself |
/// | by value, and the policy or a key mentions it | a clone |
/// | by value, and the body does not mention it | nothing: it lives until the function returns, as a guard should |
///
/// So under `max_attempts(3)`, a success at the first attempt costs one clone, and a call that makes
/// all three costs two. What is large goes by reference or in an `Arc`. What cannot be cloned is
/// refused where its type is written.
///
/// # Async
///
/// An `async fn` waits with the policy's timer; a plain one blocks. A plain function whose body ends
/// in `async move { .. }` or `Box::pin(async move { .. })` and whose type says what that makes
/// (`impl Future<Output = ..>`, `Pin<Box<dyn Future<Output = ..>>>`, `BoxFuture<..>`) is retried in that
/// block; what comes before it runs once, when the function is called, and the variables that it
/// leaves to the block go to the attempts as arguments by value do. That is what `#[async_trait]`
/// makes of methods, so both go together.
///
/// A [token](crate::time::CancelToken) ends both kinds: `cancel_by = &token`.
///
/// Other attributes are expanded from the top: `#[tracing::instrument]` above the decorator makes a
/// span of each attempt, and below it, one of the whole call.
///
/// ```
/// use persevere::time::VirtualClock;
/// use persevere::{constant, retry};
/// use std::time::Duration;
///
/// struct Store { clock: VirtualClock, calls: u32 }
/// impl Store {
///     #[retry(constant(Duration::from_secs(1)).max_attempts(5), timer = self.clock.clone())]
///     async fn load(&mut self) -> Result<u32, &'static str> {
///         self.calls += 1;
///         if self.calls < 3 { Err("not yet") } else { Ok(self.calls) }
///     }
/// }
///
/// let clock = VirtualClock::new();
/// let mut store = Store { clock: clock.clone(), calls: 0 };
/// assert_eq!(clock.block_on(store.load()), Ok(3));
/// assert_eq!(clock.slept().len(), 2);
/// ```
///
/// # How is it tested?
///
/// On a timer that the test chooses, as above: a method has it in a field, a function as an argument.
/// On tokio, with the feature `tokio`, retries follow the clock that
/// `#[tokio::test(start_paused = true)]` stops, those of names too; without that feature the
/// [`DefaultTimer`](crate::DefaultTimer) waits in real time. Policies are
/// installed once in a process, which the tests of a binary share: let each begin with a function
/// that installs the program's own settings in a [`Once`](std::sync::Once).
///
/// # What it cannot do
///
/// - Return what borrows from `&mut self` or from another `&mut` argument: the next attempt needs it
///   again. Return an owned value, or write the [loop](crate::Attempts::again).
/// - A `const fn`, which cannot wait.
/// - With `&mut self`, borrow the policy from `self` for the whole call: `#[retry(self.policy)]` is
///   refused by the compiler; give `#[retry(self.policy.clone())]`.
/// - Tell a format string from other text in a macro: where `self` is not `&self`, the text `"{self}"`
///   in `vec!["{self}"]` becomes `"{__self}"`, as in `format!("{self}")`.
/// - See through a type alias: an argument is a reference, and a result a future, where that is
///   written.
///
/// It is written with public parts only: a [`Loop`](crate::retry::Loop) around
/// [attempts](crate::Attempts).
#[doc(inline)]
pub use persevere_macros::retry;

/// Callers of older editions, where what a last expression borrows is dropped late.
///
/// ```edition2021
/// use persevere::{immediate, retry, time::VirtualClock};
/// use std::sync::{Arc, Mutex};
///
/// struct Stock(Mutex<u32>);
/// impl Stock {
///     #[retry(immediate().max_attempts(3))]
///     fn take(self: Arc<Self>, many: u32) -> Option<u32> {
///         self.0.lock().unwrap().checked_sub(many)
///     }
///     #[retry(immediate().max_attempts(3))]
///     async fn take_later(stock: Arc<Self>, many: u32) -> Result<u32, String> {
///         let too_many = format!("{many} of {stock}", stock = stock.0.lock().unwrap());
///         stock.0.lock().unwrap().checked_sub(many).ok_or(too_many)
///     }
/// }
/// let stock = Arc::new(Stock(Mutex::new(5)));
/// assert_eq!(stock.clone().take(2), Some(3));
/// let outcome = VirtualClock::new().block_on(Stock::take_later(stock, 6));
/// assert_eq!(outcome, Err("6 of 5".to_owned()));
/// ```
///
/// ```edition2018
/// #[persevere::retry(persevere::immediate().max_attempts(3))]
/// async fn first((text, by): (String, char), seen: &mut Vec<String>) -> Result<String, String> {
///     seen.push(text.clone());
///     Ok(text.split(by).next().ok_or("none")?.to_owned())
/// }
/// let mut seen = vec![];
/// let future = first(("a b".into(), ' '), &mut seen);
/// assert_eq!(persevere::time::VirtualClock::new().block_on(future), Ok("a".into()));
/// ```
#[cfg(doctest)]
struct Editions;
