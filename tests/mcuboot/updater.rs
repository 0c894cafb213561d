//! `dfu::Updater`: uploads of any file, under a boot loader that swaps two regions and checks
//! nothing.

use std::cell::Cell;

use anysmp::dfu::{Chunk, Command, Error, Loader, Outcome, Record, Region, RegionError, Regions, Updater, Uploaded};
use anysmp::dfu::{Geometry, scratch_len};
use anysmp::mcuboot::digest::{Digests, Sha256, Sha512};
use anysmp::mcuboot::flash::{self, Failed};
use anysmp::mcuboot::{Header, Version};
use anysmp::testing::{Fault, RamNor, Random};

use crate::device::{chunk, image, sha};

type Nor<'m> = RamNor<'m, 8, 1024>;

const ACTIVE: Region = Region::new(0, 0x2000);
const SPARE: Region = Region::new(0x2000, 0x2400);
const RECORD: Region = Region::new(0x4400, 0x800);
const LOG: Region = Region::new(0x4C00, 0x400);
const LEN: usize = 0x5000;
const REGIONS: Regions = Regions { active: ACTIVE, spare: SPARE, record: RECORD, checkpoint: Some(LOG) };

/// What the boot loader keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Boot,
    Swap,
    Trial,
}

/// The boot loader, as the device sees it.
#[derive(Debug)]
struct Boot<'w> {
    word: &'w Cell<Word>,
    /// Files with an MCUboot header only.
    strict: bool,
    broken: bool,
}

impl Loader for Boot<'_> {
    fn is_trial(&mut self) -> Result<bool, Failed> {
        // As `embassy-boot`, whose word is the same before the swap and after it.
        Ok(self.word.get() != Word::Boot)
    }

    fn mark(&mut self) -> Result<(), Failed> {
        if self.broken {
            return Err(Failed);
        }
        self.word.set(Word::Swap);
        Ok(())
    }

    fn confirm(&mut self) -> Result<(), Failed> {
        if self.broken {
            return Err(Failed);
        }
        self.word.set(Word::Boot);
        Ok(())
    }

    fn check(&mut self, first: &[u8], len: u32) -> Result<Version, Error> {
        match Header::parse(first) {
            Ok(header) if header.hashed_len() <= len => Ok(header.version()),
            _ if self.strict => Err(Error::InvalidMagic),
            _ => Ok(Version::default()),
        }
    }
}

/// A reset: swaps the first pages of the two regions, as the word says; the old program lands a
/// page late, as under `embassy-boot`.
fn reset(nor: &mut Nor<'_>, word: &Cell<Word>) {
    let (active, spare) = (ACTIVE.len as usize, SPARE.start as usize);
    let memory = nor.memory_mut();
    match word.get() {
        Word::Boot => {}
        Word::Swap => {
            let (old, new) = (memory[..active].to_vec(), memory[spare..spare + active].to_vec());
            memory[..active].copy_from_slice(&new);
            memory[spare + 1024..spare + 1024 + active].copy_from_slice(&old);
            word.set(Word::Trial);
        }
        Word::Trial => {
            let (new, old) = (memory[..active].to_vec(), memory[spare + 1024..spare + 1024 + active].to_vec());
            memory[..active].copy_from_slice(&old);
            memory[spare..spare + active].copy_from_slice(&new);
            word.set(Word::Boot);
        }
    }
}

type Device<'s, 'w> = Updater<'s, Boot<'w>, Sha256>;

/// Starts the device.
fn start<T>(word: &Cell<Word>, test: impl FnOnce(&mut Device<'_, '_>) -> T) -> T {
    let mut scratch = vec![0xA5; scratch_len(1, 8) + 100];
    let geometry = Geometry::new(1, 8, 1024, LEN as u32);
    let boot = Boot { word, strict: false, broken: false };
    test(&mut Updater::new(geometry, REGIONS, Version::new(1, 0, 0), boot, &mut scratch, Sha256::new()).unwrap())
}

