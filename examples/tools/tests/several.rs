//! Packages: several images that are all started by one reset or not at all, and an image that has
//! a file for each slot.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::cast_possible_truncation)]

mod kit;

use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use anysmp::mcuboot::build::Builder;
use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::tlv::{Kind, Tlv};
use anysmp::mcuboot::{Flags, ImageFile, Version};
use anysmp::smp::image::{Erase, ImageState, StateResponse, Upload, UploadResponse, WriteState};
use anysmp::smp::server::{AllowAll, Answer, Incoming, Reply, serve};
use anysmp::smp::{Empty, Error, Group, Op, error, os};
use serde_json::{Value, json};

use kit::package::{package, zip};
use kit::{Device, Folder, Run, image};

fn smp(line: &str) -> Run {
    Run::of(Command::new(env!("CARGO_BIN_EXE_smp")).args(line.split(' ')).stdin(Stdio::null()).output().unwrap())
}

/// An upgrade of a device over UDP.
fn upgrade(device: &Device, more: &str) -> Run {
    smp(&format!("--udp {} --timeout 500 --json upgrade --rest 450 {more}", device.address))
}

/// The images that the device lists: number, slot, version, and whether it is confirmed.
fn runs(device: &Device) -> Vec<(u64, u64, String, bool)> {
    let list = smp(&format!("--udp {} --json image list", device.address)).ok();
    let rows = list["images"].as_array().unwrap().iter().filter(|row| row["active"] == true);
    rows.map(|row| {
        let number = |key: &str| row[key].as_u64().unwrap_or(0);
        let version = row["version"].as_str().unwrap().to_owned();
        (number("image"), number("slot"), version, row["confirmed"] == true)
    })
    .collect()
}

// Several images.

/// The version of the rules of Zephyr's image group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rules {
    /// 4.4, with `MCUMGR_GRP_IMG_ALLOW_CONFIRM_NON_ACTIVE_IMAGE_ANY`.
    Zephyr44Any,
    /// 4.4, where a client confirms only image 0.
    Zephyr44,
    /// 3.4: only image 0 is ever listed as active, and a slot of another image that runs cannot be
    /// named in a state write.
    Zephyr34,
}

/// What fails of image 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fails {
    Nothing,
    Upload,
    Mark,
    Boot,
}

/// A device with two images, by the public rules of Zephyr's image group.
struct TwoImages {
    rules: Rules,
    fails: Fails,
    /// The running image and the other slot, of each number.
    slots: [[Vec<u8>; 2]; 2],
    pending: [bool; 2],
    trial: [bool; 2],
    number: usize,
    resets: usize,
    /// It refuses every reset but the first.
    stays: bool,
}

impl TwoImages {
    fn new(rules: Rules, fails: Fails, old: &[Vec<u8>; 2]) -> Self {
        let slots = old.clone().map(|image| [image, vec![]]);
        Self { rules, fails, slots, pending: [false; 2], trial: [false; 2], number: 0, resets: 0, stays: false }
    }

    fn restart(&mut self) {
        self.resets += 1;
        for number in 0..2 {
            let is_refused = self.fails == Fails::Boot && number == 1;
            if self.trial[number] {
                self.slots[number].swap(0, 1);
                self.trial[number] = false;
            } else if std::mem::take(&mut self.pending[number]) && !is_refused {
                self.slots[number].swap(0, 1);
                self.trial[number] = true;
            }
        }
    }

    fn hash(&self, number: usize, slot: usize) -> Option<Vec<u8>> {
        ImageFile::read(&mut self.slots[number][slot].as_slice()).ok().map(|file| file.hash().to_vec())
    }

