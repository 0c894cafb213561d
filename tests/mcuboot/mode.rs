//! The boot modes: their layouts, their largest images, and the cases that are refused by name.

use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::slots::{
    BootMode, Command, Config, ConfigError, Error, Geometry, Outcome, Pair, Region, Slot, Slots, Uploaded, scratch_len,
};
use anysmp::mcuboot::trailer::{Field, Flag, Layout, SwapType};
use anysmp::mcuboot::{Version, shared_data::SharedData};
use anysmp::testing::RamNor;
use anysmp::testing::bootloader::{Boot, Bootloader};
use serde_json::Value;

use crate::device::{
    Board, NEW, Nor, OLD, chunk, flash_file, hash, image, list, run, send, set_state, sha, states, upload,
};

/// The configuration of a recorded geometry, and its slots.
fn recorded(entry: &Value) -> (Config, Pair) {
    let number = |key: &str| u32::try_from(entry[key].as_u64().unwrap()).unwrap();
    let (slot0, slot1, erase, sectors) = (number("slot0"), number("slot1"), number("erase"), number("max_sectors"));
    let geometry = Geometry::new(1, number("write"), erase, slot0 + slot1);
    let config = match entry["mode"].as_str().unwrap() {
        "swap-move" => Config::swap_move(geometry, sectors),
        "swap-scratch" => Config::swap_scratch(geometry, sectors),
        "swap-offset" => Config::swap_offset(geometry, sectors),
        "overwrite" => Config::overwrite_only(geometry),
        "direct-xip" => Config::direct_xip(geometry),
        "direct-xip-revert" => Config::direct_xip_revert(geometry),
        mode => panic!("{mode}"),
    };
    let pair = Pair::new(Region::new(0, slot0), Region::new(slot0, slot1));
    (Config { align: number("align"), ..config }, pair)
}

#[test]
fn mcuboot_boots_the_largest_image_of_each_mode_in_2000_of_2000_entries_of_max_image_json() {
    let entries = include_str!("../vectors/mcuboot/max-image.json");
    let entries: Vec<Value> = serde_json::from_str(entries).unwrap();
    let mut agree = 0;
    for entry in &entries {
        let (config, pair) = recorded(entry);
        let mut pairs = [pair];
        let mut scratch = vec![0; scratch_len(1, 512)];
        let max = match Slots::new(config, &mut pairs, &mut scratch, Sha256::new()) {
            Ok(slots) => slots.info().next().map(|info| u64::from(info.max_image_size)),
            Err(error) => {
                assert_eq!(error, ConfigError::Incompatible, "{entry}");
                None
            }
        };
        assert_eq!(max, entry["max"].as_u64(), "{entry}");
        agree += 1;
    }
    assert_eq!((agree, entries.len()), (2000, 2000));
}

#[test]
fn largest_image_is_never_above_what_the_boot_loader_itself_says() {
    let geometry = Geometry::new(1, 4, 4096, 0x20_0000);
    let (one, two) = (Region::new(0, 0x8_0000), Region::new(0x8_0000, 0x8_0000));
    let max = |limit: Option<u32>| {
        let pair = Pair::new(one, two);
        let mut pairs = [limit.map_or(pair, |limit| Pair::new(one, two).with_max_image(limit))];
        let mut scratch = [0; scratch_len(1, 4)];
        let config = Config::swap_move(geometry, 128);
        let slots = Slots::new(config, &mut pairs, &mut scratch, Sha256::new()).unwrap();
        slots.info().map(|info| info.max_image_size).collect::<Vec<_>>()
    };
    // The first row of the table of findings: 96 sectors of 4 KiB are 8,144 bytes less than the
    // slot without its trailer.
    assert_eq!(max(None), [0x8_0000 - 8192; 2]);
    assert_eq!(max(Some(u32::MAX)), max(None));
    let shared = [0x16, 0x20, 12, 0, 0x05, 0x20, 4, 0, 0x00, 0x00, 0x07, 0x00];
    let limit = SharedData::parse(&shared).and_then(|data| data.max_application_size(0));
    assert_eq!(max(limit), [0x7_0000; 2]);
}

