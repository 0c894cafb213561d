//! The slave: answers commands about an application's [`Resources`], and speaks up when a subscribed value changes.
//!
//! ```text
//!   message ─▶ receive ─▶ Resources::{boot, names, get, set, invert, reset} ─▶ answer
//!   damage  ─▶ damaged ─────────────────────────────────────────────────────▶ INVALID or BAD_REQUEST
//!              poll ────▶ Resources::{debug, changed, get} ──────────────────▶ DEBUG or PUSH
//! ```
//!
//! It has no state but which addresses are subscribed, 34 bytes in all, and needs one buffer `tx` as long as its longest
//! message. No command runs for longer than its handler does.
//!
//! # Rounds
//!
//! [`Slave::poll`] goes through the addresses in rounds: one DEBUG text if there is one, then each subscribed address
//! once, then 0, which ends the round. So a value that changes all the time keeps neither the others nor the next command
//! waiting for longer than one round.

mod resources;

use core::time::Duration;

pub use resources::{MAX_NAME, MAX_NAMES, NameError, Refusal, Resources, Watched, check_names};

use resources::TOO_LONG;

use super::value::Value;
use super::{Address, Command, Counter, HEADER_LEN, Header, Reply};
use crate::framing;
use crate::line::{AsyncService, Peer, Service};
use crate::shown::shown;

/// What is to be done after the answer, if any, has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
pub enum After {
    /// Nothing.
    #[default]
    Nothing,
    /// The master wishes the device to restart; subscriptions and settings are already gone. It may as well go on.
    Restart,
}

/// A slave for one master.
pub struct Slave<R> {
    resources: R,
    subscribed: Addresses,
    /// Whose turn it is in the round; the host's turn is DEBUG.
    turn: u8,
}

shown!([R] Slave<R>, |slave| "Slave({:?})", slave.subscribed);

impl<R: Resources> Slave<R> {
    /// Puts `resources` on the line; nothing is subscribed.
    ///
    /// # Errors
    ///
    /// If a name breaks the rules, as [`check_names`] finds.
    pub fn new(resources: R) -> Result<Self, NameError> {
        check_names(resources.names())?;
        Ok(Self { resources, subscribed: Addresses::default(), turn: 0 })
    }

    /// The application's side.
    pub const fn resources(&mut self) -> &mut R {
        &mut self.resources
    }

    /// Whether a change of `address` will be pushed.
    #[must_use]
    pub fn is_subscribed(&self, address: Address) -> bool {
        self.subscribed.contains(address)
    }

    /// Obeys one message; returns the length of the answer in `tx`, 0 for none.
    ///
    /// A `tx` that is too short for an answer makes it an ERROR; one of less than three bytes, silence.
    pub fn receive(&mut self, message: &[u8], tx: &mut [u8]) -> (usize, After) {
        let Some((header, data)) = Header::<Command>::parse(message) else {
            return (emit(Reply::BAD_REQUEST, Address::HOST, Counter::NONE, 0, tx), After::Nothing);
        };
        if header.code == Command::RESET {
            return (0, self.reset(header.address));
        }
        let Some((_, out)) = tx.split_first_chunk_mut::<HEADER_LEN>() else {
            return (0, After::Nothing);
        };
        let (code, len) = match self.obey(header, data, out) {
            Ok(len) => (Reply::ACK, len),
            Err(Refusal::NotFound) => (Reply::NOT_FOUND, 0),
            Err(Refusal::NotImplemented) => (Reply::NOT_IMPLEMENTED, 0),
            Err(Refusal::BadRequest) => (Reply::BAD_REQUEST, 0),
            Err(Refusal::Failed(reason)) => (Reply::ERROR, copy(reason.as_bytes(), out)),
        };
        let counter = if code == Reply::BAD_REQUEST { Counter::NONE } else { header.counter };
        (emit(code, header.address, counter, len, tx), After::Nothing)
    }

    /// Answers a message that the framing could not read; returns the length of the answer in `tx`, 0 for none.
    pub fn damaged(&mut self, error: framing::Error, tx: &mut [u8]) -> usize {
        let code = match error {
            framing::Error::Checksum => Reply::INVALID,
            // A master that fell silent within a frame does not expect an answer.
            framing::Error::Abandoned | framing::Error::Unsendable => return 0,
            _ => Reply::BAD_REQUEST,
        };
        emit(code, Address::HOST, Counter::NONE, 0, tx)
    }

    /// Whether there is a DEBUG or a PUSH to send: its length in `tx`, or 0 at the end of a round. Call it until it returns 0.
    pub fn poll(&mut self, tx: &mut [u8]) -> usize {
        while usize::from(self.turn) <= self.resources.names().len() {
            let address = Address(self.turn);
            self.turn = self.turn.wrapping_add(1);
            let Some((_, out)) = tx.split_first_chunk_mut::<HEADER_LEN>() else { break };
            if address == Address::HOST {
                let len = self.resources.debug(out);
                if len > 0 {
                    return emit(Reply::DEBUG, address, Counter::NONE, len, tx);
                }
            } else if self.subscribed.contains(address) && self.resources.changed(address) {
                if let Ok(len) = self.resources.get(address, out) {
                    return emit(Reply::PUSH, address, Counter::NONE, len, tx);
                }
            }
        }
        self.turn = 0;
        0
    }

