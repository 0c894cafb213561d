//! The stages of an upgrade.

use core::time::Duration;

use crate::smp::image::{ReadState, SlotInfo, WriteState};
use crate::smp::os::Reset;
use crate::smp::routine::outcome::Phase;
use crate::smp::routine::{Call, UpgradeOutcome};

/// The caller's settings: see the builders of [`Upgrade`](super::Upgrade).
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) confirm: bool,
    pub(super) force: bool,
    pub(super) plan_only: bool,
    pub(super) settle: bool,
    pub(super) upgrade_only: bool,
    pub(super) boot_time: Duration,
    pub(super) rest: Duration,
}

/// The stage of an upgrade.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    /// Asks for the list. Exits: `Measuring`, `Uploading`, `Marking`, `Resetting`, `Confirming`,
    /// `Ended`.
    Looking { call: Call<ReadState>, moment: Moment },
    /// Asks for the list until the boot time has passed. Exits: those of `Looking`; itself,
    /// when the retries of a request have ended but not the boot time.
    Booting { call: Call<ReadState>, moment: Moment, boot: Boot },
    /// Asks for the slots: the image numbers of the device, and the largest image for each. Exits:
    /// those of `Looking`, except itself.
    Measuring(Call<SlotInfo>),
    /// An upload is running. Exits: itself, with the next image; `Looking`; `Resetting`, to settle;
    /// `Ended`.
    Uploading,
    /// Marks an image for test. Exits: itself, with the next image; `Confirming`, if another image
    /// of the job is on trial already; `Resetting`; `Uploading`, if the image found is damaged;
    /// `Reopening`, without a response; `Ended`.
    Marking(Call<WriteState<'static>>),
    /// Resets the device. Exits: `Reopening`, `Ended`.
    Resetting(Call<Reset>, Moment),
    /// The driver has to open the port again. Exit: `Resting`.
    Reopening(Moment),
    /// Silence while the device restarts. Exit: `Booting`.
    Resting { moment: Moment },
    /// Confirms an image that runs. Exits: itself, with the next image; `Looking`; `Resetting`;
    /// `Ended`.
    Confirming(Call<WriteState<'static>>),
    /// Ended; the phase is the last one before. No exit.
    Ended(UpgradeOutcome, Phase),
}

/// The reason for asking for the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// To plan the upgrade.
    Before,
    /// To see where the upload went.
    Uploaded,
    /// To see whether a mark was made that was not answered.
    Marked,
    /// To see which image runs after the reset.
    Booted,
    /// To see whether the images that had started have fallen back.
    RolledBack,
    /// To see whether the image stays after the confirmation.
    Confirmed,
}

/// The time since the device restarted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Boot {
    /// The time waited so far.
    pub(super) waited: Duration,
    /// The time that the current attempt waits.
    pub(super) attempt: Duration,
}

pub(super) const fn look(moment: Moment, retries: u8) -> Stage {
    Stage::Looking { call: Call::new(retries), moment }
}

pub(super) const fn boot(moment: Moment) -> Stage {
    let boot = Boot { waited: Duration::ZERO, attempt: Duration::ZERO };
    // The boot time ends the attempts, not their number.
    Stage::Booting { call: Call::new(u8::MAX), moment, boot }
}
