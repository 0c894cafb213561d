//! The output of a program: the texts of everything that came off the wire. (`Debug` is left out:
//! derived for more than five fields, it contains an assertion of `core`.)

use crate::{Operation, drop_in_box};
use anysmp::bsmp::Refusal;
use anysmp::cbor::Text;
use anysmp::mcuboot::{self, Image, Version};
use anysmp::smp::{Error, Header};
use core::fmt::{Display, Result, Write};

pub const ALL: &[Operation] = &[
    |bytes, _| show(&Text::from_bytes(bytes)),
    |bytes, _| show(&Error::find(bytes).ok().flatten().unwrap_or(Error::UNKNOWN)),
    |bytes, _| drop_in_box(Header::parse(bytes).map(|(header, _)| show(&header.group))),
    |bytes, _| drop_in_box(Version::parse(bytes.iter().copied()).map(|version| show(&version))),
    |bytes, _| drop_in_box(mcuboot::Header::parse(bytes).map(|header| show(&header.version()))),
    |bytes, _| drop_in_box(Image::parse(bytes).map_err(|error| show(&error))),
    |bytes, _| drop_in_box(bytes.first().copied().and_then(Refusal::from_code).map(|refusal| show(&refusal))),
];

fn show(value: &dyn Display) {
    drop_in_box(write!(Paper, "{value}"));
}

/// Takes anything and may tear.
struct Paper;

impl Write for Paper {
    fn write_str(&mut self, text: &str) -> Result {
        drop_in_box(text);
        core::hint::black_box(Ok(()))
    }
}
