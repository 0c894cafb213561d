//! The next action of the boot loader for a pair, mode by mode.

use super::layout::{Pair, Slot};
use crate::mcuboot::trailer::{Flag, Magic, SwapType, Trailer};

/// Returns the action in the swap modes, where the marks decide.
pub(super) fn by_marks(pair: &Pair, _: bool) -> SwapType {
    let [running, spare] = trailers(pair);
    SwapType::decide(running, spare)
}

/// Returns the action in swap-offset mode, whose table has one more row.
pub(super) fn by_marks_with_offset(pair: &Pair, _: bool) -> SwapType {
    let [running, spare] = trailers(pair);
    SwapType::decide_with_offset(running, spare)
}

fn trailers(pair: &Pair) -> [&Trailer; 2] {
    [pair.running(), pair.running().other()].map(|slot| &pair.seen(slot).trailer)
}

/// Returns the action in the modes that start the newer image in place.
pub(super) fn newer(pair: &Pair, compare_build: bool) -> SwapType {
    if starts_instead(pair, compare_build) { SwapType::Permanent } else { SwapType::None }
}

/// Returns the action in place with revert: the newer image starts if it is marked, and only once
/// unless it is confirmed.
pub(super) fn newer_marked(pair: &Pair, compare_build: bool) -> SwapType {
    let [running, spare] = trailers(pair);
    let Trailer { magic, image_ok, copy_done, .. } = *spare;
    match (starts_instead(pair, compare_build), magic, image_ok, copy_done) {
        (true, Magic::Good, Flag::Set, _) => SwapType::Permanent,
        (true, Magic::Good, _, Flag::Unset | Flag::Bad) => SwapType::Test,
        // The boot loader erases an image that it started before, unless it is confirmed.
        _ if (running.magic, running.copy_done) == (Magic::Good, Flag::Set) && running.image_ok != Flag::Set => {
            SwapType::Revert
        }
        _ => SwapType::None,
    }
}

/// Returns true if the image of the spare slot comes before the running one where images start in
/// place: the higher version, then the lower slot.
pub(super) fn starts_instead(pair: &Pair, compare_build: bool) -> bool {
    let version = |slot| {
        let version = pair.seen(slot).image()?.0.version();
        Some(if compare_build { version } else { version.release() })
    };
    match (version(pair.running().other()), version(pair.running())) {
        (Some(spare), Some(running)) => spare > running || spare == running && pair.running() == Slot::Secondary,
        (spare, _) => spare.is_some(),
    }
}
