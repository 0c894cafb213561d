//! What may run: the question that each request is put to before its handler.

use core::time::Duration;

use super::incoming::Incoming;
use crate::line::Peer;
use crate::smp::{Error, Group, Header, Op};

/// Decides what may run, before anything does.
///
/// [`AllowAll`] and [`DenyWrites`] are the two ends; a policy of the application's own sees the
/// request and who sent it, is told the time, and can be reached through [`Server::policy`], for
/// example by a command that logs in. Any `FnMut(&Incoming<'_>, Peer) -> Result<(), Error>` is one.
///
/// Downloads of files, settings, statistics and core dumps are reads, and leak what they hold: a
/// policy that must keep secrets has to refuse them too. A repeat of a write that was allowed gets
/// its stored response without a question to the policy, as nothing runs.
pub trait Policy {
    /// Whether `incoming`, sent by `peer`, may run.
    ///
    /// # Errors
    ///
    /// What the peer is told instead of a response: [`Error::ACCESS_DENIED`], [`Error::BUSY`] for
    /// one that asks too often, or an error of the application's own group.
    fn allows(&mut self, incoming: &Incoming<'_>, peer: Peer) -> Result<(), Error>;

    /// Time has passed: called with each tick of the server.
    fn tick(&mut self, elapsed: Duration) {
        let _ = elapsed;
    }
}

/// Allows everything to everybody.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AllowAll;

impl Policy for AllowAll {
    fn allows(&mut self, _: &Incoming<'_>, _: Peer) -> Result<(), Error> {
        Ok(())
    }
}

/// Allows reads and echo; nothing changes.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DenyWrites;

impl Policy for DenyWrites {
    fn allows(&mut self, incoming: &Incoming<'_>, _: Peer) -> Result<(), Error> {
        if incoming.op() == Op::Read || is_echo(incoming.header()) { Ok(()) } else { Err(Error::ACCESS_DENIED) }
    }
}

impl<F: FnMut(&Incoming<'_>, Peer) -> Result<(), Error>> Policy for F {
    fn allows(&mut self, incoming: &Incoming<'_>, peer: Peer) -> Result<(), Error> {
        self(incoming, peer)
    }
}

fn is_echo(header: &Header) -> bool {
    header.group == Group::OS && header.command == 0
}
