//! A device with one image pair in a RAM flash, and the client's side of an upgrade.

use anysmp::mcuboot::build::Builder;
use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::flash;
use anysmp::mcuboot::slots::{Chunk, Command, Config, Error, Outcome, Pair, Region, Slots, Uploaded, scratch_len};
use anysmp::mcuboot::trailer::Layout;
use anysmp::mcuboot::{Header, Image, Version};
use anysmp::testing::bootloader::{Boot, Bootloader};
use anysmp::testing::{RamNor, Random};

pub type Device<'s> = Slots<'s, Sha256>;

/// The slots of the device: primary, secondary, checkpoint log.
#[derive(Debug, Clone, Copy)]
pub struct Board {
    pub primary: Region,
    pub secondary: Region,
    pub log: Region,
}

impl Board {
    pub const fn new(slot: u32, log: u32) -> Self {
        Self { primary: Region::new(0, slot), secondary: Region::new(slot, slot), log: Region::new(2 * slot, log) }
    }

    /// A board for this erase size with slots of at least 16 KiB and four pages.
    pub fn for_erase(erase: usize) -> Self {
        Self::new((4 * erase).max(0x4000) as u32, erase.max(512) as u32)
    }

    pub fn len(&self) -> usize {
        (self.log.start + self.log.len) as usize
    }

    pub fn slot<'f>(&self, region: Region, memory: &'f [u8]) -> &'f [u8] {
        &memory[region.start as usize..][..region.len as usize]
    }

    pub fn bootloader(&self, config: &Config) -> Bootloader {
        let (layout, slots) = (Layout::new(config.align).unwrap(), [self.primary, self.secondary]);
        Bootloader::new(config.mode.kind(), layout, [1, 512], slots).with_erased(erased(config))
    }
}

fn erased(config: &Config) -> u8 {
    // The only public trace of the erased value.
    if config.geometry == config.geometry.with_erased(0) { 0 } else { 0xFF }
}

pub fn config<const W: usize, const E: usize, const R: usize>(flash: &RamNor<'_, W, E, R>, board: &Board) -> Config {
    let (geometry, slot, sectors) = (flash::geometry(flash), board.primary.len, board.primary.len / E as u32);
    // A swap keeps its status in the slot: some flash has no room for it there. MCUboot swaps with
    // writes of up to 32 bytes.
    let status = 3 * sectors * W as u32 + 6 * W.max(8) as u32;
    let fits = W <= 32 && slot > 9100 + 2 * E as u32 + status;
    let config = if fits { Config::swap_move(geometry, sectors) } else { Config::overwrite_only(geometry) };
    Config { checkpoint: Some(board.log), ..config }
}

