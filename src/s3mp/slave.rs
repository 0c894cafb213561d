//! The slave: obeys commands about an application's [`Resources`], and sends a PUSH when a
//! subscribed value changes.
//!
//! ```text
//!   message ─▶ receive ─▶ Resources::{status, names, get, set, invert, reset} ─▶ response
//!   damage  ─▶ damaged ──────────────────────────────────────▶ INVALID or BAD_REQUEST
//!              poll ────▶ Resources::{debug, changed, get} ──────────────────▶ DEBUG or PUSH
//! ```
//!
//! Its only state is the set of subscribed addresses, 33 bytes in all, and it needs one buffer `tx`
//! as long as its longest message. No command runs for longer than its handler does.
//!
//! ```
//! use anysmp::s3mp::value::{self, Value};
//! use anysmp::s3mp::{Address, Refusal, Resources, Slave};
//!
//! struct Lamp { is_on: bool }
//!
//! impl Resources for Lamp {
//!     fn names(&self) -> &[&str] { &["lamp"] }
//!     fn get(&mut self, _: Address, out: &mut [u8]) -> Result<usize, Refusal> {
//!         Ok(value::encode(self.is_on, out)?)
//!     }
//!     fn set(&mut self, _: Address, value: Value<'_>) -> Result<(), Refusal> {
//!         Ok(self.is_on = value.bool()?)
//!     }
//! }
//!
//! let mut slave = Slave::new(Lamp { is_on: false })?;
//! let mut tx = [0; 64];
//! let (len, _) = slave.receive(&[0x11, 1, 7, 0xF5], &mut tx); // SET address 1 to true
//! assert_eq!(tx[..len], [0x00, 1, 7]); // ACK
//! let (len, _) = slave.receive(&[0x11, 1, 8, 21], &mut tx);
//! assert_eq!(tx[..len], [0x40, 1, 0]); // BAD_REQUEST: not a boolean
//! assert!(slave.resources().is_on);
//! # Ok::<(), anysmp::s3mp::slave::NameError>(())
//! ```
//!
//! # Rounds
//!
//! [`Slave::poll`] goes through the addresses in rounds: one DEBUG text if there is one, then each
//! subscribed address once, then 0, which ends the round. So a value that changes all the time
//! keeps neither the others nor the next command waiting for longer than one round.

mod addresses;
mod compared;
mod resources;
mod watched;

pub use compared::{Compared, Reported};
pub use resources::{MAX_NAME, MAX_NAMES, NameError, Refusal, Resources, check_names};
pub use watched::{Damped, Number, Watched};

use addresses::Addresses;
use resources::TOO_LONG;

use core::time::Duration;

use super::value::Value;
use super::{Address, Command, Counter, HEADER_LEN, Header, ResponseCode};
use crate::line::{Damage, Peer, Serve, Service, asynch};
use crate::shown::shown;

/// The action after the response, if there is one, has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "the caller has to handle each")]
pub enum After {
    /// No action.
    #[default]
    Nothing,
    /// The master asks for a restart of the device; subscriptions and settings are already gone.
    /// The device may also continue without a restart.
    Restart,
}

/// The slave of one master.
pub struct Slave<R> {
    resources: R,
    subscribed: Addresses,
    /// The address whose turn it is in the round; the turn of the host is DEBUG.
    turn: u8,
}

const _: () = assert!(size_of::<Slave<()>>() <= 33);

shown!([R] Slave<R>, |slave| "Slave({:?})", slave.subscribed);

impl<R: Resources> Slave<R> {
    /// A slave with these resources and no subscriptions.
    ///
    /// # Errors
    ///
    /// If a name breaks the rules of [`check_names`].
    pub fn new(resources: R) -> Result<Self, NameError> {
        check_names(resources.names())?;
        Ok(Self { resources, subscribed: Addresses::default(), turn: 0 })
    }

    /// The application's side.
    pub const fn resources(&mut self) -> &mut R {
        &mut self.resources
    }

    /// Returns true if a change of `address` will be pushed.
    #[must_use]
    pub fn is_subscribed(&self, address: Address) -> bool {
        self.subscribed.contains(address)
    }

