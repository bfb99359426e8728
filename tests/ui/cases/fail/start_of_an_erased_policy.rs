//! An erased policy and a guarded handle may have guards, so their loops begin with `try_start`.
use persevere::policy::GuardedHandle;
use persevere::{Absent, DynPolicy, Policy, immediate};

fn of_settings(policy: &GuardedHandle) {
    let _ = policy.start::<Option<u8>>();
}

fn main() {
    let policy: DynPolicy<Absent> = Policy::new(immediate().max_attempts(3)).erase();
    let _ = policy.start::<Option<u8>>();
}