fn run(device: &mut Device<'_, '_>, nor: &mut Nor<'_>, command: Command<'_>) -> Result<Outcome, Error> {
    flash::run(device.begin(command), nor).finish()
}

fn send(device: &mut Device<'_, '_>, nor: &mut Nor<'_>, chunk: Chunk<'_>) -> Result<Uploaded, Error> {
    match run(device, nor, Command::Upload(chunk))? {
        Outcome::Upload(uploaded) => Ok(uploaded),
        outcome => panic!("{outcome:?}"),
    }
}

fn upload(device: &mut Device<'_, '_>, nor: &mut Nor<'_>, file: &[u8], len: usize) -> Result<Uploaded, Error> {
    let (sha, mut off) = (sha(file), 0);
    loop {
        let uploaded = send(device, nor, chunk(file, Some(&sha), off, len))?;
        off = uploaded.off as usize;
        if off == file.len() {
            return Ok(uploaded);
        }
    }
}

fn test(device: &mut Device<'_, '_>, nor: &mut Nor<'_>, file: &[u8]) -> Result<(), Error> {
    run(device, nor, Command::SetState { hash: Some(&sha(file)), confirm: false }).map(|_| ())
}

/// A line per slot: number, two bytes of the hash, version, flags.
fn list(device: &mut Device<'_, '_>, nor: &mut Nor<'_>) -> Vec<String> {
    run(device, nor, Command::List).unwrap();
    let line = |state: anysmp::dfu::State<'_>| {
        let flags = [('P', state.pending), ('C', state.confirmed), ('A', state.active)];
        let flags: String = flags.iter().filter(|(_, set)| *set).map(|(letter, _)| *letter).collect();
        let hash: String = state.hash.iter().take(2).map(|byte| format!("{byte:02x}")).collect();
        format!("{} {hash} {} {flags}", state.slot, state.version)
    };
    device.states().map(line).collect()
}

/// The line of a file without a header.
fn line(slot: u32, file: &[u8], flags: &str) -> String {
    let sha = sha(file);
    let version = if slot == 0 { "1.0.0" } else { "0.0.0" };
    format!("{slot} {:02x}{:02x} {version} {flags}", sha[0], sha[1])
}

fn file(len: usize, seed: u32) -> Vec<u8> {
    let mut file = vec![0; len];
    Random::new(seed).fill(&mut file);
    file
}

