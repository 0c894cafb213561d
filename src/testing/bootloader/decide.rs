//! The decision table.

use super::Mode;
use crate::mcuboot::trailer::{Flag, Magic, SwapType, Trailer};

/// Returns the action that two trailers ask for.
pub(super) fn decide(mode: Mode, primary: &Trailer, secondary: &Trailer) -> SwapType {
    // A swap with an offset marks the start of a revert in the secondary slot.
    let reverting = (secondary.magic, secondary.image_ok, secondary.copy_done) == (Magic::Good, Flag::Unset, Flag::Set);
    match mode {
        Mode::SwapOffset if reverting => SwapType::Revert,
        _ => SwapType::decide(primary, secondary),
    }
}