    /// Obeys one message; returns the length of the response in `tx` in bytes, 0 for none.
    ///
    /// If `tx` is too short for the response, it is an ERROR; if it is shorter than three bytes,
    /// there is none.
    #[must_use = "the response is in `tx` and has to be sent"]
    pub fn receive(&mut self, message: &[u8], tx: &mut [u8]) -> (usize, After) {
        let Some((header, data)) = Header::<Command>::parse(message) else {
            return (emit(ResponseCode::BAD_REQUEST, Address::HOST, Counter::NONE, 0, tx), After::Nothing);
        };
        // Handled first: RESET has no response, whatever is wrong with its address.
        if header.code == Command::RESET {
            return (0, self.reset(header.address));
        }
        let Some((_, out)) = tx.split_first_chunk_mut::<HEADER_LEN>() else {
            return (0, After::Nothing);
        };
        let (code, len) = match self.obey(header, data, out) {
            Ok(len) => (ResponseCode::ACK, len),
            Err(Refusal::NotFound) => (ResponseCode::NOT_FOUND, 0),
            Err(Refusal::NotImplemented) => (ResponseCode::NOT_IMPLEMENTED, 0),
            Err(Refusal::BadRequest) => (ResponseCode::BAD_REQUEST, 0),
            Err(Refusal::Failed(reason)) => (ResponseCode::ERROR, copy(reason.as_bytes(), out)),
            Err(Refusal::Explained) => (ResponseCode::ERROR, self.resources.explain(header.address, out)),
        };
        // According to the README, BAD_REQUEST carries no counter: the slave may not have
        // understood it.
        let counter = if code == ResponseCode::BAD_REQUEST { Counter::NONE } else { header.counter };
        (emit(code, header.address, counter, len, tx), After::Nothing)
    }

    /// Responds to a message that the framing could not read; returns the length of the response in
    /// `tx` in bytes, 0 for none.
    pub fn damaged(&mut self, damage: Damage, tx: &mut [u8]) -> usize {
        let code = match damage {
            Damage::Checksum => ResponseCode::INVALID,
            Damage::Malformed | Damage::TooLong => ResponseCode::BAD_REQUEST,
            // A master that fell silent within a frame does not expect a response.
            Damage::Lost => return 0,
        };
        emit(code, Address::HOST, Counter::NONE, 0, tx)
    }

    /// Writes the next DEBUG or PUSH; returns its length in `tx` in bytes, or 0 at the end of a
    /// round. Call it until it returns 0.
    pub fn poll(&mut self, tx: &mut [u8]) -> usize {
        while usize::from(self.turn) <= self.resources.names().len() {
            let address = Address(self.turn);
            // Advanced first: whatever happens here, the next call continues after this address.
            self.turn = self.turn.wrapping_add(1);
            let Some((_, out)) = tx.split_first_chunk_mut::<HEADER_LEN>() else { break };
            if address == Address::HOST {
                let len = self.resources.debug(out);
                if len > 0 {
                    return emit(ResponseCode::DEBUG, address, Counter::NONE, len, tx);
                }
            } else if self.subscribed.contains(address)
                && self.resources.changed(address) == Some(true)
                && let Ok(len) = self.resources.get(address, out)
            {
                return emit(ResponseCode::PUSH, address, Counter::NONE, len, tx);
            }
        }
        self.turn = 0;
        0
    }

    /// Passes elapsed time on to the resources.
    pub fn tick(&mut self, elapsed: Duration) {
        self.resources.tick(elapsed);
    }

    /// Obeys every command but RESET; returns the length of the data of the response.
    fn obey(&mut self, header: Header<Command>, data: &[u8], out: &mut [u8]) -> Result<usize, Refusal> {
        let address = header.address;
        match (address, header.code) {
            (Address::HOST, Command::STATUS) => self.resources.status(out),
            (Address::HOST, Command::DESCRIBE) => self.describe(out),
            // The host exists, but has no value.
            (Address::HOST, _) => Err(Refusal::NotImplemented),
            (Address::ALL, command) => self.obey_for_all(command, out),
            // An unknown address is reported even if the command is unknown, too.
            _ if !self.exists(address) => Err(Refusal::NotFound),
            (_, Command::GET) => self.resources.get(address, out),
            (_, Command::SET) => self.resources.set(address, Value::new(data)).map(|()| 0),
            (_, Command::INVERT) => self.resources.invert(address, out),
            (_, Command::SUBSCRIBE) => {
                // An address that cannot be read, or is not watched, cannot be subscribed to.
                let len = self.resources.get(address, out)?;
                if !self.resources.is_watched(address) {
                    return Err(Refusal::NotImplemented);
                }
                self.subscribed.insert(address);
                Ok(len)
            }
            (_, Command::UNSUBSCRIBE) => {
                self.subscribed.remove(address);
                Ok(0)
            }
            _ => Err(Refusal::NotImplemented),
        }
    }

    fn obey_for_all(&mut self, command: Command, out: &mut [u8]) -> Result<usize, Refusal> {
        match command {
            Command::GET | Command::SUBSCRIBE | Command::UNSUBSCRIBE if self.resources.serves_all(command) => {}
            _ => return Err(Refusal::NotImplemented),
        }
        if command == Command::UNSUBSCRIBE {
            self.subscribed = Addresses::default();
            return Ok(0);
        }
        let (len, read) = self.map(command, out)?;
        // Only after the whole map was written: if it does not fit, nothing is subscribed.
        if command == Command::SUBSCRIBE {
            self.subscribed = read;
        }
        Ok(len)
    }

