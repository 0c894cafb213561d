//! Curves: bulk data, moved block by block (BSMP 2.30, sections 3.4.9, 3.4.11, 3.8).
//!
//! ```text
//!   list          08                            09 │ type │ block size (2) │ blocks (2), for each
//!                                                    curve; 0 blocks means 65,536
//!   checksum      0A │ id                       0B │ 16 bytes of MD5
//!   read block    40 │ id │ block (2)           41 │ id │ block (2) │ 0 to block size bytes
//!   write block   41 │ id │ block (2) │ data    E0      the checksum becomes 16 zeros
//!   recalculate   42 │ id                       0B │ 16 bytes of MD5
//! ```
//!
//! Offsets count blocks, not bytes. A block may hold fewer bytes than the block size: at the end of
//! the data, or anywhere if the device defines it so. Whole curves are moved by
//! [`routine::ReadCurve`](super::routine::ReadCurve) and
//! [`routine::WriteCurve`](super::routine::WriteCurve).
//!
//! MD5 detects damage; it does not prevent forgery.

mod checksum;
mod digest;

#[cfg(feature = "md5")]
pub use checksum::Md5;
pub use checksum::{Checksum, digest_of};
pub use digest::Digest;
pub(super) use digest::UNKNOWN;

use super::client::{Error, Request, done};
use super::list::{Entries, Entry};
use super::payload::put_values;
use super::{Command, Payload};
use crate::shown::shown;

/// The largest number of curves of a node.
pub const MAX_COUNT: usize = 128;
/// The largest block in bytes.
pub const MAX_BLOCK: u16 = 65_520;
/// The largest number of blocks.
pub const MAX_BLOCKS: u32 = 65_536;

/// The size of a curve, and its access: read-only or writable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "the caller fills it in")]
pub struct Curve {
    /// The block size: the maximum length of a block in bytes, 1 to 65,520.
    pub block: u16,
    /// The number of blocks, 1 to 65,536.
    pub blocks: u32,
    /// True if the master may write it.
    pub writable: bool,
}

impl Curve {
    /// The length of an entry in the list of curves, in bytes.
    pub const LEN: usize = 5;

    /// A curve of `blocks` blocks of up to `block` bytes that the master may only read.
    #[must_use]
    pub const fn read_only(block: u16, blocks: u32) -> Self {
        Self { block, blocks, writable: false }
    }

    /// A curve of `blocks` blocks of up to `block` bytes that the master may write.
    #[must_use]
    pub const fn writable(block: u16, blocks: u32) -> Self {
        Self { block, blocks, writable: true }
    }

    /// The maximum length of the whole curve in bytes, up to 4,095 MiB.
    #[must_use]
    pub const fn capacity(self) -> u64 {
        self.block as u64 * self.blocks as u64
    }

    /// The entry of the curve in the list.
    #[must_use]
    pub const fn emit(self) -> [u8; Self::LEN] {
        let [block_high, block_low] = self.block.to_be_bytes();
        let [_, _, blocks_high, blocks_low] = self.blocks.to_be_bytes();
        [self.writable as u8, block_high, block_low, blocks_high, blocks_low]
    }

    /// The curve of an entry in the list.
    #[must_use]
    pub const fn parse(entry: [u8; Self::LEN]) -> Self {
        let [kind, block_high, block_low, blocks_high, blocks_low] = entry;
        let blocks = match u16::from_be_bytes([blocks_high, blocks_low]) {
            0 => MAX_BLOCKS,
            blocks => blocks as u32,
        };
        Self { block: u16::from_be_bytes([block_high, block_low]), blocks, writable: kind != 0 }
    }
}

/// Asks for the sizes and types of all curves, in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct List;

impl Request for List {
    type Kind = Self;
    type Response<'m> = Curves<'m>;
    type Expectation = ();
    const COMMAND: Command = Command::LIST_CURVES;

    fn expectation(&self) {}

