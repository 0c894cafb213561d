//! A secondary slot, or a spare region, in another flash device with different write and erase
//! sizes. `power` cuts the power of such devices too.

use std::cell::Cell;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use anysmp::dfu::{Loader, RegionError, Regions, Updater};
use anysmp::mcuboot::Version;
use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::flash::{self, Device, Failed, Geometries as _, Job as _, Two, TwoGeometries};
use anysmp::mcuboot::slots::{
    Command, Config, ConfigError, Geometry, Outcome, Pair, Region, Slots, Uploaded, scratch_len,
};
use anysmp::mcuboot::trailer::{Layout, SwapType};
use anysmp::testing::bootloader::{Boot, Bootloader};
use anysmp::testing::{RamNor, Random};
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};

use crate::device::{NEW, OLD, chunk, hash, image, sha};

/// Inside: writes of 8 bytes, pages of 1 KiB, reads of 1.
type Internal<'m> = RamNor<'m, 8, 1024>;
/// Outside: writes of 2 bytes, pages of 4 KiB, reads of 4.
type External<'m> = RamNor<'m, 2, 4096, 4>;

/// A flash whose calls are async.
struct Async<'f, F>(&'f mut F);

impl<F: ErrorType> ErrorType for Async<'_, F> {
    type Error = F::Error;
}

impl<F: ReadNorFlash> embedded_storage_async::nor_flash::ReadNorFlash for Async<'_, F> {
    const READ_SIZE: usize = F::READ_SIZE;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), F::Error> {
        self.0.read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl<F: NorFlash> embedded_storage_async::nor_flash::NorFlash for Async<'_, F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), F::Error> {
        self.0.erase(from, to)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), F::Error> {
        self.0.write(offset, bytes)
    }
}

/// Runs a job on both flashes, by one executor or the other.
fn run<J: flash::Job>(job: J, internal: &mut Internal<'_>, external: &mut External<'_>, asynchronous: bool) -> J {
    if !asynchronous {
        return flash::run(job, &mut Two::new(internal, external));
    }
    let (mut internal, mut external) = (Async(internal), Async(external));
    let mut two = Two::new(&mut internal, &mut external);
    let mut context = Context::from_waker(Waker::noop());
    match pin!(flash::asynch::run(job, &mut two)).poll(&mut context) {
        Poll::Ready(job) => job,
        Poll::Pending => panic!("nothing waits here"),
    }
}

const SLOT: usize = 0x8000;
/// The log lies behind the primary slot.
const LOG: Region = Region::new(SLOT as u32, 0x400);
const INSIDE: usize = SLOT + 0x400;

type Slotted<'s> = Slots<'s, Sha256, (), Config<TwoGeometries>>;

