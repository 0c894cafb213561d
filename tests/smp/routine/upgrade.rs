//! The upgrade routine with a model of a device: its boot loader, the commands of its server, and
//! its faults vary.

use std::sync::LazyLock;
use std::time::Duration;

use anysmp::cbor::List;
use anysmp::mcuboot;
use anysmp::routine::{Routine, Step};
use anysmp::smp::client::Client;
use anysmp::smp::error::image::{self, CURRENT_VERSION_IS_NEWER, HASH_NOT_FOUND, IMAGE_ALREADY_PENDING, NO_FREE_SLOT};
use anysmp::smp::image::{ImageState, StateResponse, WriteState};
use anysmp::smp::routine::{
    Doubt, Error, FileError, ImageFile, Note, Phase, Plan, Upgrade, UpgradeOutcome, UpgradeReport, Upload,
};
use anysmp::smp::{Decode, Empty, Error as Remote, Request, Version, os};
use anysmp::source::{Source, SourceFailed};

use crate::kit::random::Random;
use crate::kit::smp::with;
use crate::routine::scripted::{Happened, Run, Slot, ok, parameters, raw, refused, run, split};

/// An image file of this version; `seed` makes body and hash.
fn file(version: [u8; 3], seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let body = random.bytes(3000);
    let mut file = vec![0x3D, 0xB8, 0xF3, 0x96, 0, 0, 0, 0, 32, 0, 12, 0];
    file.extend_from_slice(&(body.len() as u32).to_le_bytes());
    file.extend_from_slice(&[0; 4]);
    file.extend_from_slice(&[version[0], version[1], version[2], 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend_from_slice(&body);
    // Protected: one entry of 4 bytes. Then a key hash, the hash, a signature.
    file.extend_from_slice(&[0x08, 0x69, 12, 0, 0x50, 0, 4, 0, 1, 0, 0, 0]);
    let hash = random.bytes(32);
    let mut entries = vec![0x01, 0, 32, 0];
    entries.extend_from_slice(&random.bytes(32));
    entries.extend_from_slice(&[0x10, 0, 32, 0]);
    entries.extend_from_slice(&hash);
    entries.extend_from_slice(&[0x22, 0, 70, 0]);
    entries.extend_from_slice(&random.bytes(70));
    file.extend_from_slice(&[0x07, 0x69]);
    file.extend_from_slice(&(4 + entries.len() as u16).to_le_bytes());
    file.extend_from_slice(&entries);
    file
}

fn identity(file: &[u8]) -> ImageFile {
    ImageFile::read(&mut &*file).unwrap()
}

#[derive(Clone, Debug, PartialEq)]
struct Image {
    hash: Vec<u8>,
    version: String,
}

impl Image {
    fn of(file: &[u8]) -> Self {
        let file = identity(file);
        Self { hash: file.hash().to_vec(), version: file.version().to_string() }
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Boot {
    /// Swaps, and swaps back unless confirmed.
    Swap,
    /// The boot loader's own server: writes the primary slot, nothing runs.
    Recovery,
    /// Boots the highest version; has no state write.
    RamLoad,
}

/// A device with one image and two slots.
struct Device {
    boot: Boot,
    slots: [Option<Image>; 2],
    upload: Slot,
    pending: bool,
    trial: bool,
    /// Messages that are answered after a restart only when this many were ignored.
    deaf: usize,
    ignoring: usize,
    lists: bool,
    hashes: bool,
    writes: bool,
    confirms: bool,
    /// Says that it confirms, and does not.
    forgets: bool,
    v1: bool,
    /// The boot loader finds the signature wrong.
    rejects: bool,
    /// So many resets get lost.
    lost_resets: usize,
    answers_reset: bool,
    resets: usize,
    /// After a restart out of recovery the application has no server.
    mute: bool,
    restarted: bool,
    hold_reset: Option<Remote>,
    refuse_upload: Option<Remote>,
    /// The image in the other slot does not have the hash that it carries: no mark, for this
    /// reason.
    damaged: Option<Remote>,
    /// Uploads come out damaged as well.
    damages: bool,
}

impl Device {
    fn new(running: &[u8]) -> Self {
        Self {
            boot: Boot::Swap,
            slots: [Some(Image::of(running)), None],
            upload: Slot::default(),
            pending: false,
            trial: false,
            deaf: 0,
            ignoring: 0,
            lists: true,
            hashes: true,
            writes: true,
            confirms: true,
            forgets: false,
            v1: false,
            rejects: false,
            lost_resets: 0,
            answers_reset: true,
            resets: 0,
            mute: false,
            restarted: false,
            hold_reset: None,
            refuse_upload: None,
            damaged: None,
            damages: false,
        }
    }

    fn restart(&mut self) {
        self.resets += 1;
        self.restarted = true;
        self.ignoring = self.deaf;
        match self.boot {
            Boot::Swap if self.trial => {
                self.slots.swap(0, 1);
                self.trial = false;
            }
            Boot::Swap if self.pending => {
                self.pending = false;
                if self.rejects {
                    self.slots[1] = None;
                } else {
                    self.slots.swap(0, 1);
                    self.trial = true;
                }
            }
            Boot::RamLoad => {
                if self.slots[1].as_ref().map(|image| &image.version)
                    > self.slots[0].as_ref().map(|image| &image.version)
                {
                    self.slots.swap(0, 1);
                }
            }
            Boot::Recovery => self.boot = Boot::Swap,
            Boot::Swap => {}
        }
    }

    fn list(&self, request: &[u8]) -> Vec<u8> {
        let images: Vec<_> = (0..2)
            .filter_map(|slot| self.slots[slot].as_ref().map(|image| (slot, image)))
            .map(|(slot, image)| {
                let (runs, other) = (slot == 0 && self.boot != Boot::Recovery, slot == 1);
                with(ImageState::new(slot as u32, image.version.as_str().into()), |it| {
                    it.hash = self.hashes.then(|| image.hash[..].into());
                    it.bootable = self.boot != Boot::Recovery;
                    it.pending = other && self.pending;
                    it.confirmed = (runs && !self.trial) || (other && self.trial);
                    it.active = runs;
                })
            })
            .collect();
        ok(request, &StateResponse::new(List::from(&images[..])))
    }

    fn write(&mut self, request: &[u8]) -> Vec<u8> {
        if !self.writes || self.boot != Boot::Swap {
            return refused(request, Remote::NOT_SUPPORTED);
        }
        let WriteState { hash, confirm } = WriteState::decode(split(request).1).unwrap();
        match hash {
            None if confirm && !self.confirms => return refused(request, Remote::NOT_SUPPORTED),
            None if confirm => self.trial &= self.forgets,
            Some(hash) if !confirm && self.slots[1].as_ref().is_some_and(|image| hash == image.hash[..]) => {
                if self.trial {
                    return refused(request, IMAGE_ALREADY_PENDING);
                }
                if let Some(error) = self.damaged {
                    return refused(request, error);
                }
                self.pending = true;
            }
            _ => return refused(request, HASH_NOT_FOUND),
        }
        self.list(request)
    }

    fn take(&mut self, request: &[u8]) -> Vec<u8> {
        if let Some(error) = self.refuse_upload {
            return refused(request, error);
        }
        if self.trial || self.pending {
            return refused(request, NO_FREE_SLOT);
        }
        let answer = self.upload.answer(request);
        if self.upload.complete {
            let slot = usize::from(self.boot != Boot::Recovery);
            self.slots[slot] = Some(Image::of(&self.upload.flash));
            self.damaged = self.damaged.filter(|_| self.damages);
        }
        answer
    }

    fn answer(&mut self, request: &[u8]) -> Vec<Vec<u8>> {
        if self.ignoring > 0 || (self.mute && self.restarted) {
            self.ignoring = self.ignoring.saturating_sub(1);
            return vec![];
        }
        if self.v1 && request[0] & 0x18 != 0 {
            return vec![refused(request, Remote::VERSION_TOO_NEW)];
        }
        let (header, _) = split(request);
        vec![match (header.group.0, header.command, header.op as u8) {
            (0, 6, 0) => parameters(request, 384, 4),
            (0, 5, 2) => {
                if let Some(error) = self.hold_reset
                    && os::Reset::decode(split(request).1).unwrap().force.is_none()
                {
                    return vec![refused(request, error)];
                }
                if self.lost_resets > 0 {
                    self.lost_resets -= 1;
                    return vec![];
                }
                self.restart();
                if !self.answers_reset {
                    return vec![];
                }
                ok(request, &Empty {})
            }
            (1, 0, 0) if self.lists => self.list(request),
            (1, 0, 2) => self.write(request),
            (1, 1, 2) => self.take(request),
            _ => refused(request, Remote::NOT_SUPPORTED),
        }]
    }
}

fn upgrade(file: &[u8]) -> Upgrade<&[u8]> {
    Upgrade::new(Upload::new(file).with_sha([1; 32])).unwrap()
}

fn go(upgrade: Upgrade<&[u8]>, device: &mut Device) -> Run<UpgradeReport> {
    go_in(Version::V2, upgrade, device)
}

fn go_in(version: Version, mut upgrade: Upgrade<&[u8]>, device: &mut Device) -> Run<UpgradeReport> {
    run(&mut upgrade, &mut Client::new(0).with_version(version), 1024, |request| device.answer(request))
}

fn notes(run: &Run<UpgradeReport>) -> Vec<Note> {
    run.report.notes.iter().collect()
}

fn reopened(run: &Run<UpgradeReport>) -> usize {
    run.log.iter().filter(|happened| **happened == Happened::Reopened).count()
}

/// The images that a device runs before and after, made once.
fn old() -> &'static [u8] {
    static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| file([1, 0, 0], 1));
    &FILE
}

fn new() -> &'static [u8] {
    static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| file([1, 1, 0], 2));
    &FILE
}

