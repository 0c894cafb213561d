//! Access control: each request is checked before its handler runs.

use core::time::Duration;

use super::answer::Incoming;
use crate::line::Peer;
use crate::smp::{Error, Group, Header, Op};
use crate::time::Span;

/// Decides which requests may run.
///
/// [`AllowAll`] and [`DenyWrites`] are ready to use. Your own policy is given the request, its
/// sender and the time, and can be reached through [`Server::policy`](super::Server::policy), for
/// example by a command that logs in. Any `FnMut(&Incoming<'_>, Peer) -> Result<(), Error>` is a
/// policy.
///
/// Downloads of files, settings, statistics and core dumps are reads: a policy that must keep
/// secrets has to refuse them too. A repeat of an allowed write gets its stored response without a
/// call of the policy, since nothing runs.
pub trait Policy {
    /// Returns `Ok` if `incoming`, sent by `peer`, may run.
    ///
    /// # Errors
    ///
    /// The error that the peer gets instead of a response: [`Error::ACCESS_DENIED`],
    /// [`Error::BUSY`] for a peer that asks too often, or an error of your own group.
    fn allows(&mut self, incoming: &Incoming<'_>, peer: Peer) -> Result<(), Error>;

    /// Called with each tick of the server, with the time since the last one.
    fn tick(&mut self, elapsed: Duration) {
        let _ = elapsed;
    }

    /// The same as [`tick`](Self::tick), in the unit that a line counts in; by default it calls
    /// `tick`. Drivers call this one. A policy without a clock overrides it with nothing, so that
    /// no time is converted.
    fn passed(&mut self, elapsed: Span) {
        self.tick(elapsed.to_duration());
    }
}

/// Allows every request.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AllowAll;

impl Policy for AllowAll {
    fn allows(&mut self, _: &Incoming<'_>, _: Peer) -> Result<(), Error> {
        Ok(())
    }

    fn passed(&mut self, _: Span) {}
}

/// Allows reads and echo, and refuses every other write with [`Error::ACCESS_DENIED`].
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DenyWrites;

impl Policy for DenyWrites {
    fn allows(&mut self, incoming: &Incoming<'_>, _: Peer) -> Result<(), Error> {
        // Most clients send echo as a write, although it changes nothing.
        if incoming.op() == Op::Read || is_echo(incoming.header()) { Ok(()) } else { Err(Error::ACCESS_DENIED) }
    }

    fn passed(&mut self, _: Span) {}
}

impl<F: FnMut(&Incoming<'_>, Peer) -> Result<(), Error>> Policy for F {
    fn allows(&mut self, incoming: &Incoming<'_>, peer: Peer) -> Result<(), Error> {
        self(incoming, peer)
    }

    fn passed(&mut self, _: Span) {}
}

fn is_echo(header: &Header) -> bool {
    header.group == Group::OS && header.command == 0
}
