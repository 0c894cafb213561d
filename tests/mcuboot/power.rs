//! Power cuts before, inside and after every write and erase of an update, over many geometries.
//!
//! ```text
//!   an action of a client ─▶ power fails at one of its operations ─▶ reset, as MCUboot does it
//!      ─▶ the client does it again, and power fails at a random operation ─▶ reset
//!      ─▶ the client continues until the new image runs and is confirmed
//! ```
//!
//! At every moment: the running slot is unchanged except for its `image_ok`; a slot is marked only
//! if the whole image is in it; nothing is written to bytes that are not erased; and after each
//! reset an image runs. At the end commands alone have completed the update.
//!
//! `ANYSMP_CUTS=1000000 cargo test --release --features host --test mcuboot power_cut` makes that
//! many cuts; without the variable it makes a share of them. Flash with error correction reports a
//! torn unit or page as unreadable until it is erased. MCUboot itself stops at an unreadable
//! trailer; here the boot loader sees the torn bytes.

use std::fmt;
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::flash::{self, Failed, Geometries, Geometry, Operation, TwoGeometries};
use anysmp::mcuboot::slots::{
    BootMode, Chunk, Command, Config, Error, Outcome, Pair, Region, Slot, Slots, scratch_len,
};
use anysmp::mcuboot::trailer::{Field, Flag, Layout, Magic, SwapType};
use anysmp::mcuboot::{Header, Image, Version};
use anysmp::testing::Random;
use anysmp::testing::bootloader::{Boot, Bootloader};

use crate::device::{hash, image, sha};

type Device<'s, F> = Slots<'s, Sha256, (), Config<F>>;

const OLD: Version = Version::new(1, 0, 0);
const NEW: Version = Version::new(2, 0, 0);

/// A kind of flash, the boot loader on it, and what the device keeps there.
#[derive(Debug, Clone, Copy)]
struct Kind {
    mode: BootMode,
    write: u32,
    erase: u32,
    read: u32,
    erased: u8,
    /// One slot has a sector more, as the mode likes it best.
    unequal: bool,
    /// The progress of an upload is kept in flash.
    log: bool,
    /// Torn bytes cannot be read.
    ecc: bool,
    /// The secondary slot is in another flash device, which writes, erases and reads so.
    spare: Option<[u32; 3]>,
    /// The progress of an upload is kept there too.
    far: bool,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, write, erase, read, erased, unequal, log, ecc, spare, far } = self;
        let name = |is, name| if is { name } else { "" };
        let words =
            [name(*unequal, " unequal"), name(*log, " checkpoint"), name(*far, " far"), name(*ecc, " ecc")].concat();
        let spare = spare.map_or(String::new(), |[write, erase, read]| format!(" and {write}/{erase}/{read}"));
        write!(f, "{mode:?} {write}/{erase}/{read}{spare} {erased:02X}{words}")
    }
}

const fn kind(mode: BootMode, write: u32, erase: u32) -> Kind {
    Kind { mode, write, erase, read: 1, erased: 0xFF, unequal: false, log: true, ecc: false, spare: None, far: false }
}

impl Kind {
    const fn zeros(self) -> Self {
        Self { erased: 0, ..self }
    }

    const fn unequal(self) -> Self {
        Self { unequal: true, ..self }
    }

    const fn bare(self) -> Self {
        Self { log: false, ..self }
    }

    const fn ecc(self) -> Self {
        Self { ecc: true, ..self }
    }

    const fn reads(self, read: u32) -> Self {
        Self { read, ..self }
    }

    const fn and(self, write: u32, erase: u32, read: u32) -> Self {
        Self { spare: Some([write, erase, read]), ..self }
    }

    const fn far(self) -> Self {
        Self { far: true, ..self }
    }

    /// Write, erase and read sizes of a flash device.
    fn sizes(&self, device: flash::Device) -> [u32; 3] {
        let own = [self.write, self.erase, self.read];
        if device == flash::Device::Spare { self.spare.unwrap_or(own) } else { own }
    }

    fn largest(&self, size: usize) -> u32 {
        self.sizes(flash::Device::Active)[size].max(self.sizes(flash::Device::Spare)[size])
    }
}

/// One flash device, or two.
trait Devices: Geometries {
    fn config(config: Config, spare: Geometry, far: bool) -> Config<Self>;
}

impl Devices for Geometry {
    fn config(config: Config, _: Geometry, _: bool) -> Config<Self> {
        config
    }
}

impl Devices for TwoGeometries {
    fn config(config: Config, spare: Geometry, far: bool) -> Config<Self> {
        let mut config = config.with_spare_flash(spare);
        if far {
            config.geometry.records = flash::Device::Spare;
        }
        config
    }
}

