//! Reading a whole curve.

use core::time::Duration;

use super::{Turn, Verified};
use crate::bsmp::Refusal;
use crate::bsmp::client::{Client, Error, Request};
use crate::bsmp::curve::{Checksum, Curve, Digest, ReadBlock, Recalculate};
use crate::routine::{Routine, Step};
use crate::shown::shown;

/// What a message to [`ReadCurve`] led to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ReadEvent<'m> {
    /// A block, in order. The first has number 0, and every one but the last has as many bytes as the block size, unless
    /// [`past_short_blocks`](ReadCurve::past_short_blocks) was asked for.
    Block {
        /// Which block.
        block: u16,
        /// Its bytes, borrowed from the message.
        data: &'m [u8],
    },
    /// Nothing to store: the checksum, or the end.
    Other,
}

impl core::fmt::Debug for ReadEvent<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Block { block, data } => write!(f, "Block {{ block: {block}, {} bytes }}", data.len()),
            Self::Other => f.write_str("Other"),
        }
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for ReadEvent<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            Self::Block { block, data } => defmt::write!(f, "Block({=u16}, {=usize} bytes)", block, data.len()),
            Self::Other => defmt::write!(f, "Other"),
        }
    }
}

/// How far a [`ReadCurve`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ReadReport {
    /// Blocks received.
    pub blocks: u32,
    /// Bytes received.
    pub bytes: u64,
    /// Whether the checksum was compared, or what went wrong.
    pub result: Result<Verified, Error>,
}

/// `Block` counts up and leads to `Digest`, or to `Done` at a short block; `Digest` leads to `Done`.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Block(u16),
    Digest,
    Done(Result<Verified, Error>),
}

/// Reads a curve block by block, to its last block or to the first one that is shorter than the block size.
///
/// With a [`Checksum`] (`curve::Md5`) it then asks the node to calculate its checksum and compares, if all blocks were read:
/// a curve that ended with a short block before its last one has a checksum over more bytes than were read.
///
/// RAM: about 60 bytes and the checksum. The link's receive buffer holds a block and 6 bytes (8 with address and
/// check).
pub struct ReadCurve<C = ()> {
    id: u8,
    curve: Curve,
    past_short: bool,
    checksum: C,
    blocks: u32,
    bytes: u64,
    stage: Stage,
    turn: Turn,
}

shown!([C] ReadCurve<C>, |read| "ReadCurve({} blocks, {} bytes of curve {})", read.blocks, read.bytes, read.id);

impl<C: Checksum> ReadCurve<C> {
    /// Reads the curve `id`, whose sizes the node's list has told. `()` as the checksum compares nothing.
    #[must_use]
    pub const fn new(id: u8, curve: Curve, checksum: C) -> Self {
        Self { id, curve, past_short: false, checksum, blocks: 0, bytes: 0, stage: Stage::Block(0), turn: Turn::FIRST }
    }

    /// Reads all blocks of the curve, even behind one that is shorter than the block size.
    #[must_use]
    pub const fn past_short_blocks(mut self) -> Self {
        self.past_short = true;
        self
    }

    const fn request(&self, block: u16) -> ReadBlock {
        ReadBlock { id: self.id, block, limit: self.curve.block }
    }

    fn received(&mut self, block: u16, data: &[u8]) -> Stage {
        self.checksum.update(data);
        self.blocks = u32::from(block).saturating_add(1);
        self.bytes = self.bytes.saturating_add(data.len() as u64);
        let short = data.len() < usize::from(self.curve.block) && !self.past_short;
        match block.checked_add(1) {
            Some(next) if u32::from(next) < self.curve.blocks => {
                if short {
                    Stage::Done(Ok(Verified::No))
                } else {
                    Stage::Block(next)
                }
            }
            _ if self.checksum.digest().is_some() => Stage::Digest,
            _ => Stage::Done(Ok(Verified::No)),
        }
    }
}

/// Compares a checksum with the node's, which may not have any.
pub(super) fn compare(ours: Option<Digest>, node: Result<Digest, Error>) -> Result<Verified, Error> {
    match (ours, node) {
        (_, Err(Error::Node(Refusal::Unsupported | Refusal::Memory))) | (None, Ok(_)) => Ok(Verified::No),
        (_, Err(error)) => Err(error),
        (Some(ours), Ok(node)) if ours == node => Ok(Verified::Yes),
        (Some(_), Ok(_)) => Err(Error::Checksum),
    }
}

impl<C: Checksum> Routine for ReadCurve<C> {
    type Client = Client;
    type Event<'m> = ReadEvent<'m>;
    type Report = ReadReport;

    fn poll(&mut self, client: &mut Client, tx: &mut [u8]) -> Step {
        let sent = match (self.stage, self.turn.waits(client)) {
            (Stage::Done(_), _) => return Step::Done,
            (_, Some(Ok(step))) => return step,
            (_, Some(Err(error))) => Err(error),
            (Stage::Block(block), None) => client.post(&self.request(block), tx),
            (Stage::Digest, None) => client.post(&Recalculate { id: self.id }, tx),
        };
        match sent {
            Ok(length) => self.turn.sent(client, length),
            Err(error) => {
                self.stage = Stage::Done(Err(error));
                Step::Done
            }
        }
    }

    fn receive<'m>(&mut self, client: &mut Client, message: &'m [u8]) -> Option<ReadEvent<'m>> {
        let (next, event) = match self.stage {
            Stage::Block(block) => {
                match self.turn.answer::<ReadBlock>(client, &self.request(block).expect(), message) {
                    None => return None,
                    Some(Ok(data)) => (self.received(block, data), ReadEvent::Block { block, data }),
                    Some(Err(error)) => (Stage::Done(Err(error)), ReadEvent::Other),
                }
            }
            Stage::Digest => match self.turn.answer::<Recalculate>(client, &(), message) {
                None => return None,
                Some(node) => (Stage::Done(compare(self.checksum.digest(), node)), ReadEvent::Other),
            },
            Stage::Done(_) => return None,
        };
        self.stage = next;
        self.turn = Turn::FIRST;
        Some(event)
    }

    fn drain(&self, client: &Client) -> Duration {
        client.drain()
    }

    fn timed_out(&mut self) {
        self.turn.timed_out();
    }

    fn report(&self) -> ReadReport {
        let result = match self.stage {
            Stage::Done(result) => result,
            _ => Err(Error::Unfinished),
        };
        ReadReport { blocks: self.blocks, bytes: self.bytes, result }
    }
}
