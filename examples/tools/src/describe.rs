//! Descriptions of a device's values: a small file that gives each a name, a type and a unit, for
//! BSMP and S3MP alike.
//!
//! ```text
//! # id  name         type       unit
//!   0   status       u16
//!   1   setpoint     f32        A
//!   3   firmware     char[128]
//!   4   counts       u16be[4]   1/s
//! ```
//!
//! The id is that of a variable of BSMP, or an address of S3MP. A type is `u8` to `u64`, `i8` to
//! `i64`, `f32`, `f64` or `bool`; `[N]` after a type means N values of it. `char[N]` is text.
//!
//! * In BSMP numbers are little endian unless `be` follows the type, and text ends at its first
//!   zero.
//! * In S3MP values carry their own type (CBOR), so a type is only a limit. `text` is text of any
//!   length, `any` is any value that the slave sends.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use anysmp::bsmp::typed::{Be, Field};
use serde_json::{Value, json};

use crate::failure::Failure;

/// The maximum number of bytes of a BSMP variable, and of values of a list.
const MOST: usize = 128;
/// The remedy for a line that is not a description.
const REMEDY: &str = "A line is an id, a name, a type and perhaps a unit, for example: 1 setpoint f32 A";

/// The type of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scalar {
    /// Any item of CBOR.
    Any,
    /// Text of any length.
    Text,
    Char,
    Bool,
    Unsigned(u8),
    Signed(u8),
    Float(u8),
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Type {
    scalar: Scalar,
    big: bool,
    /// The number of values; `None` for a single one.
    count: Option<usize>,
}

/// A variable or an address, and the meaning of its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its id, or its address.
    pub id: u8,
    /// Its name.
    pub name: String,
    /// The type of its value.
    pub kind: Type,
    /// The unit; may be empty.
    pub unit: String,
}

/// The variables of a node, or the addresses of a slave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// The variables, as they are in the file.
    pub variables: Vec<Variable>,
}

impl FromStr for Type {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a type, such as u16, f32be, i8[4], bool or char[16]");
        let (name, count) = match text.split_once('[') {
            Some((name, count)) => {
                let count = count.strip_suffix(']').and_then(|count| count.parse().ok());
                (name, Some(count.filter(|count| (1..=MOST).contains(count)).ok_or_else(wrong)?))
            }
            None => (text, None),
        };
        let (name, big) = name.strip_suffix("be").map_or((name, false), |name| (name, true));
        let scalar = match name {
            "any" => Scalar::Any,
            "text" => Scalar::Text,
            "char" => Scalar::Char,
            "bool" => Scalar::Bool,
            "u8" => Scalar::Unsigned(1),
            "u16" => Scalar::Unsigned(2),
            "u32" => Scalar::Unsigned(4),
            "u64" => Scalar::Unsigned(8),
            "i8" => Scalar::Signed(1),
            "i16" => Scalar::Signed(2),
            "i32" => Scalar::Signed(4),
            "i64" => Scalar::Signed(8),
            "f32" => Scalar::Float(4),
            "f64" => Scalar::Float(8),
            _ => return Err(wrong()),
        };
        let is_alone = matches!(scalar, Scalar::Any | Scalar::Text);
        let has_order = !is_alone && !matches!(scalar, Scalar::Char | Scalar::Bool);
        if (big && !has_order) || (is_alone && count.is_some()) || (scalar == Scalar::Char && count.is_none()) {
            return Err(wrong());
        }
        Ok(Self { scalar, big, count })
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scalar {
            Scalar::Any => f.write_str("any")?,
            Scalar::Text => f.write_str("text")?,
            Scalar::Char => f.write_str("char")?,
            Scalar::Bool => f.write_str("bool")?,
            Scalar::Unsigned(size) => write!(f, "u{}", u32::from(size) * 8)?,
            Scalar::Signed(size) => write!(f, "i{}", u32::from(size) * 8)?,
            Scalar::Float(size) => write!(f, "f{}", u32::from(size) * 8)?,
        }
        if self.big {
            f.write_str("be")?;
        }
        self.count.map_or(Ok(()), |count| write!(f, "[{count}]"))
    }
}