const KINDS: &[Kind] = &[
    kind(BootMode::SwapMove, 1, 256),
    kind(BootMode::SwapMove, 1, 4096).zeros(),
    kind(BootMode::SwapMove, 2, 512).bare(),
    kind(BootMode::SwapMove, 2, 2048).ecc(),
    kind(BootMode::SwapMove, 4, 256).unequal(),
    kind(BootMode::SwapMove, 4, 1024).zeros().unequal(),
    kind(BootMode::SwapMove, 4, 4096).reads(4),
    kind(BootMode::SwapMove, 4, 4096).ecc().bare(),
    kind(BootMode::SwapMove, 8, 512),
    kind(BootMode::SwapMove, 8, 2048).ecc(),
    kind(BootMode::SwapMove, 8, 2048).unequal().bare(),
    kind(BootMode::SwapMove, 8, 8192).zeros().ecc(),
    kind(BootMode::SwapMove, 16, 1024),
    kind(BootMode::SwapMove, 16, 4096).ecc().unequal(),
    kind(BootMode::SwapMove, 32, 4096).reads(32),
    kind(BootMode::SwapMove, 32, 8192).ecc().bare(),
    kind(BootMode::SwapMove, 32, 131_072).ecc(),
    kind(BootMode::SwapOffset, 1, 512),
    kind(BootMode::SwapOffset, 4, 4096).unequal(),
    kind(BootMode::SwapOffset, 4, 1024).zeros().bare(),
    kind(BootMode::SwapOffset, 8, 2048).ecc().unequal(),
    kind(BootMode::SwapOffset, 16, 8192).reads(4),
    kind(BootMode::SwapOffset, 32, 4096).ecc(),
    kind(BootMode::SwapScratch, 2, 1024),
    kind(BootMode::SwapScratch, 4, 2048).zeros(),
    kind(BootMode::SwapScratch, 8, 4096).ecc().bare(),
    kind(BootMode::SwapScratch, 32, 2048).ecc(),
    kind(BootMode::DirectXipRevert, 4, 512),
    kind(BootMode::DirectXipRevert, 8, 4096).zeros().unequal(),
    kind(BootMode::DirectXipRevert, 16, 2048).ecc(),
    kind(BootMode::DirectXipRevert, 32, 1024).ecc().bare(),
    kind(BootMode::OverwriteOnly, 4, 16_384),
    kind(BootMode::OverwriteOnly, 8, 65_536).zeros(),
    kind(BootMode::OverwriteOnly, 16, 32_768).ecc(),
    kind(BootMode::OverwriteOnly, 32, 131_072).bare(),
    kind(BootMode::OverwriteOnly, 64, 512).bare(),
    kind(BootMode::OverwriteOnly, 64, 1024).ecc(),
    kind(BootMode::OverwriteOnly, 128, 1024).zeros(),
    kind(BootMode::OverwriteOnly, 256, 256),
    kind(BootMode::OverwriteOnly, 256, 4096).ecc().reads(256),
    kind(BootMode::OverwriteOnly, 512, 2048).zeros().bare(),
    kind(BootMode::OverwriteOnly, 512, 4096),
    // The other slot is in a chip of its own.
    kind(BootMode::SwapMove, 4, 4096).and(1, 4096, 1),
    kind(BootMode::SwapMove, 8, 2048).and(16, 2048, 4).ecc(),
    kind(BootMode::SwapOffset, 4, 1024).and(8, 1024, 1).unequal().far(),
    kind(BootMode::SwapOffset, 16, 4096).and(1, 4096, 1).ecc(),
    kind(BootMode::SwapScratch, 8, 2048).and(1, 4096, 1).ecc(),
    kind(BootMode::SwapScratch, 4, 4096).and(32, 1024, 32).far(),
    kind(BootMode::OverwriteOnly, 8, 1024).and(1, 4096, 4),
    kind(BootMode::OverwriteOnly, 2, 4096).and(256, 512, 8).zeros().far().ecc(),
    kind(BootMode::DirectXipRevert, 4, 1024).and(16, 4096, 1),
    kind(BootMode::DirectXipRevert, 32, 4096).and(8, 512, 2).ecc().far(),
];

/// What the client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Test,
    Permanent,
    Confirm,
    Erase,
    ErasePending,
    /// An upload over a part of another one.
    Over,
    /// The rest of an upload.
    Resume,
}

const DEEDS: [Deed; 7] =
    [Deed::Test, Deed::Permanent, Deed::Confirm, Deed::Erase, Deed::ErasePending, Deed::Over, Deed::Resume];

/// What happens to one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Power fails before it.
    Cut,
    /// Power fails inside.
    Tear(u32),
    /// It fails.
    Fail,
    /// It does nothing, and reports success.
    Silent,
}

/// The flash, with the rules of a real one.
struct Chip {
    kind: Kind,
    memory: Vec<u8>,
    /// Where the second flash device begins.
    second: usize,
    /// Commands are run by the async executor.
    asynchronous: bool,
    /// Places that cannot be read until they are erased.
    torn: Vec<(usize, usize)>,
    /// Writes and erases so far; reads too if `counts_reads`.
    done: u32,
    counts_reads: bool,
    plan: Option<(u32, Fault)>,
    powered: bool,
    /// Writes to bytes that are not erased are possible, and program more bits.
    forgiving: bool,
    broken: Option<&'static str>,
}

impl Chip {
    fn plan(&mut self, nth: u32, fault: Fault) {
        (self.done, self.plan) = (0, Some((nth, fault)));
    }

