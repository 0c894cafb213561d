//! The framing alone: one read, one message.
#![no_std]
#![no_main]

use anysmp::framing::datagram::Datagram;

footprint::framing!(Datagram<'static>, Datagram::new);
