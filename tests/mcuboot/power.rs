//! Power cuts and flash errors at every operation of an update.

use anysmp::checksum::Crc16;
use anysmp::mcuboot::slots::{Config, Error, Uploaded};
use anysmp::mcuboot::trailer::SwapType;
use anysmp::mcuboot::{Image, Version, digest::Sha256};
use anysmp::testing::bootloader::Boot;
use anysmp::testing::{Fault, RamNor, Random};

use crate::device::{
    Board, Device, boot, chunk, config, flash_file, hash, image, list, send, set_state, sha, start, states, upload,
};

const OLD: Version = Version::new(1, 0, 0);
const NEW: Version = Version::new(2, 0, 0);

/// What a client does to bring a device to the point where it will test the file.
fn update<const W: usize, const E: usize>(
    device: &mut Device<'_>,
    flash: &mut RamNor<'_, W, E>,
    file: &[u8],
    len: usize,
) -> Result<(), Error> {
    let hash = hash(file);
    crate::device::run(device, flash, anysmp::mcuboot::slots::Command::List)?;
    if device.states().any(|state| state.pending && state.hash == hash) {
        return Ok(());
    }
    let uploaded = upload(device, flash, file, Some(&sha(file)), len)?;
    assert_eq!(uploaded, Uploaded { off: file.len() as u64, matched: Some(true) });
    set_state(device, flash, Some(&hash), false)
}

/// What must hold at any moment.
fn check<const W: usize, const E: usize>(
    flash: &RamNor<'_, W, E>,
    board: &Board,
    config: &Config,
    running: &[u8],
    file: &[u8],
    what: &str,
) {
    assert!(board.slot(board.primary, flash.memory()) == running, "{what}: the running slot has changed");
    let slot = board.slot(board.secondary, flash.memory());
    if board.bootloader(config).is_marked(slot) {
        let verified = Image::parse(slot).and_then(|image| image.verify(&mut Sha256::new()));
        assert_eq!(verified, Ok(()), "{what}: a damaged image is marked");
        assert!(slot.starts_with(file), "{what}: another image is marked");
    }
}

/// Cuts power at every operation of an update, once more at a random one of the recovery, and lets
/// the update end.
fn cuts<const W: usize, const E: usize>(erased: u8, log: bool, len: usize, chunk_len: usize) {
    let board = Board::for_erase(E);
    let (old, file) = (image(OLD, len, 1), image(NEW, len + 1, 2));
    let mut memory = vec![0; board.len()];
    let mut flash = RamNor::<W, E>::new(&mut memory).with_erased(erased).blank();
    let mut config = config(&flash, &board);
    config.geometry = config.geometry.with_erased(erased);
    if !log {
        config.checkpoint = None;
    }
    flash_file(&mut flash, board.primary, &old);
    flash_file(&mut flash, board.secondary, &image(OLD, len + 500, 3));
    let fresh = flash.memory().to_vec();
    let running = board.slot(board.primary, &fresh).to_vec();

    for nth in 0.. {
        let mut random = Random::new(nth);
        for fault in [Fault::Cut, Fault::Tear(random.next())] {
            let second = random.below(200) as u32;
            let what = format!("W {W}, E {E}, log {log}, operation {nth}, {fault:?}, then {second}");
            flash.memory_mut().copy_from_slice(&fresh);
            flash.plan(nth, fault);
            let result = start(config, &board, |device| update(device, &mut flash, &file, chunk_len));
            let untouched = flash.is_planned();
            // A cut while the last look reads the other slot comes after everything that was asked.
            let is_done = board.bootloader(&config).is_marked(board.slot(board.secondary, flash.memory()));
            assert!(if untouched { result.is_ok() } else { result.is_err() || is_done }, "{what}: {result:?}");
            flash.power_on();
            check(&flash, &board, &config, &running, &file, &what);

            flash.plan(second, Fault::Tear(random.next()));
            let _ = start(config, &board, |device| update(device, &mut flash, &file, chunk_len));
            flash.power_on();
            check(&flash, &board, &config, &running, &file, &what);

            start(config, &board, |device| {
                let result = update(device, &mut flash, &file, chunk_len);
                // A mark that was torn makes the trailer unreadable; then the slot has to be filled
                // again.
                if result == Err(Error::DamagedTrailer) {
                    assert_eq!(update(device, &mut flash, &file, chunk_len), Ok(()), "{what}");
                } else {
                    assert_eq!(result, Ok(()), "{what}");
                }
                assert_eq!(states(device), ["0 1.0.0 BCA", "1 2.0.0 BP"], "{what}");
            });
            check(&flash, &board, &config, &running, &file, &what);
            assert_eq!(boot(&mut flash, &board, &config), Boot::Swapped(SwapType::Test), "{what}");
            assert!(flash.memory().starts_with(&file), "{what}");
            if untouched {
                return;
            }
        }
    }
}

