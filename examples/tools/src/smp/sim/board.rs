//! The board of the simulated device: its boot loader, the slots in its flash, and their contents
//! when it leaves the factory.

use anysmp::mcuboot::build::Builder;
use anysmp::mcuboot::digest::{Digest, Digests, Sha256, Sha384, Sha512};
use anysmp::mcuboot::slots::{
    BootMode, Candidate, Config, ConfigError, DowngradeProtection, Error as SlotError, Gate, Offer, Pair, Region, Slot,
    Slots, TlvPiece, scratch_len,
};
use anysmp::mcuboot::tlv::{Kind, Tlv};
use anysmp::mcuboot::trailer::{Field, Flag, Layout, SwapType};
use anysmp::mcuboot::{Error as ImageError, Flags, Hash as ImageHash, HashKind, Image, ImageFile, Version, flash};
use anysmp::smp::server::{Answer, Incoming, Reply};
use anysmp::smp::{Error, Op, Request as _, image};
use anysmp::testing::RamNor;
use anysmp::testing::bootloader::{Boot, Bootloader};

/// Bytes of a slot.
const SLOT: u32 = 1 << 20;
/// Bytes of an erase page.
const PAGE: u32 = 4096;
/// The flash: writes of 8 bytes, erase pages of 4 KiB.
type Flash<'m> = RamNor<'m, 8, { PAGE as usize }>;
/// The alignment of the trailers.
const ALIGN: u32 = 8;
/// Bytes of the scratch area, in the mode that has one.
const SCRATCH: u32 = 16 * PAGE;
/// Bytes of the region that keeps the progress of an upload over a reset.
const LOG: u32 = 2 * PAGE;
/// The RAM into which images are loaded, in the modes that do so.
const RAM: Region = Region::new(0x2000_0000, 4 << 20);
/// Bytes of the memory that the slots work with.
pub(super) const WORK: usize = scratch_len(1, 8) + PAGE as usize;

/// The way in which the boot loader starts a new image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Mode {
    /// Swaps the slots; the first sector moves up
    #[default]
    SwapMove,
    /// Swaps the slots by way of a scratch area
    SwapScratch,
    /// Swaps the slots; a new image lies one sector late
    SwapOffset,
    /// Copies the new image over the old one, which is lost
    OverwriteOnly,
    /// Starts the newer image where it lies
    DirectXip,
    /// The same, on trial
    DirectXipRevert,
    /// Copies the newer image to RAM
    RamLoad,
    /// The same, on trial
    RamLoadRevert,
    /// An updater in the second slot replaces the application
    FirmwareUpdater,
    /// A recovery loader replaces the application in the only slot
    SingleSlot,
}

impl Mode {
    /// The number that the OS group reports.
    pub(super) const fn number(self) -> i32 {
        match self {
            Self::SingleSlot => 0,
            Self::SwapScratch => 1,
            Self::OverwriteOnly => 2,
            Self::SwapMove => 3,
            Self::DirectXip => 4,
            Self::DirectXipRevert => 5,
            Self::RamLoad | Self::RamLoadRevert => 6,
            Self::FirmwareUpdater => 7,
            Self::SwapOffset => 9,
        }
    }

    const fn boot_mode(self) -> BootMode {
        match self {
            Self::SwapMove => BootMode::SwapMove,
            Self::SwapScratch => BootMode::SwapScratch,
            Self::SwapOffset => BootMode::SwapOffset,
            Self::OverwriteOnly => BootMode::OverwriteOnly,
            Self::DirectXip => BootMode::DirectXip,
            Self::DirectXipRevert => BootMode::DirectXipRevert,
            Self::RamLoad => BootMode::RamLoad,
            Self::RamLoadRevert => BootMode::RamLoadRevert,
            Self::FirmwareUpdater => BootMode::FirmwareUpdater,
            Self::SingleSlot => BootMode::SingleSlot,
        }
    }

