//! What a line has counted.

use super::Damage;

/// What a line has counted since it was built. The counters wrap.
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
    /// Whole messages that answered nothing we asked.
    pub foreign: u32,
    /// Requests sent again.
    pub retries: u32,
    /// Errors of the port, and messages of ours that were given up: half sent, or never begun because the line was never
    /// silent.
    pub failures: u32,
}

/// Why a message is dropped.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Loss {
    /// The framing found it damaged.
    Damaged(Damage),
    /// It answers nothing that was asked.
    Foreign,
}

impl Counters {
    /// Counts a message that is dropped and, with the feature `defmt`, logs it with the reason: `warn` for damage, `debug` for
    /// the rest. The crate logs nothing else, and never what a message says.
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
                defmt::debug!("message dropped: it answers nothing that was asked");
            }
        }
    }
}