/// Starts the device: what was in its RAM is lost.
pub fn start<T>(config: Config, board: &Board, run: impl FnOnce(&mut Device<'_>) -> T) -> T {
    let mut pairs = [Pair::new(board.primary, board.secondary)];
    // 512 for both covers every flash; garbage, because RAM is not cleared.
    let mut scratch = vec![0xA5; scratch_len(512, 512)];
    run(&mut Slots::new(config, &mut pairs, &mut scratch, Sha256::new()).unwrap())
}

pub fn run<const W: usize, const E: usize, const R: usize>(
    device: &mut Device<'_>,
    flash: &mut RamNor<'_, W, E, R>,
    command: Command<'_>,
) -> Result<Outcome, Error> {
    flash::run(device.begin(command), flash).finish()
}

pub fn send<const W: usize, const E: usize, const R: usize>(
    device: &mut Device<'_>,
    flash: &mut RamNor<'_, W, E, R>,
    chunk: Chunk<'_>,
) -> Result<Uploaded, Error> {
    match run(device, flash, Command::Upload(chunk))? {
        Outcome::Upload(uploaded) => Ok(uploaded),
        outcome => panic!("{outcome:?}"),
    }
}

/// The chunk of a file at `off`.
pub fn chunk<'c>(file: &'c [u8], sha: Option<&'c [u8]>, off: usize, len: usize) -> Chunk<'c> {
    let data = &file[off..file.len().min(off + len)];
    Chunk { off: off as u64, data, len: Some(file.len() as u64), sha, ..Chunk::default() }
}

/// Uploads a file in chunks, wherever the device asks to go on, and returns the last answer.
pub fn upload<const W: usize, const E: usize, const R: usize>(
    device: &mut Device<'_>,
    flash: &mut RamNor<'_, W, E, R>,
    file: &[u8],
    sha: Option<&[u8]>,
    len: usize,
) -> Result<Uploaded, Error> {
    let mut off = 0;
    for _ in 0..4 * file.len() {
        let at_least = if off == 0 { len.max(Header::LEN) } else { len };
        let uploaded = send(device, flash, chunk(file, sha, off, at_least))?;
        off = uploaded.off as usize;
        if off == file.len() {
            return Ok(uploaded);
        }
    }
    panic!("the upload makes no progress at {off} of {}", file.len());
}

pub fn set_state<const W: usize, const E: usize, const R: usize>(
    device: &mut Device<'_>,
    flash: &mut RamNor<'_, W, E, R>,
    hash: Option<&[u8]>,
    confirm: bool,
) -> Result<(), Error> {
    run(device, flash, Command::SetState { hash, confirm }).map(|outcome| assert_eq!(outcome, Outcome::States))
}

/// A line per slot: number, version, and a letter per flag: Bootable, Pending, Confirmed, Active,
/// perManent.
pub fn list<const W: usize, const E: usize, const R: usize>(
    device: &mut Device<'_>,
    flash: &mut RamNor<'_, W, E, R>,
) -> Vec<String> {
    run(device, flash, Command::List).unwrap();
    states(device)
}

pub fn states(device: &Device<'_>) -> Vec<String> {
    let line = |state: anysmp::mcuboot::slots::State<'_>| {
        let flags = [
            ('B', state.bootable),
            ('P', state.pending),
            ('C', state.confirmed),
            ('A', state.active),
            ('M', state.permanent),
        ];
        let flags: String = flags.iter().filter(|(_, set)| *set).map(|(letter, _)| *letter).collect();
        format!("{} {} {flags}", 2 * state.image + state.slot, state.version)
    };
    device.states().map(line).collect()
}

/// An image of `len` bytes altogether.
pub fn image(version: Version, len: usize, seed: u32) -> Vec<u8> {
    let mut body = vec![0; len - 32 - 4 - 4 - 32];
    Random::new(seed).fill(&mut body);
    let mut file = vec![0; len];
    assert_eq!(Builder::new(version).build(&body, &mut Sha256::new(), &mut file), Ok(len));
    file
}

pub fn hash(file: &[u8]) -> Vec<u8> {
    Image::parse(file).unwrap().hash(anysmp::mcuboot::HashKind::Sha256).unwrap().to_vec()
}

pub fn sha(file: &[u8]) -> Vec<u8> {
    Sha256::of(file).as_bytes().to_vec()
}

/// Puts a file into a slot, as a programmer at the factory would.
pub fn flash_file<const W: usize, const E: usize, const R: usize>(
    flash: &mut RamNor<'_, W, E, R>,
    region: Region,
    file: &[u8],
) {
    flash.memory_mut()[region.start as usize..][..file.len()].copy_from_slice(file);
}

pub fn boot<const W: usize, const E: usize, const R: usize>(
    flash: &mut RamNor<'_, W, E, R>,
    board: &Board,
    config: &Config,
) -> Boot {
    let mut loader = board.bootloader(config);
    (loader.write, loader.erase) = (W as u32, E as u32);
    // `BOOT_MAX_IMG_SECTORS_AUTO`: a longer swap status would not fit these small slots.
    loader.max_sectors = board.primary.len / loader.erase;
    let mut memory = flash.memory().to_vec();
    loader.boot(flash, &mut Sha256::new(), &mut memory).unwrap()
}

/// The version that runs.
pub const OLD: Version = Version::new(1, 0, 0);
/// The version of the file.
pub const NEW: Version = Version::new(2, 0, 0);

/// The flash of most tests.
pub type Nor<'m> = RamNor<'m, 8, 1024>;

/// A device with `OLD` in the primary slot, and a file of 5000 bytes.
pub fn device(test: impl FnOnce(&mut Nor<'_>, &Board, Config, &[u8])) {
    let board = Board::for_erase(1024);
    let mut memory = vec![0; board.len()];
    let mut flash = RamNor::new(&mut memory).blank();
    flash_file(&mut flash, board.primary, &image(OLD, 4000, 1));
    let config = config(&flash, &board);
    test(&mut flash, &board, config, &image(NEW, 5000, 2));
}