// The file.

#[test]
fn the_file_says_its_version_hash_and_length_without_padding() {
    let mut file = file([1, 2, 3], 5);
    let len = file.len() as u64;
    let identity = identity(&file);
    assert_eq!((identity.version().to_string(), identity.len()), ("1.2.3".into(), len));
    assert_eq!(identity.hash(), &file[file.len() - 74 - 32..file.len() - 74]);
    file.extend_from_slice(&[0xFF; 1000]);
    assert_eq!(self::identity(&file), identity);
    let upgrade = Upgrade::new(Upload::new(&file[..]).with_sha([1; 32])).unwrap();
    let mut device = Device::new(old());
    let run = go(upgrade, &mut device);
    assert_eq!((run.report.outcome, device.upload.flash.len() as u64), (UpgradeOutcome::Confirmed, len));
}

#[test]
fn a_file_that_cannot_be_read_is_the_fault_of_its_source() {
    struct Unreadable;
    impl Source for Unreadable {
        fn len(&self) -> u64 {
            3000
        }

        fn read(&mut self, _: u64, _: &mut [u8]) -> Result<(), SourceFailed> {
            Err(SourceFailed)
        }
    }
    assert_eq!(ImageFile::read(&mut Unreadable), Err(FileError::Source));
}

#[test]
fn a_damaged_file_is_an_error_and_no_cut_is_accepted() {
    let good = file([1, 2, 3], 5);
    for len in 0..good.len() {
        assert!(ImageFile::read(&mut &good[..len]).is_err(), "{len}");
    }
    let read = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut file = good.clone();
        change(&mut file);
        ImageFile::read(&mut &file[..])
    };
    let (protected, normal) = (32 + 3000, 32 + 3000 + 12);
    assert_eq!(read(&|file| file[0] = 0x3C), Err(FileError::NotAnImage));
    assert_eq!(read(&|file| file[8] = 31), Err(FileError::NotAnImage));
    assert_eq!(read(&|file| file[15] = 1), Err(FileError::Truncated));
    assert_eq!(read(&|file| file[protected] = 7), Err(FileError::Tlv));
    assert_eq!(read(&|file| file[10] = 11), Err(FileError::Tlv));
    assert_eq!(read(&|file| file[normal] = 8), Err(FileError::Tlv));
    assert_eq!(read(&|file| file[normal + 2] = 3), Err(FileError::Tlv), "total below 256 but cut");
    assert_eq!(read(&|file| file[normal + 6] = 255), Err(FileError::Tlv));
    assert_eq!(read(&|file| file[normal + 4 + 36] = 0x21), Err(FileError::Hash), "none");
    assert_eq!(read(&|file| file[normal + 4] = 0x10), Err(FileError::Hash), "two");
    assert_eq!(read(&|file| file[normal + 4 + 36] = 0x11), Err(FileError::Hash), "wrong length");
    assert_eq!(read(&|file| file[normal + 4] = 0x11), Err(FileError::Hash), "a second one of wrong length");
    assert_eq!(read(&|file| file[12..16].fill(255)), Err(FileError::NotAnImage), "lengths beyond 32 bits");
}

