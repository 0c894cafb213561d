//! How a file gets into flash and survives: write units, erase pages, checkpoints, jobs. No boot
//! loader is in it.

#[cfg(feature = "mcuboot")]
pub(crate) mod access;
#[cfg(feature = "mcuboot")]
pub(crate) mod checkpoint;
mod chunk;
mod command;
mod error;
pub mod flash;
#[cfg(feature = "mcuboot")]
pub(crate) mod receiving;
pub(crate) mod region;
mod state;
#[cfg(feature = "mcuboot")]
pub(crate) mod upload;

pub use chunk::Chunk;
pub use command::{Command, Outcome, Uploaded};
pub use error::Error;
pub use region::Region;
pub use state::{Info, State};
