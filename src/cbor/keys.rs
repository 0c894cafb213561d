//! The keys of a struct.

/// The keys that a struct knows, as they stand on the wire, one behind the other: `\x63off\x63len`.
///
/// A list of `&str` would take seven bytes more for each on a 32-bit target; and head and text are compared, or written, at
/// once.
#[derive(Clone, Copy)]
pub(crate) struct Keys(&'static [u8]);

impl Keys {
    /// How many there may be: what the head of a map counts in one byte, less one that may be put in front.
    pub(super) const MOST: usize = 22;
    /// The longest of them: its length stands in the first byte.
    const LONGEST: usize = 23;
    /// The first byte of an empty one.
    const HEAD: u8 = 0x60;

    pub(crate) const fn new(encoded: &'static [u8]) -> Self {
        Self(encoded)
    }

    /// How many bytes the keys take.
    pub(crate) const fn len(mut keys: &[&str]) -> usize {
        assert!(keys.len() <= Self::MOST, "a map with a head of one byte");
        let mut len = 0;
        while let [key, rest @ ..] = keys {
            assert!(key.len() <= Self::LONGEST, "keys with a head of one byte");
            len += 1 + key.len();
            keys = rest;
        }
        len
    }

    #[expect(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "runs in the compiler, which checks it"
    )]
    pub(crate) const fn encode<const N: usize>(mut keys: &[&str]) -> [u8; N] {
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

    /// Takes the first of them, with its head.
    pub(super) fn take(&mut self) -> Option<&'static [u8]> {
        let len = usize::from(self.0.first()? ^ Self::HEAD);
        let (key, rest) = self.0.split_at_checked(1 + len)?;
        self.0 = rest;
        Some(key)
    }

    /// The place of the key that it is; the number of keys if it is unknown. Leaves what stands behind it.
    #[inline(never)] // A call of its own: most keys come when they are expected.
    pub(super) fn find(&mut self, mut is: impl FnMut(&[u8]) -> bool) -> usize {
        let mut place = 0;
        while let Some([_head, key @ ..]) = self.take() {
            if is(key) {
                break;
            }
            place += 1;
        }
        place
    }
}

/// The keys of a struct, as [`Keys`].
macro_rules! keys {
    ($($key:literal),*) => {{
        const LIST: &[&str] = &[$($key),*];
        const ENCODED: [u8; $crate::cbor::Keys::len(LIST)] = $crate::cbor::Keys::encode(LIST);
        $crate::cbor::Keys::new(&ENCODED)
    }};
}
pub(crate) use keys;
