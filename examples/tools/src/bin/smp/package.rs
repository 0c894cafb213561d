//! `dfu_application.zip` of nRF Connect SDK: a manifest and its images, stored without compression.

#![expect(clippy::indexing_slicing, reason = "a JSON value that is not there is null")]

use serde_json::Value;

use crate::input::Part;

/// The signature of an entry in the list at the end of an archive.
const ENTRY: [u8; 4] = *b"PK\x01\x02";
/// The signature of the end.
const END: [u8; 4] = *b"PK\x05\x06";

/// The images that the manifest of a package names. If a boot loader starts images in place, the
/// package has a file for each slot of an image.
pub fn parts(zip: &[u8]) -> Result<Vec<Part>, String> {
    let files = files(zip).ok_or("the archive is damaged")?;
    let of = |name: &str| -> Result<&[u8], String> {
        let (_, method, bytes) =
            files.iter().find(|(known, ..)| known == name).ok_or_else(|| format!("the archive has no {name}"))?;
        if *method != 0 {
            return Err(format!("{name} is compressed in the archive: store it, for example with `zip -0`"));
        }
        Ok(bytes)
    };
    let manifest: Value =
        serde_json::from_slice(of("manifest.json")?).map_err(|error| format!("manifest.json: {error}"))?;
    match manifest["format-version"].as_u64() {
        Some(0 | 1) => {}
        _ => return Err(format!("the manifest has the unknown format {}", manifest["format-version"])),
    }
    let listed = manifest["files"].as_array().ok_or("the manifest lists no files")?;
    let mut parts = Vec::<Part>::new();
    for entry in listed {
        let name = entry["file"].as_str().ok_or("the manifest has a file without a name")?;
        let number = match &entry["image_index"] {
            Value::Null if listed.len() == 1 => Some(0),
            value => number(value),
        };
        let number = number.ok_or_else(|| format!("the manifest gives {name} no image_index"))?;
        let slot = slot(entry, number, listed);
        if parts.iter().any(|part| part.number == Some(number) && (part.slot == slot || slot.is_none())) {
            return Err(format!(
                "the package has several files for image {number} and does not say for which slot each of them is: \
                 unpack it and give that of the free slot"
            ));
        }
        let bytes = of(name)?;
        if entry["size"].as_u64().is_some_and(|size| size != bytes.len() as u64) {
            return Err(format!("{name} has another size than the manifest says"));
        }
        parts.push(Part { name: name.to_owned(), number: Some(number), slot, bytes: bytes.to_vec() });
    }
    if parts.is_empty() { Err("the manifest lists no files".to_owned()) } else { Ok(parts) }
}

/// Reads a number, which most versions of the script write as text.
fn number(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => match text.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        },
        value => value.as_u64().and_then(|number| u32::try_from(number).ok()),
    }
}

/// Returns the only slot from which a file can run, 0 or 1 of its image. A file that a boot loader
/// moves to where it runs has none.
fn slot(entry: &Value, image: u32, listed: &[Value]) -> Option<u32> {
    // The number counts the slots of all images.
    if let Some(slot) = number(&entry["slot"]) {
        return Some(slot % 2);
    }
    match (number(&entry["slot_index_primary"]), number(&entry["slot_index_secondary"])) {
        (Some(_), None) => return Some(0),
        (None, Some(_)) => return Some(1),
        _ => {}
    }
    // Of two files for different addresses, the one with the lower address is for the first slot.
    let address = number(&entry["load_address"])?;
    let its = listed.iter().filter(|other| number(&other["image_index"]).unwrap_or(0) == image);
    let addresses: Vec<u32> = its.filter_map(|other| number(&other["load_address"])).collect();
    match addresses.as_slice() {
        [one, other] if one != other => Some(u32::from(address > *one.min(other))),
        _ => None,
    }
}

/// Name, method of compression and bytes of a file.
type Entry<'z> = (String, u16, &'z [u8]);

/// Returns all files of an archive; `None` if it is damaged.
fn files(zip: &[u8]) -> Option<Vec<Entry<'_>>> {
    let end = zip.windows(4).rposition(|window| window == END)?;
    let (count, mut at) = (half(zip, end + 10)?, word(zip, end + 16)?);
    let mut files = Vec::new();
    for _ in 0..count {
        if zip.get(at..at + 4)? != ENTRY {
            return None;
        }
        let (method, len) = (half(zip, at + 10)?, word(zip, at + 20)?);
        let [name, extra, comment] = [28, 30, 32].map(|place| half(zip, at + place).map(usize::from));
        let (name, extra, comment) = (name?, extra?, comment?);
        let text = String::from_utf8_lossy(zip.get(at + 46..at + 46 + name)?).into_owned();
        let local = word(zip, at + 42)?;
        let start = local + 30 + usize::from(half(zip, local + 26)?) + usize::from(half(zip, local + 28)?);
        files.push((text, method, zip.get(start..start.checked_add(len)?)?));
        at += 46 + name + extra + comment;
    }
    Some(files)
}

fn half(zip: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(zip.get(at..at + 2)?.try_into().ok()?))
}

fn word(zip: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(zip.get(at..at + 4)?.try_into().ok()?)).ok()
}
