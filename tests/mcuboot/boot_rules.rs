//! The modes and options of MCUboot for which there are no recorded boots: a table of rules, each
//! with its public source.

use anysmp::mcuboot::build::Builder;
use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::slots::{BootMode, Region, Slot};
use anysmp::mcuboot::tlv::{Kind, Tlv};
use anysmp::mcuboot::trailer::{Field, Flag, Layout, SwapType};
use anysmp::mcuboot::{Flags, Version};
use anysmp::testing::bootloader::{Boot, Bootloader};

const SLOT: usize = 8192;
const RAM: Region = Region::new(0x2000_0000, 0x1_0000);
const LOAD: u32 = 0x2000_0100;

const LOADER: &str = "boot/bootutil/src/loader.c";
const RAM_LOAD: &str = "boot/bootutil/src/ram_load.c";
const EQUAL: &str = "docs/design.md, Equal slots (direct-xip); RAM loading";
const REVERT: &str = "docs/design.md, Revert mechanism in direct-xip and ram-load mode";
const UPDATER: &str = "boot/zephyr/firmware_loader.c";
const SINGLE: &str = "boot/zephyr/single_loader.c";
const HEADER: &str = "boot/bootutil/src/bootutil_loader.c";
const COUNTER: &str = "docs/design.md, Hardware-based downgrade prevention";
const DOWNGRADE: &str = "docs/design.md, Software-based downgrade prevention";

/// An image in a slot, and its trailer.
#[derive(Clone, Copy)]
struct In {
    version: Version,
    flags: Flags,
    address: u32,
    counter: Option<u32>,
    damaged: bool,
    fields: &'static [Field],
}

const fn image(minor: u8) -> In {
    let version = Version::new(1, minor, 0);
    In { version, flags: Flags(0), address: 0, counter: None, damaged: false, fields: &[] }
}

const fn for_ram(minor: u8) -> In {
    In { flags: Flags::RAM_LOAD, address: LOAD, ..image(minor) }
}

const fn counted(minor: u8, counter: u32) -> In {
    In { counter: Some(counter), ..image(minor) }
}

const TESTED: &[Field] = &[Field::Magic];
const STARTED: &[Field] = &[Field::Magic, Field::CopyDone];
const CONFIRMED: &[Field] = &[Field::Magic, Field::CopyDone, Field::ImageOk];

impl In {
    fn with(self, fields: &'static [Field]) -> Self {
        Self { fields, ..self }
    }

    fn damaged(self) -> Self {
        Self { damaged: true, ..self }
    }

    fn flag(self, flag: Flags) -> Self {
        Self { flags: Flags(self.flags.0 | flag.0), ..self }
    }

    fn at(self, address: u32) -> Self {
        Self { address, ..self }
    }

    fn contents(&self, layout: Layout) -> Vec<u8> {
        let counter = self.counter.unwrap_or(0).to_le_bytes();
        let protected = [Tlv { kind: Kind::SECURITY_COUNTER, value: &counter }];
        let protected = if self.counter.is_some() { &protected[..] } else { &[] };
        let (flags, load_address) = (self.flags, self.address);
        let builder = Builder { flags, load_address, protected, ..Builder::new(self.version) };
        let mut slot = vec![0xFF; SLOT];
        builder.build(&[7; 500], &mut Sha256::new(), &mut slot).unwrap();
        slot[100] ^= u8::from(self.damaged);
        for field in self.fields {
            let at = SLOT - layout.from_end(*field) as usize;
            match field {
                Field::Magic => slot[at..].copy_from_slice(&layout.magic()),
                _ => slot[at] = Flag::SET,
            }
        }
        slot
    }
}

/// A rule: what the boot loader does with two slots.
struct Rule {
    text: &'static str,
    source: &'static str,
    mode: BootMode,
    options: fn(&mut Bootloader),
    slots: [In; 2],
    boot: Boot,
    /// Which slots are erased as a whole.
    erased: [bool; 2],
}

impl Rule {
    fn new(mode: BootMode, source: &'static str, text: &'static str, slots: [In; 2], boot: Boot) -> Self {
        Self { text, source, mode, options: |_| (), slots, boot, erased: [false; 2] }
    }

    fn with(self, options: fn(&mut Bootloader)) -> Self {
        Self { options, ..self }
    }

    fn erases(self, slot: usize) -> Self {
        let mut erased = [false; 2];
        erased[slot] = true;
        Self { erased, ..self }
    }
}

const FIRST: Boot = Boot::Started(Slot::Primary);
const SECOND: Boot = Boot::Started(Slot::Secondary);

