//! MCUboot: unknown files, trailers and flash, every command on slots of unknown places and sizes.

use crate::{Operation, drop_in_box, flag, number, size};
use anysmp::dfu::{Device, Loader, Record, Regions, Updater, Work};
use anysmp::mcuboot::build::Builder;
#[cfg(feature = "sha512")]
use anysmp::mcuboot::digest::Sha512;
use anysmp::mcuboot::digest::{Digest as _, Digests, Sha256};
use anysmp::mcuboot::flash::{self, Failed, Geometries, Job, Two, TwoGeometries};
use anysmp::mcuboot::shared_data::SharedData;
use anysmp::mcuboot::slots::{self, Chunk, Command, Config, Geometry, Pair, Region, Setup, Slot, Slots, scratch_len};
use anysmp::mcuboot::slots::{Candidate, DowngradeProtection, Event, Gate, Offer, PaddedFiles};
use anysmp::mcuboot::slots::{SignatureCheck, TlvPiece, Verifier};
use anysmp::mcuboot::tlv::{Kind, Tlvs};
use anysmp::mcuboot::trailer::{Field, Flag, Layout, SwapType, Trailer};
use anysmp::mcuboot::{Flags, Hash, HashKind, Header, Image, Version};
use core::hint::black_box;
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};

pub const ALL: &[Operation] = &[
    |bytes, _| {
        if let Ok(header) = Header::parse(bytes) {
            drop_in_box((header.emit(), header.body_end(), header.hashed_len(), header.version().release()));
        }
    },
    |bytes, out| {
        if let Some(record) = Record::parse(bytes) {
            record.emit(out);
        }
    },
    |bytes, _| {
        let mut digest = both();
        digest.reset_for_file();
        digest.update(bytes);
        drop_in_box(digest.finish());
        drop_in_box(digest.is(bytes));
    },
    |_, _| drop_in_box(Header::new(Version::new(1, 2, 3), black_box(32), black_box(0), black_box(0))),
    |bytes, _| drop_in_box(core::str::from_utf8(bytes).map(str::parse::<Version>)),
    |bytes, _| {
        if let Ok(image) = Image::parse(bytes) {
            image.protected().for_each(drop_in_box);
            image.tlvs().for_each(drop_in_box);
            drop_in_box((image.hashed(), image.len(), image.hash(black_box(HashKind::Sha256))));
            drop_in_box(image.verify(&mut Sha256::new()));
        }
    },
    |bytes, _| {
        Tlvs::new(bytes).for_each(drop_in_box);
        drop_in_box(Tlvs::new(bytes).only(Kind(black_box(0))));
    },
    |bytes, _| {
        if let Some(data) = SharedData::parse(bytes) {
            drop_in_box((data.running_slot(), data.mode(), data.max_application_size(black_box(0))));
        }
    },
    |bytes, _| drop_in_box((Hash::new(bytes), Sha256::of(bytes))),
    |bytes, room| drop_in_box(Builder::new(black_box(Version::new(1, 2, 3))).build(bytes, &mut Sha256::new(), room)),
    |bytes, _| {
        if let Some(layout) = Layout::new(black_box(8)) {
            drop_in_box((layout.len(), layout.magic(), layout.read_magic(bytes, black_box(0xFF))));
            drop_in_box(layout.from_end(black_box(Field::Magic)));
        }
    },
    |_, _| drop_in_box((Flag::read(black_box(1), black_box(0xFF)), scratch_len(size(), size()))),
    |_, _| {
        let (one, two) = (black_box(Trailer::BLANK), black_box(Trailer::BLANK));
        drop_in_box((SwapType::decide(&one, &two), SwapType::decide_with_offset(&one, &two)));
    },
    |_, room| command(Command::List, room),
    |bytes, room| command(Command::SetState { hash: flag().then_some(bytes), confirm: flag() }, room),
    |_, room| command(Command::Erase { slot: flag().then_some(number()) }, room),
    |data, room| {
        let (image, off) = (number(), number());
        let (len, sha) = (flag().then_some(number()), flag().then_some(data));
        command(Command::Upload(Chunk { image, len, off, data, sha, upgrade: flag() }), room);
    },
    |bytes, _| {
        if let Ok(header) = Header::parse(bytes) {
            drop_in_box((header.flags().intersects(Flags(black_box(1))), header.load_address(), header.header_len()));
            drop_in_box((
                header.body_len(),
                header.protected_len(),
                header.with_flags(black_box(Flags(0)), black_box(0)),
            ));
        }
    },
    |bytes, _| {
        if let Some(hash) = Hash::new(bytes) {
            drop_in_box((hash.as_bytes(), black_box(HashKind::Sha256).tlv(), black_box(HashKind::Sha384).len()));
        }
    },
    |_, _| drop_in_box((Layout::new(black_box(8)).map(Layout::align), black_box(slots::Error::NoImage).rc())),
    |_, _| drop_in_box(Geometry::new(black_box(4), black_box(8), black_box(4096), black_box(0))),
    |bytes, room| {
        with_slots(room, |slots, _| {
            let mut job = slots.begin(Command::Erase { slot: flag().then_some(number()) });
            drop_in_box(job.slots().states().count());
            while let Some(operation) = job.next() {
                drop_in_box(operation);
                job.completed(flag().then_some(()).ok_or(flash::Failed));
            }
            drop_in_box((job.finish(), bytes));
        });
    },
];

