//! Reading a curve, or a part of it.

use core::time::Duration;

use super::{CurveOutcome, Turn};
use crate::bsmp::client::{Client, Request};
use crate::bsmp::curve::{Checksum, Curve, ReadBlock, Recalculate};
use crate::routine::{Routine, Step};
use crate::shown::shown;

/// The result of a message to [`ReadCurve`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReadEvent<'m> {
    /// A block, in order. The first has number 0, unless [a part](ReadCurve::with_blocks) was
    /// requested. Every block but the last has as many bytes as the block size, unless [all
    /// blocks](ReadCurve::with_all_blocks) were requested.
    Block {
        /// The number of the block.
        block: u16,
        /// The bytes of the block, borrowed from the message.
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

/// The report of a [`ReadCurve`], at its end or so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[non_exhaustive]
pub struct ReadReport {
    /// The number of blocks received.
    pub blocks: u32,
    /// The number of bytes received.
    pub bytes: u64,
    /// The outcome; `Unfinished` until it has ended.
    pub outcome: CurveOutcome,
}

impl core::fmt::Display for ReadReport {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} bytes in {} blocks; {}", self.bytes, self.blocks, self.outcome)
    }
}

/// The request whose turn it is. `Block` and `Digest` exit to `Ended` as well: when the answer is a
/// refusal, when no answer comes to the last retry, or when the request does not fit `tx`. A
/// builder may replace the first stage.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// A block. Exits: `Block`, the next one; `Digest` after the last one of the curve, if there is
    /// a checksum to compare; else `Ended`, after the last block or a short one.
    Block(u16),
    /// The node's checksum. Exits: `Ended`.
    Digest,
    /// Nothing more is requested. Exits: none.
    Ended(CurveOutcome),
}

/// Reads a curve block by block, to its last block or to the first one that is shorter than the
/// block size; or [a part](Self::with_blocks) of it.
///
/// With a [`Checksum`] (`curve::Md5`) it then asks the node to calculate its checksum and compares
/// both, if all blocks were read: the checksum of a curve that ended with a short block before its
/// last one covers more bytes than were read.
///
/// RAM: 40 bytes and the checksum. The link's receive buffer holds a block and
/// 6 bytes (8 with address and check).
pub struct ReadCurve<C = ()> {
    id: u8,
    curve: Curve,
    all_blocks: bool,
    checksum: C,
    first: u16,
    /// The block after the last one to read.
    end: u32,
    blocks: u32,
    bytes: u64,
    stage: Stage,
    turn: Turn,
}

const _: () = assert!(size_of::<ReadCurve>() <= 40);

shown!([C] ReadCurve<C>, |read| "ReadCurve({} blocks, {} bytes of curve {})", read.blocks, read.bytes, read.id);

impl<C: Checksum> ReadCurve<C> {
    /// Reads the curve `id`, whose sizes are in the node's list. `()` as the checksum compares
    /// nothing.
    #[must_use]
    pub const fn new(id: u8, curve: Curve, checksum: C) -> Self {
        Self {
            id,
            curve,
            all_blocks: false,
            checksum,
            first: 0,
            end: curve.blocks,
            blocks: 0,
            bytes: 0,
            stage: Stage::Block(0),
            turn: Turn::First,
        }
    }

    /// Reads `count` blocks from `first` on, as far as the curve has them. A checksum is compared
    /// only if these are all of them.
    #[must_use]
    pub fn with_blocks(mut self, first: u16, count: u32) -> Self {
        self.first = first;
        self.end = u32::from(first).saturating_add(count).min(self.curve.blocks);
        self.stage = if u32::from(first) < self.end {
            Stage::Block(first)
        } else {
            Stage::Ended(CurveOutcome::Done { verified: false })
        };
        self
    }

    /// Reads all blocks of the curve, even after one that is shorter than the block size.
    #[must_use]
    pub const fn with_all_blocks(mut self) -> Self {
        self.all_blocks = true;
        self
    }

    const fn request(&self, block: u16) -> ReadBlock {
        ReadBlock { id: self.id, block, limit: self.curve.block }
    }

    fn received(&mut self, block: u16, data: &[u8]) -> Stage {
        self.checksum.update(data);
        self.blocks = self.blocks.saturating_add(1);
        self.bytes = self.bytes.saturating_add(data.len() as u64);
        let is_last = data.len() < usize::from(self.curve.block) && !self.all_blocks;
        match block.checked_add(1) {
            Some(next) if u32::from(next) < self.end => {
                if is_last {
                    // The node's checksum covers blocks that were not read.
                    Stage::Ended(CurveOutcome::Done { verified: false })
                } else {
                    Stage::Block(next)
                }
            }
            // Only now does our checksum cover the same bytes as the node's.
            _ if self.first == 0 && self.end == self.curve.blocks && self.checksum.digest().is_some() => Stage::Digest,
            _ => Stage::Ended(CurveOutcome::Done { verified: false }),
        }
    }
}

impl<C: Checksum> Routine for ReadCurve<C> {
    type Client = Client;
    type Event<'m> = ReadEvent<'m>;
    type Report = ReadReport;

    fn poll(&mut self, client: &mut Client, tx: &mut [u8]) -> Step {
        let mut turn = self.turn;
        let step = turn.poll(client, || match self.stage {
            Stage::Block(block) => client.post(&self.request(block), tx).map(Some),
            Stage::Digest => client.post(&Recalculate { id: self.id }, tx).map(Some),
            Stage::Ended(_) => Ok(None),
        });
        self.turn = turn;
        step.unwrap_or_else(|error| {
            self.stage = Stage::Ended(CurveOutcome::Failed(error));
            Step::Done
        })
    }

    fn receive<'m>(&mut self, client: &mut Client, message: &'m [u8]) -> Option<ReadEvent<'m>> {
        let (next, event) = match self.stage {
            Stage::Block(block) => {
                match self.turn.answer::<ReadBlock>(client, &self.request(block).expectation(), message)? {
                    Ok(data) => (self.received(block, data), ReadEvent::Block { block, data }),
                    Err(error) => (Stage::Ended(CurveOutcome::Failed(error)), ReadEvent::Other),
                }
            }
            Stage::Digest => {
                let node = self.turn.answer::<Recalculate>(client, &(), message)?;
                (Stage::Ended(CurveOutcome::compared(self.checksum.digest(), node)), ReadEvent::Other)
            }
            Stage::Ended(_) => return None,
        };
        self.stage = next;
        self.turn = Turn::First;
        Some(event)
    }

    fn drain(&self, client: &Client) -> Duration {
        client.drain()
    }

    fn timed_out(&mut self) {
        self.turn.timed_out();
    }

    fn report(&self) -> ReadReport {
        let outcome = match self.stage {
            Stage::Ended(outcome) => outcome,
            _ => CurveOutcome::Unfinished,
        };
        ReadReport { blocks: self.blocks, bytes: self.bytes, outcome }
    }
}