    fn answer(&mut self, request: &[u8]) -> Vec<u8> {
        let mut tx = [0; 2048];
        let handler =
            |incoming: &Incoming<'_>, reply: Reply<'_>| match (incoming.group(), incoming.command(), incoming.op()) {
                (Group::OS, 6, _) => reply.ok(&os::ParametersResponse::new(1024, 4)),
                (Group::OS, 5, _) if self.stays && self.resets > 0 => reply.error(Error::BUSY),
                (Group::OS, 5, _) => {
                    self.restart();
                    reply.ok(&Empty {})
                }
                (Group::IMAGE, 0, Op::Read) => self.list(reply),
                (Group::IMAGE, 0, _) => self.write(incoming.decode().unwrap(), reply),
                (Group::IMAGE, 1, _) => self.upload(&incoming.decode().unwrap(), reply),
                (Group::IMAGE, 5, _) => {
                    let number = incoming.decode::<Erase>().unwrap().slot.unwrap_or(1) as usize / 2;
                    (self.slots[number][1], self.pending[number]) = (vec![], false);
                    reply.ok(&Empty {})
                }
                _ => reply.error(Error::NOT_SUPPORTED),
            };
        let (len, _) = serve(handler, AllowAll, request, &mut tx);
        tx[..len].to_vec()
    }

    fn write(&mut self, write: WriteState<'_>, reply: Reply<'_>) -> Answer {
        let hash = write.hash.map(|hash| hash.as_slice().unwrap().to_vec());
        let slot = usize::from(!write.confirm);
        let Some(number) = (0..2).find(|number| hash.is_none() || self.hash(*number, slot) == hash) else {
            return reply.error(error::image::HASH_NOT_FOUND);
        };
        match (number, self.rules) {
            (1, _) if !write.confirm && self.fails == Fails::Mark => return reply.error(Error::ACCESS_DENIED),
            (1, Rules::Zephyr44) if write.confirm => return reply.error(error::image::IMAGE_CONFIRMATION_DENIED),
            (1, Rules::Zephyr34) if write.confirm => return reply.error(Error::INVALID),
            _ => {}
        }
        if write.confirm {
            self.trial[number] = false;
        } else {
            self.pending[number] = true;
        }
        self.list(reply)
    }

    fn upload(&mut self, upload: &Upload<'_>, reply: Reply<'_>) -> Answer {
        // Since every piece has to name its image, which boot loaders before 2023 count.
        let number = upload.image.unwrap_or(0) as usize;
        if upload.off == Some(0) {
            self.number = number;
            self.slots[number][1].clear();
        }
        assert_eq!(number, self.number);
        if number == 1 && self.fails == Fails::Upload {
            return reply.error(error::image::FLASH_WRITE_FAILED);
        }
        let slot = &mut self.slots[number][1];
        if upload.off == Some(slot.len() as u64) {
            slot.extend_from_slice(upload.data.unwrap().as_slice().unwrap());
        }
        reply.ok(&UploadResponse::new(slot.len() as u64))
    }

    fn list(&self, reply: Reply<'_>) -> Answer {
        let mut rows = Vec::new();
        for number in 0..2 {
            for slot in 0..2 {
                if let Ok(file) = ImageFile::read(&mut self.slots[number][slot].as_slice()) {
                    rows.push((number, slot, file.version().to_string(), file.hash().to_vec()));
                }
            }
        }
        let mut images = Vec::new();
        for (number, slot, version, hash) in &rows {
            let mut state = ImageState::new(*slot as u32, version.as_str().into());
            state.image = Some(*number as u32);
            state.hash = Some(hash[..].into());
            state.bootable = true;
            state.pending = *slot == 1 && self.pending[*number];
            state.confirmed = (*slot == 0) != self.trial[*number];
            state.active = *slot == 0 && (*number == 0 || self.rules != Rules::Zephyr34);
            images.push(state);
        }
        reply.ok(&StateResponse::new(images[..].into()))
    }
}

/// A device over UDP.
fn serve_it(device: &Arc<Mutex<TwoImages>>) -> String {
    let (device, socket) = (device.clone(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((len, peer)) = socket.recv_from(&mut buffer) {
            let response = device.lock().unwrap().answer(&buffer[..len]);
            let _ = socket.send_to(&response, peer);
        }
    });
    format!("--udp {address} --timeout 500")
}

