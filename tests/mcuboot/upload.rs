//! The upload table, row by row, and the sizes of flash.

use anysmp::mcuboot::slots::{Chunk, Command, Config, Error, Outcome, Uploaded};
use anysmp::mcuboot::trailer::SwapType;
use anysmp::mcuboot::{Header, Version};
use anysmp::testing::bootloader::Boot;
use anysmp::testing::{Fault, RamNor};

use crate::device::{
    Board, NEW, Nor, OLD, chunk, config, device, flash_file, image, list, run, send, set_state, sha, start, upload,
};

fn off(off: u64) -> Result<Uploaded, Error> {
    Ok(Uploaded { off, matched: None })
}

#[test]
fn file_arrives_in_the_other_slot_and_nowhere_else() {
    device(|flash, board, config, file| {
        let running = board.slot(board.primary, flash.memory()).to_vec();
        start(config, board, |device| {
            assert_eq!(upload(device, flash, file, None, 300), off(5000));
            assert_eq!(list(device, flash), ["0 1.0.0 BCA", "1 2.0.0 B"]);
        });
        assert_eq!(&board.slot(board.secondary, flash.memory())[..5000], file);
        assert_eq!(board.slot(board.primary, flash.memory()), running);
        assert!(board.slot(board.secondary, flash.memory())[5000..].iter().all(|byte| *byte == 0xFF));
    });
}

#[test]
fn bad_first_chunks_are_refused_before_anything_is_erased() {
    device(|flash, board, config, file| {
        flash_file(flash, board.secondary, &image(OLD, 4500, 3));
        let before = flash.memory().to_vec();
        let first = chunk(file, None, 0, 100);
        let max = u64::from(board.secondary.len) - 2048;
        let mut old_format = file[..100].to_vec();
        old_format[0] = 0x3C;
        let mut short_header = file[..100].to_vec();
        short_header[8] = 31;
        let mut endless = file[..100].to_vec();
        endless[12..16].fill(0xFF);
        let mut longer = file[..100].to_vec();
        longer[12..16].copy_from_slice(&4969_u32.to_le_bytes());
        start(config, board, |device| {
            for (chunk, error) in [
                (Chunk { data: &file[..31], ..first }, Error::InvalidHeader),
                (Chunk { data: &[], len: None, ..first }, Error::InvalidHeader),
                (Chunk { len: None, data: &old_format, ..first }, Error::InvalidLength),
                (Chunk { data: &old_format, sha: Some(&[0; 33]), ..first }, Error::InvalidMagic),
                (Chunk { sha: Some(&[0; 33]), len: Some(u64::MAX), ..first }, Error::InvalidHash),
                (Chunk { len: Some(max + 1), ..first }, Error::TooLarge),
                (Chunk { len: Some(u64::MAX), data: &short_header, ..first }, Error::TooLarge),
                (Chunk { len: Some((1 << 32) + 5000), ..first }, Error::TooLarge),
                (Chunk { data: &short_header, ..first }, Error::InvalidHeader),
                (Chunk { data: &endless, ..first }, Error::InvalidHeader),
                (Chunk { data: &longer, ..first }, Error::InvalidHeader),
                (Chunk { data: &[file, &[0]].concat(), ..first }, Error::Overrun),
            ] {
                assert_eq!(send(device, flash, chunk), Err(error), "{chunk:?}");
            }
            assert_eq!(send(device, flash, Chunk { off: 100, ..first }), off(0));
        });
        assert_eq!(flash.memory(), before);
        start(config, board, |device| {
            assert_eq!(send(device, flash, Chunk { len: Some(max), ..first }), off(100));
        });
    });
}

#[test]
fn slot_in_use_is_not_overwritten() {
    device(|flash, board, config, file| {
        start(Config { erase_pending: false, ..config }, board, |device| {
            upload(device, flash, file, None, 500).unwrap();
            set_state(device, flash, Some(&crate::device::hash(file)), false).unwrap();
            let before = flash.memory().to_vec();
            let other = image(NEW, 6000, 9);
            assert_eq!(send(device, flash, chunk(&other, None, 0, 100)), Err(Error::NoFreeSlot));
            // What is wrong with the chunk itself comes first, its size later.
            assert_eq!(
                send(device, flash, Chunk { len: Some(u64::MAX), ..chunk(&other, None, 0, 100) }),
                Err(Error::NoFreeSlot)
            );
            assert_eq!(flash.memory(), before);
        });
        // On trial: the other slot is needed to revert.
        crate::device::boot(flash, board, &config);
        start(config, board, |device| {
            assert_eq!(list(device, flash), ["0 2.0.0 BA", "1 1.0.0 BC"]);
            assert_eq!(send(device, flash, chunk(file, None, 0, 100)), Err(Error::NoFreeSlot));
            assert_eq!(run(device, flash, Command::Erase { slot: None }), Err(Error::NoFreeSlot));
        });
    });
}

