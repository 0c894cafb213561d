//! The commands of the image group.

use anysmp_tools::outln as println;
use std::ops::ControlFlow;
use std::path::Path;

use anysmp::framing::Framing;
use anysmp::mcuboot::Hash;
use anysmp::routine::Ended;
use anysmp::smp::image::{self, Erase, ImageState, ReadState, SlotInfo, StateResponse, WriteState};
use anysmp::smp::routine::{self, Upload, UploadOutcome, sha256};
use serde_json::json;

use crate::cli::{Checksum, Image};
use crate::device::Device;
use crate::failure::Failure;
use crate::input::{self, Part};
use crate::json;
use crate::output::{Output, table};
use crate::stop;

/// The remedy for a wrong hash.
const LIST: &str = "Give the first hex digits of a hash that `image list` shows.";

pub fn perform<F: Framing>(device: &mut Device<F>, command: &Image) -> Result<(), Failure> {
    match command {
        Image::List => list(device),
        Image::Slots => slots(device),
        Image::Upload { file, image, slot, upgrade_only, raw, checksum } => {
            let part = part(file, *raw, checksum.as_ref())?;
            let image = match slot {
                Some(slot) => Some(upload_id(device, *slot)?),
                None => image.or(part.number),
            };
            upload(device, &part.bytes, image, *upgrade_only)
        }
        Image::Test { hash } => test(device, hash),
        Image::Confirm { hash } => confirm(device, hash.as_deref()),
        Image::Erase { slot } => erase(device, *slot),
        // Needs no device, but is allowed within a terminal.
        Image::Make(options) => crate::make::perform(device.output, options),
        Image::Info(options) => crate::info::perform(device.output, options),
    }
}

fn list<F: Framing>(device: &mut Device<F>) -> Result<(), Failure> {
    let output = device.output;
    let answer = device.call(&ReadState {})?;
    output.result(&answer.json(), || print(output, &answer.response));
    Ok(())
}

fn slots<F: Framing>(device: &mut Device<F>) -> Result<(), Failure> {
    let output = device.output;
    let answer = device.call(&SlotInfo {})?;
    output.result(&answer.json(), || {
        let mut rows = Vec::new();
        for image in answer.response.images.iter() {
            for slot in image.slots.iter() {
                let size = match (slot.size, slot.rc) {
                    (Some(size), _) => size.to_string(),
                    (None, Some(rc)) => format!("error {rc}"),
                    (None, None) => "-".to_owned(),
                };
                let global = image.image.saturating_mul(2).saturating_add(slot.slot);
                let numbers = [image.image, slot.slot, global].map(|number| number.to_string());
                let [number, slot_number, global] = numbers;
                let upload = slot.upload_image_id.map_or_else(|| "-".to_owned(), |id| id.to_string());
                let max = image.max_image_size.map_or_else(|| "-".to_owned(), |size| size.to_string());
                rows.push([number, slot_number, global, size, max, upload]);
            }
        }
        table(["IMAGE", "SLOT", "GLOBAL", "BYTES", "LARGEST IMAGE", "UPLOAD AS"], &rows);
    });
    Ok(())
}

