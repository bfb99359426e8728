//! The error of a report in the error types of applications.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::error::Error;
use std::fmt::Display;
use std::future::ready;

use persevere::{RetryExt, immediate};

type Boxed = Box<dyn Error + Send + Sync>;

const GAVE_UP: &str = "gave up after 2 attempts (0 s): attempt limit reached";

/// A runtime whose clock stands still.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(future)
}

fn assert_text(error: impl Display) {
    let text = error.to_string();
    let (before, after) = GAVE_UP.split_once("0 s").unwrap();
    assert!(text.starts_with(before) && text.contains(after), "{text}");
}

fn parse(text: &str) -> Result<u8, std::num::ParseIntError> {
    text.parse()
}

#[test]
fn report_of_an_error_goes_into_anyhow() {
    async fn answer() -> anyhow::Result<u8> {
        let retry = (|| ready(parse("x"))).retry_with(immediate().max_attempts(2));
        Ok(retry.report().await?)
    }
    let error = block_on(answer()).unwrap_err();
    assert_text(&error);
    assert_eq!(error.root_cause().to_string(), "invalid digit found in string");
    assert!(error.downcast_ref::<persevere::RetryError<std::num::ParseIntError>>().is_some());
}

#[test]
fn report_of_an_anyhow_error_goes_into_anyhow() {
    async fn answer() -> anyhow::Result<u8> {
        let operation = || ready(anyhow::Result::<u8>::Err(anyhow::anyhow!("no answer")));
        Ok(operation.retry_with(immediate().max_attempts(2)).report().await?)
    }
    let error = block_on(answer()).unwrap_err();
    assert_text(&error);
    assert_eq!(error.root_cause().to_string(), "no answer");
}

#[test]
fn report_of_an_eyre_report_goes_into_eyre() {
    async fn answer() -> eyre::Result<u8> {
        let operation = || ready(eyre::Result::<u8>::Err(eyre::eyre!("no answer")));
        Ok(operation.retry_with(immediate().max_attempts(2)).report().await?)
    }
    let error = block_on(answer()).unwrap_err();
    assert_text(&error);
    assert_eq!(error.root_cause().to_string(), "no answer");
}

#[test]
fn report_of_an_error_goes_into_eyre() {
    fn answer() -> eyre::Result<u8> {
        Ok((|| parse("x")).retry_with(immediate().max_attempts(2)).report().call()?)
    }
    assert_text(answer().unwrap_err());
}

#[test]
fn report_of_a_boxed_error_goes_into_a_boxed_error() {
    fn answer() -> Result<u8, Boxed> {
        let operation = || Result::<u8, Boxed>::Err("no answer".into());
        Ok(operation.retry_with(immediate().max_attempts(2)).report().call()?)
    }
    let error = answer().unwrap_err();
    assert_text(&error);
    assert_eq!(error.source().unwrap().to_string(), "no answer");
}
