//! Any CBOR payload as JSON: byte strings become hex.

use minicbor::data::Type;
use minicbor::decode::{Decoder, Error};
use serde_json::{Map, Value};

/// The deepest nesting of maps and arrays.
const DEPTH: usize = 16;

/// A payload as JSON; unreadable parts become null. An empty payload counts as an empty map.
pub fn from_cbor(payload: &[u8]) -> Value {
    if payload.is_empty() {
        return Value::Object(Map::new());
    }
    read(&mut Decoder::new(payload), DEPTH).unwrap_or(Value::Null)
}

/// Bytes in hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes from hex, in pairs of digits.
pub fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(char::from(*high).to_digit(16)? << 4 | char::from(*low).to_digit(16)?).ok(),
        _ => None,
    };
    digits.as_bytes().chunks(2).map(pair).collect()
}

fn read(decoder: &mut Decoder<'_>, depth: usize) -> Result<Value, Error> {
    let depth = depth.checked_sub(1).ok_or(Error::message("nested too deep"))?;
    Ok(match decoder.datatype()? {
        Type::Bool => decoder.bool()?.into(),
        Type::F16 => crate::diagnostic::half(decoder)?.into(),
        Type::Null | Type::Undefined => {
            decoder.skip()?;
            Value::Null
        }
        Type::F32 => decoder.f32()?.into(),
        Type::F64 => decoder.f64()?.into(),
        Type::String | Type::StringIndef => Value::String(text(decoder)?),
        Type::Bytes | Type::BytesIndef => {
            let pieces: Vec<&[u8]> = decoder.bytes_iter()?.collect::<Result<_, _>>()?;
            hex(&pieces.concat()).into()
        }
        Type::Array | Type::ArrayIndef => {
            let len = decoder.array()?;
            let mut array = Vec::new();
            while more(decoder, len, array.len())? {
                array.push(read(decoder, depth)?);
            }
            array.into()
        }
        Type::Map | Type::MapIndef => {
            let len = decoder.map()?;
            let (mut map, mut seen) = (Map::new(), 0);
            while more(decoder, len, seen)? {
                let key = match decoder.datatype()? {
                    Type::String | Type::StringIndef => text(decoder)?,
                    _ => read(decoder, depth)?.to_string(),
                };
                map.insert(key, read(decoder, depth)?);
                seen += 1;
            }
            map.into()
        }
        Type::Tag => {
            decoder.tag()?;
            read(decoder, depth)?
        }
        _ => {
            let number = i128::from(decoder.int()?);
            let unsigned = u64::try_from(number).map(Value::from);
            unsigned.or_else(|_| i64::try_from(number).map(Value::from)).unwrap_or_else(|_| number.to_string().into())
        }
    })
}

/// Text in one piece or in several.
pub fn text(decoder: &mut Decoder<'_>) -> Result<String, Error> {
    decoder.str_iter()?.collect()
}

/// Returns true if a map or an array has another entry.
pub fn more(decoder: &mut Decoder<'_>, len: Option<u64>, seen: usize) -> Result<bool, Error> {
    Ok(match len {
        Some(len) => (seen as u64) < len,
        None if decoder.datatype()? == Type::Break => {
            decoder.skip()?;
            false
        }
        None => true,
    })
}
