//! The master: typed requests, their counters and their answers.
//!
//! ```text
//!   request ─▶ Master::request ─▶ message, Pending
//!   message ─▶ Pending::receive ─┬─ Answer ──────▶ Master::decode ─▶ R::Response or Error
//!                                ├─ Unsolicited ─▶ Unsolicited::parse: PUSH or DEBUG
//!                                └─ Foreign        late, or not for us: the wait goes on
//!   silence ─▶ Pending::retry ──▶ the same request with a new counter, or the end
//! ```
//!
//! One request is in flight at a time. A driver's `call` does all of this; `RESET` has no answer and so is no request:
//! [`Master::reset`] writes the message, a driver's `send` sends it.
//!
//! # Repeats
//!
//! When no answer has come within [timeout](Master::with_timeout), or only an INVALID (the command was damaged on its
//! way, or noise before it), the request goes out again with a new counter, twice unless [told otherwise](Master::with_retries).
//! [`Invert`] is never repeated: the slave may have obeyed it although its answer was lost. Then GET tells, and SET mends.

use core::time::Duration;

use super::slave::MAX_NAMES;
use super::value::Value;
use super::{Address, Command, Counter, HEADER_LEN, Header, Reply};
use crate::cbor::Text;
use crate::line::{Caller, Verdict};

/// How long an answer may take: 1 s.
pub const TIMEOUT: Duration = Duration::from_secs(1);
/// How often a request is repeated: twice.
pub const RETRIES: u8 = 2;

/// Why a request has no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Error {
    /// We: the request does not fit `tx`.
    BufferFull,
    /// The slave: it answered with this code instead of ACK. For ERROR, [`error_text`] reads the reason from the message.
    Refused(Reply),
    /// The slave: it agreed, but its data are not what the command asks for.
    Malformed,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::BufferFull => f.write_str("the request does not fit its buffer"),
            Self::Refused(code) => write!(f, "the slave answered {code}"),
            Self::Malformed => f.write_str("the answer is malformed"),
        }
    }
}

impl core::error::Error for Error {}

/// The reason in an ERROR; empty for all other messages. Text by custom, but any bytes may come.
#[must_use]
pub fn error_text(message: &[u8]) -> &[u8] {
    match Header::<Reply>::parse(message) {
        Some((header, text)) if header.code == Reply::ERROR => text,
        _ => &[],
    }
}

/// A command with an answer.
pub trait Request {
    /// Its code.
    const COMMAND: Command;
    /// Whether to obey it twice does no harm.
    const REPEATABLE: bool = true;
    /// What the slave answers.
    type Response<'m>;

    /// Whom it is for.
    fn address(&self) -> Address {
        Address::HOST
    }

    /// The data behind the header.
    fn data(&self) -> &[u8] {
        &[]
    }

    /// Reads the data of an ACK.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`].
    fn decode(data: &[u8]) -> Result<Self::Response<'_>, Error>;
}

/// Asks whether the slave is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Status;

impl Request for Status {
    const COMMAND: Command = Command::STATUS;
    /// Tells one start of the slave from another, perhaps its time; empty if the slave has no such thing.
    type Response<'m> = Value<'m>;

    fn decode(data: &[u8]) -> Result<Value<'_>, Error> {
        Ok(Value::new(data))
    }
}

/// Asks for the names of all addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Describe;

impl Request for Describe {
    const COMMAND: Command = Command::DESCRIBE;
    type Response<'m> = Names<'m>;

    fn decode(data: &[u8]) -> Result<Names<'_>, Error> {
        Names::parse(data)
    }
}

/// Asks for the value of an address; for [`Address::ALL`] see [`Value::entries`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Get(pub Address);

impl Request for Get {
    const COMMAND: Command = Command::GET;
    type Response<'m> = Value<'m>;

    fn address(&self) -> Address {
        self.0
    }

    fn decode(data: &[u8]) -> Result<Value<'_>, Error> {
        Ok(Value::new(data))
    }
}

/// Sets the value of an actuator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Set<'v>(pub Address, pub Value<'v>);

impl Request for Set<'_> {
    const COMMAND: Command = Command::SET;
    type Response<'m> = ();

    fn address(&self) -> Address {
        self.0
    }

    fn data(&self) -> &[u8] {
        self.1.bytes()
    }

    fn decode(_: &[u8]) -> Result<(), Error> {
        Ok(())
    }
}

/// Turns a boolean over; the response is its new value. Never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Invert(pub Address);

impl Request for Invert {
    const COMMAND: Command = Command::INVERT;
    const REPEATABLE: bool = false;
    type Response<'m> = Value<'m>;

