//! One upload request: the number of bytes that fit it, and its encoding.
//!
//! ```text
//!                                              ┌─────────────── first piece only ───────────────┐
//!       8       1    4 + h(off)   5 + h(n) + n   4 + h(len)   6 + h(image)   4 + 34     8 + 1
//!   ├────────┼─────┼────────────┼──────────────┼────────────┼──────────────┼────────┼───────────┤
//!     header   map     "off"         "data"        "len"        "image"      "sha"    "upgrade"
//!
//!   "image" in each piece unless it is 0.
//!
//!   Of a file: 5 + h(name) + name in each piece, "len" in the first one, none of the other keys.
//!
//!   h(v): 1 (v < 24), 2 (< 2^8), 3 (< 2^16), 5 (< 2^32), 9: the head of a CBOR number or string
//! ```

use super::Error;
use crate::cbor::{BufferFull, Writer};
use crate::shown::shown;
use crate::smp::Header;
use crate::source::Source;

/// The minimum number of bytes in the first piece: servers read the image header from it.
const FIRST: u64 = 32;

/// The smallest limit that is accepted: a first piece with only the required keys.
const MIN_LIMIT: usize = 62;

/// The keys of the first piece that describe the file.
#[derive(Clone, Copy, Default)]
pub(super) struct Keys {
    /// In bytes, so that the keys of an upload take 5 bytes less.
    pub(super) image: Option<[u8; 4]>,
    pub(super) sha: Option<[u8; 32]>,
    pub(super) upgrade: bool,
}

shown!(Keys, |keys| "Keys({:?}, sha: {}, upgrade: {})", keys.image(), keys.sha.is_some(), keys.upgrade);

impl Keys {
    pub(super) const fn image(&self) -> Option<u32> {
        match self.image {
            Some(image) => Some(u32::from_ne_bytes(image)),
            None => None,
        }
    }

    pub(super) const fn set_image(&mut self, image: u32) {
        self.image = Some(image.to_ne_bytes());
    }

    /// Returns the keys of an upload of all bytes; for an upload of only some of them `sha` is left
    /// out, which would not match.
    pub(super) fn of(&self, is_all: bool) -> What<'_> {
        let sha = self.sha.as_ref().filter(|_| is_all);
        What::Image(Borrowed { image: self.image(), sha, upgrade: self.upgrade })
    }
}

/// [`Keys`] with a borrowed hash: with copies of it, and a check after each write of a piece, an
/// upload takes 408 more bytes on a Cortex-M0.
#[derive(Clone, Copy, Default)]
pub(super) struct Borrowed<'n> {
    image: Option<u32>,
    sha: Option<&'n [u8; 32]>,
    upgrade: bool,
}

impl Borrowed<'_> {
    /// Leaves out `sha`, which only helps to resume; `None` if it is not there. Without `image` the
    /// data would go to another slot, and without `upgrade` an older image would be stored.
    const fn less(self) -> Option<Self> {
        match self {
            Self { sha: Some(_), .. } => Some(Self { sha: None, ..self }),
            _ => None,
        }
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

/// The part of a piece that is neither offset nor data.
#[derive(Clone, Copy)]
pub(super) enum What<'n> {
    /// An image: its keys, in the first piece.
    Image(Borrowed<'n>),
    /// A file: its name, in each piece.
    File(&'n str),
}

impl What<'_> {
    /// Returns the part for the piece at `off`. Each piece has the image number: boot loaders
    /// before MCUboot 1.11 assume image 0 for a piece without it, and write it over the running
    /// image.
    const fn at(self, off: u64) -> Self {
        match self {
            Self::Image(Borrowed { image, .. }) if off > 0 => {
                let image = if let Some(0) = image { None } else { image };
                Self::Image(Borrowed { image, sha: None, upgrade: false })
            }
            what => what,
        }
    }

    const fn less(self) -> Option<Self> {
        match self {
            Self::Image(keys) => match keys.less() {
                Some(keys) => Some(Self::Image(keys)),
                None => None,
            },
            Self::File(_) => None,
        }
    }

    fn count(&self) -> u64 {
        match self {
            Self::Image(keys) => keys.count(),
            Self::File(_) => 1,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Image(keys) => keys.size(),
            Self::File(name) => name.len().saturating_add(5 + head(name.len() as u64)),
        }
    }

    /// The smallest limit, and the fewest bytes of data at `off`.
    const fn least(&self, off: u64) -> (usize, u64) {
        match self {
            Self::Image(_) if off == 0 => (MIN_LIMIT, FIRST),
            Self::Image(_) => (MIN_LIMIT, 1),
            Self::File(_) => (0, 1),
        }
    }
}

/// One upload request.
#[derive(Clone, Copy)]
pub(super) struct Piece<'n> {
    off: u64,
    len: u16,
    /// Length of the whole file, in the first piece.
    total: Option<u64>,
    what: What<'n>,
}

