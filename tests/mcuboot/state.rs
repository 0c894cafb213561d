//! State read, state write, slot info, and the errors of damaged images.

use anysmp::mcuboot::Flags;
use anysmp::mcuboot::build::Builder;
use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::slots::{
    Chunk, Command, Config, ConfigError, Error, Geometry, Info, Outcome, Pair, Region, Slot, Slots, scratch_len,
};
use anysmp::mcuboot::trailer::{Layout, SwapType};
use anysmp::testing::RamNor;
use anysmp::testing::bootloader::Boot;

use crate::device::{
    Board, NEW, Nor, OLD, boot, chunk, config, flash_file, hash, image, list, run, send, set_state, sha, start, states,
    upload,
};
use crate::image::Sum;

/// A device with `OLD` in the primary and `NEW` in the secondary slot.
fn device(test: impl FnOnce(&mut Nor<'_>, &Board, Config, &[u8], &[u8])) {
    let board = Board::for_erase(1024);
    let mut memory = vec![0; board.len()];
    let mut flash = RamNor::new(&mut memory).blank();
    let (old, new) = (image(OLD, 4000, 1), image(NEW, 5000, 2));
    flash_file(&mut flash, board.primary, &old);
    flash_file(&mut flash, board.secondary, &new);
    let config = config(&flash, &board);
    test(&mut flash, &board, config, &old, &new);
}

#[test]
fn tested_image_runs_once_and_is_reverted_unless_confirmed() {
    device(|flash, board, config, old, new| {
        start(config, board, |device| {
            assert_eq!(list(device, flash), ["0 1.0.0 BCA", "1 2.0.0 B"]);
            assert_eq!(set_state(device, flash, Some(&hash(new)), false), Ok(()));
            assert_eq!(states(device), ["0 1.0.0 BCA", "1 2.0.0 BP"]);
            // Once more: the same answer, nothing written.
            let writes = flash.counters().writes;
            assert_eq!(set_state(device, flash, Some(&hash(new)), false), Ok(()));
            assert_eq!(flash.counters().writes, writes);
        });
        assert_eq!(boot(flash, board, &config), Boot::Swapped(SwapType::Test));
        start(config, board, |device| assert_eq!(list(device, flash), ["0 2.0.0 BA", "1 1.0.0 BC"]));
        assert_eq!(boot(flash, board, &config), Boot::Swapped(SwapType::Revert));
        start(config, board, |device| {
            assert_eq!(list(device, flash), ["0 1.0.0 BCA", "1 2.0.0 B"]);
            assert_eq!(set_state(device, flash, Some(&hash(new)), false), Ok(()));
        });
        assert_eq!(boot(flash, board, &config), Boot::Swapped(SwapType::Test));
        start(config, board, |device| {
            // On trial: the other image cannot be scheduled.
            assert_eq!(set_state(device, flash, Some(&hash(old)), false), Err(Error::AlreadyPending));
            assert_eq!(set_state(device, flash, None, true), Ok(()));
            assert_eq!(states(device), ["0 2.0.0 BCA", "1 1.0.0 B"]);
            let writes = flash.counters().writes;
            assert_eq!(set_state(device, flash, Some(&[]), true), Ok(()));
            assert_eq!(set_state(device, flash, Some(&hash(new)), true), Ok(()));
            assert_eq!(flash.counters().writes, writes);
        });
        assert_eq!(boot(flash, board, &config), Boot::Stayed);
    });
}

#[test]
fn state_write_follows_its_table() {
    device(|flash, board, config, old, new| {
        let (allow, config) = (config, Config { confirm_other_slot: false, ..config });
        let fresh = flash.memory().to_vec();
        start(config, board, |device| {
            for (hash_of, confirm, result) in [
                (None, false, Err(Error::InvalidHash)),
                (Some(vec![]), false, Err(Error::InvalidHash)),
                (Some(vec![0; 31]), true, Err(Error::InvalidHash)),
                (Some(vec![0; 33]), false, Err(Error::InvalidHash)),
                (Some(vec![0; 64]), false, Err(Error::InvalidHash)),
                (Some(vec![0; 32]), false, Err(Error::HashNotFound)),
                (Some(vec![0; 32]), true, Err(Error::HashNotFound)),
                // Not the hash of the file.
                (Some(sha(new)), false, Err(Error::HashNotFound)),
                (Some(hash(old)), false, Err(Error::TestOfActive)),
                (Some(hash(new)), true, Err(Error::ConfirmationDenied)),
                (None, true, Ok(())),
                (Some(hash(old)), true, Ok(())),
            ] {
                assert_eq!(set_state(device, flash, hash_of.as_deref(), confirm), result, "{hash_of:?} {confirm}");
            }
            assert_eq!(flash.memory(), fresh);
            set_state(device, flash, Some(&hash(new)), false).unwrap();
            // A test is scheduled.
            assert_eq!(set_state(device, flash, None, true), Err(Error::AlreadyPending));
            assert_eq!(set_state(device, flash, Some(&hash(old)), true), Err(Error::AlreadyPending));
        });
        // Both, if the device says so.
        start(Config { erase_pending: false, ..config }, board, |device| {
            assert_eq!(run(device, flash, Command::Erase { slot: Some(1) }), Err(Error::NoFreeSlot));
            assert_eq!(send(device, flash, chunk(old, None, 0, 100)), Err(Error::NoFreeSlot));
        });
        start(allow, board, |device| {
            assert_eq!(set_state(device, flash, Some(&hash(new)), true), Err(Error::AlreadyPending));
            flash.memory_mut().copy_from_slice(&fresh);
            assert_eq!(set_state(device, flash, Some(&hash(new)), true), Ok(()));
            assert_eq!(states(device), ["0 1.0.0 BCA", "1 2.0.0 BPM"]);
            assert_eq!(set_state(device, flash, Some(&hash(new)), true), Ok(()));
            assert_eq!(set_state(device, flash, Some(&hash(new)), false), Err(Error::AlreadyPending));
            assert_eq!(set_state(device, flash, None, true), Err(Error::AlreadyPending));
        });
        let pending = flash.memory().to_vec();
        start(config, board, |device| {
            assert_eq!(run(device, flash, Command::Erase { slot: Some(1) }), Ok(Outcome::Erased));
            assert_eq!(list(device, flash), ["0 1.0.0 BCA"]);
        });
        flash.memory_mut().copy_from_slice(&pending);
        assert_eq!(boot(flash, board, &config), Boot::Swapped(SwapType::Permanent));
        start(config, board, |device| assert_eq!(list(device, flash), ["0 2.0.0 BCA", "1 1.0.0 B"]));
        assert_eq!(boot(flash, board, &config), Boot::Stayed);
    });
}

#[test]
fn trailer_is_written_where_and_in_the_order_mcuboot_wants() {
    fn trailer<const W: usize>(align: u32) -> Vec<(usize, Vec<u8>)> {
        let board = Board::for_erase(1024);
        let mut memory = vec![0; board.len()];
        let mut flash = RamNor::<W, 1024>::new(&mut memory).blank();
        let new = image(NEW, 5000, 2);
        flash_file(&mut flash, board.secondary, &new);
        let config = Config { align, ..config(&flash, &board) };
        let end = (board.secondary.start + board.secondary.len) as usize;
        let hash = hash(&new);
        start(config, &board, |device| {
            let mut job = device.begin(Command::SetState { hash: Some(&hash), confirm: true });
            let mut writes = Vec::new();
            loop {
                use anysmp::mcuboot::flash::{Job, Operation};
                use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
                match job.next() {
                    None => return writes,
                    Some(Operation::Read { address, into }) => flash.read(address, into).unwrap(),
                    Some(Operation::Write { address, bytes }) => {
                        writes.push((end - address as usize, bytes.to_vec()));
                        flash.write(address, bytes).unwrap();
                    }
                    Some(operation) => panic!("{operation:?}"),
                }
                job.completed(Ok(()));
            }
        })
    }
    let unit = |first: u8, len: usize| [&[first][..], &vec![0xFF; len - 1]].concat();
    let magic = |align| Layout::new(align).unwrap().magic().to_vec();
    assert_eq!(trailer::<8>(8), [(16, magic(8)), (24, unit(1, 8)), (40, unit(3, 8))]);
    assert_eq!(trailer::<1>(8), [(16, magic(8)), (24, vec![1]), (40, vec![3])]);
    assert_eq!(trailer::<4>(16), [(16, magic(16)), (32, unit(1, 4)), (64, unit(3, 4))]);
    let padded = [vec![0xFF; 16], magic(32)].concat();
    assert_eq!(trailer::<32>(32), [(32, padded), (64, unit(1, 32)), (128, unit(3, 32))]);
}

#[test]
fn image_that_does_not_match_its_hash_is_not_marked() {
    device(|flash, board, config, _, new| {
        for at in [20, 32, 2000, 4959] {
            flash.memory_mut()[board.secondary.start as usize + at] ^= 1;
            start(config, board, |device| {
                assert_eq!(set_state(device, flash, Some(&hash(new)), false), Err(Error::NoImage), "{at}");
                assert!(!states(device)[1].contains('P'));
            });
            flash.memory_mut()[board.secondary.start as usize + at] ^= 1;
        }
        // The running one neither, when it is on trial.
        start(config, board, |device| set_state(device, flash, Some(&hash(new)), false)).unwrap();
        boot(flash, board, &config);
        flash.memory_mut()[2000] ^= 1;
        start(config, board, |device| assert_eq!(set_state(device, flash, None, true), Err(Error::NoImage)));
    });
}

#[test]
fn broken_images_are_left_out_of_the_list_and_the_reason_is_kept() {
    let area = |tlvs: &[&[u8]]| {
        let entries = tlvs.concat();
        [&[0x07, 0x69][..], &(entries.len() as u16 + 4).to_le_bytes(), &entries].concat()
    };
    let hash = [&[0x10, 0, 32, 0][..], &[5; 32]].concat();
    let long = [&[0x10, 0, 33, 0][..], &[5; 33]].concat();
    for (tlvs, error) in [
        (area(&[&hash, &hash]), Error::MultipleHashes),
        (area(&[&long]), Error::TlvInvalidSize),
        (area(&[&hash, &[0x10, 0]]), Error::InvalidTlv),
        (area(&[&hash, &[0x20, 0, 1, 0]]), Error::InvalidTlv),
        (area(&[]), Error::HashNotFound),
        (vec![0x07, 0x69, 0xFF, 0xFF], Error::InvalidTlv),
        (vec![0x07, 0x69, 3, 0], Error::InvalidTlv),
        // Whole entries, but the second ends past the slot.
        ([&[0x07, 0x69, 0xFF, 0xFF][..], &hash, &[0xA0, 0, 0xD3, 0xFF]].concat(), Error::InvalidTlv),
        (vec![0xFF; 40], Error::NoTlvs),
        (vec![0x08, 0x69, 4, 0], Error::NoTlvs),
    ] {
        device(|flash, board, config, _, new| {
            // Both slots: what the running image lacks is reported when it is to be confirmed.
            start(config, board, |device| set_state(device, flash, Some(&crate::device::hash(new)), false)).unwrap();
            boot(flash, board, &config);
            flash.memory_mut()[4960..][..tlvs.len()].copy_from_slice(&tlvs);
            start(config, board, |device| {
                assert_eq!(list(device, flash), ["1 1.0.0 BC"], "{error:?}");
                assert_eq!(set_state(device, flash, None, true), Err(error));
            });
        });
    }
}

#[test]
fn header_that_points_beyond_the_slot_reads_nothing_there() {
    device(|flash, board, config, _, _| {
        for body_len in [board.secondary.len, board.secondary.len - 35, u32::MAX - 32, u32::MAX] {
            flash.memory_mut()[board.secondary.start as usize + 12..][..4].copy_from_slice(&body_len.to_le_bytes());
            start(config, board, |device| assert_eq!(list(device, flash), ["0 1.0.0 BCA"]));
        }
    });
}

#[test]
fn protected_tlvs_are_hashed_and_their_entries_ignored() {
    use anysmp::mcuboot::tlv::{Kind, Tlv};
    device(|flash, board, config, _, _| {
        let mut file = vec![0; 2000];
        let protected = [Tlv { kind: Kind::SHA256, value: &[1; 32] }, Tlv { kind: Kind(0xA0), value: &[] }];
        let builder =
            Builder { protected: &protected, header_len: 0x200, flags: Flags::NON_BOOTABLE, ..Builder::new(NEW) };
        let len = builder.build(&[7; 999], &mut Sha256::new(), &mut file).unwrap();
        start(config, board, |device| {
            upload(device, flash, &file[..len], None, 300).unwrap();
            assert_eq!(list(device, flash), ["0 1.0.0 BCA", "1 2.0.0 "]);
            assert_eq!(set_state(device, flash, Some(&hash(&file)), false), Ok(()));
        });
        start(config, board, |device| assert_eq!(list(device, flash), ["0 1.0.0 BCA", "1 2.0.0 P"]));
        // The area has another length than the header announces.
        let info = board.secondary.start as usize + 0x200 + 999;
        flash.memory_mut()[info + 2] += 1;
        start(config, board, |device| assert_eq!(list(device, flash), ["0 1.0.0 BCA"]));
    });
}

#[test]
fn damaged_trailers_are_told_apart() {
    device(|flash, board, config, _, new| {
        flash.memory_mut()[board.primary.len as usize - 1] = 0;
        flash.memory_mut()[board.log.start as usize - 1] = 0;
        start(config, board, |device| {
            // MCUboot keeps an image whose magic is damaged, so it is confirmed.
            assert_eq!(set_state(device, flash, None, true), Ok(()));
            assert_eq!(set_state(device, flash, Some(&hash(new)), false), Err(Error::DamagedTrailer));
            assert_eq!((Error::DamagedActiveTrailer.rc(), Error::DamagedTrailer.rc()), (Some(29), Some(23)));
        });
    });
}

#[test]
fn encrypted_image_is_marked_only_if_the_device_says_so() {
    device(|flash, board, config, _, _| {
        let mut file = vec![0; 2000];
        let builder = Builder { flags: Flags(0x4), ..Builder::new(NEW) };
        let len = builder.build(&[7; 999], &mut Sha256::new(), &mut file).unwrap();
        file.truncate(len);
        file[100] ^= 0xFF;
        start(config, board, |device| {
            upload(device, flash, &file, None, 300).unwrap();
            assert_eq!(set_state(device, flash, Some(&hash(&file)), false), Err(Error::Encrypted));
        });
        start(Config { encrypted: true, ..config }, board, |device| {
            assert_eq!(set_state(device, flash, Some(&hash(&file)), false), Ok(()));
            assert_eq!(states(device)[1], "1 2.0.0 BP");
        });
    });
}

#[test]
fn marking_a_slot_ends_an_upload_into_it() {
    device(|flash, board, config, _, new| {
        let padded = [new, &[0; 500]].concat();
        start(config, board, |device| {
            send(device, flash, chunk(&padded, None, 0, 5100)).unwrap();
            assert_eq!(set_state(device, flash, Some(&hash(new)), false), Ok(()));
            let before = flash.memory().to_vec();
            assert_eq!(send(device, flash, chunk(&padded, None, 5100, 100)).unwrap().off, 0);
            assert_eq!(flash.memory(), before);
        });
    });
}

#[test]
fn modes_without_trailer_refuse_state_writes_and_show_the_newer_image_as_next() {
    for mode in [Config::direct_xip, Config::ram_load] {
        device(|flash, board, config, old, new| {
            let config = Config { mode: mode(config.geometry).mode, erase_pending: false, ..config };
            start(config, board, |device| {
                assert_eq!(list(device, flash), ["0 1.0.0 BCA", "1 2.0.0 BPM"]);
                assert_eq!(set_state(device, flash, Some(&hash(new)), false), Err(Error::NotSupported));
                assert_eq!(set_state(device, flash, None, true), Err(Error::NotSupported));
                assert_eq!(Error::NotSupported.rc(), None);
            });
            // Started from the secondary slot: now the primary one may be written, and no other.
            let mut pairs = [Pair::new(board.primary, board.secondary).with_running(Slot::Secondary)];
            let mut scratch = vec![0; scratch_len(1, 8)];
            let mut device = Slots::new(config, &mut pairs, &mut scratch, Sha256::new()).unwrap();
            assert_eq!(list(&mut device, flash), ["0 1.0.0 B", "1 2.0.0 BCA"]);
            assert_eq!(device.info().map(|info| info.upload_image_id).collect::<Vec<_>>(), [Some(0), None]);
            let running = board.slot(board.secondary, flash.memory()).to_vec();
            let file = image(NEW, 3000, 7);
            upload(&mut device, flash, &file, Some(&sha(&file)), 100).unwrap();
            assert_eq!(board.slot(board.secondary, flash.memory()), running);
            assert_eq!(&flash.memory()[..3000], file);
            // Of equal versions the lower slot is started.
            assert_eq!(list(&mut device, flash), ["0 2.0.0 BPM", "1 2.0.0 BCA"]);
            assert_eq!(run(&mut device, flash, Command::Erase { slot: Some(1) }), Err(Error::NoFreeSlot));
            assert_eq!(run(&mut device, flash, Command::Erase { slot: None }), Ok(Outcome::Erased));
            flash_file(flash, board.primary, old);
            assert_eq!(list(&mut device, flash), ["0 1.0.0 B", "1 2.0.0 BCA"]);
        });
    }
}

#[test]
fn several_pairs_of_unequal_slots_keep_their_images_apart() {
    let slots = [(0, 0x4000), (0x4000, 0x3C00), (0x7C00, 0x2400), (0xA000, 0x2000)];
    let [a, b, c, d] = slots.map(|(start, len)| Region::new(start, len));
    let mut memory = vec![0; 0xC400];
    let mut flash = Nor::new(&mut memory).blank();
    let (first, second) = (image(OLD, 3000, 1), image(OLD, 2000, 2));
    flash_file(&mut flash, a, &first);
    flash_file(&mut flash, c, &second);
    let before = flash.memory().to_vec();
    let config = Config {
        checkpoint: Some(Region::new(0xC000, 0x400)),
        erase_pending: false,
        confirm_other_image: false,
        ..Config::swap_move(anysmp::mcuboot::flash::geometry(&flash), 16)
    };
    let mut pairs = [Pair::new(a, b), Pair::new(c, d)];
    let mut scratch = vec![0; scratch_len(1, 8)];
    let mut device = Slots::new(config, &mut pairs, &mut scratch, Sha256::new()).unwrap();
    let info = |image, slot, size, upload_image_id, max_image_size| Info {
        image,
        slot,
        size,
        upload_image_id,
        max_image_size,
    };
    assert_eq!(
        device.info().collect::<Vec<_>>(),
        [
            info(0, 0, 0x4000, None, 0x3800),
            info(0, 1, 0x3C00, Some(0), 0x3800),
            info(1, 0, 0x2400, None, 0x1C00),
            info(1, 1, 0x2000, Some(1), 0x1C00),
        ]
    );
    let (new_first, new_second) = (image(NEW, 3500, 3), image(NEW, 0x1C00, 4));
    let to = |image, chunk| Chunk { image, ..chunk };
    assert_eq!(send(&mut device, &mut flash, to(2, chunk(&new_first, None, 0, 100))), Err(Error::NoFreeSlot));
    assert_eq!(send(&mut device, &mut flash, to(1 << 32, chunk(&new_first, None, 0, 100))), Err(Error::NoFreeSlot));
    // The same sha for another image is another session.
    let key = Some(&[9; 8][..]);
    assert_eq!(send(&mut device, &mut flash, to(0, chunk(&new_second, key, 0, 100))).unwrap().off, 100);
    assert_eq!(send(&mut device, &mut flash, to(1, chunk(&new_second, key, 0, 64))).unwrap().off, 64);
    let mut off = 64;
    while off < new_second.len() {
        // Later chunks need no image number.
        off = send(&mut device, &mut flash, chunk(&new_second, None, off, 500)).unwrap().off as usize;
    }
    upload(&mut device, &mut flash, &new_first, None, 300).unwrap();
    assert_eq!(list(&mut device, &mut flash), ["0 1.0.0 BCA", "1 2.0.0 B", "2 1.0.0 BCA", "3 2.0.0 B"]);
    assert_eq!(set_state(&mut device, &mut flash, Some(&hash(&second)), true), Err(Error::ConfirmationDenied));
    assert_eq!(set_state(&mut device, &mut flash, Some(&hash(&new_second)), true), Err(Error::ConfirmationDenied));
    assert_eq!(set_state(&mut device, &mut flash, Some(&hash(&second)), false), Err(Error::TestOfActive));
    assert_eq!(set_state(&mut device, &mut flash, Some(&hash(&new_second)), false), Ok(()));
    assert_eq!(states(&device), ["0 1.0.0 BCA", "1 2.0.0 B", "2 1.0.0 BCA", "3 2.0.0 BP"]);
    assert_eq!(run(&mut device, &mut flash, Command::Erase { slot: Some(3) }), Err(Error::NoFreeSlot));
    assert_eq!(run(&mut device, &mut flash, Command::Erase { slot: Some(4) }), Err(Error::InvalidSlot));
    assert_eq!(run(&mut device, &mut flash, Command::Erase { slot: None }), Ok(Outcome::Erased));
    assert_eq!(states(&device).len(), 4);
    assert_eq!(list(&mut device, &mut flash), ["0 1.0.0 BCA", "2 1.0.0 BCA", "3 2.0.0 BP"]);
    assert_eq!(flash.memory()[..0x4000], before[..0x4000]);
    assert_eq!(flash.memory()[0x7C00..0xA000], before[0x7C00..0xA000]);
}

#[test]
fn longer_hashes_identify_images_too() {
    let board = Board::for_erase(1024);
    let mut memory = vec![0; board.len()];
    let mut flash = Nor::new(&mut memory).blank();
    let mut file = vec![0; 1000];
    let len = Builder::new(NEW).build(&[3; 800], &mut Sum::<64>::default(), &mut file).unwrap();
    flash_file(&mut flash, board.secondary, &file[..len]);
    let mut pairs = [Pair::new(board.primary, board.secondary)];
    let mut scratch = vec![0; scratch_len(1, 8)];
    let config = config(&flash, &board);
    let mut device = Slots::new(config, &mut pairs, &mut scratch, Sum::<64>::default()).unwrap();
    let mut set = |hash: &[u8]| {
        let job = device.begin(Command::SetState { hash: Some(hash), confirm: false });
        anysmp::mcuboot::flash::run(job, &mut flash).finish()
    };
    let hash = &file[len - 64..len];
    for short in 0..=65 {
        let result = set(&[hash, &[0]].concat()[..short]);
        assert_eq!(result, if short == 64 { Ok(Outcome::States) } else { Err(Error::InvalidHash) }, "{short}");
    }
    assert_eq!(device.states().next().map(|state| state.hash.len()), Some(64));
}

#[test]
fn configurations_that_cannot_work_are_refused() {
    let geometry = Geometry::new(1, 8, 1024, 0x10000);
    let good = Config { checkpoint: Some(Region::new(0x8000, 0x400)), ..Config::swap_move(geometry, 16) };
    let pair = || Pair::new(Region::new(0, 0x4000), Region::new(0x4000, 0x4000));
    let refused = |config: Config, mut pairs: Vec<Pair>, scratch: usize| {
        Slots::new(config, &mut pairs, &mut vec![0; scratch], Sha256::new()).err()
    };
    let with = |geometry| Config { geometry, ..good };
    let len = scratch_len(1, 8);
    assert_eq!(refused(good, vec![pair()], len), None);
    assert_eq!(refused(good, vec![pair()], len - 1), Some(ConfigError::Scratch));
    assert_eq!(refused(good, vec![], len), Some(ConfigError::Pairs));
    assert_eq!(refused(good, vec![pair(), pair()], len), Some(ConfigError::Overlap));
    for (read, write, erase) in
        [(0, 8, 1024), (1, 0, 1024), (1, 8, 0), (3, 8, 1024), (1, 8, 1000), (1, 8, 4), (1024, 8, 1024)]
    {
        let geometry = Geometry::new(read, write, erase, 0x10000);
        assert_eq!(refused(with(geometry), vec![pair()], 9999), Some(ConfigError::Geometry), "{read} {write} {erase}");
    }
    assert_eq!(refused(with(Geometry::new(1, 8, 1024, 0x8000)), vec![pair()], len), Some(ConfigError::Region));
    for region in [
        Region::new(0x4000, 0),
        Region::new(0x4000, 0x3F00),
        Region::new(0x4100, 0x400),
        Region::new(0xFFFF_FC00, 0x400),
    ] {
        let pairs = vec![Pair::new(Region::new(0, 0x4000), region)];
        assert_eq!(refused(good, pairs, len), Some(ConfigError::Region), "{region:?}");
    }
    let inside = Config { checkpoint: Some(Region::new(0x7C00, 0x400)), ..good };
    assert_eq!(refused(inside, vec![pair()], len), Some(ConfigError::Overlap));
    for align in [0, 4, 12, 1024] {
        assert_eq!(refused(Config { align, ..good }, vec![pair()], len), Some(ConfigError::Alignment), "{align}");
    }
    let wide = Config { align: 8, ..with(Geometry::new(1, 16, 1024, 0x10000)) };
    assert_eq!(refused(wide, vec![pair()], 9999), Some(ConfigError::Alignment));
    let small = vec![Pair::new(Region::new(0, 0x400), Region::new(0x400, 0x400))];
    assert_eq!(refused(Config { align: 512, ..good }, small, len), Some(ConfigError::TooSmall));
    assert_eq!(refused(good, vec![pair().with_running(Slot::Secondary)], len), Some(ConfigError::Running));
}
