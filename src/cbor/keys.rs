//! The key names of a struct, in wire format.

use crate::shown::shown;

/// The keys of a struct, encoded one after the other as on the wire: `\x63off\x63len`. Made by
/// [`keys!`](super::keys).
///
/// A list of `&str` would take seven more bytes per key on a 32-bit target, and a key is compared
/// or written together with its head.
#[derive(Clone, Copy)]
pub struct Keys(&'static [u8], #[cfg(target_pointer_width = "64")] &'static [Front]);

shown!(Keys, |keys| "Keys({} bytes)", keys.0.len());

/// The first bytes of a key, as many as fit a register of a host.
#[doc(hidden)] // For `keys!`.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(
    all(not(target_pointer_width = "64"), not(feature = "defmt")),
    expect(dead_code, reason = "firmware, in which flash counts, goes without")
)]
pub struct Front {
    /// The first bytes, the first one lowest.
    bytes: u64,
    /// The bits of `bytes` that belong to the key.
    mask: u64,
    /// The last bytes, of a longer key.
    last: u64,
    len: u8,
}

#[cfg(target_pointer_width = "64")]
impl Front {
    /// Returns the input after the key at index `place`; `None` if another key is at the front of
    /// `input`, or this one not encoded in the usual way, or if `input` is shorter than a register.
    #[inline(always)]
    pub(super) fn expected<'b>(fronts: &[Self], place: usize, input: &'b [u8]) -> Option<&'b [u8]> {
        let bytes = u64::from_le_bytes(*input.first_chunk()?);
        let front = fronts.get(place)?;
        if (bytes ^ front.bytes) & front.mask == 0 { front.behind(input) } else { None }
    }

    /// Returns the index of the first key whose first bytes are at the front of `input`;
    /// `usize::MAX` if there is none.
    #[inline(always)]
    pub(super) fn find(fronts: &[Self], input: &[u8]) -> usize {
        let Some(bytes) = input.first_chunk() else { return usize::MAX };
        place_of(fronts, u64::from_le_bytes(*bytes))
    }

    /// Returns the input after this key, whose first bytes are there; `None` if the key is another
    /// one, or too long to be compared here.
    #[inline(always)]
    pub(super) fn behind<'b>(&self, input: &'b [u8]) -> Option<&'b [u8]> {
        let (key, rest) = input.split_at_checked(usize::from(self.len))?;
        // The caller has compared the first 8 bytes; with the last 8, keys of up to 16 are certain.
        if self.len > 8 && (self.len > 16 || key.last_chunk().is_none_or(|last| u64::from_le_bytes(*last) != self.last))
        {
            return None;
        }
        Some(rest)
    }
}

#[cfg(target_pointer_width = "64")]
#[inline(always)]
fn place_of(fronts: &[Front], bytes: u64) -> usize {
    fronts.iter().position(|front| (bytes ^ front.bytes) & front.mask == 0).unwrap_or(usize::MAX)
}

impl Keys {
    /// The largest number of keys in a struct: the one-byte head of a map counts up to 23, and one
    /// key may be put in front.
    pub(super) const MOST: usize = 22;
    /// The longest key in bytes: its length is part of the first byte.
    const LONGEST: usize = 23;
    /// The first byte of an empty key.
    const HEAD: u8 = 0x60;

    #[doc(hidden)] // Only for `keys!`, which checks the keys in the compiler.
    #[must_use]
    pub const fn new(encoded: &'static [u8], fronts: &'static [Front]) -> Self {
        let _ = fronts;
        Self(
            encoded,
            #[cfg(target_pointer_width = "64")]
            fronts,
        )
    }

    // For `keys!`, at compile time: it panics if there are too many keys or one is too long.
    #[doc(hidden)]
    #[must_use]
    pub const fn len_of(mut keys: &[&str]) -> usize {
        assert!(keys.len() <= Self::MOST, "a map with a head of one byte");
        let mut len = 0;
        while let [key, rest @ ..] = keys {
            assert!(key.len() <= Self::LONGEST, "keys with a head of one byte");
            len += 1 + key.len();
            keys = rest;
        }
        len
    }

