//! The boot loader of `anysmp::testing` compared with recorded boots of MCUboot itself.
//!
//! `tests/vectors/mcuboot/README.md` describes the lines. Each line is a flash, the power cuts in
//! it if there were any, and the result that MCUboot made of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::slots::{BootMode, Region, Slot};
use anysmp::mcuboot::trailer::{Field, Flag, Layout, Magic, SwapType, Trailer};
use anysmp::mcuboot::{Header, Image, Version};
use anysmp::testing::bootloader::{Boot, Bootloader};
use serde_json::Value;

use crate::hex::hex;

/// The flash of a line: the slots in the order of the line, then the scratch area.
type Areas = Vec<Vec<u8>>;

/// The images of a file.
type Images = BTreeMap<String, Vec<u8>>;

/// A recorded boot.
struct Line {
    json: Value,
    images: usize,
    erased: u8,
    erase: usize,
    layout: Layout,
    mode: BootMode,
    lens: Vec<usize>,
    before: Areas,
    /// The flash after the last power cut.
    start: Areas,
    after: Areas,
}

impl Line {
    fn new(json: Value, files: &Images) -> Self {
        let number = |key: &str| json[key].as_u64().unwrap() as usize;
        let mut lens: Vec<usize> =
            json["slots"].as_array().unwrap().iter().map(|slot| slot["len"].as_u64().unwrap() as usize).collect();
        lens.extend(json["scratch"].as_u64().map(|len| len as usize));
        let erased = number("erased") as u8;
        let areas = |runs: &Value, same: &Areas| {
            let area = |(index, len): (usize, &usize)| match &runs[index] {
                Value::Null => same[index].clone(),
                runs => area(runs, *len, erased, files),
            };
            lens.iter().enumerate().map(area).collect::<Areas>()
        };
        let before = areas(&json["before"], &Vec::new());
        let cuts = json["cuts"].as_array().cloned().unwrap_or_default();
        let start = cuts.iter().fold(before.clone(), |flash, cut| areas(&cut["flash"], &flash));
        let after = areas(&json["after"], &start);
        let mode = mode(json["mode"].as_str().unwrap());
        Self {
            images: number("images"),
            erased,
            erase: number("erase"),
            layout: Layout::new(number("align") as u32).unwrap(),
            mode,
            lens,
            before,
            start,
            after,
            json,
        }
    }

    fn bootloader(&self, max_sectors: u32) -> Bootloader {
        let mut end = 0;
        let regions: Vec<Region> = self
            .lens
            .iter()
            .map(|len| {
                end += *len as u32;
                Region::new(end - *len as u32, *len as u32)
            })
            .collect();
        let sizes = [self.json["write"].as_u64().unwrap() as u32, self.erase as u32];
        let mut bootloader = Bootloader::new(self.mode, self.layout, sizes, [regions[0], regions[1]]);
        bootloader.max_sectors = max_sectors;
        bootloader.erased = self.erased;
        bootloader.copies_all = self.json["fast"] == false;
        bootloader.second = (self.images == 2).then(|| [regions[2], regions[3]]);
        bootloader.scratch = regions.get(2 * self.images).copied();
        bootloader
    }

    fn is_direct(&self) -> bool {
        matches!(self.mode, BootMode::DirectXip | BootMode::DirectXipRevert)
    }

    fn trailer(&self, slot: &[u8]) -> Trailer {
        let field = |field| &slot[slot.len() - self.layout.from_end(field) as usize..];
        let byte = |name| field(name)[0];
        Trailer {
            magic: self.layout.read_magic(field(Field::Magic), self.erased),
            image_ok: Flag::read(byte(Field::ImageOk), self.erased),
            copy_done: Flag::read(byte(Field::CopyDone), self.erased),
            swap_info: Some(byte(Field::SwapInfo(SwapType::None))).filter(|byte| *byte != self.erased),
        }
    }

    /// The swap type that the trailers of each image ask for.
    fn types(&self, areas: &Areas) -> Vec<&'static str> {
        let name = |pair: &[Vec<u8>]| {
            let [primary, secondary] = [&pair[0], &pair[1]].map(|slot| self.trailer(slot));
            let decide =
                if self.mode == BootMode::SwapOffset { SwapType::decide_with_offset } else { SwapType::decide };
            match decide(&primary, &secondary) {
                SwapType::None => "none",
                SwapType::Test => "test",
                SwapType::Permanent => "perm",
                SwapType::Revert => "revert",
            }
        };
        areas[..2 * self.images].chunks(2).map(name).collect()
    }

    /// The image in a secondary slot, at the place where it is good.
    fn second_images<'a>(&self, areas: &'a Areas) -> Vec<Option<&'a [u8]>> {
        let good = |slot: &'a [u8]| {
            let image = Image::parse(slot).ok()?;
            image.verify(&mut Sha256::new()).ok().map(|()| &slot[..image.len()])
        };
        let place = |slot: &'a [u8]| {
            good(slot).or_else(|| (self.mode == BootMode::SwapOffset).then(|| good(&slot[self.erase..])).flatten())
        };
        areas[..2 * self.images].chunks(2).map(|pair| place(&pair[1])).collect()
    }
}

