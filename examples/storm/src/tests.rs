use std::io::Cursor;
use std::sync::LazyLock;

use figment::Figment;
use figment::providers::{Format, Toml};

use crate::args::Args;
use crate::service::{Request, Service};
use crate::storm::{Outcome, Storm};
use crate::wheel::{Link, Wheel};

const MINUTES: u32 = 6;

/// The storm of the settings file.
static STORM: LazyLock<Storm> = LazyLock::new(|| storm(&[], 1));

/// The storm of the settings file, with some lines of it changed.
fn storm(changes: &[(&str, &str)], seed: u64) -> Storm {
    let mut settings = crate::SETTINGS.to_owned();
    for (line, changed) in changes {
        assert!(settings.contains(line), "the settings have {line:?}");
        settings = settings.replace(line, changed);
    }
    let settings = Figment::from(Toml::string(&settings));
    Storm::run(&settings, 3000, MINUTES, seed, |_, _| ()).expect("the settings are good")
}

impl Storm {
    fn of(&self, policy: &str) -> &Outcome {
        let named = |outcome: &&Outcome| outcome.policy == policy;
        self.outcomes.iter().find(named).expect("the policy is compared")
    }

    fn recovery(&self, policy: &str) -> Option<u64> {
        self.of(policy).record.recovery(&self.script)
    }
}

#[test]
fn the_same_seed_is_the_same_storm_and_another_seed_is_another() {
    let (one, again, other) = (&*STORM, storm(&[], 1), storm(&[], 2));
    assert_eq!(one.to_string(), again.to_string());
    assert_eq!(one.svg().expect("it is drawn"), again.svg().expect("it is drawn"));
    for (one, again) in one.outcomes.iter().zip(&again.outcomes) {
        assert_eq!(one.record, again.record);
    }
    assert_ne!(one.to_string(), other.to_string());
}

#[test]
fn every_call_and_every_attempt_ends_in_one_way() {
    for outcome in &STORM.outcomes {
        let (record, total) = (&outcome.record, outcome.record.total());
        assert!(record.is_conserved(), "{}: {total:?}", outcome.policy);
        assert_eq!(total.calls, total.succeeded + total.lost);
        assert_eq!(total.attempts, total.answered + total.rejected + total.timed_out);
        assert!(0 < total.wasted && total.wasted <= total.timed_out);
        assert!(total.refused <= total.lost);
        assert!(total.succeeded > 0 && total.lost > 0);
    }
}

#[test]
fn without_retries_there_is_a_request_for_each_call() {
    let storm = &*STORM;
    let total = storm.of("no_retry").record.total();
    assert_eq!((total.attempts, total.refused), (total.calls, 0));
    assert_eq!(storm.of("no_retry").record.amplification(), 1.0);
}

#[test]
fn retrying_at_once_amplifies_most_and_guards_amplify_least() {
    let storm = &*STORM;
    let amplification = |policy| storm.of(policy).record.amplification();
    assert!(amplification("immediate") > amplification("exponential"));
    assert!(amplification("full_jitter") > amplification("budget"));
    // A process retries a tenth of its calls, and once a second.
    let budget = storm.of("budget").record.total();
    let (processes, seconds) = (3, u64::from(MINUTES) * 60 + 10);
    assert!(budget.attempts - budget.calls <= budget.calls / 10 + processes * seconds);
    assert!(amplification("breaker") < 1.0 && storm.of("breaker").record.total().refused > 0);
}

#[test]
fn processes_have_budgets_of_their_own() {
    let retries = |clients_per_process: &str| {
        let total = storm(&[("clients_per_process = 1000", clients_per_process)], 1)
            .of("budget")
            .record
            .total();
        total.attempts - total.calls
    };
    // Each may retry once a second, whatever the others do.
    let [one, three, thirty] =
        ["3000", "1000", "100"].map(|clients| retries(&format!("clients_per_process = {clients}")));
    assert!(one < three && 2 * three < thirty, "{one} {three} {thirty}");
}

#[test]
fn no_policy_matters_before_the_outage() {
    let storm = &*STORM;
    let quiet = |outcome: &Outcome| outcome.record.seconds[..120].to_vec();
    for outcome in &storm.outcomes {
        assert_eq!(quiet(outcome), quiet(storm.of("no_retry")), "{}", outcome.policy);
    }
    let total: u64 = quiet(storm.of("no_retry")).iter().map(|second| second.lost).sum();
    assert_eq!(total, 0);
}

#[test]
fn nobody_is_answered_in_the_outage() {
    for outcome in &STORM.outcomes {
        // But for what was on its way when it began.
        let outage = &outcome.record.seconds[121..180];
        assert_eq!(outage.iter().map(|second| second.answered).sum::<u64>(), 0);
        assert!(outcome.record.seconds[119].answered > 0);
    }
}

#[test]
fn an_answer_that_travels_for_longer_than_clients_wait_comes_too_late() {
    let storm = storm(&[("latency = \"20ms\"", "latency = \"1001ms\"")], 1);
    let total = storm.of("no_retry").record.total();
    assert_eq!((total.succeeded, total.lost), (0, total.calls));
    assert!(total.wasted > 0);
}

#[test]
fn retrying_at_once_outlasts_the_outage_and_jitter_spreads_what_backoff_keeps_in_step() {
    let storm = &*STORM;
    assert_eq!(storm.recovery("immediate"), None);
    let (in_step, spread) = (storm.recovery("exponential"), storm.recovery("full_jitter"));
    assert!(spread.is_some() && (in_step.is_none() || spread < in_step), "{in_step:?} {spread:?}");
}