#[test]
fn a_package_of_two_images_is_started_by_one_reset_or_not_at_all() {
    let dir = Folder::new("several-package");
    let old = [image(Version::new(1, 0, 0), 900), image(Version::new(1, 0, 1), 900)];
    let new = [image(Version::new(2, 0, 0), 3000), image(Version::new(2, 0, 1), 3000)];
    let zip = |format| package(format, &[(0, new[0].clone()), (1, new[1].clone())]);
    let cases = [
        (0, Rules::Zephyr44Any, Fails::Nothing),
        (1, Rules::Zephyr44Any, Fails::Nothing),
        (1, Rules::Zephyr44, Fails::Nothing),
        (1, Rules::Zephyr34, Fails::Nothing),
        (1, Rules::Zephyr44, Fails::Upload),
        (1, Rules::Zephyr44, Fails::Mark),
        (1, Rules::Zephyr44, Fails::Boot),
        (1, Rules::Zephyr34, Fails::Upload),
        (1, Rules::Zephyr34, Fails::Mark),
        (1, Rules::Zephyr34, Fails::Boot),
    ];
    for (format, rules, fails) in cases {
        let what = format!("{rules:?} {fails:?}");
        let file = dir.put("dfu_application.zip", &zip(format));
        let device = Arc::new(Mutex::new(TwoImages::new(rules, fails, &old)));
        let line = format!("{} --json upgrade {file} --rest 10", serve_it(&device));
        let planned = smp(&format!("{line} --dry-run"));
        assert_eq!((planned.code, &planned.json()["outcome"]), (0, &"planned".into()), "{planned:?}");
        let run = smp(&line);
        let device = device.lock().unwrap();
        let error = || run.json()["error"].as_str().unwrap_or_else(|| panic!("{what}: {run:?}")).to_owned();
        let running = [0, 1].map(|number: usize| device.slots[number][0].clone());
        match (fails, rules) {
            (Fails::Nothing, Rules::Zephyr44Any) => {
                assert_eq!((run.code, &run.json()["confirmed"]), (0, &true.into()), "{run:?}");
                assert_eq!(run.json()["items"][1]["place"], "runs: confirmed");
                assert_eq!((running, device.trial, device.resets), (new.clone(), [false; 2], 1), "{what}: {run:?}");
            }
            // Nobody but image 1 itself can confirm it: the report says which and why.
            (Fails::Nothing, _) => {
                assert_eq!((run.code, &run.json()["image"]), (6, &1.into()), "{what}: {run:?}");
                let (why, first, trial) = match rules {
                    Rules::Zephyr44 => ("the device denied it", "image 0 runs: confirmed", [false, true]),
                    // No client of this version can: both fall back together.
                    _ => ("INVALID (rc 3)", "image 0 runs until the next reset", [true; 2]),
                };
                assert!(error().starts_with("image 1: ") && error().contains(why), "{what}: {run:?}");
                assert!(error().contains(first), "{what}: {run:?}");
                assert!(error().contains("image 1 runs until the next reset"), "{what}: {run:?}");
                assert_eq!((running, device.trial, device.resets), (new.clone(), trial, 1), "{what}: {run:?}");
            }
            (Fails::Upload | Fails::Mark, _) => {
                assert_eq!((run.code, &run.json()["image"]), (1, &1.into()), "{what}: {run:?}");
                assert!(error().starts_with("image 1: the device refused: "), "{what}: {run:?}");
                assert_eq!((running, device.resets), (old.clone(), 0), "{what}: {run:?}");
                // A reset by anybody starts no half of it.
                assert_eq!(device.pending, [false; 2], "{what}: {run:?}");
                let is_said = run.says("what was marked already was erased again");
                assert_eq!(is_said, fails == Fails::Mark, "{what}: {run:?}");
            }
            (Fails::Boot, _) => {
                assert_eq!((run.code, &run.json()["image"]), (6, &1.into()), "{what}: {run:?}");
                assert!(error().starts_with("image 1: another image runs"), "{what}: {run:?}");
                assert!(run.says("not all images came up"), "{what}: {run:?}");
                assert_eq!((running, device.trial, device.resets), (old.clone(), [false; 2], 2), "{what}: {run:?}");
            }
        }
    }
    // A device that refuses the reset which would end the trial of the other one.
    let file = dir.put("dfu_application.zip", &zip(1));
    let device = TwoImages { stays: true, ..TwoImages::new(Rules::Zephyr44Any, Fails::Boot, &old) };
    let run = smp(&format!("{} --json upgrade {file} --rest 10", serve_it(&Arc::new(Mutex::new(device)))));
    assert_eq!(run.code, 6, "{run:?}");
    let error = run.json()["error"].as_str().unwrap().to_owned();
    let is_told = error.contains("the device refused the reset") && error.contains("image 0 runs until the next reset");
    assert!(is_told && !run.says("fell back"), "{run:?}");
    // A device with one image has no place for the other one, and nothing is uploaded.
    let file = dir.put("dfu_application.zip", &zip(0));
    let run = smp(&format!("--simulated --json upgrade {file}"));
    assert!(run.code == 2 && run.says("image 1: the device has no image of this number"), "{run:?}");
    assert!(!run.stdout.contains("\"off\""), "{run:?}");
    let single = dir.put("one.zip", &package(0, &[(0, new[0].clone())]));
    assert_eq!(smp(&format!("--simulated --json upgrade {single}")).code, 0);
    for (name, bytes) in [("cut.zip", zip(0)[..200].to_vec()), ("new.zip", zip(2)), ("none.zip", self::zip(&[]))] {
        let run = smp(&format!("--simulated upgrade {}", dir.put(name, &bytes)));
        assert_eq!(run.code, 5, "{name}: {run:?}");
    }
}

