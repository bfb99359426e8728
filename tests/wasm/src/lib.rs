//! What differs in JavaScript's world: the default timer must wait by way of `setTimeout`, the clock
//! be the host's, and randomness come from its `crypto`. Each exported function is a test, called by
//! `run.mjs`.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use persevere::time::{Clock, DefaultTimer};
use persevere::{RetryExt, constant, exponential, immediate};
use wasm_bindgen::prelude::*;

const MS: Duration = Duration::from_millis(1);

/// An error rather than a panic, which would end the module and with it the tests after it.
fn holds(condition: bool, what: impl Into<String>) -> Result<(), JsError> {
    if condition { Ok(()) } else { Err(JsError::new(&what.into())) }
}

#[wasm_bindgen]
pub async fn the_default_timer_waits_between_attempts() -> Result<(), JsError> {
    let start = DefaultTimer.now();
    let tries = Cell::new(0);
    let outcome = (|| async {
        tries.set(tries.get() + 1);
        if tries.get() < 3 { Err("not yet") } else { Ok(tries.get()) }
    })
    .retry_with(exponential(10 * MS).max_attempts(5))
    .await;
    let elapsed = DefaultTimer.now() - start;
    holds(outcome == Ok(3), format!("{outcome:?}"))?;
    // Ten and twenty milliseconds; the host may round its clock.
    holds(elapsed >= 29 * MS && elapsed < 1000 * MS, format!("waited {elapsed:?}"))
}

#[wasm_bindgen]
pub async fn less_than_a_millisecond_is_not_cut_down_to_nothing() -> Result<(), JsError> {
    let start = DefaultTimer.now();
    let _: Result<(), ()> =
        (|| async { Err(()) }).retry_with(constant(MS / 2).max_attempts(21)).await;
    let elapsed = DefaultTimer.now() - start;
    holds(elapsed >= 9 * MS, format!("waited {elapsed:?} instead of at least 10 ms"))
}

#[wasm_bindgen]
pub async fn a_sleep_beyond_the_range_of_browser_timers_does_not_end_at_once() -> Result<(), JsError>
{
    let tries = Rc::new(Cell::new(0));
    let counter = tries.clone();
    // Browsers' timers hold 31 bits of milliseconds, and fire at once beyond.
    let days = Duration::from_secs(60 * 60 * 24 * 30);
    let mut retry = Box::pin(
        (move || {
            counter.set(counter.get() + 1);
            async { Err::<(), ()>(()) }
        })
        .retry_with(constant(days).max_attempts(5)),
    );
    let first =
        std::future::poll_fn(|cx| std::task::Poll::Ready(retry.as_mut().poll(cx).is_ready())).await;
    let _: Result<(), ()> =
        (|| async { Err(()) }).retry_with(constant(30 * MS).max_attempts(2)).await;
    let second =
        std::future::poll_fn(|cx| std::task::Poll::Ready(retry.as_mut().poll(cx).is_ready())).await;
    holds(!first && !second && tries.get() == 1, format!("tried {} times", tries.get()))
}

#[wasm_bindgen]
pub async fn the_clock_ends_a_retry() -> Result<(), JsError> {
    let tries = Cell::new(0);
    let outcome: Result<(), ()> = (|| async {
        tries.set(tries.get() + 1);
        Err(())
    })
    .retry_with(constant(20 * MS).max_elapsed(70 * MS))
    .await;
    holds(
        outcome.is_err() && (2..=4).contains(&tries.get()),
        format!("tried {} times", tries.get()),
    )
}

#[wasm_bindgen]
pub async fn calls_draw_different_delays() -> Result<(), JsError> {
    let mut seen = BTreeSet::new();
    for _ in 0..8 {
        let mut delays = Vec::new();
        let _: Result<(), ()> = (|| async { Err(()) })
            .retry_with(constant(2 * MS).full_jitter().max_attempts(2))
            .on_retry(|retry| delays.push(retry.delay()))
            .await;
        seen.extend(delays);
    }
    holds(seen.len() == 8, format!("only {} of 8 delays differ: {seen:?}", seen.len()))
}

#[wasm_bindgen]
pub async fn retries_without_a_delay_let_other_tasks_run() -> Result<(), JsError> {
    let other = Rc::new(Cell::new(false));
    let flag = other.clone();
    wasm_bindgen_futures::spawn_local(async move { flag.set(true) });
    let outcome = (|| async { if other.get() { Ok(()) } else { Err("never ran") } })
        .retry_with(immediate().max_attempts(1000))
        .await;
    holds(outcome == Ok(()), format!("{outcome:?}"))
}
