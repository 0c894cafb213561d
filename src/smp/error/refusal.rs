//! The type of a refusal.

use crate::smp::Group;

/// The refusal of a request by a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "the two forms of the specification")]
pub enum Error {
    /// We or the peer, as the code shows: SMP itself refused, or a group of a version 1 server.
    Smp(i32),
    /// We or the peer, as the code shows: a group refused, with a code from its own table.
    Group {
        /// The group whose table has the code, usually that of the request.
        group: Group,
        /// The code, in the table of its group.
        rc: u16,
    },
}

const _: () = assert!(size_of::<Error>() <= 8);

impl Error {
    pub(super) const fn of(group: Option<Group>, rc: u16) -> Self {
        match group {
            Some(group) => Self::Group { group, rc },
            None => Self::Smp(rc as i32),
        }
    }

    /// Returns the code, as it is in the table of its group.
    #[cfg(feature = "dfu")]
    #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "the codes of tables fit")]
    pub(in crate::smp) const fn code(self) -> u16 {
        match self {
            Self::Smp(rc) => rc as u16,
            Self::Group { rc, .. } => rc,
        }
    }
}
