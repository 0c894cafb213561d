//! Every state that commands, a power cut or a failed read can leave has a way out without a cable.

use anysmp::mcuboot::slots::{Command, Config, Error, Outcome, Uploaded};
use anysmp::mcuboot::trailer::{Field, Layout, SwapType};
use anysmp::testing::Fault;
use anysmp::testing::bootloader::Boot;

use crate::device::{
    Board, NEW, Nor, boot, chunk, device, flash_file, hash, image, list, run, send, set_state, sha, start, states,
    upload,
};

/// Brings a device to the point where it will test the file.
fn update(flash: &mut Nor<'_>, board: &Board, config: Config, file: &[u8]) {
    start(config, board, |device| {
        let done = Uploaded { off: file.len() as u64, matched: Some(true) };
        assert_eq!(upload(device, flash, file, Some(&sha(file)), 500), Ok(done));
        assert_eq!(set_state(device, flash, Some(&hash(file)), false), Ok(()));
        assert_eq!(states(device).last().unwrap(), "1 2.0.0 BP");
    });
}

#[test]
fn mark_on_which_the_boot_loader_does_not_act_can_be_erased_and_uploaded_over() {
    device(|flash, board, config, file| {
        let other = image(NEW, 6000, 3);
        for erase in [false, true] {
            update(flash, board, config, file);
            start(config, board, |device| {
                if erase {
                    assert_eq!(run(device, flash, Command::Erase { slot: None }), Ok(Outcome::Erased));
                }
                // The mark goes before the first byte is written.
                send(device, flash, chunk(&other, None, 0, 500)).unwrap();
                assert_eq!(list(device, flash), ["0 1.0.0 BCA"]);
            });
            update(flash, board, config, &other);
            // A resume from a checkpoint over a pending slot as well.
            start(config, board, |device| {
                assert!(send(device, flash, chunk(&other, Some(&sha(&other)), 0, 99)).is_ok())
            });
        }
    });
}

#[test]
fn unreadable_word_in_the_spare_slot_is_an_empty_one() {
    // Header, TLVs, each field of the trailer, body.
    for at in [0, 4960, 5000, 0x4000 - 16, 0x4000 - 24, 0x4000 - 32, 0x4000 - 40, 2000] {
        device(|flash, board, config, file| {
            flash_file(flash, board.secondary, file);
            let spoiled = flash.memory().to_vec();
            let spoil = |flash: &mut Nor<'_>| {
                flash.heal();
                flash.memory_mut().copy_from_slice(&spoiled);
                flash.spoil(board.secondary.start + at, 8);
            };
            spoil(flash);
            start(config, board, |device| {
                assert_eq!(list(device, flash)[0], "0 1.0.0 BCA", "{at}");
                assert_eq!(set_state(device, flash, None, true), Ok(()), "{at}");
                assert_eq!(run(device, flash, Command::Erase { slot: None }), Ok(Outcome::Erased), "{at}");
                assert_eq!(list(device, flash), ["0 1.0.0 BCA"]);
            });
            spoil(flash);
            update(flash, board, config, file);
            spoil(flash);
            update(flash, board, Config { checkpoint: None, ..config }, &image(NEW, 5001, 3));
        });
    }
}

#[test]
fn running_image_on_trial_is_confirmed_although_the_other_slot_cannot_be_read() {
    for at in [0, 3960, 0x4000 - 16, 0x4000 - 24, 0x4000 - 32] {
        device(|flash, board, config, file| {
            update(flash, board, config, file);
            assert_eq!(boot(flash, board, &config), Boot::Swapped(SwapType::Test));
            flash.spoil(board.secondary.start + at, 8);
            start(config, board, |device| assert_eq!(set_state(device, flash, None, true), Ok(()), "{at}"));
            flash.heal();
            assert_eq!(boot(flash, board, &config), Boot::Stayed);
        });
    }
}

#[test]
fn unreadable_trailer_of_the_running_slot_is_told_and_changes_nothing() {
    for at in [16, 24, 32] {
        device(|flash, board, config, file| {
            update(flash, board, config, file);
            assert_eq!(boot(flash, board, &config), Boot::Swapped(SwapType::Test));
            flash.spoil(board.primary.len - at, 8);
            let before = flash.memory().to_vec();
            start(config, board, |device| {
                for command in [
                    Command::List,
                    Command::SetState { hash: None, confirm: true },
                    Command::Erase { slot: None },
                    Command::Upload(chunk(file, None, 0, 100)),
                ] {
                    assert_eq!(run(device, flash, command), Err(Error::FlashRead), "{at} {command:?}");
                }
            });
            assert_eq!(flash.memory(), before);
        });
    }
}

