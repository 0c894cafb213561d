//! Upgrades of image numbers other than 0, and of several images at once, compared with the public
//! rules of Zephyr's image group: the current ones and those of 3.4.

use anysmp::cbor::List;
use anysmp::mcuboot::{Flags, ImageFile};
use anysmp::routine::Routine;
use anysmp::smp::client::Client;
use anysmp::smp::error::image as codes;
use anysmp::smp::image::{ImageSlots, ImageState, Slot as SlotSize, SlotInfoResponse, StateResponse, WriteState};
use anysmp::smp::routine::{
    Error, FileError, Item, Note, Phase, Place, Plan, Upgrade, UpgradeOutcome, UpgradeReport, Upload,
};
use anysmp::smp::{Decode, Empty, Error as Remote};

use crate::kit::random::Random;
use crate::routine::scripted::{Run, Slot, ok, parameters, piece, refused, run, split};

/// An image file: version, flags, protected and other TLVs.
fn image(version: [u8; 3], flags: u32, protected: &[(u16, Vec<u8>)], tlvs: &[(u16, Vec<u8>)], seed: u64) -> Vec<u8> {
    let body = Random::new(seed).bytes(900);
    let area = |magic: u16, entries: &[(u16, Vec<u8>)]| {
        let mut bytes = Vec::new();
        for (kind, value) in entries {
            bytes.extend_from_slice(&kind.to_le_bytes());
            bytes.extend_from_slice(&(value.len() as u16).to_le_bytes());
            bytes.extend_from_slice(value);
        }
        [&magic.to_le_bytes()[..], &(4 + bytes.len() as u16).to_le_bytes(), &bytes].concat()
    };
    let protected = if protected.is_empty() { vec![] } else { area(0x6908, protected) };
    let mut file = vec![0x3D, 0xB8, 0xF3, 0x96, 0, 0, 0, 0, 32, 0];
    file.extend_from_slice(&(protected.len() as u16).to_le_bytes());
    file.extend_from_slice(&(body.len() as u32).to_le_bytes());
    file.extend_from_slice(&flags.to_le_bytes());
    file.extend_from_slice(&[version[0], version[1], version[2], 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend_from_slice(&body);
    file.extend_from_slice(&protected);
    file.extend_from_slice(&area(0x6907, tlvs));
    file
}

fn file(version: [u8; 3], seed: u64) -> Vec<u8> {
    image(version, 0, &[], &[(0x10, Random::new(seed + 100).bytes(32))], seed)
}

/// What a slot holds, as a device lists it.
#[derive(Clone, Debug, PartialEq)]
struct Stored {
    hash: Vec<u8>,
    version: String,
}

impl Stored {
    fn of(file: &[u8]) -> Self {
        let file = ImageFile::read(&mut &*file).unwrap();
        Self { hash: file.hash().to_vec(), version: file.version().to_string() }
    }
}

/// The rules of a device with several images.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Rules {
    /// A confirmation of another image by its hash is allowed.
    Zephyr4,
    /// It is denied.
    Zephyr4Denies,
    /// Only image 0 is ever listed as active.
    Zephyr3,
}

struct Core {
    slots: [Option<Stored>; 2],
    pending: bool,
    trial: bool,
    /// The boot loader finds the signature of what was uploaded wrong.
    rejects: bool,
    /// The hash under which it is listed once it runs.
    becomes: Option<Vec<u8>>,
}

struct Device {
    rules: Rules,
    cores: Vec<Core>,
    upload: Slot,
    number: usize,
    resets: usize,
    /// The state writes: hash, and whether it is a confirmation.
    writes: Vec<(Option<Vec<u8>>, bool)>,
    refuse_upload_of: Option<usize>,
    refuse_mark_of: Option<usize>,
    max_size: Option<u64>,
    busy: bool,
    /// The next mark is taken, and the device restarts before it answers.
    dies_at_mark: bool,
}

impl Device {
    fn new(rules: Rules, running: &[&[u8]]) -> Self {
        let core = |file: &&[u8]| Core {
            slots: [Some(Stored::of(file)), None],
            pending: false,
            trial: false,
            rejects: false,
            becomes: None,
        };
        Self {
            rules,
            cores: running.iter().map(core).collect(),
            upload: Slot::default(),
            number: 0,
            resets: 0,
            writes: Vec::new(),
            refuse_upload_of: None,
            refuse_mark_of: None,
            max_size: None,
            busy: false,
            dies_at_mark: false,
        }
    }

    fn restart(&mut self) {
        self.resets += 1;
        for core in &mut self.cores {
            if core.trial {
                core.slots.swap(0, 1);
                core.trial = false;
            } else if std::mem::take(&mut core.pending) {
                if core.rejects {
                    core.slots[1] = None;
                } else {
                    core.slots.swap(0, 1);
                    core.trial = true;
                    if let (Some(hash), Some(slot)) = (core.becomes.clone(), &mut core.slots[0]) {
                        slot.hash = hash;
                    }
                }
            }
        }
    }

    fn list(&self, request: &[u8]) -> Vec<u8> {
        let mut images = Vec::new();
        for (number, core) in self.cores.iter().enumerate() {
            for (slot, stored) in core.slots.iter().enumerate() {
                let Some(stored) = stored else { continue };
                let mut state = ImageState::new(slot as u32, stored.version.as_str().into());
                state.image = Some(number as u32);
                state.hash = Some(stored.hash[..].into());
                state.bootable = true;
                state.pending = slot == 1 && core.pending;
                state.confirmed = (slot == 0) != core.trial;
                state.active = slot == 0 && (number == 0 || self.rules != Rules::Zephyr3);
                images.push(state);
            }
        }
        ok(request, &StateResponse::new(List::from(&images[..])))
    }

    fn write(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let WriteState { hash, confirm } = WriteState::decode(split(request).1).unwrap();
        let hash = hash.map(|hash| hash.as_slice().unwrap().to_vec());
        self.writes.push((hash.clone(), confirm));
        let Some(hash) = hash else {
            // Without a hash it is image 0, the one that runs; or one that is pending.
            self.cores[0].trial = false;
            return Some(self.list(request));
        };
        let find = |core: &Core| core.slots.iter().position(|slot| slot.as_ref().is_some_and(|slot| slot.hash == hash));
        let Some((number, slot)) = self.cores.iter().enumerate().find_map(|(number, core)| Some((number, find(core)?)))
        else {
            return Some(refused(request, codes::HASH_NOT_FOUND));
        };
        if !confirm {
            if self.refuse_mark_of == Some(number) {
                return Some(refused(request, Remote::ACCESS_DENIED));
            }
            self.cores[number].pending = true;
            if std::mem::take(&mut self.dies_at_mark) {
                self.restart();
                return None;
            }
        } else if slot == 0 && (number == 0 || self.rules == Rules::Zephyr4) {
            self.cores[number].trial = false;
        } else {
            return Some(refused(request, codes::IMAGE_CONFIRMATION_DENIED));
        }
        Some(self.list(request))
    }

    fn take(&mut self, request: &[u8]) -> Vec<u8> {
        let piece = piece(request).unwrap();
        if piece.off == Some(0) {
            self.number = piece.image.unwrap_or(0) as usize;
        }
        assert_eq!(piece.image.unwrap_or(0) as usize, self.number, "each piece names its image");
        let core = &self.cores[self.number];
        if core.pending || core.trial {
            return refused(request, codes::NO_FREE_SLOT);
        }
        if self.refuse_upload_of == Some(self.number) {
            return refused(request, codes::FLASH_WRITE_FAILED);
        }
        let answer = self.upload.answer(request);
        if self.upload.complete {
            self.cores[self.number].slots[1] = Some(Stored::of(&self.upload.flash));
        }
        answer
    }

    fn answer(&mut self, request: &[u8]) -> Vec<Vec<u8>> {
        let (header, _) = split(request);
        vec![match (header.group.0, header.command, header.op as u8) {
            (0, 6, 0) => parameters(request, 384, 4),
            (0, 5, 2) if self.busy => refused(request, Remote::BUSY),
            (0, 5, 2) => {
                self.restart();
                ok(request, &Empty {})
            }
            (1, 0, 0) => self.list(request),
            (1, 0, 2) => return self.write(request).into_iter().collect(),
            (1, 1, 2) => self.take(request),
            (1, 6, 0) if self.max_size.is_some() => {
                let slots = [SlotSize::new(0)];
                let of = |image| {
                    let mut slots = ImageSlots::new(image, List::from(&slots[..]));
                    slots.max_image_size = self.max_size;
                    slots
                };
                let images: Vec<_> = (0..self.cores.len() as u32).map(of).collect();
                ok(request, &SlotInfoResponse::new(List::from(&images[..])))
            }
            _ => refused(request, Remote::NOT_SUPPORTED),
        }]
    }

    fn runs(&self) -> Vec<(&str, bool)> {
        self.cores.iter().map(|core| (core.slots[0].as_ref().unwrap().version.as_str(), !core.trial)).collect()
    }
}

fn one(file: &[u8], number: u32) -> Upgrade<&[u8]> {
    Upgrade::new(Upload::new(file)).unwrap().with_image(number)
}

fn go<R: Routine<Client = Client, Report = UpgradeReport>>(mut upgrade: R, device: &mut Device) -> Run<UpgradeReport> {
    run(&mut upgrade, &mut Client::new(0), 1024, |request| device.answer(request))
}

fn uploads(run: &Run<UpgradeReport>) -> usize {
    run.sent().filter_map(piece).count()
}

fn notes(run: &Run<UpgradeReport>) -> Vec<Note> {
    run.report.notes.iter().collect()
}

#[test]
fn an_image_of_another_number_is_confirmed_by_its_hash_and_image_0_is_left_alone() {
    let (a, b, new) = (file([1, 0, 0], 1), file([1, 0, 0], 2), file([2, 0, 0], 3));
    for rules in [Rules::Zephyr4, Rules::Zephyr3, Rules::Zephyr4Denies] {
        let mut device = Device::new(rules, &[&a, &b]);
        let run = go(one(&new, 1), &mut device);
        let hash = Some(Stored::of(&new).hash);
        assert_eq!(device.writes, [(hash.clone(), false), (hash, true)], "{rules:?}");
        let allowed = rules == Rules::Zephyr4;
        let outcome = if allowed { UpgradeOutcome::Confirmed } else { UpgradeOutcome::Denied };
        assert_eq!(run.report.outcome, outcome, "{rules:?}");
        assert_eq!(run.report.notes.contains(Note::ConfirmDenied), !allowed);
        assert_eq!(device.runs(), [("1.0.0", true), ("2.0.0", allowed)], "{rules:?}");
        assert_eq!(device.resets, 1);
    }
}

#[test]
fn an_image_0_that_is_pending_is_not_confirmed_by_an_upgrade_of_image_1() {
    let (a, b, new, pending) = (file([1, 0, 0], 1), file([1, 0, 0], 2), file([2, 0, 0], 3), file([3, 0, 0], 4));
    let mut device = Device::new(Rules::Zephyr4, &[&a, &b]);
    device.cores[0].slots[1] = Some(Stored::of(&pending));
    device.cores[0].pending = true;
    let planned = go(one(&new, 1).with_plan_only(true), &mut device);
    assert_eq!(
        (planned.report.outcome, notes(&planned)),
        (UpgradeOutcome::Planned(Plan::Upload), vec![Note::OthersPending])
    );
    let run = go(one(&new, 1), &mut device);
    assert_eq!((run.report.outcome, notes(&run)), (UpgradeOutcome::Confirmed, vec![Note::OthersPending]));
    assert_eq!(device.runs(), [("3.0.0", false), ("2.0.0", true)], "nobody tested image 0");
}

#[test]
fn a_number_that_the_device_has_not_is_refused_before_anything_is_uploaded() {
    let (a, b, new) = (file([1, 0, 0], 1), file([1, 0, 0], 2), file([2, 0, 0], 3));
    for max_size in [None, Some(4096)] {
        for number in [2, 7] {
            let mut device = Device::new(Rules::Zephyr4, &[&a, &b]);
            device.max_size = max_size;
            let run = go(one(&new, number).with_plan_only(number == 7), &mut device);
            assert_eq!(run.report.outcome, UpgradeOutcome::Failed(Error::NoSuchImage));
            assert_eq!((uploads(&run), device.resets), (0, 0));
        }
    }
    // A number whose slots are both empty is not in the list, but it has slots.
    let mut device = Device::new(Rules::Zephyr4, &[&a, &b]);
    (device.cores[1].slots[0], device.max_size) = (None, Some(4096));
    let run = go(one(&new, 1).with_plan_only(true), &mut device);
    assert_eq!(run.report.outcome, UpgradeOutcome::Planned(Plan::Upload));
}

#[test]
fn two_images_are_uploaded_marked_reset_once_and_confirmed_together() {
    let (a, b) = (file([1, 0, 0], 1), file([1, 0, 0], 2));
    let (app, net) = (file([2, 0, 0], 3), file([2, 1, 0], 4));
    let mut device = Device::new(Rules::Zephyr4, &[&a, &b]);
    let mut items = [Item::new(&app[..]).unwrap(), Item::new(&net[..]).unwrap().with_image(1)];
    let run = go(Upgrade::several(&mut items[..]), &mut device);
    assert_eq!((run.report.outcome, notes(&run)), (UpgradeOutcome::Confirmed, vec![]));
    assert_eq!((device.runs(), device.resets), (vec![("2.0.0", true), ("2.1.0", true)], 1));
    assert_eq!(items.map(|item| item.place()), [Place::Confirmed; 2]);
    let confirms: Vec<_> = device.writes.iter().map(|(_, confirm)| *confirm).collect();
    assert_eq!(confirms, [false, false, true, true]);
    let asked = run.sent().filter(|sent| (sent[5], sent[7]) == (0, 6)).count();
    assert_eq!(asked, 1, "for its buffers, once");
}

#[test]
fn when_one_of_two_cannot_be_uploaded_or_marked_no_half_is_started() {
    let (a, b) = (file([1, 0, 0], 1), file([1, 0, 0], 2));
    let (app, net) = (file([2, 0, 0], 3), file([2, 1, 0], 4));
    let fresh = || [Item::new(&app[..]).unwrap(), Item::new(&net[..]).unwrap().with_image(1)];
    let mut device = Device::new(Rules::Zephyr4, &[&a, &b]);
    device.refuse_upload_of = Some(1);
    let mut items = fresh();
    let run = go(Upgrade::several(&mut items[..]), &mut device);
    assert_eq!(run.report.outcome, UpgradeOutcome::Refused(codes::FLASH_WRITE_FAILED));
    assert_eq!((run.report.item, run.report.phase, device.resets), (1, Phase::Uploading, 0));
    assert!(device.writes.is_empty() && notes(&run).is_empty());
    assert_eq!(device.runs(), [("1.0.0", true), ("1.0.0", true)]);

    // What is marked already cannot be taken back: it is said.
    let mut device = Device::new(Rules::Zephyr4, &[&a, &b]);
    device.refuse_mark_of = Some(1);
    let mut items = fresh();
    let run = go(Upgrade::several(&mut items[..]), &mut device);
    assert_eq!(run.report.outcome, UpgradeOutcome::Refused(Remote::ACCESS_DENIED));
    assert_eq!((run.report.item, notes(&run), device.resets), (1, vec![Note::LeftPending], 0));
    assert_eq!(items.map(|item| item.place()), [Place::Pending, Place::Stored]);
}

#[test]
fn when_one_of_two_does_not_come_up_the_other_one_falls_back_too() {
    let (a, b) = (file([1, 0, 0], 1), file([1, 0, 0], 2));
    let (app, net) = (file([2, 0, 0], 3), file([2, 1, 0], 4));
    for settle in [true, false] {
        let mut device = Device::new(Rules::Zephyr4, &[&a, &b]);
        device.cores[1].rejects = true;
        let mut items = [Item::new(&app[..]).unwrap(), Item::new(&net[..]).unwrap().with_image(1)];
        let run = go(Upgrade::several(&mut items[..]).with_settle(settle), &mut device);
        assert_eq!((run.report.outcome, run.report.item), (UpgradeOutcome::Reverted, 1));
        assert!(device.writes.iter().all(|(_, confirm)| !confirm), "nothing is confirmed");
        if settle {
            assert_eq!((notes(&run), device.resets), (vec![Note::RolledBack], 2));
            assert_eq!(device.runs(), [("1.0.0", true), ("1.0.0", true)]);
        } else {
            assert_eq!((device.resets, device.runs()), (1, vec![("2.0.0", false), ("1.0.0", true)]));
        }
    }
}

#[test]
fn one_of_two_that_runs_already_is_not_uploaded_again() {
    let (a, b, net) = (file([1, 0, 0], 1), file([1, 0, 0], 2), file([2, 1, 0], 4));
    let mut device = Device::new(Rules::Zephyr4, &[&a, &b]);
    let mut items = [Item::new(&a[..]).unwrap(), Item::new(&net[..]).unwrap().with_image(1)];
    let run = go(Upgrade::several(&mut items[..]), &mut device);
    assert_eq!(run.report.outcome, UpgradeOutcome::Confirmed);
    assert!(run.sent().filter_map(piece).all(|piece| piece.image == Some(1)));
    assert_eq!(device.runs(), [("1.0.0", true), ("2.1.0", true)]);
    let mut items = [Item::new(&a[..]).unwrap(), Item::new(&net[..]).unwrap().with_image(1)];
    let run = go(Upgrade::several(&mut items[..]), &mut device);
    assert_eq!((run.report.outcome, run.sent().count()), (UpgradeOutcome::AlreadyRunning, 1));
    let mut none: [Item<&[u8]>; 0] = [];
    let run = go(Upgrade::several(&mut none[..]), &mut device);
    assert_eq!((run.report.outcome, run.sent().count()), (UpgradeOutcome::Failed(Error::Empty), 0));
}

#[test]
fn a_compressed_image_is_recognised_by_the_hash_of_what_it_becomes() {
    let old = file([1, 0, 0], 1);
    for (kind, len) in [(0x10, 32), (0x11, 48), (0x12, 64)] {
        let (own, becomes) = (Random::new(7).bytes(len), Random::new(8).bytes(len));
        let new = image([1, 2, 3], 0x400, &[(0x71, becomes.clone())], &[(kind, own)], 5);
        assert_eq!(ImageFile::read(&mut &new[..]).unwrap().decompressed_hash(), Some(&becomes[..]));
        assert_eq!(ImageFile::read(&mut &old[..]).unwrap().decompressed_hash(), None);
        let mut device = Device::new(Rules::Zephyr4, &[&old]);
        device.cores[0].becomes = Some(becomes);
        let run = go(one(&new, 0), &mut device);
        assert_eq!(run.report.outcome, UpgradeOutcome::Confirmed, "{len}");
        let run = go(one(&new, 0), &mut device);
        assert_eq!((run.report.outcome, uploads(&run)), (UpgradeOutcome::AlreadyRunning, 0), "{len}");
    }
    for bad in [vec![], vec![0; 31], vec![0; 65]] {
        let file = image([1, 0, 0], 0x400, &[(0x71, bad)], &[(0x10, vec![1; 32])], 5);
        assert!(matches!(Item::new(&file[..]), Err(FileError::Hash)));
    }
}

#[test]
fn an_image_that_is_too_large_or_not_newer_is_refused_before_anything_is_uploaded() {
    let (old, new) = (file([1, 5, 0], 1), file([1, 4, 0], 2));
    let mut device = Device::new(Rules::Zephyr4, &[&old]);
    device.max_size = Some(new.len() as u64 - 1);
    for plan_only in [true, false] {
        let run = go(one(&new, 0).with_plan_only(plan_only), &mut device);
        assert_eq!((run.report.outcome, uploads(&run)), (UpgradeOutcome::Failed(Error::TooLarge), 0));
    }
    device.max_size = Some(new.len() as u64);
    let run = go(one(&new, 0).with_upgrade_only(true), &mut device);
    assert_eq!((run.report.outcome, uploads(&run)), (UpgradeOutcome::Failed(Error::NotNewer), 0));
    // The wish may also be that of the upload.
    let upload = Upload::new(&new[..]).with_upgrade_only(true);
    let run = go(Upgrade::new(upload).unwrap(), &mut device);
    assert_eq!((run.report.outcome, uploads(&run)), (UpgradeOutcome::Failed(Error::NotNewer), 0));
    let run = go(one(&new, 0).with_plan_only(true), &mut device);
    assert_eq!((run.report.outcome, notes(&run)), (UpgradeOutcome::Planned(Plan::Upload), vec![Note::Downgrade]));
    let run = go(one(&new, 0), &mut device);
    assert_eq!((run.report.outcome, notes(&run)), (UpgradeOutcome::Confirmed, vec![Note::Downgrade]));
    // A newer one is uploaded, and the device is asked to check it as well.
    let newer = file([1, 6, 0], 3);
    let run = go(one(&newer, 0).with_upgrade_only(true), &mut device);
    assert_eq!((run.report.outcome, notes(&run)), (UpgradeOutcome::Confirmed, vec![]));
    assert_eq!(run.sent().filter_map(piece).next().unwrap().upgrade, Some(true));
}

#[test]
fn a_plan_says_that_another_image_is_on_trial() {
    let (old, trial, new) = (file([1, 0, 0], 1), file([2, 0, 0], 2), file([3, 0, 0], 3));
    let mut device = Device::new(Rules::Zephyr4, &[&trial]);
    (device.cores[0].slots[1], device.cores[0].trial) = (Some(Stored::of(&old)), true);
    let run = go(one(&new, 0).with_plan_only(true), &mut device);
    assert_eq!((run.report.outcome, notes(&run)), (UpgradeOutcome::Planned(Plan::Upload), vec![Note::InTheWay]));
    // It is announced before the reset that ends the trial.
    let (mut upgrade, mut client) = (one(&new, 0), Client::new(0));
    let mut phases = Vec::new();
    let mut tx = [0; 1024];
    let mut answer = None;
    while device.resets == 0 {
        match upgrade.poll(&mut client, &mut tx) {
            anysmp::routine::Step::Send(len) => answer = device.answer(&tx[..len]).pop(),
            anysmp::routine::Step::Wait(_) => {
                let event = upgrade.receive(&mut client, &answer.take().unwrap()).unwrap();
                let (announced, done) = (event.notes.contains(Note::InTheWay), event.notes.contains(Note::Settled));
                phases.push((event.phase, announced, done));
            }
            step => panic!("{step:?}"),
        }
    }
    // What has not happened yet is not said.
    assert_eq!(phases.last(), Some(&(Phase::Settling, true, false)), "{phases:?}");
}

/// Whether this is a request to reset.
fn is_reset(request: &[u8]) -> bool {
    (request[5], request[7]) == (0, 5)
}

#[test]
fn a_trial_is_said_to_be_over_when_the_list_has_shown_it() {
    let (old, trial, new) = (file([1, 0, 0], 1), file([2, 0, 0], 2), file([3, 0, 0], 3));
    let on_trial = || {
        let mut device = Device::new(Rules::Zephyr4, &[&trial]);
        (device.cores[0].slots[1], device.cores[0].trial) = (Some(Stored::of(&old)), true);
        device
    };
    let done = go(one(&new, 0), &mut on_trial());
    assert_eq!((done.report.outcome, notes(&done)), (UpgradeOutcome::Confirmed, vec![Note::Settled]));
    // The device refuses the reset.
    let mut device = on_trial();
    device.busy = true;
    let done = go(one(&new, 0), &mut device);
    assert_eq!((done.report.outcome, done.report.phase), (UpgradeOutcome::Refused(Remote::BUSY), Phase::Settling));
    assert_eq!((notes(&done), device.resets), (vec![Note::InTheWay], 0));
    // The resets are lost: one of them, or all.
    for lost in [1, usize::MAX] {
        let (mut device, mut seen) = (on_trial(), 0);
        let run = run(&mut one(&new, 0), &mut Client::new(0), 1024, |request| {
            seen += usize::from(is_reset(request));
            if is_reset(request) && seen <= lost { vec![] } else { device.answer(request) }
        });
        if lost == 1 {
            assert_eq!((run.report.outcome, device.resets), (UpgradeOutcome::Confirmed, 2));
            assert_eq!(notes(&run), [Note::ResetUnanswered, Note::Settled]);
        } else {
            assert_eq!((run.report.outcome, device.resets), (UpgradeOutcome::Refused(codes::NO_FREE_SLOT), 0));
            assert_eq!(notes(&run), [Note::ResetUnanswered, Note::InTheWay]);
        }
    }
}

#[test]
fn images_are_said_to_have_fallen_back_when_the_list_has_shown_it() {
    let (a, b) = (file([1, 0, 0], 1), file([1, 0, 0], 2));
    let (app, net) = (file([2, 0, 0], 3), file([2, 1, 0], 4));
    // The second reset ends the trial of the image that came up. It is lost once or always, or
    // refused.
    for (lost, busy) in [(1, false), (usize::MAX, false), (0, true)] {
        let (mut device, mut seen) = (Device::new(Rules::Zephyr4, &[&a, &b]), 0);
        device.cores[1].rejects = true;
        let mut items = [Item::new(&app[..]).unwrap(), Item::new(&net[..]).unwrap().with_image(1)];
        let run = run(&mut Upgrade::several(&mut items[..]), &mut Client::new(0), 1024, |request| {
            seen += usize::from(is_reset(request));
            device.busy = busy && seen > 1;
            let is_lost = is_reset(request) && seen > 1 && seen - 1 <= lost;
            if is_lost { vec![] } else { device.answer(request) }
        });
        let place = items.map(|item| item.place())[0];
        if busy {
            let outcome = (run.report.outcome, run.report.phase);
            assert_eq!(outcome, (UpgradeOutcome::Refused(Remote::BUSY), Phase::RollingBack));
            assert_eq!((notes(&run), place, device.resets), (vec![], Place::OnTrial, 1));
        } else if lost == 1 {
            assert_eq!((run.report.outcome, run.report.item), (UpgradeOutcome::Reverted, 1));
            assert_eq!(notes(&run), [Note::ResetUnanswered, Note::RolledBack]);
            assert_eq!((place, device.resets), (Place::Stored, 2));
            assert_eq!(device.runs(), [("1.0.0", true), ("1.0.0", true)]);
        } else {
            assert_eq!((run.report.outcome, run.report.item), (UpgradeOutcome::Reverted, 1));
            assert_eq!((notes(&run), place, device.resets), (vec![Note::ResetUnanswered], Place::OnTrial, 1));
        }
    }
}

#[test]
fn an_image_is_confirmed_when_the_list_has_shown_it() {
    let (old, new) = (file([1, 0, 0], 1), file([2, 0, 0], 2));
    let mut device = Device::new(Rules::Zephyr4, &[&old]);
    let mut silent = false;
    let mut upgrade = one(&new, 0);
    let run = run(&mut upgrade, &mut Client::new(0), 1024, |request| {
        // It dies at the confirmation, which nobody knows to have arrived.
        silent |= (request[5], request[7], request[0] & 7) == (1, 0, 2) && device.resets > 0;
        if silent { vec![] } else { device.answer(request) }
    });
    assert!(matches!(run.report.outcome, UpgradeOutcome::Unknown(_)), "{:?}", run.report);
    assert_eq!(upgrade.item().place(), Place::OnTrial);
}

#[test]
fn an_upgrade_that_ends_after_the_mark_says_that_the_image_is_pending() {
    let (old, new) = (file([1, 0, 0], 1), file([2, 0, 0], 2));
    let mut device = Device::new(Rules::Zephyr4, &[&old]);
    device.busy = true;
    let run = go(one(&new, 0), &mut device);
    assert_eq!((run.report.outcome, run.report.phase), (UpgradeOutcome::Refused(Remote::BUSY), Phase::Resetting));
    assert_eq!((notes(&run), device.resets), (vec![Note::LeftPending], 0));
}

#[test]
fn a_mark_that_is_lost_to_a_restart_is_looked_up() {
    let (old, new) = (file([1, 0, 0], 1), file([2, 0, 0], 2));
    // It was taken, and the new image runs on trial.
    let mut device = Device::new(Rules::Zephyr4, &[&old]);
    device.dies_at_mark = true;
    let mut deaf = 1;
    let run = run(&mut one(&new, 0), &mut Client::new(0).with_retries(1), 1024, |request| {
        // The repeat of the mark meets a device that still boots.
        if device.resets > 0 && std::mem::replace(&mut deaf, 0) > 0 { vec![] } else { device.answer(request) }
    });
    assert_eq!((run.report.outcome, notes(&run)), (UpgradeOutcome::Confirmed, vec![Note::MarkUnanswered]));
    assert_eq!((device.runs(), device.resets), (vec![("2.0.0", true)], 1), "it is not reset again");
}

#[test]
fn a_mark_that_never_arrives_is_tried_again_and_then_given_up() {
    let (old, new) = (file([1, 0, 0], 1), file([2, 0, 0], 2));
    for lost in [3, usize::MAX] {
        let mut device = Device::new(Rules::Zephyr4, &[&old]);
        let mut seen = 0;
        let run = run(&mut one(&new, 0), &mut Client::new(0), 1024, |request| {
            let is_mark = (request[5], request[7], request[0] & 7) == (1, 0, 2);
            seen += usize::from(is_mark);
            if is_mark && seen <= lost { vec![] } else { device.answer(request) }
        });
        let outcome = if lost == 3 { UpgradeOutcome::Confirmed } else { UpgradeOutcome::Failed(Error::TimedOut) };
        assert_eq!((run.report.outcome, notes(&run)), (outcome, vec![Note::MarkUnanswered]));
    }
}

#[test]
fn a_file_that_contradicts_itself_is_refused() {
    let part = image([1, 0, 0], 0x10, &[], &[(0x10, vec![1; 32])], 5);
    assert!(matches!(Upgrade::new(Upload::new(&part[..])), Err(FileError::NotBootable)));
    assert!(ImageFile::read(&mut &part[..]).unwrap().flags().intersects(Flags::NON_BOOTABLE));
}

#[cfg(feature = "sha2")]
#[test]
fn the_hash_that_a_file_claims_is_computed() {
    use anysmp::mcuboot::build::Builder;
    use anysmp::mcuboot::digest::Sha256;
    let mut good = vec![0; 4096];
    let version = anysmp::mcuboot::Version::new(1, 2, 3);
    let len = Builder::new(version).build(&Random::new(1).bytes(700), &mut Sha256::new(), &mut good).unwrap();
    // Padding after the image does not count.
    good.truncate(len + 100);
    let verify = |file: &[u8]| ImageFile::read(&mut &*file).unwrap().verify(&mut &*file, &mut Sha256::new());
    assert_eq!(verify(&good), Ok(()));
    for at in [20, 32, 500, 731] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert_eq!(verify(&bad), Err(FileError::Mismatch), "{at}");
    }
    let mut encrypted = good.clone();
    encrypted[16] |= 4;
    assert_eq!(verify(&encrypted), Err(FileError::Encrypted));
    let other = image([1, 0, 0], 0, &[], &[(0x11, vec![1; 48])], 5);
    assert_eq!(verify(&other), Err(FileError::Hash), "of another kind");
}

#[cfg(target_pointer_width = "64")]
#[test]
fn an_item_is_small() {
    // 96 bytes on a 32-bit machine, which is asserted there.
    println!("{} and {} bytes", size_of::<Item<&[u8]>>(), size_of::<Upgrade<&[u8]>>());
    assert!(size_of::<Item<&[u8]>>() <= 104);
}