fn rules() -> Vec<Rule> {
    use BootMode::{
        DirectXip, FirmwareUpdater, OverwriteOnly, RamLoad, RamLoadRevert, SingleSlot, SwapMove, SwapOffset,
        SwapScratch,
    };
    let old = image(0);
    let ram = [for_ram(0), for_ram(1)];
    let [confirmed, new] = [for_ram(0).with(CONFIRMED), for_ram(1)];
    let mut rules = vec![
        Rule::new(RamLoad, EQUAL, "the newest image is loaded", ram, SECOND),
        Rule::new(RamLoad, EQUAL, "wherever it is", [for_ram(2), for_ram(1)], FIRST),
        Rule::new(RamLoad, LOADER, "of equal versions that of slot 0", [for_ram(1), for_ram(1)], FIRST),
        Rule::new(RamLoad, EQUAL, "trailers mean nothing", [for_ram(0), for_ram(1).with(STARTED)], SECOND),
        Rule::new(RamLoad, RAM_LOAD, "an image not made for RAM is erased", [for_ram(0), image(1)], FIRST).erases(1),
        Rule::new(
            RamLoad,
            RAM_LOAD,
            "as is one for an address before the RAM",
            [for_ram(0), for_ram(1).at(LOAD - 0x200)],
            FIRST,
        )
        .erases(1),
        Rule::new(RamLoad, RAM_LOAD, "or one that ends behind it", [for_ram(0), for_ram(1).at(0x2000_FF00)], FIRST)
            .erases(1),
        Rule::new(RamLoad, LOADER, "a damaged image is erased", [for_ram(0), for_ram(1).damaged()], FIRST).erases(1),
        Rule::new(RamLoad, LOADER, "also in slot 0", [for_ram(2).damaged(), for_ram(1)], SECOND).erases(0),
        Rule::new(
            RamLoad,
            LOADER,
            "one that is not bootable stays",
            [for_ram(0), for_ram(1).flag(Flags::NON_BOOTABLE)],
            FIRST,
        ),
        Rule::new(RamLoadRevert, REVERT, "an image without a mark is erased", [confirmed, new], FIRST).erases(1),
        Rule::new(RamLoadRevert, REVERT, "a marked image is started", [confirmed, new.with(TESTED)], SECOND),
        Rule::new(RamLoadRevert, REVERT, "and erased if it was not confirmed", [confirmed, new.with(STARTED)], FIRST)
            .erases(1),
        Rule::new(
            RamLoadRevert,
            REVERT,
            "a confirmed image is started again",
            [confirmed, new.with(CONFIRMED)],
            SECOND,
        ),
        Rule::new(FirmwareUpdater, UPDATER, "the application runs, old or not", [image(0), image(1)], FIRST),
        Rule::new(FirmwareUpdater, UPDATER, "the updater runs when it is asked for", [image(1), image(0)], SECOND)
            .with(|loader| loader.enter_updater = true),
        Rule::new(FirmwareUpdater, UPDATER, "or without an application", [old.damaged(), image(0)], SECOND),
        Rule::new(FirmwareUpdater, UPDATER, "a damaged updater is passed over", [old, old.damaged()], FIRST)
            .with(|loader| loader.enter_updater = true),
        Rule::new(
            FirmwareUpdater,
            UPDATER,
            "without both nothing runs, nothing is erased",
            [old.damaged(); 2],
            Boot::Refused,
        ),
        Rule::new(SingleSlot, SINGLE, "the application runs", [image(0), image(1)], FIRST),
        Rule::new(SingleSlot, SINGLE, "a damaged one does not, and stays", [old.damaged(), image(1)], Boot::Refused),
        Rule::new(
            SingleSlot,
            SINGLE,
            "nor does one that is not bootable",
            [old.flag(Flags::NON_BOOTABLE), old],
            Boot::Refused,
        ),
        Rule::new(SingleSlot, SINGLE, "marks mean nothing", [image(0).with(STARTED), image(1).with(TESTED)], FIRST),
        Rule::new(
            DirectXip,
            LOADER,
            "an image for the other slot stays",
            [old, image(1).flag(Flags::ROM_FIXED)],
            FIRST,
        ),
        Rule::new(
            DirectXip,
            LOADER,
            "one for this slot runs",
            [old, image(1).flag(Flags::ROM_FIXED).at(SLOT as u32)],
            SECOND,
        ),
    ];
    for mode in [SwapMove, SwapOffset, SwapScratch, OverwriteOnly] {
        let tested = Boot::Swapped(SwapType::Test);
        let encrypted = image(1).flag(Flags::ENCRYPTED).with(TESTED);
        let compressed = image(1).flag(Flags::COMPRESSED).with(TESTED);
        rules.extend([
            Rule::new(mode, HEADER, "without a key an encrypted image is erased", [old, encrypted], Boot::Rejected)
                .erases(1),
            Rule::new(mode, HEADER, "with one it is swapped in", [old, encrypted], tested)
                .with(|loader| loader.encrypted = true),
            Rule::new(mode, HEADER, "a compressed image is erased", [old, compressed], Boot::Rejected).erases(1),
            Rule::new(
                mode,
                COUNTER,
                "a lower security counter is erased",
                [counted(0, 5), counted(1, 4).with(TESTED)],
                Boot::Rejected,
            )
            .with(|loader| loader.security_counter = Some(5))
            .erases(1),
            Rule::new(
                mode,
                COUNTER,
                "so is an image without one",
                [counted(0, 5), image(1).with(TESTED)],
                Boot::Rejected,
            )
            .with(|loader| loader.security_counter = Some(5))
            .erases(1),
            Rule::new(mode, COUNTER, "the same counter will do", [counted(0, 5), counted(1, 5).with(TESTED)], tested)
                .with(|loader| loader.security_counter = Some(5)),
            Rule::new(mode, DOWNGRADE, "a lower version is erased", [image(2), image(1).with(TESTED)], Boot::Rejected)
                .with(|loader| loader.prevents_downgrade = true)
                .erases(1),
            Rule::new(mode, DOWNGRADE, "the same version is not", [image(1), image(1).with(TESTED)], tested)
                .with(|loader| loader.prevents_downgrade = true),
        ]);
    }
    for mode in [SwapMove, SwapScratch] {
        let boot = Boot::Swapped(SwapType::Revert);
        let rule = Rule::new(mode, LOADER, "a revert is no downgrade", [image(2).with(STARTED), image(1)], boot);
        rules.push(rule.with(|loader| loader.prevents_downgrade = true));
    }
    rules
}