#[test]
fn unreadable_checkpoint_is_skipped_and_erased_when_its_turn_comes() {
    device(|flash, board, config, file| {
        // One record, the newest of three, the page of the log.
        for (at, len, off) in [(0, 8, 3072), (128, 64, 2048), (0, 1024, 100)] {
            start(config, board, |device| {
                run(device, flash, Command::Erase { slot: None }).unwrap();
                flash.heal();
                for off in (0..3500).step_by(500) {
                    send(device, flash, chunk(file, Some(&sha(file)), off, 500)).unwrap();
                }
            });
            flash.spoil(board.log.start + at, len);
            start(config, board, |device| {
                let first = send(device, flash, chunk(file, Some(&sha(file)), 0, 100)).unwrap();
                assert_eq!(first.off, off, "{at}");
            });
            update(flash, board, config, file);
            // The log goes round: the page is erased, and readable again.
            flash.memory_mut()[board.log.start as usize..][..1024].fill(0);
            flash.spoil(board.log.start, 1024);
            update(flash, board, config, &image(NEW, 14000, 9));
            let mut log = [0; 1024];
            let read = embedded_storage::nor_flash::ReadNorFlash::read(flash, board.log.start, &mut log);
            assert_eq!(read, Ok(()));
            flash_file(flash, board.log, &[0xFF; 1024]);
        }
    });
}

#[test]
fn mark_that_silently_did_not_get_into_flash_is_told() {
    for (confirm, writes) in [(false, 2), (true, 3)] {
        device(|flash, board, config, file| {
            let config = Config { checkpoint: None, ..config };
            flash_file(flash, board.secondary, file);
            let before = flash.memory().to_vec();
            let mut silent = 0;
            for nth in 0.. {
                flash.memory_mut().copy_from_slice(&before);
                flash.plan(nth, Fault::Silent);
                let start = |flash: &mut Nor<'_>| {
                    start(config, board, |device| set_state(device, flash, Some(&hash(file)), confirm))
                };
                let list_of = |flash: &mut Nor<'_>| self::start(config, board, |device| list(device, flash));
                let count = flash.counters().writes;
                let result = start(flash);
                let untouched = flash.is_planned();
                flash.power_on();
                if result.is_err() {
                    assert_eq!(result, Err(Error::FlashWrite), "{nth}");
                    silent += 1;
                    // Once more, and it is there.
                    assert_eq!(start(flash), Ok(()), "{nth}");
                } else {
                    assert_eq!(flash.counters().writes - count, writes, "{nth}");
                }
                let state = list_of(flash);
                assert_eq!(state[1], if confirm { "1 2.0.0 BPM" } else { "1 2.0.0 BP" }, "{nth}");
                if untouched {
                    break;
                }
            }
            assert_eq!(silent, writes);
        });
    }
    // The confirmation of what runs.
    device(|flash, board, config, file| {
        update(flash, board, config, file);
        boot(flash, board, &config);
        let before = flash.memory().to_vec();
        let mut silent = 0;
        for nth in 0.. {
            flash.memory_mut().copy_from_slice(&before);
            flash.plan(nth, Fault::Silent);
            let result = start(config, board, |device| set_state(device, flash, None, true));
            silent += usize::from(result == Err(Error::FlashWrite));
            assert_eq!(result.is_ok(), flash.memory()[board.primary.len as usize - 24] == 1, "{nth}");
            if flash.is_planned() {
                break;
            }
            flash.power_on();
        }
        assert_eq!(silent, 1);
    });
}

#[test]
fn torn_confirmation_counts_as_one_and_can_be_repeated() {
    for torn in [0xF1, 0x00, 0x81] {
        device(|flash, board, config, file| {
            update(flash, board, config, file);
            boot(flash, board, &config);
            flash.memory_mut()[board.primary.len as usize - 24] = torn;
            start(config, board, |device| {
                assert_eq!(list(device, flash), ["0 2.0.0 BCA", "1 1.0.0 B"]);
                assert_eq!(set_state(device, flash, None, true), Ok(()));
                assert_eq!(set_state(device, flash, Some(&hash(file)), true), Ok(()));
            });
        });
    }
}