#[test]
fn a_protected_area_without_entries_is_read_over() {
    let mut file = file([1, 2, 3], 5);
    let protected = 32 + 3000;
    file.drain(protected + 4..protected + 12);
    (file[10], file[protected + 2]) = (4, 4);
    let identity = identity(&file);
    assert_eq!((identity.version().to_string(), identity.len()), ("1.2.3".into(), file.len() as u64));
    assert_eq!(identity.hash(), &file[file.len() - 74 - 32..file.len() - 74]);
    // An area of entries has to have one, the hash.
    let normal = protected + 4;
    file[normal + 2..normal + 4].copy_from_slice(&[4, 0]);
    assert_eq!(ImageFile::read(&mut &file[..]), Err(FileError::Hash));
}

/// Both uses of the one grammar: a text that a user gives, and one that a device without hashes
/// lists.
#[test]
fn versions_are_read_in_every_spelling() {
    let version = |major, minor, revision, build| Some(mcuboot::Version { major, minor, revision, build });
    for (text, expected) in [
        ("1.2.3", version(1, 2, 3, 0)),
        ("1.2.3.4", version(1, 2, 3, 4)),
        ("1.2.3+4", version(1, 2, 3, 4)),
        ("255.255.65535+4294967295", version(255, 255, 65535, u32::MAX)),
        ("1.2", version(1, 2, 0, 0)),
        ("1", version(1, 0, 0, 0)),
        ("1.2.3-4", None),
        ("1.2+3", None),
        ("1+4", None),
        ("01.2.3", None),
        ("<???>", None),
        ("", None),
        ("1..3", None),
        ("1.2.3.4.5", None),
        ("256.0.0", None),
        ("1.2.99999999999999999999", None),
        ("1.2.3.4294967296", None),
    ] {
        assert_eq!(text.parse().ok(), expected, "{text}");
        let in_chunks = text.as_bytes().chunks(2).flatten().copied();
        assert_eq!(mcuboot::Version::parse(in_chunks).ok(), expected, "{text}");
    }
    assert_eq!(version(1, 2, 3, 4).unwrap().to_string(), "1.2.3.4");
}

// The usual way.

#[test]
fn a_device_is_upgraded_and_the_image_confirmed() {
    let mut device = Device::new(old());
    let run = go(upgrade(new()), &mut device);
    assert_eq!((run.report.outcome, notes(&run)), (UpgradeOutcome::Confirmed, vec![]));
    assert_eq!((device.slots[0].clone(), device.trial, device.resets), (Some(Image::of(new())), false, 1));
    assert_eq!(reopened(&run), 1);
    assert_eq!(run.waited(), [Duration::from_secs(2)], "silence after the reset, and nothing else to wait for");
    assert_eq!(run.report.phase, Phase::Verifying);
}