/// An image with a security counter.
fn counted(version: Version, counter: u32) -> Vec<u8> {
    let protected = [Tlv { kind: Kind::SECURITY_COUNTER, value: &counter.to_le_bytes() }];
    build(Builder { protected: &protected, ..Builder::new(version) })
}

fn build(builder: Builder<'_>) -> Vec<u8> {
    let mut image = vec![0; 9000];
    let len = builder.build(&[builder.version.major; 8000], &mut Sha256::new(), &mut image).unwrap();
    image.truncate(len);
    image
}

#[test]
fn the_simulated_device_starts_both_images_of_a_package_or_neither() {
    let dir = Folder::new("several-device");
    let device = Device::start("--udp 127.0.0.1:0 --images 2 --security-counter 5");
    let zip = |major, counter| {
        let images = [(0, counted(Version::new(major, 0, 0), 5)), (1, counted(Version::new(major, 0, 1), counter))];
        dir.put(&format!("{major}.zip"), &package(1, &images))
    };
    let old = vec![(0, 0, "1.0.0".to_owned(), true), (1, 0, "1.0.0".to_owned(), true)];
    assert_eq!(runs(&device), old);
    let failed = upgrade(&device, &zip(2, 4));
    assert_eq!((failed.code, &failed.json()["image"]), (6, &1.into()), "{failed:?}");
    assert!(failed.says("not all images came up"), "{failed:?}");
    assert_eq!(runs(&device), old);
    let done = upgrade(&device, &zip(3, 5));
    assert_eq!((done.code, &done.json()["confirmed"]), (0, &true.into()), "{done:?}");
    let new = vec![(0, 0, "3.0.0".to_owned(), true), (1, 0, "3.0.1".to_owned(), true)];
    assert_eq!(runs(&device), new);
    assert!(
        smp(&format!("--udp {} --timeout 500 reset", device.address)).code == 0 && {
            thread::sleep(std::time::Duration::from_millis(600));
            runs(&device) == new
        }
    );
}

#[test]
fn two_images_of_the_simulated_device_that_crash_both_fall_back() {
    let dir = Folder::new("several-crash");
    let device = Device::start("--udp 127.0.0.1:0 --images 2 --crashing");
    let images = [(0, image(Version::new(2, 0, 0), 5000)), (1, image(Version::new(2, 0, 1), 5000))];
    let run = upgrade(&device, &dir.put("2.zip", &package(1, &images)));
    assert_eq!(run.code, 6, "{run:?}");
    let versions: Vec<_> = runs(&device).into_iter().map(|(_, _, version, confirmed)| (version, confirmed)).collect();
    assert_eq!(versions, [("1.0.0".to_owned(), true), ("1.0.0".to_owned(), true)]);
}