    /// Counts an operation, and returns its fault.
    fn fault(&mut self) -> Result<Option<Fault>, Failed> {
        let now = self.done;
        self.done += 1;
        let fault = self.plan.take_if(|(nth, _)| *nth == now).map(|(_, fault)| fault);
        match fault {
            Some(Fault::Cut) => {
                self.powered = false;
                Err(Failed)
            }
            Some(Fault::Fail) => Err(Failed),
            Some(Fault::Tear(_)) => {
                self.powered = false;
                Ok(fault)
            }
            fault => Ok(fault),
        }
    }

    fn expect(&mut self, kept: bool, rule: &'static str) {
        if !kept {
            self.broken = Some(rule);
        }
    }

    fn perform(&mut self, device: flash::Device, operation: Operation<'_>) -> Result<(), Failed> {
        if !self.powered {
            return Err(Failed);
        }
        let [unit, page, read] = self.kind.sizes(device);
        let base = if self.kind.spare.is_some() && device == flash::Device::Spare { self.second } else { 0 };
        let end = if base == 0 { self.second } else { self.memory.len() };
        match operation {
            Operation::Read { address, into } => {
                let at = base + address as usize;
                self.expect(at + into.len() <= end, "a read behind the end of a flash");
                let aligned = address.is_multiple_of(read) && into.len().is_multiple_of(read as usize);
                self.expect(aligned, "a misaligned read");
                if self.counts_reads {
                    let fault = self.fault()?;
                    if matches!(fault, Some(Fault::Tear(_))) {
                        return Err(Failed);
                    }
                }
                if self.torn.iter().any(|(from, to)| *from < at + into.len() && at < *to) {
                    return Err(Failed);
                }
                into.copy_from_slice(&self.memory[at..][..into.len()]);
                Ok(())
            }
            Operation::Write { address, bytes } => {
                self.expect(base + address as usize + bytes.len() <= end, "a write behind the end of a flash");
                self.write(base + address as usize, bytes, unit as usize)
            }
            Operation::Erase { from, to } => {
                self.expect(base + to as usize <= end, "an erase behind the end of a flash");
                self.erase(base + from as usize, base + to as usize, page as usize)
            }
        }
    }

    fn write(&mut self, at: usize, bytes: &[u8], unit: usize) -> Result<(), Failed> {
        self.expect(at.is_multiple_of(unit) && bytes.len().is_multiple_of(unit), "a misaligned write");
        let fault = self.fault()?;
        let erased = self.kind.erased;
        let blank = self.memory[at..][..bytes.len()].iter().all(|byte| *byte == erased);
        let torn = self.torn.iter().any(|(from, to)| *from < at + bytes.len() && at < *to);
        self.expect((blank && !torn) || self.forgiving, "a write to bytes that are not erased");
        let place = &mut self.memory[at..][..bytes.len()];
        match fault {
            Some(Fault::Silent) => Ok(()),
            Some(Fault::Tear(seed)) => {
                let mut random = Random::new(seed);
                let whole = random.below(bytes.len() / unit) * unit;
                place[..whole].copy_from_slice(&bytes[..whole]);
                for (to, from) in place[whole..][..unit].iter_mut().zip(&bytes[whole..]) {
                    let programmed = random.byte();
                    *to = (*from & programmed) | (erased & !programmed);
                }
                if self.kind.ecc {
                    self.torn.push((at + whole, at + whole + unit));
                }
                Err(Failed)
            }
            _ => {
                let program = |to: u8, from: u8| if erased == 0 { to | from } else { to & from };
                place.iter_mut().zip(bytes).for_each(|(to, from)| *to = program(*to, *from));
                Ok(())
            }
        }
    }

    fn erase(&mut self, from: usize, to: usize, page: usize) -> Result<(), Failed> {
        self.expect(from.is_multiple_of(page) && to == from + page, "an erase of anything but one page");
        let erased = self.kind.erased;
        match self.fault()? {
            Some(Fault::Silent) => {}
            Some(Fault::Tear(seed)) => {
                let mut random = Random::new(seed);
                for byte in &mut self.memory[from..to] {
                    match random.next() & 3 {
                        0 => {}
                        1 => *byte = random.byte(),
                        _ => *byte = erased,
                    }
                }
                if self.kind.ecc {
                    self.torn.push((from, to));
                }
                return Err(Failed);
            }
            _ => {
                self.memory[from..to].fill(erased);
                self.torn.retain(|(start, end)| *end <= from || to <= *start);
            }
        }
        Ok(())
    }

    fn run<F: Geometries>(&mut self, device: &mut Device<'_, F>, command: Command<'_>) -> Result<Outcome, Error> {
        let (job, is_async) = (device.begin(command), self.asynchronous);
        let mut port = Port(self, PhantomData::<F>);
        if is_async {
            let mut context = Context::from_waker(Waker::noop());
            let Poll::Ready(job) = pin!(flash::asynch::run(job, &mut port)).poll(&mut context) else {
                panic!("the chip never waits")
            };
            return job.finish();
        }
        flash::run(job, &mut port).finish()
    }
}

/// The executor's side of the chip, or of both.
struct Port<'c, F>(&'c mut Chip, PhantomData<F>);