#[test]
fn same_sha_resumes_and_another_one_starts_again() {
    device(|flash, board, config, file| {
        start(config, board, |device| {
            let sha = sha(file);
            let first = chunk(file, Some(&sha), 0, 333);
            assert_eq!(send(device, flash, first), off(333));
            let erases = flash.counters().erases;
            let writes = flash.counters().writes;
            assert_eq!(send(device, flash, first), off(333));
            assert_eq!((flash.counters().erases, flash.counters().writes), (erases, writes));
            // Another one, one of another length, none.
            for other in [Some(&[7_u8; 32][..]), Some(&sha[..31]), Some(&[]), None] {
                assert_eq!(send(device, flash, chunk(file, Some(&sha), 0, 333)), off(333));
                assert_eq!(send(device, flash, chunk(file, Some(&sha), 333, 300)), off(633));
                assert_eq!(send(device, flash, chunk(file, other, 0, 40)), off(40));
            }
            assert_eq!(send(device, flash, first), off(333));
            assert_eq!(upload(device, flash, file, Some(&sha), 333), Ok(Uploaded { off: 5000, matched: Some(true) }));
        });
    });
}

#[test]
fn upgrade_is_refused_unless_newer() {
    device(|flash, board, config, _| {
        let try_version = |flash: &mut Nor<'_>, config, version: &str| {
            let file = image(version.parse().unwrap(), 5000, 2);
            start(config, board, |device| {
                send(device, flash, Chunk { upgrade: true, ..chunk(&file, None, 0, 100) }).map(|_| ())
            })
        };
        for (version, result) in [
            ("0.9.9", Err(Error::NotNewer)),
            ("1.0.0", Err(Error::NotNewer)),
            ("1.0.0.7", Err(Error::NotNewer)),
            ("1.0.1", Ok(())),
            ("2.0.0", Ok(())),
        ] {
            assert_eq!(try_version(flash, config, version), result, "{version}");
        }
        assert_eq!(try_version(flash, Config { compare_build: true, ..config }, "1.0.0.7"), Ok(()));
        flash.memory_mut()[0] = 0;
        assert_eq!(try_version(flash, config, "3.0.0"), Err(Error::VersionUnknown));
    });
}

#[test]
fn file_that_is_already_there_is_not_written_again() {
    device(|flash, board, config, file| {
        let sha = sha(file);
        let done = Ok(Uploaded { off: 5000, matched: Some(true) });
        start(config, board, |device| assert_eq!(upload(device, flash, file, Some(&sha), 512), done));
        let no_log = Config { checkpoint: None, ..config };
        let writes = flash.counters().writes;
        start(no_log, board, |device| {
            assert_eq!(send(device, flash, chunk(file, Some(&sha), 0, 512)), done);
            // Not without the full hash.
            assert_eq!(flash.counters().writes, writes);
            assert_eq!(send(device, flash, chunk(file, Some(&sha[..31]), 0, 512)), off(512));
        });
        // Not if a byte after the header differs.
        start(no_log, board, |device| {
            assert_eq!(upload(device, flash, file, Some(&sha), 512), done);
            flash.memory_mut()[board.secondary.start as usize + 4999] ^= 1;
            assert_eq!(send(device, flash, chunk(file, Some(&sha), 0, 512)), off(512));
        });
        // Not if the trailer is used: the slot could not be marked.
        start(no_log, board, |device| {
            assert_eq!(upload(device, flash, file, Some(&sha), 512), done);
            flash.memory_mut()[(board.secondary.start + board.secondary.len) as usize - 1] = 0;
            assert_eq!(set_state(device, flash, Some(&crate::device::hash(file)), false), Err(Error::DamagedTrailer));
            assert_eq!(upload(device, flash, file, Some(&sha), 512), done);
            assert_eq!(set_state(device, flash, Some(&crate::device::hash(file)), false), Ok(()));
        });
    });
}