#[test]
fn power_cut_at_any_operation_does_no_harm_and_the_update_completes() {
    cuts::<1, 256>(0xFF, true, 700, 200);
    cuts::<4, 256>(0xFF, true, 900, 33);
    cuts::<4, 256>(0x00, true, 900, 150);
    cuts::<8, 512>(0xFF, true, 1300, 100);
    cuts::<16, 1024>(0xFF, true, 2500, 700);
    cuts::<32, 4096>(0xFF, true, 7000, 3000);
    cuts::<64, 512>(0xFF, true, 1200, 100);
    cuts::<128, 1024>(0xFF, true, 2200, 400);
    cuts::<256, 256>(0xFF, true, 800, 100);
    cuts::<512, 2048>(0x00, true, 4500, 600);
    cuts::<8, 512>(0xFF, false, 1300, 100);
}

#[test]
fn flash_error_at_any_operation_is_told_and_the_device_goes_on() {
    let board = Board::for_erase(512);
    let (old, file) = (image(OLD, 1300, 1), image(NEW, 1301, 2));
    let mut memory = vec![0; board.len()];
    let mut flash = RamNor::<8, 512>::new(&mut memory).blank();
    let config = config(&flash, &board);
    flash_file(&mut flash, board.primary, &old);
    let fresh = flash.memory().to_vec();
    let running = board.slot(board.primary, &fresh).to_vec();
    for nth in 0.. {
        flash.memory_mut().copy_from_slice(&fresh);
        flash.plan(nth, Fault::Fail);
        let done = start(config, &board, |device| {
            let result = update(device, &mut flash, &file, 100);
            let untouched = flash.is_planned();
            flash.power_on();
            match result {
                // A read that failed counts as nothing: it may cost a page, never the update.
                Ok(()) => {
                    let slot = board.slot(board.secondary, flash.memory());
                    assert!(board.bootloader(&config).is_marked(slot), "{nth}");
                }
                Err(error) => {
                    let ours = [Error::FlashRead, Error::FlashWrite, Error::FlashErase];
                    let unseen = [Error::HashNotFound, Error::DamagedTrailer];
                    assert!(!untouched && (ours.contains(&error) || unseen.contains(&error)), "{nth}: {error:?}");
                }
            }
            check(&flash, &board, &config, &running, &file, &format!("operation {nth}"));
            assert_eq!(update(device, &mut flash, &file, 100), Ok(()), "{nth}");
            assert_eq!(states(device), ["0 1.0.0 BCA", "1 2.0.0 BP"], "{nth}");
            untouched
        });
        if done {
            return;
        }
    }
}