impl<F: Geometries> flash::Flash for Port<'_, F> {
    const ARE_TWO: bool = F::ARE_TWO;

    fn perform(&mut self, device: flash::Device, operation: Operation<'_>) -> Result<(), Failed> {
        self.0.perform(device, operation)
    }
}

impl<F: Geometries> flash::asynch::Flash for Port<'_, F> {
    const ARE_TWO: bool = F::ARE_TWO;

    async fn perform(&mut self, device: flash::Device, operation: Operation<'_>) -> Result<(), Failed> {
        self.0.perform(device, operation)
    }
}

/// The client's view of an image.
struct Seen {
    hash: Vec<u8>,
    active: bool,
    pending: bool,
    confirmed: bool,
    permanent: bool,
}

/// One device with its client.
struct Bench<F> {
    kind: Kind,
    config: Config<F>,
    loader: Bootloader,
    slots: [Region; 2],
    /// The slot that runs.
    active: Slot,
    /// The slot that runs where the client begins.
    first: Slot,
    /// Where an upload begins in the other slot.
    shift: usize,
    chip: Chip,
    /// Bytes of a chunk.
    chunk: usize,
    old: Vec<u8>,
    file: Vec<u8>,
    other: Vec<u8>,
    /// The running slot at the last reset.
    running: Vec<u8>,
    /// How often the slot had to be erased by a command before an upload or a mark worked.
    fallbacks: u64,
    what: String,
}

/// Rounds up.
fn up(value: u32, unit: u32) -> u32 {
    value.div_ceil(unit) * unit
}

impl<F: Devices> Bench<F> {
    fn new(kind: Kind, seed: u32) -> Self {
        let mut random = Random::new(seed);
        let [write, erase] = [kind.largest(0), kind.largest(1)];
        // Sectors that the boot loader counts in one of them.
        let split = erase / kind.sizes(flash::Device::Active)[1].min(kind.sizes(flash::Device::Spare)[1]);
        let align = write.max(8);
        // A few sectors, but not much to hash.
        let len = match erase {
            0..=512 => 3 * erase as usize + 100,
            513..=2048 => 2 * erase as usize + 100,
            2049..=4096 => erase as usize + 500,
            _ => 3000,
        } + random.below(300);
        let fields = 7 * align.max(16);
        let image = up(len as u32 + 64, erase);
        // What a swap needs beside the image.
        let beside = |sectors: u32| match kind.mode {
            BootMode::SwapMove | BootMode::SwapOffset => erase + up(3 * sectors * split * write + fields, erase),
            BootMode::SwapScratch => 2 * erase + 3 * sectors * split * write + fields,
            _ => fields,
        };
        let mut sectors = 2;
        while sectors * erase < image + beside(sectors) {
            sectors += 1;
        }
        let more = u32::from(kind.unequal);
        let more = if kind.mode == BootMode::SwapOffset { [0, more] } else { [more, 0] };
        let sizes = more.map(|more| (sectors + more) * erase);
        let scratch_len = if kind.mode == BootMode::SwapScratch { 2 * erase } else { 0 };
        let log_len = up(write.max(64) * (1 + random.below(2) as u32), erase);
        // One behind the other, or all but the secondary slot in the first flash.
        let places = match (kind.spare, kind.far) {
            (None, _) => [0, sizes[0], sizes[0] + sizes[1], sizes[0] + sizes[1] + scratch_len],
            (Some(_), false) => [0, sizes[0] + scratch_len + log_len, sizes[0], sizes[0] + scratch_len],
            (Some(_), true) => [0, sizes[0] + scratch_len, sizes[0], sizes[0] + scratch_len + sizes[1]],
        };
        let slots = [Region::new(places[0], sizes[0]), Region::new(places[1], sizes[1])];
        let scratch = Region::new(places[2], scratch_len);
        let end = sizes[0] + sizes[1] + scratch_len + log_len;
        let second = if kind.spare.is_some() { places[1] } else { end };
        let log = Region::new(places[3] - if kind.far { second } else { 0 }, log_len);
        let made = |device, capacity| {
            let [write, erase, read] = kind.sizes(device);
            Geometry::new(read, write, erase, capacity).with_erased(kind.erased)
        };
        let geometry = made(flash::Device::Active, second);
        let most = sizes[0].max(sizes[1]) / erase * split;
        let config = Config {
            checkpoint: kind.log.then_some(log),
            align,
            ..match kind.mode {
                BootMode::SwapOffset => Config::swap_offset(geometry, most),
                BootMode::SwapScratch => Config::swap_scratch(geometry, most),
                BootMode::SwapMove => Config::swap_move(geometry, most),
                BootMode::DirectXip => Config::direct_xip(geometry),
                BootMode::DirectXipRevert => Config::direct_xip_revert(geometry),
                BootMode::RamLoad => Config::ram_load(geometry),
                BootMode::RamLoadRevert => Config::ram_load_revert(geometry),
                _ => Config::overwrite_only(geometry),
            }
        };
        let config = F::config(config, made(flash::Device::Spare, end - second), kind.far);
        let layout = Layout::new(align).unwrap();
        let mut loader =
            Bootloader::new(kind.mode, layout, [write, erase], slots).with_erased(kind.erased).with_max_sectors(most);
        loader.scratch = (scratch.len > 0).then_some(scratch);
        let chip = Chip {
            kind,
            memory: vec![kind.erased; end as usize],
            second: second as usize,
            asynchronous: seed % 3 == 1,
            torn: Vec::new(),
            done: 0,
            counts_reads: false,
            plan: None,
            powered: true,
            forgiving: false,
            broken: None,
        };
        let chunk = 40 + len / (6 + random.below(6));
        Self {
            kind,
            config,
            loader,
            slots,
            active: Slot::Primary,
            first: Slot::Primary,
            shift: if kind.mode == BootMode::SwapOffset { erase as usize } else { 0 },
            chip,
            chunk,
            old: self::image(OLD, len - 7, random.next()),
            file: self::image(NEW, len, random.next()),
            other: self::image(NEW, len + 13, random.next()),
            running: Vec::new(),
            fallbacks: 0,
            what: String::new(),
        }
    }