#[test]
fn keys_of_encrypted_images_make_the_trailer_longer() {
    let geometry = Geometry::new(1, 32, 256, 0x1_0000);
    let max = |mode: fn(Geometry, u32) -> Config, key_len| {
        let mut pairs = [Pair::new(Region::new(0, 0x8000), Region::new(0x8000, 0x8000))];
        let mut scratch = [0; scratch_len(1, 32)];
        let config = Config { key_len, ..mode(geometry, 128) };
        let slots = Slots::new(config, &mut pairs, &mut scratch, Sha256::new());
        slots.unwrap().info().next().unwrap().max_image_size
    };
    // Trailer: 128 sectors x 3 states x 32 bytes, five fields of 32, and two keys of 32, in whole
    // sectors where the slot is swapped by whole sectors.
    assert_eq!(max(Config::swap_move, 0), 0x8000 - 256 - (12288 + 256));
    assert_eq!(max(Config::swap_move, 16), max(Config::swap_move, 32));
    assert_eq!(max(Config::swap_move, 64), 0x8000 - 256 - (12288 + 512));
    assert_eq!(max(Config::swap_offset, 16), 0x8000 - 256 - (8192 + 256));
    assert!(max(Config::swap_scratch, 16) < max(Config::swap_scratch, 0));
}

#[test]
fn slots_that_the_boot_loader_never_swaps_are_refused_by_name() {
    let geometry = Geometry::new(1, 8, 1024, 0x10_0000);
    let new = |config, one, two, running| {
        let mut pairs = [Pair::new(Region::new(0, one), Region::new(one, two)).with_running(running)];
        Slots::new(config, &mut pairs, &mut [0; scratch_len(1, 8)], Sha256::new()).err()
    };
    let pages = |pages: u32| pages * 1024;
    let incompatible = Some(ConfigError::Incompatible);
    // Longer slots by one page, by several, and more pages than the boot loader was built for.
    for (config, larger_primary, larger_secondary) in [
        (Config::swap_move(geometry, 64), None, incompatible),
        (Config::swap_offset(geometry, 64), incompatible, None),
        (Config::swap_scratch(geometry, 64), incompatible, incompatible),
        (Config::overwrite_only(geometry), incompatible, incompatible),
        (Config::direct_xip(geometry), None, None),
        (Config::ram_load_revert(geometry), None, None),
    ] {
        assert_eq!(new(config, pages(40), pages(40), Slot::Primary), None, "{config:?}");
        assert_eq!(new(config, pages(41), pages(40), Slot::Primary), larger_primary, "{config:?}");
        assert_eq!(new(config, pages(40), pages(41), Slot::Primary), larger_secondary, "{config:?}");
        let is_any = matches!(config.mode.kind(), BootMode::DirectXip | BootMode::RamLoadRevert);
        assert_eq!(new(config, pages(48), pages(40), Slot::Primary).is_none(), is_any, "{config:?}");
        let in_place = new(config, pages(40), pages(40), Slot::Secondary);
        assert_eq!(in_place, (!is_any).then_some(ConfigError::Running), "{config:?}");
    }
    for config in [Config::swap_move, Config::swap_offset, Config::swap_scratch] {
        assert_eq!(new(config(geometry, 39), pages(40), pages(40), Slot::Primary), incompatible);
        // The status of a swap takes all of the slot.
        assert_eq!(new(config(geometry, u32::MAX), pages(40), pages(40), Slot::Primary), incompatible);
    }
    // The updater runs from the secondary slot, and a single slot belongs to a recovery loader.
    assert_eq!(new(Config::firmware_updater(geometry), pages(40), pages(20), Slot::Secondary), None);
    assert_eq!(
        new(Config::firmware_updater(geometry), pages(40), pages(20), Slot::Primary),
        Some(ConfigError::Running)
    );
    assert_eq!(new(Config::single_slot(geometry), pages(40), pages(40), Slot::Secondary), Some(ConfigError::Mode));
    let mut pairs = [Pair::new(Region::new(0, 0x8000), Region::new(0x8000, 0x8000))];
    let mut scratch = [0; scratch_len(1, 8)];
    let slots = Slots::recovery(Config::swap_move(geometry, 64), &mut pairs, &mut scratch, Sha256::new());
    assert_eq!(slots.err(), Some(ConfigError::Mode));
    let mut pairs = [Pair::single(Region::new(0, 0x8000))];
    let slots = Slots::new(Config::direct_xip(geometry), &mut pairs, &mut scratch, Sha256::new());
    assert_eq!(slots.err(), Some(ConfigError::Region));
}