impl<'n> Piece<'n> {
    /// The longest piece from `off` on that fits a message of `limit` bytes. At offset 0 it carries
    /// the keys with 32 bytes of data; `sha` is left out if there is no room for both.
    pub(super) fn fill(off: u64, total: u64, what: What<'n>, limit: usize) -> Result<Self, Error> {
        // A header cannot announce a longer payload.
        let limit = limit.min(Header::LEN + usize::from(u16::MAX));
        let (least, wanted) = what.least(off);
        if limit < least {
            return Err(Error::BufferFull);
        }
        let left = total.saturating_sub(off);
        let mut piece = Self { off, len: 0, total: (off == 0).then_some(total), what: what.at(off) };
        loop {
            let len = limit.checked_sub(piece.fixed()).filter(|room| *room > 0).map(data);
            let len =
                len.map(|len| u16::try_from(len).unwrap_or(u16::MAX).min(u16::try_from(left).unwrap_or(u16::MAX)));
            if let Some(len) = len.filter(|len| u64::from(*len) >= left.min(wanted)) {
                return Ok(piece.with_len(len));
            }
            piece.what = piece.what.less().ok_or(Error::BufferFull)?;
        }
    }

    /// Returns the same piece with `len` bytes, as it was sent before.
    pub(super) const fn with_len(self, len: u16) -> Self {
        Self { len, ..self }
    }

    /// Returns the piece up to its last multiple of `align`, a power of two, unless it is the last
    /// piece or contains no such multiple.
    pub(super) const fn aligned(self, align: u16, total: u64) -> Self {
        let beyond = low(self.off).wrapping_add(self.len) & align.wrapping_sub(1);
        if beyond < self.len && self.off.saturating_add(self.len as u64) < total {
            return self.with_len(self.len.wrapping_sub(beyond));
        }
        self
    }

    pub(super) const fn len(&self) -> u16 {
        self.len
    }

    /// The length of the request without the data and its head.
    fn fixed(&self) -> usize {
        let total = self.total.map_or(0, |total| 4 + head(total));
        self.what.size().saturating_add(Header::LEN + 1 + 4 + head(self.off) + 5 + total)
    }

    /// Writes the payload, with the data straight from the source.
    pub(super) fn write<S: Source>(&self, source: &mut S, writer: &mut Writer<'_>) -> Result<(), Error> {
        // The writer remembers a write that does not fit.
        let _ = writer.map(2 + u64::from(self.total.is_some()) + self.what.count());
        let keys = match self.what {
            What::Image(keys) => keys,
            What::File(name) => {
                let _ = writer.text("name");
                let _ = writer.text(name);
                Borrowed::default()
            }
        };
        if let Some(image) = keys.image {
            let _ = writer.text("image");
            let _ = writer.unsigned(image.into());
        }
        if let Some(total) = self.total {
            let _ = writer.text("len");
            let _ = writer.unsigned(total);
        }
        let _ = writer.text("off");
        let _ = writer.unsigned(self.off);
        if let Some(sha) = keys.sha {
            let _ = writer.text("sha");
            let _ = writer.bytes(sha);
        }
        let _ = writer.text("data");
        let _ = writer.bytes_head(self.len.into());
        source.read(self.off, writer.reserve(self.len.into())?)?;
        if keys.upgrade {
            let _ = writer.text("upgrade");
            let _ = writer.boolean(true);
        }
        if writer.is_full() { Err(Error::BufferFull) } else { Ok(()) }
    }
}

impl From<BufferFull> for Error {
    fn from(BufferFull: BufferFull) -> Self {
        Self::BufferFull
    }
}

/// The length of the head of a CBOR number, or of a string of that length.
const fn head(value: u64) -> usize {
    match value {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        0x1_0000..0x1_0000_0000 => 5,
        _ => 9,
    }
}

/// The longest string that fits `room` bytes together with its head. At 25 and at 258 one byte
/// stays unused, since one more byte of data would need a longer head.
const fn data(room: usize) -> usize {
    match room {
        0..=24 => room.saturating_sub(1),
        25..=257 => room - 2,
        _ => room - 3,
    }
}

pub(super) const fn low(off: u64) -> u16 {
    let [low, high, ..] = off.to_le_bytes();
    u16::from_le_bytes([low, high])
}