    /// Returns true if a program beside the application owns the slots.
    const fn has_loader(self) -> bool {
        matches!(self, Self::FirmwareUpdater | Self::SingleSlot)
    }

    const fn loads_to_ram(self) -> bool {
        matches!(self, Self::RamLoad | Self::RamLoadRevert)
    }

    const fn runs_in_place(self) -> bool {
        matches!(self, Self::DirectXip | Self::DirectXipRevert)
    }

    /// Returns true if an image on trial reverts where it lies, without a swap.
    const fn reverts_in_place(self) -> bool {
        matches!(self, Self::DirectXipRevert | Self::RamLoadRevert)
    }

    fn config(self, geometry: flash::Geometry) -> Config {
        match self {
            Self::SwapMove => Config::swap_move(geometry, SLOT / PAGE),
            Self::SwapScratch => Config::swap_scratch(geometry, SLOT / PAGE),
            Self::SwapOffset => Config::swap_offset(geometry, SLOT / PAGE),
            Self::OverwriteOnly => Config::overwrite_only(geometry),
            Self::DirectXip => Config::direct_xip(geometry),
            Self::DirectXipRevert => Config::direct_xip_revert(geometry),
            Self::RamLoad => Config::ram_load(geometry),
            Self::RamLoadRevert => Config::ram_load_revert(geometry),
            Self::FirmwareUpdater => Config::firmware_updater(geometry),
            Self::SingleSlot => Config::single_slot(geometry),
        }
    }
}

/// The hash that identifies an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
#[expect(missing_docs, reason = "their names say it, and their docs would be help texts")]
pub enum Hash {
    #[default]
    Sha256,
    Sha384,
    Sha512,
}

/// The properties of the board.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Board {
    /// The way in which the boot loader starts a new image
    #[arg(long, value_enum, default_value_t, value_name = "KIND", help_heading = "Boot loader")]
    pub mode: Mode,
    /// Hash that identifies an image
    #[arg(long, value_enum, default_value_t, value_name = "KIND", help_heading = "Boot loader")]
    pub hash: Hash,
    /// Accept encrypted images, of which only the plain parts are checked
    #[arg(long, help_heading = "Boot loader")]
    pub encrypted: bool,
    /// Number of images, each with slots of its own: 1 or 2
    #[arg(long, value_name = "N", help_heading = "Boot loader", default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(1..=2))]
    pub images: u8,
    /// Start no image without a security counter, or with one below N
    #[arg(long, value_name = "N", help_heading = "Boot loader")]
    pub security_counter: Option<u32>,
    /// Start no version older than the running one
    #[arg(long, help_heading = "Boot loader")]
    pub no_downgrade: bool,
    /// Refuse versions older than the running one, and marks of images that --security-counter
    /// would not start; otherwise only the boot loader refuses
    #[arg(long, help_heading = "Boot loader")]
    pub gate: bool,
}

impl Default for Board {
    fn default() -> Self {
        let (mode, hash) = (Mode::default(), Hash::default());
        Self { mode, hash, encrypted: false, images: 1, security_counter: None, no_downgrade: false, gate: false }
    }
}

/// The programs that were started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runs {
    /// Nothing: no image can be started.
    Nothing,
    /// The images of these slots.
    Images([Slot; 2]),
    /// The updater, or the recovery loader.
    Loader,
}

