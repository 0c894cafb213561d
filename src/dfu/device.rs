//! The interface between the image commands of a server and a device.

use super::command::{Command, Outcome};
use super::error::Error;
use super::flash;
use super::state::{Info, State};

/// A device with slots: `mcuboot::slots::Slots`,
/// [`Updater`](super::Updater), or one of your own. [`smp::image`](crate::smp::image) answers the
/// requests of clients from it.
pub trait Device {
    /// A running command.
    type Job<'j>: Work<Self>
    where
        Self: 'j;

    /// Begins a command. The job does nothing until an executor runs it.
    fn begin<'j>(&'j mut self, command: &Command<'j>) -> Self::Job<'j>;

    /// Returns the number of slots, empty ones included.
    fn slots(&self) -> u32;

    /// Returns the image in a slot, as a job of [`Command::List`] or [`Command::SetState`] last saw
    /// it; `None` if there was none.
    fn state(&self, slot: u32) -> Option<State<'_>>;

    /// Returns the slot itself; `None` if there is none with this number. It reads no flash.
    fn info(&self, slot: u32) -> Option<Info>;
}

/// A job that is a command of a [`Device`].
pub trait Work<D: ?Sized>: flash::Job {
    /// Returns the outcome of the command.
    ///
    /// # Errors
    ///
    /// The reason for a refusal; [`Error::Unknown`] if the job was not run to its end.
    fn outcome(&self) -> Result<Outcome, Error>;

    /// Returns the device, to read the last known contents of its slots.
    fn device(&self) -> &D;
}