/// Converts bytes to a number and back.
macro_rules! number {
    ($scalar:expr, $big:expr, |$type:ident| $then:expr) => {{
        macro_rules! both {
            ($number:ty) => {{
                if $big {
                    type $type = Be<$number>;
                    $then
                } else {
                    type $type = $number;
                    $then
                }
            }};
        }
        match $scalar {
            Scalar::Unsigned(2) => both!(u16),
            Scalar::Unsigned(4) => both!(u32),
            Scalar::Unsigned(8) => both!(u64),
            Scalar::Signed(1) => both!(i8),
            Scalar::Signed(2) => both!(i16),
            Scalar::Signed(4) => both!(i32),
            Scalar::Signed(_) => both!(i64),
            Scalar::Float(4) => both!(f32),
            Scalar::Float(_) => both!(f64),
            _ => both!(u8),
        }
    }};
}

/// The conversions of a number to text and back.
trait Number: Field {
    fn json(self) -> Value;
    fn of(text: &str) -> Option<Self>;
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Number for $number {
            fn json(self) -> Value {
                json!(self)
            }
            fn of(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
        impl Number for Be<$number> {
            fn json(self) -> Value {
                json!(self.0)
            }
            fn of(text: &str) -> Option<Self> {
                text.parse().ok().map(Self)
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64, i8, i16, i32, i64, f64);

impl Number for f32 {
    fn json(self) -> Value {
        single(self)
    }
    fn of(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Number for Be<f32> {
    fn json(self) -> Value {
        single(self.0)
    }
    fn of(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

/// Converts an `f32` with the digits that it has, not with those of the nearest `f64`: 3.3, and not
/// 3.299999952316284.
pub fn single(number: f32) -> Value {
    json!(number.to_string().parse::<f64>().unwrap_or(f64::NAN))
}

impl Type {
    const fn width(self) -> usize {
        match self.scalar {
            Scalar::Char | Scalar::Bool => 1,
            Scalar::Any | Scalar::Text => 0,
            Scalar::Unsigned(size) | Scalar::Signed(size) | Scalar::Float(size) => size as usize,
        }
    }

    /// The size of a value in bytes.
    pub const fn size(self) -> usize {
        self.width().saturating_mul(match self.count {
            Some(count) => count,
            None => 1,
        })
    }

    /// Returns the value of its bytes, or `Err` if their number is not the size of the type.
    pub fn value(self, bytes: &[u8]) -> Result<Value, String> {
        if bytes.len() != self.size() {
            return Err(format!("{} bytes cannot be read as {self}", bytes.len()));
        }
        if self.scalar == Scalar::Char {
            let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
            return Ok(json!(String::from_utf8_lossy(text)));
        }
        let one = |bytes: &[u8]| -> Value {
            if self.scalar == Scalar::Bool {
                return json!(bytes != [0]);
            }
            number!(self.scalar, self.big, |T| T::parse(bytes).map_or(Value::Null, Number::json))
        };
        Ok(match self.count {
            None => one(bytes),
            Some(_) => bytes.chunks(self.width()).map(one).collect(),
        })
    }

    /// The value as text for people.
    pub fn text(self, bytes: &[u8]) -> String {
        match self.value(bytes) {
            // JSON has neither NaN nor infinity.
            Ok(Value::Null) => self.float(bytes),
            Ok(Value::Array(list)) if list.contains(&Value::Null) => {
                bytes.chunks(self.width()).map(|bytes| self.float(bytes)).collect::<Vec<_>>().join(" ")
            }
            Ok(value) => shown(&value),
            Err(error) => format!("({error})"),
        }
    }

    /// A float as text, even if it is not a number.
    fn float(self, bytes: &[u8]) -> String {
        let number = match (self.scalar, self.big) {
            (Scalar::Float(4), false) => f32::parse(bytes).map(f64::from),
            (Scalar::Float(4), true) => <Be<f32>>::parse(bytes).map(|number| f64::from(number.0)),
            (_, false) => f64::parse(bytes),
            (_, true) => <Be<f64>>::parse(bytes).map(|number| number.0),
        };
        match number {
            // An `f32` is shown with its own digits.
            #[expect(clippy::cast_possible_truncation, reason = "it was one")]
            Some(number) if self.scalar == Scalar::Float(4) => (number as f32).to_string(),
            Some(number) => number.to_string(),
            None => String::new(),
        }
    }

    /// Returns true if the digits give a number that is too large for a float: it would become
    /// infinite.
    fn overflows(self, text: &str) -> bool {
        let is_infinite = match self.scalar {
            Scalar::Float(4) => text.parse().is_ok_and(f32::is_infinite),
            Scalar::Float(_) => text.parse().is_ok_and(f64::is_infinite),
            _ => false,
        };
        is_infinite && text.contains(|char: char| char.is_ascii_digit())
    }

    /// Returns the bytes of a value: numbers separated by spaces or commas, or text.
    pub fn bytes(self, text: &str) -> Result<Vec<u8>, String> {
        let size = self.size();
        if self.scalar == Scalar::Char {
            let mut bytes = text.as_bytes().to_vec();
            if bytes.len() > size {
                return Err(format!("{text:?} is longer than {self}"));
            }
            bytes.resize(size, 0);
            return Ok(bytes);
        }
        let one = |text: &str| -> Option<Vec<u8>> {
            if self.scalar == Scalar::Bool {
                return truth(text).map(|truth| vec![u8::from(truth)]);
            }
            if self.overflows(text) {
                return None;
            }
            number!(self.scalar, self.big, |T| {
                let mut bytes = vec![0; T::SIZE];
                <T as Number>::of(text)?.emit(&mut bytes).then_some(bytes)
            })
        };
        let words = text.split([' ', ',']).filter(|word| !word.is_empty());
        let bytes = words.map(one).collect::<Option<Vec<_>>>().map(|list| list.concat());
        bytes.filter(|bytes| bytes.len() == size).ok_or_else(|| format!("{text:?} cannot be read as {self}"))
    }
}

/// `true` or `false`, also as 1 or 0.
fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "1" | "on" => Some(true),
        "false" | "0" | "off" => Some(false),
        _ => None,
    }
}

/// A value as text for people: text without quotes, a list with spaces.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(shown).collect::<Vec<_>>().join(" "),
        value => value.to_string(),
    }
}

/// Types in S3MP: the values that are allowed, in CBOR.
impl Type {
    /// Checks that a CBOR value is of this type.
    pub fn check(self, value: &Value) -> Result<(), String> {
        let is_one = |value: &Value| match self.scalar {
            Scalar::Any => true,
            Scalar::Text => value.is_string(),
            Scalar::Char => value.as_str().is_some_and(|text| Some(text.len()) <= self.count),
            Scalar::Bool => value.is_boolean(),
            // A null is NaN or infinity.
            Scalar::Float(size) => {
                let is_within = |number: f64| size > 4 || number.abs() <= f64::from(f32::MAX);
                value.is_null() || value.as_f64().is_some_and(is_within)
            }
            Scalar::Unsigned(_) | Scalar::Signed(_) => {
                let one = Self { count: None, ..self };
                value.is_number() && one.bytes(&value.to_string()).is_ok()
            }
        };
        let is_right = match (self.count, value) {
            (Some(count), Value::Array(list)) if self.scalar != Scalar::Char => {
                list.len() == count && list.iter().all(is_one)
            }
            (Some(_), _) if self.scalar != Scalar::Char => false,
            _ => is_one(value),
        };
        if is_right { Ok(()) } else { Err(format!("{value} is not of the type {self}")) }
    }

    /// The CBOR item for a value given as text; `None` if the type is `any`.
    pub fn cbor(self, text: &str) -> Option<Result<Vec<u8>, String>> {
        Some(match self.scalar {
            Scalar::Any => return None,
            Scalar::Text => Ok(item(text)),
            Scalar::Char if Some(text.len()) > self.count => Err(format!("{text:?} is longer than {self}")),
            Scalar::Char => Ok(item(text)),
            // Checks its range and the number of values.
            _ => self.bytes(text).map(|bytes| {
                let list: Vec<u8> = bytes.chunks(self.width()).flat_map(|bytes| self.number(bytes)).collect();
                match self.count {
                    None => list,
                    Some(count) => [&head(count), &list[..]].concat(),
                }
            }),
        })
    }

    fn number(self, bytes: &[u8]) -> Vec<u8> {
        if self.scalar == Scalar::Bool {
            return item(bytes != [0]);
        }
        match self.scalar {
            Scalar::Float(4) => item(f32::parse(bytes).unwrap_or(f32::NAN)),
            Scalar::Float(_) => item(f64::parse(bytes).unwrap_or(f64::NAN)),
            _ => match self.value_of(bytes) {
                Value::Number(number) if number.is_u64() => item(number.as_u64()),
                Value::Number(number) => item(number.as_i64()),
                _ => Vec::new(),
            },
        }
    }

    /// The number in these bytes, whose length is the size of the type.
    fn value_of(self, bytes: &[u8]) -> Value {
        Self { count: None, ..self }.value(bytes).unwrap_or(Value::Null)
    }
}

/// The head of an array of this many items, at most [`MOST`].
fn head(count: usize) -> Vec<u8> {
    match u8::try_from(count) {
        Ok(count @ 0..24) => vec![0x80 | count],
        count => vec![0x98, count.unwrap_or(u8::MAX)],
    }
}

fn item(value: impl minicbor::Encode<()>) -> Vec<u8> {
    let mut out = [0; 1024];
    let len = anysmp::s3mp::value::encode(value, &mut out).unwrap_or(0);
    out.get(..len).unwrap_or_default().to_vec()
}

impl FromStr for Description {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut variables = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<_> = line.split_whitespace().collect();
            let [id, name, kind, unit @ ..] = words.as_slice() else {
                if words.is_empty() {
                    continue;
                }
                return Err(format!("line {number}: id, name, type and perhaps a unit"));
            };
            let id = id.parse().or(Err(format!("line {number}: {id:?} is not an id")))?;
            if name.parse::<u64>().is_ok() {
                return Err(format!("line {number}: the name {name:?} would be taken for an id"));
            }
            let kind = kind.parse().map_err(|error| format!("line {number}: {error}"))?;
            let is_known = |known: &Variable| known.id == id || known.name == *name;
            if let Some(known) = variables.iter().find(|known| is_known(known)) {
                return Err(format!("line {number}: {} {} was described before", known.id, known.name));
            }
            variables.push(Variable { id, name: (*name).to_owned(), kind, unit: unit.join(" ") });
        }
        Ok(Self { variables })
    }
}

/// The protocol of the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Bytes, whose type only the description gives.
    Bsmp,
    /// Items of CBOR.
    S3mp,
}

impl Description {
    /// Reads a file for this protocol.
    pub fn read(path: &Path, protocol: Protocol) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, error))?;
        let about = text.parse::<Self>().and_then(|about| about.limited(protocol));
        about.map_err(|error| Failure::content(path, error, REMEDY))
    }

    /// Returns the description if the protocol has all of its types.
    pub fn limited(self, protocol: Protocol) -> Result<Self, String> {
        for Variable { id, name, kind, .. } in &self.variables {
            match protocol {
                Protocol::Bsmp if usize::from(*id) >= MOST => {
                    return Err(format!("{name}: {id} is not the id of a variable; they are 0 to 127"));
                }
                Protocol::Bsmp if kind.size() == 0 => {
                    return Err(format!("{name}: a variable of BSMP cannot be {kind}; text is char[N], of N bytes"));
                }
                Protocol::Bsmp if !(1..=MOST).contains(&kind.size()) => {
                    return Err(format!("{name}: a variable of BSMP cannot be {kind}; it has 1 to {MOST} bytes"));
                }
                Protocol::S3mp if kind.big => {
                    return Err(format!("{name}: a value of S3MP cannot be {kind}; it has no byte order"));
                }
                Protocol::S3mp if matches!(id, 0 | 0xFF) => {
                    return Err(format!("{name}: {id} is not the address of a value; they are 1 to 254"));
                }
                _ => {}
            }
        }
        Ok(self)
    }

    /// Returns the variable with this id.
    pub fn of(&self, id: u8) -> Option<&Variable> {
        self.variables.iter().find(|variable| variable.id == id)
    }

    /// Returns the id for a name or a number.
    pub fn id(&self, name: &str) -> Result<u8, String> {
        let named = self.variables.iter().find(|variable| variable.name == name).map(|variable| variable.id);
        named.or_else(|| name.parse().ok()).ok_or_else(|| format!("{name:?} is neither an id nor in the description"))
    }
}
