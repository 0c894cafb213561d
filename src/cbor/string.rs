//! Text and byte strings, in one piece or in chunks.

use core::fmt;

use crate::shown::shown;

use super::head::{self, length};

/// The content of a string, in one piece or in the chunks of an indefinite length.
///
/// Two strings are equal if their bytes are equal, however they are divided into chunks.
#[derive(Clone, Copy)]
pub struct Chunks<'b>(Form<'b>);

/// The encoding of the content.
#[derive(Clone, Copy)]
enum Form<'b> {
    /// One piece, as most senders encode it.
    Whole(&'b [u8]),
    /// Encoded chunks, with the head of the string in front of the first and the break after the
    /// last one. Every head has been checked.
    Chunked(&'b [u8]),
}

impl<'b> Chunks<'b> {
    pub(super) const fn whole(bytes: &'b [u8]) -> Self {
        Self(Form::Whole(bytes))
    }

    pub(super) const fn chunked(encoded: &'b [u8]) -> Self {
        Self(Form::Chunked(encoded))
    }

    /// Removes and returns the first piece that is not empty.
    // A host decodes faster if each loop over pieces has a copy; firmware has only one.
    #[cfg_attr(target_os = "none", inline(never))]
    fn piece(&mut self) -> Option<&'b [u8]> {
        let piece = match &mut self.0 {
            Form::Whole(bytes) => core::mem::take(bytes),
            Form::Chunked(encoded) => {
                // The head of the string has no length, and empty chunks are skipped. All were
                // checked when the string was read; what fails is the break.
                let mut len = 0;
                while len == 0 {
                    head::head(encoded, &mut len).ok()?;
                }
                head::take(encoded, length(len)).ok()?
            }
        };
        if piece.is_empty() { None } else { Some(piece) }
    }

    /// The pieces, in order; none of them is empty.
    #[must_use]
    pub const fn iter(self) -> Pieces<'b> {
        Pieces(self)
    }

    /// Returns all bytes if they are in one piece.
    #[must_use]
    pub fn contiguous(self) -> Option<&'b [u8]> {
        let mut pieces = self.iter();
        let first = pieces.next().unwrap_or_default();
        if pieces.next().is_none() { Some(first) } else { None }
    }

    /// Returns the length in bytes, of all pieces together.
    #[must_use]
    pub fn len(self) -> usize {
        self.iter().map(<[u8]>::len).fold(0, usize::saturating_add)
    }

    /// Returns true if there are no bytes.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }

    /// Copies all bytes to the front of `to` and returns them; `None` if they do not fit.
    #[must_use]
    pub fn copy_to(self, to: &mut [u8]) -> Option<&mut [u8]> {
        let len = self.len();
        let to = to.get_mut(..len)?;
        to.iter_mut().zip(self.iter().flatten()).for_each(|(to, from)| *to = *from);
        Some(to)
    }

    pub(super) fn equals(mut self, mut other: &[u8]) -> bool {
        if cfg!(target_pointer_width = "64")
            && let Form::Whole(bytes) = self.0
        {
            // A single comparison of slices is faster than a loop over one piece.
            return bytes == other;
        }
        // Piece by piece, since a piece may end anywhere in the other bytes.
        while let Some(piece) = self.piece() {
            match other.strip_prefix(piece) {
                Some(rest) => other = rest,
                None => return false,
            }
        }
        other.is_empty()
    }
}

/// An iterator over the pieces of [`Chunks`].
#[derive(Clone)]
pub struct Pieces<'b>(Chunks<'b>);

shown!(Pieces<'_>, |it| "Pieces({} bytes)", it.0.len());

impl<'b> Iterator for Pieces<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        self.0.piece()
    }
}

impl<'b> IntoIterator for Chunks<'b> {
    type Item = &'b [u8];
    type IntoIter = Pieces<'b>;

    fn into_iter(self) -> Pieces<'b> {
        self.iter()
    }
}

impl<'b> IntoIterator for &Chunks<'b> {
    type Item = &'b [u8];
    type IntoIter = Pieces<'b>;

    fn into_iter(self) -> Pieces<'b> {
        self.iter()
    }
}

impl PartialEq for Chunks<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().flatten().eq(other.iter().flatten())
    }
}

impl Eq for Chunks<'_> {}

/// Prints the length only: a payload may hold a secret.
impl fmt::Debug for Chunks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunks({} bytes)", self.len())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Chunks<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Chunks({=usize} bytes)", self.len());
    }
}