    fn decode<'m>((): &(), payload: &'m [u8]) -> Result<Curves<'m>, Error> {
        Entries::of(payload, (), MAX_COUNT)
    }
}

/// The curves of a node, at most 128.
pub type Curves<'m> = Entries<'m, Curve>;

impl Entry for Curve {
    type Context = ();

    fn width((): ()) -> usize {
        Self::LEN
    }

    fn split_first(bytes: &[u8], (): ()) -> Option<(Self, &[u8], ())> {
        let (first, rest) = bytes.split_first_chunk()?;
        Some((Self::parse(*first), rest, ()))
    }
}

fn digest(payload: &[u8]) -> Result<Digest, Error> {
    Digest::try_from(payload).ok().ok_or(Error::WrongSize)
}

/// Asks for the last calculated checksum of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct QueryChecksum {
    /// The id of the curve: its place in the node's list, from 0.
    pub id: u8,
}

impl Request for QueryChecksum {
    type Kind = Self;
    type Response<'m> = Digest;
    type Expectation = ();
    const COMMAND: Command = Command::QUERY_CHECKSUM;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        Ok(payload.put(&[self.id])?)
    }

    fn expectation(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<Digest, Error> {
        digest(payload)
    }
}

/// Asks the node to calculate the checksum of a curve now. May take long: the node reads the whole
/// curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct Recalculate {
    /// The id of the curve: its place in the node's list, from 0.
    pub id: u8,
}

impl Request for Recalculate {
    type Kind = Self;
    type Response<'m> = Digest;
    type Expectation = ();
    const COMMAND: Command = Command::RECALCULATE;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        Ok(payload.put(&[self.id])?)
    }

    fn expectation(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<Digest, Error> {
        digest(payload)
    }
}

/// Reads one block of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct ReadBlock {
    /// The id of the curve: its place in the node's list, from 0.
    pub id: u8,
    /// The number of the block, from 0.
    pub block: u16,
    /// The maximum number of bytes in the answer: the block size, or [`MAX_BLOCK`] if that is
    /// unknown.
    pub limit: u16,
}

impl Request for ReadBlock {
    type Kind = Self;
    type Response<'m> = &'m [u8];
    type Expectation = Self;
    const COMMAND: Command = Command::READ_BLOCK;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        payload.put(&[self.id])?;
        Ok(payload.put(&self.block.to_be_bytes())?)
    }

    fn expectation(&self) -> Self {
        *self
    }

    fn decode<'m>(expectation: &Self, payload: &'m [u8]) -> Result<&'m [u8], Error> {
        let Some((&[id, high, low], data)) = payload.split_first_chunk() else { return Err(Error::WrongSize) };
        if id != expectation.id || u16::from_be_bytes([high, low]) != expectation.block {
            Err(Error::WrongEcho)
        } else if data.len() > usize::from(expectation.limit) {
            Err(Error::WrongSize)
        } else {
            Ok(data)
        }
    }
}

/// Writes one block of a curve, all of it: the block then has as many bytes as `data`.
///
/// Not repeated after a timeout: the late answer to the first request could pass for the answer to
/// the next block.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct WriteBlock<'a> {
    /// The id of the curve: its place in the node's list, from 0.
    pub id: u8,
    /// The number of the block, from 0.
    pub block: u16,
    /// 1 to block size bytes. libbsmp refuses a block of 0 bytes.
    pub data: &'a [u8],
}

shown!(WriteBlock<'_>, |it| "WriteBlock {{ id: {}, block: {}, {} bytes }}", it.id, it.block, it.data.len());

impl Request for WriteBlock<'_> {
    type Kind = WriteBlock<'static>;
    type Response<'m> = ();
    type Expectation = ();
    const COMMAND: Command = Command::BLOCK;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        let [high, low] = self.block.to_be_bytes();
        put_values(payload, &[self.id, high, low], self.data, 1..=usize::from(MAX_BLOCK))
    }

    fn expectation(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<(), Error> {
        done(payload)
    }

    fn is_idempotent(&self) -> bool {
        false
    }
}
