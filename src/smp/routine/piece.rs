//! How many bytes of the file fit one upload request, and the request.
//!
//! ```text
//!   8    1     4 + h(off)   5 + h(n) + n   first piece only: 4 + h(len)   6 + h(image)   4 + 34   8 + 1
//!   ├────┼─────┼────────────┼────────────┼──────────────────┼──────────────┼─────────────┼────────┼─────────┤
//!   header map  "off"        "data"                          "len"          "image"       "sha"    "upgrade"
//!
//!   h(v): 1 (v < 24), 2 (< 2^8), 3 (< 2^16), 5 (< 2^32), 9: the head of a CBOR number or string
//! ```

use super::{Error, Source};
use crate::cbor::{BufferFull, Writer};
use crate::smp::Header;

/// The fewest bytes that the first piece carries: servers look at the image header in it.
const FIRST: u64 = 32;

/// The smallest limit that is accepted: a first piece with nothing but what is required.
const MIN_LIMIT: usize = 62;

/// What the first piece may tell about the file.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Keys {
    pub(super) image: Option<u32>,
    pub(super) sha: Option<[u8; 32]>,
    pub(super) upgrade: bool,
}

impl Keys {
    /// Leaves the least important key out; `None` if there is none left.
    const fn less(self) -> Option<Self> {
        Some(match self {
            Self { sha: Some(_), .. } => Self { sha: None, ..self },
            Self { upgrade: true, .. } => Self { upgrade: false, ..self },
            Self { image: Some(_), .. } => Self { image: None, ..self },
            _ => return None,
        })
    }

    fn count(&self) -> u64 {
        u64::from(self.image.is_some()) + u64::from(self.sha.is_some()) + u64::from(self.upgrade)
    }

    fn size(&self) -> usize {
        let image = self.image.map_or(0, |image| 6 + head(image.into()));
        let sha = if self.sha.is_some() { 4 + 34 } else { 0 };
        let upgrade = if self.upgrade { 8 + 1 } else { 0 };
        image + sha + upgrade
    }
}

/// One upload request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    off: u64,
    len: u16,
    /// Length of the file and keys, with the first piece.
    file: Option<(u64, Keys)>,
}

impl Piece {
    /// The longest piece from `off` on that fits a message of `limit` bytes. At offset 0 it carries as many of the keys
    /// as leave room for 32 bytes of data.
    pub(super) fn fill(off: u64, total: u64, keys: Keys, limit: usize) -> Result<Self, Error> {
        let limit = limit.min(Header::LEN + usize::from(u16::MAX));
        if limit < MIN_LIMIT {
            return Err(Error::BufferFull);
        }
        let left = total.saturating_sub(off);
        let mut file = (off == 0).then_some((total, keys));
        let wanted = if off == 0 { left.min(FIRST) } else { left.min(1) };
        loop {
            let piece = Self { off, len: 0, file };
            let room = limit.saturating_sub(piece.fixed());
            let len = u16::try_from(data(room)).unwrap_or(u16::MAX).min(u16::try_from(left).unwrap_or(u16::MAX));
            if u64::from(len) >= wanted {
                return Ok(Self { len, ..piece });
            }
            let (_, keys) = file.ok_or(Error::BufferFull)?;
            file = Some((total, keys.less().ok_or(Error::BufferFull)?));
        }
    }

    /// The same piece with `len` bytes, as it was sent before.
    pub(super) const fn with_len(self, len: u16) -> Self {
        Self { len, ..self }
    }

    /// How many bytes of the file it carries.
    pub(super) const fn len(&self) -> u16 {
        self.len
    }

    /// Bytes of the request without the head of the data and the data.
    fn fixed(&self) -> usize {
        let file = self.file.map_or(0, |(total, keys)| 4 + head(total) + keys.size());
        Header::LEN + 1 + 4 + head(self.off) + 5 + file
    }

    /// Writes the payload, with the data straight from the source.
    pub(super) fn write<S: Source>(&self, source: &mut S, writer: &mut Writer<'_>) -> Result<(), Error> {
        let keys = match &self.file {
            Some((_, keys)) => *keys,
            None => Keys::default(),
        };
        writer.map(2 + u64::from(self.file.is_some()) + keys.count())?;
        if let Some(image) = keys.image {
            writer.text("image")?;
            writer.unsigned(image.into())?;
        }
        if let Some((total, _)) = self.file {
            writer.text("len")?;
            writer.unsigned(total)?;
        }
        writer.text("off")?;
        writer.unsigned(self.off)?;
        if let Some(sha) = &keys.sha {
            writer.text("sha")?;
            writer.bytes(sha)?;
        }
        writer.text("data")?;
        writer.bytes_head(self.len.into())?;
        source.read(self.off, writer.reserve(self.len.into())?)?;
        if keys.upgrade {
            writer.text("upgrade")?;
            writer.boolean(true)?;
        }
        Ok(())
    }
}

impl From<BufferFull> for Error {
    fn from(BufferFull: BufferFull) -> Self {
        Self::BufferFull
    }
}

/// Bytes of the head of a CBOR number, or of a string of that length.
const fn head(value: u64) -> usize {
    match value {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        0x1_0000..0x1_0000_0000 => 5,
        _ => 9,
    }
}

/// The longest string that fits `room` bytes together with its head. At 25 and at 258 one byte stays unused, since one
/// more byte of data would need a longer head.
const fn data(room: usize) -> usize {
    match room {
        0..=24 => room.saturating_sub(1),
        25..=257 => room - 2,
        _ => room - 3,
    }
}
