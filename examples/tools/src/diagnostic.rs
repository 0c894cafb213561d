//! CBOR as text and back: the diagnostic notation of RFC 8949, section 8, as far as SMP needs it.
//!
//! ```text
//!   {"name": "a/b", "val": h'01ff', "n": [1, -2, true, null]}
//! ```
//!
//! All printed text can be parsed and yields the same item again: maps, arrays, text, `h'…'` (also
//! with spaces between the digits), integers (also in hex), tags as `1(…)`, `simple(…)`, `true`,
//! `false`, `null`, `undefined`, and numbers with a fraction or an exponent: 64-bit ones as `1.5`,
//! 32-bit ones as `1.5_2`, 16-bit ones as `1.5_1`. Strings in chunks and items of indefinite length
//! are written in one piece.

use minicbor::data::Type;
use minicbor::decode::{Decoder, Error};

use crate::json::{from_hex, hex, more, text};

/// The deepest nesting of maps and arrays.
const DEPTH: usize = 16;

/// A payload as text.
pub fn print(payload: &[u8]) -> String {
    if payload.is_empty() {
        return "{}".to_owned();
    }
    let mut decoder = Decoder::new(payload);
    match value(&mut decoder, DEPTH) {
        Ok(text) if decoder.position() == payload.len() => text,
        Ok(text) => format!("{text} / then {} /", hex(payload.get(decoder.position()..).unwrap_or_default())),
        Err(error) => format!("/ not CBOR: {error}: {} /", hex(payload)),
    }
}

/// Returns the position where a payload stops being CBOR, and the reason; an empty payload counts
/// as an empty map.
pub fn flaw(payload: &[u8]) -> Option<(usize, String)> {
    let mut decoder = Decoder::new(payload);
    match value(&mut decoder, DEPTH) {
        _ if payload.is_empty() => None,
        Ok(_) if decoder.position() == payload.len() => None,
        Ok(_) => Some((decoder.position(), format!("{} bytes after the end", payload.len() - decoder.position()))),
        Err(error) => Some((decoder.position(), format!("not CBOR: {error}"))),
    }
}

fn value(decoder: &mut Decoder<'_>, depth: usize) -> Result<String, Error> {
    let depth = depth.checked_sub(1).ok_or(Error::message("nested too deep"))?;
    Ok(match decoder.datatype()? {
        Type::Bool => decoder.bool()?.to_string(),
        Type::Null => decoder.null().map(|()| "null".to_owned())?,
        Type::Undefined => decoder.undefined().map(|()| "undefined".to_owned())?,
        Type::F16 => format!("{}_1", named(format!("{:?}", half(decoder)?))),
        Type::F32 => format!("{}_2", named(format!("{:?}", decoder.f32()?))),
        Type::F64 => named(format!("{:?}", decoder.f64()?)),
        Type::Simple => format!("simple({})", decoder.simple()?),
        // JSON escapes text in the same way as the notation.
        Type::String | Type::StringIndef => serde_json::Value::from(text(decoder)?).to_string(),
        Type::Bytes | Type::BytesIndef => {
            let pieces: Vec<&[u8]> = decoder.bytes_iter()?.collect::<Result<_, _>>()?;
            format!("h'{}'", hex(&pieces.concat()))
        }
        Type::Array | Type::ArrayIndef => {
            let len = decoder.array()?;
            let mut all = Vec::new();
            while more(decoder, len, all.len())? {
                all.push(value(decoder, depth)?);
            }
            format!("[{}]", all.join(", "))
        }
        Type::Map | Type::MapIndef => {
            let len = decoder.map()?;
            let mut all = Vec::new();
            while more(decoder, len, all.len())? {
                let key = value(decoder, depth)?;
                all.push(format!("{key}: {}", value(decoder, depth)?));
            }
            format!("{{{}}}", all.join(", "))
        }
        Type::Tag => {
            let tag = decoder.tag()?.as_u64();
            format!("{tag}({})", value(decoder, depth)?)
        }
        _ => i128::from(decoder.int()?).to_string(),
    })
}

/// Replaces Rust's name for an infinite number with that of the notation.
fn named(number: String) -> String {
    number.replace("inf", "Infinity")
}

/// Reads a 16-bit float, for which `minicbor` needs a feature.
pub fn half(decoder: &mut Decoder<'_>) -> Result<f64, Error> {
    let at = decoder.position();
    decoder.skip()?;
    let Some(&[_, high, low]) = decoder.input().get(at..decoder.position()) else {
        return Err(Error::message("a half float is cut off"));
    };
    Ok(value_of_half(u16::from_be_bytes([high, low])))
}

/// The value of a 16-bit float.
fn value_of_half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1F), f64::from(bits & 0x3FF));
    let size = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { size } else { -size }
}

/// A number with a fraction, of 16 (`_1`), 32 (`_2`) or 64 bits; `None` if it does not fit exactly.
fn float(number: f64, suffix: &str) -> Option<Vec<u8>> {
    let same = |other: f64| other.to_bits() == number.to_bits() || (other.is_nan() && number.is_nan());
    match suffix {
        "1" => {
            let bits = (0..=u16::MAX).find(|bits| same(value_of_half(*bits)))?;
            Some([&[0xF9][..], &bits.to_be_bytes()].concat())
        }
        #[expect(clippy::cast_possible_truncation, reason = "as printed, which need not be exact in 64 bits")]
        "2" => Some([&[0xFA][..], &(number as f32).to_be_bytes()].concat()),
        "" | "3" => Some([&[0xFB][..], &number.to_be_bytes()].concat()),
        _ => None,
    }
}

