//! The framing alone: S3MP.
#![no_std]
#![no_main]

use anysmp::framing::lrc::Lrc;

footprint::framing!(Lrc<'static>, Lrc::new);
