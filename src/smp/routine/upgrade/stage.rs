//! The stages of an upgrade.

use core::time::Duration;

use crate::smp::routine::outcome::Phase;
use crate::smp::routine::{Ask, UpgradeOutcome};

#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) number: u32,
    pub(super) confirm: bool,
    pub(super) force: bool,
    pub(super) plan_only: bool,
    pub(super) settle: bool,
    pub(super) boot_time: Duration,
    pub(super) rest: Duration,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    /// Asks for the list. Out: whatever the list calls for.
    Looking { ask: Ask, moment: Moment, boot: Option<Boot> },
    /// The upload is at work. Out: `Looking`, `Resetting` (to settle), `Ended`.
    Uploading,
    /// Marks the image for test; `Before` if it was found there, `Uploaded` if it was sent. Out: `Resetting`, `Uploading`
    /// (what was found is damaged), `Ended`.
    Marking(Ask, Moment),
    /// Resets. Out: `Reopening`, `Ended`.
    Resetting(Ask, Moment),
    /// The driver is to reopen the port. Out: `Resting`.
    Reopening(Moment),
    /// Silence while the device restarts. Out: `Looking`.
    Resting { moment: Moment },
    /// Confirms the running image. Out: `Looking`, `Ended`.
    Confirming(Ask),
    /// Over; the phase is the last one before.
    Ended(UpgradeOutcome, Phase),
}

/// Why the list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// To see what is to be done.
    Before,
    /// To see where the upload went.
    Uploaded,
    /// To see what runs after the reset.
    Booted,
    /// To see whether the confirmation has come to stay.
    Confirmed,
}

/// The device restarts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Boot {
    pub(super) waited: Duration,
    /// How long each attempt waits.
    pub(super) attempt: Duration,
}

pub(super) const fn look(moment: Moment, repeats: u8) -> Stage {
    Stage::Looking { ask: Ask::new(repeats), moment, boot: None }
}

/// Asks for the list until the boot time is over.
pub(super) const fn boot(moment: Moment) -> Stage {
    let boot = Boot { waited: Duration::ZERO, attempt: Duration::ZERO };
    Stage::Looking { ask: Ask::new(u8::MAX), moment, boot: Some(boot) }
}