#[test]
fn one_image_for_two_numbers_is_not_sent() {
    let dir = Folder::new("several-same");
    let device = Device::start("--udp 127.0.0.1:0 --images 2");
    let same = image(Version::new(2, 0, 0), 5000);
    let run = upgrade(&device, &dir.put("same.zip", &package(1, &[(0, same.clone()), (1, same)])));
    assert!(run.code == 2 && run.says("images 0 and 1 are the same"), "{run:?}");
    assert!(!run.stdout.contains("\"off\""), "{run:?}");
}

#[test]
fn a_board_that_nobody_can_build_is_a_usage_error() {
    for line in [
        "--mode single-slot --images 2",
        "--mode direct-xip --encrypted",
        "--mode ram-load --no-downgrade",
        "--images 3",
        "--images 0",
        "--hash md5",
    ] {
        let words = format!("--udp 127.0.0.1:0 {line}");
        let program = env!("CARGO_BIN_EXE_smp-device");
        let run = Run::of(Command::new(program).args(words.split(' ')).stdin(Stdio::null()).output().unwrap());
        assert_eq!(run.code, 2, "{line}: {run:?}");
    }
}

// A file for each slot.

/// Addresses of the slots of image 0.
const ADDRESSES: [u32; 2] = [0, 0x10_0000];

/// An image that runs from one address only.
fn fixed(version: Version, slot: usize) -> Vec<u8> {
    build(Builder { flags: Flags::ROM_FIXED, load_address: ADDRESSES[slot], ..Builder::new(version) })
}

/// A package with files for slots, which the manifest describes by `tell`.
fn pair(version: Version, slots: &[usize], tell: Tell) -> Vec<u8> {
    let mut files: Vec<(String, Vec<u8>)> =
        slots.iter().map(|slot| (format!("app{slot}.bin"), fixed(version, *slot))).collect();
    let entry = |(slot, (name, bytes)): (&usize, &(String, Vec<u8>))| {
        let mut entry = json!({ "file": name, "size": bytes.len(), "type": "application", "image_index": "0" });
        entry.as_object_mut().unwrap().extend(tell(*slot).as_object().unwrap().clone());
        entry
    };
    let list: Vec<Value> = slots.iter().zip(&files).map(entry).collect();
    files.push(("manifest.json".to_owned(), json!({ "format-version": 1, "files": list }).to_string().into_bytes()));
    zip(&files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect::<Vec<_>>())
}

/// What a manifest says about the file for a slot.
type Tell = fn(usize) -> Value;

/// As nRF Connect SDK does it.
fn by_slot(slot: usize) -> Value {
    json!({ "slot": slot.to_string(), "load_address": ADDRESSES[slot] })
}

fn by_index(slot: usize) -> Value {
    json!({ ["slot_index_primary", "slot_index_secondary"][slot]: (slot + 1).to_string() })
}

fn by_address(slot: usize) -> Value {
    json!({ "load_address": ADDRESSES[slot] })
}

