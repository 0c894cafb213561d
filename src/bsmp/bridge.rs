//! One or more nodes behind an Ethernet bridge like that of Sirius.
//!
//! The envelope is described in [`framing::bridge`](crate::framing::bridge), which implements the
//! master's side of it. Here a [`Bridge`] wraps a [`Node`](super::Node) or
//! [`Nodes`](super::node::Nodes), over `Counted` with one of the two heads of that module:
//!
//! ```no_run
//! # use anysmp::{blocking::Link, bsmp::{Address, Entities, Node, Server, Table}, port::Clock};
//! # use embedded_io::{Read, Write};
//! use anysmp::bsmp::bridge::Bridge;
//! use anysmp::framing::{bridge::WithId, counted::Counted};
//!
//! # fn serve<P: Read + Write + Clock, E: Entities>(port: P, node: Node<'_, E>) {
//! let (mut kept, mut message, mut memory) = ([0; 256], [0; 1024], [0; 1216]);
//! let mut bridge = Bridge::<_, WithId>::new(node, &mut kept);
//! let framing = Counted::<WithId>::new(&mut message);
//! let Ok(mut link) = Link::new(port, framing, &mut memory) else { return };
//! while let Ok(()) = link.serve(&mut bridge) {}
//! # }
//! ```
//!
//! | code | request | answer |
//! |---|---|---|
//! | 11 | a packet, whose answer is awaited | 21 and the packet; 22 if there is none |
//! | 03 | a packet, whose answer is stored | 21 |
//! | 04 | read the stored answer | 21 and the packet; 23 if there is none |
//! | 12 | drop the stored answer | 21 |
//!
//! The answer to anything else is 22.
//!
//! `pydrs` treats the result of its first read of the socket as the whole answer: give the link an
//! `out` as long as an envelope ([`Buffers::with_out`](crate::line::Buffers::with_out)), so that
//! each answer leaves in one write.

use core::marker::PhantomData;

use crate::bytes::copy;
use crate::checksum::Sum;
use crate::envelope::Form;
use crate::line::{Peer, Serve, Service, asynch};
use crate::shown::shown;

const REQUEST: u8 = 0x11;
const WRITE: u8 = 0x03;
const READ: u8 = 0x04;
const RESET: u8 = 0x12;

const OK: u8 = 0x21;
const NO_ANSWER: u8 = 0x22;
const NOTHING_KEPT: u8 = 0x23;

/// Bytes of the time in front of a packet.
const TIME: usize = 4;

/// A bridge in front of the service `S`, whose messages have an address in front of them. `F` is
/// the form of the envelope, the same as that of the link's `Counted`.
pub struct Bridge<'k, S, F> {
    service: S,
    kept: &'k mut [u8],
    len: usize,
    form: PhantomData<fn() -> F>,
}

shown!([S, F] Bridge<'_, S, F>, |it| "Bridge({} bytes kept)", it.len);

impl<'k, S, F> Bridge<'k, S, F> {
    /// A bridge that stores one answer in `kept`, until it is read. An answer that does not fit is
    /// not stored.
    #[must_use]
    pub const fn new(service: S, kept: &'k mut [u8]) -> Self {
        Self { service, kept, len: 0, form: PhantomData }
    }

    /// The service behind the bridge.
    pub const fn service(&mut self) -> &mut S {
        &mut self.service
    }
}

impl<S: Service, F: Form> Bridge<'_, S, F> {
    /// Handles one envelope; returns the length of the answering envelope in `tx`, and the action
    /// of the service.
    #[must_use = "the answer is in `tx` and has to be sent"]
    pub fn receive(&mut self, envelope: &[u8], peer: Peer, tx: &mut [u8]) -> (usize, S::After) {
        let head = F::HEAD;
        let none = S::After::default();
        let (Some(front), Some(content)) = (envelope.get(..head), envelope.get(head..)) else { return (0, none) };
        let Some((out, room)) = tx.split_at_mut_checked(head) else { return (0, none) };
        let Some((status, room)) = room.split_first_mut() else { return (0, none) };
        let mut after = none;
        let len;
        (*status, len) = match front.first() {
            Some(&REQUEST) => {
                let (len, then) = self.ask(content, peer, room);
                after = then;
                if len == 0 { (NO_ANSWER, 0) } else { (OK, len) }
            }
            Some(&WRITE) => {
                let (len, then) = self.ask(content, peer, room);
                after = then;
                self.len = if len <= self.kept.len() { len } else { 0 };
                copy(room.get(..self.len).unwrap_or_default(), self.kept);
                (OK, 0)
            }
            Some(&READ) => match (core::mem::take(&mut self.len), room) {
                (0, _) => (NOTHING_KEPT, 0),
                (len, room) => match (self.kept.get(..len), room.get_mut(..len)) {
                    (Some(kept), Some(to)) => {
                        copy(kept, to);
                        (OK, len)
                    }
                    _ => (NO_ANSWER, 0),
                },
            },
            Some(&RESET) => {
                self.len = 0;
                (OK, 0)
            }
            _ => (NO_ANSWER, 0),
        };
        // The length covers the status too.
        let len = len.saturating_add(1);
        copy(front, out);
        if let Some(length) = out.last_chunk_mut() {
            *length = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
        }
        (len.saturating_add(head), after)
    }

    /// Passes on the packet that follows the time; returns the length of the packet in `room`.
    fn ask(&mut self, content: &[u8], peer: Peer, room: &mut [u8]) -> (usize, S::After) {
        let none = S::After::default();
        let Some(packet) = content.get(TIME..).filter(|packet| Sum::of(packet) == 0) else { return (0, none) };
        // A bus would not answer a damaged packet either.
        let Some((_, message)) = packet.split_last() else { return (0, none) };
        // Room for the checksum.
        let Some(most) = room.len().checked_sub(1) else { return (0, none) };
        let (len, after) = self.service.receive(message, peer, room.get_mut(..most).unwrap_or_default());
        let (Some(answer), true) = (room.get(..len), len > 0) else { return (0, after) };
        let sum = Sum::of(answer);
        match room.get_mut(len) {
            Some(place) => *place = sum,
            None => return (0, after),
        }
        (len.saturating_add(1), after)
    }
}

impl<S: Service, F: Form> Serve for Bridge<'_, S, F> {
    type After = S::After;

    fn tick(&mut self, elapsed: core::time::Duration) {
        self.service.tick(elapsed);
    }
}

impl<S: Service, F: Form> Service for Bridge<'_, S, F> {
    fn receive(&mut self, message: &[u8], peer: Peer, tx: &mut [u8]) -> (usize, S::After) {
        self.receive(message, peer, tx)
    }
}

impl<S: Service, F: Form> asynch::Service for Bridge<'_, S, F> {
    /// Handles one message, without awaiting anything.
    ///
    /// # Cancellation
    ///
    /// Never waits, so there is nothing to cancel.
    async fn receive(&mut self, message: &[u8], peer: Peer, tx: &mut [u8]) -> (usize, S::After) {
        self.receive(message, peer, tx)
    }
}
