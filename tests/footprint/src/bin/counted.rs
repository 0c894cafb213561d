//! The framing alone: bare SMP messages back to back.
#![no_std]
#![no_main]

use anysmp::framing::counted::{Counted, SmpHead};

footprint::framing!(Counted<'static, SmpHead>, Counted::new);
