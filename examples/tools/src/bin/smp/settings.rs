//! The commands of the settings group, and the erasure of the storage that holds them.

use anysmp::framing::Framing;
use anysmp::smp::settings::{Commit, Delete, Load, Read, Save, Setting, Write};
use anysmp::smp::zephyr::EraseStorage;
use anysmp::smp::{Empty, Request};
use anysmp_tools::outln as println;

use crate::cli::{Settings, ValueKind};
use crate::device::Device;
use crate::failure::Failure;
use crate::json::{from_hex, hex};

pub fn perform<F: Framing>(device: &mut Device<F>, command: &Settings) -> Result<(), Failure> {
    match command {
        Settings::Read { name, max_size } => read(device, name, *max_size),
        Settings::Write { name, value, kind } => {
            let value = bytes(value, *kind)?;
            let value = match kind {
                // Mynewt stores values as text.
                ValueKind::Mynewt => Setting::Text(anysmp::cbor::Text::from_bytes(&value)),
                _ => value.as_slice().into(),
            };
            simple(
                device,
                &Write { name: name.as_str().into(), value, save: None },
                "written; `settings save` keeps it",
            )
        }
        Settings::Delete { name } => simple(device, &Delete { name: name.as_str().into() }, "deleted"),
        Settings::Commit => simple(device, &Commit {}, "committed"),
        Settings::Load => simple(device, &Load {}, "loaded"),
        Settings::Save { name } => simple(device, &Save { name: name.as_deref().map(Into::into) }, "saved"),
    }
}

/// Erases the storage partition.
pub fn erase_storage<F: Framing>(device: &mut Device<F>) -> Result<(), Failure> {
    simple(device, &EraseStorage {}, "erased")
}

fn read<F: Framing>(device: &mut Device<F>, name: &str, max_size: Option<u32>) -> Result<(), Failure> {
    let output = device.output;
    let answer = device.call(&Read { name: name.into(), max_size })?;
    let value = answer.response.value.chunks().iter().collect::<Vec<_>>().concat();
    output.result(&answer.json(), || println!("{}", show(&value)));
    Ok(())
}

/// Makes a request whose response has no content.
pub fn simple<F, R>(device: &mut Device<F>, request: &R, done: &str) -> Result<(), Failure>
where
    F: Framing,
    R: for<'m> Request<Response<'m> = Empty>,
{
    let output = device.output;
    let answer = device.call(request)?;
    output.result(&answer.json(), || println!("{done}"));
    Ok(())
}

/// Formats a value in hex, and as text if it is text.
fn show(value: &[u8]) -> String {
    match std::str::from_utf8(value.strip_suffix(&[0]).unwrap_or(value)) {
        Ok(text) if !text.is_empty() && !text.contains(char::is_control) => format!("{}  {text:?}", hex(value)),
        _ if value.is_empty() => "(empty)".to_owned(),
        _ => hex(value),
    }
}

/// Returns the bytes of a value on the command line.
fn bytes(value: &str, kind: ValueKind) -> Result<Vec<u8>, Failure> {
    let number = || match value.strip_prefix("0x") {
        Some(digits) => i128::from_str_radix(digits, 16).ok(),
        None => value.parse::<i128>().ok(),
    };
    macro_rules! le {
        ($kind:ty) => {
            number().and_then(|n| <$kind>::try_from(n).ok()).map(|n| n.to_le_bytes().to_vec())
        };
    }
    let bytes = match kind {
        ValueKind::Text | ValueKind::Mynewt => Some(value.as_bytes().to_owned()),
        ValueKind::Hex => from_hex(value.strip_prefix("0x").unwrap_or(value)),
        ValueKind::U8 => le!(u8),
        ValueKind::U16 => le!(u16),
        ValueKind::U32 => le!(u32),
        ValueKind::U64 => le!(u64),
        ValueKind::I8 => le!(i8),
        ValueKind::I16 => le!(i16),
        ValueKind::I32 => le!(i32),
        ValueKind::I64 => le!(i64),
        ValueKind::Bool => match value {
            "true" | "1" => Some(vec![1]),
            "false" | "0" => Some(vec![0]),
            _ => None,
        },
    };
    bytes.ok_or_else(|| {
        Failure::Usage(format!("{value:?} is not a value of this kind"), "See --as in `settings write --help`.")
    })
}