#[test]
fn without_confirmation_the_image_is_on_trial() {
    let mut device = Device::new(old());
    let run = go(upgrade(new()).with_confirm(false), &mut device);
    assert_eq!((run.report.outcome, device.trial), (UpgradeOutcome::Testing, true));
}

#[test]
fn an_image_that_is_found_on_trial_is_not_confirmed_unless_asked_for() {
    let mut device = Device::new(new());
    (device.slots[1], device.trial) = (Some(Image::of(old())), true);
    let run = go(upgrade(new()).with_confirm(false), &mut device);
    assert_eq!((run.report.outcome, notes(&run)), (UpgradeOutcome::Testing, vec![Note::NoUpload]));
    assert_eq!((device.trial, device.resets, run.sent().count()), (true, 0, 1), "it was looked at, and no more");
}

#[test]
fn an_image_that_runs_already_changes_nothing() {
    let mut device = Device::new(new());
    let run = go(upgrade(new()), &mut device);
    assert_eq!((run.report.outcome, run.sent().count()), (UpgradeOutcome::AlreadyRunning, 1));
}

#[test]
fn the_same_version_with_another_hash_is_another_image() {
    let (old, new) = (file([1, 0, 0], 1), file([1, 0, 0], 2));
    let mut device = Device::new(&old);
    let run = go(upgrade(&new), &mut device);
    assert_eq!((run.report.outcome, device.slots[0].clone()), (UpgradeOutcome::Confirmed, Some(Image::of(&new))));
}

#[test]
fn what_an_earlier_run_has_done_is_not_done_again() {
    let (old, new) = (old(), new());
    // (stored, pending, on trial, plan)
    for (pending, trial, plan) in [(false, false, Plan::Test), (true, false, Plan::Reset), (false, true, Plan::Confirm)]
    {
        let device = || {
            let mut device = Device::new(if trial { new } else { old });
            device.slots[1] = Some(Image::of(if trial { old } else { new }));
            (device.pending, device.trial) = (pending, trial);
            device
        };
        let run = go(upgrade(new).with_plan_only(true), &mut device());
        assert_eq!((run.report.outcome, run.sent().count()), (UpgradeOutcome::Planned(plan), 1));
        let mut device = device();
        let run = go(upgrade(new), &mut device);
        assert_eq!((run.report.outcome, notes(&run)), (UpgradeOutcome::Confirmed, vec![Note::NoUpload]), "{plan:?}");
        assert_eq!((device.upload.erased, device.resets), (0, usize::from(!trial)));
        assert_eq!(device.slots[0], Some(Image::of(new)));
    }
}

#[test]
fn a_plan_for_an_absent_image_is_an_upload() {
    let mut device = Device::new(old());
    let run = go(upgrade(new()).with_plan_only(true), &mut device);
    let commands: Vec<_> = run.sent().map(|sent| (sent[5], sent[7])).collect();
    assert_eq!((run.report.outcome, commands), (UpgradeOutcome::Planned(Plan::Upload), vec![(1, 0), (1, 6)]));
}

#[test]
fn another_image_on_trial_or_pending_is_settled_by_a_reset() {
    let third = file([0, 9, 0], 3);
    for (pending, resets) in [(true, 3), (false, 2)] {
        for v1 in [false, true] {
            let mut device = Device::new(if pending { old() } else { &third });
            device.slots[1] = Some(Image::of(if pending { &third } else { old() }));
            (device.pending, device.trial, device.v1) = (pending, !pending, v1);
            let run = go(upgrade(new()), &mut device);
            assert_eq!((run.report.outcome, notes(&run)), (UpgradeOutcome::Confirmed, vec![Note::Settled]));
            assert_eq!((device.resets, reopened(&run)), (resets, resets));
            assert_eq!(device.slots, [Some(Image::of(new())), Some(Image::of(old()))]);
        }
    }
    let mut device = Device::new(&third);
    device.slots[1] = Some(Image::of(old()));
    device.trial = true;
    let run = go(upgrade(new()).with_settle(false), &mut device);
    assert_eq!((run.report.outcome, device.resets), (UpgradeOutcome::Refused(NO_FREE_SLOT), 0));
    // Ours is the one that the device falls back to.
    let run = go(upgrade(old()), &mut device);
    assert_eq!((run.report.outcome, device.slots[0].clone()), (UpgradeOutcome::AlreadyRunning, Some(Image::of(old()))));
}

#[test]
fn another_image_that_stays_in_the_way_is_given_up_after_two_resets() {
    let mut device = Device::new(&file([0, 9, 0], 3));
    device.slots[1] = Some(Image::of(old()));
    let mut upgrade = upgrade(new());
    let run = run(&mut upgrade, &mut Client::new(0), 1024, |request| {
        device.trial = true;
        let answer = device.answer(request);
        device.slots = [Some(Image::of(&file([0, 9, 0], 3))), Some(Image::of(old()))];
        answer
    });
    assert_eq!((run.report.outcome, reopened(&run)), (UpgradeOutcome::Refused(NO_FREE_SLOT), 2));
}

// What goes wrong.