    /// Starts the device: what was in its RAM is lost.
    fn start<T>(&mut self, run: impl FnOnce(&mut Self, &mut Device<'_, F>) -> T) -> T {
        let [primary, mut secondary] = self.slots;
        if F::ARE_TWO {
            secondary.start -= self.chip.second as u32;
        }
        let mut pairs = [Pair::new(primary, secondary).with_running(self.active)];
        let mut scratch = vec![0xA5; scratch_len(512, 512)];
        run(self, &mut Slots::new(self.config, &mut pairs, &mut scratch, Sha256::new()).unwrap())
    }

    /// The slot that runs.
    fn running(&self) -> &[u8] {
        self.slot(self.active)
    }

    /// The slot for uploads.
    fn spare(&self) -> &[u8] {
        self.slot(self.active.other())
    }

    fn slot(&self, slot: Slot) -> &[u8] {
        let region = self.slots[slot.number() as usize];
        &self.chip.memory[region.start as usize..][..region.len as usize]
    }

    /// An image in the slot for uploads, wherever the boot loader would find it.
    fn spare_image(&self) -> Option<&[u8]> {
        let good = |bytes: &&[u8]| Image::parse(bytes).is_ok_and(|image| image.verify(&mut Sha256::new()).is_ok());
        [&self.spare()[self.shift..], self.spare()].into_iter().find(good)
    }

    /// Sends a file from where the device wants it, until `until` bytes are there.
    fn upload(&mut self, device: &mut Device<'_, F>, file: &[u8], until: usize) -> Result<(), Error> {
        let sha = sha(file);
        let mut off = 0;
        for _ in 0..100 {
            let end = until.min(off + self.chunk);
            let chunk = Chunk {
                off: off as u64,
                data: &file[off..end],
                len: Some(file.len() as u64),
                sha: Some(&sha),
                ..Chunk::default()
            };
            let Outcome::Upload(uploaded) = self.chip.run(device, Command::Upload(chunk))? else { panic!("no upload") };
            off = uploaded.off as usize;
            if off >= until {
                let is_right = off < file.len() || uploaded.matched == Some(true);
                assert!(is_right || self.chip.forgiving, "{}: a complete file does not match", self.what);
                return if is_right { Ok(()) } else { Err(Error::HashNotFound) };
            }
        }
        panic!("{}: the upload makes no progress at {off} of {until}", self.what);
    }

    fn list(&mut self, device: &mut Device<'_, F>) -> Result<Vec<Seen>, Error> {
        self.chip.run(device, Command::List)?;
        let seen = |state: anysmp::mcuboot::slots::State<'_>| Seen {
            hash: state.hash.to_vec(),
            active: state.active,
            pending: state.pending,
            confirmed: state.confirmed,
            permanent: state.permanent,
        };
        Ok(device.states().map(seen).collect())
    }

    fn mark(&mut self, device: &mut Device<'_, F>, confirm: bool) -> Result<(), Error> {
        let hash = hash(&self.file);
        self.chip.run(device, Command::SetState { hash: Some(&hash), confirm }).map(|_| ())
    }

    /// What the client does for a deed, once.
    fn attempt(&mut self, device: &mut Device<'_, F>, deed: Deed) -> Result<(), Error> {
        match deed {
            Deed::Confirm => self.chip.run(device, Command::SetState { hash: None, confirm: true }).map(|_| ()),
            Deed::Erase | Deed::ErasePending => {
                self.chip.run(device, Command::Erase { slot: Some(self.active.other().number().into()) }).map(|_| ())
            }
            Deed::Test | Deed::Permanent | Deed::Over | Deed::Resume => {
                let hash = hash(&self.file);
                if let Some(image) = self.list(device)?.iter().find(|image| image.hash == hash) {
                    let test = image.pending && !image.permanent;
                    if image.active || (image.pending && !(test && deed == Deed::Permanent)) {
                        return Ok(());
                    }
                    // Power failed between the two writes of a permanent mark.
                    if test {
                        return self.mark(device, true);
                    }
                }
                let file = self.file.clone();
                self.upload(device, &file, file.len())?;
                self.mark(device, deed == Deed::Permanent)
            }
        }
    }