#[test]
fn unexpected_offset_is_answered_with_the_expected_one_and_writes_nothing() {
    device(|flash, board, config, file| {
        start(config, board, |device| {
            send(device, flash, chunk(file, None, 0, 300)).unwrap();
            send(device, flash, chunk(file, None, 300, 300)).unwrap();
            let operations = flash.counters().operations;
            for at in [1, 299, 300, 301, 599, 601, 4999, u64::MAX] {
                assert_eq!(send(device, flash, Chunk { off: at, ..chunk(file, None, 600, 300) }), off(600), "{at}");
            }
            assert_eq!(send(device, flash, chunk(file, None, 600, 0)), off(600));
            assert_eq!(flash.counters().operations, operations);
        });
    });
}

#[test]
fn overrun_is_refused_and_the_session_goes_on() {
    device(|flash, board, config, file| {
        start(config, board, |device| {
            send(device, flash, chunk(file, None, 0, 4900)).unwrap();
            let long = [0; 101];
            assert_eq!(send(device, flash, Chunk { data: &long, ..chunk(file, None, 4900, 0) }), Err(Error::Overrun));
            assert_eq!(send(device, flash, chunk(file, None, 4900, 100)), off(5000));
        });
        assert_eq!(&board.slot(board.secondary, flash.memory())[..5000], file);
    });
}

#[test]
fn flash_error_ends_the_session() {
    for (fault_at, error) in [(0, Error::FlashWrite), (1, Error::FlashErase)] {
        device(|flash, board, config, file| {
            start(Config { checkpoint: None, ..config }, board, |device| {
                send(device, flash, chunk(file, None, 0, 1000)).unwrap();
                flash.plan(fault_at, Fault::Fail);
                assert_eq!(send(device, flash, chunk(file, None, 1000, 1000)), Err(error));
                assert_eq!(send(device, flash, chunk(file, None, 1000, 1000)), off(0));
                assert_eq!(upload(device, flash, file, None, 700), off(5000));
            });
        });
    }
}

#[test]
fn flash_error_before_the_first_write_of_another_upload_ends_the_session_too() {
    device(|flash, board, config, file| {
        start(config, board, |device| {
            send(device, flash, chunk(file, None, 0, 1000)).unwrap();
            flash.plan(0, Fault::Fail);
            assert_eq!(send(device, flash, chunk(file, None, 0, 1000)), Err(Error::FlashRead));
            assert_eq!(send(device, flash, chunk(file, None, 1000, 1000)), off(0));
        });
    });
}

#[test]
fn slot_of_a_single_page_is_erased_once() {
    let board = Board::new(0x4000, 0x4000);
    let mut memory = vec![0; board.len()];
    let mut flash = RamNor::<8, 0x4000>::new(&mut memory).blank();
    let config = config(&flash, &board);
    let file = image(NEW, 5000, 2);
    start(config, &board, |device| {
        let uploaded = upload(device, &mut flash, &file, Some(&sha(&file)), 300);
        assert_eq!(uploaded, Ok(Uploaded { off: 5000, matched: Some(true) }));
    });
    assert_eq!(flash.counters().erases, 1);
}

#[test]
fn dropped_job_ends_the_session() {
    device(|flash, board, config, file| {
        start(config, board, |device| {
            send(device, flash, chunk(file, None, 0, 1000)).unwrap();
            let mut job = device.begin(Command::Upload(chunk(file, None, 1000, 1000)));
            assert!(anysmp::mcuboot::flash::Job::next(&mut job).is_some());
            assert_eq!(job.finish(), Err(Error::Unknown));
            assert_eq!(send(device, flash, chunk(file, None, 1000, 1000)), off(0));
            assert_eq!(upload(device, flash, file, None, 700), off(5000));
        });
    });
}

#[test]
fn hash_of_a_file_is_right_whatever_hashing_was_broken_off_before() {
    device(|flash, board, config, file| {
        let other = image(Version::new(3, 0, 0), 5000, 4);
        start(Config { checkpoint: None, ..config }, board, |device| {
            let mut broken = 0;
            for nth in 0..40 {
                upload(device, flash, file, None, 1000).unwrap();
                flash.plan(nth, Fault::Fail);
                match set_state(device, flash, Some(&crate::device::hash(file)), false) {
                    Err(Error::FlashRead) => broken += 1,
                    // A part of the other slot was not seen, or not seen again.
                    Ok(()) | Err(Error::HashNotFound | Error::DamagedTrailer | Error::FlashWrite) => {}
                    Err(error) => panic!("{error}"),
                }
                flash.power_on();
                let done = Ok(Uploaded { off: 5000, matched: Some(true) });
                assert_eq!(upload(device, flash, &other, Some(&sha(&other)), 1000), done, "{nth}");
            }
            // Three of the trailer of the running slot, twice, and those of hashing.
            assert!(broken > 6, "{broken}");
        });
    });
}