/// Reads text. The error names the mistake and its position.
pub fn parse(text: &str) -> Result<Vec<u8>, String> {
    let mut parser = Parser { text, rest: text };
    let bytes = parser.value(DEPTH)?;
    if parser.rest.trim().is_empty() { Ok(bytes) } else { parser.wrong("the end") }
}

struct Parser<'t> {
    text: &'t str,
    rest: &'t str,
}

impl Parser<'_> {
    fn wrong<T>(&self, wanted: &str) -> Result<T, String> {
        let at = self.text.len() - self.rest.trim_start().len();
        Err(format!("expected {wanted} at byte {at} of {:?}", self.text))
    }

    /// Consumes `token` if it comes next.
    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn value(&mut self, depth: usize) -> Result<Vec<u8>, String> {
        let Some(depth) = depth.checked_sub(1) else { return self.wrong("less nesting") };
        if self.take("{") {
            self.list("}", 5, |parser| {
                let mut pair = parser.value(depth)?;
                if !parser.take(":") {
                    return parser.wrong("a colon");
                }
                pair.extend(parser.value(depth)?);
                Ok(pair)
            })
        } else if self.take("[") {
            self.list("]", 4, |parser| parser.value(depth))
        } else if self.take("h'") {
            let dense = |digits: &str| digits.split_whitespace().collect::<String>();
            let digits = self.rest.split_once('\'').and_then(|(digits, rest)| Some((from_hex(&dense(digits))?, rest)));
            let Some((bytes, rest)) = digits else { return self.wrong("pairs of hex digits and a quote") };
            self.rest = rest;
            Ok(item(2, &bytes))
        } else if self.rest.trim_start().starts_with('"') {
            let mut texts = serde_json::Deserializer::from_str(self.rest).into_iter::<String>();
            let Some(Ok(text)) = texts.next() else { return self.wrong("a text in quotes") };
            self.rest = self.rest.get(texts.byte_offset()..).unwrap_or_default();
            Ok(item(3, text.as_bytes()))
        } else if self.take("simple(") {
            let (digits, rest) = self.rest.split_once(')').unwrap_or((self.rest, ""));
            let bytes = match digits.trim().parse() {
                Ok(number @ (0..20 | 32..=255)) => head(7, number),
                _ => return self.wrong("a number that simple values have, and a bracket"),
            };
            self.rest = rest;
            Ok(bytes)
        } else {
            let word = self.word()?;
            // A number in front of a bracket is a tag.
            match word.first() {
                Some(0..0x20) if self.rest.starts_with('(') => {
                    self.rest = self.rest.get(1..).unwrap_or_default();
                    let tagged = self.value(depth)?;
                    if !self.take(")") {
                        return self.wrong("a bracket");
                    }
                    let major = word.iter().take(1).map(|first| first | 0xC0);
                    Ok(major.chain(word.iter().skip(1).copied()).chain(tagged).collect())
                }
                _ => Ok(word),
            }
        }
    }

    fn list(
        &mut self,
        end: &str,
        major: u8,
        mut entry: impl FnMut(&mut Self) -> Result<Vec<u8>, String>,
    ) -> Result<Vec<u8>, String> {
        let (mut entries, mut bytes) = (0, Vec::new());
        while !self.take(end) {
            if entries > 0 && !self.take(",") {
                return self.wrong(&format!("a comma or {end}"));
            }
            bytes.extend(entry(self)?);
            entries += 1;
        }
        Ok([head(major, entries), bytes].concat())
    }

    /// A number or a name.
    fn word(&mut self) -> Result<Vec<u8>, String> {
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-+._".contains(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let (number, suffix) = word.split_once('_').unwrap_or((word, ""));
        let is_fraction = !number.contains("0x") && number.contains(['.', 'e', 'E']);
        let fraction = match number {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ if is_fraction && number.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit()) => {
                number.parse().ok()
            }
            _ => None,
        };
        let bytes = match word {
            "false" => vec![0xF4],
            "true" => vec![0xF5],
            "null" => vec![0xF6],
            "undefined" => vec![0xF7],
            _ if fraction.is_some() => match fraction.and_then(|number| float(number, suffix)) {
                Some(bytes) => bytes,
                None => return self.wrong("a number that fits, and _1, _2 or nothing after it"),
            },
            _ => {
                let (digits, major) = word.strip_prefix('-').map_or((word, 0), |digits| (digits, 1));
                let number = match digits.strip_prefix("0x") {
                    Some(digits) => u64::from_str_radix(digits, 16).ok(),
                    None => digits.parse().ok(),
                };
                match (major, number) {
                    (0, Some(number)) => head(0, number),
                    (_, Some(0)) => head(0, 0),
                    (_, Some(number)) => head(1, number - 1),
                    (_, None) => return self.wrong("a value"),
                }
            }
        };
        self.rest = after;
        Ok(bytes)
    }
}

/// A byte string or a text string.
fn item(major: u8, bytes: &[u8]) -> Vec<u8> {
    [&head(major, bytes.len() as u64), bytes].concat()
}

/// Major type and argument, in the shortest form.
fn head(major: u8, argument: u64) -> Vec<u8> {
    let (info, bytes) = match argument {
        0..24 => (argument.to_le_bytes()[0], 0),
        24..0x100 => (24, 1),
        0x100..0x1_0000 => (25, 2),
        0x1_0000..0x1_0000_0000 => (26, 4),
        _ => (27, 8),
    };
    let argument = argument.to_be_bytes();
    [&[major << 5 | info], argument.get(8 - bytes..).unwrap_or_default()].concat()
}
