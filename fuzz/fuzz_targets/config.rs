//! Whatever text a settings file is: it gives policies that stay within what it promises, or an error
//! that says why not, and never a panic. A second text as an update leaves nothing half done.
#![no_main]

use std::time::Duration;

use figment::Figment;
use figment::providers::{Format, Toml};
use libfuzzer_sys::fuzz_target;
use persevere::policy::config::RetryConfig;
use persevere::policy::{Policies, PolicyError};

fuzz_target!(|data: &str| {
    let (first, second) = data.split_once('\0').unwrap_or((data, ""));
    let [first, second] = [first, second].map(|text| Figment::from(Toml::string(text)));
    let policies = match Policies::builder().kinds_of::<std::io::Error>().load(&first, "") {
        Ok(policies) => policies,
        Err(error) => {
            assert!(!error.problems().is_empty() && !error.to_string().is_empty());
            return;
        }
    };
    // What is valid survives a round trip.
    let section: RetryConfig = first.extract().expect("valid settings are plain data");
    let again = Figment::from(figment::providers::Serialized::defaults(&section));
    assert_eq!(again.extract::<RetryConfig>().expect("so is what was written"), section);

    let mut before = Vec::new();
    for name in policies.names() {
        match policies.get(&name) {
            Ok(handle) => {
                // A list may be long, but it ends.
                let _: Option<Duration> = handle.worst_case();
                before.push((handle.to_string(), handle));
            }
            Err(PolicyError::Refused(_)) => drop(policies.get_guarded(&name)),
            Err(other) => panic!("{name} is there: {other}"),
        }
    }
    if policies.reload(&second).is_err() {
        assert_eq!(policies.revision(), 1);
        assert!(before.iter().all(|(text, handle)| *text == handle.to_string()));
    }
});
