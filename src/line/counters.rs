//! The counters of a line.

use super::Damage;

/// The counters of a line since it was built. They wrap: after 65,535 on a line that only
/// [serves](super::Serving).
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

/// A counter as a line keeps it: with 16 bits a server takes 14 bytes of RAM less.
pub(super) trait Number: Copy + Default + Into<u32> {
    fn count(&mut self);
}

impl Number for u32 {
    fn count(&mut self) {
        *self = self.wrapping_add(1);
    }
}

impl Number for u16 {
    fn count(&mut self) {
        *self = self.wrapping_add(1);
    }
}

/// The counters that every line keeps.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally<N> {
    pub(super) sent: N,
    pub(super) received: N,
    pub(super) damaged: N,
    pub(super) foreign: N,
    pub(super) failures: N,
}

/// The reason why a message is dropped.
#[derive(Debug, Clone, Copy)]
pub(super) enum Loss {
    /// The framing found it damaged.
    Damaged(Damage),
    /// It is not the response to a request in flight.
    Foreign,
}

impl<N: Number> Tally<N> {
    /// Counts a dropped message and, with the feature `defmt`, logs it with the reason: `warn` for
    /// damage, `debug` for the rest. The crate logs nothing else, and never the content of a
    /// message.
    pub(super) fn lose(&mut self, loss: Loss) {
        match loss {
            Loss::Damaged(damage) => {
                self.damaged.count();
                #[cfg(feature = "defmt")]
                defmt::warn!("frame dropped: {}", damage);
                let _ = damage;
            }
            Loss::Foreign => {
                self.foreign.count();
                #[cfg(feature = "defmt")]
                defmt::debug!("message dropped: no response to a request in flight");
            }
        }
    }

    pub(super) fn all(self, retries: u32) -> Counters {
        Counters {
            sent: self.sent.into(),
            received: self.received.into(),
            damaged: self.damaged.into(),
            foreign: self.foreign.into(),
            retries,
            failures: self.failures.into(),
        }
    }
}
