//! The end of a [`Monitor`](super::Monitor).

/// The report of a [`Monitor`](super::Monitor), at its end or so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[non_exhaustive]
pub struct MonitorReport {
    /// The outcome; `Unfinished` until it has ended.
    pub outcome: MonitorOutcome,
}

/// The outcome of a [`Monitor`](super::Monitor).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[non_exhaustive]
pub enum MonitorOutcome {
    /// Not ended; the routine may be run again.
    Unfinished,
    /// Too many commands in a row had no response.
    Lost,
    /// The mark of the slave's start has changed: names and subscriptions are out of date.
    Restarted,
    /// We: `tx` is shorter than three bytes.
    BufferFull,
}

impl core::fmt::Display for MonitorReport {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.outcome.fmt(f)
    }
}

impl core::fmt::Display for MonitorOutcome {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Unfinished => "the slave is watched",
            Self::Lost => "the slave no longer responds",
            Self::Restarted => "the slave has restarted",
            Self::BufferFull => "the buffer is too short for a command",
        })
    }
}