impl Board {
    /// Returns the reason why such a board cannot be built, if there is one.
    pub const fn fault(&self) -> Option<&'static str> {
        if self.has_two() && self.mode.has_loader() {
            Some("an updater or a recovery loader has one image here: --images 1")
        } else if self.encrypted && (self.mode.has_loader() || self.mode.runs_in_place()) {
            Some("an image that is started where it lies cannot be encrypted: --mode swap-move, for example")
        } else if self.no_downgrade && !matches!(self.mode.number(), 1 | 2 | 3 | 9) {
            Some("--no-downgrade is for boot loaders that swap or overwrite")
        } else {
            None
        }
    }

    const fn has_two(&self) -> bool {
        self.images == 2
    }

    /// The slots of an image.
    const fn slots_of(image: usize) -> [Region; 2] {
        let start = if image == 0 { 0 } else { 2 * SLOT };
        [Region::new(start, SLOT), Region::new(start + SLOT, SLOT)]
    }

    const fn slot_of(image: usize, slot: Slot) -> Region {
        let [primary, secondary] = Self::slots_of(image);
        match slot {
            Slot::Primary => primary,
            Slot::Secondary => secondary,
        }
    }

    fn layout() -> Layout {
        Layout::new(ALIGN).unwrap_or_else(|| unreachable!("an alignment of MCUboot"))
    }

    /// Returns the first address after all slots.
    const fn end_of_slots(&self) -> u32 {
        if self.has_two() { 4 * SLOT } else { 2 * SLOT }
    }

    /// The progress of uploads, kept in each mode at the same place.
    const fn log(&self) -> Region {
        Region::new(self.end_of_slots(), LOG)
    }

    fn scratch(&self) -> Option<Region> {
        let log = self.log();
        (self.mode == Mode::SwapScratch).then_some(Region::new(log.start + log.len, SCRATCH))
    }

    /// The flash as it leaves the factory: each image has version 1.0.0.
    pub(super) fn factory(&self) -> Result<Vec<u8>, ImageError> {
        let end = self.scratch().unwrap_or(self.log());
        let mut memory = vec![0xFF; (end.start + end.len) as usize];
        let mut put = |at: u32, bytes: &[u8]| {
            memory.iter_mut().skip(at as usize).zip(bytes).for_each(|(to, from)| *to = *from);
        };
        for image in 0..usize::from(self.images) {
            let slot = Self::slot_of(image, Slot::Primary);
            put(slot.start, &self.firmware(image, Version::new(1, 0, 0))?);
            if self.mode.reverts_in_place() {
                // Without a mark the boot loader would erase it.
                let at = |field| slot.start + slot.len - Self::layout().from_end(field);
                put(at(Field::Magic), &Self::layout().magic());
                put(at(Field::ImageOk), &[Flag::SET]);
                put(at(Field::CopyDone), &[Flag::SET]);
            }
        }
        if self.mode == Mode::FirmwareUpdater {
            put(Self::slot_of(0, Slot::Secondary).start, &self.firmware(1, Version::new(0, 1, 0))?);
        }
        Ok(memory)
    }

    /// An image of this version that the boot loader would accept, though no processor would run
    /// it: 200 KB of body for image 0, and half of that for another one.
    pub(super) fn firmware(&self, image: usize, version: Version) -> Result<Vec<u8>, ImageError> {
        let other = u32::from(image > 0);
        let seed = other << 16 | u32::from(version.major) << 8 | u32::from(version.minor);
        let mut random = anysmp::testing::Random::new(seed);
        let mut body = vec![0; if image > 0 { 100_000 } else { 200_000 }];
        random.fill(&mut body);
        let counter = self.security_counter.unwrap_or(0).to_le_bytes();
        let counters = [Tlv { kind: Kind::SECURITY_COUNTER, value: &counter }];
        let protected = if self.security_counter.is_some() { &counters[..] } else { &[] };
        let mut builder = Builder { header_len: 512, protected, ..Builder::new(version) };
        if self.mode.loads_to_ram() {
            builder.flags = Flags::RAM_LOAD;
            builder.load_address = RAM.start + other * SLOT;
        }
        let mut image = vec![0; body.len() + 1024];
        let len = match self.hash {
            Hash::Sha256 => builder.build(&body, &mut Sha256::new(), &mut image)?,
            Hash::Sha384 => builder.build(&body, &mut Sha384::new(), &mut image)?,
            Hash::Sha512 => builder.build(&body, &mut Sha512::new(), &mut image)?,
        };
        image.truncate(len);
        Ok(image)
    }

    /// The programs before the first boot.
    pub(super) const fn before(&self) -> Runs {
        Runs::Images([Slot::Primary; 2])
    }

    /// Performs the boot loader's work at a reset. `loader` asks for the updater or the recovery
    /// loader; `crashing` lets an image that is on trial crash. The text is for the log.
    pub(super) fn boot(&self, memory: &mut [u8], before: Runs, loader: bool, crashing: bool) -> (Runs, String) {
        if self.mode == Mode::SingleSlot && loader {
            return (Runs::Loader, "the recovery loader was asked for".to_owned());
        }
        let mut boots = self.reset(memory, loader);
        let crashed = crashing && boots.iter().enumerate().any(|(image, boot)| self.is_trial(before, image, *boot));
        if crashed {
            boots = self.reset(memory, loader);
        }
        let runs = self.runs(boots);
        let mut words = Vec::new();
        for (image, boot) in boots.into_iter().enumerate().take(self.images.into()) {
            let number = if self.has_two() { format!("image {image}: ") } else { String::new() };
            let slot = match runs {
                Runs::Images(slots) => slots.get(image).copied().unwrap_or(Slot::Primary),
                _ => Slot::Secondary,
            };
            let Region { start, .. } = Self::slot_of(image, slot);
            let version = Image::parse(memory.get(start as usize..).unwrap_or_default());
            let version = version.map_or_else(|error| error.to_string(), |image| image.header().version().to_string());
            let what = if runs == Runs::Loader { "the loader" } else { Self::outcome(boot, crashed) };
            words.push(if runs == Runs::Nothing {
                what.to_owned()
            } else {
                format!("{number}{what}; version {version} runs")
            });
        }
        (runs, words.join(", "))
    }

    fn outcome(boot: Boot, crashed: bool) -> &'static str {
        match boot {
            Boot::Refused => "no image can be started",
            Boot::Stayed => "nothing to swap",
            Boot::Rejected => "the new image is damaged, too long, not bootable or not wanted, and stays out",
            Boot::Swapped(SwapType::Revert) | Boot::Started(_) if crashed => "the new image crashed and was taken back",
            Boot::Swapped(SwapType::Revert) => "the new image was not confirmed and was taken back",
            Boot::Swapped(SwapType::Test) => "swapped, on trial",
            Boot::Swapped(_) => "swapped for good",
            Boot::Started(Slot::Primary) => "the image in slot 0 was started",
            Boot::Started(Slot::Secondary) => "the image in slot 1 was started",
        }
    }

    /// Returns true if the started image would be reverted by a reset.
    fn is_trial(&self, before: Runs, image: usize, boot: Boot) -> bool {
        match (boot, before) {
            (Boot::Swapped(SwapType::Test), _) => self.mode != Mode::OverwriteOnly,
            (Boot::Started(slot), Runs::Images(slots)) => {
                self.mode.reverts_in_place() && slots.get(image) != Some(&slot)
            }
            _ => false,
        }
    }

    fn runs(&self, boots: [Boot; 2]) -> Runs {
        let [first, _] = boots;
        match first {
            // If nothing can be started, the recovery loader waits for an image.
            Boot::Refused if self.mode == Mode::SingleSlot => Runs::Loader,
            Boot::Refused => Runs::Nothing,
            Boot::Started(Slot::Secondary) if self.mode == Mode::FirmwareUpdater => Runs::Loader,
            _ => Runs::Images(boots.map(|boot| match boot {
                Boot::Started(slot) => slot,
                _ => Slot::Primary,
            })),
        }
    }

    fn reset(&self, memory: &mut [u8], loader: bool) -> [Boot; 2] {
        let mut model = Bootloader::new(self.mode.boot_mode(), Self::layout(), [8, PAGE], Self::slots_of(0));
        model = model.with_max_sectors(SLOT / PAGE);
        model.second = self.has_two().then_some(Self::slots_of(1));
        model.scratch = self.scratch();
        model.ram = self.mode.loads_to_ram().then_some(RAM);
        model.enter_updater = loader;
        model.encrypted = self.encrypted;
        model.security_counter = self.security_counter;
        model.prevents_downgrade = self.no_downgrade;
        match self.hash {
            Hash::Sha256 => model.reset(&mut Sha256::new(), memory),
            Hash::Sha384 => model.reset(&mut Sha384::new(), memory),
            Hash::Sha512 => model.reset(&mut Sha512::new(), memory),
        }
    }

    /// The pairs of slots, as seen by the program that owns them.
    pub(super) fn pairs(&self, runs: Runs) -> Vec<Pair> {
        if self.mode == Mode::SingleSlot {
            return vec![Pair::single(Self::slot_of(0, Slot::Primary))];
        }
        let pair = |image| {
            let [primary, secondary] = Self::slots_of(image);
            let slot = match runs {
                Runs::Images(slots) => slots.get(image).copied().unwrap_or(Slot::Primary),
                _ => Slot::Secondary,
            };
            Pair::new(primary, secondary).with_running(slot)
        };
        (0..usize::from(self.images)).map(pair).collect()
    }

    /// Serves the image group of the running program.
    pub(super) fn serve<'d>(
        &self,
        runs: Runs,
        memory: &'d mut [u8],
        pairs: &'d mut [Pair],
        work: &'d mut [u8],
    ) -> Result<Box<dyn Images + 'd>, ConfigError> {
        if self.mode.has_loader() && runs != Runs::Loader {
            return Ok(Box::new(self.application(memory)));
        }
        match self.hash {
            Hash::Sha256 => {
                let digest = self.decrypted(memory, Sha256::new());
                self.served(memory, pairs, work, digest)
            }
            Hash::Sha384 => {
                let digest = Digests::new(self.decrypted(memory, Sha384::new()), Sha256::new());
                self.served(memory, pairs, work, digest)
            }
            Hash::Sha512 => {
                let digest = Digests::new(self.decrypted(memory, Sha512::new()), Sha256::new());
                self.served(memory, pairs, work, digest)
            }
        }
    }

    /// Makes a digest for slots in which encrypted images count as decrypted if they were moved to
    /// where they run.
    fn decrypted<D: Digest>(&self, memory: &[u8], mut digest: D) -> Decrypted<D> {
        let mut known = Vec::new();
        let moved = if self.mode.loads_to_ram() { 0 } else { usize::from(self.images) };
        for image in 0..moved {
            let slot = Self::slot_of(image, Slot::Primary);
            let Ok(image) = Image::parse(memory.get(slot.start as usize..).unwrap_or_default()) else { continue };
            let hash = image.hash(D::KIND).ok().and_then(ImageHash::new);
            if let (Some(hash), true) = (hash, image.header().flags().intersects(Flags::ENCRYPTED)) {
                digest.reset();
                digest.update(image.hashed());
                known.push((digest.finish(), hash));
            }
        }
        Decrypted { digest, known }
    }

    fn served<'d, D: Digest + 'd>(
        &self,
        memory: &'d mut [u8],
        pairs: &'d mut [Pair],
        work: &'d mut [u8],
        digest: D,
    ) -> Result<Box<dyn Images + 'd>, ConfigError> {
        let flash = Flash::new(memory);
        let config = Config {
            align: ALIGN,
            checkpoint: Some(self.log()),
            // The second image has no program that could confirm it.
            confirm_other_running: self.has_two(),
            fixed_base: self.mode.runs_in_place().then_some(0),
            encrypted: self.encrypted,
            // A key of AES-128.
            key_len: if self.encrypted { 16 } else { 0 },
            ..self.mode.config(flash::geometry(&flash))
        };
        let make = if self.mode == Mode::SingleSlot { Slots::recovery } else { Slots::new };
        let slots = make(config, pairs, work, digest)?.with_gate(Guard::new(self));
        Ok(Box::new(Served { slots, flash }))
    }

    /// The application beside a loader, which only lists the images.
    fn application(&self, memory: &[u8]) -> Application {
        let slots: &[Slot] =
            if self.mode == Mode::SingleSlot { &[Slot::Primary] } else { &[Slot::Primary, Slot::Secondary] };
        let row = |slot: &Slot| {
            let Region { start, len } = Self::slot_of(0, *slot);
            let mut bytes = memory.get(start as usize..)?.get(..len as usize)?;
            let file = ImageFile::read(&mut bytes).ok()?;
            Some((slot.number(), file.version().to_string(), file.hash().to_vec()))
        };
        Application { images: slots.iter().filter_map(row).collect() }
    }
}

