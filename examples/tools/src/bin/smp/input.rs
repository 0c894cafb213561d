//! Image files as builds make them: signed binaries, Intel HEX, packages of several images.

use std::io::Read as _;
use std::path::Path;

use anysmp::mcuboot::digest::{Digest, Hash, HashKind, Sha256};
use anysmp::mcuboot::{FileError, ImageFile};
use sha2::Digest as _;

use crate::cli::Checksum;
use crate::endian::little;
use crate::failure::Failure;
use crate::package;

/// The remedy for a file of another kind.
const SIGNED: &str = "Give the signed image from the build, for example zephyr.signed.bin.";

/// One image of a file.
pub struct Part {
    /// The name of the image in the file, or the file's own name.
    pub name: String,
    /// The number of the image, if the file has one.
    pub number: Option<u32>,
    /// The only slot of that image from which it can run, if the file names one.
    pub slot: Option<u32>,
    pub bytes: Vec<u8>,
}

/// The kind of a file, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Image,
    BigEndian,
    OldImage,
    Elf,
    Hex,
    Srec,
    Zip,
    Uf2,
    Suit,
    Empty,
    Other,
}

impl Kind {
    pub fn of(bytes: &[u8]) -> Self {
        match bytes {
            [] => Self::Empty,
            [0x3D, 0xB8, 0xF3, 0x96, ..] => Self::Image,
            [0x96, 0xF3, 0xB8, 0x3D, ..] => Self::BigEndian,
            [0x3C, 0xB8, 0xF3, 0x96, ..] => Self::OldImage,
            [0x7F, b'E', b'L', b'F', ..] => Self::Elf,
            [b'P', b'K', 3, 4, ..] => Self::Zip,
            [b'U', b'F', b'2', b'\n', ..] => Self::Uf2,
            [0xD8, 0x6B, ..] => Self::Suit,
            [b':', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => Self::Hex,
            [b'S', b'0'..=b'9', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => Self::Srec,
            _ => Self::Other,
        }
    }

    /// The name of the kind.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Image => "an MCUboot image",
            Self::BigEndian => "an MCUboot image for a big-endian device",
            Self::OldImage => "an image of MCUboot's old format",
            Self::Elf => "an ELF file",
            Self::Hex => "an Intel HEX file",
            Self::Srec => "a Motorola S-record file",
            Self::Zip => "a ZIP archive",
            Self::Uf2 => "a UF2 file",
            Self::Suit => "a SUIT envelope",
            Self::Empty => "an empty file",
            Self::Other => "not an MCUboot image",
        }
    }

    /// The remedy where an image is required.
    const fn remedy(self) -> &'static str {
        match self {
            Self::Elf => "Give the signed image that the build makes next to it, for example zephyr.signed.bin.",
            Self::Suit | Self::OldImage => "`image upload --raw` sends a file as it is, to a device that accepts it.",
            Self::Uf2 | Self::Srec => "Give the same program as a signed .bin or .hex file.",
            _ => SIGNED,
        }
    }
}

