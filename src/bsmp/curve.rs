//! Curves: bulk data, moved block by block (BSMP 2.30, sections 3.4.9, 3.4.11, 3.8).
//!
//! ```text
//!   list          08                                      09 │ type │ block size (2) │ blocks (2, 0 stands for 65,536), for each curve
//!   checksum      0A │ id                                 0B │ 16 bytes of MD5
//!   read block    40 │ id │ block (2)                     41 │ id │ block (2) │ 0 to block size bytes
//!   write block   41 │ id │ block (2) │ data              E0      the checksum becomes 16 zeros
//!   recalculate   42 │ id                                 0B │ 16 bytes of MD5
//! ```
//!
//! Offsets count blocks, not bytes. A block may hold fewer bytes than the block size: at the end of the data, or anywhere if
//! the device says so. Whole curves are moved by [`routine::ReadCurve`](super::routine::ReadCurve) and
//! [`routine::WriteCurve`](super::routine::WriteCurve).
//!
//! MD5 finds damage; it does not stop anyone who wants to forge a curve.

use super::client::{Error, Request, done};
use super::{Command, Entities, Payload, Refusal};
#[cfg(feature = "md5")]
use crate::{bytes::copy, shown::shown};

/// The largest number of curves of a node.
pub const MAX_COUNT: usize = 128;
/// The largest block in bytes.
pub const MAX_BLOCK: u16 = 65_520;
/// The largest number of blocks.
pub const MAX_BLOCKS: u32 = 65_536;

/// The MD5 of all bytes of a curve; zeros if nobody has calculated it since the last write.
pub type Digest = [u8; 16];

/// The digest of a curve whose checksum is not known.
pub const UNKNOWN: Digest = [0; 16];

/// What a curve is: how large, and whether it can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Curve {
    /// The most bytes of a block, 1 to 65,520.
    pub block: u16,
    /// How many blocks, 1 to 65,536.
    pub blocks: u32,
    /// Whether the master may write it.
    pub writable: bool,
}

impl Curve {
    /// Bytes of an entry in the list of curves.
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

    /// The most bytes of the whole curve, up to 4,095 MiB.
    #[must_use]
    pub const fn capacity(self) -> u64 {
        self.block as u64 * self.blocks as u64
    }

    /// Its entry in the list of curves.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct List;

impl Request for List {
    type Response<'m> = Curves<'m>;
    type Expect = ();
    const COMMAND: Command = Command::LIST_CURVES;
    const ANSWER: Command = Command::CURVES;

    fn expect(&self) {}

    fn decode<'m>((): &(), payload: &'m [u8]) -> Result<Curves<'m>, Error> {
        if !payload.len().is_multiple_of(Curve::LEN) {
            Err(Error::WrongSize)
        } else if payload.len() > MAX_COUNT * Curve::LEN {
            Err(Error::TooMany)
        } else {
            Ok(Curves(payload))
        }
    }
}

/// The curves of a node, by ascending id from 0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Curves<'m>(&'m [u8]);

impl Curves<'_> {
    /// How many, at most 128.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len() / Curve::LEN
    }

    /// Whether the node has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Iterator for Curves<'_> {
    type Item = Curve;

    fn next(&mut self) -> Option<Curve> {
        let (entry, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(Curve::parse(*entry))
    }
}

impl core::fmt::Debug for Curves<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Curves<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Curves({=usize})", self.len());
    }
}

fn digest(payload: &[u8]) -> Result<Digest, Error> {
    Digest::try_from(payload).ok().ok_or(Error::WrongSize)
}

/// Asks for the checksum of a curve as it was calculated last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct QueryChecksum {
    /// Which curve.
    pub id: u8,
}

impl Request for QueryChecksum {
    type Response<'m> = Digest;
    type Expect = ();
    const COMMAND: Command = Command::QUERY_CHECKSUM;
    const ANSWER: Command = Command::CHECKSUM;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        Ok(payload.put(&[self.id])?)
    }

    fn expect(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<Digest, Error> {
        digest(payload)
    }
}

/// Asks the node to calculate the checksum of a curve now. May take long: the node reads the whole curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Recalculate {
    /// Which curve.
    pub id: u8,
}

impl Request for Recalculate {
    type Response<'m> = Digest;
    type Expect = ();
    const COMMAND: Command = Command::RECALCULATE;
    const ANSWER: Command = Command::CHECKSUM;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        Ok(payload.put(&[self.id])?)
    }

    fn expect(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<Digest, Error> {
        digest(payload)
    }
}

/// Reads one block of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ReadBlock {
    /// Which curve.
    pub id: u8,
    /// Which block of it.
    pub block: u16,
    /// The most bytes that the answer may bring: the block size, or [`MAX_BLOCK`] if it is not known.
    pub limit: u16,
}

impl Request for ReadBlock {
    type Response<'m> = &'m [u8];
    type Expect = Self;
    const COMMAND: Command = Command::READ_BLOCK;
    const ANSWER: Command = Command::BLOCK;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        payload.put(&[self.id])?;
        Ok(payload.put(&self.block.to_be_bytes())?)
    }

    fn expect(&self) -> Self {
        *self
    }

    fn decode<'m>(expect: &Self, payload: &'m [u8]) -> Result<&'m [u8], Error> {
        let Some((&[id, high, low], data)) = payload.split_first_chunk() else { return Err(Error::WrongSize) };
        if id != expect.id || u16::from_be_bytes([high, low]) != expect.block {
            Err(Error::WrongEcho)
        } else if data.len() > usize::from(expect.limit) {
            Err(Error::WrongSize)
        } else {
            Ok(data)
        }
    }
}

