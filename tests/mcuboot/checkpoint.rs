//! Uploads that continue after a restart.

use anysmp::checksum::Crc16;
use anysmp::mcuboot::Version;
use anysmp::mcuboot::slots::{Config, Error, Uploaded};
use anysmp::testing::{RamNor, Random};

use crate::device::{Board, chunk, config, flash_file, hash, image, list, send, set_state, sha, start, upload};

const NEW: Version = Version::new(2, 0, 0);

/// An empty board, its flash and its configuration, under these names.
macro_rules! board {
    ($board:ident, $flash:ident, $config:ident) => {
        let $board = Board::for_erase(1024);
        let mut memory = vec![0; $board.len()];
        let mut $flash = RamNor::<8, 1024>::new(&mut memory).blank();
        let $config = config(&$flash, &$board);
    };
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
    board!(board, flash, config);
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
    board!(board, flash, config);
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
    board!(board, flash, config);
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
    board!(board, flash, config);
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
    board!(board, flash, config);
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
    board!(board, flash, config);
    let file = image(NEW, 5000, 2);
    start(config, &board, |device| upload(device, &mut flash, &file, Some(&sha(&file)), 300).unwrap());
    start(config, &board, |device| {
        assert_eq!(list(device, &mut flash), ["1 2.0.0 B"]);
        assert_eq!(set_state(device, &mut flash, Some(&hash(&file)), false), Ok(()));
    });
}