#[test]
fn where_there_is_no_room_for_retries_only_guards_recover() {
    let storm = storm(&[("capacity = 2.0", "capacity = 1.5")], 1);
    let recovered: Vec<_> = storm
        .outcomes
        .iter()
        .map(|outcome| outcome.policy.as_str())
        .filter(|policy| storm.recovery(policy).is_some())
        .collect();
    assert_eq!(recovered, ["no_retry", "budget", "breaker"]);
}

#[test]
fn the_picture_names_every_policy_and_says_what_its_axes_are() {
    let storm = &*STORM;
    let svg = storm.svg().expect("it is drawn");
    let said = ["3 000 clients", "capacity", "outage", "requests per second", "minutes"];
    let policies = storm.outcomes.iter().map(|outcome| outcome.policy.as_str());
    for text in policies.chain(said) {
        assert!(svg.contains(text), "{text}");
    }

    let folder = std::env::temp_dir().join(format!("storm-{}", std::process::id()));
    let [_, png] = storm.draw(&folder, 1).expect("it is written");
    let bytes = std::fs::read(png).expect("it is there");
    std::fs::remove_dir_all(folder).expect("it can be removed");
    let mut png = png::Decoder::new(Cursor::new(bytes)).read_info().expect("it is a picture");
    let mut pixels = vec![0; png.output_buffer_size().expect("it fits into memory")];
    png.next_frame(&mut pixels).expect("it is whole");
    assert_eq!(pixels[..3], [255; 3]);
    assert!(pixels.chunks(3).any(|pixel| pixel == [213, 94, 0]), "the load is drawn");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    for (line, changed, said) in [
        ("timeout = \"1s\"", "timeout = \"0s\"", "`timeout` is from 1 ms to 1 h"),
        ("queue = \"2s\"", "queue = \"9999years\"", "`queue` is from 0 ms to 1 h"),
        (
            "sessions_cut = 0.5",
            "sessions_cut = 1.5",
            "`sessions_cut` and `recovered` are from 0 to 1",
        ),
        ("sessions_cut = 0.5", "session_cut = 0.5", "unknown field: found `session_cut`"),
        ("attempts = 6", "attempts = 0", "`retry.default_policy.attempts` is 0"),
        (
            "wait_min = \"1s\"\nwait_max = \"60s\"",
            "wait_min = \"1h\"\nwait_max = \"1h\"",
            "may wait for more than an hour",
        ),
        ("\"Rejected\"", "\"Refused\"", "\"Refused\", which is no error kind"),
        ("\"breaker\"]", "\"braker\"]", "did you mean `breaker`?"),
    ] {
        let settings = crate::SETTINGS.replacen(line, changed, 1);
        assert_ne!(settings, crate::SETTINGS);
        let settings = Figment::from(Toml::string(&settings));
        let error = match Storm::run(&settings, 10, MINUTES, 1, |_, _| ()) {
            Ok(_) => panic!("{changed}"),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_storm_that_would_end_before_the_recovery_is_refused() {
    let settings = Figment::from(Toml::string(crate::SETTINGS));
    let ends = |minutes| Storm::run(&settings, 10, minutes, 1, |_, _| ()).is_ok();
    assert_eq!([3, 4].map(ends), [false, true]);
}

#[test]
fn a_service_serves_at_its_rate_and_does_not_save_up_for_later() {
    let request = |call| Request { call, stamp: 0 };
    let mut service = Service::new(2000, 3);
    (0..5).for_each(|_| service.tick());
    assert_eq!(service.serve(), None);
    let taken: Vec<_> = (0..4).map(|call| service.offer(request(call))).collect();
    assert_eq!(taken, [true, true, true, false]);
    // What an idle tick left, one; then two in each tick.
    assert_eq!((service.serve(), service.serve()), (Some(request(0)), None));
    service.tick();
    assert_eq!((service.serve(), service.serve()), (Some(request(1)), Some(request(2))));
    service.set_rate(0);
    assert!(service.offer(request(3)));
    service.tick();
    assert_eq!(service.serve(), None);
}

#[test]
fn the_wheel_gives_what_is_due_in_a_tick_and_gives_it_once() {
    let mut wheel = Wheel::new(0);
    assert_eq!(wheel.put(7, Link::client(1)), Link::END);
    assert_eq!(wheel.put(9, Link::client(2)), Link::END);
    assert_eq!(wheel.put(7, Link::call(1)), Link::client(1));
    assert_eq!(wheel.take(7), Link::call(1));
    assert_eq!(wheel.take(7), Link::END);
    assert_eq!(wheel.take(8), Link::END);
    assert_eq!(wheel.take(9), Link::client(2));
}

#[test]
fn the_command_line_says_how_large_how_long_and_where() {
    let read = |args: &[&str]| Args::read(lexopt::Parser::from_args(args));
    let args = read(&["--clients", "50", "--minutes=3", "--seed", "9", "--out", "here"]);
    let args = args.expect("they are good");
    assert_eq!((args.clients, args.minutes, args.seed), (50, 3, 9));
    assert_eq!(args.out, std::path::Path::new("here"));
    assert_eq!(read(&[]).expect("there are defaults"), Args::default());
    for wrong in [["--clients", "0"], ["--minutes", "x"], ["--client", "5"]] {
        assert!(read(&wrong).is_err(), "{wrong:?}");
    }
}
