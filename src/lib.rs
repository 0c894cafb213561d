//! Device management protocols, both ends of each, without allocation, `unsafe` or panics.
//!
//! ```text
//!         port            framing            smp | bsmp | s3mp                                    application
//!  embedded-io bytes ─▶ Framing::push ─▶ message ─▶ Header::parse ─┬▶ Pending::accepts, decode ─▶ R::Response<'_>
//!                                                                  └▶ serve ─▶ Handler ─▶ os::dispatch ─▶ os::Commands::echo
//!  embedded-io bytes ◀─ Encoder::next ◀── message ◀─ Header::emit + Encode ◀┬─ Client::request ◀── R: Request
//!                                                                           └─ Reply ◀── Result<R::Response<'_>, Error>
//! ```
//!
//! | you want | start at |
//! |---|---|
//! | find messages in a byte stream, or write a framing | [`framing`] |
//! | a client or a server of MCUmgr's protocol, an upgrade | [`smp`] |
//! | a node on RS-485 or Ethernet, or its master | [`bsmp`] |
//! | a slave on a serial line, or its master | [`s3mp`] |
//! | one of these on a port | [`blocking`], `asynch` (feature `async`) |
//! | jobs of many exchanges | [`routine`] |
//! | what a driver and a protocol ask of each other | [`line`] |
//! | read MCUboot images, or receive an upgrade on a device | `mcuboot` (feature `mcuboot`) |
//! | a NOR flash in RAM, a bootloader to test against | `testing` (feature `testing`) |
//! | the least flash for SMP on a console | [`framing::console`], feature `small` |

#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(test, feature = "std"))]
extern crate std;

#[cfg(feature = "async")]
pub mod asynch;
pub mod blocking;
pub mod bsmp;
mod bytes;
pub mod cbor;
pub mod checksum;
pub mod cobs;
pub mod framing;
pub mod line;
#[cfg(feature = "mcuboot")]
pub mod mcuboot;
pub mod port;
pub mod routine;
pub mod s3mp;
mod shown;
pub mod smp;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;

#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
struct Readme;