#[test]
fn power_cut_while_confirming_leaves_the_running_image_alone() {
    let board = Board::for_erase(512);
    let (old, file) = (image(OLD, 1300, 1), image(NEW, 1301, 2));
    let mut memory = vec![0; board.len()];
    let mut flash = RamNor::<8, 512>::new(&mut memory).blank();
    let config = config(&flash, &board);
    flash_file(&mut flash, board.primary, &old);
    start(config, &board, |device| update(device, &mut flash, &file, 100).unwrap());
    boot(&mut flash, &board, &config);
    let trial = flash.memory().to_vec();
    for nth in 0.. {
        for fault in [Fault::Cut, Fault::Tear(nth), Fault::Tear(nth + 1000), Fault::Tear(nth + 2000)] {
            flash.memory_mut().copy_from_slice(&trial);
            flash.plan(nth, fault);
            let result = start(config, &board, |device| set_state(device, &mut flash, None, true));
            let untouched = flash.is_planned();
            flash.power_on();
            let is_confirmed = flash.memory()[board.primary.len as usize - 24] == 1;
            assert!(if untouched { result.is_ok() } else { result.is_err() || is_confirmed }, "{nth} {fault:?}");
            assert!(flash.memory().starts_with(&file));
            // Nothing but the unit of the flag may have changed.
            let unit = board.primary.len as usize - 24..board.primary.len as usize - 16;
            let differs = |at: &usize| flash.memory()[*at] != trial[*at];
            assert!((0..trial.len()).filter(differs).all(|at| unit.contains(&at)), "{nth} {fault:?}");
            let again = start(config, &board, |device| set_state(device, &mut flash, None, true));
            assert_eq!(again, Ok(()), "{nth} {fault:?}");
            // MCUboot reverts only what is not confirmed, and a torn flag is not that.
            let states = start(config, &board, |device| list(device, &mut flash));
            assert_eq!(states, ["0 2.0.0 BCA", "1 1.0.0 B"], "{nth} {fault:?}");
            if untouched {
                assert_eq!(boot(&mut flash, &board, &config), Boot::Stayed);
                return;
            }
        }
    }
}

/// Uploads the first `until` bytes of a file into a fresh device, in chunks of 100 bytes.
fn begun(flash: &mut RamNor<'_, 8, 1024>, board: &Board, config: Config, file: &[u8], until: usize) {
    start(config, board, |device| {
        for off in (0..until).step_by(100) {
            let answer = send(device, flash, chunk(file, Some(&sha(file)), off, 100.min(until - off))).unwrap();
            assert_eq!(answer.off as usize, until.min(off + 100));
        }
    });
}

#[test]
fn upload_goes_on_after_a_restart_at_the_last_full_page() {
    let board = Board::for_erase(1024);
    let mut memory = vec![0; board.len()];
    let mut flash = RamNor::<8, 1024>::new(&mut memory).blank();
    let config = config(&flash, &board);
    let file = image(NEW, 5000, 2);
    let sha = sha(&file);
    for (until, resumed) in [(100, 0), (1024, 0), (1032, 1024), (2000, 1024), (2048, 1024), (2100, 2048), (4999, 4096)]
    {
        // The first chunk with the same sha, or any later chunk, learns where to go on.
        for first in [chunk(&file, Some(&sha), 0, 100), chunk(&file, None, until, 1)] {
            flash = flash.blank();
            begun(&mut flash, &board, config, &file, until);
            start(config, &board, |device| {
                let expected = if resumed == 0 && first.off == 0 { 100 } else { resumed };
                assert_eq!(send(device, &mut flash, first).unwrap().off, expected, "{until}");
                let done = upload(device, &mut flash, &file, Some(&sha), 300);
                assert_eq!(done, Ok(Uploaded { off: 5000, matched: Some(true) }), "{until}");
            });
        }
    }
}