/// A device with a program that came by a cable.
fn device(test: impl FnOnce(&mut Nor<'_>, &Cell<Word>, &[u8])) {
    let mut memory = vec![0xFF; LEN];
    let old = file(5000, 1);
    memory[..5000].copy_from_slice(&old);
    let mut nor = RamNor::new(&mut memory);
    test(&mut nor, &Cell::new(Word::Boot), &old);
}

#[test]
fn file_without_a_header_is_stored_marked_tried_reverted_and_kept() {
    device(|nor, word, old| {
        let new = file(6001, 2);
        start(word, |device| {
            assert_eq!(list(device, nor), ["0  1.0.0 CA"]);
            assert_eq!(upload(device, nor, &new, 700), Ok(Uploaded { off: 6001, matched: Some(true) }));
            assert_eq!(list(device, nor), ["0  1.0.0 CA", &line(1, &new, "")]);
            assert_eq!(test(device, nor, &new), Ok(()));
            assert_eq!(list(device, nor), ["0  1.0.0 CA", &line(1, &new, "P")]);
            // Such a boot loader checks nothing: what it will start must not change.
            assert_eq!(run(device, nor, Command::Erase { slot: None }), Err(Error::NoFreeSlot));
            assert_eq!(send(device, nor, chunk(&new, None, 0, 100)), Err(Error::NoFreeSlot));
            assert_eq!(run(device, nor, Command::SetState { hash: None, confirm: true }), Err(Error::AlreadyPending));
        });
        reset(nor, word);
        start(word, |device| {
            assert_eq!(list(device, nor)[0], line(0, &new, "A"));
            assert_eq!(run(device, nor, Command::Erase { slot: None }), Err(Error::NoFreeSlot));
            assert_eq!(send(device, nor, chunk(&new, None, 0, 100)), Err(Error::NoFreeSlot));
        });
        reset(nor, word);
        assert!(nor.memory().starts_with(old));
        start(word, |device| {
            assert_eq!(list(device, nor), ["0  1.0.0 CA", &line(1, &new, "")]);
            // It is there already.
            let writes = nor.counters().writes;
            assert_eq!(upload(device, nor, &new, 700), Ok(Uploaded { off: 6001, matched: Some(true) }));
            assert_eq!(nor.counters().writes, writes);
            assert_eq!(test(device, nor, &new), Ok(()));
        });
        reset(nor, word);
        start(word, |device| {
            assert_eq!(
                run(device, nor, Command::SetState { hash: Some(&sha(&new)), confirm: true }),
                Ok(Outcome::States)
            );
            assert_eq!(list(device, nor)[0], line(0, &new, "CA"));
        });
        for _ in 0..2 {
            reset(nor, word);
            let reads = nor.counters().reads;
            start(word, |device| assert_eq!(list(device, nor)[0], line(0, &new, "CA")));
            assert_eq!(nor.counters().reads - reads, 2, "nothing is hashed any more");
        }
    });
}

#[test]
fn mark_that_no_reset_has_followed_is_found_again_when_the_program_starts_again() {
    device(|nor, word, _| {
        let new = file(6001, 2);
        start(word, |device| {
            upload(device, nor, &new, 700).unwrap();
            test(device, nor, &new).unwrap();
        });
        for _ in 0..2 {
            start(word, |device| {
                assert_eq!(list(device, nor), ["0  1.0.0 CA", &line(1, &new, "P")]);
                // It would be the mark that is confirmed away.
                let confirm = Command::SetState { hash: None, confirm: true };
                assert_eq!(run(device, nor, confirm), Err(Error::AlreadyPending));
                assert_eq!(test(device, nor, &new), Ok(()));
                assert_eq!(run(device, nor, Command::Erase { slot: None }), Err(Error::NoFreeSlot));
                assert_eq!(send(device, nor, chunk(&new, None, 0, 100)), Err(Error::NoFreeSlot));
            });
        }
        reset(nor, word);
        start(word, |device| assert_eq!(list(device, nor)[0], line(0, &new, "A")));
    });
}

#[test]
fn refused_first_chunk_leaves_the_upload_as_it_is() {
    device(|nor, word, _| {
        let new = file(3000, 2);
        start(word, |device| {
            assert_eq!(send(device, nor, chunk(&new, None, 0, 300)).unwrap().off, 300);
            let first = chunk(&new, None, 0, 100);
            assert_eq!(send(device, nor, Chunk { sha: Some(&[0; 33]), ..first }), Err(Error::InvalidHash));
            assert_eq!(send(device, nor, Chunk { len: Some(0x2001), ..first }), Err(Error::TooLarge));
            assert_eq!(send(device, nor, chunk(&new, None, 300, 300)).unwrap().off, 600);
        });
    });
}

#[test]
fn requests_that_cannot_be_right_are_refused_by_name() {
    device(|nor, word, _| {
        let new = file(3000, 2);
        start(word, |device| {
            let first = chunk(&new, None, 0, 100);
            for (chunk, error) in [
                (Chunk { len: None, ..first }, Error::InvalidLength),
                (Chunk { len: Some(0), data: &[], ..first }, Error::InvalidLength),
                (Chunk { len: Some(0x2001), ..first }, Error::TooLarge),
                (Chunk { len: Some(99), ..first }, Error::Overrun),
                (Chunk { sha: Some(&[0; 33]), ..first }, Error::InvalidHash),
                (Chunk { upgrade: true, ..first }, Error::NotNewer),
            ] {
                assert_eq!(send(device, nor, chunk), Err(error), "{chunk:?}");
            }
            assert_eq!(send(device, nor, Chunk { off: 100, ..first }).unwrap().off, 0);
            upload(device, nor, &new, 300).unwrap();
            let hash = sha(&new);
            let state = |hash, confirm| Command::SetState { hash, confirm };
            for (command, error) in [
                (state(None, false), Error::InvalidHash),
                (state(Some(&hash[..31]), false), Error::InvalidHash),
                (state(Some(&[0; 32]), false), Error::HashNotFound),
                (state(Some(&hash), true), Error::ConfirmationDenied),
                (Command::Erase { slot: Some(0) }, Error::NoFreeSlot),
                (Command::Erase { slot: Some(2) }, Error::InvalidSlot),
            ] {
                assert_eq!(run(device, nor, command), Err(error), "{command:?}");
            }
            assert_eq!(run(device, nor, state(None, true)), Ok(Outcome::States));
            // One bit in flash: it is not marked, and sent again.
            nor.memory_mut()[SPARE.start as usize + 2000] ^= 1;
            assert_eq!(test(device, nor, &new), Err(Error::NoImage));
            assert_eq!(send(device, nor, chunk(&new, Some(&sha(&new)), 0, 100)).unwrap().off, 100);
            assert_eq!(run(device, nor, Command::Erase { slot: Some(1) }), Ok(Outcome::Erased));
            assert_eq!(list(device, nor).len(), 1);
            assert!(nor.memory()[SPARE.start as usize..][..SPARE.len as usize].iter().all(|byte| *byte == 0xFF));
        });
    });
}

#[test]
fn loader_is_asked_about_each_upload_and_says_the_version() {
    device(|nor, word, _| {
        let (new, raw) = (image(Version::new(2, 3, 4), 3000, 2), file(3000, 3));
        let boot = |broken| Boot { word, strict: true, broken };
        let mut scratch = vec![0; scratch_len(1, 8)];
        let version = Version::new(1, 0, 0);
        let mut device =
            Updater::new(flash::geometry(nor), REGIONS, version, boot(false), &mut scratch, Sha256::new()).unwrap();
        assert_eq!(send(&mut device, nor, chunk(&raw, None, 0, 100)), Err(Error::InvalidMagic));
        upload(&mut device, nor, &new, 300).unwrap();
        assert!(list(&mut device, nor)[1].contains(" 2.3.4 "));
        drop(device);
        // A mark or a confirmation that fails is told.
        let mut device =
            Updater::new(flash::geometry(nor), REGIONS, version, boot(true), &mut scratch, Sha256::new()).unwrap();
        assert_eq!(test(&mut device, nor, &new), Err(Error::FlashWrite));
        assert_eq!(list(&mut device, nor)[1].chars().last(), Some(' '));
        drop(device);
        word.set(Word::Swap);
        reset(nor, word);
        let mut device =
            Updater::new(flash::geometry(nor), REGIONS, version, boot(true), &mut scratch, Sha256::new()).unwrap();
        let confirm = Command::SetState { hash: None, confirm: true };
        assert_eq!(run(&mut device, nor, confirm), Err(Error::FlashWrite));
        assert!(list(&mut device, nor)[0].ends_with(" A"));
    });
}

/// A client that wants the new file to run: it looks, uploads, marks, confirms.
fn update(device: &mut Device<'_, '_>, nor: &mut Nor<'_>, new: &[u8]) -> Result<(), Error> {
    run(device, nor, Command::List)?;
    let hash = sha(new);
    let state = device.states().find(|state| state.hash == hash);
    match state.map(|state| (state.active, state.pending, state.confirmed)) {
        Some((true, _, true)) | Some((false, true, _)) => Ok(()),
        Some((true, ..)) => run(device, nor, Command::SetState { hash: None, confirm: true }).map(|_| ()),
        _ => {
            upload(device, nor, new, 400)?;
            test(device, nor, new)
        }
    }
}

#[test]
fn power_cut_at_any_operation_leaves_a_device_that_commands_bring_to_the_new_program() {
    for ecc in [false, true] {
        for nth in 0.. {
            let mut end = false;
            for seed in 0..2 {
                device(|nor, word, old| {
                    let new = file(4100, 9);
                    let mut random = Random::new(nth * 2 + seed);
                    let fault = |random: &mut Random| match (seed, ecc) {
                        (0, _) => Fault::Cut,
                        (_, false) => Fault::Tear(random.next()),
                        (_, true) => Fault::Spoil(random.next()),
                    };
                    nor.plan(nth, fault(&mut random));
                    let mut second = Some(random.below(300) as u32);
                    end = true;
                    for life in 0..12 {
                        let what = format!("ecc {ecc}, operation {nth}, seed {seed}, life {life}");
                        let result = start(word, |device| update(device, nor, &new));
                        end &= nor.is_planned() || life > 0;
                        nor.power_on();
                        let runs = nor.memory().starts_with(&new);
                        assert!(runs || nor.memory().starts_with(old), "{what}: nothing runs");
                        if runs && word.get() == Word::Boot && result.is_ok() {
                            start(word, |device| assert_eq!(list(device, nor)[0], line(0, &new, "CA"), "{what}"));
                            return;
                        }
                        assert!(life < 11, "{what}: {result:?}");
                        reset(nor, word);
                        if let Some(second) = second.take() {
                            nor.plan(second, fault(&mut random));
                        }
                    }
                });
            }
            if end && nth > 10 {
                break;
            }
            assert!(nth < 500);
        }
    }
}

#[test]
fn regions_that_cannot_work_are_refused() {
    let geometry = Geometry::new(1, 8, 1024, LEN as u32);
    let word = Cell::new(Word::Boot);
    let new = |geometry, regions, len| {
        let boot = Boot { word: &word, strict: false, broken: false };
        Updater::new(geometry, regions, Version::default(), boot, &mut vec![0; len], Sha256::new()).err()
    };
    let len = scratch_len(1, 8);
    assert_eq!(new(geometry, REGIONS, len), None);
    assert_eq!(new(geometry, REGIONS, len - 1), Some(RegionError::Scratch));
    assert_eq!(new(Geometry::new(3, 8, 1024, LEN as u32), REGIONS, len), Some(RegionError::Geometry));
    assert_eq!(new(Geometry::new(1, 8, 1024, 0x4800), REGIONS, len), Some(RegionError::Region));
    let record = Regions { record: Region::new(0x4400, 0x400), ..REGIONS };
    assert_eq!(new(geometry, record, len), Some(RegionError::Region));
    let empty = Regions { spare: Region::new(0x2000, 0), ..REGIONS };
    assert_eq!(new(geometry, empty, len), Some(RegionError::Region));
    let over = Regions { spare: Region::new(0x1C00, 0x2400), ..REGIONS };
    assert_eq!(new(geometry, over, len), Some(RegionError::Overlap));
    let boot = || Boot { word: &word, strict: false, broken: false };
    let mut scratch = vec![0; len];
    let error = Updater::new(geometry, REGIONS, Version::default(), boot(), &mut scratch, Sha512::new()).err();
    assert_eq!(error, Some(RegionError::Digest));
    let both = Digests::new(Sha512::new(), Sha256::new());
    assert!(Updater::new(geometry, REGIONS, Version::default(), boot(), &mut scratch, both).is_ok());
}

#[test]
fn record_is_read_as_it_was_written_and_not_otherwise() {
    let mut bytes = [0; 112];
    Record::NONE.emit(&mut bytes);
    assert_eq!(Record::parse(&bytes), Some(Record::NONE));
    for at in 0..112 {
        let mut changed = bytes;
        changed[at] ^= 0x10;
        assert_eq!(Record::parse(&changed), None, "{at}");
    }
    for len in 0..112 {
        assert_eq!(Record::parse(&bytes[..len]), None, "{len}");
    }
}
