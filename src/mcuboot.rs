//! The MCUboot image format, and the device side of an upgrade.
//!
//! An image file and its place in a slot (all numbers little-endian):
//!
//! ```text
//!   offset 0                 header_len   + body_len       + protected_len  + total
//!   ├─ header (32) ─ padding ─┼─ body ──────┼─ protected TLVs ─┼─ TLVs ─────────┤ … │ trailer │
//!   └──────────── covered by the image hash ───────────────────┘  └ holds the hash    end of slot
//!
//!   header  0        4         8          10            12       16    20    21    22   24    28
//!           3db8f396 load_addr header_len protected_len body_len flags major minor rev. build 0
//!
//!   TLV area  magic u16 (6908 protected, 6907 not), total u16 (with these four bytes), entries
//!   entry     type u16, length u16, value; packed
//! ```
//!
//! The *hash* of an image is the value of its one hash TLV; it identifies the image in the image
//! commands. It is not the SHA-256 of the file that an upload contains.
//!
//! | to | start at |
//! |---|---|
//! | read an image file in memory, check its hash | [`Image`] |
//! | read the identity of an image file piece by piece | [`ImageFile`] |
//! | read or write its header | [`Header`], [`Version`] |
//! | make an image | [`build::Builder`] |
//! | read the trailer of a slot, predict the next boot | `trailer` (feature `mcuboot`) |
//! | receive an upgrade on a device | `slots::Slots` and `flash::run` (feature `mcuboot`) |
//! | ask MCUboot which slot is running | `shared_data::SharedData` (feature `mcuboot`) |
//!
//! ```
//! # #[cfg(feature = "sha2")]
//! # fn main() -> Result<(), anysmp::mcuboot::Error> {
//! use anysmp::mcuboot::digest::Sha256;
//! use anysmp::mcuboot::{Error, Image, Version, build::Builder};
//!
//! let mut file = [0; 256];
//! let version = Version::new(1, 2, 3);
//! let len = Builder::new(version).build(b"a program", &mut Sha256::new(), &mut file)?;
//!
//! let image = Image::parse(&file[..len])?;
//! assert_eq!(image.header().version(), version);
//! image.verify(&mut Sha256::new())?; // its contents match its hash
//!
//! file[40] ^= 1;
//! assert_eq!(Image::parse(&file[..len])?.verify(&mut Sha256::new()), Err(Error::Mismatch));
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sha2"))]
//! # fn main() {}
//! ```
//!
//! On a device, `slots::Slots` handles the image commands of a server: `examples/dfu_server.rs` is
//! a complete one, and the guide explains self-confirmation and the choice of a boot mode.
//!
//! A hash is not a signature. This module keeps damaged images from being started; the boot loader
//! alone decides which images may start, by their signature.
//!
//! Sources: MCUboot's `design.md`, `bootutil/image.h` and `bootutil_public.h`.
//!
//! **Not supported:** images of the old header format (magic `3cb8f396`), decryption and
//! decompression.

pub(crate) mod format;
#[cfg(feature = "mcuboot")]
pub mod shared_data;
#[cfg(feature = "mcuboot")]
pub mod slots;
#[cfg(feature = "mcuboot")]
pub mod trailer;

#[cfg(feature = "mcuboot")]
pub use crate::dfu::flash;
pub use format::digest::{Digest, Hash, HashKind};
pub use format::image::Image;
pub use format::{Error, FileError, Flags, Header, ImageFile, InvalidVersion, Version, build, digest, image, tlv};