    /// Brings the device to the point where the client begins.
    fn prepare(&mut self, deed: Deed, seed: u32) {
        let (file, other) = (self.file.clone(), self.other.clone());
        self.chip.memory.fill(self.kind.erased);
        self.active = Slot::Primary;
        self.chip.memory[..self.old.len()].copy_from_slice(&self.old);
        if seed & 1 == 1 {
            // Something else is in the slot.
            let start = self.slots[1].start as usize + self.shift;
            self.chip.memory[start..][..self.old.len()].copy_from_slice(&self.old);
        }
        if self.kind.mode == BootMode::DirectXipRevert {
            // As the factory leaves it.
            let end = self.slots[0].len as usize;
            let at = |field| end - self.loader.layout.from_end(field) as usize;
            let [magic, copy_done, image_ok] = [Field::Magic, Field::CopyDone, Field::ImageOk].map(at);
            self.chip.memory[magic..end].copy_from_slice(&self.loader.layout.magic());
            (self.chip.memory[copy_done], self.chip.memory[image_ok]) = (Flag::SET, Flag::SET);
        }
        let half = |file: &[u8]| file.len() * (1 + seed as usize % 7) / 8;
        match deed {
            Deed::Test | Deed::Permanent => {}
            Deed::Confirm => {
                self.start(|bench, device| bench.attempt(device, Deed::Test)).unwrap();
                self.reset();
            }
            Deed::Erase => self.start(|bench, device| bench.upload(device, &file, file.len())).unwrap(),
            Deed::ErasePending => self.start(|bench, device| bench.attempt(device, Deed::Test)).unwrap(),
            Deed::Over => self.start(|bench, device| bench.upload(device, &other, half(&other))).unwrap(),
            Deed::Resume => self.start(|bench, device| bench.upload(device, &file, half(&file))).unwrap(),
        }
        self.first = self.active;
        self.running = self.running().to_vec();
    }

    /// What must hold at any moment.
    fn check(&self) {
        let what = &self.what;
        if let Some(rule) = self.chip.broken {
            panic!("{what}: {rule}");
        }
        // The unit of the one flag that confirms.
        let running = self.running();
        let device = if self.active == Slot::Primary { flash::Device::Active } else { flash::Device::Spare };
        let unit = self.kind.sizes(device)[0] as usize;
        let flag = running.len() - self.loader.layout.from_end(Field::ImageOk) as usize;
        let [start, end] = [flag / unit * unit, (flag + 1).next_multiple_of(unit)];
        let same = |from: usize, to: usize| running[from..to] == self.running[from..to];
        assert!(same(0, start) && same(end, running.len()), "{what}: the running slot has changed");
    }

    /// A slot is marked only if the image is in it.
    fn check_mark(&self) {
        let what = &self.what;
        if self.loader.trailer(self.spare()).magic == Magic::Good {
            let image = self.spare_image();
            assert!(image.is_some(), "{what}: a damaged image is marked");
            // In the mode without a swap the old one keeps the mark with which it ran.
            let old = self.kind.mode == BootMode::DirectXipRevert && image.is_some_and(|it| it.starts_with(&self.old));
            assert!(old || image.is_some_and(|it| it.starts_with(&self.file)), "{what}: another image is marked");
        }
    }

    /// Power returns, and the boot loader decides.
    fn reset(&mut self) {
        (self.chip.powered, self.chip.plan) = (true, None);
        let torn = std::mem::take(&mut self.chip.torn);
        let torn: Vec<_> = torn.into_iter().map(|place| (place, self.chip.memory[place.0..place.1].to_vec())).collect();
        let [boot, _] = self.loader.reset(&mut Sha256::new(), &mut self.chip.memory);
        // What the boot loader has erased or copied can be read again.
        let memory = &self.chip.memory;
        let same = |((from, to), bytes): ((usize, usize), Vec<u8>)| (memory[from..to] == bytes).then_some((from, to));
        self.chip.torn = torn.into_iter().filter_map(same).collect();
        assert_ne!(boot, Boot::Refused, "{}: nothing runs", self.what);
        self.active = match boot {
            Boot::Started(slot) => slot,
            _ => Slot::Primary,
        };
        let running = self.running();
        let known = running.starts_with(&self.old) || running.starts_with(&self.file);
        assert!(known, "{}: another image runs", self.what);
        self.running = self.running().to_vec();
    }

    /// Runs a deed with a fault at one operation; true if the fault has happened.
    fn fail(&mut self, deed: Deed, nth: u32, fault: Fault) -> (Result<(), Error>, bool) {
        self.chip.plan(nth, fault);
        let result = self.start(|bench, device| bench.attempt(device, deed));
        (result, self.chip.plan.take().is_none())
    }

    /// Returns true if what the client wanted is in flash.
    fn holds(&self, deed: Deed) -> bool {
        let trailer = self.loader.trailer(self.spare());
        let image = self.spare_image();
        let marked = trailer.magic == Magic::Good && image.is_some_and(|image| image.starts_with(&self.file));
        match deed {
            Deed::Confirm => self.loader.trailer(self.running()).image_ok == Flag::Set,
            Deed::Erase | Deed::ErasePending => trailer.magic != Magic::Good && image.is_none(),
            Deed::Permanent => marked && trailer.image_ok == Flag::Set,
            Deed::Test | Deed::Over | Deed::Resume => marked,
        }
    }

