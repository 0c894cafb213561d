//! Values as people write and read them.

use anysmp::s3mp::value::{self, Value};
use serde_json::{Map, Value as Json, json};

/// A value as JSON; a value that JSON cannot express becomes `"hex:…"`.
pub(crate) fn json(value: Value<'_>) -> Json {
    if let Ok(truth) = value.bool() {
        return truth.into();
    }
    if let Ok(number) = value.i64() {
        return number.into();
    }
    if let Ok(number) = value.u64() {
        return number.into();
    }
    if let Ok(number) = value.f64() {
        // An `f32` is shown with its own digits, not with those of the nearest `f64`.
        let short = (number as f32).to_string().parse().unwrap_or(number);
        return json!(if f64::from(number as f32) == number { short } else { number });
    }
    if let Ok(text) = value.text() {
        return text.to_string().into();
    }
    if let Ok(entries) = value.entries() {
        return Json::Object(entries.map(|(address, value)| (address.to_string(), json(value))).collect::<Map<_, _>>());
    }
    match value.bytes() {
        [] | [0xF6] => Json::Null,
        // Seconds since 1970.
        [0xC1, seconds @ ..] if Value::new(seconds).is_item() => json(Value::new(seconds)),
        bytes => format!("hex:{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()).into(),
    }
}

/// A value as text: as in JSON, but text has no quotes.
pub(crate) fn plain(value: Value<'_>) -> String {
    match json(value) {
        Json::String(text) => text,
        // JSON cannot express it.
        Json::Null if value.f64().is_ok() => value.f64().unwrap_or(f64::NAN).to_string(),
        Json::Null => "-".into(),
        other => other.to_string(),
    }
}

/// Reads a value from a command line: `true`, `12`, `-3.5`, `null`, `"text"`, `hex:f5`; anything
/// else is text.
pub(crate) fn parse(words: &str) -> Result<Vec<u8>, String> {
    if let Some(digits) = words.strip_prefix("hex:") {
        let pairs = digits.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap_or_default());
        return pairs
            .map(|pair| u8::from_str_radix(pair, 16))
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string());
    }
    let mut out = [0; 256];
    let written = match serde_json::from_str(words) {
        Ok(Json::Bool(truth)) => value::encode(truth, &mut out),
        Ok(Json::Null) => value::encode(None::<bool>, &mut out),
        Ok(Json::String(text)) => value::encode(text.as_str(), &mut out),
        Ok(Json::Number(number)) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => value::encode(number, &mut out),
            (_, Some(number)) => value::encode(number, &mut out),
            _ => value::encode(number.as_f64().unwrap_or(f64::NAN), &mut out),
        },
        _ => value::encode(words, &mut out),
    };
    written.map(|len| out[..len].to_vec()).map_err(|error| error.to_string())
}
