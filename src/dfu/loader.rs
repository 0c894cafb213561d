//! The interface to a boot loader.

use super::error::Error;
use super::flash::Failed;
use crate::mcuboot::Version;

/// The boot loader of a device, as [`Updater`](super::Updater) needs it: it swaps two regions of
/// the flash on request, tries the new program once, and swaps back unless that program is
/// confirmed.
///
/// `examples/dfu_embassy_boot` implements one.
pub trait Loader {
    /// Returns true if the next reset swaps the regions: the running program is on trial, and the
    /// other one comes back unless it is confirmed; or the other one is marked, and no reset has
    /// followed yet. Boot loaders such as `embassy-boot` have one state for both. It is called once
    /// after each start, before any other function.
    ///
    /// # Errors
    ///
    /// The flash: the state cannot be read.
    fn is_trial(&mut self) -> Result<bool, Failed>;

    /// Requests that the next reset starts the program in the spare region, on trial. The hash of
    /// the program was checked.
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
    /// version. By default every file is accepted, with version 0.0.0; an upload that requires a
    /// newer version is then refused (27).
    ///
    /// It is called again when an upload continues after a restart, and when it is complete.
    /// `first` contains the data of the client's first chunk, and later up to 64 bytes from flash.
    ///
    /// # Errors
    ///
    /// The application: the response to the client.
    fn check(&mut self, first: &[u8], len: u32) -> Result<Version, Error> {
        let _ = (first, len);
        Ok(Version::default())
    }
}
