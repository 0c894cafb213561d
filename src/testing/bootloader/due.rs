//! The step that is due for an image at a reset.

use crate::mcuboot::trailer::SwapType;

/// The step that an image is due for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// The image of the secondary slot: test, permanent or revert.
    Swap(SwapType),
    /// The image that a trailer asks for is damaged.
    Failed,
    /// A trailer has an unknown reason, at which MCUboot stops.
    Unknown,
}

impl Due {
    /// Reads the reason of a swap from the trailer.
    pub(super) const fn of(swap_info: Option<u8>) -> Self {
        match swap_info {
            None => Self::Nothing,
            Some(byte) => match byte & 0x0F {
                1 => Self::Nothing,
                2 => Self::Swap(SwapType::Test),
                3 => Self::Swap(SwapType::Permanent),
                4 => Self::Swap(SwapType::Revert),
                5 => Self::Failed,
                _ => Self::Unknown,
            },
        }
    }

    pub(super) const fn from(kind: SwapType) -> Self {
        match kind {
            SwapType::None => Self::Nothing,
            kind => Self::Swap(kind),
        }
    }
}
