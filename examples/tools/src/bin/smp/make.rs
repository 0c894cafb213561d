//! Makes an image of a program, as `imgtool sign --pad-header` does without a key.

use std::num::ParseIntError;
use std::path::{Path, PathBuf};

use anysmp::mcuboot::build::Builder;
use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::{Flags, Image, Version};
use clap::Args;
use serde_json::json;

use crate::failure::Failure;
use crate::json::hex;
use crate::output::Output;

/// What is wanted.
#[derive(Args)]
pub struct Make {
    /// The program, as `objcopy -O binary` makes it of an ELF file
    program: PathBuf,
    /// The image that is to be written
    file: PathBuf,
    /// Its version, as 1.2.3 or 1.2.3+4
    #[arg(long, value_name = "V")]
    version: Version,
    /// Where in the image the program begins. The vector table comes first there, and wants an
    /// address that is a multiple of its own size rounded up to a power of two
    #[arg(long, value_name = "N", default_value = "0x200", value_parser = number)]
    header_size: u32,
    /// Where the program runs, header included, if the boot loader has to copy it to RAM
    #[arg(long, value_name = "ADDRESS", value_parser = number)]
    load_addr: Option<u32>,
}

/// A number in decimal, or in hex after 0x.
fn number(text: &str) -> Result<u32, ParseIntError> {
    text.strip_prefix("0x").map_or_else(|| text.parse(), |digits| u32::from_str_radix(digits, 16))
}

pub fn perform(output: Output, options: &Make) -> Result<(), Failure> {
    let local = |path: &Path| {
        let path = path.to_owned();
        move |error| Failure::Local(path, error)
    };
    let senseless = |error: &dyn std::fmt::Display| Failure::Usage(error.to_string(), "Check --header-size.");
    let program = std::fs::read(&options.program).map_err(local(&options.program))?;
    let header_len = u16::try_from(options.header_size).map_err(|error| senseless(&error))?;
    let builder = Builder {
        header_len,
        fill: 0xFF,
        flags: options.load_addr.map_or(Flags::default(), |_| Flags::RAM_LOAD),
        load_address: options.load_addr.unwrap_or(0),
        ..Builder::new(options.version)
    };
    // What comes beside header and program is one hash.
    let mut image = vec![0; usize::from(header_len) + program.len() + 64];
    let len = builder.build(&program, &mut Sha256::new(), &mut image).map_err(|error| senseless(&error))?;
    image.truncate(len);
    std::fs::write(&options.file, &image).map_err(local(&options.file))?;
    let made = Image::parse(&image).and_then(|made| made.hash(anysmp::mcuboot::HashKind::Sha256));
    let hash = hex(made.map_err(|error| senseless(&error))?);
    let version = options.version.to_string();
    output.result(&json!({ "version": version, "hash": hash, "len": len }), || {
        println!("{}: version {version}, {len} bytes, hash {}", options.file.display(), output.hash(&hash));
    });
    Ok(())
}