    fn address(&self) -> Address {
        self.0
    }

    fn decode(data: &[u8]) -> Result<Value<'_>, Error> {
        Ok(Value::new(data))
    }
}

/// Asks for the value of an address now, and for a PUSH whenever it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Subscribe(pub Address);

impl Request for Subscribe {
    const COMMAND: Command = Command::SUBSCRIBE;
    type Response<'m> = Value<'m>;

    fn address(&self) -> Address {
        self.0
    }

    fn decode(data: &[u8]) -> Result<Value<'_>, Error> {
        Ok(Value::new(data))
    }
}

/// Ends a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Unsubscribe(pub Address);

impl Request for Unsubscribe {
    const COMMAND: Command = Command::UNSUBSCRIBE;
    type Response<'m> = ();

    fn address(&self) -> Address {
        self.0
    }

    fn decode(_: &[u8]) -> Result<(), Error> {
        Ok(())
    }
}

/// Numbers requests and knows their answers.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Master {
    next: Counter,
    timeout: Duration,
    retries: u8,
}

impl Master {
    /// A master whose first command has the counter `first`, or the next one that is allowed.
    ///
    /// Start at random if an earlier master may have left answers on the line.
    #[must_use]
    pub const fn new(first: Counter) -> Self {
        Self { next: first, timeout: TIMEOUT, retries: RETRIES }
    }

    /// Changes how long an answer may take. It must be longer than what the slave needs for its handler and to abandon a
    /// partial frame.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Changes how often a request is repeated.
    #[must_use]
    pub const fn with_retries(mut self, retries: u8) -> Self {
        self.retries = retries;
        self
    }

    /// How long an answer may take.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Writes `request` into the front of `tx`; returns its length and the value that knows its answer.
    ///
    /// # Errors
    ///
    /// [`Error::BufferFull`].
    pub fn request<R: Request + ?Sized>(&mut self, request: &R, tx: &mut [u8]) -> Result<(usize, Pending), Error> {
        let len = self.emit(R::COMMAND, request.address(), request.data(), tx)?;
        let counter = tx.get(2).map_or(Counter::NONE, |counter| Counter(*counter));
        let retries = if R::REPEATABLE { self.retries } else { 0 };
        Ok((len, Pending { counter, len, retries }))
    }

    /// Writes a RESET, which has no answer; returns its length. The slave may need 2 s before it listens again.
    ///
    /// # Errors
    ///
    /// [`Error::BufferFull`].
    pub fn reset(&mut self, address: Address, tx: &mut [u8]) -> Result<usize, Error> {
        self.emit(Command::RESET, address, &[], tx)
    }

    /// Reads the answer that [`Pending::receive`] has recognised.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] for every code but ACK, known or not.
    pub fn decode<'m, R: Request + ?Sized>(&self, message: &'m [u8]) -> Result<R::Response<'m>, Error> {
        match Header::<Reply>::parse(message) {
            Some((Header { code: Reply::ACK, .. }, data)) => R::decode(data),
            Some((header, _)) => Err(Error::Refused(header.code)),
            None => Err(Error::Malformed),
        }
    }

    fn emit(&mut self, code: Command, address: Address, data: &[u8], tx: &mut [u8]) -> Result<usize, Error> {
        let (front, back) = tx.split_first_chunk_mut::<HEADER_LEN>().ok_or(Error::BufferFull)?;
        *front = Header { code, address, counter: Counter::NONE }.emit();
        let back = back.get_mut(..data.len()).ok_or(Error::BufferFull)?;
        back.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
        let len = data.len().saturating_add(HEADER_LEN);
        self.number(tx.get_mut(..len).ok_or(Error::BufferFull)?);
        Ok(len)
    }

    /// Gives the message the next counter whose frame has a check other than 00 and 01: receivers that cut frames at the
    /// first zero misread those. At most two in a row are skipped.
    fn number(&mut self, message: &mut [u8]) {
        for _ in 0..3 {
            if self.next == Counter::NONE {
                self.next = Counter::FIRST;
            }
            if let Some(counter) = message.get_mut(2) {
                *counter = self.next.0;
            }
            self.next = self.next.next();
            if check(message) > 1 {
                break;
            }
        }
    }
}

/// The check byte of a message's frame, without the frame: COBS adds to the sum of the bytes one for each of them, one for the
/// first block, and one for each block of 254 bytes.
fn check(message: &[u8]) -> u8 {
    let plain = message.iter().fold(1u8, |sum, byte| sum.wrapping_add(*byte).wrapping_add(1));
    let full = message
        .split(|byte| *byte == 0)
        .flat_map(|run| run.chunks_exact(254))
        .fold(plain, |sum, _| sum.wrapping_add(1));
    full.wrapping_neg()
}

