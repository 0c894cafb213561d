//! Padded files, as `imgtool sign --pad` and `--pad --confirm` make them.

use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::flash;
use anysmp::mcuboot::slots::{
    BootMode, Candidate, Chunk, Command, Config, Error, Event, Gate, Offer, Outcome, PaddedFiles, Pair, Slots,
    Uploaded, scratch_len,
};
use anysmp::mcuboot::trailer::{Field, Layout, SwapType};
use anysmp::testing::bootloader::Boot;
use anysmp::testing::{Fault, RamNor};

use crate::device::{Board, NEW, Nor, OLD, boot, chunk, config, device, flash_file, hash, image, sha};

/// What the device's own gate has seen; it refuses marks on request.
#[derive(Debug, Default)]
struct Own {
    refuses: bool,
    offers: Vec<bool>,
    marks: Vec<bool>,
    events: Vec<Event>,
}

impl Gate for Own {
    fn upload(&mut self, offer: &Offer<'_>) -> Result<(), Error> {
        self.offers.push(offer.padded);
        Ok(())
    }

    fn mark(&mut self, candidate: &Candidate<'_>) -> Result<(), Error> {
        self.marks.push(candidate.permanent);
        if self.refuses { Err(Error::Refused { group: 64, rc: 5 }) } else { Ok(()) }
    }

    fn event(&mut self, event: Event) {
        self.events.push(event);
    }
}

type Device<'s, G> = Slots<'s, Sha256, G>;