/// The image group of a program.
pub(super) trait Images {
    fn answer(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer;
}

/// A program that owns the slots.
struct Served<'d, D> {
    slots: Slots<'d, D, Guard>,
    flash: Flash<'d>,
}

impl<D: Digest> Images for Served<'_, D> {
    fn answer(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        image::answer(&mut self.slots, &mut self.flash, incoming, reply)
    }
}

/// The application beside a loader: slot, version and hash of each image.
struct Application {
    images: Vec<(u32, String, Vec<u8>)>,
}

impl Images for Application {
    fn answer(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        if (incoming.op(), incoming.command()) != (Op::Read, image::ReadState::COMMAND) {
            return reply.error(Error::NOT_SUPPORTED);
        }
        let mut images = Vec::new();
        for (slot, version, hash) in &self.images {
            let mut state = image::ImageState::new(*slot, version.as_str().into());
            state.hash = Some(hash[..].into());
            (state.bootable, state.active, state.confirmed) = (true, *slot == 0, *slot == 0);
            images.push(state);
        }
        reply.ok(&image::StateResponse::new(images[..].into()))
    }
}

/// A digest that gives some encrypted images the hash of the plain ones. There is no key here; a
/// boot loader that has one leaves the plain image where it runs.
struct Decrypted<D> {
    digest: D,
    /// The hash of the contents in flash, and that of the plain image.
    known: Vec<(ImageHash, ImageHash)>,
}