#[test]
fn of_a_file_for_each_slot_the_one_for_the_free_slot_is_chosen() {
    let dir = Folder::new("several-pairs");
    for mode in ["direct-xip", "direct-xip-revert"] {
        let device = Device::start(&format!("--udp 127.0.0.1:0 --mode {mode}"));
        let ways: [(u8, Tell); 3] = [(2, by_slot), (3, by_index), (4, by_address)];
        for (major, tell) in ways {
            // The slots in either order.
            let slots = if major == 3 { [1, 0] } else { [0, 1] };
            let file = dir.put("pair.zip", &pair(Version::new(major, 0, 0), &slots, tell));
            let planned = upgrade(&device, &format!("{file} --dry-run"));
            assert_eq!(planned.code, 0, "{mode} {major}: {planned:?}");
            let done = upgrade(&device, &file);
            assert_eq!((done.code, &done.json()["confirmed"]), (0, &true.into()), "{mode} {major}: {done:?}");
            let slot = u64::from(major + 1) % 2;
            assert_eq!(runs(&device), [(0, slot, format!("{major}.0.0"), true)], "{mode}");
            // Again: the file of the other slot is not uploaded.
            let again = upgrade(&device, &file);
            assert_eq!((again.code, &again.json()["upload"]["sent"]), (0, &0.into()), "{mode} {major}: {again:?}");
            assert_eq!(runs(&device), [(0, slot, format!("{major}.0.0"), true)], "{mode}");
        }
    }
    // A boot loader that moves the image to the first slot wants the file for that one.
    let device = Device::start("--udp 127.0.0.1:0");
    let file = dir.put("pair.zip", &pair(Version::new(2, 0, 0), &[1, 0], by_slot));
    let done = upgrade(&device, &file);
    assert_eq!(done.code, 0, "{done:?}");
    let hash = ImageFile::read(&mut fixed(Version::new(2, 0, 0), 0).as_slice()).unwrap().hash().to_vec();
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(done.json()["hash"], hex.as_str(), "{done:?}");
}

#[test]
fn a_file_for_a_slot_that_the_device_will_not_write_is_never_sent() {
    let dir = Folder::new("several-mismatch");
    let device = Device::start("--udp 127.0.0.1:0 --mode direct-xip-revert");
    let lone = dir.put("lone.zip", &pair(Version::new(2, 0, 0), &[0], by_slot));
    let run = upgrade(&device, &lone);
    assert!(run.code == 2 && run.says("the device will write slot 1, from which app0.bin cannot run"), "{run:?}");
    assert!(!run.stdout.contains("\"off\""), "{run:?}");
    // A file that says nothing but its address: the device knows where its slots are.
    let bare = dir.put("bare.bin", &fixed(Version::new(2, 0, 0), 0));
    let run = upgrade(&device, &bare);
    assert!(run.code == 1 && run.says("INVALID_FLASH_ADDRESS") && run.says("linked for another slot"), "{run:?}");
    let run = smp(&format!("--udp {} upgrade {bare} --dry-run", device.address));
    assert!(run.says("bare.bin runs from address 0x00000000 only; only the device knows"), "{run:?}");
    // Two files that do not differ.
    let same = dir.put("same.zip", &pair(Version::new(2, 0, 0), &[0, 1], |_| json!({})));
    let run = upgrade(&device, &same);
    assert!(run.code == 5 && run.says("does not say for which slot"), "{run:?}");
    // An image that is made for RAM, and one that is not.
    let made =
        build(Builder { flags: Flags::RAM_LOAD, load_address: 0x2000_0000, ..Builder::new(Version::new(2, 0, 0)) });
    let made = dir.put("ram.bin", &made);
    let run = upgrade(&device, &format!("{made} --dry-run"));
    assert!(run.says("is made to be copied to RAM, and the boot loader says: direct XIP with revert"), "{run:?}");
}

#[test]
fn a_trial_is_not_ended_where_that_would_change_the_free_slot() {
    let dir = Folder::new("several-trial");
    let device = Device::start("--udp 127.0.0.1:0 --mode direct-xip-revert");
    let [two, three] =
        [2, 3].map(|major| dir.put(&format!("{major}.zip"), &pair(Version::new(major, 0, 0), &[0, 1], by_slot)));
    assert_eq!(upgrade(&device, &format!("{two} --no-confirm")).json()["outcome"], "testing");
    // Version 2 runs from slot 1. The reset that would end its trial would make slot 1 the free
    // one.
    let run = upgrade(&device, &three);
    assert!(run.code == 1 && run.says("NO_FREE_SLOT"), "{run:?}");
    assert_eq!(runs(&device), [(0, 1, "2.0.0".to_owned(), false)]);
    // The same package again goes on where it was.
    let run = upgrade(&device, &two);
    assert_eq!((run.code, &run.json()["confirmed"]), (0, &true.into()), "{run:?}");
    assert_eq!(upgrade(&device, &three).code, 0);
    assert_eq!(runs(&device), [(0, 0, "3.0.0".to_owned(), true)]);
}
