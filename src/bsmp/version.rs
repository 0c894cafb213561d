//! The version of the protocol.

/// The version of the protocol that a node speaks (BSMP 2.30, section 3.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "the fields of the format")]
pub struct Version {
    /// The version. Nodes of the same version are compatible.
    pub version: u8,
    /// The subversion. A larger subversion adds commands.
    pub subversion: u8,
    /// The revision, which identifies the implementation.
    pub revision: u8,
}

impl Version {
    /// The version that this crate's nodes speak: 2.30. The revision is 0, unless a node sets
    /// [another one](super::Table::with_revision).
    pub const V2_30: Self = Self { version: 2, subversion: 30, revision: 0 };

    /// Returns true if a master of this crate understands such a node: version 2, 2.00 or later.
    #[must_use]
    pub const fn is_supported(self) -> bool {
        self.version == 2
    }
}

impl core::fmt::Display for Version {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{:02}.{:03}", self.version, self.subversion, self.revision)
    }
}
