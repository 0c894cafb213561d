//! Group 10, enumeration: the groups that a device serves.
//!
//! Specification: Zephyr Project, *Enumeration management*.
//!
//! | command | op | request | response |
//! |---|---|---|---|
//! | 0 | read | [`Count`] | [`CountResponse`] |
//! | 1 | read | [`List`] | [`ListResponse`] |
//! | 2 | read | [`Single`] | [`SingleResponse`] |
//! | 3 | read | [`Details`] | [`DetailsResponse`] |

use crate::cbor::{self, BufferFull, Text, Value, Writer};
use crate::smp::server::{Answer, Incoming, Reply};
use crate::smp::{Empty, Error, Group, Op, Request, error, payload};

/// Asks for the number of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Count {}

payload!(request Count {});

/// The number of groups that the device serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct CountResponse {
    /// The number of groups that [`List`] returns.
    pub count: u16,
}

payload!(response CountResponse { count: u16 = "count" });

impl Request for Count {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::ENUMERATION;
    const COMMAND: u8 = 0;
    type Kind = Self;
    type Response<'m> = CountResponse;
}

/// Asks for the numbers of all groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct List {}

payload!(request List {});

/// The numbers of all groups, in no particular order.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ListResponse<'b> {
    /// One number per group.
    pub groups: cbor::List<'b, u16>,
}

payload!(response ListResponse<'b> { groups: cbor::List<'b, u16> = "groups" });

impl Request for List {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::ENUMERATION;
    const COMMAND: u8 = 1;
    type Kind = Self;
    type Response<'m> = ListResponse<'m>;
}

/// Asks for one group, for devices whose list does not fit a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Single {
    /// The index of the group, from 0; by default 0.
    pub index: Option<u16>,
}

payload!(request Single { index: "index" });

/// The group at an index of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct SingleResponse {
    /// The number of the group, as in the header of a message.
    pub group: u16,
    /// True if this is the last group.
    pub end: Option<bool>,
}

payload!(response SingleResponse { group: u16 = "group", end: "end" });

impl Request for Single {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::ENUMERATION;
    const COMMAND: u8 = 2;
    type Kind = Self;
    type Response<'m> = SingleResponse;
}

/// Asks for the details of some or all groups.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Details<'b> {
    /// The groups to describe, by default all. A server of this crate accepts at most 64 of them.
    pub groups: Option<cbor::List<'b, u16>>,
}

payload!(request Details<'b> { groups: "groups" });

/// The details of some or all groups.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct DetailsResponse<'b> {
    /// One entry per group.
    pub groups: cbor::List<'b, Detail<'b>>,
}

payload!(response DetailsResponse<'b> { groups: cbor::List<'b, Detail<'b>> = "groups" });

/// The name and the size of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Detail<'b> {
    /// The number of the group, as in the header of a message.
    pub group: u16,
    /// The name of the group, for example `os mgmt`.
    pub name: Option<Text<'b>>,
    /// The highest number of a command, plus 1.
    pub handlers: Option<u32>,
}

payload!(response Detail<'b> { group: u16 = "group", name: "name", handlers: "handlers" });

impl<'b> Detail<'b> {
    /// Sets the name of the group.
    #[must_use]
    pub const fn with_name(mut self, name: &'b str) -> Self {
        self.name = Some(Text::from_bytes(name.as_bytes()));
        self
    }

    /// Sets the highest number of a command, plus 1.
    #[must_use]
    pub const fn with_handlers(mut self, handlers: u32) -> Self {
        self.handlers = Some(handlers);
        self
    }
}

impl Request for Details<'_> {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::ENUMERATION;
    const COMMAND: u8 = 3;
    type Kind = Details<'static>;
    type Response<'m> = DetailsResponse<'m>;
}

/// The most groups that a request for details may name: they are read once, into memory.
const MOST: usize = 64;

/// Answers the requests of this group from a list of the groups served; nothing else is needed.
///
/// A request for the details of more than 64 groups is refused with
/// [`TOO_MANY_GROUP_ENTRIES`](error::enumeration::TOO_MANY_GROUP_ENTRIES), however often it names
/// the same one. So the time grows with the request, and by at most 64 comparisons with each group
/// served, not with the product of both.
///
/// ```
/// use anysmp::smp::enumeration::{self, Detail};
///
/// const SERVED: &[Detail<'static>] = &[
///     Detail::new(0).with_name("os mgmt").with_handlers(9),
///     Detail::new(10).with_handlers(4),
/// ];
/// # use anysmp::smp::server::{Answer, Incoming, Reply};
/// fn handle(incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
///     enumeration::dispatch(SERVED, incoming, reply)
/// }
/// ```
#[inline(never)] // A stack frame of its own: see *Stack* in `smp::server`.
pub fn dispatch(served: &[Detail<'_>], incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
    if incoming.op() != Op::Read {
        return reply.error(Error::NOT_SUPPORTED);
    }
    let mut reply = reply;
    let written = match incoming.command() {
        Count::COMMAND => incoming.write(&mut reply, |Empty {}| {
            let count = u16::try_from(served.len()).or(Err(error::enumeration::TOO_MANY_GROUP_ENTRIES))?;
            Ok(CountResponse { count })
        }),
        List::COMMAND => incoming.write(&mut reply, |Empty {}| Ok(Numbers(served))),
        Single::COMMAND => incoming.write(&mut reply, |Single { index }| {
            let (index, last) = (usize::from(index.unwrap_or(0)), served.len().wrapping_sub(1));
            let found = served.get(index).ok_or(error::enumeration::INDEX_TOO_LARGE)?;
            // By the specification only the response with the last group has `end`.
            Ok(SingleResponse { group: found.group, end: (index == last).then_some(true) })
        }),
        Details::COMMAND => return details(served, incoming, reply),
        _ => Err(Error::NOT_SUPPORTED),
    };
    reply.done(written)
}

fn details(served: &[Detail<'_>], incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
    let Details { groups } = match incoming.decode() {
        Ok(request) => request,
        Err(error) => return reply.error(error),
    };
    let mut wanted = heapless::Vec::<_, MOST>::new();
    for group in groups.iter().flatten() {
        if wanted.push(group).is_err() {
            return reply.error(error::enumeration::TOO_MANY_GROUP_ENTRIES);
        }
    }
    // An empty list asks for no group; only without a list all are meant.
    reply.ok(&Chosen { served, wanted: groups.is_some().then_some(&wanted) })
}

/// The numbers of the groups served, as a [`ListResponse`].
struct Numbers<'s>(&'s [Detail<'s>]);

impl crate::smp::Encode for Numbers<'_> {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        writer.map(1)?;
        writer.text("groups")?;
        writer.array(self.0.len() as u64)?;
        self.0.iter().try_for_each(|detail| detail.group.write(writer))
    }
}

/// The requested part of the groups served, as a [`DetailsResponse`].
struct Chosen<'s> {
    served: &'s [Detail<'s>],
    wanted: Option<&'s [u16]>,
}

impl Chosen<'_> {
    fn has(&self, detail: &Detail<'_>) -> bool {
        self.wanted.is_none_or(|wanted| wanted.contains(&detail.group))
    }
}

impl crate::smp::Encode for Chosen<'_> {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        let chosen = || self.served.iter().filter(|detail| self.has(detail));
        writer.map(1)?;
        writer.text("groups")?;
        writer.array(chosen().count() as u64)?;
        chosen().try_for_each(|detail| detail.write(writer))
    }
}
