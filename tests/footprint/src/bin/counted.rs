//! The framing alone: bare SMP messages back to back.
#![no_std]
#![no_main]

use anysmp::framing::counted::{Counted, Head8};

footprint::framing!(Counted<'static, Head8>, Counted::new);