impl<D: Digest> Digest for Decrypted<D> {
    const KIND: HashKind = D::KIND;
    const FILE_KIND: Option<HashKind> = D::FILE_KIND;

    fn reset(&mut self) {
        self.digest.reset();
    }

    fn reset_for_file(&mut self) {
        self.digest.reset_for_file();
    }

    fn update(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
    }

    fn finish(&mut self) -> ImageHash {
        let hash = self.digest.finish();
        self.known.iter().find(|(encrypted, _)| *encrypted == hash).map_or(hash, |(_, plain)| *plain)
    }
}

/// The device's own rule for uploads and marks, if it has one.
struct Guard(Option<DowngradeProtection>);

impl Guard {
    fn new(board: &Board) -> Self {
        let rule = DowngradeProtection::new();
        Self(match (board.gate, board.security_counter) {
            (false, _) => None,
            (true, Some(least)) => Some(rule.with_security_counter(least)),
            (true, None) => Some(rule),
        })
    }
}

impl Gate for Guard {
    fn upload(&mut self, offer: &Offer<'_>) -> Result<(), SlotError> {
        self.0.as_mut().map_or(Ok(()), |rule| rule.upload(offer))
    }

    fn begin(&mut self) {
        if let Some(rule) = &mut self.0 {
            rule.begin();
        }
    }

    fn tlv(&mut self, piece: &TlvPiece<'_>) {
        if let Some(rule) = &mut self.0 {
            rule.tlv(piece);
        }
    }

    fn mark(&mut self, candidate: &Candidate<'_>) -> Result<(), SlotError> {
        self.0.as_mut().map_or(Ok(()), |rule| rule.mark(candidate))
    }
}