fn start<T>(config: Config<TwoGeometries>, test: impl FnOnce(&mut Slotted<'_>) -> T) -> T {
    let mut pairs = [Pair::new(Region::new(0, SLOT as u32), Region::new(0, SLOT as u32))];
    let mut scratch = vec![0xA5; scratch_len(4, 8)];
    test(&mut Slots::new(config, &mut pairs, &mut scratch, Sha256::new()).unwrap())
}

#[test]
fn image_is_uploaded_to_the_other_flash_marked_booted_and_confirmed() {
    for asynchronous in [false, true] {
        for records in [Device::Active, Device::Spare] {
            let mut memory = vec![0xFF; INSIDE + SLOT + 0x1000];
            let (old, new) = (image(OLD, 4000, 1), image(NEW, 9001, 2));
            memory[..old.len()].copy_from_slice(&old);
            let (inside, outside) = memory.split_at_mut(INSIDE);
            let (mut internal, mut external) = (Internal::new(inside), External::new(outside));
            let mut config = Config {
                checkpoint: Some(if records == Device::Active { LOG } else { Region::new(SLOT as u32, 0x1000) }),
                ..Config::swap_scratch(flash::geometry(&internal), 32).with_spare_flash(flash::geometry(&external))
            };
            config.geometry.records = records;
            let sha = sha(&new);
            // A restart in the middle: the checkpoint is at the end of a page of the other flash.
            for (from, until, expected) in [(0, 6000, 0), (0, 9001, 4096)] {
                start(config, |slots| {
                    let (mut off, mut first) = (from, true);
                    while off < until {
                        let command = Command::Upload(chunk(&new, Some(&sha), off, 700));
                        let outcome = run(slots.begin(command), &mut internal, &mut external, asynchronous).finish();
                        let Ok(Outcome::Upload(Uploaded { off: next, matched })) = outcome else {
                            panic!("{outcome:?}")
                        };
                        if first && expected > 0 {
                            assert_eq!(next, expected);
                        }
                        assert_eq!(matched, (next == 9001).then_some(true));
                        (off, first) = (next as usize, false);
                    }
                });
            }
            // Only records were written inside.
            let records_inside = records == Device::Active;
            assert_eq!(internal.counters().writes > 0, records_inside);
            assert!(internal.memory()[4000..SLOT].iter().all(|byte| *byte == 0xFF));
            assert!(external.memory().starts_with(&new));
            start(config, |slots| {
                let command = Command::SetState { hash: Some(&hash(&new)), confirm: false };
                let outcome = run(slots.begin(command), &mut internal, &mut external, asynchronous).finish();
                assert_eq!(outcome, Ok(Outcome::States));
                let lines: Vec<_> = slots.states().map(|it| (it.slot, it.pending, it.confirmed)).collect();
                assert_eq!(lines, [(0, false, true), (1, true, false)]);
            });
            // The boot loader sees both flashes in one memory; it swaps in the larger sectors.
            let slots = [Region::new(0, SLOT as u32), Region::new(INSIDE as u32, SLOT as u32)];
            let mut loader = Bootloader::new(
                anysmp::mcuboot::slots::BootMode::SwapScratch,
                Layout::new(8).unwrap(),
                [8, 1024],
                slots,
            )
            .with_max_sectors(32);
            let len = memory.len();
            memory.resize(len + 0x2000, 0xFF);
            loader.scratch = Some(Region::new(len as u32, 0x2000));
            assert_eq!(loader.reset(&mut Sha256::new(), &mut memory)[0], Boot::Swapped(SwapType::Test));
            let (inside, outside) = memory.split_at_mut(INSIDE);
            let (mut internal, mut external) = (Internal::new(inside), External::new(&mut outside[..SLOT + 0x1000]));
            start(config, |slots| {
                let command = Command::SetState { hash: None, confirm: true };
                let outcome = run(slots.begin(command), &mut internal, &mut external, asynchronous).finish();
                assert_eq!(outcome, Ok(Outcome::States));
                // One field, inside; nothing outside.
                assert_eq!((internal.counters().writes, external.counters().writes), (1, 0));
                let outcome =
                    run(slots.begin(Command::Erase { slot: None }), &mut internal, &mut external, asynchronous);
                assert_eq!(outcome.finish(), Ok(Outcome::Erased));
                assert_eq!((internal.counters().erases, external.counters().erases), (0, SLOT as u32 / 4096));
            });
            assert_eq!(loader.reset(&mut Sha256::new(), &mut memory)[0], Boot::Stayed);
            assert!(memory.starts_with(&new));
        }
    }
}

#[test]
fn operations_name_the_device_that_they_are_for() {
    let geometry = Geometry::new(1, 8, 1024, INSIDE as u32);
    let config = Config::overwrite_only(geometry).with_spare_flash(Geometry::new(4, 2, 4096, 0x1_0000));
    start(config, |slots| {
        let mut job = slots.begin(Command::List);
        let mut devices = Vec::new();
        loop {
            let device = job.flash_device();
            let Some(flash::Operation::Read { into, .. }) = job.next() else { break };
            into.fill(0xFF);
            devices.push(device);
            job.completed(Ok(()));
        }
        // Four fields of the trailer and the header, of each slot.
        assert_eq!(devices, [[Device::Active; 5], [Device::Spare; 5]].concat());
    });
    assert_eq!(config.geometry.records(), Device::Active);
}

#[test]
fn sizes_and_regions_are_checked_against_the_flash_of_each_slot() {
    let (inside, outside) = (Geometry::new(1, 8, 1024, 0x1_0000), Geometry::new(4, 16, 4096, 0x1_0000));
    let slot = || Region::new(0, SLOT as u32);
    let new = |config: Config<TwoGeometries>, pair: Pair, scratch: usize| {
        Slots::new(config, &mut [pair], &mut vec![0; scratch], Sha256::new()).err()
    };
    let len = scratch_len(4, 16);
    let overwrite = Config::overwrite_only(inside).with_spare_flash(outside);
    assert_eq!(overwrite.align, 16);
    // The same addresses in two devices do not overlap, a log and its own slot do.
    assert_eq!(new(overwrite, Pair::new(slot(), slot()), len), None);
    let log = Config { checkpoint: Some(Region::new(0x4000, 0x1000)), ..overwrite };
    assert_eq!(new(log, Pair::new(slot(), slot()), len), Some(ConfigError::Overlap));
    // Sectors that MCUboot cannot swap one by one.
    let same = Geometry::new(4, 16, 1024, 0x1_0000);
    for mode in [Config::swap_move, Config::swap_offset] {
        let with = |spare| new(mode(inside, 32).with_spare_flash(spare), Pair::new(slot(), slot()), len);
        assert_eq!((with(outside), with(same)), (Some(ConfigError::Incompatible), None));
    }
    let scratch = Config::swap_scratch(inside, 32).with_spare_flash(outside);
    assert_eq!(new(scratch, Pair::new(slot(), slot()), len), None);
    // Pages of the other flash; its end; its write size; its sizes.
    let odd = Pair::new(Region::new(0, 0x8400), Region::new(0, 0x8400));
    assert_eq!(new(overwrite, odd, len), Some(ConfigError::Region));
    let behind = Pair::new(slot(), Region::new(0x9000, SLOT as u32));
    assert_eq!(new(overwrite, behind, len), Some(ConfigError::Region));
    assert_eq!(new(Config { align: 8, ..overwrite }, Pair::new(slot(), slot()), len), Some(ConfigError::Alignment));
    let broken = Config::overwrite_only(inside).with_spare_flash(Geometry::new(1, 3, 4096, 0x1_0000));
    assert_eq!(new(broken, Pair::new(slot(), slot()), len), Some(ConfigError::Geometry));
    assert_eq!(new(overwrite, Pair::new(slot(), slot()), len - 1), Some(ConfigError::Scratch));
}

/// What the boot loader keeps: true for anything but "nothing to do".
struct Word<'w>(&'w Cell<bool>);