#[test]
fn checkpoint_is_believed_only_if_slot_and_client_agree() {
    let board = Board::for_erase(1024);
    let mut memory = vec![0; board.len()];
    let mut flash = RamNor::<8, 1024>::new(&mut memory).blank();
    let config = config(&flash, &board);
    let file = image(NEW, 5000, 2);
    let sha = sha(&file);
    let first = chunk(&file, Some(&sha), 0, 100);
    begun(&mut flash, &board, config, &file, 3000);
    let begun = flash.memory().to_vec();
    let answer = |flash: &mut RamNor<'_, 8, 1024>, config, change: &dyn Fn(&mut [u8]), chunk| {
        flash.memory_mut().copy_from_slice(&begun);
        change(flash.memory_mut());
        start(config, &board, |device| send(device, flash, chunk).map(|uploaded| uploaded.off))
    };
    let secondary = board.secondary.start as usize;
    let end = secondary + board.secondary.len as usize;
    let log = board.log.start as usize;
    assert_eq!(answer(&mut flash, config, &|_| {}, first), Ok(2048));
    // Another file, and a device without a log.
    assert_eq!(answer(&mut flash, config, &|_| {}, chunk(&file, Some(&[3; 32]), 0, 100)), Ok(100));
    assert_eq!(answer(&mut flash, config, &|_| {}, chunk(&file, None, 0, 100)), Ok(100));
    assert_eq!(answer(&mut flash, Config { checkpoint: None, ..config }, &|_| {}, first), Ok(100));
    // A changed byte before the checkpoint counts, one after it does not.
    assert_eq!(answer(&mut flash, config, &|memory| memory[secondary + 40] ^= 1, first), Ok(100));
    assert_eq!(answer(&mut flash, config, &|memory| memory[secondary + 2047] ^= 1, first), Ok(100));
    assert_eq!(answer(&mut flash, config, &|memory| memory[secondary + 2048] ^= 1, first), Ok(2048));
    // A damaged newest record: the one before it.
    assert_eq!(answer(&mut flash, config, &|memory| memory[log + 64 + 30] ^= 1, first), Ok(1024));
    assert_eq!(answer(&mut flash, config, &|memory| memory[log..log + 128].fill(0), first), Ok(100));
    // The slot has been marked meanwhile, by whatever means.
    let magic = anysmp::mcuboot::trailer::Layout::new(8).unwrap().magic();
    let mark = |memory: &mut [u8]| memory[end - 16..end].copy_from_slice(&magic);
    assert_eq!(answer(&mut flash, Config { erase_pending: false, ..config }, &mark, first), Err(Error::NoFreeSlot));
    // By default the mark goes, and the upload goes on.
    assert_eq!(answer(&mut flash, config, &mark, first), Ok(2048));
    assert!(flash.memory()[end - 1024..end].iter().all(|byte| *byte == 0xFF));
}

/// A record of the checkpoint log, as the newest and every older firmware writes it.
fn record(number: u32, len: u32, written: &[u8], sha: &[u8]) -> Vec<u8> {
    let mut record = b"smp\x01".to_vec();
    for word in [number, 0, len, written.len() as u32] {
        record.extend_from_slice(&word.to_le_bytes());
    }
    record.extend_from_slice(&Crc16::of(written).to_le_bytes());
    record.extend_from_slice(&[sha.len() as u8, 0]);
    record.extend_from_slice(sha);
    record.resize(62, 0);
    let crc = Crc16::of(&record);
    record.extend_from_slice(&crc.to_be_bytes());
    record
}

#[test]
fn checkpoints_are_written_one_behind_the_other_as_the_table_says() {
    let board = Board::for_erase(1024);
    let mut memory = vec![0; board.len()];
    let mut flash = RamNor::<8, 1024>::new(&mut memory).blank();
    let config = config(&flash, &board);
    let file = image(NEW, 5000, 2);
    for sha in [sha(&file), vec![7; 5]] {
        flash = flash.blank();
        start(config, &board, |device| {
            for off in (0..3100).step_by(100) {
                send(device, &mut flash, chunk(&file, Some(&sha), off, 100)).unwrap();
            }
        });
        let log = &flash.memory()[board.log.start as usize..][..256];
        let expected: Vec<u8> =
            (1..=3).flat_map(|page| record(page - 1, 5000, &file[..1024 * page as usize], &sha)).collect();
        assert_eq!(log, [&expected[..], &[0xFF; 64]].concat());
    }
}

