//! The kinds of work that are compared.

/// One row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    AsyncFirstTry,
    AsyncFourthTry,
    SyncFirstTry,
    SyncFourthTry,
    Delay,
    /// A real channel operation, over a direct call of it.
    Channel,
    /// The channel operation with a limit on the time of the attempt, over a direct call.
    ChannelTimeout,
    /// The channel operation with a deadline, over a direct call.
    ChannelDeadline,
}

impl Work {
    pub const ALL: [Work; 8] = [
        Work::AsyncFirstTry,
        Work::AsyncFourthTry,
        Work::SyncFirstTry,
        Work::SyncFourthTry,
        Work::Delay,
        Work::Channel,
        Work::ChannelTimeout,
        Work::ChannelDeadline,
    ];

    pub const fn title(self) -> &'static str {
        match self {
            Work::AsyncFirstTry => "async, success at the first attempt",
            Work::AsyncFourthTry => "async, three failures, then success",
            Work::SyncFirstTry => "sync, success at the first attempt",
            Work::SyncFourthTry => "sync, three failures, then success",
            Work::Delay => "one exponential delay with full jitter",
            Work::Channel => "channel operation, over a direct call",
            Work::ChannelTimeout => "the same with an attempt timeout",
            Work::ChannelDeadline => "the same with a deadline",
        }
    }

    /// Whether the figure of a direct call is subtracted.
    #[allow(dead_code, reason = "one benchmark subtracts it")]
    pub const fn is_over_direct(self) -> bool {
        matches!(self, Work::Channel | Work::ChannelTimeout | Work::ChannelDeadline)
    }
}
