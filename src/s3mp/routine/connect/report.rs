//! The end of a search for a slave.

use crate::s3mp::routine::Boot;

/// The report of a [`Connect`](super::Connect), at its end or so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[non_exhaustive]
pub struct ConnectReport {
    /// The outcome; `Unfinished` until it has ended.
    pub outcome: ConnectOutcome,
}

/// The outcome of a [`Connect`](super::Connect).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[non_exhaustive]
pub enum ConnectOutcome {
    /// Not ended; the routine may be run again.
    Unfinished,
    /// The slave is there. It has accepted or refused a subscription for each of the first
    /// `watched` watches.
    Up {
        /// The mark of this start of the slave, for a [`Monitor`](crate::s3mp::routine::Monitor).
        boot: Boot,
        /// The number of watches in use.
        watched: usize,
    },
    /// No response to STATUS, not even to its retries.
    Absent,
    /// The slave is there, but names no address to watch: its list is empty, or it refuses
    /// DESCRIBE.
    NoNames,
    /// We: `tx` is shorter than three bytes.
    BufferFull,
}

impl core::fmt::Display for ConnectReport {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.outcome.fmt(f)
    }
}

impl core::fmt::Display for ConnectOutcome {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Unfinished => f.write_str("still looking for the slave"),
            Self::Up { watched, .. } => write!(f, "the slave is up, {watched} addresses are watched"),
            Self::Absent => f.write_str("the slave does not respond"),
            Self::NoNames => f.write_str("the slave names no addresses"),
            Self::BufferFull => f.write_str("the buffer is too short for a command"),
        }
    }
}