/// What devices report about a stored image that is damaged, in both versions.
const DAMAGES: [(Version, Remote); 8] = [
    (Version::V2, image::NO_IMAGE),
    (Version::V2, image::NO_TLVS),
    (Version::V2, image::INVALID_TLV),
    (Version::V2, HASH_NOT_FOUND),
    (Version::V2, image::INVALID_IMAGE_HEADER_MAGIC),
    (Version::V1, Remote::INVALID),
    (Version::V1, Remote::NOT_FOUND),
    (Version::V1, Remote::UNKNOWN),
];

/// A device that lists the new image, which is damaged.
fn with_damaged(error: Remote) -> Device {
    let mut device = Device::new(old());
    device.slots[1] = Some(Image::of(new()));
    device.damaged = Some(error);
    device
}

#[test]
fn an_image_that_lies_there_damaged_is_uploaded_anew() {
    for (version, error) in DAMAGES {
        let mut device = with_damaged(error);
        let run = go_in(version, upgrade(new()), &mut device);
        assert_eq!((run.report.outcome, notes(&run)), (UpgradeOutcome::Confirmed, vec![Note::Damaged]), "{error:?}");
        assert_eq!((device.upload.erased, device.resets), (1, 1));
        assert_eq!(device.slots[0], Some(Image::of(new())));
    }
}

#[test]
fn an_image_that_is_damaged_again_is_given_up_with_the_reason() {
    for (version, error) in DAMAGES {
        let mut device = with_damaged(error);
        device.damages = true;
        let run = go_in(version, upgrade(new()), &mut device);
        assert_eq!((run.report.outcome, run.report.phase), (UpgradeOutcome::Refused(error), Phase::Marking));
        assert_eq!((notes(&run), device.upload.erased, device.resets), (vec![Note::Damaged], 1, 0));
    }
    // One that was just uploaded is not tried again either.
    let mut device = Device::new(old());
    (device.damaged, device.damages) = (Some(image::NO_IMAGE), true);
    let run = go(upgrade(new()), &mut device);
    assert_eq!((run.report.outcome, notes(&run)), (UpgradeOutcome::Refused(image::NO_IMAGE), vec![]));
    assert_eq!(device.upload.erased, 1);
}

#[test]
fn a_mark_that_is_refused_for_another_reason_is_no_cause_for_an_upload() {
    let others = [Remote::ACCESS_DENIED, Remote::BUSY, IMAGE_ALREADY_PENDING, NO_FREE_SLOT, image::FLASH_WRITE_FAILED];
    // Version 2 has codes for what these may mean in version 1.
    for error in others.into_iter().chain([Remote::INVALID, Remote::NOT_FOUND, Remote::UNKNOWN]) {
        let mut device = with_damaged(error);
        let run = go(upgrade(new()), &mut device);
        assert_eq!((run.report.outcome, device.upload.erased), (UpgradeOutcome::Refused(error), 0));
        assert_eq!(notes(&run), [Note::NoUpload]);
    }
}

#[test]
fn an_image_that_the_boot_loader_rejects_is_reported_as_reverted() {
    let mut device = Device::new(old());
    device.rejects = true;
    let run = go(upgrade(new()), &mut device);
    assert_eq!((run.report.outcome, device.slots[0].clone()), (UpgradeOutcome::Reverted, Some(Image::of(old()))));
}

#[test]
fn an_image_that_falls_back_is_reported_as_reverted() {
    let mut device = Device::new(old());
    let mut upgrade = upgrade(new());
    let run = run(&mut upgrade, &mut Client::new(0), 1024, |request| {
        let answer = device.answer(request);
        if device.trial {
            device.restart();
        }
        answer
    });
    assert_eq!(run.report.outcome, UpgradeOutcome::Reverted);
}

#[test]
fn a_refused_upload_is_final_and_typed() {
    let mut device = Device::new(old());
    device.refuse_upload = Some(CURRENT_VERSION_IS_NEWER);
    let run = go(upgrade(new()), &mut device);
    assert_eq!(run.report.outcome, UpgradeOutcome::Refused(CURRENT_VERSION_IS_NEWER));
    assert_eq!((run.report.phase, device.resets), (Phase::Uploading, 0));
}

#[test]
fn a_refused_reset_wants_force() {
    let mut device = Device::new(old());
    device.hold_reset = Some(Remote::BUSY);
    let run = go(upgrade(new()), &mut device);
    assert_eq!((run.report.outcome, run.report.phase), (UpgradeOutcome::Refused(Remote::BUSY), Phase::Resetting));
    let run = go(upgrade(new()).with_force(true), &mut device);
    assert_eq!(run.report.outcome, UpgradeOutcome::Confirmed);
}

#[test]
fn a_reset_without_an_answer_has_happened() {
    let mut device = Device::new(old());
    device.answers_reset = false;
    let run = go(upgrade(new()), &mut device);
    assert_eq!((run.report.outcome, notes(&run)), (UpgradeOutcome::Confirmed, vec![Note::ResetUnanswered]));
}

#[test]
fn a_lost_reset_is_noticed_and_repeated_twice() {
    for lost in 1..=3 {
        let mut device = Device::new(old());
        device.lost_resets = lost;
        let run = go(upgrade(new()), &mut device);
        let outcome = if lost < 3 { UpgradeOutcome::Confirmed } else { UpgradeOutcome::Unknown(Doubt::NotStarted) };
        assert_eq!((run.report.outcome, reopened(&run)), (outcome, (lost + 1).min(3)));
    }
}

