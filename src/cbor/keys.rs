//! The key names of a struct, in wire format.

/// The key names of a struct as encoded text, one after the other: `\x63off\x63len`. A list of
/// `&str` takes seven bytes more for each key on a 32-bit target. In this form, head and text are
/// compared, or written, in one step.
#[derive(Clone, Copy)]
pub(crate) struct Keys(&'static [u8]);

impl Keys {
    /// The maximum number of keys: the head of a map counts 23 in one byte, one of which a server
    /// may add.
    pub(super) const MOST: usize = 22;
    /// The maximum length of a key: the first byte of text holds up to 23.
    const LONGEST: usize = 23;
    /// The first byte of an empty text.
    const HEAD: u8 = 0x60;

    /// Keys that are encoded already, by [`encode`](Self::encode).
    pub(crate) const fn new(encoded: &'static [u8]) -> Self {
        Self(encoded)
    }

    /// Returns the encoded length of the keys.
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

    /// Encodes the keys; `N` is their [`len`](Self::len).
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

    /// Removes the first key and returns it with its head.
    pub(super) fn take(&mut self) -> Option<&'static [u8]> {
        // The head is 0x60 plus the length, which `encode` has checked to be below 24.
        let len = usize::from(self.0.first()? ^ Self::HEAD);
        let (key, rest) = self.0.split_at_checked(1 + len)?;
        self.0 = rest;
        Some(key)
    }

    /// Returns the index of the first key for which `is` returns true, else the number of keys. The
    /// keys after it remain.
    // Not inlined: keys usually arrive in the order of the struct, so this is the slow path.
    #[inline(never)]
    pub(super) fn find(&mut self, mut is: impl FnMut(&[u8]) -> bool) -> usize {
        let mut place = 0;
        // The head has the length only, which the comparison of the contents includes.
        while let Some([_head, key @ ..]) = self.take() {
            if is(key) {
                break;
            }
            place += 1;
        }
        place
    }
}

/// Makes the [`Keys`] of a struct.
macro_rules! keys {
    ($($key:literal),*) => {{
        const LIST: &[&str] = &[$($key),*];
        const ENCODED: [u8; $crate::cbor::Keys::len(LIST)] = $crate::cbor::Keys::encode(LIST);
        $crate::cbor::Keys::new(&ENCODED)
    }};
}
pub(crate) use keys;