/// A flash that returns anything.
pub struct Flash;

impl ErrorType for Flash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 4;

    fn read(&mut self, _: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        bytes.fill(black_box(0xFF));
        black_box(bytes);
        black_box(Ok(()))
    }

    fn capacity(&self) -> usize {
        size()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 8;
    const ERASE_SIZE: usize = 4096;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        drop_in_box((from, to));
        black_box(Ok(()))
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        drop_in_box((offset, bytes));
        black_box(Ok(()))
    }
}

/// A gate and a verifier of which nothing is known.
#[derive(Debug)]
pub struct Any;

impl Gate for Any {
    fn upload(&mut self, offer: &Offer<'_>) -> Result<(), slots::Error> {
        drop_in_box(offer);
        black_box(Ok(()))
    }

    fn tlv(&mut self, piece: &TlvPiece<'_>) {
        drop_in_box(piece);
    }

    fn mark(&mut self, candidate: &Candidate<'_>) -> Result<(), slots::Error> {
        drop_in_box(candidate);
        black_box(Ok(()))
    }

    fn event(&mut self, event: Event) {
        drop_in_box(event);
    }
}

/// A digest of images and one of files. With SHA-512 the `sha2` crate keeps a check at level z that
/// cannot fail: docs of `Sha512`.
#[cfg(feature = "sha512")]
fn both() -> Digests<Sha512, Sha256> {
    Digests::new(Sha512::new(), Sha256::new())
}

#[cfg(not(feature = "sha512"))]
fn both() -> Digests<Sha256, Sha256> {
    Digests::new(Sha256::new(), Sha256::new())
}

impl Verifier for Any {
    fn verify(&mut self, hash: &[u8], signature: &[u8; 64]) -> bool {
        drop_in_box((hash, signature));
        black_box(true)
    }
}

impl Loader for Any {
    fn is_trial(&mut self) -> Result<bool, Failed> {
        black_box(Ok(false))
    }

    fn mark(&mut self) -> Result<(), Failed> {
        black_box(Ok(()))
    }

    fn confirm(&mut self) -> Result<(), Failed> {
        black_box(Ok(()))
    }

    fn check(&mut self, first: &[u8], len: u32) -> Result<Version, slots::Error> {
        drop_in_box((first, len));
        black_box(Ok(Version::default()))
    }
}

/// The command, twice, on two regions of which nothing is known.
fn updated(command: Command<'_>, room: &mut [u8]) {
    let region = || Region::new(black_box(0), black_box(0));
    let regions =
        Regions { active: region(), spare: region(), record: region(), checkpoint: black_box(Some(region())) };
    let (mut flash, version) = (Flash, Version::default());
    let digest = both();
    let Ok(mut updater) = Updater::new(flash::geometry(&flash), regions, version, Any, room, digest) else { return };
    for command in [command, black_box(command)] {
        let job = flash::run(Device::begin(&mut updater, &command), &mut flash);
        drop_in_box((job.device().loader(), job.updater().loader(), Work::outcome(&job)));
        drop_in_box(flash::run(updater.begin(command), &mut flash).finish());
        updater.states().for_each(drop_in_box);
        drop_in_box((updater.slots(), updater.state(black_box(1)), updater.info(black_box(1))));
    }
}

/// A device with a constant configuration.
struct Board;

impl Setup for Board {
    type Flash = Geometry;

    fn config(&self) -> &Config {
        const { &Config::swap_offset(Geometry::of_type::<Flash>(0x10_0000), 64) }
    }
}