    /// Every command but RESET; returns the length of the answer's data.
    fn obey(&mut self, header: Header<Command>, data: &[u8], out: &mut [u8]) -> Result<usize, Refusal> {
        let address = header.address;
        match (address, header.code) {
            (Address::HOST, Command::STATUS) => Ok(self.resources.boot(out)),
            (Address::HOST, Command::DESCRIBE) => self.describe(out),
            (Address::HOST, _) => Err(Refusal::NotImplemented),
            (Address::ALL, command) => self.obey_for_all(command, out),
            _ if !self.exists(address) => Err(Refusal::NotFound),
            (_, Command::GET) => self.resources.get(address, out),
            (_, Command::SET) => self.resources.set(address, Value::new(data)).map(|()| 0),
            (_, Command::INVERT) => self.resources.invert(address, out),
            (_, Command::SUBSCRIBE) => {
                let len = self.resources.get(address, out)?;
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
        let (len, read) = self.map(out)?;
        if command == Command::SUBSCRIBE {
            self.subscribed = read;
        }
        Ok(len)
    }

    /// Writes the map from address to value, and says which addresses are in it.
    fn map(&mut self, out: &mut [u8]) -> Result<(usize, Addresses), Refusal> {
        let mut read = Addresses::default();
        let mut count: u8 = 0;
        // How many entries there will be is known at the end only, how long their number is, now.
        let used = (1..=u8::MAX).filter(|address| self.exists(Address(*address))).count();
        let start = if used < SHORT { 1 } else { 2 };
        let mut at: usize = start;
        for address in (1..u8::MAX).map(Address) {
            if !self.exists(address) {
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
            for part in [name.as_bytes(), b";"] {
                let written = copy_whole(part, rest)?;
                len = len.saturating_add(written);
                rest = rest.get_mut(written..).unwrap_or_default();
            }
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

impl<R: Resources> Service for Slave<R> {
    type After = After;

    fn receive(&mut self, message: &[u8], _: Peer, tx: &mut [u8]) -> (usize, After) {
        self.receive(message, tx)
    }

    fn damaged(&mut self, error: framing::Error, tx: &mut [u8]) -> usize {
        self.damaged(error, tx)
    }

    fn tick(&mut self, _: Duration) {}

    fn poll(&mut self, tx: &mut [u8]) -> usize {
        self.poll(tx)
    }
}

impl<R: Resources> AsyncService for Slave<R> {
    type After = After;

    /// # Cancellation
    ///
    /// Never waits, so there is nothing to cancel.
    async fn receive(&mut self, message: &[u8], _: Peer, tx: &mut [u8]) -> (usize, After) {
        self.receive(message, tx)
    }

    fn damaged(&mut self, error: framing::Error, tx: &mut [u8]) -> usize {
        self.damaged(error, tx)
    }

    fn poll(&mut self, tx: &mut [u8]) -> usize {
        self.poll(tx)
    }
}

/// A set of addresses: one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
struct Addresses([u8; 32]);

impl Addresses {
    fn contains(&self, address: Address) -> bool {
        self.0.get(byte(address)).is_some_and(|bits| bits & bit(address) != 0)
    }

    fn insert(&mut self, address: Address) {
        if let Some(bits) = self.0.get_mut(byte(address)) {
            *bits |= bit(address);
        }
    }

    fn remove(&mut self, address: Address) {
        if let Some(bits) = self.0.get_mut(byte(address)) {
            *bits &= !bit(address);
        }
    }
}

const fn byte(address: Address) -> usize {
    (address.0 >> 3) as usize
}

const fn bit(address: Address) -> u8 {
    1 << (address.0 & 7)
}

/// Below this, a number is the head of its own CBOR item, or a map's length part of the map's first byte.
const SHORT: usize = 24;

/// Puts a header before `len` bytes of data that are in `tx` already; returns the length of the message.
fn emit(code: Reply, address: Address, counter: Counter, len: usize, tx: &mut [u8]) -> usize {
    let longest = tx.len();
    match tx.first_chunk_mut() {
        Some(front) => {
            *front = Header { code, address, counter }.emit();
            len.saturating_add(HEADER_LEN).min(longest)
        }
        None => 0,
    }
}

/// Copies as much as fits.
fn copy(from: &[u8], to: &mut [u8]) -> usize {
    to.iter_mut().zip(from).map(|(to, from)| *to = *from).count()
}

/// Copies everything or fails.
fn copy_whole(from: &[u8], to: &mut [u8]) -> Result<usize, Refusal> {
    if from.len() > to.len() {
        return Err(TOO_LONG);
    }
    Ok(copy(from, to))
}
