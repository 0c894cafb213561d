//! Writing a curve, or a part of it.

use core::time::Duration;

use super::{CurveOutcome, Turn};
use crate::bsmp::client::{Client, Error, Request};
use crate::bsmp::curve::{Checksum, Curve, ReadBlock, Recalculate, WriteBlock};
use crate::routine::{Routine, Step};
use crate::shown::shown;
use crate::source::Source;

/// The result of a message to [`WriteCurve`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum WriteEvent {
    /// The node has stored this block.
    Block(u16),
    /// No progress: the checksum, or the end.
    Other,
}

/// The report of a [`WriteCurve`], at its end or so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[non_exhaustive]
pub struct WriteReport {
    /// The number of blocks that the node has stored.
    pub blocks: u32,
    /// The number of bytes that the node has stored.
    pub bytes: u64,
    /// The outcome; `Unfinished` until it has ended.
    pub outcome: CurveOutcome,
}

impl core::fmt::Display for WriteReport {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} bytes in {} blocks; {}", self.bytes, self.blocks, self.outcome)
    }
}

/// The request whose turn it is. Every stage but `Ended` exits to `Ended` as well: when the answer
/// is a refusal, when no answer comes to the last retry, or when the request cannot be written. A
/// builder may replace the first stage.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// A block that has not been read from the source. Exits: `Written`, when it has been.
    Block(u16),
    /// A block of `len` bytes that was written into a request at least once, so that the checksum
    /// has its bytes. Exits: `Block`, the next one; `Digest`, if the data reach the last block and
    /// there is a checksum to compare, or `Tail`, if they do not fill it; `Ended`.
    Written { block: u16, len: u16 },
    /// The last block, of which `len` bytes were written, is read: a node whose blocks are always
    /// whole has more bytes in it, and its checksum covers them. Exits: `Digest`.
    Tail { block: u16, len: u16 },
    /// The node's checksum. Exits: `Ended`.
    Digest,
    /// Nothing more is requested. Exits: none.
    Ended(CurveOutcome),
}

/// Writes a curve block by block: as many blocks as the data fill, the last of them possibly short.
/// Blocks before and after the data are unchanged.
///
/// With a [`Checksum`] (`curve::Md5`) the node is asked to calculate its checksum afterwards. It is
/// compared if the data reach from the first block to the last; otherwise the node's checksum
/// covers blocks that we have not seen. If the last block is short, it is read first: a node whose
/// blocks are always whole has more bytes in it, which are not ours, and its checksum covers them.
///
/// RAM: 40 bytes, the source and the checksum. `tx` holds a block and 6 bytes (7 with address); so
/// does the link's receive buffer, if the last block must be read.
pub struct WriteCurve<S, C = ()> {
    id: u8,
    curve: Curve,
    source: S,
    checksum: C,
    /// The block in which the data begin.
    first: u16,
    bytes: u64,
    stage: Stage,
    turn: Turn,
}

const _: () = assert!(size_of::<WriteCurve<()>>() <= 40);

shown!([S, C] WriteCurve<S, C>, |write| "WriteCurve({} bytes of curve {})", write.bytes, write.id);

impl<S: Source, C: Checksum> WriteCurve<S, C> {
    /// Writes the curve `id`, whose sizes are in the node's list. `()` as the checksum compares
    /// nothing.
    ///
    /// Data that do not fit the curve are refused before anything is sent, with [`Error::TooLarge`]
    /// in the report.
    #[must_use]
    pub fn new(id: u8, curve: Curve, source: S, checksum: C) -> Self {
        let stage = match source.len() {
            0 => Stage::Ended(CurveOutcome::Done { verified: false }),
            size if size > curve.capacity() => Stage::Ended(CurveOutcome::Failed(Error::TooLarge)),
            _ => Stage::Block(0),
        };
        Self { id, curve, source, checksum, first: 0, bytes: 0, stage, turn: Turn::First }
    }

    /// Writes the data to the blocks from `first` on, instead of from 0.
    ///
    /// Data that do not fit the rest of the curve are refused with [`Error::TooLarge`].
    #[must_use]
    pub fn with_first_block(mut self, first: u16) -> Self {
        self.first = first;
        let skipped = u64::from(first).saturating_mul(self.curve.block.into());
        let size = self.source.len();
        if size > self.curve.capacity().saturating_sub(skipped) {
            self.stage = Stage::Ended(CurveOutcome::Failed(Error::TooLarge));
        } else if size > 0 {
            self.stage = Stage::Block(first);
        }
        self
    }

