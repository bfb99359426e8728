//! Updates as events of `tracing`. One test in a program of its own, because `tracing` caches for
//! the whole process whether there is a subscriber.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::sync::{Arc, Mutex};

use figment::Figment;
use figment::providers::{Format, Toml};
use persevere::policy::Policies;

fn toml(text: &str) -> Figment {
    Figment::from(Toml::string(text))
}

/// A subscriber that keeps the text of each event.
#[derive(Clone, Default)]
struct Traces(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Traces {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::Id {
        tracing::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::Id, _: &tracing::Id) {}
    fn enter(&self, _: &tracing::Id) {}
    fn exit(&self, _: &tracing::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Fields(String);
        impl tracing::field::Visit for Fields {
            fn record_i64(&mut self, field: &tracing::field::Field, value: i64) {
                self.0 += &format!(" {field}:i64={value}");
            }
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!(" {field}={value:?}");
            }
        }
        let metadata = event.metadata();
        let mut fields = Fields(format!("{} {}", metadata.level(), metadata.target()));
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }
}

#[test]
fn each_update_is_one_event_of_tracing() {
    let traces = Traces::default();
    tracing::subscriber::with_default(traces.clone(), || {
        let policies = Policies::load(&toml("policies = { a = {}, b = {} }"), "").unwrap();
        policies.reload(&toml("policies = { a.attempts = 4, b = {} }")).unwrap();
        policies.reload(&toml("policies = { a.attempts = 4, b = {} }")).unwrap();
        policies.reload(&toml("policies = { a.attempts = 4 }")).unwrap();
        assert!(policies.reload(&toml("policies.a.attempts = 0")).is_err());
    });
    assert_eq!(
        *traces.0.lock().unwrap(),
        [
            "INFO persevere::policies message=revision 2 of the retry policies: changed `a` section=\"\" revision:i64=2",
            "WARN persevere::policies message=revision 3 of the retry policies: removed `b` (handles keep the last good form) section=\"\" revision:i64=3",
            "ERROR persevere::policies message=an update of the retry policies was refused, revision 3 stays in force: the retry policies are not valid: `policies.a.attempts` is 0, expected a whole number of at least 1 (TOML source string, profile `default`) section=\"\" revision:i64=3",
        ]
    );
}
