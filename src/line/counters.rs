//! The counters of a line.

use super::Damage;

/// The counters of a line since it was built. They wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "compared as a whole")]
pub struct Counters {
    /// Messages sent.
    pub sent: u32,
    /// Whole messages received.
    pub received: u32,
    /// Damaged messages dropped by the framing.
    pub damaged: u32,
    /// Undamaged messages that were not the response to a request in flight.
    pub foreign: u32,
    /// Requests sent again.
    pub retries: u32,
    /// Errors of the port, and messages that we gave up, either half sent or never begun because
    /// the line was never silent.
    pub failures: u32,
}

/// The reason why a message is dropped.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Loss {
    /// The framing found it damaged.
    Damaged(Damage),
    /// It is not the response to a request in flight.
    Foreign,
}

impl Counters {
    /// Counts a dropped message and, with the feature `defmt`, logs it with the reason: `warn` for
    /// damage, `debug` for the rest. The crate logs nothing else, and never the content of a
    /// message.
    pub(crate) fn lose(&mut self, loss: Loss) {
        match loss {
            Loss::Damaged(damage) => {
                self.damaged = self.damaged.wrapping_add(1);
                #[cfg(feature = "defmt")]
                defmt::warn!("frame dropped: {}", damage);
                let _ = damage;
            }
            Loss::Foreign => {
                self.foreign = self.foreign.wrapping_add(1);
                #[cfg(feature = "defmt")]
                defmt::debug!("message dropped: no response to a request in flight");
            }
        }
    }
}
