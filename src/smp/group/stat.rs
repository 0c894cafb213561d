//! Group 2, statistics: counters of the firmware, in named sets.
//!
//! Specification: Zephyr Project, *Statistics management*.
//!
//! | command | op | request | response |
//! |---|---|---|---|
//! | 0 | read | [`Read`] | [`ReadResponse`] |
//! | 1 | read | [`List`] | [`ListResponse`] |
//!
//! # Interpretation
//!
//! * Zephyr reports the errors of this group as those of group 63. A client reads them as errors of
//!   this group.
//! * Some servers put `rc: 0` into the list, in version 2 too; it is a success. Ours does not:
//!   strict clients refuse the key.
//! * Zephyr cuts 64-bit counters to their low 32 bits. Here they are read and sent whole.

use crate::cbor::{self, BufferFull, Table, Text, Writer};
use crate::smp::server::{Answer, Incoming, Reply};
use crate::smp::{Decode, Empty, Encode, Error, Group, Op, Request, client, error, payload};

/// Asks for the counters of one set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Read<'b> {
    /// The name of the set, at most 32 bytes on Zephyr.
    pub name: Text<'b>,
}

payload!(request Read<'b> { name: "name" });

/// The counters of one set.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ReadResponse<'b> {
    /// The name of the set that was requested.
    pub name: Text<'b>,
    /// The counters of the set. Those without a name are called `s0`, `s1`, …
    pub fields: Table<'b, u64>,
}

payload!(response ReadResponse<'b> { name: Text<'b> = "name", fields: Table<'b, u64> = "fields" });

impl Request for Read<'_> {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::STATISTICS;
    const COMMAND: u8 = 0;
    type Kind = Read<'static>;
    type Response<'m> = ReadResponse<'m>;

    fn response(payload: &[u8]) -> Result<ReadResponse<'_>, client::Error> {
        own_errors(payload)
    }
}

/// Asks for the names of the sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct List {}

payload!(request List {});

/// The names of the sets that the device counts.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ListResponse<'b> {
    /// One name per set.
    pub names: cbor::List<'b, Text<'b>>,
}

payload!(response ListResponse<'b> { names: cbor::List<'b, Text<'b>> = "stat_list" });

impl Request for List {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::STATISTICS;
    const COMMAND: u8 = 1;
    type Kind = Self;
    type Response<'m> = ListResponse<'m>;

    fn response(payload: &[u8]) -> Result<ListResponse<'_>, client::Error> {
        own_errors(payload)
    }
}

/// Reads a response, and errors of group 63 as those of this group.
fn own_errors<'m, R: Decode<'m>>(payload: &'m [u8]) -> Result<R, client::Error> {
    match Error::find(payload)? {
        Some(Error::Group { group: Group::ZEPHYR, rc }) => {
            Err(client::Error::Remote(Error::Group { group: Group::STATISTICS, rc }))
        }
        Some(error) => Err(client::Error::Remote(error)),
        None => Ok(R::decode(payload)?),
    }
}

/// The device's side of this group.
pub trait Commands {
    /// Returns the counters of a set.
    ///
    /// # Errors
    ///
    /// [`error::stat::INVALID_GROUP`] if there is no such set.
    fn read<'r>(&'r mut self, request: Read<'r>) -> Result<ReadResponse<'r>, Error> {
        let _ = request;
        Err(Error::NOT_SUPPORTED)
    }

    /// Returns the names of the sets.
    ///
    /// # Errors
    ///
    /// [`Error::NOT_SUPPORTED`] by default.
    fn list(&mut self) -> Result<ListResponse<'_>, Error> {
        Err(Error::NOT_SUPPORTED)
    }
}

/// Reads a request of this group, calls its command, and writes the response.
#[inline(never)] // A stack frame of its own: see *Stack* in `smp::server`.
pub fn dispatch<C: Commands + ?Sized>(commands: &mut C, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
    match (incoming.op(), incoming.command()) {
        (Op::Read, Read::COMMAND) => incoming.answer(reply, |request| commands.read(request)),
        (Op::Read, List::COMMAND) => incoming.answer(reply, |Empty {}| commands.list()),
        _ => reply.error(Error::NOT_SUPPORTED),
    }
}

/// One set of counters, as [`answer`] serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Set<'s> {
    /// The name of the set, by which clients ask for it.
    pub name: &'s str,
    /// Names and values of its counters.
    pub fields: &'s [(Text<'s>, u64)],
}

/// Answers this group from a list of sets, for a device that collects its counters on request.
///
/// ```
/// use anysmp::smp::server::{Answer, Incoming, Reply};
/// use anysmp::smp::stat::{self, Set};
///
/// fn handle(received: u32, dropped: u32, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
///     let uart = [("rx".into(), received.into()), ("drop".into(), dropped.into())];
///     stat::answer(&[Set { name: "uart", fields: &uart }], incoming, reply)
/// }
/// ```
pub fn answer(sets: &[Set<'_>], incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
    match (incoming.op(), incoming.command()) {
        (Op::Read, Read::COMMAND) => incoming.answer(reply, |request: Read<'_>| {
            let set = sets.iter().find(|set| request.name == set.name).ok_or(error::stat::INVALID_GROUP)?;
            Ok(ReadResponse { name: set.name.into(), fields: set.fields.into() })
        }),
        (Op::Read, List::COMMAND) => incoming.answer(reply, |Empty {}| Ok(Names(sets))),
        _ => reply.error(Error::NOT_SUPPORTED),
    }
}

/// The names of the sets, as a [`ListResponse`].
struct Names<'s>(&'s [Set<'s>]);

impl Encode for Names<'_> {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        writer.map(1)?;
        writer.text("stat_list")?;
        writer.array(self.0.len() as u64)?;
        self.0.iter().try_for_each(|set| writer.text(set.name))
    }
}