/// Writes one block of a curve, all of it: the block then has as many bytes as `data`.
///
/// Not repeated after a time-out, since the late answer to the first could be taken for that to the next block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WriteBlock<'a> {
    /// Which curve.
    pub id: u8,
    /// Which block of it.
    pub block: u16,
    /// 1 to block size bytes. libbsmp refuses a block of 0 bytes.
    pub data: &'a [u8],
}

impl Request for WriteBlock<'_> {
    type Response<'m> = ();
    type Expect = ();
    const COMMAND: Command = Command::BLOCK;
    const ANSWER: Command = Command::OK;

    fn encode(&self, payload: &mut Payload<'_>) -> Result<(), Error> {
        if self.data.is_empty() || self.data.len() > usize::from(MAX_BLOCK) {
            return Err(Error::Argument);
        }
        payload.put(&[self.id])?;
        payload.put(&self.block.to_be_bytes())?;
        Ok(payload.put(self.data)?)
    }

    fn expect(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<(), Error> {
        done(payload)
    }

    fn is_idempotent(&self) -> bool {
        false
    }
}

impl core::fmt::Debug for WriteBlock<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "WriteBlock {{ id: {}, block: {}, {} bytes }}", self.id, self.block, self.data.len())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for WriteBlock<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "WriteBlock {{ id: {=u8}, block: {=u16}, {=usize} bytes }}",
            self.id,
            self.block,
            self.data.len()
        );
    }
}

/// Calculates the checksum of a curve while its blocks pass by.
///
/// `()` calculates nothing, for a master that does not verify; `Md5` (feature `md5`) is the real one.
pub trait Checksum {
    /// Continues over `data`.
    fn update(&mut self, data: &[u8]);

    /// The checksum of everything so far; `None` if nothing was calculated.
    fn digest(&self) -> Option<Digest>;
}

impl Checksum for () {
    fn update(&mut self, _: &[u8]) {}

    fn digest(&self) -> Option<Digest> {
        None
    }
}

/// A running MD5. 88 bytes of RAM.
///
/// The `md-5` crate does the calculation, and this type the blocks: the crate's own buffer keeps, at `opt-level = "z"`, the code
/// of a panic that nothing reaches.
#[cfg(feature = "md5")]
#[derive(Clone)]
pub struct Md5 {
    state: [u32; 4],
    /// The block that is not full yet.
    block: [u8; 64],
    /// Bytes so far. Wraps, as RFC 1321 says.
    length: u64,
}

#[cfg(feature = "md5")]
shown!(Md5, |md5| "Md5({} bytes)", md5.length);

#[cfg(feature = "md5")]
impl Default for Md5 {
    fn default() -> Self {
        Self { state: [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476], block: [0; 64], length: 0 }
    }
}

#[cfg(feature = "md5")]
impl Checksum for Md5 {
    fn update(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let at = usize::try_from(self.length % 64).unwrap_or(0);
            let room = self.block.get_mut(at..).unwrap_or_default();
            let (now, later) = data.split_at_checked(room.len()).unwrap_or((data, &[]));
            let full = now.len() == room.len();
            copy(now, room);
            self.length = self.length.wrapping_add(now.len() as u64);
            if full {
                md5::block_api::compress(&mut self.state, core::slice::from_ref(&self.block));
            }
            data = later;
        }
    }

    /// Pads a copy: 80, zeros up to the last 8 bytes of a block, the length in bits.
    fn digest(&self) -> Option<Digest> {
        let mut end = self.clone();
        end.update(&[0x80]);
        while end.length % 64 != 56 {
            end.update(&[0]);
        }
        end.update(&self.length.wrapping_mul(8).to_le_bytes());
        let mut digest = [0; 16];
        for (to, word) in digest.chunks_exact_mut(4).zip(end.state) {
            copy(&word.to_le_bytes(), to);
        }
        Some(digest)
    }
}

/// Calculates the checksum of a node's own curve: what a device calls from [`Entities::digest`].
///
/// Reads every block once, in order, into `scratch`, which holds at least one block. Blocks that are shorter than the
/// block size count with the bytes that they have.
///
/// # Errors
///
/// [`Refusal::Memory`] if `scratch` is too small, or what [`Entities::read_block`] says.
pub fn digest_of<E: Entities + ?Sized, C: Checksum>(
    entities: &mut E,
    id: u8,
    curve: Curve,
    scratch: &mut [u8],
    mut checksum: C,
) -> Result<Digest, Refusal> {
    let scratch = scratch.get_mut(..usize::from(curve.block)).ok_or(Refusal::Memory)?;
    for block in 0..=u16::MAX {
        if u32::from(block) >= curve.blocks {
            break;
        }
        let length = entities.read_block(id, block, scratch)?;
        checksum.update(scratch.get(..length).ok_or(Refusal::Busy)?);
    }
    checksum.digest().ok_or(Refusal::Unsupported)
}
