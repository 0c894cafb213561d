//! The commands of the image group.

use anysmp::framing::Framing;
use anysmp::mcuboot::Hash;
use anysmp::smp::image::{Erase, ImageState, ReadState, SlotInfo, StateResponse, WriteState};

use crate::cli::Image;
use crate::device::Device;
use crate::failure::Failure;
use crate::json;
use crate::output::{Output, table};

/// What to do about a wrong hash.
const LIST: &str = "Give the first hex digits of a hash that `image list` shows.";

pub fn perform<F: Framing>(device: &mut Device<F>, command: &Image) -> Result<(), Failure> {
    match command {
        Image::List => list(device),
        Image::Slots => slots(device),
        Image::Upload { .. } => todo!(),
        Image::Test { hash } => test(device, hash),
        Image::Confirm { hash } => confirm(device, hash.as_deref()),
        Image::Erase { slot } => erase(device, *slot),
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

/// The hash that begins with these digits: as the list of the device has it, or as it was given if it is complete.
fn find<F: Framing>(device: &mut Device<F>, digits: &str) -> Result<Hash, Failure> {
    let digits = digits.trim_end_matches('…').to_ascii_lowercase();
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(Failure::Usage(format!("{digits:?} is no hash"), LIST));
    }
    if let Some(hash) = whole(&digits) {
        return Ok(hash);
    }
    let answer = device.call(&ReadState {})?;
    let mut found: Vec<String> = answer.response.images.iter().filter_map(hash).collect();
    found.retain(|hash| hash.starts_with(&digits));
    // The same image may be in both slots.
    found.dedup();
    match found.as_slice() {
        [hash] => whole(hash).ok_or(Failure::Malformed),
        [] => Err(Failure::Usage(format!("no image on the device has a hash that begins with {digits}"), LIST)),
        _ => Err(Failure::Usage(format!("several images have a hash that begins with {digits}"), LIST)),
    }
}

/// A hash from all its digits.
fn whole(digits: &str) -> Option<Hash> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    let bytes: Option<Vec<u8>> = pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect();
    Hash::new(&bytes?).filter(|hash| hash.as_bytes().len() * 2 == digits.len())
}

/// The hash of a listed image in hex.
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
