//! Descriptions of a node's variables: a small file that says what their bytes mean.
//!
//! ```text
//! # id  name         type       unit
//!   0   status       u16
//!   1   setpoint     f32        A
//!   3   firmware     char[128]
//!   4   counts       u16be[4]
//! ```
//!
//! A type is `u8` to `u64`, `i8` to `i64`, `f32` or `f64`, little endian unless `be` follows; with
//! `[N]` behind it, N of them. `char[N]` is text that ends at its first zero.

use std::fmt;
use std::str::FromStr;

use anysmp::bsmp::typed::{Be, Field};
use serde_json::{Value, json};

/// The type of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scalar {
    Char,
    Unsigned(u8),
    Signed(u8),
    Float(u8),
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Type {
    scalar: Scalar,
    big: bool,
    /// How many; `None` for one alone.
    count: Option<usize>,
}

/// A variable: what the bytes of its value mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its id.
    pub id: u8,
    /// Its name.
    pub name: String,
    /// The type of its value.
    pub kind: Type,
    /// The unit, perhaps empty.
    pub unit: String,
}

/// The variables of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// As they are in the file.
    pub variables: Vec<Variable>,
}

impl FromStr for Type {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a type, such as u16, f32be, i8[4] or char[16]");
        let (name, count) = match text.split_once('[') {
            Some((name, count)) => {
                let count = count.strip_suffix(']').and_then(|count| count.parse().ok()).ok_or_else(wrong)?;
                (name, Some(count))
            }
            None => (text, None),
        };
        let (name, big) = name.strip_suffix("be").map_or((name, false), |name| (name, true));
        let scalar = match name {
            "char" => Scalar::Char,
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
        Ok(Self { scalar, big, count })
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scalar {
            Scalar::Char => f.write_str("char")?,
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

/// A number of these bytes, or the other way round.
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
            Scalar::Unsigned(_) | Scalar::Char => both!(u8),
        }
    }};
}

/// What a number is shown as and read from.
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

numbers!(u8, u16, u32, u64, i8, i16, i32, i64, f32, f64);

impl Type {
    const fn width(self) -> usize {
        match self.scalar {
            Scalar::Char => 1,
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

    /// The value of its bytes. `Err` if they are not as many as the type has.
    pub fn value(self, bytes: &[u8]) -> Result<Value, String> {
        if bytes.len() != self.size() {
            return Err(format!("{} bytes are no {self}", bytes.len()));
        }
        if self.scalar == Scalar::Char {
            let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
            return Ok(json!(String::from_utf8_lossy(text)));
        }
        let one = |bytes: &[u8]| -> Value {
            number!(self.scalar, self.big, |T| T::parse(bytes).map_or(Value::Null, Number::json))
        };
        Ok(match self.count {
            None => one(bytes),
            Some(_) => bytes.chunks(self.width()).map(one).collect(),
        })
    }

    /// The value as a person reads it.
    pub fn text(self, bytes: &[u8]) -> String {
        match self.value(bytes) {
            Ok(Value::String(text)) => text,
            // JSON has no NaN.
            Ok(Value::Null) => "NaN".to_owned(),
            Ok(Value::Array(list)) => list.iter().map(Value::to_string).collect::<Vec<_>>().join(" "),
            Ok(value) => value.to_string(),
            Err(error) => format!("({error})"),
        }
    }

    /// The bytes of a value: numbers with spaces or commas between them, or text.
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
            number!(self.scalar, self.big, |T| {
                let mut bytes = vec![0; T::SIZE];
                <T as Number>::of(text)?.emit(&mut bytes).then_some(bytes)
            })
        };
        let words = text.split([' ', ',']).filter(|word| !word.is_empty());
        let bytes = words.map(one).collect::<Option<Vec<_>>>().map(|list| list.concat());
        bytes.filter(|bytes| bytes.len() == size).ok_or_else(|| format!("{text:?} is no {self}"))
    }
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
            let kind = kind.parse().map_err(|error| format!("line {number}: {error}"))?;
            variables.push(Variable { id, name: (*name).to_owned(), kind, unit: unit.join(" ") });
        }
        Ok(Self { variables })
    }
}

impl Description {
    /// The variable of this id.
    pub fn of(&self, id: u8) -> Option<&Variable> {
        self.variables.iter().find(|variable| variable.id == id)
    }

    /// The id of a name or a number.
    pub fn id(&self, name: &str) -> Result<u8, String> {
        let named = self.variables.iter().find(|variable| variable.name == name).map(|variable| variable.id);
        named.or_else(|| name.parse().ok()).ok_or_else(|| format!("{name:?} is no id and not in the description"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str =
        "# of a supply\n0 status u16\n1 setpoint f32 A # set\n\n3 firmware char[4]\n4 counts i16be[2] 1 / s\n";

    #[test]
    fn a_file_says_what_bytes_mean_in_both_directions() {
        let description: Description = FILE.parse().unwrap();
        for (name, id, unit, bytes, text) in [
            ("status", 0, "", &[1, 2][..], "513"),
            ("setpoint", 1, "A", &[0, 0, 0x28, 0x41], "10.5"),
            ("firmware", 3, "", b"ab\0\0", "ab"),
            ("counts", 4, "1 / s", &[0xFF, 0xFE, 0, 3], "-2 3"),
        ] {
            assert_eq!(description.id(name), Ok(id));
            let variable = description.of(id).unwrap();
            assert_eq!((variable.unit.as_str(), variable.kind.text(bytes)), (unit, text.to_owned()));
            assert_eq!(variable.kind.bytes(text).unwrap(), bytes);
            assert!(variable.kind.value(&bytes[1..]).is_err());
            assert_eq!(variable.kind.to_string().parse(), Ok(variable.kind));
        }
        assert_eq!(description.id("7"), Ok(7));
        assert!(description.id("current").is_err());
    }

    #[test]
    fn what_is_no_description_or_no_value_is_refused_with_its_line() {
        for (file, error) in
            [("0 status", "line 1"), ("\nx status u16", "line 2"), ("0 status u17", "line 1"), ("0 a u8[x]", "line 1")]
        {
            assert!(file.parse::<Description>().unwrap_err().starts_with(error), "{file}");
        }
        for (kind, text) in
            [("u8", "256"), ("u8", "-1"), ("f32", "x"), ("u8[2]", "1"), ("u8", "1 2"), ("char[1]", "ab")]
        {
            assert!(kind.parse::<Type>().unwrap().bytes(text).is_err(), "{kind} {text}");
        }
        assert_eq!("f32".parse::<Type>().unwrap().text(&[0, 0, 0xC0, 0x7F]), "NaN");
    }
}