/// Lends slots of which nothing is known.
pub fn with_slots(room: &mut [u8], work: impl FnOnce(&mut Slots<'_, Sha256>, &mut Flash)) {
    let pair = || {
        let region = || Region::new(black_box(0), black_box(0));
        Pair::new(region(), region()).with_running(black_box(Slot::Primary))
    };
    let mut pairs = [pair(), pair()];
    let mut flash = Flash;
    let geometry = flash::geometry(&flash).with_erased(black_box(0xFF));
    let swaps = [Config::swap_move, Config::swap_scratch, Config::swap_offset].map(|mode| mode(geometry, black_box(8)));
    let in_place = [Config::direct_xip, Config::direct_xip_revert, Config::ram_load, Config::ram_load_revert];
    let others = [Config::overwrite_only, Config::firmware_updater, Config::single_slot];
    drop_in_box(swaps);
    drop_in_box(in_place.map(|mode| mode(geometry)));
    drop_in_box(others.map(|mode| mode(geometry)));
    let config = black_box(Config::swap_move(geometry, black_box(8)));
    drop_in_box(config.mode.kind().has_marks());
    let downgrade = DowngradeProtection::new().with_security_counter(black_box(5));
    let mut gate = downgrade.with_compare_build(black_box(true)).with_gate(SignatureCheck::new(Any).with_gate(Any));
    if let Ok(slots) = Slots::new(config, &mut pairs, room, Sha256::new()) {
        let mut slots = slots.with_gate(&mut gate);
        let mut job = slots.begin(black_box(Command::List));
        drop_in_box((job.next().is_some(), job.outcome()));
        drop_in_box(flash::run(job, &mut flash).finish());
        drop_in_box(slots.gate_mut().event(black_box(Event::Stopped { image: 0 })));
        drop_in_box(slots.gate());
    }
    if let Ok(mut slots) = Slots::new(config, &mut pairs, room, Sha256::new()) {
        work(&mut slots, &mut flash);
    }
    if let Ok(mut slots) = Slots::new(Board, &mut pairs, room, Sha256::new()) {
        drop_in_box(Board.config());
        drop_in_box(flash::run(slots.begin(black_box(Command::List)), &mut flash).finish());
    }
    let mut single = [Pair::single(black_box(Region::new(0, 0))).with_max_image(black_box(0))];
    if let Ok(slots) = Slots::recovery(config, &mut single, room, Sha256::new()) {
        slots.info().for_each(drop_in_box);
    }
}

/// Slots in two flash devices, of which nothing is known, with a gate that takes padded files.
pub fn on_two(
    room: &mut [u8],
    work: impl FnOnce(&mut Slots<'_, Sha256, PaddedFiles<Any>, Config<TwoGeometries>>, &mut Two<'_, Flash, Flash>),
) {
    let region = || Region::new(black_box(0), black_box(0));
    let mut pairs = [Pair::new(region(), region()).with_running(black_box(Slot::Primary))];
    let sizes = || black_box(flash::geometry(&Flash));
    let mut config = black_box(Config::swap_move(sizes(), black_box(8)).with_spare_flash(sizes()));
    config.geometry.records = black_box(flash::Device::Active);
    drop_in_box((*config.geometry.of(config.geometry.records()), config.geometry.largest_write()));
    drop_in_box(config.geometry.widest());
    if let Ok(slots) = Slots::new(config, &mut pairs, room, Sha256::new()) {
        work(&mut slots.with_gate(PaddedFiles::new(Any)), &mut Two::new(&mut Flash, &mut Flash));
    }
}

/// The command, twice, in two flash devices: in slots, and in two regions.
fn apart(command: Command<'_>, room: &mut [u8]) {
    on_two(room, |slots, two| {
        for command in [command, black_box(command)] {
            let mut job = slots.begin(command);
            drop_in_box(job.flash_device());
            drop_in_box(flash::run(job, two).finish());
        }
        let erase = flash::Operation::Erase { from: 0, to: 1 };
        drop_in_box(flash::Flash::perform(two, black_box(flash::Device::Spare), erase));
    });
    let region = || Region::new(black_box(0), black_box(0));
    let regions =
        Regions { active: region(), spare: region(), record: region(), checkpoint: black_box(Some(region())) };
    let sizes = || black_box(flash::geometry(&Flash));
    let (geometry, version) = (TwoGeometries::new(sizes(), sizes()), Version::default());
    let Ok(mut updater) = Updater::new(geometry, regions, version, Any, room, both()) else { return };
    for command in [command, black_box(command)] {
        drop_in_box(flash::run(updater.begin(command), &mut Two::new(&mut Flash, &mut Flash)).finish());
    }
}

/// The command, twice: the second time the flash was looked at, and perhaps an upload is running.
fn command(command: Command<'_>, room: &mut [u8]) {
    updated(command, room);
    apart(command, room);
    with_slots(room, |slots, flash| {
        for command in [command, black_box(command)] {
            drop_in_box(flash::run(slots.begin(command), flash).finish());
            drop_in_box((slots.slots(), slots.state(black_box(1)).is_some(), Device::info(slots, black_box(1))));
            slots.states().for_each(drop_in_box);
            slots.info().for_each(drop_in_box);
        }
    });
}
