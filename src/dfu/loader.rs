//! The interface to a boot loader, and to the program that answers for it.

use super::error::Error;
use super::flash::Failed;
use crate::mcuboot::Version;

/// The boot loader of a device, as [`Updater`](super::Updater) needs it: it swaps two regions of
/// the flash when it is told to, tries the new program once, and swaps back unless that is
/// confirmed.
///
/// `examples/dfu_embassy_boot` is one.
pub trait Loader {
    /// Returns true if the next reset swaps the regions: the running program is on trial, and the
    /// other one comes back unless it is confirmed; or the other one is marked, and no reset has
    /// followed yet. Boot loaders such as `embassy-boot` have one word for both. It is asked once
    /// after each start, before any other function.
    ///
    /// # Errors
    ///
    /// The flash: the state cannot be read.
    fn is_trial(&mut self) -> Result<bool, Failed>;

    /// Has the next reset start the program in the spare region, on trial. Its hash was checked.
    ///
    /// # Errors
    ///
    /// The flash: the state cannot be written.
    fn mark(&mut self) -> Result<(), Failed>;

    /// Keeps the running program.
    ///
    /// # Errors
    ///
    /// The flash: the state cannot be written.
    fn confirm(&mut self) -> Result<(), Failed>;

    /// Checks the first bytes of a file of `len` bytes before anything is erased, and returns its
    /// version. By default every file may come, without a version (0.0.0): uploads that ask for
    /// newer ones only are refused (27) then.
    ///
    /// It is asked again when an upload goes on after a restart and when it is complete. `first` is
    /// what the first chunk of the client has, and later up to 64 bytes from flash.
    ///
    /// # Errors
    ///
    /// The application: the answer to the client.
    fn check(&mut self, first: &[u8], len: u32) -> Result<Version, Error> {
        let _ = (first, len);
        Ok(Version::default())
    }
}
