//! Unit tests of `src/mcuboot/trailer.rs`.

use super::super::*;

#[test]
fn offsets_are_those_of_mcuboot_for_every_alignment() {
    let offsets = |align| {
        let layout = Layout::new(align).unwrap();
        let fields = [Field::Magic, Field::ImageOk, Field::CopyDone, Field::SwapInfo(SwapType::Test), Field::SwapSize];
        fields.map(|field| layout.from_end(field))
    };
    assert_eq!(offsets(8), [16, 24, 32, 40, 48]);
    assert_eq!(offsets(16), [16, 32, 48, 64, 80]);
    assert_eq!(offsets(32), [16, 64, 96, 128, 160]);
    assert_eq!([0, 1, 4, 12, 24, 1024].map(Layout::new), [None; 6]);
    for align in [8, 16, 32, 64, 128, 256, 512] {
        for slot in [0x1_0000, 0x1_8000] {
            // MCUboot's own formula.
            let image_ok = (slot - 16 - align) / align * align;
            assert_eq!(
                offsets(align),
                [
                    16,
                    slot - image_ok,
                    slot - image_ok + align,
                    slot - image_ok + 2 * align,
                    slot - image_ok + 3 * align
                ]
            );
        }
    }
}

#[test]
fn magic_carries_the_alignment_unless_it_is_eight() {
    let magic = |align| Layout::new(align).unwrap().magic();
    assert_eq!(&magic(8)[..4], [0x77, 0xC2, 0x95, 0xF3]);
    assert_eq!(&magic(16)[..4], [0x10, 0x00, 0x2D, 0xE1]);
    assert_eq!(&magic(32)[..4], [0x20, 0x00, 0x2D, 0xE1]);
    assert_eq!(&magic(512)[..4], [0x00, 0x02, 0x2D, 0xE1]);
    let layout = Layout::new(16).unwrap();
    assert_eq!(layout.read_magic(&magic(16), 0xFF), Magic::Good);
    assert_eq!(layout.read_magic(&magic(8), 0xFF), Magic::Bad);
    assert_eq!(layout.read_magic(&[0xFF; 16], 0xFF), Magic::Unset);
    assert_eq!(layout.read_magic(&[0xFF; 16], 0x00), Magic::Bad);
    assert_eq!(layout.read_magic(&[0x00; 16], 0x00), Magic::Unset);
    assert_eq!(layout.read_magic(&[0xFF; 15], 0xFF), Magic::Bad);
}

#[test]
fn decision_table_of_the_swap_modes_is_followed_row_by_row() {
    let magics = [Magic::Good, Magic::Unset, Magic::Bad];
    let flags = [Flag::Set, Flag::Unset, Flag::Bad];
    let mut trailers = std::vec::Vec::new();
    for magic in magics {
        for image_ok in flags {
            for copy_done in flags {
                trailers.push(Trailer { magic, image_ok, copy_done, swap_info: None });
            }
        }
    }
    for primary in &trailers {
        for secondary in &trailers {
            let expected = if secondary.magic == Magic::Good && secondary.image_ok == Flag::Unset {
                SwapType::Test
            } else if secondary.magic == Magic::Good && secondary.image_ok == Flag::Set {
                SwapType::Permanent
            } else if primary.magic == Magic::Good && primary.image_ok == Flag::Unset && primary.copy_done == Flag::Set
            {
                SwapType::Revert
            } else {
                SwapType::None
            };
            assert_eq!(SwapType::decide(primary, secondary), expected);
            let swapped = (Magic::Good, Flag::Unset, Flag::Set);
            let is_extra = (secondary.magic, secondary.image_ok, secondary.copy_done) == swapped;
            let expected = if is_extra { SwapType::Revert } else { expected };
            assert_eq!(SwapType::decide_with_offset(primary, secondary), expected);
        }
    }
}
