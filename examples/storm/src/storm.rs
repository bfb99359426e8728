//! From settings to records: one storm for each policy.

use std::error::Error;
use std::time::Duration;

use figment::Figment;
use persevere::policy::Policies;

use crate::clock::SimulatedClock;
use crate::fleet::{Failure, Fleet, Handle};
use crate::record::Record;
use crate::scenario::{LONGEST, Scenario, Script, TICKS_PER_SECOND};

/// What came of one policy.
pub(crate) struct Outcome {
    pub(crate) policy: String,
    /// As the policy's backoff describes itself.
    pub(crate) described: String,
    pub(crate) record: Record,
}

/// The whole comparison.
pub(crate) struct Storm {
    pub(crate) script: Script,
    pub(crate) seed: u64,
    pub(crate) outcomes: Vec<Outcome>,
}

impl Storm {
    /// Runs the storm of `settings` for every policy that its scenario compares. `progress` is told
    /// of the policy and of every simulated second.
    pub(crate) fn run(
        settings: &Figment,
        clients: u32,
        minutes: u32,
        seed: u64,
        mut progress: impl FnMut(&str, u64),
    ) -> Result<Self, Box<dyn Error>> {
        let script = Scenario::read(settings)?.script(clients, minutes);
        if script.end < script.outage.1 + TICKS_PER_SECOND * 60 {
            return Err("the simulation goes on for a minute after the outage, or longer".into());
        }
        let mut outcomes = Vec::new();
        for policy in &script.scenario.compare {
            let clock = SimulatedClock::default();
            let handles = processes(settings, policy, &script, &clock)?;
            if !handles.iter().all(ends_soon) {
                return Err(format!("a call of `{policy}` may wait for more than an hour").into());
            }
            let fleet = Fleet::new(&script, seed, &handles, clock);
            let record = fleet.run(|second| progress(policy, second));
            let described = handles.first().map(ToString::to_string).unwrap_or_default();
            // After a colon it goes on with every delay.
            let described = described.split(": ").next().unwrap_or_default().to_owned();
            outcomes.push(Outcome { policy: policy.clone(), described, record });
        }
        Ok(Storm { script, seed, outcomes })
    }
}

/// Whether the simulation ends soon after the last call has begun.
fn ends_soon(handle: &Handle) -> bool {
    handle.worst_case().is_some_and(|longest| longest <= Duration::from_millis(LONGEST))
}

/// Every process loads the settings for itself, so that it has a budget and a breaker of its own.
fn processes(
    settings: &Figment,
    policy: &str,
    script: &Script,
    clock: &SimulatedClock,
) -> Result<Vec<Handle>, Box<dyn Error>> {
    let start = |_| -> Result<Handle, Box<dyn Error>> {
        let policies = Policies::builder()
            .clock(clock.clone())
            .kinds_of::<Failure>()
            .load(settings, "retry")?;
        Ok(policies.get_guarded(policy)?)
    };
    (0..script.clients.div_ceil(script.scenario.clients_per_process)).map(start).collect()
}