    fn block(&mut self, client: &Client, block: u16, tx: &mut [u8]) -> Result<usize, Error> {
        let rest = self.source.len().saturating_sub(self.bytes);
        let len = u16::try_from(rest).unwrap_or(u16::MAX).min(self.curve.block);
        client.compose(WriteBlock::COMMAND, tx, |payload| {
            payload.put(&[self.id])?;
            payload.put(&block.to_be_bytes())?;
            let data = payload.take(usize::from(len))?;
            self.source.read(self.bytes, data)?;
            // Read again for each retry, but counted once.
            if let Stage::Block(_) = self.stage {
                self.checksum.update(data);
                self.stage = Stage::Written { block, len };
            }
            Ok(())
        })
    }

    fn stored(&mut self, block: u16, len: u16) -> Stage {
        self.bytes = self.bytes.saturating_add(u64::from(len));
        match block.checked_add(1) {
            Some(next) if self.bytes < self.source.len() => Stage::Block(next),
            _ if !self.is_whole(block) || self.checksum.digest().is_none() => {
                Stage::Ended(CurveOutcome::Done { verified: false })
            }
            _ if len < self.curve.block => Stage::Tail { block, len },
            _ => Stage::Digest,
        }
    }

    fn is_whole(&self, last: u16) -> bool {
        self.first == 0 && u32::from(last).saturating_add(1) == self.curve.blocks
    }

    const fn tail(&self, block: u16) -> ReadBlock {
        ReadBlock { id: self.id, block, limit: self.curve.block }
    }
}

impl<S: Source, C: Checksum> Routine for WriteCurve<S, C> {
    type Client = Client;
    type Event<'m> = WriteEvent;
    type Report = WriteReport;

    fn poll(&mut self, client: &mut Client, tx: &mut [u8]) -> Step {
        let mut turn = self.turn;
        let step = turn.poll(client, || match self.stage {
            Stage::Block(block) | Stage::Written { block, .. } => self.block(client, block, tx).map(Some),
            Stage::Tail { block, .. } => client.post(&self.tail(block), tx).map(Some),
            Stage::Digest => client.post(&Recalculate { id: self.id }, tx).map(Some),
            Stage::Ended(_) => Ok(None),
        });
        self.turn = turn;
        step.unwrap_or_else(|error| {
            self.stage = Stage::Ended(match self.stage {
                // All data are stored; only the comparison is not possible.
                Stage::Tail { .. } => CurveOutcome::Done { verified: false },
                _ => CurveOutcome::Failed(error),
            });
            Step::Done
        })
    }

    fn receive(&mut self, client: &mut Client, message: &[u8]) -> Option<WriteEvent> {
        let (next, event) = match self.stage {
            Stage::Written { block, len } => match self.turn.answer::<WriteBlock<'static>>(client, &(), message)? {
                Ok(()) => (self.stored(block, len), WriteEvent::Block(block)),
                Err(error) => (Stage::Ended(CurveOutcome::Failed(error)), WriteEvent::Other),
            },
            Stage::Tail { block, len } => {
                match self.turn.answer::<ReadBlock>(client, &self.tail(block).expectation(), message)? {
                    Ok(data) => {
                        self.checksum.update(data.get(usize::from(len)..).unwrap_or_default());
                        (Stage::Digest, WriteEvent::Other)
                    }
                    Err(_) => (Stage::Ended(CurveOutcome::Done { verified: false }), WriteEvent::Other),
                }
            }
            Stage::Digest => {
                let node = self.turn.answer::<Recalculate>(client, &(), message)?;
                (Stage::Ended(CurveOutcome::compared(self.checksum.digest(), node)), WriteEvent::Other)
            }
            Stage::Block(_) | Stage::Ended(_) => return None,
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

    fn report(&self) -> WriteReport {
        let (blocks, outcome) = match self.stage {
            // Only the last block may be short, and it counts as a whole one.
            Stage::Ended(outcome) => (self.bytes.div_ceil(u64::from(self.curve.block).max(1)), outcome),
            Stage::Block(block) | Stage::Written { block, .. } => {
                (u64::from(block.saturating_sub(self.first)), CurveOutcome::Unfinished)
            }
            Stage::Tail { .. } | Stage::Digest => (u64::from(self.curve.blocks), CurveOutcome::Unfinished),
        };
        WriteReport { blocks: u32::try_from(blocks).unwrap_or(u32::MAX), bytes: self.bytes, outcome }
    }
}