fn upload<F: Framing>(device: &mut Device<F>, file: &[u8], image: Option<u32>, upgrade: bool) -> Result<(), Failure> {
    let mut upload = prepare(device, file)?.with_upgrade_only(upgrade);
    if let Some(image) = image {
        upload = upload.with_image(image);
    }
    let mut progress = device.output.progress(file.len() as u64);
    let lasts = !device.is_simulated();
    let ended = device.run(&mut upload, |event| {
        progress.at(event.off);
        if lasts {
            stop::at(uploading(event.off, event.len), GOES_ON);
        }
        ControlFlow::Continue(())
    })?;
    stop::over();
    let Ended::Done(report) = ended else { return Err(Failure::Closed) };
    let (already_present, verified) = match report.outcome {
        UploadOutcome::Done { already_present, verified } => (already_present, verified),
        UploadOutcome::Failed(error) => return Err(Failure::of_job::<image::Upload<'_>>(error)),
        _ => return Err(Failure::Closed),
    };
    let seconds = progress.finish();
    device.note_window(report.window, report.len);
    let json = json!({
        "off": report.off, "len": report.len, "sent": report.sent, "repeats": report.repeats, "seconds": seconds,
        "already_present": already_present, "match": verified,
    });
    device.output.result(&json, || {
        if already_present {
            println!("the device already had this image");
        } else {
            println!("{}", rate(report.len, seconds));
            if report.repeats > 0 {
                println!("{} pieces were sent more than once: {} bytes in all", report.repeats, report.sent);
            }
        }
        if verified {
            println!("the device compared what it stored");
        }
    });
    Ok(())
}

/// Prepares an upload of this file, with the options of the command line.
fn prepare<'f, F: Framing>(device: &Device<F>, file: &'f [u8]) -> Result<Upload<&'f [u8]>, Failure> {
    let mut upload = Upload::new(file).with_pacing(device.pacing());
    let sha = sha256(upload.source(), file.len() as u64).map_err(routine::Error::from);
    Ok(upload.with_sha(sha.map_err(Failure::of_job::<image::Upload<'_>>)?))
}

/// Describes the progress of an upload.
pub fn uploading(off: u64, len: u64) -> String {
    format!("uploading the image: the device has {off} of {len} bytes")
}

/// The remedy for an upload that ended early.
pub const GOES_ON: &str = "The same command continues there.";

/// Formats a data rate.
pub fn rate(bytes: u64, seconds: f64) -> String {
    format!("{bytes} bytes in {seconds:.1} s: {:.1} KiB/s", bytes as f64 / seconds.max(0.001) / 1024.0)
}

/// Returns the only image of a file; with `raw`, of any file at all.
fn part(path: &Path, raw: bool, checksum: Option<&Checksum>) -> Result<Part, Failure> {
    if raw {
        let bytes = input::compared(path, checksum)?;
        return Ok(Part { name: path.display().to_string(), number: None, slot: None, bytes });
    }
    let mut parts = input::images(path, checksum)?;
    match (parts.pop(), parts.is_empty()) {
        (Some(part), true) => Ok(part),
        _ => {
            let text = format!("{} has several images", path.display());
            Err(Failure::Usage(text, "`upgrade` uploads and starts all of them."))
        }
    }
}

/// Returns the number `image` with which an upload reaches the slot with this global number.
fn upload_id<F: Framing>(device: &mut Device<F>, slot: u32) -> Result<u32, Failure> {
    let answer = device.call(&SlotInfo {})?;
    let mut images = answer.response.images.iter();
    let slots = images.find(|image| image.image == slot / 2).map(|image| image.slots);
    match slots.and_then(|slots| slots.iter().find(|info| info.slot == slot % 2)) {
        Some(image::Slot { upload_image_id: Some(id), .. }) => Ok(id),
        Some(_) => {
            Err(Failure::Usage(format!("slot {slot} accepts no uploads"), "See the column UPLOAD AS of `image slots`."))
        }
        None => Err(Failure::Usage(format!("there is no slot {slot}"), "See the column GLOBAL of `image slots`.")),
    }
}

fn test<F: Framing>(device: &mut Device<F>, hash: &str) -> Result<(), Failure> {
    let hash = find(device, hash)?;
    write(device, Some(&hash), false)
}

fn confirm<F: Framing>(device: &mut Device<F>, hash: Option<&str>) -> Result<(), Failure> {
    let hash = hash.map(|hash| find(device, hash)).transpose()?;
    write(device, hash.as_ref(), true)
}

fn write<F: Framing>(device: &mut Device<F>, hash: Option<&Hash>, confirm: bool) -> Result<(), Failure> {
    let output = device.output;
    let answer = device.call(&WriteState { hash: hash.map(|hash| hash.as_bytes().into()), confirm })?;
    output.result(&answer.json(), || print(output, &answer.response));
    Ok(())
}

fn erase<F: Framing>(device: &mut Device<F>, slot: Option<u32>) -> Result<(), Failure> {
    let output = device.output;
    let answer = device.call(&Erase { slot })?;
    output.result(&answer.json(), || println!("erased"));
    Ok(())
}

/// Returns the hash that begins with these digits, from the list of the device; a complete hash
/// need not be in the list.
fn find<F: Framing>(device: &mut Device<F>, digits: &str) -> Result<Hash, Failure> {
    let digits = digits.trim_end_matches('…').to_ascii_lowercase();
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(Failure::Usage(format!("{digits:?} is not a hash"), LIST));
    }
    if let Some(hash) = whole(&digits) {
        return Ok(hash);
    }
    let answer = device.call(&ReadState {})?;
    let mut found: Vec<String> = answer.response.images.iter().filter_map(hash).collect();
    found.retain(|hash| hash.starts_with(&digits));
    // The same image may be in both slots, or under several numbers.
    found.sort();
    found.dedup();
    match found.as_slice() {
        [hash] => {
            whole(hash).ok_or_else(|| Failure::Nonsense("the device lists a hash with the wrong length".to_owned()))
        }
        [] => Err(Failure::Usage(format!("no image on the device has a hash that begins with {digits}"), LIST)),
        _ => Err(Failure::Usage(format!("several images have a hash that begins with {digits}"), LIST)),
    }
}

/// Parses a hash from all its digits.
fn whole(digits: &str) -> Option<Hash> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    let bytes: Option<Vec<u8>> = pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect();
    Hash::new(&bytes?).filter(|hash| hash.as_bytes().len() * 2 == digits.len())
}

/// Returns the hash of a listed image in hex.
pub fn hash(image: ImageState<'_>) -> Option<String> {
    image.hash.map(|hash| json::hex(&hash.chunks().iter().collect::<Vec<_>>().concat()))
}

/// Prints a list of images.
pub fn print(output: Output, state: &StateResponse<'_>) {
    if state.images.is_empty() {
        println!("no images");
        return;
    }
    let row = |image: ImageState<'_>| {
        let flags = [
            (image.active, "active"),
            (image.confirmed, "confirmed"),
            (image.pending, "pending"),
            (image.permanent, "permanent"),
            (image.bootable, "bootable"),
        ];
        let flags: Vec<&str> = flags.into_iter().filter_map(|(set, name)| set.then_some(name)).collect();
        [
            image.image.unwrap_or(0).to_string(),
            image.slot.to_string(),
            image.version.to_string(),
            hash(image).map_or_else(|| "-".to_owned(), |hash| output.hash(&hash)),
            flags.join(" "),
        ]
    };
    let rows: Vec<_> = state.images.iter().map(row).collect();
    table(["IMAGE", "SLOT", "VERSION", "HASH", "FLAGS"], &rows);
}