fn mode(name: &str) -> BootMode {
    match name {
        "swap-move" => BootMode::SwapMove,
        "swap-offset" => BootMode::SwapOffset,
        "swap-scratch" => BootMode::SwapScratch,
        "overwrite" => BootMode::OverwriteOnly,
        "direct-xip" => BootMode::DirectXip,
        "direct-xip-revert" => BootMode::DirectXipRevert,
        _ => panic!("{name}"),
    }
}

/// The contents of an area that consists of these runs.
fn area(runs: &Value, len: usize, erased: u8, files: &Images) -> Vec<u8> {
    let mut bytes = vec![erased; len];
    for run in runs.as_array().unwrap() {
        let (offset, run) = (run[0].as_u64().unwrap() as usize, &run[1]);
        let data = match run.as_str() {
            Some(digits) => hex(digits),
            None => {
                let image = &files[run["image"].as_str().unwrap()];
                let from = run["from"].as_u64().unwrap_or(0) as usize;
                let to = run["len"].as_u64().map_or(image.len(), |len| from + len as usize);
                image[from..to].to_vec()
            }
        };
        bytes[offset..][..data.len()].copy_from_slice(&data);
    }
    bytes
}

/// A trailer as the lines have it.
fn read(trailer: &Trailer) -> Value {
    let magic = match trailer.magic {
        Magic::Good => "good",
        Magic::Unset => "unset",
        Magic::Bad => "bad",
    };
    let flag = |flag| match flag {
        Flag::Set => "set",
        Flag::Unset => "unset",
        Flag::Bad => "bad",
    };
    // MCUboot reads a number that is none of its reasons as no reason of image 0.
    let info = trailer.swap_info.filter(|info| info & 0x0F <= SwapType::Revert as u8).unwrap_or(SwapType::None as u8);
    let kind = ["?", "none", "test", "perm", "revert"][usize::from(info & 0x0F)];
    serde_json::json!([magic, flag(trailer.copy_done), flag(trailer.image_ok), kind, info >> 4])
}

fn version(slot: &[u8]) -> String {
    let version = Header::parse(slot).unwrap().version();
    format!("{}.{}.{}+{}", version.major, version.minor, version.revision, version.build)
}

/// Runs the boot of a line, and returns what is not as MCUboot had it.
fn differences(line: &Line, max_sectors: u32) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut check = |same: bool, what| {
        if !same {
            found.push(what);
        }
    };
    let slots = 2 * line.images;
    let trailers: Value = line.before[..slots].iter().map(|slot| read(&line.trailer(slot))).collect();
    check(trailers == line.json["trailers"], "trailers");
    if !line.is_direct() {
        check(Value::from(line.types(&line.before)) == line.json["type_before"], "type before");
    }

    let mut memory = line.start.concat();
    let boots = line.bootloader(max_sectors).reset(&mut Sha256::new(), &mut memory);
    let mut rest = &memory[..];
    let after: Areas = line
        .lens
        .iter()
        .map(|len| {
            let (area, behind) = rest.split_at(*len);
            rest = behind;
            area.to_vec()
        })
        .collect();
    let expected = &line.json["boot"];
    check((boots[0] != Boot::Refused) == expected["ok"].as_bool().unwrap(), "started");
    if boots[0] == Boot::Refused {
        // What is in flash then is compared as well, unless MCUboot has stopped with an assertion
        // in the middle of its work.
        if expected["error"] == "assert" {
            return found;
        }
    } else {
        let run: Value = (0..line.images)
            .map(|image| {
                let slot = match boots[image] {
                    Boot::Started(Slot::Secondary) => 1,
                    _ => 0,
                };
                serde_json::json!({"image": image, "slot": slot, "version": version(&after[2 * image + slot])})
            })
            .collect();
        check(run == expected["run"], "image that runs");
    }
    if !line.is_direct() {
        check(Value::from(line.types(&after)) == line.json["type_after"], "type after");
    }
    check(line.second_images(&after) == line.second_images(&line.after), "slot 1");
    let fields = |areas: &Areas| areas[..slots].iter().map(|slot| line.trailer(slot)).collect::<Vec<_>>();
    check(fields(&after) == fields(&line.after), "fields");
    if !line.json["dirty"].as_bool().unwrap() {
        check(after == line.after, "bytes");
    }
    found
}

/// Counts lines by family and mode: those that agree, and all.
type Counts = BTreeMap<(String, String), [usize; 2]>;

/// Runs every line of a file; adds what differs to `found`.
fn run(path: &Path, counts: &mut Counts, found: &mut Vec<String>) {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let header = lines.next().unwrap();
    let max_sectors = header["max_sectors"].as_u64().unwrap() as u32;
    let of = |(name, image): (&String, &Value)| (name.clone(), hex(image["hex"].as_str().unwrap()));
    let images: Images = header["images"].as_object().unwrap().iter().map(of).collect();
    for json in lines {
        let line = Line::new(json, &images);
        let text = |key: &str| line.json[key].as_str().unwrap().to_string();
        let differences = differences(&line, max_sectors);
        let [agree, all] = counts.entry((text("family"), text("mode"))).or_default();
        *agree += usize::from(differences.is_empty());
        *all += 1;
        if !differences.is_empty() {
            let name = path.file_name().unwrap().display();
            found.push(format!("{name} {} ({} {}): {differences:?}", line.json["n"], text("family"), text("mode")));
        }
    }
}

