//! Shows the identity that an image file claims, and whether its hash is right.

use std::path::{Path, PathBuf};

use anysmp::mcuboot::tlv::{Kind as Tlv, Tlvs};
use anysmp::mcuboot::{FileError, Flags, Image, ImageFile};
use anysmp_tools::outln as println;
use clap::Args;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::input::{self, Kind, Part};
use crate::json::hex;
use crate::output::Output;

/// The options of `image info`.
#[derive(Args)]
pub struct Info {
    /// The file: an image, a HEX file, a package; `-` for the standard input
    pub file: PathBuf,
    /// Check whether it fits a slot of this many bytes
    #[arg(long, value_name = "N", value_parser = crate::make::number)]
    slot_size: Option<u32>,
}

pub fn perform(output: Output, options: &Info) -> Result<(), Failure> {
    let parts = input::parts(&options.file)?;
    let all: Vec<Value> = parts.iter().map(|part| describe(part, options.slot_size)).collect();
    let json = json!({ "file": options.file.display().to_string(), "images": all });
    output.result(&json, || {
        for (part, value) in parts.iter().zip(&all) {
            println!("{}", part.name);
            show(value);
        }
    });
    let bad = |value: &&Value| value["fault"].is_string();
    match all.iter().find(bad) {
        Some(value) => {
            let text = value["fault"].as_str().unwrap_or_default().to_owned();
            Err(Failure::File(options.file.clone(), text, "No device would start it."))
        }
        None => Ok(()),
    }
}

/// Returns a part as named values; `fault` if no device would start it.
fn describe(part: &Part, slot_size: Option<u32>) -> Value {
    let kind = Kind::of(&part.bytes);
    let mut value = json!({ "name": part.name, "image": part.number, "slot": part.slot, "format": kind.name(), "bytes": part.bytes.len() });
    let Some(map) = value.as_object_mut() else { return value };
    let (file, image) = match (ImageFile::read(&mut part.bytes.as_slice()), Image::parse(&part.bytes)) {
        (Ok(file), Ok(image)) => (file, image),
        (Err(error), _) => {
            map.insert("fault".into(), error.to_string().into());
            return value;
        }
        (_, Err(error)) => {
            map.insert("fault".into(), error.to_string().into());
            return value;
        }
    };
    let header = image.header();
    let verdict = input::verify(&file, &part.bytes);
    let names = [
        (Flags::ENCRYPTED, "encrypted"),
        (Flags::NON_BOOTABLE, "never booted by itself"),
        (Flags::RAM_LOAD, "copied to RAM"),
        (Flags::ROM_FIXED, "runs from its load address only"),
        (Flags::COMPRESSED, "compressed"),
    ];
    let flags: Vec<&str> =
        names.iter().filter(|(flag, _)| header.flags().intersects(*flag)).map(|(_, name)| *name).collect();
    let is_signature = |kind: Tlv| matches!(kind.0, 0x20..=0x24);
    let signature = image.tlvs().flatten().find(|tlv| is_signature(tlv.kind)).map(|tlv| format!("{:?}", tlv.kind));
    map.insert("version".into(), file.version().to_string().into());
    map.insert("hash".into(), hex(file.hash()).into());
    map.insert("hash_kind".into(), format!("{:?}", file.hash_kind()).into());
    map.insert("hash_is_true".into(), verdict.is_ok().into());
    map.insert("len".into(), file.len().into());
    map.insert("header_len".into(), header.header_len().into());
    map.insert("body_len".into(), header.body_len().into());
    map.insert("load_address".into(), header.load_address().into());
    map.insert("flags".into(), json!(flags));
    map.insert("signature".into(), signature.into());
    map.insert("protected_tlvs".into(), tlvs(image.protected()));
    map.insert("tlvs".into(), tlvs(image.tlvs()));
    let fault = match verdict {
        _ if header.flags().intersects(Flags::NON_BOOTABLE) => Some(FileError::NotBootable.to_string()),
        Err(FileError::Encrypted) => {
            map.insert("hash_is_true".into(), Value::Null);
            None
        }
        Err(error) => Some(error.to_string()),
        Ok(()) => slot_size
            .filter(|size| u64::from(*size) < file.len())
            .map(|size| format!("{} bytes do not fit a slot of {size}", file.len())),
    };
    if let Some(fault) = fault {
        map.insert("fault".into(), fault.into());
    }
    value
}

fn tlvs(tlvs: Tlvs<'_>) -> Value {
    tlvs.flatten()
        .map(|tlv| json!({ "type": tlv.kind.0, "name": format!("{:?}", tlv.kind), "value": hex(tlv.value) }))
        .collect()
}

fn show(value: &Value) {
    let Some(map) = value.as_object() else { return };
    for (key, value) in map.iter().filter(|(key, value)| *key != "name" && !value.is_null()) {
        let key = key.replace('_', " ");
        match value {
            Value::Array(list) if list.iter().all(Value::is_object) => {
                for tlv in list {
                    let text = tlv["value"].as_str().unwrap_or_default();
                    println!("  {key:14}  {}  {text}", tlv["name"].as_str().unwrap_or_default());
                }
            }
            Value::Array(list) => {
                let list: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
                println!("  {key:14}  {}", if list.is_empty() { "none".to_owned() } else { list.join(", ") });
            }
            Value::String(text) => println!("  {key:14}  {text}"),
            value => println!("  {key:14}  {value}"),
        }
    }
}

/// Returns true if a path stands for the standard input or output.
pub fn is_stream(path: &Path) -> bool {
    path == Path::new("-")
}
