//! Numbers as the bytes of curves.

use super::field::Field;
use crate::bytes;
use crate::shown::shown;
use crate::source::{Source, SourceFailed};

/// Numbers as the bytes of a curve: a source for [`WriteCurve`](crate::bsmp::routine::WriteCurve).
///
/// ```
/// use anysmp::bsmp::curve::{Curve, Md5};
/// use anysmp::bsmp::{routine::WriteCurve, typed::Elements};
///
/// let wave: [f32; 4] = [0.0, 1.0, 0.0, -1.0];
/// let write = WriteCurve::new(0, Curve::writable(1024, 4), Elements(&wave), Md5::default());
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the caller wraps a slice in it")]
pub struct Elements<'a, T>(
    /// The numbers, in their order.
    pub &'a [T],
);

shown!([T] Elements<'_, T>, |it| "Elements({})", it.0.len());

/// The largest size of an element in bytes.
const MAX_ELEMENT: usize = 8;

impl<T: Field> Elements<'_, T> {
    /// The size of an element in bytes, as a number of the source's offsets.
    const SIZE: u64 = {
        assert!(T::SIZE >= 1 && T::SIZE <= MAX_ELEMENT, "an element has 1 to 8 bytes");
        T::SIZE as u64
    };
}

impl<T: Field> Source for Elements<'_, T> {
    fn len(&self) -> u64 {
        (self.0.len() as u64).saturating_mul(Self::SIZE)
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), SourceFailed> {
        // Without `/` and `%`, because the compiler does not see that the size is not zero.
        let first = offset.checked_div(Self::SIZE).and_then(|first| usize::try_from(first).ok()).ok_or(SourceFailed)?;
        let within = offset.checked_rem(Self::SIZE).and_then(|rest| usize::try_from(rest).ok()).ok_or(SourceFailed)?;
        let mut elements = self.0.get(first..).ok_or(SourceFailed)?.iter();
        let (mut rest, mut skip) = (into, within);
        while !rest.is_empty() {
            let mut element = [0; MAX_ELEMENT];
            let bytes = element.get_mut(..T::SIZE).ok_or(SourceFailed)?;
            if !elements.next().ok_or(SourceFailed)?.emit(bytes) {
                return Err(SourceFailed);
            }
            let bytes = bytes.get(skip..).unwrap_or_default();
            let len = bytes.len().min(rest.len());
            let (to, others) = rest.split_at_mut_checked(len).ok_or(SourceFailed)?;
            bytes::copy(bytes, to);
            (rest, skip) = (others, 0);
        }
        Ok(())
    }
}

/// The numbers in the bytes of a curve. `None` if the last one is cut off.
///
/// ```
/// let numbers = anysmp::bsmp::typed::elements::<f32>(&[0, 0, 0x80, 0x3F, 0, 0, 0, 0x40]).unwrap();
/// assert!(numbers.eq([1.0, 2.0]));
/// ```
#[must_use]
pub fn elements<T: Field>(data: &[u8]) -> Option<impl Iterator<Item = T>> {
    let is_whole = data.len().checked_rem(T::SIZE) == Some(0);
    let mut rest = data;
    is_whole.then(|| {
        core::iter::from_fn(move || {
            let (element, others) = rest.split_at_checked(T::SIZE)?;
            rest = others;
            T::parse(element)
        })
    })
}
