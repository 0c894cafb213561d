//! Makes an image from a program, as `imgtool sign --pad-header` does without a key.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anysmp::mcuboot::build::Builder;
use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::{Flags, Image, Version};
use anysmp_tools::outln as println;
use clap::Args;
use serde_json::json;

use crate::failure::Failure;
use crate::input::Kind;
use crate::json::hex;
use crate::output::Output;

/// The options of `image make`.
#[derive(Args)]
pub struct Make {
    /// The program, as `objcopy -O binary` extracts it from an ELF file
    program: PathBuf,
    /// The image to write
    file: PathBuf,
    /// Its version, as 1.2.3 or 1.2.3+4
    #[arg(long, value_name = "V")]
    version: Version,
    /// The place of the program in the image. The vector table comes first there, and needs an
    /// address that is a multiple of its own size rounded up to a power of two
    #[arg(long, value_name = "N", default_value = "0x200", value_parser = number)]
    header_size: u32,
    /// The address where the program runs, header included, if the boot loader has to copy it to
    /// RAM
    #[arg(long, value_name = "ADDRESS", value_parser = number)]
    load_addr: Option<u32>,
    /// Accept any program, for example one for a core without Cortex-M's vector table
    #[arg(long)]
    force: bool,
}

/// Parses a number in decimal, or in hex after 0x.
pub fn number(text: &str) -> Result<u32, std::num::ParseIntError> {
    text.strip_prefix("0x").map_or_else(|| text.parse(), |digits| u32::from_str_radix(digits, 16))
}

pub fn perform(output: Output, options: &Make) -> Result<(), Failure> {
    let local = |path: &Path| {
        let path = path.to_owned();
        move |error| Failure::Local(path, error)
    };
    let senseless = |error: &dyn std::fmt::Display| Failure::Usage(error.to_string(), "Check --header-size.");
    let program = std::fs::read(&options.program).map_err(local(&options.program))?;
    if !options.force {
        is_program(&program).map_err(|(text, remedy)| Failure::File(options.program.clone(), text, remedy))?;
    }
    let same = |path: &Path| std::fs::canonicalize(path).ok();
    if same(&options.program).is_some_and(|program| Some(program) == same(&options.file)) {
        let text = format!("{} would overwrite the program", options.file.display());
        return Err(Failure::Usage(text, "Name another file for the image."));
    }
    let header_len = u16::try_from(options.header_size)
        .or(Err(senseless(&format!("a header of {} bytes is too long: at most 65535", options.header_size))))?;
    let builder = Builder {
        header_len,
        fill: 0xFF,
        flags: options.load_addr.map_or(Flags::default(), |_| Flags::RAM_LOAD),
        load_address: options.load_addr.unwrap_or(0),
        ..Builder::new(options.version)
    };
    // Besides the header and the program there is one hash.
    let mut image = vec![0; usize::from(header_len) + program.len() + 64];
    let len = builder.build(&program, &mut Sha256::new(), &mut image).map_err(|error| senseless(&error))?;
    image.truncate(len);
    write(&options.file, &image).map_err(local(&options.file))?;
    let made = Image::parse(&image).and_then(|made| made.hash(anysmp::mcuboot::HashKind::Sha256));
    let hash = hex(made.map_err(|error| senseless(&error))?);
    let version = options.version.to_string();
    output.result(&json!({ "version": version, "hash": hash, "len": len }), || {
        println!("{}: version {version}, {len} bytes, hash {}", options.file.display(), output.hash(&hash));
    });
    Ok(())
}

/// Writes a file as a whole: until it is complete, the old one keeps its name.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut temporary = Temporary::beside(path)?;
    temporary.file.write_all(bytes)?;
    temporary.keep(path)
}

/// A file that replaces another one when it is complete, and is deleted otherwise.
pub struct Temporary {
    pub file: std::fs::File,
    path: Option<PathBuf>,
}

impl Temporary {
    /// A new file in the directory of `path`.
    pub fn beside(path: &Path) -> std::io::Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let path = path.with_file_name(name);
        let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok(Self { file, path: Some(path) })
    }

    /// Renames the file to `path`.
    pub fn keep(mut self, path: &Path) -> std::io::Result<()> {
        self.file.sync_all()?;
        if let Some(temporary) = self.path.as_ref() {
            std::fs::rename(temporary, path)?;
        }
        self.path = None;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Refuses a file that cannot be a bare program for a Cortex-M.
fn is_program(bytes: &[u8]) -> Result<(), (String, &'static str)> {
    const BINARY: &str = "Give the bare program, as `objcopy -O binary` makes it of an ELF file, or --force.";
    match Kind::of(bytes) {
        Kind::Image => {
            return Err((
                "already an MCUboot image".to_owned(),
                "Upload it unchanged, or use --force to wrap it again.",
            ));
        }
        Kind::Other => {}
        kind => return Err((format!("no program but {}", kind.name()), BINARY)),
    }
    let word = |at: usize| bytes.get(at..at + 4).and_then(|word| Some(u32::from_le_bytes(word.try_into().ok()?)));
    let (Some(stack), Some(reset)) = (word(0), word(4)) else {
        return Err((format!("{} bytes are too short for a program", bytes.len()), BINARY));
    };
    const OTHER: &str = "Give the bare program; for a core without this table, --force.";
    // RAM inside and outside a Cortex-M; the ranges left out belong to code, peripherals and the
    // core itself. A stack consists of words.
    let is_ram = matches!(
        stack,
        0x1000_0000..=0x3FFF_FFFF | 0x6000_0000..=0x9FFF_FFFF | 0xC000_0000..=0xDFFF_FFFF
    );
    if !is_ram || stack % 4 != 0 {
        return Err((format!("no program for a Cortex-M: the stack would begin at {stack:#010x}"), OTHER));
    }
    if reset % 2 == 0 {
        return Err((format!("no program for a Cortex-M: it would begin at {reset:#010x}, an even address"), OTHER));
    }
    Ok(())
}