/// A flash of three areas of 16 KiB, the last one for checkpoints, with `OLD` in slot 0.
fn board(test: impl FnOnce(&mut Nor<'_>, &Board, Geometry)) {
    let board = Board::new(0x4000, 0x400);
    let mut memory = vec![0; board.len()];
    let mut flash = RamNor::new(&mut memory).blank();
    flash_file(&mut flash, board.primary, &image(OLD, 4000, 1));
    let geometry = anysmp::mcuboot::flash::geometry(&flash);
    test(&mut flash, &board, geometry);
}

/// Starts a device, as `start` of the other tests, from this slot.
fn start<T>(config: Config, board: &Board, running: Slot, test: impl FnOnce(&mut Slots<'_, Sha256>) -> T) -> T {
    let mut pairs = [Pair::new(board.primary, board.secondary).with_running(running)];
    let mut scratch = vec![0xA5; scratch_len(512, 512)];
    test(&mut Slots::new(config, &mut pairs, &mut scratch, Sha256::new()).unwrap())
}

/// What the boot loader of this mode starts.
fn boots(flash: &mut Nor<'_>, board: &Board, config: Config) -> Boot {
    let slots = [board.primary, board.secondary];
    let loader = Bootloader::new(config.mode.kind(), Layout::new(8).unwrap(), [8, 1024], slots).with_max_sectors(16);
    let mut memory = flash.memory().to_vec();
    loader.boot(flash, &mut Sha256::new(), &mut memory).unwrap()
}

#[test]
fn largest_image_of_each_mode_with_marks_is_found_again_marked_and_started() {
    for (config, boot) in [
        (Config::swap_move as fn(Geometry, u32) -> Config, Boot::Swapped(SwapType::Test)),
        (Config::swap_offset, Boot::Swapped(SwapType::Test)),
        (|geometry, _| Config::overwrite_only(geometry), Boot::Swapped(SwapType::Test)),
        (|geometry, _| Config::direct_xip_revert(geometry), Boot::Started(Slot::Secondary)),
    ] {
        board(|flash, board, geometry| {
            let config = config(geometry, 16);
            start(config, board, Slot::Primary, |device| {
                let file = image(NEW, device.info().next().unwrap().max_image_size as usize, 3);
                let done = Ok(Uploaded { off: file.len() as u64, matched: Some(true) });
                assert_eq!(upload(device, flash, &file, Some(&sha(&file)), 700), done, "{config:?}");
                assert_eq!(send(device, flash, chunk(&file, Some(&sha(&file)), 0, 100)), done, "{config:?}");
                assert_eq!(set_state(device, flash, Some(&hash(&file)), false), Ok(()), "{config:?}");
            });
            assert_eq!(boots(flash, board, config), boot, "{config:?}");
        });
    }
}

/// Writes flag bytes into the trailer of a slot.
fn flags(flash: &mut Nor<'_>, slot: Region, fields: &[Field]) {
    let layout = Layout::new(8).unwrap();
    for field in fields {
        let at = (slot.start + slot.len - layout.from_end(*field)) as usize;
        let memory = flash.memory_mut();
        match field {
            Field::Magic => memory[at..at + 16].copy_from_slice(&layout.magic()),
            _ => memory[at] = Flag::SET,
        }
    }
}

#[test]
fn swap_offset_uploads_one_page_late_and_finds_the_old_image_at_the_start_after_the_swap() {
    board(|flash, board, geometry| {
        let file = image(NEW, 5000, 2);
        let (sha, hash_of) = (sha(&file), hash(&file));
        let config = Config { checkpoint: Some(board.log), ..Config::swap_offset(geometry, 16) };
        let done = Ok(Uploaded { off: 5000, matched: Some(true) });
        let secondary = board.secondary.start as usize;
        start(config, board, Slot::Primary, |device| {
            // The first part only: it goes on after a restart.
            for off in (0..3000).step_by(500) {
                send(device, flash, chunk(&file, Some(&sha), off, 500)).unwrap();
            }
        });
        start(config, board, Slot::Primary, |device| {
            assert_eq!(send(device, flash, chunk(&file, Some(&sha), 0, 100)).unwrap().off, 2048);
            assert_eq!(upload(device, flash, &file, Some(&sha), 333), done);
            assert_eq!(list(device, flash), ["0 1.0.0 BCA", "1 2.0.0 B"]);
        });
        assert!(flash.memory()[secondary..secondary + 1024].iter().all(|byte| *byte == 0xFF));
        assert_eq!(&flash.memory()[secondary + 1024..][..5000], file);
        let writes = flash.counters().writes;
        start(Config { checkpoint: None, ..config }, board, Slot::Primary, |device| {
            assert_eq!(send(device, flash, chunk(&file, Some(&sha), 0, 100)), done);
            assert_eq!(flash.counters().writes, writes);
            assert_eq!(set_state(device, flash, Some(&hash_of), false), Ok(()));
            assert_eq!(states(device), ["0 1.0.0 BCA", "1 2.0.0 BP"]);
        });
        // The swap, as MCUboot does it: the new image at the start of slot 0, on trial, the old
        // one at the start of slot 1.
        let old = image(OLD, 4000, 1);
        flash.memory_mut()[..2 * board.primary.len as usize].fill(0xFF);
        flash_file(flash, board.primary, &file);
        flash_file(flash, board.secondary, &old);
        flags(flash, board.primary, &[Field::Magic, Field::CopyDone]);
        let trial = flash.memory().to_vec();
        start(config, board, Slot::Primary, |device| {
            assert_eq!(list(device, flash), ["0 2.0.0 BA", "1 1.0.0 BC"]);
            let other = image(Version::new(3, 0, 0), 900, 4);
            assert_eq!(send(device, flash, chunk(&other, None, 0, 100)), Err(Error::NoFreeSlot));
            // The image to go back to is confirmed already.
            assert_eq!(set_state(device, flash, Some(&hash(&old)), true), Ok(()));
            assert_eq!(flash.memory(), trial);
            assert_eq!(set_state(device, flash, None, true), Ok(()));
            assert_eq!(states(device), ["0 2.0.0 BCA", "1 1.0.0 B"]);
            // The boot loader would look for it one page late: a mark would be lost.
            assert_eq!(set_state(device, flash, Some(&hash(&old)), false), Err(Error::NoImage));
            assert_eq!(upload(device, flash, &old, None, 500), Ok(Uploaded { off: 4000, matched: None }));
            assert_eq!(list(device, flash), ["0 2.0.0 BCA", "1 1.0.0 B"]);
            assert_eq!(set_state(device, flash, Some(&hash(&old)), false), Ok(()));
            assert_eq!(run(device, flash, Command::Erase { slot: Some(1) }), Ok(Outcome::Erased));
            assert!(flash.memory()[secondary..2 * secondary].iter().all(|byte| *byte == 0xFF));
        });
        // The row that only swap-offset has: what was swapped there is the one to go back to.
        flash.memory_mut().copy_from_slice(&trial);
        flash.memory_mut()[..secondary][secondary - 32..].fill(0xFF);
        flags(flash, board.secondary, &[Field::Magic, Field::CopyDone]);
        start(config, board, Slot::Primary, |device| {
            assert_eq!(list(device, flash), ["0 2.0.0 BA", "1 1.0.0 BC"]);
        });
    });
}

#[test]
fn swap_offset_lets_no_image_be_larger_than_the_slot_without_its_first_page() {
    board(|flash, board, geometry| {
        let config = Config::swap_offset(geometry, 16);
        start(config, board, Slot::Primary, |device| {
            // 16 pages, less one for the offset and one for the trailer.
            let max = device.info().next().unwrap().max_image_size as usize;
            assert_eq!(max, 14 * 1024);
            let file = image(NEW, max, 3);
            let done = Ok(Uploaded { off: max as u64, matched: Some(true) });
            assert_eq!(upload(device, flash, &file, Some(&sha(&file)), 700), done);
            assert_eq!(set_state(device, flash, Some(&hash(&file)), false), Ok(()));
            let longer = image(NEW, max + 1, 3);
            assert_eq!(send(device, flash, chunk(&longer, None, 0, 100)), Err(Error::TooLarge));
        });
    });
}

/// What MCUboot does in place with revert, by its public source: of the images by version, the
/// first that is marked, and that it did not start before unless it is confirmed. The others on
/// the way there are erased.
fn boot_in_place(flash: &mut Nor<'_>, board: &Board, running: [Version; 2]) -> Option<Slot> {
    let layout = Layout::new(8).unwrap();
    let mut order = [(running[0], Slot::Primary), (running[1], Slot::Secondary)];
    if running[1] > running[0] {
        order.swap(0, 1);
    }
    for (_, slot) in order {
        let region = if slot == Slot::Primary { board.primary } else { board.secondary };
        let memory = &mut flash.memory_mut()[region.start as usize..][..region.len as usize];
        if memory[..4] != [0x3D, 0xB8, 0xF3, 0x96] {
            continue;
        }
        let at = |field| region.len as usize - layout.from_end(field) as usize;
        let is_marked = memory[at(Field::Magic)..][..16] == layout.magic();
        if !is_marked || memory[at(Field::CopyDone)] == 1 && memory[at(Field::ImageOk)] != 1 {
            memory.fill(0xFF);
            continue;
        }
        memory[at(Field::CopyDone)] = 1;
        return Some(slot);
    }
    None
}

#[test]
fn in_place_with_revert_a_marked_newer_image_is_tried_once_and_kept_if_confirmed() {
    for mode in [Config::direct_xip_revert, Config::ram_load_revert] {
        board(|flash, board, geometry| {
            let config = mode(geometry);
            flags(flash, board.primary, &[Field::Magic, Field::ImageOk, Field::CopyDone]);
            let file = image(NEW, 5000, 2);
            start(config, board, Slot::Primary, |device| {
                upload(device, flash, &file, Some(&sha(&file)), 500).unwrap();
                // Not marked: the boot loader would erase it.
                assert_eq!(list(device, flash), ["0 1.0.0 BCA", "1 2.0.0 B"]);
                assert_eq!(set_state(device, flash, Some(&hash(&file)), false), Ok(()));
                assert_eq!(states(device), ["0 1.0.0 BCA", "1 2.0.0 BP"]);
            });
            let marked = flash.memory().to_vec();
            assert_eq!(boot_in_place(flash, board, [OLD, NEW]), Some(Slot::Secondary));
            let trial = flash.memory().to_vec();
            start(config, board, Slot::Secondary, |device| {
                assert_eq!(list(device, flash), ["0 1.0.0 BC", "1 2.0.0 BA"]);
                let other = image(Version::new(3, 0, 0), 900, 4);
                assert_eq!(send(device, flash, chunk(&other, None, 0, 100)), Err(Error::NoFreeSlot));
            });
            // Not confirmed: it is gone.
            assert_eq!(boot_in_place(flash, board, [OLD, NEW]), Some(Slot::Primary));
            start(config, board, Slot::Primary, |device| assert_eq!(list(device, flash), ["0 1.0.0 BCA"]));
            // Confirmed: it stays, and the running slot has one flag more.
            flash.memory_mut().copy_from_slice(&trial);
            start(config, board, Slot::Secondary, |device| {
                assert_eq!(set_state(device, flash, None, true), Ok(()));
                assert_eq!(states(device), ["0 1.0.0 B", "1 2.0.0 BCA"]);
                // The older image would never be started instead.
                let older = hash(&flash.memory()[..4000]);
                assert_eq!(set_state(device, flash, Some(&older), false), Err(Error::NotNewer));
            });
            let confirmed = flash.memory().to_vec();
            let changed: Vec<_> = (0..trial.len()).filter(|at| confirmed[*at] != trial[*at]).collect();
            assert_eq!(changed, [2 * board.primary.len as usize - 24]);
            assert_eq!(boot_in_place(flash, board, [OLD, NEW]), Some(Slot::Secondary));
            // A permanent mark.
            flash.memory_mut().copy_from_slice(&marked);
            start(config, board, Slot::Primary, |device| {
                assert_eq!(run(device, flash, Command::Erase { slot: None }), Ok(Outcome::Erased));
                upload(device, flash, &file, Some(&sha(&file)), 500).unwrap();
                assert_eq!(set_state(device, flash, Some(&hash(&file)), true), Ok(()));
                assert_eq!(states(device), ["0 1.0.0 BCA", "1 2.0.0 BPM"]);
            });
            for _ in 0..3 {
                assert_eq!(boot_in_place(flash, board, [OLD, NEW]), Some(Slot::Secondary));
            }
        });
    }
}

#[test]
fn encrypted_image_that_was_loaded_to_ram_is_confirmed_and_one_that_was_swapped_is_checked() {
    board(|flash, board, geometry| {
        // The hash is that of the plain image, which is nowhere in flash.
        let mut file = image(NEW, 5000, 2);
        file[16] |= 0x04;
        file[1000] ^= 1;
        let config = Config { encrypted: true, ..Config::ram_load_revert(geometry) };
        flags(flash, board.primary, &[Field::Magic, Field::ImageOk, Field::CopyDone]);
        start(config, board, Slot::Primary, |device| {
            upload(device, flash, &file, Some(&sha(&file)), 500).unwrap();
            assert_eq!(set_state(device, flash, Some(&hash(&file)), false), Ok(()));
        });
        assert_eq!(boot_in_place(flash, board, [OLD, NEW]), Some(Slot::Secondary));
        start(config, board, Slot::Secondary, |device| {
            assert_eq!(set_state(device, flash, None, true), Ok(()));
            assert_eq!(states(device), ["0 1.0.0 B", "1 2.0.0 BCA"]);
        });
        assert_eq!(boot_in_place(flash, board, [OLD, NEW]), Some(Slot::Secondary));
    });
    board(|flash, board, geometry| {
        let mut file = image(NEW, 5000, 2);
        file[16] |= 0x04;
        file[1000] ^= 1;
        flash_file(flash, board.primary, &file);
        flags(flash, board.primary, &[Field::Magic, Field::CopyDone]);
        // It was decrypted on its way to slot 0, so it has to have its hash there.
        let config = Config { encrypted: true, ..Config::overwrite_only(geometry) };
        start(config, board, Slot::Primary, |device| {
            assert_eq!(set_state(device, flash, None, true), Err(Error::NoImage));
        });
    });
}

#[test]
fn in_place_the_build_number_counts_everywhere_or_nowhere() {
    for mode in [Config::direct_xip, Config::ram_load] {
        for compare_build in [false, true] {
            board(|flash, board, geometry| {
                let config = Config { compare_build, ..mode(geometry) };
                let file = image("1.0.0.7".parse().unwrap(), 2000, 3);
                start(config, board, Slot::Primary, |device| {
                    let first = anysmp::mcuboot::slots::Chunk { upgrade: true, ..chunk(&file, None, 0, 100) };
                    assert_eq!(send(device, flash, first).is_ok(), compare_build);
                    upload(device, flash, &file, None, 500).unwrap();
                    let next = if compare_build { "1 1.0.0.7 BPM" } else { "1 1.0.0.7 B" };
                    assert_eq!(list(device, flash), ["0 1.0.0 BCA", next]);
                });
            });
        }
    }
}

#[test]
fn updater_replaces_the_application_and_has_no_marks() {
    board(|flash, board, geometry| {
        flash_file(flash, board.secondary, &image(Version::new(9, 0, 0), 3000, 7));
        let loader = board.slot(board.secondary, flash.memory()).to_vec();
        // MCUboot keeps the fields of a trailer free, although it writes none.
        let file = image(NEW, board.primary.len as usize - 48, 2);
        let longer = image(NEW, board.primary.len as usize - 47, 2);
        start(Config::firmware_updater(geometry), board, Slot::Secondary, |device| {
            assert_eq!(send(device, flash, chunk(&longer, None, 0, 100)), Err(Error::TooLarge));
            assert_eq!(device.info().map(|info| info.upload_image_id).collect::<Vec<_>>(), [Some(0), None]);
            assert_eq!(list(device, flash), ["0 1.0.0 B", "1 9.0.0 BCA"]);
            // The version that counts is the one that is replaced, not that of the updater.
            let first = anysmp::mcuboot::slots::Chunk { upgrade: true, ..chunk(&file, None, 0, 100) };
            assert_eq!(send(device, flash, first), Ok(Uploaded { off: 100, matched: None }));
            let done = Ok(Uploaded { off: file.len() as u64, matched: Some(true) });
            assert_eq!(upload(device, flash, &file, Some(&sha(&file)), 900), done);
            assert_eq!(list(device, flash), ["0 2.0.0 B", "1 9.0.0 BCA"]);
            assert_eq!(set_state(device, flash, Some(&hash(&file)), false), Err(Error::NotSupported));
            assert_eq!(run(device, flash, Command::Erase { slot: Some(1) }), Err(Error::NoFreeSlot));
        });
        assert_eq!(board.slot(board.secondary, flash.memory()), loader);
        assert_eq!(boots(flash, board, Config::firmware_updater(geometry)), Boot::Started(Slot::Primary));
        flash_file(flash, board.primary, &longer);
        assert_eq!(boots(flash, board, Config::firmware_updater(geometry)), Boot::Started(Slot::Secondary));
    });
}

#[test]
fn recovery_loader_replaces_the_image_of_a_single_slot() {
    board(|flash, board, geometry| {
        let after = flash.memory()[board.primary.len as usize..].to_vec();
        let file = image(NEW, board.primary.len as usize - 48, 2);
        let mut pairs = [Pair::single(board.primary)];
        let mut scratch = [0; scratch_len(1, 8)];
        let mut device =
            Slots::recovery(Config::single_slot(geometry), &mut pairs, &mut scratch, Sha256::new()).unwrap();
        let device = &mut device;
        assert_eq!(list(device, flash), ["0 1.0.0 B"]);
        let info: Vec<_> = device.info().collect();
        assert_eq!((info.len(), info[0].upload_image_id, info[0].max_image_size), (1, Some(0), board.primary.len - 48));
        let done = Ok(Uploaded { off: file.len() as u64, matched: Some(true) });
        // The numbers of images that clients of such a loader use: the slot is the same.
        for number in [0, 1] {
            let first = anysmp::mcuboot::slots::Chunk { image: number, ..chunk(&file, None, 0, 100) };
            assert_eq!(send(device, flash, first), Ok(Uploaded { off: 100, matched: None }));
        }
        assert_eq!(upload(device, flash, &file, Some(&sha(&file)), 900), done);
        assert_eq!(list(device, flash), ["0 2.0.0 B"]);
        assert_eq!(boots(flash, board, Config::single_slot(geometry)), Boot::Started(Slot::Primary));
        assert_eq!(set_state(device, flash, None, true), Err(Error::NotSupported));
        assert_eq!(run(device, flash, Command::Erase { slot: Some(1) }), Err(Error::NoFreeSlot));
        assert_eq!(run(device, flash, Command::Erase { slot: None }), Ok(Outcome::Erased));
        assert!(flash.memory()[..board.primary.len as usize].iter().all(|byte| *byte == 0xFF));
        assert_eq!(list(device, flash).len(), 0);
        assert_eq!(&flash.memory()[board.primary.len as usize..], after);
    });
}

#[test]
fn swap_info_carries_the_number_of_the_image_as_boot_set_next_writes_it() {
    let mut memory = vec![0; 4 * 0x2000];
    let mut flash = Nor::new(&mut memory).blank();
    let regions: Vec<_> = (0..4).map(|slot| Region::new(slot * 0x2000, 0x2000)).collect();
    flash_file(&mut flash, regions[0], &image(OLD, 900, 1));
    flash_file(&mut flash, regions[2], &image(OLD, 901, 2));
    flash_file(&mut flash, regions[1], &image(NEW, 902, 3));
    let file = image(NEW, 903, 4);
    flash_file(&mut flash, regions[3], &file);
    let config = Config::swap_move(anysmp::mcuboot::flash::geometry(&flash), 8);
    for (confirm, kind) in [(false, SwapType::Test), (true, SwapType::Permanent)] {
        let mut pairs = [Pair::new(regions[0], regions[1]), Pair::new(regions[2], regions[3])];
        let mut scratch = [0; scratch_len(1, 8)];
        let mut device = Slots::new(config, &mut pairs, &mut scratch, Sha256::new()).unwrap();
        let before = flash.memory().to_vec();
        assert_eq!(set_state(&mut device, &mut flash, Some(&hash(&file)), confirm), Ok(()));
        assert_eq!(flash.memory()[4 * 0x2000 - 40], 0x10 | kind as u8);
        flash.memory_mut().copy_from_slice(&before);
    }
}