#[test]
fn repeated_last_chunk_is_answered_as_before_and_writes_nothing() {
    device(|flash, board, config, file| {
        let sha = sha(file);
        start(config, board, |device| {
            let done = upload(device, flash, file, Some(&sha), 500).unwrap();
            assert_eq!(done, Uploaded { off: 5000, matched: Some(true) });
            let operations = flash.counters().operations;
            assert_eq!(send(device, flash, chunk(file, None, 4500, 500)), Ok(done));
            assert_eq!(send(device, flash, chunk(file, None, 4500, 499)), off(0));
            assert_eq!(send(device, flash, chunk(file, None, 4000, 500)), off(0));
            assert_eq!(flash.counters().operations, operations);
        });
    });
}

#[test]
fn erase_ends_the_session() {
    device(|flash, board, config, file| {
        start(config, board, |device| {
            for slot in [None, Some(1)] {
                send(device, flash, chunk(file, None, 0, 1000)).unwrap();
                assert_eq!(run(device, flash, Command::Erase { slot }), Ok(Outcome::Erased));
                assert_eq!(send(device, flash, chunk(file, None, 1000, 1000)), off(0));
                assert!(board.slot(board.secondary, flash.memory()).iter().all(|byte| *byte == 0xFF));
            }
            // An empty slot can be erased; a refused erase leaves the session alone.
            assert_eq!(run(device, flash, Command::Erase { slot: Some(1) }), Ok(Outcome::Erased));
            send(device, flash, chunk(file, None, 0, 1000)).unwrap();
            for (slot, error) in [
                (0, Error::NoFreeSlot),
                (2, Error::InvalidSlot),
                (u64::MAX, Error::InvalidSlot),
                (1 << 32, Error::InvalidSlot),
            ] {
                assert_eq!(run(device, flash, Command::Erase { slot: Some(slot) }), Err(error));
            }
            assert_eq!(send(device, flash, chunk(file, None, 1000, 1000)), off(2000));
        });
    });
}

#[test]
fn wrong_sha_and_silent_write_failures_are_told() {
    device(|flash, board, config, file| {
        start(config, board, |device| {
            let wrong = Ok(Uploaded { off: 5000, matched: Some(false) });
            assert_eq!(upload(device, flash, file, Some(&[1; 32]), 500), wrong);
            // The image itself is good, whatever the client thought the file was.
            assert_eq!(list(device, flash)[1], "1 2.0.0 B");
        });
    });
    // Every write and erase in turn is lost without a word.
    let sha_of = sha;
    for nth in 0.. {
        let mut end = false;
        device(|flash, board, config, file| {
            flash_file(flash, board.secondary, &image(OLD, 5100, 3));
            start(Config { checkpoint: None, ..config }, board, |device| {
                flash.plan(nth, Fault::Silent);
                let result = upload(device, flash, file, Some(&sha_of(file)), 500);
                end = flash.is_planned();
                let intact = &board.slot(board.secondary, flash.memory())[..5000] == file;
                match result {
                    Ok(Uploaded { matched: Some(matched), .. }) => assert_eq!(matched, intact, "operation {nth}"),
                    // A write to what was silently not erased.
                    Err(Error::FlashWrite) => {}
                    other => panic!("operation {nth}: {other:?}"),
                }
                let marked = set_state(device, flash, Some(&crate::device::hash(file)), false);
                assert_eq!(marked.is_ok(), intact, "operation {nth}: {marked:?}");
            });
        });
        if end {
            return;
        }
    }
}

#[test]
fn no_page_is_erased_before_its_time_and_none_twice() {
    device(|flash, board, config, file| {
        flash_file(flash, board.secondary, &vec![0; board.secondary.len as usize]);
        start(Config { checkpoint: None, ..config }, board, |device| {
            send(device, flash, chunk(file, None, 0, 1000)).unwrap();
            // The first page and the tail, in which the trailer is.
            assert_eq!(flash.counters().erases, 2);
            assert!(board.slot(board.secondary, flash.memory())[1024..15 * 1024].iter().all(|byte| *byte == 0));
            upload(device, flash, file, None, 500).unwrap();
        });
        assert_eq!(flash.counters().erases, 2 + 6);
    });
}