impl Loader for Word<'_> {
    fn is_trial(&mut self) -> Result<bool, Failed> {
        Ok(self.0.get())
    }

    fn mark(&mut self) -> Result<(), Failed> {
        self.0.set(true);
        Ok(())
    }

    fn confirm(&mut self) -> Result<(), Failed> {
        self.0.set(false);
        Ok(())
    }
}

#[test]
fn updater_receives_a_program_in_the_other_flash() {
    let regions = Regions {
        active: Region::new(0, 0x4000),
        spare: Region::new(0, 0x5000),
        record: Region::new(0x4000, 0x800),
        checkpoint: Some(Region::new(0x4800, 0x400)),
    };
    let mut file = vec![0; 9001];
    Random::new(7).fill(&mut file);
    let (sha, word) = (sha(&file), Cell::new(false));
    for asynchronous in [false, true] {
        let mut memory = vec![0xFF; 0x4C00 + 0x5000];
        memory[..3000].fill(0x5A);
        let (inside, outside) = memory.split_at_mut(0x4C00);
        let (mut internal, mut external) = (Internal::new(inside), External::new(outside));
        let geometry = TwoGeometries::new(flash::geometry(&internal), flash::geometry(&external));
        let mut scratch = vec![0xA5; anysmp::dfu::scratch_len(4, 8)];
        let mut start = |test: &mut dyn FnMut(&mut Updater<'_, Word<'_>, Sha256, TwoGeometries>)| {
            let version = Version::new(1, 0, 0);
            test(&mut Updater::new(geometry, regions, version, Word(&word), &mut scratch, Sha256::new()).unwrap());
        };
        for until in [6000, 9001] {
            start(&mut |updater| {
                let mut off = 0;
                while off < until {
                    let command = Command::Upload(chunk(&file, Some(&sha), off, 700));
                    let outcome = run(updater.begin(command), &mut internal, &mut external, asynchronous).finish();
                    let Ok(Outcome::Upload(uploaded)) = outcome else { panic!("{outcome:?}") };
                    let resumed = until == 9001 && off == 0;
                    off = uploaded.off as usize;
                    assert!(!resumed || off == 4096);
                }
            });
        }
        assert!(external.memory().starts_with(&file) && internal.memory()[..3000].iter().all(|byte| *byte == 0x5A));
        start(&mut |updater| {
            let command = Command::SetState { hash: Some(&sha), confirm: false };
            assert_eq!(
                run(updater.begin(command), &mut internal, &mut external, asynchronous).finish(),
                Ok(Outcome::States)
            );
        });
        assert!(word.get());
        // The reset swaps the programs.
        let old = internal.memory()[..0x4000].to_vec();
        internal.memory_mut()[..9001].copy_from_slice(&file);
        external.memory_mut()[..0x4000].copy_from_slice(&old);
        start(&mut |updater| {
            let command = Command::SetState { hash: None, confirm: true };
            assert_eq!(
                run(updater.begin(command), &mut internal, &mut external, asynchronous).finish(),
                Ok(Outcome::States)
            );
            let active = updater.states().next().unwrap();
            assert_eq!((active.hash, active.confirmed), (&sha[..], true));
            let erase = run(updater.begin(Command::Erase { slot: None }), &mut internal, &mut external, asynchronous);
            assert_eq!(erase.finish(), Ok(Outcome::Erased));
        });
        assert!(external.memory().iter().all(|byte| *byte == 0xFF));
        assert!(!word.get());
        let small = Regions { spare: Region::new(0, 0x4400), ..regions };
        let version = Version::default();
        let error = Updater::new(geometry, small, version, Word(&word), &mut scratch, Sha256::new()).err();
        assert_eq!(error, Some(RegionError::Region));
    }
}