#[test]
fn mcuboots_other_modes_and_options_follow_the_rules_of_its_sources() {
    let layout = Layout::new(8).unwrap();
    for rule in rules() {
        let slots = [0, SLOT as u32].map(|start| Region::new(start, SLOT as u32));
        let scratch = Region::new(2 * SLOT as u32, 1024);
        let mut loader = Bootloader::new(rule.mode, layout, [4, 512], slots).with_scratch(scratch).with_max_sectors(16);
        loader.ram = Some(RAM);
        (rule.options)(&mut loader);
        let [first, mut second] = rule.slots.map(|image| image.contents(layout));
        if rule.mode == BootMode::SwapOffset {
            second.copy_within(..SLOT - 512 - 64, 512);
            second[..512].fill(0xFF);
        }
        let before = [&first[..], &second, &[0xFF; 1024]].concat();
        let mut memory = before.clone();
        let what = format!("{:?}: {} ({})", rule.mode, rule.text, rule.source);
        assert_eq!(loader.reset(&mut Sha256::new(), &mut memory)[0], rule.boot, "{what}");
        let slots = [0, SLOT].map(|at| memory[at..][..SLOT].iter().all(|byte| *byte == 0xFF));
        assert_eq!(slots, rule.erased, "{what}: which slots are erased");
        if matches!(
            rule.mode,
            BootMode::SingleSlot | BootMode::FirmwareUpdater | BootMode::RamLoad | BootMode::DirectXip
        ) && rule.erased == [false; 2]
        {
            assert!(memory == before, "{what}: the flash has changed");
        }
    }
}

#[test]
fn an_image_on_trial_is_noted_at_its_first_start_and_erased_at_the_second() {
    let layout = Layout::new(8).unwrap();
    let slots = [0, SLOT as u32].map(|start| Region::new(start, SLOT as u32));
    for mode in [BootMode::DirectXipRevert, BootMode::RamLoadRevert] {
        let loader = Bootloader::new(mode, layout, [4, 512], slots);
        let images = [for_ram(0).with(CONFIRMED), for_ram(1).with(TESTED)];
        let mut memory = images.map(|image| image.contents(layout)).concat();
        let copy_done = 2 * SLOT - layout.from_end(Field::CopyDone) as usize;
        assert_eq!(memory[copy_done], 0xFF);
        assert_eq!(loader.reset(&mut Sha256::new(), &mut memory)[0], SECOND);
        assert_eq!(memory[copy_done], Flag::SET);
        assert_eq!(loader.reset(&mut Sha256::new(), &mut memory)[0], FIRST);
        assert!(memory[SLOT..].iter().all(|byte| *byte == 0xFF));
    }
}