/// Reads a file, or with `-` the standard input.
pub fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::Local(path.to_owned(), error);
    if path != Path::new("-") {
        return std::fs::read(path).map_err(failed);
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Reads a file; if a checksum is given, the file must have it.
pub fn compared(path: &Path, checksum: Option<&Checksum>) -> Result<Vec<u8>, Failure> {
    let bytes = bytes(path)?;
    let ours = Sha256::of(&bytes);
    match checksum {
        Some(theirs) if ours.as_bytes() != theirs => {
            let text = format!("its SHA-256 is {}", crate::json::hex(ours.as_bytes()));
            Err(Failure::File(path.to_owned(), text, "Download it again, or correct --checksum."))
        }
        _ => Ok(bytes),
    }
}

/// Reads the images in a file: one, or all that a package contains. Each is checked, so that a
/// contradiction is reported before anything is sent.
pub fn images(path: &Path, checksum: Option<&Checksum>) -> Result<Vec<Part>, Failure> {
    let mut parts = divided(path, compared(path, checksum)?)?;
    for part in &mut parts {
        let file = checked(&part.bytes).map_err(|(text, remedy)| fault(path, part, text, remedy))?;
        // Padding is not uploaded.
        part.bytes.truncate(usize::try_from(file.len()).unwrap_or(usize::MAX));
    }
    Ok(parts)
}

/// Reports that a part cannot be used.
fn fault(path: &Path, part: &Part, text: String, remedy: &'static str) -> Failure {
    let is_whole = part.number.is_none();
    let text = if is_whole { text } else { format!("{}: {text}", part.name) };
    Failure::File(path.to_owned(), text, remedy)
}

/// Returns the parts of a file of any kind.
pub fn parts(path: &Path) -> Result<Vec<Part>, Failure> {
    divided(path, bytes(path)?)
}

fn divided(path: &Path, bytes: Vec<u8>) -> Result<Vec<Part>, Failure> {
    let unreadable = |text: String| Failure::File(path.to_owned(), text, SIGNED);
    match Kind::of(&bytes) {
        Kind::Zip => package::parts(&bytes).map_err(unreadable),
        Kind::Hex => {
            let bytes = hex(&bytes).map_err(unreadable)?;
            Ok(vec![Part { name: path.display().to_string(), number: None, slot: None, bytes }])
        }
        _ => Ok(vec![Part { name: path.display().to_string(), number: None, slot: None, bytes }]),
    }
}

/// Returns the identity of an image whose hash is correct; otherwise the fault and the remedy.
fn checked(bytes: &[u8]) -> Result<ImageFile, (String, &'static str)> {
    let kind = Kind::of(bytes);
    if !matches!(kind, Kind::Image | Kind::BigEndian) {
        return Err((kind.name().to_owned(), kind.remedy()));
    }
    let file = ImageFile::read(&mut &*little(bytes)).map_err(|error| (error.to_string(), SIGNED))?;
    if file.flags().intersects(anysmp::mcuboot::Flags::NON_BOOTABLE) {
        return Err((FileError::NotBootable.to_string(), "Give the part of the application that is booted."));
    }
    match verify(&file, bytes) {
        // Only the device has the key.
        Ok(()) | Err(FileError::Encrypted) => Ok(file),
        Err(error) => Err((error.to_string(), "Build or download it again.")),
    }
}

/// Compares the hash that a file claims with its contents.
pub fn verify(file: &ImageFile, bytes: &[u8]) -> Result<(), FileError> {
    match file.hash_kind() {
        HashKind::Sha384 => file.verify(&mut &*bytes, &mut Long384(sha2::Sha384::new())),
        HashKind::Sha512 => file.verify(&mut &*bytes, &mut Long512(sha2::Sha512::new())),
        _ => file.verify(&mut &*bytes, &mut Sha256::new()),
    }
}

macro_rules! long {
    ($name:ident, $of:ty, $kind:expr) => {
        struct $name($of);

        impl Digest for $name {
            const KIND: HashKind = $kind;

            fn reset(&mut self) {
                self.0 = <$of>::new();
            }

            fn update(&mut self, bytes: &[u8]) {
                sha2::Digest::update(&mut self.0, bytes);
            }

            fn finish(&mut self) -> Hash {
                let digest = self.0.clone().finalize();
                Hash::new(&digest).unwrap_or_else(|| Sha256::of(&digest))
            }
        }
    };
}

long!(Long384, sha2::Sha384, HashKind::Sha384);
long!(Long512, sha2::Sha512, HashKind::Sha512);

/// The longest gap between two records that is filled: a file that describes several memories is
/// not an image.
const GAP: u64 = 0x10_0000;

/// The bytes of an Intel HEX file, from its lowest address on; gaps are filled with 0xFF.
fn hex(text: &[u8]) -> Result<Vec<u8>, String> {
    let (mut records, mut base) = (Vec::<(u64, Vec<u8>)>::new(), 0_u64);
    for (place, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let wrong = || format!("line {} of the HEX file is malformed", place + 1);
        let digits = line.strip_prefix(b":").and_then(|digits| std::str::from_utf8(digits).ok()).ok_or_else(wrong)?;
        let bytes = crate::json::from_hex(digits).ok_or_else(wrong)?;
        let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        let [len, high, low, kind, data @ .., _] = bytes.as_slice() else { return Err(wrong()) };
        if sum != 0 || data.len() != usize::from(*len) {
            return Err(wrong());
        }
        let word = |data: &[u8]| data.iter().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
        match kind {
            0 => records.push((base + word(&[*high, *low]), data.to_vec())),
            1 => break,
            2 => base = word(data) << 4,
            4 => base = word(data) << 16,
            3 | 5 => {}
            _ => return Err(wrong()),
        }
    }
    records.sort_by_key(|(at, _)| *at);
    let start = records.first().map_or(0, |(at, _)| *at);
    let mut image = Vec::new();
    for (at, data) in records {
        let at = at - start;
        let end = image.len() as u64;
        if at < end {
            return Err("two records of the HEX file describe the same address".to_owned());
        }
        if at - end > GAP {
            return Err("the HEX file describes several memories".to_owned());
        }
        image.resize(usize::try_from(at).unwrap_or(usize::MAX), 0xFF);
        image.extend_from_slice(&data);
    }
    Ok(image)
}
