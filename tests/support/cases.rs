//! How many cases a property is held to, and which.

use proptest::test_runner::{Config, RngSeed};

/// So many cases, the same in every run; `PROPTEST_RNG_SEED` gives others, `PROPTEST_CASES` more of
/// them.
pub(crate) fn cases(cases: u32) -> Config {
    let given = |variable| std::env::var_os(variable).is_some();
    let mut config = Config::default();
    if !given("PROPTEST_CASES") {
        config.cases = cases;
    }
    if !given("PROPTEST_RNG_SEED") {
        config.rng_seed = RngSeed::Fixed(2026);
    }
    // No file of failures beside the tests: a failure prints what it is made of.
    config.failure_persistence = None;
    config
}
