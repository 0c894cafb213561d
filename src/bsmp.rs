//! BSMP, the Basic Small Messages Protocol 2.30: both ends.
//!
//! A *master* ([`Client`]) asks; a *node* ([`Server`], on RS-485 inside a [`Node`]) answers. There
//! is one request at a time, no sequence number and no session; a node never speaks first.
//!
//! ```text
//!   offset  0         1         2         3 ..
//!          │ command │ length (big endian) │ payload, exactly length bytes │    a message
//!
//!          │ address │ message │         on a bus: framing::packet adds the checksum
//! ```
//!
//! | chapter | entity | requests |
//! |---|---|---|
//! | this page | the node | [`QueryVersion`] |
//! | [`variable`] | 1 to 128 bytes with a value | list, read, write, combine, write and read |
//! | [`group`] | a set of variables | list, query, read, write, combine, create, remove all |
//! | [`curve`] | up to 65,536 blocks | list, query checksum, read and write block, recalculate |
//! | [`function`] | a procedure of the node | list, execute |
//! | [`routine`] | | scan, discovery, polling, curves |
//!
//! The length field and block offsets are big endian. The bytes inside values, curves and functions
//! have the order that the device documents; this crate moves them as they are, or as [`typed`]
//! declares them.
//!
//! # A node
//!
//! Tables are in flash, values wherever the device keeps them:
//!
//! ```
//! use anysmp::bsmp::{Address, Entities, Node, Server, Table, variable::Variable};
//!
//! const VARIABLES: [Variable; 2] = [Variable::writable(2), Variable::read_only(1)];
//! static TABLE: Table = match Table::new(&VARIABLES, &[], &[]) {
//!     Ok(table) => table,
//!     Err(_) => panic!("the table breaks a limit"), // at compile time
//! };
//!
//! struct Supply { setpoint: [u8; 2] }
//!
//! impl Entities for Supply {
//!     fn read(&mut self, variable: u8, value: &mut [u8]) {
//!         value.copy_from_slice(match variable { 0 => &self.setpoint, _ => &[21] });
//!     }
//!     fn write(&mut self, _: u8, value: &[u8]) {
//!         self.setpoint.copy_from_slice(value);
//!     }
//! }
//!
//! let server = Server::new(Supply { setpoint: [0, 0] }, &TABLE);
//! let mut tx = [0; 64];
//! // On a bus; over TCP and UDP, without an address: `server.receive(message, &mut tx)`.
//! let mut node = Node::new(server, Address::node(5).unwrap()).unwrap();
//! let len = node.receive(&[5, 0x20, 0, 3, 0, 0x12, 0x34], &mut tx); // write variable 0
//! assert_eq!(tx[..len], [0, 0xE0, 0, 0]); // to the master: done
//! assert_eq!(node.receive(&[255, 0x10, 0, 1, 0], &mut tx), 0); // a broadcast is never answered
//! ```
//!
//! # A master
//!
//! ```
//! use anysmp::bsmp::{Address, Client, Error, Refusal, variable};
//!
//! // On a bus; over TCP and UDP, without an address: `Client::new()`.
//! let client = Client::new().with_address(Address::node(5).unwrap());
//! let request = variable::Read { id: 0, size: Some(2) };
//!
//! // A driver does this for you: `let value = link.call(&mut client, &request)?;`
//! let mut tx = [0; 16];
//! let (len, pending) = client.request(&request, &mut tx)?;
//! assert_eq!(tx[..len], [5, 0x10, 0, 1, 0]);
//! assert!(pending.accepts(&[0, 0x11, 0, 2, 0x12, 0x34]));
//! assert_eq!(pending.decode(&[0, 0x11, 0, 2, 0x12, 0x34]), Ok(&[0x12, 0x34][..]));
//! assert_eq!(pending.decode(&[0, 0xE8, 0, 0]), Err(Error::Remote(Refusal::Busy)));
//! # Ok::<(), Error>(())
//! ```
//!
//! # The line
//!
//! An answer names neither its request nor its sender, and packets on RS-485 are kept apart by
//! silence alone. The gap, the turn-around and the drain of a link, the answers that BSMP cannot
//! distinguish, and the switching of a half-duplex port are described in these modules: [`client`]
//! for answers, [`framing::packet`](crate::framing::packet) for silence, [`port`](crate::port) for
//! RS-485 direction.
//!
//! # Coverage
//!
//! | of BSMP 2.30 | master | node |
//! |---|---|---|
//! | all 20 requests and their answers | typed | served |
//! | RS-485 packets (`framing::packet`), bare messages on TCP and UDP, packets on TCP | yes | yes |
//! | unicast, multicast, broadcast | yes | yes |
//! | nodes of 2.00 to 2.30 (function list by version) | yes | speaks 2.30 |
//! | 1.x (two-byte header) | no | no |
//!
//! # Interpretation
//!
//! Where the specification contradicts itself, or libbsmp contradicts the specification, this crate
//! does the following.
//!
//! * The answer to "write and read" (0x28) is 0x11 with the value, as in the description of the
//!   command; the table of the English text has 0xE0.
//! * The curve list carries type, block size, number of blocks in this order (section 3.4.10).
//! * Groups 0 and 1 are read-only and group 2 is writable, whatever they contain. libbsmp computes
//!   their type. A group of 128 has size 0 and keeps its type bit, which libbsmp inverts.
//! * A group write is all or nothing: if one value is refused, or the node is busy, nothing is
//!   stored. libbsmp stores the good values and answers 0xE4.
//! * A binary operation skips the value check, as in libbsmp.
//! * A curve block may be written with 0 bytes of data, which libbsmp refuses. An empty group may
//!   be written with no values; group 2 then answers 0xE0, groups 0 and 1 answer 0xE6.
//! * The checksum of a curve covers the bytes of all of its blocks in their order; libbsmp may stop
//!   at the first.
//! * Ids in "create group" have to ascend, as in libbsmp; otherwise the answer is 0xE3. The
//!   specification does not mention this.
//! * "Busy" (0xE8) changes nothing. libbsmp does not report it for variables and groups.
//! * A request or an answer that does not fit the node's buffers is 0xE7, and nothing is changed or
//!   executed.
//! * A function error (0x53) answers "execute" only; to any other request it is foreign, like
//!   everything that cannot be its answer: see [`client`].

pub mod bridge;
pub mod client;
mod command;
pub mod curve;
pub mod entities;
pub mod function;
pub mod group;
mod header;
pub mod list;
pub mod node;
pub mod payload;
mod query_version;
mod refusal;
pub mod routine;
pub mod server;
pub mod table;
pub mod typed;
pub mod variable;
mod version;

pub use client::{Client, Error, Pending, Request, Response};
pub use command::Command;
pub use entities::{Access, Entities};
pub use header::{Address, Header};
pub use node::Node;
pub use payload::{Full, Payload};
pub use query_version::QueryVersion;
pub use refusal::Refusal;
pub use server::Server;
pub use table::{Table, TableError};
pub use version::Version;
