//! Device management protocols, both ends of each, without allocation, `unsafe` or panics.
//!
//! ```text
//!   port            line                          smp | bsmp | s3mp                                   application
//!  Read  ── bytes ──▶ Line::received ─▶ message ─▶ Header::parse ─┬▶ Pending::accepts, decode ─▶ R::Response<'_>
//!  Clock ── time ───▶ Line::elapsed                               └▶ Service::receive ─▶ Handler ─▶ os::dispatch ─▶ os::Commands::echo
//!  Write ◀─ bytes ─── Line::pending ◀── message ◀─ Header::emit + Encode ◀┬─ Client::request ◀── R: Request
//!                                                                         └─ Reply ◀── Result<R::Response<'_>, Error>
//! ```
//!
//! | you want | start at |
//! |---|---|
//! | find messages in a byte stream, or write a framing | [`framing`] |
//! | a client or a server of MCUmgr's protocol, an upgrade | [`smp`] |
//! | a node on RS-485 or Ethernet, or its master | [`bsmp`] |
//! | a slave on a serial line, or its master | [`s3mp`] |
//! | one of these on a port | [`blocking`], `asynch` (feature `async`) |
//! | make a port, choose its tick, RS-485, USB | [`port`] |
//! | one of these in a loop of your own, an interrupt, RTIC | [`line`](mod@line) |
//! | jobs of many exchanges | [`routine`] |
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
mod codes;
pub mod framing;
#[cfg(any(
    all(doc, not(doctest)),
    all(doctest, feature = "std", feature = "mcuboot", feature = "sha2", feature = "testing")
))]
pub mod guide;
pub mod line;
pub mod mcuboot;
pub mod port;
pub mod routine;
pub mod s3mp;
mod shown;
pub mod smp;
pub mod source;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;

#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
struct Readme;
