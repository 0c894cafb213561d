//! S3MP, the Simple Serial Slave-Master Protocol: a host that asks, a microcontroller with sensors
//! and actuators.
//!
//! One master and one slave share a line that both may use at any time. A message is
//!
//! ```text
//!   offset   0      1         2         3 ..
//!          ┌──────┬─────────┬─────────┬──────────┐
//!          │ code │ address │ counter │ data ... │
//!          └──────┴─────────┴─────────┴──────────┘
//!   code      to the slave a Command, to the master a ResponseCode: two sets of codes
//!   address   00 the slave itself, 01..FE its sensors and actuators, FF all of those
//!   counter   01..FF chosen by the master and repeated in the response; 00 in unsolicited messages
//!   data      a value (one CBOR item, by custom) or text
//! ```
//!
//! | command | | address | data | response |
//! |---|---|---|---|---|
//! | [`STATUS`](Command::STATUS) | 00 | 00 | | ACK: nothing, or a mark of the start |
//! | [`DESCRIBE`](Command::DESCRIBE) | 02 | 00 | | ACK: the names, each closed by `;` |
//! | [`GET`](Command::GET) | 10 | 01..FE | | ACK: the value |
//! | [`SET`](Command::SET) | 11 | 01..FE | value | ACK: nothing |
//! | [`INVERT`](Command::INVERT) | 12 | 01..FE | | ACK: the new value of a boolean |
//! | [`SUBSCRIBE`](Command::SUBSCRIBE) | A0 | 01..FF | | ACK: the value, then PUSHes |
//! | [`UNSUBSCRIBE`](Command::UNSUBSCRIBE) | A1 | 01..FF | | ACK: nothing |
//! | [`RESET`](Command::RESET) | FF | any | | none, ever |
//!
//! The [`slave`] keeps one bit for each subscription and asks the application for all values. The
//! [`master`] makes one request after the other; [`routine`] has the two jobs that the README
//! recommends: finding a slave, and watching it. [`value`] reads and writes values in CBOR. The
//! frames around messages are in [`framing::lrc`](crate::framing::lrc).
//!
//! # A slave
//!
//! ```
//! use anysmp::s3mp::slave::Watched;
//! use anysmp::s3mp::{Address, Refusal, Resources, Slave, value::{self, Value}};
//!
//! struct Greenhouse { temperature: Watched<i8>, relay: Watched<bool> }
//!
//! impl Resources for Greenhouse {
//!     fn names(&self) -> &[&str] { &["temperature", "relay"] }
//!     fn get(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
//!         match address {
//!             Address(1) => Ok(value::encode(self.temperature.report(), out)?),
//!             Address(2) => Ok(value::encode(self.relay.report(), out)?),
//!             _ => Err(Refusal::NotFound),
//!         }
//!     }
//!     fn set(&mut self, address: Address, value: Value<'_>) -> Result<(), Refusal> {
//!         match address {
//!             Address(2) => Ok(self.relay.set(value.bool()?)),
//!             _ => Err(Refusal::NotImplemented),
//!         }
//!     }
//!     fn changed(&mut self, address: Address) -> Option<bool> {
//!         match address {
//!             Address(1) => Some(self.temperature.is_changed()),
//!             _ => Some(self.relay.is_changed()),
//!         }
//!     }
//! }
//!
//! let (temperature, relay) = (Watched::new(21), Watched::new(false));
//! let mut slave = Slave::new(Greenhouse { temperature, relay })?;
//! let mut tx = [0; 64];
//! // A received message and its answer: in a loop, `Link::serve` does all of this.
//! let (len, _) = slave.receive(&[0xA0, 0x01, 0x07], &mut tx);
//! assert_eq!(tx[..len], [0x00, 0x01, 0x07, 21]);
//! slave.resources().temperature.set(22);
//! let len = slave.poll(&mut tx);
//! assert_eq!(tx[..len], [0xA0, 0x01, 0x00, 22]);
//! assert_eq!(slave.poll(&mut tx), 0);
//! # Ok::<(), anysmp::s3mp::slave::NameError>(())
//! ```
//!
//! # A master
//!
//! ```
//! use anysmp::s3mp::master::{Describe, Get, Unsolicited};
//! use anysmp::s3mp::{Address, Counter, Error, Master};
//!
//! let mut master = Master::new(Counter::FIRST);
//! let mut tx = [0; 64];
//! // With a port, `link.call(&mut master, &Describe)?` is all of the next lines.
//! let (len, pending) = master.request(&Describe, &mut tx)?;
//! assert_eq!(tx[..len], [0x02, 0x00, 0x01]);
//! let response = b"\x00\x00\x01temperature;relay;";
//! assert!(pending.accepts(response));
//! assert_eq!(pending.decode(response)?.find("relay"), Some(Address(2)));
//!
//! // At any time, the slave may send unsolicited messages.
//! let (_, pending) = master.request(&Get { address: Address(1) }, &mut tx)?;
//! let push = [0xA0, 0x01, 0x00, 22];
//! assert!(!pending.accepts(&push));
//! let Some(Unsolicited::Push(address, value)) = Unsolicited::parse(&push) else { unreachable!() };
//! assert_eq!((address, value.u64()), (Address(1), Ok(22)));
//! # Ok::<(), Error>(())
//! ```
//!
//! # Interpretation
//!
//! The README of S3MP (github.com/lucastorri/s3mp) is the whole definition, and no other
//! implementation was ever published. Where it is silent or contradicts itself, this crate does the
//! following. (The framing has its own list.)
//!
//! * *Length.* Both ends publish the longest message that they accept: here, the length of the
//!   buffer given to the framing and of `tx`. 256 bytes are usual, 64 the least. A longer one is
//!   skipped and refused with BAD_REQUEST.
//! * *Short messages.* Under three bytes: the slave responds BAD_REQUEST with address and counter
//!   00, the master drops it.
//! * *Surplus data* on a command without data are ignored.
//! * *Addresses.* "Any other address (00 - FE)" means 01..FE. The response repeats the address. The
//!   host has no value: every command on 00 but STATUS, DESCRIBE and RESET is NOT_IMPLEMENTED, and
//!   so are STATUS and DESCRIBE on any other address.
//! * *Counters.* A command with counter 00 is obeyed, and its response has 00, but this master
//!   never sends one. The response to a command has its counter and its address; one of the five
//!   errors may have counter 00, address 00, or both. Anything else is late or damaged: it is
//!   dropped, and the wait continues. (The README would allow the command to fail; one lost
//!   response would then make all later commands fail.)
//! * *Counters to avoid.* The master skips counters that would give its frame the check 00 or 01:
//!   slaves that split at the first zero misread those.
//! * *Order of errors.* INVALID (sum), BAD_REQUEST (blocks, length), silence (RESET), NOT_FOUND
//!   (address), NOT_IMPLEMENTED (code), BAD_REQUEST (data), ERROR (handler). The address is judged
//!   before the code.
//! * *Counters of errors.* INVALID and BAD_REQUEST carry 00, the others that of the command. The
//!   master accepts both in all five. INVALID and BAD_REQUEST about something unreadable carry
//!   address 00.
//! * *Unreadable.* INVALID, and BAD_REQUEST with address and counter 00, can be the response to a
//!   damaged command or to line noise: the master repeats the command at once, as often as it may
//!   repeat one without a response.
//! * *RESET* has no response, not even for an unknown address. On an address it drops the
//!   subscription and informs the application; on FF it does so for all addresses; on 00 for all,
//!   and the device may restart.
//! * *STATUS.* The start time of the README is opaque: the master only compares it. A change, or
//!   data that disappear, mean that the slave has restarted. "ACK, if slave is OK": a slave that is
//!   not OK responds ERROR with the reason; for a master that searches for it, it is not there yet.
//! * *DESCRIBE.* "Separated by `;`", yet the example closes each name: the slave closes each, the
//!   master accepts both. A name has 1 to 32 printable ASCII characters, no `;`, no space at its
//!   ends. An empty name is an unused address, which responds NOT_FOUND. The list is plain text,
//!   not a CBOR string: a master could not distinguish the two. It cannot be split, so the names
//!   have to fit one message; otherwise ERROR.
//! * *SET* of a sensor is NOT_IMPLEMENTED, of a wrong type or of anything but exactly one item
//!   BAD_REQUEST. Setting the current value changes nothing.
//! * *INVERT* is defined for booleans only; NOT_IMPLEMENTED for others. The master never repeats
//!   it, because it may have been obeyed.
//! * *SUBSCRIBE* and *UNSUBSCRIBE* may be repeated. A PUSH is sent when a value differs from the
//!   one reported last, in an ACK or a PUSH. It never comes before the response to the command that
//!   caused it; if values change faster than the line, the latest is sent. NaN does not differ from
//!   NaN. An address that can be read but is not watched refuses SUBSCRIBE with NOT_IMPLEMENTED;
//!   the master reads it with GET.
//! * *Address FF* is optional. A slave without it responds NOT_IMPLEMENTED. With it, the response
//!   to GET and SUBSCRIBE is one map from address to value, in ascending order, of the addresses
//!   that have one; later PUSHes name single addresses. If the map does not fit: ERROR, and nothing
//!   is subscribed. SET and INVERT on FF are NOT_IMPLEMENTED.
//! * *DEBUG* has address and counter 00 and any text. It neither satisfies nor prolongs a command.
//! * *Values* are one CBOR item and nothing after it; names, DEBUG and ERROR are text. The raw
//!   bytes are always available.
//! * *Echo.* A line that echoes must drop the echo before it reaches this module: STATUS and ACK
//!   are the same byte.
//!
//! Not supported: DESCRIBE on addresses other than 00, whose content the README leaves open.

mod code;
mod header;
pub mod master;
pub mod routine;
pub mod slave;
pub mod value;

pub use code::{Command, ResponseCode};
pub use header::{Address, Counter, HEADER_LEN, Header};
pub use master::{Error, Master, Pending, Request, Response};
pub use slave::{Refusal, Resources, Slave};

/// The usual limit for the length of a message, in bytes.
pub const USUAL_MESSAGE: usize = 256;
/// The length of a message that each end must be able to accept, in bytes.
pub const LEAST_MESSAGE: usize = 64;