#[test]
fn a_mark_and_a_confirmation_are_waited_for_as_long_as_they_take_or_longer_if_the_client_says_so() {
    let slow = <WriteState<'_> as Request>::TIMEOUT;
    assert!(Client::TIMEOUT < slow);
    for confirm in [false, true] {
        for timeout in [Client::TIMEOUT, slow * 2] {
            let mut device = Device::new(old());
            let (mut client, mut lost) = (Client::new(0).with_timeout(timeout), false);
            let run = run(&mut upgrade(new()), &mut client, 1024, |request| {
                let (header, payload) = split(request);
                let is_it = (header.group.0, header.command, header.op as u8) == (1, 0, 2)
                    && WriteState::decode(payload).unwrap().confirm == confirm;
                // The first one never arrives.
                if is_it && !std::mem::replace(&mut lost, true) { vec![] } else { device.answer(request) }
            });
            assert_eq!((run.report.outcome, lost), (UpgradeOutcome::Confirmed, true));
            let rest = Duration::from_secs(2);
            let expected = if confirm { [rest, slow.max(timeout)] } else { [slow.max(timeout), rest] };
            assert_eq!(run.waited(), expected, "{timeout:?}");
        }
    }
}

#[test]
fn a_slow_boot_is_waited_for_and_a_silent_one_ends() {
    let mut device = Device::new(old());
    device.deaf = 20;
    assert_eq!(go(upgrade(new()), &mut device).report.outcome, UpgradeOutcome::Confirmed);
    device = Device::new(old());
    device.deaf = 1000;
    let run = go(upgrade(new()), &mut device);
    assert_eq!((run.report.outcome, run.report.phase), (UpgradeOutcome::Unknown(Doubt::Silent), Phase::Booting));
    let waited: Duration = run.waited().into_iter().sum();
    assert_eq!(waited, Duration::from_secs(62));
    device = Device::new(old());
    device.deaf = 20;
    let run = go(upgrade(new()).with_boot_time(Duration::from_secs(30)).with_rest(Duration::from_secs(5)), &mut device);
    assert_eq!(run.report.outcome, UpgradeOutcome::Unknown(Doubt::Silent));
    assert_eq!(run.waited().into_iter().sum::<Duration>(), Duration::from_secs(35));
}

#[test]
fn a_silent_device_fails_before_anything_is_done() {
    let run = run(&mut upgrade(new()), &mut Client::new(0), 1024, |_| vec![]);
    assert_eq!(run.report.outcome, UpgradeOutcome::Failed(Error::TimedOut));
    assert_eq!((run.sent().count(), run.report.phase), (3, Phase::Looking));
}

#[test]
fn a_line_that_breaks_during_the_upload_fails_without_a_reset() {
    let mut device = Device::new(old());
    let mut seen = 0;
    let run = run(&mut upgrade(new()), &mut Client::new(0), 1024, |request| {
        seen += 1;
        if seen > 6 { vec![] } else { device.answer(request) }
    });
    assert_eq!((run.report.outcome, device.resets), (UpgradeOutcome::Failed(Error::TimedOut), 0));
    assert_eq!(run.report.phase, Phase::Uploading);
}

// Servers that support less.

#[test]
fn serial_recovery_gets_the_image_without_a_mark_for_test() {
    for mute in [false, true] {
        let mut device = Device::new(old());
        (device.boot, device.writes, device.v1, device.mute) = (Boot::Recovery, false, true, mute);
        let run = go(upgrade(new()), &mut device);
        let outcome = if mute { UpgradeOutcome::Unknown(Doubt::Silent) } else { UpgradeOutcome::Confirmed };
        assert_eq!((run.report.outcome, notes(&run)), (outcome, vec![Note::NoTest]));
        assert_eq!((device.slots[0].clone(), device.resets), (Some(Image::of(new())), 1));
        let writes = run.sent().filter(|sent| (sent[0] & 7, sent[5], sent[7]) == (2, 1, 0)).count();
        assert_eq!(writes, 0, "some recovery servers mark the other slot, whatever the hash");
    }
}

#[test]
fn serial_recovery_that_has_the_image_is_only_reset() {
    let mut device = Device::new(new());
    device.boot = Boot::Recovery;
    let run = go(upgrade(new()), &mut device);
    assert_eq!((run.report.outcome, notes(&run)), (UpgradeOutcome::Confirmed, vec![Note::NoUpload]));
    assert_eq!((device.upload.erased, device.resets), (0, 1));
}

#[test]
fn recovery_that_comes_up_again_leaves_a_doubt() {
    let mut device = Device::new(old());
    device.boot = Boot::Recovery;
    let mut upgrade = upgrade(new());
    let run = run(&mut upgrade, &mut Client::new(0), 1024, |request| {
        let answer = device.answer(request);
        device.boot = Boot::Recovery;
        answer
    });
    assert_eq!(run.report.outcome, UpgradeOutcome::Unknown(Doubt::NothingRuns));
}

#[test]
fn ram_load_has_neither_mark_nor_trial() {
    let mut device = Device::new(old());
    device.boot = Boot::RamLoad;
    let run = go(upgrade(new()), &mut device);
    assert_eq!((run.report.outcome, notes(&run)), (UpgradeOutcome::Confirmed, vec![Note::NoTest]));
}