/// Uploads files of every remainder modulo the write size, in chunks smaller and larger than that.
fn remainders<const W: usize, const E: usize>(erased: u8) {
    let board = Board::for_erase(E);
    let mut memory = vec![0; board.len()];
    let chunks = [1, 3, W - W / 2, W, W + 1, 3 * W + 5, 1000];
    let mut flash = RamNor::<W, E>::new(&mut memory).with_erased(erased).blank();
    let config = config(&flash, &board);
    let config = Config { geometry: config.geometry.with_erased(erased), ..config };
    for rest in 0..W {
        let file = image(NEW, 2048 + rest, rest as u32);
        let len = chunks[rest % chunks.len()];
        start(config, &board, |device| {
            let uploaded = upload(device, &mut flash, &file, Some(&sha(&file)), len);
            assert_eq!(uploaded, Ok(Uploaded { off: file.len() as u64, matched: Some(true) }), "{W} {E} {rest} {len}");
            assert_eq!(list(device, &mut flash), ["1 2.0.0 B"]);
            let end = file.len().next_multiple_of(W);
            let slot = board.slot(board.secondary, flash.memory());
            assert!(slot[..file.len()] == file && slot[file.len()..end].iter().all(|byte| *byte == erased));
            assert_eq!(set_state(device, &mut flash, Some(&crate::device::hash(&file)), false), Ok(()));
            assert_eq!(list(device, &mut flash), ["1 2.0.0 BP"]);
        });
        assert!(board.bootloader(&config).is_marked(board.slot(board.secondary, flash.memory())));
        flash = flash.blank();
    }
}

#[test]
fn every_write_size_takes_every_remainder() {
    remainders::<1, 256>(0xFF);
    remainders::<2, 256>(0xFF);
    remainders::<4, 256>(0xFF);
    remainders::<8, 512>(0xFF);
    remainders::<16, 1024>(0xFF);
    remainders::<32, 2048>(0xFF);
    remainders::<64, 4096>(0xFF);
    remainders::<128, 8192>(0xFF);
    remainders::<256, 256>(0xFF);
    remainders::<512, 131_072>(0xFF);
    remainders::<4, 256>(0x00);
    remainders::<32, 4096>(0x00);
}

#[test]
fn flash_that_reads_whole_units_only_is_read_in_whole_units() {
    let board = Board::for_erase(1024);
    let mut memory = vec![0; board.len()];
    let mut flash = RamNor::<16, 1024, 64>::new(&mut memory).blank();
    let config = config(&flash, &board);
    let file = image(NEW, 5003, 2);
    start(config, &board, |device| {
        let uploaded = upload(device, &mut flash, &file, Some(&sha(&file)), 100);
        assert_eq!(uploaded, Ok(Uploaded { off: 5003, matched: Some(true) }));
        assert_eq!(set_state(device, &mut flash, Some(&crate::device::hash(&file)), false), Ok(()));
    });
    start(config, &board, |device| assert_eq!(list(device, &mut flash), ["1 2.0.0 BP"]));
}

#[test]
fn largest_file_fills_the_slot_up_to_what_a_swap_needs() {
    device(|flash, board, config, _| {
        // A page for the move, and one for the status.
        let file = image(NEW, board.secondary.len as usize - 2048, 5);
        start(config, board, |device| {
            assert_eq!(device.info().next().unwrap().max_image_size, file.len() as u32);
            let done = Ok(Uploaded { off: file.len() as u64, matched: Some(true) });
            assert_eq!(upload(device, flash, &file, Some(&sha(&file)), 777), done);
            assert_eq!(set_state(device, flash, Some(&crate::device::hash(&file)), false), Ok(()));
        });
        assert_eq!(crate::device::boot(flash, board, &config), Boot::Swapped(SwapType::Test));
        assert_eq!(&flash.memory()[..file.len()], file);
        assert_eq!(Header::parse(flash.memory()).unwrap().version(), NEW);
    });
}

#[test]
fn async_executor_does_the_same() {
    use core::future::Future;
    use core::task::{Context, Poll, Waker};
    device(|flash, board, config, file| {
        start(config, board, |device| {
            let job = device.begin(Command::Upload(chunk(file, None, 0, 1000)));
            let mut future = core::pin::pin!(anysmp::mcuboot::flash::asynch::run(job, flash));
            let Poll::Ready(job) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
                panic!("a RAM flash never waits");
            };
            assert_eq!(job.finish(), Ok(Outcome::Upload(Uploaded { off: 1000, matched: None })));
        });
        assert_eq!(&board.slot(board.secondary, flash.memory())[..1000], &file[..1000]);
    });
}