    /// Encodes the keys; `N` is their [`len`](Self::len).
    #[expect(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "runs in the compiler, which checks it"
    )]
    #[doc(hidden)] // For `keys!`, in the compiler: it panics if `N` is not the length of the keys.
    #[must_use]
    pub const fn encode<const N: usize>(mut keys: &[&str]) -> [u8; N] {
        let (mut encoded, mut at) = ([0; N], 0);
        while let [key, rest @ ..] = keys {
            encoded[at] = Self::HEAD | key.len() as u8;
            at += 1;
            let mut bytes = key.as_bytes();
            while let [byte, rest @ ..] = bytes {
                encoded[at] = *byte;
                at += 1;
                bytes = rest;
            }
            keys = rest;
        }
        encoded
    }

    /// Returns true if one of the keys is also one of a refusal.
    #[doc(hidden)] // For `payload!`, at compile time.
    #[must_use]
    pub const fn has_refusal(mut keys: &[&str]) -> bool {
        while let [key, rest @ ..] = keys {
            if let b"rc" | b"err" | b"ret" = key.as_bytes() {
                return true;
            }
            keys = rest;
        }
        false
    }

    /// The fronts of `N` keys, by which a host finds most of them.
    #[expect(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "runs in the compiler, which checks it"
    )]
    #[doc(hidden)] // For `keys!`, in the compiler: it panics if `N` is not the number of keys.
    #[must_use]
    pub const fn fronts<const N: usize>(encoded: &[u8]) -> [Front; N] {
        let mut fronts = [Front { bytes: 0, mask: 0, last: 0, len: 0 }; N];
        let (mut at, mut place) = (0, 0);
        while place < N {
            let len = 1 + (encoded[at] ^ Self::HEAD) as usize;
            let (mut front, mut byte) = (Front { bytes: 0, mask: 0, last: 0, len: len as u8 }, 0);
            while byte < len {
                if byte < size_of::<u64>() {
                    front.bytes |= (encoded[at + byte] as u64) << (8 * byte);
                    front.mask |= 0xFF << (8 * byte);
                }
                front.last = front.last >> 8 | (encoded[at + byte] as u64) << 56;
                byte += 1;
            }
            fronts[place] = front;
            (at, place) = (at + len, place + 1);
        }
        fronts
    }

    #[cfg(target_pointer_width = "64")]
    pub(super) const fn all(self) -> &'static [Front] {
        self.1
    }

    /// Removes the first key and returns it, with its head.
    pub(super) fn take(&mut self) -> Option<&'static [u8]> {
        // The head is 0x60 plus the length, which `encode` has checked to be below 24.
        let len = usize::from(self.0.first()? ^ Self::HEAD);
        let (key, rest) = self.0.split_at_checked(1 + len)?;
        self.0 = rest;
        Some(key)
    }

    /// Removes the first key. Returns `true` and the input after the key if `input` begins with it,
    /// else `false` and the whole input.
    #[cfg(any(not(target_pointer_width = "64"), test))]
    #[inline(always)]
    pub(super) fn take_from<'b>(&mut self, input: &'b [u8]) -> Option<(bool, &'b [u8])> {
        let key = self.take()?;
        // Most keys differ in the head, which contains the length.
        if input.first() != key.first() {
            return Some((false, input));
        }
        Some(match input.strip_prefix(key) {
            Some(rest) => (true, rest),
            None => (false, input),
        })
    }

    /// Returns the index of the first key for which `is` returns true, `usize::MAX` if there is
    /// none. Not the number of keys: a caller may have given a place at that index.
    // Not inlined: the slow path, since most keys come in the order of the struct.
    #[inline(never)]
    pub(super) fn find(mut self, is: impl Fn(&[u8]) -> bool) -> usize {
        let mut place = 0;
        // The head contains only the length, and slices of different lengths differ anyway.
        while let Some([_head, key @ ..]) = self.take() {
            if is(key) {
                return place;
            }
            place += 1;
        }
        usize::MAX
    }
}

/// Makes the [`Keys`] of a struct: at most 22, of at most 23 bytes each.
///
/// ```
/// use anysmp::cbor::{Item, Reader, keys};
///
/// let mut values = [Item::Null; 2];
/// Reader::new(b"\xa1\x63off\x18\x2a").fields(keys!["off", "len"], true, &mut values)?;
/// assert!(matches!(values, [Item::Unsigned(42), Item::Null]));
/// # Ok::<(), anysmp::cbor::Malformed>(())
/// ```
#[doc(hidden)] // At the crate's root, where `macro_export` puts it; documented as `cbor::keys!`.
#[macro_export]
macro_rules! __cbor_keys {
    ($($key:literal),* $(,)?) => {{
        const LIST: &[&str] = &[$($key),*];
        const ENCODED: [u8; $crate::cbor::Keys::len_of(LIST)] = $crate::cbor::Keys::encode(LIST);
        const FRONTS: [$crate::cbor::Front; LIST.len()] = $crate::cbor::Keys::fronts(&ENCODED);
        $crate::cbor::Keys::new(&ENCODED, &FRONTS)
    }};
}