#[test]
fn a_device_that_cannot_confirm_says_so() {
    let mut device = Device::new(old());
    device.confirms = false;
    let run = go(upgrade(new()), &mut device);
    assert_eq!((run.report.outcome, notes(&run)), (UpgradeOutcome::Testing, vec![Note::NoConfirm]));
}

#[test]
fn a_confirmation_that_does_not_stay_leaves_a_doubt() {
    let mut device = Device::new(old());
    device.forgets = true;
    let run = go(upgrade(new()), &mut device);
    assert_eq!(run.report.outcome, UpgradeOutcome::Unknown(Doubt::NotConfirmed));
}

#[test]
fn a_device_without_a_list_is_upgraded_blindly() {
    let mut device = Device::new(old());
    device.lists = false;
    let run = go(upgrade(new()), &mut device);
    assert_eq!((run.report.outcome, notes(&run)), (UpgradeOutcome::Unknown(Doubt::NoState), vec![Note::NoState]));
    assert_eq!(device.slots[0], Some(Image::of(new())));
}

#[test]
fn without_hashes_the_version_decides() {
    let mut device = Device::new(old());
    device.hashes = false;
    let run = go(upgrade(new()), &mut device);
    assert_eq!((run.report.outcome, notes(&run)), (UpgradeOutcome::Confirmed, vec![Note::ByVersion]));
}

#[test]
fn without_hashes_the_same_version_is_not_taken_for_success() {
    let (old, new) = (file([1, 0, 0], 1), file([1, 0, 0], 2));
    let mut device = Device::new(&old);
    (device.hashes, device.rejects) = (false, true);
    let run = go(upgrade(&new), &mut device);
    assert_eq!(run.report.outcome, UpgradeOutcome::Unknown(Doubt::SameVersion));
    let mut device = Device::new(&old);
    device.hashes = false;
    let run = go(upgrade(&new), &mut device);
    assert_eq!(run.report.outcome, UpgradeOutcome::Confirmed, "the trial tells the two apart");
}

#[test]
fn a_server_of_the_other_version_is_understood_on_both_sides_of_the_reset() {
    let mut device = Device::new(old());
    device.v1 = true;
    let mut upgrade = upgrade(new());
    let run = run(&mut upgrade, &mut Client::new(0), 1024, |request| {
        if device.restarted {
            device.v1 = false;
            if request[0] & 0x18 == 0 {
                return vec![refused(request, Remote::VERSION_TOO_OLD)];
            }
        }
        device.answer(request)
    });
    assert_eq!(run.report.outcome, UpgradeOutcome::Confirmed);
}

#[test]
fn entries_of_other_images_do_not_count() {
    let (old, new) = (old(), new());
    for number in [0, 1] {
        let images = [old, new].map(Image::of);
        let mut upgrade = upgrade(new).with_image(number).with_plan_only(true);
        let run = run(&mut upgrade, &mut Client::new(0), 1024, |request| {
            let states: Vec<_> = images
                .iter()
                .enumerate()
                .map(|(number, image)| {
                    with(ImageState::new(0, image.version.as_str().into()), |it| {
                        it.image = Some(number as u32);
                        it.hash = Some(image.hash[..].into());
                        it.bootable = true;
                        it.confirmed = true;
                        it.active = true;
                    })
                })
                .collect();
            vec![ok(request, &StateResponse::new(List::from(&states[..])))]
        });
        let outcome = if number == 1 { UpgradeOutcome::AlreadyRunning } else { UpgradeOutcome::Planned(Plan::Upload) };
        assert_eq!(run.report.outcome, outcome);
    }
}

// Peers that misbehave.

#[test]
fn random_peers_end_in_a_bounded_number_of_steps() {
    let (old, new) = (old(), new());
    for seed in 0..2000 {
        let mut random = Random::new(seed);
        let mut device = Device::new(old);
        let mut upgrade = upgrade(new);
        let nasty = random.below(60);
        let _ = run(&mut upgrade, &mut Client::new(0), 1024, |request| {
            if !random.percent(nasty) {
                return device.answer(request);
            }
            (0..random.below(3))
                .map(|_| match random.below(4) {
                    0 => refused(request, Remote::Smp(random.below(15) as i32)),
                    1 => {
                        let len = random.below(40) as usize;
                        raw(request, &random.bytes(len))
                    }
                    2 => device.list(request),
                    _ => {
                        let len = random.below(60) as usize;
                        random.bytes(len)
                    }
                })
                .collect()
        });
    }
}

#[test]
fn a_peer_that_chatters_without_answering_is_given_up() {
    let new = new();
    let mut upgrade = upgrade(new);
    let (mut client, mut tx) = (Client::new(0), [0; 512]);
    for _ in 0..2000 {
        match upgrade.poll(&mut client, &mut tx) {
            Step::Send(_) => {}
            Step::Wait(_) => {
                assert_eq!(upgrade.receive(&mut client, &[9; 12]), None);
                upgrade.timed_out();
            }
            Step::Reopen => panic!(),
            Step::Done => {
                assert_eq!(upgrade.report().outcome, UpgradeOutcome::Failed(Error::TimedOut));
                return;
            }
        }
    }
    panic!("it goes on for ever");
}

