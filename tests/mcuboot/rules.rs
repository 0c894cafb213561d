//! The rules of Zephyr's server that a device can choose, each by its Kconfig.

use anysmp::mcuboot::build::Builder;
use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::flash;
use anysmp::mcuboot::slots::{
    Chunk, Command, Config, ConfigError, Error, Geometry, Outcome, Pair, Region, Slot, Slots, scratch_len,
};
use anysmp::mcuboot::{Flags, Version};

use crate::device::{NEW, Nor, OLD, chunk, flash_file, hash, image, list, run, send, set_state, states, upload};

const SLOT: u32 = 0x2000;

type Device<'s> = Slots<'s, Sha256>;

/// A device with two pairs, whose primary slots hold `OLD`, and whose spare ones hold `NEW`.
fn two(config: impl Fn(Geometry) -> Config, test: impl FnOnce(&mut Device<'_>, &mut Nor<'_>, &[Vec<u8>])) {
    let mut memory = vec![0; 4 * SLOT as usize];
    let mut flash = Nor::new(&mut memory).blank();
    let files: Vec<_> = (0..4).map(|n| image(if n % 2 == 0 { OLD } else { NEW }, 900 + n as usize, n)).collect();
    let regions: Vec<_> = (0..4).map(|n| Region::new(n * SLOT, SLOT)).collect();
    for (region, file) in regions.iter().zip(&files) {
        flash_file(&mut flash, *region, file);
    }
    let mut pairs = [Pair::new(regions[0], regions[1]), Pair::new(regions[2], regions[3])];
    let mut scratch = [0; scratch_len(1, 8)];
    let mut device = Slots::new(config(flash::geometry(&flash)), &mut pairs, &mut scratch, Sha256::new()).unwrap();
    test(&mut device, &mut flash, &files);
}

/// The answers to a confirmation of each of the four slots.
fn confirmations(config: impl Fn(Geometry) -> Config + Copy) -> [Result<(), Error>; 4] {
    [0, 1, 2, 3].map(|slot| {
        let mut answer = Ok(());
        two(config, |device, flash, files| answer = set_state(device, flash, Some(&hash(&files[slot])), true));
        answer
    })
}

#[test]
fn confirmations_of_other_slots_and_images_are_allowed_one_by_one() {
    let swap = |geometry| Config::swap_move(geometry, 8);
    let denied = Err(Error::ConfirmationDenied);
    // Zephyr's defaults: every spare slot, and of other images nothing that runs.
    assert_eq!(confirmations(swap), [Ok(()), Ok(()), denied, Ok(())]);
    let with = |change: fn(&mut Config)| {
        confirmations(move |geometry| {
            let mut config = swap(geometry);
            change(&mut config);
            config
        })
    };
    assert_eq!(with(|config| config.confirm_other_image = false), [Ok(()), Ok(()), denied, denied]);
    assert_eq!(with(|config| config.confirm_other_running = true), [Ok(()); 4]);
    let any = |config: &mut Config| (config.confirm_other_image, config.confirm_other_running) = (false, true);
    assert_eq!(with(any), [Ok(()); 4]);
    assert_eq!(with(|config| config.confirm_other_slot = false), [Ok(()), denied, denied, Ok(())]);
    assert_eq!(with(|config| config.active_image = 1), [denied, Ok(()), Ok(()), Ok(())]);
}

#[test]
fn commands_without_a_hash_or_a_slot_mean_the_active_image() {
    let active = |geometry| Config { active_image: 1, ..Config::swap_move(geometry, 8) };
    two(active, |device, flash, files| {
        assert_eq!(run(device, flash, Command::Erase { slot: None }), Ok(Outcome::Erased));
        assert_eq!(list(device, flash), ["0 1.0.0 BCA", "1 2.0.0 B", "2 1.0.0 BCA"]);
        // Of the first image something is pending, of the active one nothing.
        assert_eq!(set_state(device, flash, Some(&hash(&files[1])), false), Ok(()));
        assert_eq!(set_state(device, flash, None, true), Ok(()));
    });
    two(
        |geometry| Config::swap_move(geometry, 8),
        |device, flash, files| {
            assert_eq!(set_state(device, flash, Some(&hash(&files[1])), false), Ok(()));
            assert_eq!(set_state(device, flash, None, true), Err(Error::AlreadyPending));
        },
    );
    let mut pairs = [Pair::new(Region::new(0, SLOT), Region::new(SLOT, SLOT))];
    let config = active(Geometry::new(1, 8, 1024, 4 * SLOT));
    let slots = Slots::new(config, &mut pairs, &mut [0; scratch_len(1, 8)], Sha256::new()).err();
    assert_eq!(slots, Some(ConfigError::Pairs));
}