fn start<G: Gate, T>(config: Config, board: &Board, gate: G, test: impl FnOnce(&mut Device<'_, G>) -> T) -> T {
    let mut pairs = [Pair::new(board.primary, board.secondary)];
    let mut scratch = vec![0xA5; scratch_len(1, 8)];
    test(&mut Slots::new(config, &mut pairs, &mut scratch, Sha256::new()).unwrap().with_gate(gate))
}

fn send<G: Gate>(device: &mut Device<'_, G>, flash: &mut Nor<'_>, chunk: Chunk<'_>) -> Result<Uploaded, Error> {
    match flash::run(device.begin(Command::Upload(chunk)), flash).finish()? {
        Outcome::Upload(uploaded) => Ok(uploaded),
        outcome => panic!("{outcome:?}"),
    }
}

fn upload<G: Gate>(
    device: &mut Device<'_, G>,
    flash: &mut Nor<'_>,
    file: &[u8],
    sha: Option<&[u8]>,
    len: usize,
) -> Result<Uploaded, Error> {
    let mut off = 0;
    loop {
        let uploaded = send(device, flash, chunk(file, sha, off, len))?;
        off = uploaded.off as usize;
        if off == file.len() {
            return Ok(uploaded);
        }
    }
}

/// A line per slot.
fn list<G: Gate>(device: &mut Device<'_, G>, flash: &mut Nor<'_>) -> Vec<String> {
    flash::run(device.begin(Command::List), flash).finish().unwrap();
    device.states().map(|it| format!("{} {} {} {}", it.slot, it.version, it.pending, it.permanent)).collect()
}

/// A file as long as its slot, with a trailer.
fn pad(image: &[u8], len: u32, confirm: bool) -> Vec<u8> {
    let (layout, len) = (Layout::new(8).unwrap(), len as usize);
    let mut file = image.to_vec();
    file.resize(len - 16, 0xFF);
    file.extend_from_slice(&layout.magic());
    if confirm {
        file[len - layout.from_end(Field::ImageOk) as usize] = 1;
    }
    file
}

#[test]
fn padded_file_is_marked_when_it_is_complete_as_by_a_state_write() {
    device(|flash, board, config, file| {
        let config = Config { checkpoint: None, ..config };
        let fresh = flash.memory().to_vec();
        for confirm in [false, true] {
            // What the two commands leave.
            flash.memory_mut().copy_from_slice(&fresh);
            start(config, board, (), |device| {
                upload(device, flash, file, Some(&sha(file)), 1000).unwrap();
                let command = Command::SetState { hash: Some(&hash(file)), confirm };
                assert_eq!(flash::run(device.begin(command), flash).finish(), Ok(Outcome::States));
            });
            let expected = flash.memory().to_vec();
            let padded = pad(file, board.secondary.len, confirm);
            for len in [100, 333, 1000, 0x4000] {
                flash.memory_mut().copy_from_slice(&fresh);
                start(config, board, PaddedFiles::new(Own::default()), |device| {
                    let (sha, mut off) = (sha(&padded), 0);
                    loop {
                        let uploaded = send(device, flash, chunk(&padded, Some(&sha), off, len)).unwrap();
                        off = uploaded.off as usize;
                        if off == padded.len() {
                            assert_eq!(uploaded.matched, Some(true), "{len}");
                            break;
                        }
                        let tail = &board.slot(board.secondary, flash.memory())[0x4000 - 1024..];
                        assert!(tail.iter().all(|byte| *byte == 0xFF), "{len}: written as it arrives");
                    }
                    assert_eq!(flash.memory(), expected, "{len} {confirm}");
                    assert_eq!(list(device, flash)[1], format!("1 2.0.0 true {confirm}"));
                    // The last response was lost.
                    let last = (padded.len() - 1) / len * len;
                    let done = Ok(Uploaded { off: padded.len() as u64, matched: Some(true) });
                    if last > 0 {
                        assert_eq!(send(device, flash, chunk(&padded, Some(&sha), last, len)), done, "{len}");
                    }
                });
            }
            let expected = if confirm { SwapType::Permanent } else { SwapType::Test };
            assert_eq!(boot(flash, board, &config), Boot::Swapped(expected));
        }
    });
}

#[test]
fn padded_file_is_refused_unless_the_gate_takes_it_and_nothing_is_erased() {
    device(|flash, board, config, file| {
        let before = flash.memory().to_vec();
        let padded = pad(file, board.secondary.len, false);
        start(config, board, Own::default(), |device| {
            assert_eq!(send(device, flash, chunk(&padded, None, 0, 500)), Err(Error::TooLarge));
            assert!(device.gate().offers.is_empty());
        });
        start(config, board, PaddedFiles::new(()), |device| {
            // For slots of another length; and one whose image is too long for the boot loader.
            for other in [pad(file, board.secondary.len - 8, false), pad(file, board.secondary.len + 8, false)] {
                assert_eq!(send(device, flash, chunk(&other, None, 0, 500)), Err(Error::TooLarge));
            }
            let long = pad(&image(NEW, 14_336 + 80, 3), board.secondary.len, false);
            assert_eq!(send(device, flash, chunk(&long, None, 0, 500)), Err(Error::TooLarge));
        });
        assert_eq!((flash.memory(), flash.counters().erases), (&before[..], 0));
        // The largest image goes, TLVs included.
        start(config, board, PaddedFiles::new(()), |device| {
            let long = pad(&image(NEW, 14_336, 3), board.secondary.len, false);
            assert_eq!(upload(device, flash, &long, Some(&sha(&long)), 1000).unwrap().matched, Some(true));
            assert_eq!(list(device, flash)[1], "1 2.0.0 true false");
        });
    });
}

#[test]
fn gate_is_asked_about_the_upload_and_about_the_mark_and_its_refusal_is_the_answer_to_the_last_chunk() {
    device(|flash, board, config, file| {
        let padded = pad(file, board.secondary.len, true);
        for refuses in [false, true] {
            let own = Own { refuses, ..Own::default() };
            start(config, board, PaddedFiles::new(own), |device| {
                let result = upload(device, flash, &padded, Some(&sha(&padded)), 3000);
                let refusal = Err(Error::Refused { group: 64, rc: 5 });
                let done = Uploaded { off: padded.len() as u64, matched: Some(true) };
                assert_eq!(result, if refuses { refusal } else { Ok(done) });
                assert_eq!(list(device, flash)[1], format!("1 2.0.0 {0} {0}", !refuses));
                // Nobody takes the repeat of a refused chunk for a success.
                if refuses {
                    let again = send(device, flash, chunk(&padded, Some(&sha(&padded)), 15_000, 3000));
                    assert_eq!(again.unwrap().off, 0);
                }
            });
        }
        let mut own = Own::default();
        start(config, board, &mut own, |_| {});
        struct Both(Own);
        impl Gate for Both {
            const TAKES_PADDED: bool = true;
            fn upload(&mut self, offer: &Offer<'_>) -> Result<(), Error> {
                self.0.upload(offer)
            }
            fn mark(&mut self, candidate: &Candidate<'_>) -> Result<(), Error> {
                self.0.mark(candidate)
            }
            fn event(&mut self, event: Event) {
                self.0.event(event);
            }
        }
        let mut both = Both(own);
        start(config, board, &mut both, |device| upload(device, flash, &padded, Some(&sha(&padded)), 3000)).unwrap();
        assert_eq!((&both.0.offers, &both.0.marks), (&vec![true], &vec![true]));
        let events = &both.0.events;
        let has = |event: &dyn Fn(&Event) -> bool| events.iter().position(event).unwrap();
        let stored = has(&|event| matches!(event, Event::Stored { matched: Some(true), .. }));
        assert!(stored < has(&|event| matches!(event, Event::Marked { permanent: true, .. })));
    });
}

#[test]
fn damaged_padded_file_is_not_marked() {
    device(|flash, board, config, file| {
        let mut padded = pad(file, board.secondary.len, false);
        start(config, board, PaddedFiles::new(()), |device| {
            // Another file than its `sha` says.
            let answer = upload(device, flash, &padded, Some(&[7; 32]), 1000);
            assert_eq!(answer, Ok(Uploaded { off: padded.len() as u64, matched: Some(false) }));
            assert_eq!(list(device, flash)[1], "1 2.0.0 false false");
            // Without a `sha` the hash of the image counts.
            padded[1000] ^= 1;
            assert_eq!(upload(device, flash, &padded, None, 1000), Err(Error::NoImage));
            assert_eq!(list(device, flash)[1], "1 2.0.0 false false");
            padded[1000] ^= 1;
            let done = Uploaded { off: padded.len() as u64, matched: None };
            assert_eq!(upload(device, flash, &padded, None, 1000), Ok(done));
            assert_eq!(list(device, flash)[1], "1 2.0.0 true false");
        });
    });
}

#[test]
fn what_is_neither_erased_nor_a_trailer_ends_the_upload() {
    device(|flash, board, config, file| {
        let padded = pad(file, board.secondary.len, true);
        let len = padded.len();
        // The end of an image, swap status, swap_info, copy_done, image_ok, magic.
        for (at, byte) in [(14_336, 0), (len - 300, 1), (len - 40, 2), (len - 32, 1), (len - 24, 3), (len - 1, 0xFF)] {
            let mut other = padded.clone();
            other[at] = byte;
            let mut own = Own::default();
            start(config, board, PaddedFiles::new(&mut own), |device| {
                assert_eq!(upload(device, flash, &other, Some(&sha(&other)), 1000), Err(Error::TooLarge), "{at}");
                assert_eq!(send(device, flash, chunk(&other, None, 15_000, 100)).unwrap().off, 0, "{at}");
                assert_eq!(list(device, flash)[1], "1 2.0.0 false false", "{at}");
            });
            assert!(own.events.iter().any(|event| matches!(event, Event::Stopped { .. })), "{at}");
        }
    });
}

#[test]
fn padded_upload_goes_on_after_a_restart() {
    device(|flash, board, config, file| {
        let padded = pad(file, board.secondary.len, true);
        let sha = sha(&padded);
        for until in [3000, 14_000, 16_000] {
            start(config, board, PaddedFiles::new(()), |device| {
                flash::run(device.begin(Command::Erase { slot: None }), flash).finish().unwrap();
                for off in (0..until).step_by(500) {
                    send(device, flash, chunk(&padded, Some(&sha), off, 500)).unwrap();
                }
            });
            // A device that takes no such file any more does not go on with one either.
            let refused = start(config, board, (), |device| send(device, flash, chunk(&padded, Some(&sha), 0, 500)));
            assert_eq!(refused, Err(Error::TooLarge), "{until}");
            start(config, board, PaddedFiles::new(()), |device| {
                let first = send(device, flash, chunk(&padded, Some(&sha), 0, 500)).unwrap();
                assert_eq!(first.off as usize, (until.min(14_336) - 1) / 1024 * 1024, "{until}");
                assert_eq!(upload(device, flash, &padded, Some(&sha), 500).unwrap().matched, Some(true));
                assert_eq!(list(device, flash)[1], "1 2.0.0 true true");
            });
        }
    });
}

#[test]
fn trailer_of_a_padded_file_is_dropped_in_modes_without_marks() {
    device(|flash, board, config, file| {
        for (mode, marked) in [
            (Config::direct_xip(config.geometry), false),
            (Config::ram_load(config.geometry), false),
            (Config::overwrite_only(config.geometry), true),
            (Config::swap_offset(config.geometry, 16), true),
        ] {
            let shift = if mode.mode.kind() == BootMode::SwapOffset { 1024 } else { 0 };
            let padded = pad(file, board.secondary.len - shift, false);
            start(mode, board, PaddedFiles::new(()), |device| {
                assert_eq!(upload(device, flash, &padded, Some(&sha(&padded)), 1000).unwrap().matched, Some(true));
            });
            let magic = &board.slot(board.secondary, flash.memory())[0x4000 - 16..];
            assert_eq!(magic == Layout::new(8).unwrap().magic(), marked, "{:?}", mode.mode);
            flash.memory_mut()[0x4000..0x8000].fill(0xFF);
        }
    });
}

#[test]
fn power_cut_in_a_padded_upload_leaves_no_mark_without_its_image() {
    let board = Board::for_erase(1024);
    let mut memory = vec![0; board.len()];
    let (old, new) = (image(OLD, 4000, 1), image(NEW, 5000, 2));
    let padded = pad(&new, board.secondary.len, true);
    let sha = sha(&padded);
    for nth in 0.. {
        let mut end = false;
        for fault in [Fault::Cut, Fault::Tear(nth), Fault::Spoil(nth)] {
            let mut flash: Nor<'_> = RamNor::new(&mut memory).blank();
            flash_file(&mut flash, board.primary, &old);
            let config = config(&flash, &board);
            flash.plan(nth, fault);
            let first = start(config, &board, PaddedFiles::new(()), |device| {
                upload(device, &mut flash, &padded, Some(&sha), 2000)
            });
            end = flash.is_planned();
            flash.power_on();
            let trailer = board.bootloader(&config).trailer(board.slot(board.secondary, flash.memory()));
            if trailer.magic == anysmp::mcuboot::trailer::Magic::Good {
                assert!(flash.memory()[0x4000..].starts_with(&new), "{nth} {fault:?}: marked without its image");
            }
            start(config, &board, PaddedFiles::new(()), |device| {
                let again = upload(device, &mut flash, &padded, Some(&sha), 2000);
                assert_eq!(again.map(|it| it.matched), Ok(Some(true)), "{nth} {fault:?} {first:?}");
                assert_eq!(list(device, &mut flash)[1], "1 2.0.0 true true", "{nth} {fault:?}");
            });
            assert_eq!(boot(&mut flash, &board, &config), Boot::Swapped(SwapType::Permanent), "{nth} {fault:?}");
        }
        if end {
            assert!(nth > 50);
            break;
        }
    }
}
