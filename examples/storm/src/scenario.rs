//! What is simulated: the settings of the fleet, the service and the outage.

use figment::Figment;
use persevere::policy::config::DurationText;
use serde::Deserialize;

/// The table `[scenario]` of the settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// The policies, by name.
    pub(crate) compare: Vec<String>,
    think: DurationText,
    pub(crate) clients_per_process: u32,
    timeout: DurationText,
    latency: DurationText,
    capacity: f64,
    queue: DurationText,
    outage_at: DurationText,
    outage_for: DurationText,
    outage_capacity: f64,
    pub(crate) sessions_cut: f64,
    pub(crate) recovered: f64,
}

/// A tick is a millisecond: short beside everything that clients can tell apart.
pub(crate) const TICKS_PER_SECOND: u64 = 1000;

/// The longest of all times, in ticks: each takes its place in memory, and is gone through.
pub(crate) const LONGEST: u64 = 3600 * TICKS_PER_SECOND;

/// The scenario for a fleet of a certain size, in ticks and requests per second.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) clients: u32,
    pub(crate) end: u64,
    pub(crate) think: u64,
    pub(crate) timeout: u64,
    pub(crate) latency: u64,
    /// Requests per second.
    pub(crate) capacity: u64,
    pub(crate) outage_capacity: u64,
    /// Requests.
    pub(crate) queue: usize,
    /// From this tick on, and until before that one.
    pub(crate) outage: (u64, u64),
    pub(crate) scenario: Scenario,
}

impl Scenario {
    /// Reads the table, and says what is wrong with it.
    pub(crate) fn read(settings: &Figment) -> Result<Self, Box<dyn std::error::Error>> {
        let scenario: Scenario = settings.extract_inner("scenario")?;
        let parts = [scenario.outage_capacity, scenario.sessions_cut, scenario.recovered];
        if !parts.iter().all(|part| (0.0..=1.0).contains(part)) {
            return Err("`outage_capacity`, `sessions_cut` and `recovered` are from 0 to 1".into());
        }
        if !(0.01..=1000.0).contains(&scenario.capacity) {
            return Err("`capacity` is from 0.01 to 1000".into());
        }
        let times = [
            ("think", scenario.think, 1),
            ("timeout", scenario.timeout, 1),
            ("latency", scenario.latency, 1),
            ("queue", scenario.queue, 0),
            ("outage_at", scenario.outage_at, 0),
            ("outage_for", scenario.outage_for, 1),
        ];
        for (name, time, least) in times {
            if !(least..=LONGEST).contains(&ticks(time)) {
                return Err(format!("`{name}` is from {least} ms to 1 h").into());
            }
        }
        if scenario.clients_per_process == 0 {
            return Err("`clients_per_process` is at least 1".into());
        }
        if scenario.compare.is_empty() {
            return Err("`compare` names at least one policy".into());
        }
        Ok(scenario)
    }

    /// The script for so many clients, who begin calls for so many minutes.
    pub(crate) fn script(&self, clients: u32, minutes: u32) -> Script {
        let calls_per_second = f64::from(clients) / self.think.as_secs_f64();
        let capacity = calls_per_second * self.capacity;
        let start = ticks(self.outage_at);
        Script {
            clients,
            end: u64::from(minutes) * 60 * TICKS_PER_SECOND,
            think: ticks(self.think),
            timeout: ticks(self.timeout),
            latency: ticks(self.latency),
            capacity: (capacity.round() as u64).max(1),
            outage_capacity: (capacity * self.outage_capacity).round() as u64,
            queue: (capacity * self.queue.as_secs_f64()).round().max(1.0) as usize,
            outage: (start, start + ticks(self.outage_for)),
            scenario: self.clone(),
        }
    }
}

fn ticks(time: DurationText) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