#[test]
fn direct_upload_goes_into_the_chosen_slot_unless_it_runs() {
    let direct = |geometry| Config { direct_upload: true, ..Config::swap_move(geometry, 8) };
    two(direct, |device, flash, _| {
        let numbers: Vec<_> = device.info().map(|info| info.upload_image_id).collect();
        assert_eq!(numbers, [None, Some(2), None, Some(4)]);
        let file = image(Version::new(3, 0, 0), 2000, 9);
        let to = |image, off| Chunk { image, ..chunk(&file, None, off, 1000) };
        for image in [1, 3, 5, 6, u64::MAX] {
            assert_eq!(send(device, flash, to(image, 0)), Err(Error::NoFreeSlot), "{image}");
        }
        for (image, slot) in [(4, 3), (2, 1), (0, 1)] {
            send(device, flash, to(image, 0)).unwrap();
            assert_eq!(send(device, flash, to(image, 1000)).unwrap().off, 2000);
            let start = (slot * SLOT) as usize;
            assert_eq!(flash.memory()[start..start + 2000], file);
            assert_eq!(list(device, flash)[slot as usize], format!("{slot} 3.0.0 B"));
        }
    });
    // Started in place from slot 1: slot 0 is the one to choose.
    let mut memory = vec![0; 2 * SLOT as usize];
    let mut flash = Nor::new(&mut memory).blank();
    let mut pairs = [Pair::new(Region::new(0, SLOT), Region::new(SLOT, SLOT)).with_running(Slot::Secondary)];
    let config = Config { direct_upload: true, ..Config::direct_xip(flash::geometry(&flash)) };
    let mut scratch = [0; scratch_len(1, 8)];
    let mut device = Slots::new(config, &mut pairs, &mut scratch, Sha256::new()).unwrap();
    assert_eq!(device.info().map(|info| info.upload_image_id).collect::<Vec<_>>(), [Some(1), None]);
    let file = image(NEW, 900, 9);
    let to = |image| Chunk { image, ..chunk(&file, None, 0, 900) };
    assert_eq!(send(&mut device, &mut flash, to(2)), Err(Error::NoFreeSlot));
    assert_eq!(send(&mut device, &mut flash, to(1)).unwrap().off, 900);
    assert_eq!(&flash.memory()[..900], file);
}

/// An image for this address.
fn fixed(address: u32) -> Vec<u8> {
    let mut file = vec![0; 2000];
    let builder = Builder { flags: Flags::ROM_FIXED, load_address: address, ..Builder::new(NEW) };
    let len = builder.build(&[7; 999], &mut Sha256::new(), &mut file).unwrap();
    file.truncate(len);
    file
}

#[test]
fn image_for_the_address_of_another_slot_is_refused_before_upload_and_mark() {
    for (base, address, is_refused) in [
        (None, 0, false),
        (Some(0), SLOT, false),
        (Some(0), 0, true),
        (Some(0x1_0000), 0x1_0000 + SLOT, false),
        (Some(0x1_0000), SLOT, true),
    ] {
        let mut memory = vec![0; 2 * SLOT as usize];
        let mut flash = Nor::new(&mut memory).blank();
        flash_file(&mut flash, Region::new(0, SLOT), &image(OLD, 900, 1));
        let config = Config { fixed_base: base, ..Config::direct_xip_revert(flash::geometry(&flash)) };
        let mut pairs = [Pair::new(Region::new(0, SLOT), Region::new(SLOT, SLOT))];
        let mut scratch = [0; scratch_len(1, 8)];
        let mut device = Slots::new(config, &mut pairs, &mut scratch, Sha256::new()).unwrap();
        let file = fixed(address);
        let sent = upload(&mut device, &mut flash, &file, None, 500);
        assert_eq!(sent.is_err(), is_refused, "{base:?} {address:#x}");
        // However it got there.
        flash_file(&mut flash, Region::new(SLOT, SLOT), &vec![0xFF; SLOT as usize]);
        flash_file(&mut flash, Region::new(SLOT, SLOT), &file);
        let expected = if is_refused { Err(Error::MismatchedSlot) } else { Ok(()) };
        assert_eq!(sent.map(|_| ()), expected);
        assert_eq!(set_state(&mut device, &mut flash, Some(&hash(&file)), false), expected);
        assert_eq!(states(&device).len(), 2);
    }
}
