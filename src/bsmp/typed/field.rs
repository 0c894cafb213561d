//! Types of values with a fixed number of bytes.

use crate::bytes::copy;
use crate::shown::shown;

/// A value of a fixed number of bytes.
///
/// Implemented for numbers, [`Be`], [`Chars`] and arrays; for structs by
/// [`fields!`](crate::bsmp::typed::fields).
pub trait Field: Copy + 'static {
    /// The number of bytes.
    const SIZE: usize;
    /// The value whose bytes are all zero.
    const ZERO: Self;

    /// Writes the bytes of the value. Returns `false`, without a useful result, if the length of
    /// `bytes` is not [`SIZE`](Self::SIZE).
    #[must_use = "`false` means that nothing was written"]
    fn emit(&self, bytes: &mut [u8]) -> bool;

    /// Reads a value from its bytes. `None` if the length of `bytes` is not [`SIZE`](Self::SIZE).
    #[must_use]
    fn parse(bytes: &[u8]) -> Option<Self>;
}

/// A number in big endian: the most significant byte first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a number with an order of its bytes")]
pub struct Be<T>(
    /// The number.
    pub T,
);

fn emit(from: &[u8], bytes: &mut [u8]) -> bool {
    let fits = from.len() == bytes.len();
    if fits {
        copy(from, bytes);
    }
    fits
}

macro_rules! numbers {
    ($($number:ty = $zero:literal),*) => {$(
        impl Field for $number {
            const SIZE: usize = size_of::<$number>();
            const ZERO: Self = $zero;

            fn emit(&self, bytes: &mut [u8]) -> bool {
                emit(&self.to_le_bytes(), bytes)
            }

            fn parse(bytes: &[u8]) -> Option<Self> {
                Some(Self::from_le_bytes(bytes.try_into().ok()?))
            }
        }

        impl Field for Be<$number> {
            const SIZE: usize = size_of::<$number>();
            const ZERO: Self = Self($zero);

            fn emit(&self, bytes: &mut [u8]) -> bool {
                emit(&self.0.to_be_bytes(), bytes)
            }

            fn parse(bytes: &[u8]) -> Option<Self> {
                Some(Self(<$number>::from_be_bytes(bytes.try_into().ok()?)))
            }
        }
    )*};
}

numbers!(u8 = 0, u16 = 0, u32 = 0, u64 = 0, i8 = 0, i16 = 0, i32 = 0, i64 = 0, f32 = 0.0, f64 = 0.0);

/// Nothing: the input of a function without one.
impl Field for () {
    const SIZE: usize = 0;
    const ZERO: Self = ();

    fn emit(&self, bytes: &mut [u8]) -> bool {
        bytes.is_empty()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        bytes.is_empty().then_some(())
    }
}

impl<T: Field, const N: usize> Field for [T; N] {
    const SIZE: usize = T::SIZE.saturating_mul(N);
    const ZERO: Self = [T::ZERO; N];

    fn emit(&self, bytes: &mut [u8]) -> bool {
        let mut rest = bytes;
        for value in self {
            let Some((bytes, others)) = rest.split_at_mut_checked(T::SIZE) else { return false };
            if !value.emit(bytes) {
                return false;
            }
            rest = others;
        }
        rest.is_empty()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (mut values, mut rest) = (Self::ZERO, bytes);
        for value in &mut values {
            let (bytes, others) = rest.split_at_checked(T::SIZE)?;
            *value = T::parse(bytes)?;
            rest = others;
        }
        rest.is_empty().then_some(values)
    }
}

/// Text of at most `N` bytes: a `char[N]` of C, which ends at its first zero. The bytes after that
/// zero are not part of the value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chars<const N: usize>([u8; N]);

shown!([const N: usize] Chars<N>, |it| "Chars({} bytes)", it.as_bytes().len());

impl<const N: usize> Chars<N> {
    /// The value of `text`; `None` if it is longer than `N` bytes or contains a zero.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let mut chars = Self([0; N]);
        copy(text.as_bytes(), chars.0.get_mut(..text.len())?);
        (!text.bytes().any(|byte| byte == 0)).then_some(chars)
    }

    /// The bytes before the first zero.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// The text; `None` if it is not UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        core::str::from_utf8(self.as_bytes()).ok()
    }
}

impl<const N: usize> Field for Chars<N> {
    const SIZE: usize = N;
    const ZERO: Self = Self([0; N]);

    fn emit(&self, bytes: &mut [u8]) -> bool {
        emit(&self.0, bytes)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut chars: [u8; N] = bytes.try_into().ok()?;
        // Cleared, so that equal texts compare equal.
        chars.iter_mut().skip_while(|byte| **byte != 0).for_each(|byte| *byte = 0);
        Some(Self(chars))
    }
}