#[test]
fn after_a_restart_the_next_checkpoint_goes_behind_the_newest_and_behind_what_a_power_cut_left_of_one() {
    let board = Board::for_erase(1024);
    let mut memory = vec![0; board.len()];
    let mut flash = RamNor::<8, 1024>::new(&mut memory).blank();
    let config = config(&flash, &board);
    let file = image(NEW, 5000, 2);
    let sha = sha(&file);
    for torn in [0, 1, 2] {
        flash = flash.blank();
        begun(&mut flash, &board, config, &file, 2100);
        let log = board.log.start as usize;
        for nth in 0..torn {
            flash.memory_mut()[log + 64 * (2 + nth)..][..24].fill(0x55);
        }
        let before = flash.memory()[log..][..64 * (2 + torn)].to_vec();
        start(config, &board, |device| {
            assert_eq!(send(device, &mut flash, chunk(&file, Some(&sha), 0, 100)).unwrap().off, 2048);
            for off in (2048..3248).step_by(100) {
                send(device, &mut flash, chunk(&file, Some(&sha), off, 100)).unwrap();
            }
        });
        let expected = [before, record(2, 5000, &file[..3072], &sha), vec![0xFF; 64]].concat();
        assert_eq!(flash.memory()[log..][..expected.len()], expected, "{torn}");
    }
}

#[test]
fn checkpoint_at_the_end_of_a_file_is_not_believed() {
    let board = Board::for_erase(1024);
    let mut memory = vec![0; board.len()];
    let mut flash = RamNor::<8, 1024>::new(&mut memory).blank();
    let config = config(&flash, &board);
    let file = image(NEW, 4096, 2);
    let sha = sha(&file);
    for (off, expected) in [(3072, 3072), (4096, 100)] {
        flash = flash.blank();
        // No device writes the second of these, after which nobody would compare the file with its
        // hash: it is damaged.
        let mut written = file[..off].to_vec();
        written[3500.min(off - 1)] ^= u8::from(off == 4096);
        flash_file(&mut flash, board.secondary, &written);
        flash_file(&mut flash, board.log, &record(0, 4096, &written, &sha));
        start(config, &board, |device| {
            let first = send(device, &mut flash, chunk(&file, Some(&sha), 0, 100));
            assert_eq!(first, Ok(Uploaded { off: expected, matched: None }));
            let done = upload(device, &mut flash, &file, Some(&sha), 300);
            assert_eq!(done, Ok(Uploaded { off: 4096, matched: Some(true) }));
        });
    }
}

#[test]
fn checkpoint_log_goes_round_for_ever() {
    for pages in [1, 2, 3] {
        let mut board = Board::for_erase(1024);
        board.log.len = 1024 * pages;
        let mut memory = vec![0; board.len()];
        let mut flash = RamNor::<8, 1024>::new(&mut memory).blank();
        let config = config(&flash, &board);
        let mut random = Random::new(pages);
        for round in 0..60 {
            let file = image(NEW, 5000, round);
            let until = 1100 + random.below(3800);
            begun(&mut flash, &board, config, &file, until);
            start(config, &board, |device| {
                let off = send(device, &mut flash, chunk(&file, Some(&sha(&file)), 0, 100)).unwrap().off;
                assert_eq!(off as usize, (until - 1) / 1024 * 1024, "{pages} pages, round {round}, {until}");
                if round % 3 == 0 {
                    upload(device, &mut flash, &file, Some(&sha(&file)), 300).unwrap();
                }
            });
        }
    }
}

#[test]
fn finished_upload_is_found_after_a_restart() {
    let board = Board::for_erase(1024);
    let mut memory = vec![0; board.len()];
    let mut flash = RamNor::<8, 1024>::new(&mut memory).blank();
    let config = config(&flash, &board);
    let file = image(NEW, 5000, 2);
    start(config, &board, |device| upload(device, &mut flash, &file, Some(&sha(&file)), 300).unwrap());
    start(config, &board, |device| {
        assert_eq!(list(device, &mut flash), ["1 2.0.0 B"]);
        assert_eq!(set_state(device, &mut flash, Some(&hash(&file)), false), Ok(()));
    });
}
