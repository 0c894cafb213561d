//! Writing a whole curve.

use core::time::Duration;

use super::read_curve::compare;
use super::{Turn, Verified};
use crate::bsmp::client::{Client, Error, Request};
use crate::bsmp::curve::{Checksum, Curve, Recalculate, WriteBlock};
use crate::routine::{Routine, Step};
use crate::shown::shown;
use crate::source::Source;

/// What a message to [`WriteCurve`] led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum WriteEvent {
    /// The node has stored this block.
    Block(u16),
    /// No progress: the checksum, or the end.
    Other,
}

/// How far a [`WriteCurve`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct WriteReport {
    /// Blocks stored by the node.
    pub blocks: u32,
    /// Bytes stored by the node.
    pub bytes: u64,
    /// Whether the checksum was compared, or what went wrong.
    pub result: Result<Verified, Error>,
}

/// `Block` counts up and leads to `Digest` or to `Done`; `Digest` leads to `Done`.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Block(u16),
    Digest,
    Done(Result<Verified, Error>),
}

/// Writes a curve block by block: as many blocks as the data fill, the last of them possibly short. Blocks behind the data
/// stay as they are.
///
/// With a [`Checksum`] (`curve::Md5`) the node is asked to calculate its checksum afterwards. It is compared if the data
/// have filled all blocks; else the node's covers blocks that we do not know.
///
/// RAM: about 70 bytes, the source and the checksum. `tx` holds a block and 6 bytes (7 with address).
pub struct WriteCurve<S, C = ()> {
    id: u8,
    curve: Curve,
    source: S,
    checksum: C,
    bytes: u64,
    /// Bytes of the block that is under way; 0 before it was read from the source for the first time.
    length: u16,
    stage: Stage,
    turn: Turn,
}

shown!([S, C] WriteCurve<S, C>, |write| "WriteCurve({} bytes of curve {})", write.bytes, write.id);

impl<S: Source, C: Checksum> WriteCurve<S, C> {
    /// Writes the curve `id`, whose sizes the node's list has told. `()` as the checksum compares nothing.
    ///
    /// Data that do not fit the curve are refused before anything is sent, with [`Error::TooLarge`] in the report.
    #[must_use]
    pub fn new(id: u8, curve: Curve, source: S, checksum: C) -> Self {
        let stage = match source.len() {
            0 => Stage::Done(Ok(Verified::No)),
            size if size > curve.capacity() => Stage::Done(Err(Error::TooLarge)),
            _ => Stage::Block(0),
        };
        Self { id, curve, source, checksum, bytes: 0, length: 0, stage, turn: Turn::FIRST }
    }

    fn block(&mut self, client: &Client, block: u16, tx: &mut [u8]) -> Result<usize, Error> {
        let rest = self.source.len().saturating_sub(self.bytes);
        let length = u16::try_from(rest).unwrap_or(u16::MAX).min(self.curve.block);
        client.compose(WriteBlock::COMMAND, tx, |payload| {
            payload.put(&[self.id])?;
            payload.put(&block.to_be_bytes())?;
            let data = payload.take(usize::from(length))?;
            self.source.read(self.bytes, data)?;
            if self.length == 0 {
                self.checksum.update(data);
                self.length = length;
            }
            Ok(())
        })
    }

    fn stored(&mut self, block: u16) -> Stage {
        self.bytes = self.bytes.saturating_add(u64::from(self.length));
        self.length = 0;
        match block.checked_add(1) {
            Some(next) if self.bytes < self.source.len() => Stage::Block(next),
            _ if self.is_full(block) && self.checksum.digest().is_some() => Stage::Digest,
            _ => Stage::Done(Ok(Verified::No)),
        }
    }

    fn is_full(&self, last: u16) -> bool {
        u32::from(last).saturating_add(1) == self.curve.blocks
    }
}

impl<S: Source, C: Checksum> Routine for WriteCurve<S, C> {
    type Client = Client;
    type Event<'m> = WriteEvent;
    type Report = WriteReport;

    fn poll(&mut self, client: &mut Client, tx: &mut [u8]) -> Step {
        let sent = match (self.stage, self.turn.waits(client)) {
            (Stage::Done(_), _) => return Step::Done,
            (_, Some(Ok(step))) => return step,
            (_, Some(Err(error))) => Err(error),
            (Stage::Block(block), None) => self.block(client, block, tx),
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

    fn receive(&mut self, client: &mut Client, message: &[u8]) -> Option<WriteEvent> {
        let (next, event) = match self.stage {
            Stage::Block(block) => match self.turn.answer::<WriteBlock<'_>>(client, &(), message) {
                None => return None,
                Some(Ok(())) => (self.stored(block), WriteEvent::Block(block)),
                Some(Err(error)) => (Stage::Done(Err(error)), WriteEvent::Other),
            },
            Stage::Digest => match self.turn.answer::<Recalculate>(client, &(), message) {
                None => return None,
                Some(node) => (Stage::Done(compare(self.checksum.digest(), node)), WriteEvent::Other),
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

    fn report(&self) -> WriteReport {
        let (blocks, result) = match self.stage {
            Stage::Done(result) => (self.bytes.div_ceil(u64::from(self.curve.block).max(1)), result),
            Stage::Block(block) => (u64::from(block), Err(Error::Unfinished)),
            Stage::Digest => (u64::from(self.curve.blocks), Err(Error::Unfinished)),
        };
        WriteReport { blocks: u32::try_from(blocks).unwrap_or(u32::MAX), bytes: self.bytes, result }
    }
}