#[test]
fn mcuboot_and_the_simulated_boot_loader_do_the_same_in_every_recorded_boot() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/mcuboot");
    let (mut counts, mut found) = (Counts::new(), Vec::new());
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            run(&path, &mut counts, &mut found);
        }
    }
    println!("family and mode: lines that agree, all lines: {counts:?}");
    assert_eq!(found, [""; 0], "{} lines differ", found.len());
    for family in ["grid", "two", "sequence", "size", "cut"] {
        for mode in ["swap-move", "swap-scratch", "swap-offset", "overwrite", "direct-xip-revert"] {
            assert!(counts.contains_key(&(family.into(), mode.into())), "no line of {family} {mode}");
        }
    }
}

/// An entry of `max-image.json`: a geometry and the largest image that MCUboot starts there.
struct Largest {
    json: Value,
    loader: Bootloader,
    slots: [Region; 2],
    memory: Vec<u8>,
}

impl Largest {
    fn new(json: Value) -> Self {
        let number = |key: &str| json[key].as_u64().unwrap_or(0) as u32;
        let [first, second, scratch] = ["slot0", "slot1", "scratch"].map(number);
        let slots = [Region::new(0, first), Region::new(first, second)];
        let mode = mode(json["mode"].as_str().unwrap());
        let layout = Layout::new(number("align")).unwrap();
        let mut loader = Bootloader::new(mode, layout, [number("write"), number("erase")], slots)
            .with_erased(number("erased") as u8)
            .with_max_sectors(number("max_sectors"));
        loader.scratch = (scratch > 0).then_some(Region::new(first + second, scratch));
        loader.copies_all = json["fast"] == false;
        let mut memory = vec![loader.erased; (first + second + scratch) as usize];
        memory[..OLD_LEN].copy_from_slice(&crate::device::image(Version::new(1, 0, 0), OLD_LEN, 1));
        let mut largest = Self { json, loader, slots, memory };
        if mode == BootMode::DirectXipRevert {
            for field in [Field::Magic, Field::CopyDone, Field::ImageOk] {
                largest.set(0, field);
            }
        }
        largest
    }

    fn set(&mut self, slot: usize, field: Field) {
        let end = (self.slots[slot].start + self.slots[slot].len) as usize;
        let at = end - self.loader.layout.from_end(field) as usize;
        match field {
            Field::Magic => self.memory[at..end].copy_from_slice(&self.loader.layout.magic()),
            _ => self.memory[at] = Flag::SET,
        }
    }

    /// Puts an image of `len` bytes into the secondary slot, marked for a test; returns what the
    /// next reset does, and the flash after it.
    fn boot(&self, len: usize) -> (Boot, Vec<u8>) {
        let mut with = Self { json: Value::Null, memory: self.memory.clone(), ..*self };
        let shift = if self.loader.mode == BootMode::SwapOffset { self.loader.erase as usize } else { 0 };
        let start = self.slots[1].start as usize + shift;
        with.memory[start..][..len].copy_from_slice(&crate::device::image(Version::new(2, 0, 0), len, 2));
        if self.loader.mode != BootMode::DirectXip {
            with.set(1, Field::Magic);
        }
        let [boot, _] = self.loader.reset(&mut Sha256::new(), &mut with.memory);
        (boot, with.memory)
    }
}

const OLD_LEN: usize = 600;

#[test]
fn mcuboots_largest_image_is_started_and_none_that_is_longer() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/mcuboot/max-image.json"));
    let entries: Vec<Value> = serde_json::from_str(&text.unwrap()).unwrap();
    assert_eq!(entries.len(), 2000);
    for json in entries {
        let largest = Largest::new(json);
        let json = &largest.json;
        let starts = |boot| matches!(boot, Boot::Swapped(_) | Boot::Started(Slot::Secondary));
        let Some(max) = json["max"].as_u64().map(|max| max as usize) else {
            let (boot, _) = largest.boot(OLD_LEN);
            assert!(!starts(boot), "{json}");
            let old_boots = json["old_boots"].as_bool().unwrap_or(true);
            assert_eq!(boot != Boot::Refused, old_boots, "{json}");
            continue;
        };
        let (boot, mut memory) = largest.boot(max);
        assert!(starts(boot), "{json}: {boot:?}");
        if json["reverts"] == true {
            let [boot, _] = largest.loader.reset(&mut Sha256::new(), &mut memory);
            assert!(matches!(boot, Boot::Swapped(SwapType::Revert) | Boot::Started(Slot::Primary)), "{json}: {boot:?}");
            assert!(memory.starts_with(&largest.memory[..OLD_LEN]), "{json}: the old image is not back");
        }
        let (boot, _) = largest.boot(max + 1);
        assert!(!starts(boot), "{json}: {boot:?} with a byte more");
    }
}
