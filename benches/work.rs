//! The kinds of work that are compared.

/// One row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    AsyncFirstTry,
    AsyncFourthTry,
    SyncFirstTry,
    SyncFourthTry,
    Delay,
}

impl Work {
    pub const ALL: [Work; 5] = [
        Work::AsyncFirstTry,
        Work::AsyncFourthTry,
        Work::SyncFirstTry,
        Work::SyncFourthTry,
        Work::Delay,
    ];

    pub const fn title(self) -> &'static str {
        match self {
            Work::AsyncFirstTry => "async, success at the first try",
            Work::AsyncFourthTry => "async, three failures, then success",
            Work::SyncFirstTry => "sync, success at the first try",
            Work::SyncFourthTry => "sync, three failures, then success",
            Work::Delay => "one exponential delay with full jitter",
        }
    }
}