    /// One operation that fails, or silently does nothing. Then the device is started again.
    fn error(&mut self, fresh: &[u8], deed: Deed, nth: u32, fault: Fault) {
        self.what = format!("{} {deed:?}, operation {nth}, {fault:?}", self.kind);
        self.renew(fresh);
        (self.chip.counts_reads, self.chip.forgiving) = (fault == Fault::Fail, true);
        let (result, happened) = self.fail(deed, nth, fault);
        (self.chip.counts_reads, self.chip.forgiving) = (false, false);
        assert!(happened, "{}: the operation is missing", self.what);
        self.check();
        let told = result.is_err() || self.holds(deed);
        assert!(told, "{}: success is reported, but it is not so", self.what);
        let again = self.start(|bench, device| bench.attempt(device, deed));
        assert_eq!(again, Ok(()), "{}: again", self.what);
        assert!(self.holds(deed), "{}: again", self.what);
        self.check();
        self.reset();
        self.complete();
    }

    /// Takes the flash back to where the client began.
    fn renew(&mut self, fresh: &[u8]) {
        self.chip.memory.copy_from_slice(fresh);
        self.chip.torn.clear();
        (self.chip.powered, self.chip.plan) = (true, None);
        self.active = self.first;
        self.running = self.running().to_vec();
    }

    /// Brings the new image to run, confirmed, by commands and resets alone.
    fn complete(&mut self) {
        for _ in 0..6 {
            let done = self.start(|bench, device| bench.go_on(device));
            self.check();
            self.check_mark();
            self.reset();
            if done {
                let runs = self.running().starts_with(&self.file);
                assert!(runs, "{}: the confirmed image does not run", self.what);
                return;
            }
        }
        panic!("{}: commands do not complete the update", self.what);
    }

    /// What the client does between two resets; true when there is nothing left to do.
    fn go_on(&mut self, device: &mut Device<'_, F>) -> bool {
        let (file, hash) = (self.file.clone(), hash(&self.file));
        let what = self.what.clone();
        let seen = self.list(device).unwrap_or_else(|error| panic!("{what}: list: {error:?}"));
        if let Some(image) = seen.iter().find(|image| image.hash == hash && image.active) {
            if !image.confirmed {
                let confirmed = self.attempt(device, Deed::Confirm);
                let trailer = self.loader.trailer(self.running());
                // A torn flag of an image that MCUboot started all the same: it erases it at the
                // next reset, and the old one runs.
                let lost = self.kind.mode == BootMode::DirectXipRevert && trailer.image_ok == Flag::Bad;
                let told = lost && confirmed == Err(Error::DamagedActiveTrailer);
                assert!(confirmed == Ok(()) || told, "{what}: confirm: {confirmed:?}, {trailer:?}");
            }
            return image.confirmed;
        }
        if seen.iter().any(|image| image.hash == hash && image.pending && image.permanent) {
            return false;
        }
        let mut send = |bench: &mut Self| {
            bench.upload(device, &file, file.len())?;
            bench.mark(device, true)
        };
        if send(self).is_err() {
            self.fallbacks += 1;
            let erased = self.attempt(device, Deed::Erase);
            assert_eq!(erased, Ok(()), "{what}: erase");
            let mut send = |bench: &mut Self| {
                bench.upload(device, &file, file.len())?;
                bench.mark(device, true)
            };
            assert_eq!(send(self), Ok(()), "{what}: after the erase");
        }
        false
    }

    /// Returns true if MCUboot stops at each reset, so that no command ever arrives: it cannot read
    /// the trailer of the running slot, or of one that it would start in its place.
    fn stops_mcuboot(&self) -> bool {
        let is_torn = |slot: Slot| {
            let region = self.slots[slot.number() as usize];
            let end = (region.start + region.len) as usize;
            let fields = end - self.loader.layout.from_end(Field::SwapInfo(SwapType::None)) as usize;
            self.chip.torn.iter().any(|(from, to)| *from < end && fields < *to)
        };
        let in_place = self.kind.mode == BootMode::DirectXipRevert && self.spare().starts_with(&Header::MAGIC);
        is_torn(self.active) || (in_place && is_torn(self.active.other()))
    }

    /// One power cut at an operation, and another one in the recovery; false if MCUboot stops.
    fn cut(&mut self, fresh: &[u8], deed: Deed, nth: u32, fault: Fault, seed: u32) -> bool {
        let mut random = Random::new(seed);
        let second = random.below(30) as u32;
        self.what = format!("{} {deed:?}, operation {nth}, {fault:?}, then {second}, seed {seed}", self.kind);
        self.renew(fresh);

        let (_, happened) = self.fail(deed, nth, fault);
        assert!(happened, "{}: the operation is missing", self.what);
        self.check();
        self.check_mark();
        if self.stops_mcuboot() {
            return false;
        }
        self.reset();

        let again = if random.next() & 1 == 0 { Fault::Cut } else { Fault::Tear(random.next()) };
        let (result, happened) = self.fail(deed, second, again);
        // The image that a trial would go back to is not erased.
        let trial = self.running.starts_with(&self.file);
        let kept = deed == Deed::ErasePending && trial && result == Err(Error::NoFreeSlot);
        assert!(happened || result.is_ok() || kept, "{}: when it is repeated: {result:?}", self.what);
        self.check();
        self.check_mark();
        if self.stops_mcuboot() {
            return false;
        }
        self.reset();

        self.complete();
        true
    }
}