/// Returns true if `bytes` are UTF-8. `core::str::from_utf8` has a table and a fast path, and takes
/// five times the flash.
fn is_utf8(bytes: &[u8]) -> bool {
    // The number of bytes that the character still needs, and the range of the next one.
    let (mut more, mut low, mut high) = (0_u8, 0x80, 0xBF);
    for byte in bytes {
        if more > 0 {
            if *byte < low || *byte > high {
                return false;
            }
            (more, low, high) = (more - 1, 0x80, 0xBF);
        } else if *byte >= 0x80 {
            more = 1 + u8::from(*byte >= 0xE0) + u8::from(*byte >= 0xF0);
            match byte {
                0xE0 => low = 0xA0,  // overlong below this
                0xED => high = 0x9F, // surrogates above this
                0xF0 => low = 0x90,  // overlong below this
                0xF4 => high = 0x8F, // past U+10FFFF above this
                0xC2..=0xF4 => {}
                _ => return false,
            }
        }
    }
    more == 0
}

/// Text from a payload. It need not be UTF-8: `Display` and `Debug` print replacement characters
/// for other bytes.
///
/// `Debug` prints the text, since most of it is a name, a version or an echo. A type whose text may
/// be a secret prints a length instead: a setting, the line and the output of a shell, a token.
/// Your own types must do the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<'b>(pub(super) Chunks<'b>);

impl<'b> Text<'b> {
    /// Returns the text if it is in one piece and UTF-8.
    #[must_use]
    pub fn as_str(self) -> Option<&'b str> {
        self.0.contiguous().and_then(|bytes| core::str::from_utf8(bytes).ok())
    }

    /// Returns true if the text is UTF-8, as RFC 8949 requires. No chunk may end within a
    /// character.
    ///
    /// Check this before a received text is sent back: it is written unchanged.
    #[must_use]
    pub fn is_utf8(self) -> bool {
        self.0.iter().all(is_utf8)
    }

    /// Returns the bytes, in one piece or in chunks.
    #[must_use]
    pub const fn as_bytes(self) -> Chunks<'b> {
        self.0
    }

    /// Makes text from bytes that may not be UTF-8.
    #[must_use]
    pub const fn from_bytes(bytes: &'b [u8]) -> Self {
        Self(Chunks::whole(bytes))
    }

    /// Returns the length in bytes, of all pieces together.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// Returns true for empty text.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl<'b> From<&'b str> for Text<'b> {
    fn from(text: &'b str) -> Self {
        Self(Chunks::whole(text.as_bytes()))
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0.equals(other.as_bytes())
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0.equals(other.as_bytes())
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.iter().flat_map(<[u8]>::utf8_chunks) {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_str("\u{FFFD}")?;
            }
        }
        Ok(())
    }
}

/// Prints the text as a literal, escaped.
impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for chunk in self.0.iter().flat_map(<[u8]>::utf8_chunks) {
            write!(f, "{}", chunk.valid().escape_debug())?;
            if !chunk.invalid().is_empty() {
                f.write_str("\u{FFFD}")?;
            }
        }
        f.write_str("\"")
    }
}

/// A byte string from a payload.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Bytes<'b>(pub(super) Chunks<'b>);

impl<'b> Bytes<'b> {
    /// Returns the bytes if they are in one piece.
    #[must_use]
    pub fn as_slice(self) -> Option<&'b [u8]> {
        self.0.contiguous()
    }

    /// Returns the bytes, in one piece or in chunks.
    #[must_use]
    pub const fn chunks(self) -> Chunks<'b> {
        self.0
    }

    /// Returns the length in bytes, of all pieces together.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// Returns true if there are no bytes.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl<'b> From<&'b [u8]> for Bytes<'b> {
    fn from(bytes: &'b [u8]) -> Self {
        Self(Chunks::whole(bytes))
    }
}

impl PartialEq<[u8]> for Bytes<'_> {
    fn eq(&self, other: &[u8]) -> bool {
        self.0.equals(other)
    }
}

impl PartialEq<&[u8]> for Bytes<'_> {
    fn eq(&self, other: &&[u8]) -> bool {
        self.0.equals(other)
    }
}

/// Prints the length only: a payload may hold a secret.
impl fmt::Debug for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({} bytes)", self.0.len())
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Text<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self.as_str() {
            Some(text) => defmt::write!(f, "{=str:?}", text),
            None => defmt::write!(f, "Text({=usize} bytes)", self.0.len()),
        }
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Bytes<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Bytes({=usize} bytes)", self.0.len());
    }
}
