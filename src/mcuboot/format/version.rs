//! The version of an image, in its header and as text.
//!
//! ```text
//!   version    major [. minor [. revision [ + build | . build ]]]
//!   number     decimal, without leading zeros; up to 255, 255, 65535, 4294967295
//! ```
//!
//! `imgtool sign --version` accepts the form with `+`; the image lists of devices contain the form
//! with `.`. This crate has no other grammar.

/// The version of an image. Orders by major, minor, revision, build.
///
/// Displays as the image commands send it: `1.2.3`, or `1.2.3.4` if the build number is not 0.
/// Parses these, imgtool's `1.2.3+4`, and `1` or `1.2`, whose missing numbers are 0. Leading zeros
/// are not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "the four fields of the format")]
pub struct Version {
    /// The major version.
    pub major: u8,
    /// The minor version.
    pub minor: u8,
    /// The revision.
    pub revision: u16,
    /// The fourth number, which most comparisons leave out.
    pub build: u32,
}

impl Version {
    /// The longest text of a version, `255.255.65535.4294967295`.
    pub const MAX_TEXT_LEN: usize = 24;

    /// A version without a build number.
    #[must_use]
    pub const fn new(major: u8, minor: u8, revision: u16) -> Self {
        Self { major, minor, revision, build: 0 }
    }

    /// Returns the version without its build number, for comparisons that ignore it.
    #[must_use]
    pub const fn release(self) -> Self {
        Self { build: 0, ..self }
    }

    /// Reads a version from the bytes of a text, which may come in chunks; the grammar is that of
    /// [`str::parse`].
    ///
    /// # Errors
    ///
    /// The caller: [`InvalidVersion`] if the text is not a version.
    pub fn parse(text: impl IntoIterator<Item = u8>) -> Result<Self, InvalidVersion> {
        let mut numbers = [None::<u32>; 4];
        let mut at = 0_usize;
        for byte in text {
            let number = numbers.get_mut(at).ok_or(InvalidVersion)?;
            match (byte, *number) {
                // A leading zero: two texts of one version would compare as different.
                (b'0'..=b'9', Some(0)) => return Err(InvalidVersion),
                (b'0'..=b'9', _) => {
                    let tens = number.unwrap_or(0).checked_mul(10);
                    let sum = tens.and_then(|tens| tens.checked_add(u32::from(byte & 0x0F)));
                    *number = Some(sum.ok_or(InvalidVersion)?);
                }
                // `1+2` would leave out the middle numbers, which imgtool refuses.
                (b'.', Some(_)) => at = at.wrapping_add(1),
                (b'+', Some(_)) if at == 2 => at = 3,
                _ => return Err(InvalidVersion),
            }
        }
        // A separator must be followed by a number.
        numbers.get(at).copied().flatten().ok_or(InvalidVersion)?;
        let [major, minor, revision, build] = numbers.map(Option::unwrap_or_default);
        match (u8::try_from(major), u8::try_from(minor), u16::try_from(revision)) {
            (Ok(major), Ok(minor), Ok(revision)) => Ok(Self { major, minor, revision, build }),
            _ => Err(InvalidVersion),
        }
    }

    /// Reads the version field of a header.
    pub(crate) const fn from_bytes([major, minor, r0, r1, b0, b1, b2, b3]: [u8; 8]) -> Self {
        Self { major, minor, revision: u16::from_le_bytes([r0, r1]), build: u32::from_le_bytes([b0, b1, b2, b3]) }
    }

    /// Returns the version field of a header.
    pub(crate) const fn to_bytes(self) -> [u8; 8] {
        let [r0, r1] = self.revision.to_le_bytes();
        let [b0, b1, b2, b3] = self.build.to_le_bytes();
        [self.major, self.minor, r0, r1, b0, b1, b2, b3]
    }
}

impl core::fmt::Display for Version {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.revision)?;
        if self.build == 0 { Ok(()) } else { write!(f, ".{}", self.build) }
    }
}

impl core::str::FromStr for Version {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        Self::parse(text.bytes())
    }
}

/// The caller: a text is not a version. It must have one to four numbers that fit their fields,
/// without leading zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to add")]
pub struct InvalidVersion;

impl core::fmt::Display for InvalidVersion {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("not a version such as 1.2.3 or 1.2.3+4")
    }
}

impl core::error::Error for InvalidVersion {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn versions_read_and_display_as_the_image_commands_send_them() {
        for (text, version, shown) in [
            ("1.2.3", Version::new(1, 2, 3), "1.2.3"),
            ("1.2.3.4", Version { build: 4, ..Version::new(1, 2, 3) }, "1.2.3.4"),
            ("1.2.3+4", Version { build: 4, ..Version::new(1, 2, 3) }, "1.2.3.4"),
            ("1.2.3+0", Version::new(1, 2, 3), "1.2.3"),
            ("1.2", Version::new(1, 2, 0), "1.2.0"),
            ("0.0.0", Version::default(), "0.0.0"),
            ("7", Version::new(7, 0, 0), "7.0.0"),
            (
                "255.255.65535.4294967295",
                Version { build: u32::MAX, ..Version::new(255, 255, 65535) },
                "255.255.65535.4294967295",
            ),
        ] {
            assert_eq!(text.parse(), Ok(version));
            assert_eq!(version.to_string(), shown);
            assert!(shown.len() <= Version::MAX_TEXT_LEN);
        }
        for text in [
            "",
            ".",
            "1.",
            "256",
            "1.2.65536",
            "1.2.3.4.5",
            "1.2.3.4+5",
            "1+4",
            "1.2+4",
            "1.2.3-4",
            "01",
            "1.02",
            "0.0.0+00",
            "1..3",
            "<???>",
            "1.2.99999999999999999999",
            "1.-2",
            "1.+2",
            "v1",
            "1.2.3+",
            " 1",
            "1.2.3+4+5",
            "1.2.3+4.5",
            "1.2.3.4294967296",
            "1..2",
        ] {
            assert_eq!(text.parse::<Version>(), Err(InvalidVersion), "{text:?}");
        }
    }

    #[test]
    fn versions_order_by_major_minor_revision_build() {
        let ordered = ["0.0.0.9", "0.0.1", "0.1.0", "0.2.0", "1.0.0", "1.0.0.1", "1.0.256", "1.1.0"];
        let versions = ordered.map(|text| text.parse::<Version>().unwrap());
        assert!(versions.is_sorted());
        assert_eq!(versions[5].release(), versions[4]);
    }
}
