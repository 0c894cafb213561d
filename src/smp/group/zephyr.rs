//! Group 63, Zephyr basic: erase the storage partition.
//!
//! Specification: Zephyr Project, *Zephyr Basic Group* (`zephyr_basic`).
//!
//! | command | op | request | response |
//! |---|---|---|---|
//! | 0 | write | [`EraseStorage`] | [`Empty`] |
//!
//! # Interpretation
//!
//! * A version 1 server that fails with code 3 or 4 sends a packet that was never filled in. It
//!   does not match the request and is never taken for success.

use core::time::Duration;

use crate::smp::server::{Answer, Incoming, Reply};
use crate::smp::{Empty, Error, Group, Op, Request, image, payload};

/// Erases the storage partition: all settings are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct EraseStorage {}

payload!(request EraseStorage {});

impl Request for EraseStorage {
    const OP: Op = Op::Write;
    const GROUP: Group = Group::ZEPHYR;
    const COMMAND: u8 = 0;
    const TIMEOUT: Duration = image::ERASE_TIME;
    type Kind = Self;
    type Response<'m> = Empty;
}

/// The device's side of this group.
pub trait Commands {
    /// Erases the storage partition.
    ///
    /// # Errors
    ///
    /// [`error::zephyr::FLASH_ERASE_FAILED`](crate::smp::error::zephyr::FLASH_ERASE_FAILED) and
    /// similar codes.
    fn erase_storage(&mut self) -> Result<Empty, Error> {
        Err(Error::NOT_SUPPORTED)
    }
}

/// Reads a request of this group, calls its command, and writes the response.
#[inline(never)] // A stack frame of its own: see *Stack* in `smp::server`.
pub fn dispatch<C: Commands + ?Sized>(commands: &mut C, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
    match (incoming.op(), incoming.command()) {
        (Op::Write, EraseStorage::COMMAND) => incoming.answer(reply, |Empty {}| commands.erase_storage()),
        _ => reply.error(Error::NOT_SUPPORTED),
    }
}