    /// Writes the map from address to value; returns its length and the addresses that are in it:
    /// those that can be read, and for SUBSCRIBE are watched.
    fn map(&mut self, command: Command, out: &mut [u8]) -> Result<(usize, Addresses), Refusal> {
        let mut read = Addresses::default();
        let mut count: u8 = 0;
        // The entries are counted below, but the length of their number is needed here.
        let used = (1..=u8::MAX).filter(|address| self.exists(Address(*address))).count();
        let start = if used < SHORT { 1 } else { 2 };
        let mut at: usize = start;
        for address in (1..u8::MAX).map(Address) {
            if !self.exists(address) || (command == Command::SUBSCRIBE && !self.resources.is_watched(address)) {
                continue;
            }
            let rest = out.get_mut(at..).ok_or(TOO_LONG)?;
            let key = if usize::from(address.0) < SHORT {
                copy_whole(&[address.0], rest)?
            } else {
                copy_whole(&[0x18, address.0], rest)?
            };
            let rest = rest.get_mut(key..).ok_or(TOO_LONG)?;
            match self.resources.get(address, rest) {
                Ok(len) => {
                    at = at.saturating_add(key).saturating_add(len);
                    count = count.wrapping_add(1);
                    read.insert(address);
                }
                // An actuator that cannot be read is left out.
                Err(Refusal::NotImplemented) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        if at > out.len() {
            return Err(TOO_LONG);
        }
        if start == 1 {
            copy_whole(&[0xA0 | count], out)?;
        } else {
            copy_whole(&[0xB8, count], out)?;
        }
        Ok((at, read))
    }

    fn describe(&self, out: &mut [u8]) -> Result<usize, Refusal> {
        let mut rest = out;
        let mut len: usize = 0;
        for name in self.resources.names() {
            let name = name.as_bytes();
            let (part, others) = rest.split_at_mut_checked(name.len().wrapping_add(1)).ok_or(TOO_LONG)?;
            // Written out instead of a loop over name and `;`: it takes 16 bytes less stack and 44
            // bytes less flash.
            if let Some((end, part)) = part.split_last_mut() {
                copy(name, part);
                *end = b';';
            }
            len = len.wrapping_add(name.len()).wrapping_add(1);
            rest = others;
        }
        Ok(len)
    }

    fn reset(&mut self, address: Address) -> After {
        match address {
            Address::HOST | Address::ALL => {
                self.subscribed = Addresses::default();
                for each in (1..u8::MAX).map(Address) {
                    if self.exists(each) {
                        self.resources.reset(each);
                    }
                }
                if address == Address::HOST {
                    self.resources.reset(address);
                    return After::Restart;
                }
            }
            _ if self.exists(address) => {
                self.subscribed.remove(address);
                self.resources.reset(address);
            }
            _ => {}
        }
        After::Nothing
    }

    fn exists(&self, address: Address) -> bool {
        address.index().and_then(|place| self.resources.names().get(place)).is_some_and(|name| !name.is_empty())
    }
}

impl<R: Resources> Serve for Slave<R> {
    type After = After;

    fn damaged(&mut self, damage: Damage, tx: &mut [u8]) -> usize {
        self.damaged(damage, tx)
    }

    fn tick(&mut self, elapsed: Duration) {
        self.tick(elapsed);
    }

    fn poll(&mut self, tx: &mut [u8]) -> usize {
        self.poll(tx)
    }
}

impl<R: Resources> Service for Slave<R> {
    fn receive(&mut self, message: &[u8], _: Peer, tx: &mut [u8]) -> (usize, After) {
        self.receive(message, tx)
    }
}

impl<R: Resources> asynch::Service for Slave<R> {
    /// Handles one message, without awaiting anything.
    ///
    /// # Cancellation
    ///
    /// Never waits, so there is nothing to cancel.
    async fn receive(&mut self, message: &[u8], _: Peer, tx: &mut [u8]) -> (usize, After) {
        self.receive(message, tx)
    }
}

/// A smaller number fits the first byte of its CBOR item, as key or as the length of a map.
const SHORT: usize = 24;

/// Puts a header in front of `len` bytes of data that are in `tx` already; returns the length of
/// the message.
fn emit(code: ResponseCode, address: Address, counter: Counter, len: usize, tx: &mut [u8]) -> usize {
    let longest = tx.len();
    match tx.first_chunk_mut() {
        Some(front) => {
            *front = Header { code, address, counter }.emit();
            len.saturating_add(HEADER_LEN).min(longest)
        }
        None => 0,
    }
}

fn copy(from: &[u8], to: &mut [u8]) -> usize {
    to.iter_mut().zip(from).map(|(to, from)| *to = *from).count()
}

fn copy_whole(from: &[u8], to: &mut [u8]) -> Result<usize, Refusal> {
    if from.len() > to.len() {
        return Err(TOO_LONG);
    }
    Ok(copy(from, to))
}
