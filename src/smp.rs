//! Simple Management Protocol: MCUmgr in Zephyr, MCUboot's serial recovery, Mynewt. It is unrelated
//! to Bluetooth's SMP.
//!
//! ```text
//!          0      1       2    3     4    5      6         7
//!      ┌──────┬───────┬───────────┬───────────┬──────────┬─────────┬─────────────────────────────┐
//!      │ v op │ flags │  length   │   group   │ sequence │ command │ payload: one CBOR map       │
//!      └──────┴───────┴───────────┴───────────┴──────────┴─────────┴─────────────────────────────┘
//!  byte 0:  rrr vv ooo    r reserved, v version (0 = v1, 1 = v2), o op     all numbers big-endian
//! ```
//!
//! | file | what |
//! |---|---|
//! | this one | [`Header`], [`Op`], [`Version`], [`Group`], the trait [`Request`], and the codecs of payloads |
//! | [`error`] | the refusals of a server: one table per group, for both directions |
//! | [`client`] | [`Client`]: numbers requests, recognises their responses; [`Dynamic`] |
//! | [`server`] | [`Server`]: policy, repeats, [`Handler`](server::Handler) |
//! | [`recovery`] | [`Recovery`]: the small server of a boot loader |
//! | [`os`], [`image`], [`stat`], [`settings`], [`fs`], [`shell`], [`enumeration`], [`zephyr`] | the requests of a group in the order of its specification, its `Commands` and its `dispatch` |
//! | [`framing::gatt`](crate::framing::gatt) | the same messages over Bluetooth Low Energy |
//! | [`legacy`], [`transport`] | requests that only a client makes: Mynewt's logs and tests, bridging |
//! | [`routine`] | jobs of many exchanges: upload an image, upgrade a device, move files, read all counters |
//!
//! # The exchange
//!
//! A client sends a request (op read or write), a server answers with one response (op + 1) of the
//! same group, sequence and command. A server never sends unsolicited messages. Version 2 differs
//! from version 1 in one thing: errors of a group come as `{"err": {"group": g, "rc": n}}` instead
//! of a flat `{"rc": n}`. A client decides by the keys, not by the version field, since old servers
//! ignore it.
//!
//! # A vendor's group
//!
//! A command is a struct, its codec and an `impl` of [`Request`]; the server's end is an arm of the
//! application's `match`.
//!
//! ```
//! use anysmp::cbor::{BufferFull, Malformed, Writer};
//! use anysmp::smp::Client;
//! use anysmp::smp::server::{AllowAll, Incoming, Reply, serve};
//! use anysmp::smp::{Decode, Empty, Encode, Error, Group, Op, Request};
//!
//! struct Dim { percent: u8 } // one byte, no CBOR: groups from 64 on may
//!
//! impl Encode for Dim {
//!     fn encode(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
//!         writer.raw(&[self.percent])
//!     }
//! }
//!
//! impl Decode<'_> for Dim {
//!     fn decode(payload: &[u8]) -> Result<Self, Malformed> {
//!         match *payload { [percent] => Ok(Self { percent }), _ => Err(Malformed) }
//!     }
//! }
//!
//! impl Request for Dim {
//!     const OP: Op = Op::Write;
//!     const GROUP: Group = Group(64);
//!     const COMMAND: u8 = 0;
//!     type Kind = Self;
//!     type Response<'m> = Empty;
//! }
//!
//! let mut lamp = 0;
//! let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| {
//!     match (incoming.group(), incoming.op(), incoming.command()) {
//!         (Dim::GROUP, Dim::OP, Dim::COMMAND) => incoming.answer(reply, |Dim { percent }| {
//!             lamp = percent;
//!             Ok(Empty {})
//!         }),
//!         _ => reply.error(Error::NOT_SUPPORTED),
//!     }
//! };
//! // Drivers do this for both ends, with a port in between:
//! let (mut client, mut request, mut response) = (Client::new(0), [0; 64], [0; 64]);
//! let (len, pending) = client.request(&Dim { percent: 40 }, &mut request)?;
//! let (len, _) = serve(handler, AllowAll, &request[..len], &mut response);
//! assert_eq!((pending.decode(&response[..len])?, lamp), (Empty {}, 40));
//! # Ok::<(), anysmp::smp::client::Error>(())
//! ```
//!
//! Specification: Zephyr Project, *SMP Protocol Specification* and the pages of its groups.
//!
//! # Interpretation
//!
//! * The version field of a request selects the form of the errors; 2 and 3 are answered with `rc`
//!   13 and version 1.
//! * Reserved bits and flags are sent as 0, and ignored in received messages.
//! * A repeated request keeps its sequence number, so that a late response to the first copy is a
//!   response to all of them.

pub mod client;
pub mod error;
#[expect(clippy::exhaustive_structs, reason = "requests: the caller fills them in")]
mod group;
pub mod recovery;
pub mod routine;
#[expect(clippy::exhaustive_enums, reason = "the caller has to handle each")]
#[expect(clippy::exhaustive_structs, reason = "policies to which nothing is to be added")]
pub mod server;

mod header;
mod payload;
mod request;
#[cfg(test)]
#[cfg(anysmp_checkout)]
#[path = "../tests/unit/smp/work.rs"]
mod work;

#[doc(inline)]
pub use crate::__smp_payload as payload;
pub use client::{Client, Dynamic, Pending};
pub use error::Error;
pub use group::{enumeration, fs, image, legacy, os, settings, shell, stat, transport, zephyr};
pub use header::{Group, Header, HeaderError, Op, Version};
#[cfg(target_pointer_width = "64")]
#[doc(hidden)] // Named by `payload!`.
pub use payload::decode_response;
pub use payload::{Decode, Empty, Encode};
pub use recovery::Recovery;
pub use request::Request;
pub use server::Server;