#[test]
fn permanent_mark_that_was_cut_after_its_magic_is_completed_by_repeating_it() {
    device(|flash, board, config, file| {
        flash_file(flash, board.secondary, file);
        let magic = Layout::new(8).unwrap().magic();
        let end = (board.secondary.start + board.secondary.len) as usize;
        flash.memory_mut()[end - 16..end].copy_from_slice(&magic);
        start(config, board, |device| {
            assert_eq!(list(device, flash), ["0 1.0.0 BCA", "1 2.0.0 BP"]);
            assert_eq!(set_state(device, flash, Some(&hash(file)), true), Ok(()));
            assert_eq!(states(device), ["0 1.0.0 BCA", "1 2.0.0 BPM"]);
        });
        assert_eq!(boot(flash, board, &config), Boot::Swapped(SwapType::Permanent));
        // A whole test is something else.
        flash_file(flash, board.secondary, &[0xFF; 0x4000]);
        let next = image(NEW, 4200, 5);
        flash_file(flash, board.secondary, &next);
        start(config, board, |device| {
            assert_eq!(set_state(device, flash, Some(&hash(&next)), false), Ok(()));
            assert_eq!(set_state(device, flash, Some(&hash(&next)), true), Err(Error::AlreadyPending));
        });
    });
}

#[test]
fn torn_mark_costs_the_trailer_and_not_the_file() {
    device(|flash, board, config, file| {
        let layout = Layout::new(8).unwrap();
        let torn = |flash: &mut Nor<'_>, file: &[u8]| {
            flash_file(flash, board.secondary, &[0xFF; 0x4000]);
            flash_file(flash, board.secondary, file);
            let end = (board.secondary.start + board.secondary.len - layout.from_end(Field::Magic)) as usize;
            flash.memory_mut()[end..end + 4].copy_from_slice(&layout.magic()[..4]);
            start(config, board, |device| {
                assert_eq!(set_state(device, flash, Some(&hash(file)), false), Err(Error::DamagedTrailer));
                let (writes, erases) = (flash.counters().writes, flash.counters().erases);
                let done = Ok(Uploaded { off: file.len() as u64, matched: Some(true) });
                assert_eq!(send(device, flash, chunk(file, Some(&sha(file)), 0, 500)), done);
                assert_eq!((flash.counters().writes - writes, flash.counters().erases - erases), (0, 1));
                assert_eq!(set_state(device, flash, Some(&hash(file)), false), Ok(()));
            });
        };
        torn(flash, file);
        // The same header, another file: it has to be sent.
        let mut other = file.to_vec();
        other[100] ^= 1;
        start(config, board, |device| {
            let first = send(device, flash, chunk(&other, Some(&sha(&other)), 0, 500));
            assert_eq!(first, Ok(Uploaded { off: 500, matched: None }));
        });
    });
}

#[test]
fn erase_of_an_erased_slot_erases_nothing() {
    device(|flash, board, config, file| {
        start(config, board, |device| {
            assert_eq!(run(device, flash, Command::Erase { slot: None }), Ok(Outcome::Erased));
            assert_eq!(flash.counters().erases, 0);
            flash.memory_mut()[board.secondary.start as usize + 0x3FFF] = 0;
            assert_eq!(run(device, flash, Command::Erase { slot: None }), Ok(Outcome::Erased));
            assert_eq!(flash.counters().erases, 16);
            send(device, flash, chunk(file, None, 0, 100)).unwrap();
            assert_eq!(run(device, flash, Command::Erase { slot: Some(1) }), Ok(Outcome::Erased));
            assert!(board.slot(board.secondary, flash.memory()).iter().all(|byte| *byte == 0xFF));
        });
    });
}

#[test]
fn image_to_go_back_to_is_confirmed_already() {
    device(|flash, board, config, file| {
        let old = flash.memory()[..4000].to_vec();
        update(flash, board, config, file);
        boot(flash, board, &config);
        let before = flash.memory().to_vec();
        start(config, board, |device| {
            assert_eq!(set_state(device, flash, Some(&hash(&old)), true), Ok(()));
            assert_eq!(set_state(device, flash, Some(&hash(&old)), false), Err(Error::AlreadyPending));
            assert_eq!(states(device), ["0 2.0.0 BA", "1 1.0.0 BC"]);
        });
        assert_eq!(flash.memory(), before);
    });
}
