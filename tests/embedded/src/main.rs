//! Retries on a bare Cortex-M4, without an operating system: a timer of our own on the processor's
//! SysTick, an executor of ten lines, and no allocator unless the `alloc` feature brings one.
#![no_std]
#![no_main]

use core::cell::Cell;
use core::future::Future;
use core::ops::ControlFlow;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::{entry, exception};
use cortex_m_semihosting::{debug, hprintln};
use panic_semihosting as _;
use persevere::time::{BlockingTimer, ChunkedTimer, Clock, Timer};
use persevere::{Policy, RetryExt, StaticPolicy, constant, exponential};

/// Milliseconds since the start.
static TICKS: AtomicU32 = AtomicU32::new(0);

#[exception]
fn SysTick() {
    // A Cortex-M0 could not add in one step; one writer needs no more.
    TICKS.store(TICKS.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// A timer as one writes it for a board: it counts milliseconds and nothing finer.
#[derive(Clone, Copy)]
struct SysTickTimer;

impl Clock for SysTickTimer {
    type Sleep = Sleep;
    fn now(&self) -> Duration {
        Duration::from_millis(TICKS.load(Ordering::Relaxed).into())
    }
}

impl Timer for SysTickTimer {
    fn sleep(&self, duration: Duration) -> Sleep {
        // One more, since the current millisecond is partly over.
        Sleep { until: self.now() + duration + Duration::from_millis(1) }
    }
}

impl BlockingTimer for SysTickTimer {
    fn sleep_blocking(&self, duration: Duration) {
        run(self.sleep(duration));
    }
}

struct Sleep {
    until: Duration,
}

impl Future for Sleep {
    type Output = ();
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        // The next tick wakes the processor, and `run` polls again: nobody to register.
        if SysTickTimer.now() >= self.until { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Runs a future to its end, asleep between interrupts.
fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        cortex_m::asm::wfi();
    }
}

const MS: Duration = Duration::from_millis(1);

/// Milliseconds are the grain, and sleeps longer than a minute are made in pieces.
const TIMER: ChunkedTimer<SysTickTimer> =
    ChunkedTimer::new(SysTickTimer, MS, Duration::from_secs(60));

/// A sensor that answers from the third reading on.
struct Sensor {
    readings: Cell<u32>,
}

impl Sensor {
    fn read(&self) -> Result<u32, &'static str> {
        self.readings.set(self.readings.get() + 1);
        if self.readings.get() < 3 { Err("busy") } else { Ok(self.readings.get()) }
    }
}

fn waits_between_attempts() {
    let sensor = Sensor { readings: Cell::new(0) };
    let start = TIMER.now();
    let value = run((|| async { sensor.read() })
        .retry_with(exponential(10 * MS).max_delay(50 * MS).max_attempts(5))
        .timer(TIMER));
    assert_eq!(value, Ok(3));
    // Ten and twenty milliseconds.
    assert!(TIMER.now() - start >= 30 * MS);
}

fn blocks_between_attempts() {
    let sensor = Sensor { readings: Cell::new(0) };
    let start = TIMER.now();
    let value = (|| sensor.read()).retry_with(constant(5 * MS).max_attempts(3)).timer(TIMER).call();
    assert_eq!(value, Ok(3));
    assert!(TIMER.now() - start >= 10 * MS);
}

fn gives_up_with_the_last_error() {
    let tries = Cell::new(0);
    let outcome: Result<(), u32> = run((|| async {
        tries.set(tries.get() + 1);
        Err(tries.get())
    })
    .retry_with(constant(MS).full_jitter().max_attempts(4))
    .timer(TIMER));
    assert_eq!(outcome, Err(4));
}

/// In flash, without an allocator, shared by whoever wants it.
static POLICY: StaticPolicy<ChunkedTimer<SysTickTimer>> =
    Policy::with(&constant(MS).max_attempts(4), (), (), TIMER);

fn loops_on_a_policy_in_flash() {
    let mut buffer = [0; 2];
    let mut attempts = POLICY.start();
    let outcome = run(async {
        loop {
            let fill = async {
                buffer[0] += 1;
                if buffer[0] < 3 { Err("not yet") } else { Ok(buffer[0]) }
            };
            if let ControlFlow::Break(outcome) = attempts.attempt(fill).await {
                break outcome;
            }
        }
    });
    assert_eq!(outcome, Ok(3));
}

fn stops_by_the_boards_own_clock() {
    let tries = Cell::new(0);
    let outcome: Result<(), ()> = run((|| async {
        tries.set(tries.get() + 1);
        Err(())
    })
    .retry_with(constant(20 * MS).max_elapsed(70 * MS))
    .timer(TIMER));
    assert_eq!(outcome, Err(()));
    assert!((2..=4).contains(&tries.get()), "tried {} times", tries.get());
}

#[cfg(feature = "alloc")]
mod heap {
    extern crate alloc;

    use super::*;
    use alloc::boxed::Box;
    use alloc::sync::Arc;
    use embedded_alloc::LlffHeap;
    use persevere::Finite;

    #[global_allocator]
    static HEAP: LlffHeap = LlffHeap::empty();

    pub(super) fn shares_a_boxed_policy() {
        const SIZE: usize = 16 * 1024;
        static mut MEMORY: [u8; SIZE] = [0; SIZE];
        // SAFETY: called once, before anything is allocated, and nobody else names `MEMORY`.
        unsafe { HEAP.init(&raw mut MEMORY as usize, SIZE) }

        let backoff: Box<dyn Finite + Sync> = Box::new(constant(MS).max_attempts(3));
        let policy = Arc::new(Policy::new(backoff).timer(TIMER));
        for _ in 0..2 {
            let sensor = Sensor { readings: Cell::new(0) };
            let value = run((|| async { sensor.read() }).retry_with(policy.clone()));
            assert_eq!(value, Ok(3));
        }
    }
}

#[entry]
fn main() -> ! {
    let mut core = cortex_m::Peripherals::take().expect("taken once");
    core.SYST.set_clock_source(SystClkSource::Core);
    // qemu's board runs at 25 MHz.
    core.SYST.set_reload(25_000 - 1);
    core.SYST.clear_current();
    core.SYST.enable_interrupt();
    core.SYST.enable_counter();

    let tests: &[(&str, fn())] = &[
        ("waits between attempts", waits_between_attempts),
        ("blocks between attempts", blocks_between_attempts),
        ("gives up with the last error", gives_up_with_the_last_error),
        ("loops on a policy in flash", loops_on_a_policy_in_flash),
        ("stops by the board's own clock", stops_by_the_boards_own_clock),
        #[cfg(feature = "alloc")]
        ("shares a boxed policy", heap::shares_a_boxed_policy),
    ];
    for (name, test) in tests {
        // A panic says why, and ends qemu with a failure.
        test();
        hprintln!("ok: {}, at {} ms", name, TICKS.load(Ordering::Relaxed));
    }
    hprintln!("{} passed, 0 failed", tests.len());
    debug::exit(debug::EXIT_SUCCESS);
    loop {
        cortex_m::asm::wfi();
    }
}