#[test]
fn a_lossy_line_ends_in_the_truth() {
    let (old, new) = (old(), new());
    let mut confirmed = 0;
    for seed in 0..500 {
        let mut random = Random::new(seed);
        let mut device = Device::new(old);
        let upload = Upload::new(new).with_sha([1; 32]).with_retries(32);
        let mut upgrade = Upgrade::new(upload).unwrap();
        let mut client = Client::new(seed as u8).with_retries(8);
        let run = run(&mut upgrade, &mut client, 1024, |request| {
            if random.percent(20) {
                return vec![];
            }
            let answers = device.answer(request);
            answers.into_iter().filter(|_| !random.percent(20)).collect()
        });
        match run.report.outcome {
            UpgradeOutcome::Confirmed => {
                confirmed += 1;
                assert_eq!((device.slots[0].clone(), device.trial), (Some(Image::of(new)), false), "seed {seed}");
            }
            UpgradeOutcome::Reverted => assert_eq!(device.slots[0], Some(Image::of(old)), "seed {seed}"),
            UpgradeOutcome::Unknown(_) | UpgradeOutcome::Failed(_) => {}
            other => panic!("seed {seed}: {other:?}"),
        }
    }
    println!("20 % lost each way: {confirmed} of 500 upgrades confirmed");
}

#[test]
fn the_state_is_small() {
    println!("{} bytes", size_of::<Upgrade<&[u8]>>());
    assert!(size_of::<Upgrade<&[u8]>>() <= 768);
}

#[test]
fn a_list_that_makes_no_sense_after_the_reset_leaves_a_doubt() {
    let mut device = Device::new(old());
    let run = run(&mut upgrade(new()), &mut Client::new(0), 1024, |request| {
        let mut answers = device.answer(request);
        if device.restarted
            && let Some(answer) = answers.first_mut()
        {
            *answer = raw(request, b"\xa1\x66images\x07");
        }
        answers
    });
    assert_eq!(run.report.outcome, UpgradeOutcome::Unknown(Doubt::Exchange(Error::Malformed)));
    let text = run.report.outcome.to_string();
    assert!(text.starts_with("after the reset the exchange failed") && text.ends_with("is malformed"), "{text}");
}

#[test]
fn the_boot_time_counts_for_a_client_with_a_short_timeout_too() {
    let mut device = Device { deaf: 400, ..Device::new(old()) };
    let mut client = Client::new(0).with_timeout(Duration::from_millis(100));
    let run = run(&mut upgrade(new()), &mut client, 1024, |request| device.answer(request));
    assert_eq!(run.report.outcome, UpgradeOutcome::Confirmed, "after 40 s of 60 s");
}

#[test]
fn the_boot_time_ends_for_a_client_that_does_not_wait() {
    let mut device = Device { deaf: usize::MAX, ..Device::new(old()) };
    let mut client = Client::new(0).with_timeout(Duration::ZERO);
    let mut routine = upgrade(new()).with_boot_time(Duration::from_secs(1));
    let run = run(&mut routine, &mut client, 1024, |request| device.answer(request));
    assert_eq!(run.report.outcome, UpgradeOutcome::Unknown(Doubt::Silent));
}

#[test]
fn each_outcome_phase_plan_doubt_and_note_prints_a_sentence_of_its_own() {
    let refusal = Remote::NOT_SUPPORTED;
    let doubts = [
        Doubt::Silent,
        Doubt::NoState,
        Doubt::NothingRuns,
        Doubt::SameVersion,
        Doubt::NotStarted,
        Doubt::NotConfirmed,
        Doubt::Exchange(Error::TimedOut),
    ];
    let plans = [Plan::Upload, Plan::Test, Plan::Reset, Plan::Confirm];
    let outcomes = [
        UpgradeOutcome::Unfinished,
        UpgradeOutcome::AlreadyRunning,
        UpgradeOutcome::Confirmed,
        UpgradeOutcome::Testing,
        UpgradeOutcome::Denied,
        UpgradeOutcome::Reverted,
        UpgradeOutcome::Refused(refusal),
        UpgradeOutcome::Failed(Error::Mismatch),
    ];
    let phases = [
        Phase::Looking,
        Phase::Uploading,
        Phase::Marking,
        Phase::Resetting,
        Phase::Settling,
        Phase::RollingBack,
        Phase::Booting,
        Phase::Confirming,
        Phase::Verifying,
    ];
    let notes = [
        Note::NoUpload,
        Note::NoState,
        Note::NoTest,
        Note::NoConfirm,
        Note::ResetUnanswered,
        Note::ByVersion,
        Note::Settled,
        Note::Damaged,
        Note::Downgrade,
        Note::InTheWay,
        Note::OthersPending,
        Note::LeftPending,
        Note::ConfirmDenied,
        Note::RolledBack,
        Note::MarkUnanswered,
    ];
    let mut texts: Vec<String> = doubts.iter().map(|doubt| UpgradeOutcome::Unknown(*doubt).to_string()).collect();
    texts.extend(plans.iter().map(|plan| UpgradeOutcome::Planned(*plan).to_string()));
    texts.extend(outcomes.iter().map(ToString::to_string));
    texts.extend(phases.iter().map(ToString::to_string));
    texts.extend(notes.iter().map(ToString::to_string));
    assert!(texts.iter().all(|text| text.contains(' ')), "{texts:#?}");
    let all = texts.len();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), all, "{texts:#?}");
}