/// A request in flight. To drop it is to cancel it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
pub struct Pending {
    counter: Counter,
    len: usize,
    /// How often it may still be repeated.
    retries: u8,
}

impl Pending {
    /// What a received message is to the request.
    pub fn receive(&self, message: &[u8]) -> Verdict {
        let Some((header, _)) = Header::<Reply>::parse(message) else { return Verdict::Foreign };
        match header.code {
            Reply::PUSH | Reply::DEBUG => Verdict::Unsolicited,
            // Noise before the command may have caused it: the answer may still come, and if not, the repeat will.
            Reply::INVALID if self.retries > 0 => Verdict::Foreign,
            _ if header.counter == self.counter => Verdict::Answer,
            code if code.is_error() && header.counter == Counter::NONE => Verdict::Answer,
            _ if header.counter == Counter::NONE => Verdict::Unsolicited,
            _ => Verdict::Foreign,
        }
    }

    /// No answer came in time: gives the request in `tx` a new counter and returns its length, or `None` to give up.
    pub fn retry(&mut self, master: &mut Master, tx: &mut [u8]) -> Option<usize> {
        self.retries = self.retries.checked_sub(1)?;
        let message = tx.get_mut(..self.len)?;
        master.number(message);
        self.counter = Counter(*message.get(2)?);
        Some(self.len)
    }
}

impl<R: Request + ?Sized> Caller<R> for Master {
    type Pending = Pending;
    type Response<'m> = R::Response<'m>;
    type Error = Error;

    fn request(&mut self, request: &R, tx: &mut [u8]) -> Result<(usize, Pending), Error> {
        self.request(request, tx)
    }

    fn timeout(&self, _: &Pending) -> Duration {
        self.timeout
    }

    fn receive(&mut self, pending: &mut Pending, message: &[u8], _: &mut [u8]) -> Verdict {
        pending.receive(message)
    }

    fn retry(&mut self, pending: &mut Pending, tx: &mut [u8]) -> Option<usize> {
        pending.retry(self, tx)
    }

    fn decode<'m>(&self, _: &Pending, message: &'m [u8]) -> Result<R::Response<'m>, Error> {
        self.decode::<R>(message)
    }
}

/// What a slave says unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Unsolicited<'m> {
    /// A subscribed address has a new value.
    Push(Address, Value<'m>),
    /// Text for a log, by custom; may be ignored.
    Debug(Text<'m>),
    /// An error about something unreadable: noise, if no command is in flight.
    Error(Reply),
    /// A code that the README does not know.
    Other(Header<Reply>),
}

impl<'m> Unsolicited<'m> {
    /// Reads a message. `None` if it is too short, or an answer to a command.
    #[must_use]
    pub fn parse(message: &'m [u8]) -> Option<Self> {
        let (header, data) = Header::<Reply>::parse(message)?;
        Some(match header.code {
            Reply::PUSH => Self::Push(header.address, Value::new(data)),
            Reply::DEBUG => Self::Debug(Text::from_bytes(data)),
            _ if header.counter != Counter::NONE => return None,
            code if code.is_error() => Self::Error(code),
            _ => Self::Other(header),
        })
    }
}

/// The names of a slave's addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Names<'m>(&'m [u8]);

impl<'m> Names<'m> {
    /// Reads the list, with or without a last `;`.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if it has more than 254 names.
    pub fn parse(list: &'m [u8]) -> Result<Self, Error> {
        let names = Self(list);
        if names.parts().count() > MAX_NAMES { Err(Error::Malformed) } else { Ok(names) }
    }

    /// Each address that is in use, with its name.
    pub fn iter(&self) -> impl Iterator<Item = (Address, Text<'m>)> + use<'m> {
        let parts = self.parts().enumerate().filter(|(_, name)| !name.is_empty());
        parts.filter_map(|(place, name)| Some((Address::at(place)?, Text::from_bytes(name))))
    }

    /// The address that has this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Address> {
        self.iter().find(|(_, text)| *text == name).map(|(address, _)| address)
    }

    /// All names, empty ones too. The `;` at the end, if there is one, closes the last name and opens none.
    fn parts(&self) -> impl Iterator<Item = &'m [u8]> + use<'m> {
        let list = self.0.strip_suffix(b";").unwrap_or(self.0);
        list.split(|byte| *byte == b';').take(if self.0.is_empty() { 0 } else { usize::MAX })
    }
}

impl core::fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Names({} addresses)", self.iter().count())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Names<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Names({=usize} addresses)", self.iter().count());
    }
}
