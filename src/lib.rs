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
//! | what a driver and a protocol ask of each other | [`link`] |

#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(test, feature = "std"))]
extern crate std;

mod bytes;
pub mod checksum;
pub mod cobs;
pub mod framing;
pub mod link;
pub mod routine;
