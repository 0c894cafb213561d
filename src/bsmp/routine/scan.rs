//! Finding the nodes of a bus.

use core::time::Duration;

use super::{JobOutcome, Turn};
use crate::bsmp::client::{Client, Error};
use crate::bsmp::{Address, QueryVersion, Version};
use crate::routine::{Routine, Step};
use crate::shown::shown;

/// A node that has answered a [`Scan`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Scanned {
    /// The address of the node.
    pub address: Address,
    /// The version of the protocol that it speaks, and the revision of its implementation; or its
    /// refusal to report them.
    pub version: Result<Version, Error>,
}

/// The report of a [`Scan`], at its end or so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[non_exhaustive]
pub struct ScanReport {
    /// The number of addresses that were asked.
    pub asked: u8,
    /// The number of nodes that have answered.
    pub found: u8,
    /// The outcome; `Unfinished` until it has ended. `Done`: all addresses were asked, whether a
    /// node has answered or not.
    pub outcome: JobOutcome,
}

impl core::fmt::Display for ScanReport {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let plural = |count| if count == 1 { "" } else { "s" };
        let (nodes, addresses) = (plural(self.found), if self.asked == 1 { "" } else { "es" });
        let Self { asked, found, outcome } = self;
        write!(f, "{found} node{nodes} at {asked} address{addresses}; the scan is {outcome}")
    }
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// The version of the node with this number. Exits: itself, with the next number; `Ended`,
    /// after the last one, or if the request does not fit `tx`.
    Ask(u8),
    /// Nothing more is requested; `next` is the first number that was not asked. Exits: none.
    Ended { next: u8, outcome: JobOutcome },
}

impl Stage {
    /// Continues with this number, if it is not beyond the last one.
    const fn from(next: u8, last: u8) -> Self {
        if next <= last { Self::Ask(next) } else { Self::Ended { next, outcome: JobOutcome::Done } }
    }
}

/// Asks every address of a bus for the version of the protocol: a node is there if it answers.
///
/// An address without a node costs the client's timeout, and its drain, times 1 + its retries. On a
/// bus whose nodes answer within 5 ms, a scan of 32 addresses with a timeout and a drain of 5 ms
/// takes less than half a second.
///
/// ```no_run
/// # use anysmp::{blocking::Link, framing::Framing, line::Error, port::Clock};
/// # use embedded_io::{Read, Write};
/// use anysmp::bsmp::{Client, routine::Scan};
/// use core::{ops::ControlFlow, time::Duration};
///
/// # fn scan<P: Read + Write + Clock>(
/// #     link: &mut Link<'_, P, impl Framing>,
/// # ) -> Result<(), Error<P::Error>> {
/// let limit = Duration::from_millis(5);
/// let mut client = Client::new().with_timeout(limit).with_drain(limit);
/// let _ = link.run(&mut client, &mut Scan::new(), |node| {
///     println!("{:?} {:?}", node.address, node.version);
///     ControlFlow::Continue(())
/// })?;
/// # Ok(())
/// # }
/// ```
pub struct Scan {
    first: u8,
    last: u8,
    found: u8,
    stage: Stage,
    turn: Turn,
}

shown!(Scan, |scan| "Scan({} to {}, {} found)", scan.first, scan.last, scan.found);

impl Scan {
    /// Asks all addresses from 1 to 32.
    #[must_use]
    pub const fn new() -> Self {
        Self::of(1, 32)
    }

    /// Asks the addresses from `first` to `last`; addresses that no node can have are skipped.
    #[must_use]
    pub const fn of(first: u8, last: u8) -> Self {
        let first = if first == 0 { 1 } else { first };
        let last = if last > 32 { 32 } else { last };
        let stage = Stage::from(first, last);
        Self { first, last, found: 0, stage, turn: Turn::First }
    }

    fn next(&mut self, number: u8) {
        self.turn = Turn::First;
        self.stage = Stage::from(number.saturating_add(1), self.last);
    }
}

impl Default for Scan {
    fn default() -> Self {
        Self::new()
    }
}

impl Routine for Scan {
    type Client = Client;
    type Event<'m> = Scanned;
    type Report = ScanReport;

    fn poll(&mut self, client: &mut Client, tx: &mut [u8]) -> Step {
        loop {
            let Stage::Ask(number) = self.stage else { return Step::Done };
            if let Turn::Lost(_) = self.turn {
                self.next(number);
                continue;
            }
            let Some(address) = Address::node_or_32(number) else { return Step::Done };
            let client = client.with_address(address);
            match self.turn.poll(&client, || client.post(&QueryVersion, tx).map(Some)) {
                Ok(step) => return step,
                Err(error) => self.stage = Stage::Ended { next: number, outcome: JobOutcome::Failed(error) },
            }
        }
    }

    fn receive(&mut self, client: &mut Client, message: &[u8]) -> Option<Scanned> {
        let Stage::Ask(number) = self.stage else { return None };
        let address = Address::node_or_32(number)?;
        let version = self.turn.answer::<QueryVersion>(&client.with_address(address), &(), message)?;
        self.found = self.found.saturating_add(1);
        self.next(number);
        Some(Scanned { address, version })
    }

    fn drain(&self, client: &Client) -> Duration {
        client.drain()
    }

    fn timed_out(&mut self) {
        self.turn.timed_out();
    }

    fn report(&self) -> ScanReport {
        let (end, outcome) = match self.stage {
            Stage::Ask(number) => (number, JobOutcome::Unfinished),
            Stage::Ended { next, outcome } => (next, outcome),
        };
        ScanReport { asked: end.saturating_sub(self.first), found: self.found, outcome }
    }
}