/// The figures of one kind of flash.
#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    cuts: u64,
    /// Cuts after which MCUboot stops.
    stopped: u64,
    fallbacks: u64,
}

/// Cuts power at operations of every deed, until there were `quota` cuts; a share takes each of the
/// operations with the same chance.
fn campaign<F: Devices>(kind: Kind, quota: u64, share: bool) -> Figures {
    let mut figures = Figures::default();
    for round in 0.. {
        for deed in DEEDS {
            let seed = round * 100 + deed as u32;
            let mut bench = Bench::<F>::new(kind, seed);
            bench.what = format!("{kind} {deed:?}, seed {seed}");
            bench.prepare(deed, seed);
            let fresh = bench.chip.memory.clone();
            bench.chip.done = 0;
            let result = bench.start(|bench, device| bench.attempt(device, deed));
            assert_eq!(result, Ok(()), "{}", bench.what);
            bench.check();
            let operations = bench.chip.done;
            let mut random = Random::new(seed);
            let mut nth = 0;
            while nth < operations {
                if share {
                    nth = random.below(operations as usize) as u32;
                }
                for inside in [false, true] {
                    let fault = if inside { Fault::Tear(random.next()) } else { Fault::Cut };
                    let goes_on = bench.cut(&fresh, deed, nth, fault, random.next());
                    figures.cuts += 1;
                    figures.stopped += u64::from(!goes_on);
                }
                nth += 1;
                if figures.cuts >= quota {
                    figures.fallbacks += bench.fallbacks;
                    return figures;
                }
                if share && figures.cuts >= quota * (deed as u64 + 1) / 7 {
                    break;
                }
            }
            figures.fallbacks += bench.fallbacks;
        }
    }
    figures
}

#[test]
fn power_cut_at_any_write_or_erase_leaves_a_device_that_commands_can_complete() {
    let cuts = std::env::var("ANYSMP_CUTS").ok().map(|cuts| cuts.parse::<u64>().unwrap());
    let quota = cuts.unwrap_or(2800).div_ceil(KINDS.len() as u64);
    let (next, figures) = (Mutex::new(KINDS.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let kind = next.lock().unwrap().next();
                    let Some(kind) = kind else { break };
                    let campaign = if kind.spare.is_some() { campaign::<TwoGeometries> } else { campaign::<Geometry> };
                    let found = campaign(*kind, quota, cuts.is_none());
                    figures.lock().unwrap().push((kind.to_string(), found));
                }
            });
        }
    });
    let figures = figures.into_inner().unwrap();
    for (kind, Figures { cuts, stopped, fallbacks }) in &figures {
        println!("{kind}: {cuts} cuts, {stopped} of them stop MCUboot, {fallbacks} times an erase was needed");
    }
    println!("{} cuts over {} kinds of flash", figures.iter().map(|(_, found)| found.cuts).sum::<u64>(), figures.len());
    assert_eq!(figures.len(), KINDS.len());
}

#[test]
fn flash_error_at_any_operation_is_told_and_a_write_that_silently_does_nothing_too() {
    // Each kind of flash takes its share of the operations in turn.
    let all = std::env::var_os("ANYSMP_ERRORS").is_some();
    let mut errors = 0;
    for (number, kind) in KINDS.iter().enumerate() {
        let fail = if kind.spare.is_some() { fail_all::<TwoGeometries> } else { fail_all::<Geometry> };
        errors += fail(*kind, number, if all { 1 } else { KINDS.len() });
    }
    println!("{errors} errors");
    assert!(errors > 500);
}

/// Each `step`th operation of every deed fails, or does nothing; returns how many.
fn fail_all<F: Devices>(kind: Kind, number: usize, step: usize) -> u32 {
    let mut errors = 0;
    for deed in DEEDS {
        let seed = number as u32 * 10 + deed as u32;
        let mut bench = Bench::<F>::new(kind, seed);
        bench.what = format!("{kind} {deed:?}");
        bench.prepare(deed, seed);
        let fresh = bench.chip.memory.clone();
        for (fault, counts_reads) in [(Fault::Fail, true), (Fault::Silent, false)] {
            bench.renew(&fresh);
            (bench.chip.done, bench.chip.counts_reads) = (0, counts_reads);
            let result = bench.start(|bench, device| bench.attempt(device, deed));
            assert_eq!(result, Ok(()), "{}", bench.what);
            for nth in (number % step..bench.chip.done as usize).step_by(step) {
                bench.error(&fresh, deed, nth as u32, fault);
                errors += 1;
            }
        }
    }
    errors
}
