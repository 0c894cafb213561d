//! Writes a file to flash so that it survives resets and power cuts: sessions, write units, erase
//! pages, checkpoints, jobs of operations. It depends on no boot loader.
//!
//! ```text
//!   Command ─▶ begin ─▶ Job ─▶ flash::run, flash::asynch::run ─▶ Outcome
//!                        │
//!        sessions, offsets, sha, resume, write units, progressive erase, checkpoints: here
//!                        │
//!        mcuboot::slots::Slots: headers, TLVs, trailers, the modes of MCUboot
//!        dfu::Updater + your Loader: any boot loader that swaps two regions
//! ```
//!
//! | to | start at |
//! |---|---|
//! | receive an upgrade under MCUboot | `mcuboot::slots` |
//! | receive one under another boot loader, such as `embassy-boot` | [`Updater`], [`Loader`] |
//! | run a job on a flash of your own, or on two flash devices | [`flash`] |

pub(crate) mod access;
pub(crate) mod checkpoint;
mod chunk;
mod command;
mod device;
mod error;
pub mod flash;
mod loader;
pub(crate) mod receiving;
mod record;
pub(crate) mod region;
mod state;
mod updater;
pub(crate) mod upload;

pub use chunk::Chunk;
pub use command::{Command, Outcome, Uploaded};
pub use device::{Device, Work};
pub use error::Error;
pub use flash::Geometry;
pub use loader::Loader;
pub use record::{Entry, Record};
pub use region::Region;
pub use state::{Info, State};
pub use updater::{Job, RegionError, Regions, Updater, scratch_len};
