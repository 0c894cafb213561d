//! Finding out which entities a node has.

mod directory;

use core::time::Duration;

pub use directory::{Directory, Storage, Tables};

use super::{JobOutcome, Turn};
use crate::bsmp::client::{Client, Error, Request, Response};
use crate::bsmp::curve::{self, Digest, UNKNOWN};
use crate::bsmp::function::{self, Layout};
use crate::bsmp::group::{self, Group, Members};
use crate::bsmp::variable;
use crate::bsmp::{QueryVersion, Version};
use crate::routine::{Routine, Step};
use crate::shown::shown;

/// The part of a node to find out about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "the lists of the document")]
pub enum Part {
    /// The version, and then everything else in the order of this list.
    All,
    /// The variables.
    Variables,
    /// The groups and their members; needs the variables.
    Groups,
    /// The curves and their checksums.
    Curves,
    /// The functions; needs the version.
    Functions,
}

/// The report of a [`Discovery`], at its end or so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
#[non_exhaustive]
pub struct DiscoveryReport {
    /// The outcome; `Unfinished` until it has ended. `Done`: the directory is complete. After a
    /// failure it contains the entities found before.
    pub outcome: JobOutcome,
}

impl core::fmt::Display for DiscoveryReport {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "the discovery is {}", self.outcome)
    }
}

/// The list that is requested next. If only one [`Part`] is requested, its last request leads to
/// `Ended`.
///
/// Every stage but `Ended` exits to `Ended` as well: when its answer is an error, when no answer
/// comes to the last retry, or when its request does not fit `tx`. [`Discovery::restart`] leads
/// from every stage to the first one of its part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The version is requested. Exits: `Variables`.
    Version,
    /// The list of variables is requested. Exits: `Groups`, `Ended`.
    Variables,
    /// The list of groups is requested. Exits: `Group(0)`; `Curves` or `Ended`, if the node lists
    /// none.
    Groups,
    /// The members of this group. Exits: `Group` of the next id; `Curves` or `Ended` after the
    /// last.
    Group(u8),
    /// The list of curves is requested. Exits: `Checksum(0)`; `Functions` or `Ended`, if there is
    /// no room for checksums or there are no curves.
    Curves,
    /// The checksum of this curve. Exits: `Checksum` of the next id; `Functions` or `Ended` after
    /// the last.
    Checksum(u8),
    /// The list of functions is requested. Exits: `Ended`.
    Functions,
    /// Nothing more is requested. No exit but a restart.
    Ended(JobOutcome),
}

/// Finds out which entities a node has: 00, 02, 04, 06 for each group, 08, 0A for each curve, 0C.
///
/// RAM: 76 bytes on a 32-bit machine, and the memory of the [`Storage`]. The link's receive buffer
/// holds the longest list, at most 643 bytes.
///
/// A checksum that the node refuses counts as unknown. The type of a group of 128 members is
/// derived from its members, since libbsmp sends it inverted.
pub struct Discovery<'s> {
    storage: Storage<'s>,
    version: Version,
    variables: usize,
    groups: usize,
    curves: usize,
    checksums: usize,
    functions: usize,
    part: Part,
    stage: Stage,
    turn: Turn,
}

#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<Discovery<'_>>() <= 76);

shown!(Discovery<'_>, |discovery| "Discovery({:?}, {:?})", discovery.part, discovery.storage);

impl<'s> Discovery<'s> {
    /// Discovers all entities of a node.
    #[must_use]
    pub const fn new(storage: Storage<'s>) -> Self {
        Self {
            storage,
            version: Version::V2_30,
            variables: 0,
            groups: 0,
            curves: 0,
            checksums: 0,
            functions: 0,
            part: Part::All,
            stage: Stage::Version,
            turn: Turn::First,
        }
    }

    /// Starts again with one part, for example with the groups after one was created; then run the
    /// routine once more.
    pub const fn restart(&mut self, part: Part) {
        self.part = part;
        self.turn = Turn::First;
        self.stage = match part {
            Part::All => Stage::Version,
            Part::Variables => Stage::Variables,
            Part::Groups => Stage::Groups,
            Part::Curves => Stage::Curves,
            Part::Functions => Stage::Functions,
        };
    }

    /// The entities that were found so far.
    #[must_use]
    pub fn directory(&self) -> Directory<'_> {
        Directory {
            version: self.version,
            variables: self.storage.variables.get(..self.variables).unwrap_or_default(),
            groups: self.storage.groups.get(..self.groups).unwrap_or_default(),
            curves: self.storage.curves.get(..self.curves).unwrap_or_default(),
            checksums: self.storage.checksums.get(..self.checksums).unwrap_or_default(),
            functions: self.storage.functions.get(..self.functions).unwrap_or_default(),
        }
    }

    fn version(&mut self, version: Version) -> Result<Stage, Error> {
        self.version = version;
        // Lists of an unknown version may be laid out in another way.
        if version.is_supported() { Ok(Stage::Variables) } else { Err(Error::Version(version)) }
    }

    fn variables(&mut self, list: variable::Variables<'_>) -> Result<Stage, Error> {
        self.variables = fill(self.storage.variables, list.into_iter(), list.len())?;
        Ok(self.end_of(Part::Variables, Stage::Groups))
    }

    fn groups(&mut self, list: group::Groups<'_>) -> Result<Stage, Error> {
        let groups = list.into_iter().map(|listed| Group { members: Members::EMPTY, writable: listed.writable });
        self.groups = fill(self.storage.groups, groups, list.len())?;
        Ok(self.next_group(0))
    }

    fn next_group(&self, id: u8) -> Stage {
        if usize::from(id) < self.groups { Stage::Group(id) } else { self.end_of(Part::Groups, Stage::Curves) }
    }

    fn group(&mut self, id: u8, members: Members) -> Result<Stage, Error> {
        let known = self.storage.variables.get(..self.variables).unwrap_or_default();
        // The lists contradict each other: nobody could read a value of this group.
        if members.iter().any(|id| usize::from(id) >= known.len()) {
            return Err(Error::UnknownId);
        }
        if let Some(group) = self.storage.groups.get_mut(usize::from(id)) {
            // libbsmp inverts the type bit of a group of 128.
            if id >= group::STANDARD && members.len() == variable::MAX_COUNT {
                group.writable = known.iter().all(|variable| variable.writable);
            }
            group.members = members;
        }
        Ok(self.next_group(id.saturating_add(1)))
    }

    fn curves(&mut self, list: curve::Curves<'_>) -> Result<Stage, Error> {
        self.curves = fill(self.storage.curves, list.into_iter(), list.len())?;
        self.checksums = self.curves.min(self.storage.checksums.len());
        Ok(self.next_checksum(0))
    }

    fn next_checksum(&self, id: u8) -> Stage {
        if usize::from(id) < self.checksums { Stage::Checksum(id) } else { self.end_of(Part::Curves, Stage::Functions) }
    }

    fn checksum(&mut self, id: u8, digest: Result<Digest, Error>) -> Result<Stage, Error> {
        let digest = match digest {
            // Not every node calculates checksums; its other data are complete without one.
            Err(Error::Remote(_) | Error::Function(_)) => UNKNOWN,
            digest => digest?,
        };
        if let Some(place) = self.storage.checksums.get_mut(usize::from(id)) {
            *place = digest;
        }
        Ok(self.next_checksum(id.saturating_add(1)))
    }

    fn functions(&mut self, list: function::Functions<'_>) -> Result<Stage, Error> {
        self.functions = fill(self.storage.functions, list.into_iter(), list.len())?;
        Ok(Stage::Ended(JobOutcome::Done))
    }

    fn end_of(&self, part: Part, next: Stage) -> Stage {
        if self.part == part { Stage::Ended(JobOutcome::Done) } else { next }
    }

    const fn layout(&self) -> function::List {
        function::List { layout: Layout::of(self.version) }
    }

    /// Handles the answer to `request`, if `message` is it: `keep` stores it and returns the next
    /// stage.
    fn take<R: Request>(
        &mut self,
        client: &Client,
        request: R,
        message: &[u8],
        keep: impl FnOnce(&mut Self, Response<'_, R>) -> Result<Stage, Error>,
    ) -> Option<()> {
        let answer = self.turn.answer::<R::Kind>(client, &request.expectation(), message)?;
        let next = answer.and_then(|response| keep(self, response));
        self.go(next);
        Some(())
    }

    fn go(&mut self, next: Result<Stage, Error>) {
        self.turn = Turn::First;
        self.stage = next.unwrap_or_else(|error| Stage::Ended(JobOutcome::Failed(error)));
    }
}

/// Copies a list into the storage; returns the number of entries.
fn fill<T>(storage: &mut [T], list: impl Iterator<Item = T>, count: usize) -> Result<usize, Error> {
    if count > storage.len() {
        return Err(Error::TooMany);
    }
    for (place, entry) in storage.iter_mut().zip(list) {
        *place = entry;
    }
    Ok(count)
}

impl Routine for Discovery<'_> {
    type Client = Client;
    type Event<'m> = ();
    type Report = DiscoveryReport;

    fn poll(&mut self, client: &mut Client, tx: &mut [u8]) -> Step {
        let (stage, functions) = (self.stage, self.layout());
        let step = self.turn.poll(client, || match stage {
            Stage::Version => client.post(&QueryVersion, tx).map(Some),
            Stage::Variables => client.post(&variable::List, tx).map(Some),
            Stage::Groups => client.post(&group::List, tx).map(Some),
            Stage::Group(id) => client.post(&group::Query { id }, tx).map(Some),
            Stage::Curves => client.post(&curve::List, tx).map(Some),
            Stage::Checksum(id) => client.post(&curve::QueryChecksum { id }, tx).map(Some),
            Stage::Functions => client.post(&functions, tx).map(Some),
            Stage::Ended(_) => Ok(None),
        });
        step.unwrap_or_else(|error| {
            self.stage = Stage::Ended(JobOutcome::Failed(error));
            Step::Done
        })
    }

    fn receive(&mut self, client: &mut Client, message: &[u8]) -> Option<()> {
        match self.stage {
            Stage::Version => self.take(client, QueryVersion, message, Self::version),
            Stage::Variables => self.take(client, variable::List, message, Self::variables),
            Stage::Groups => self.take(client, group::List, message, Self::groups),
            Stage::Group(id) => {
                self.take(client, group::Query { id }, message, |this, members| this.group(id, members))
            }
            Stage::Curves => self.take(client, curve::List, message, Self::curves),
            Stage::Checksum(id) => {
                // A refusal is not an error here.
                let digest = self.turn.answer::<curve::QueryChecksum>(client, &(), message)?;
                let next = self.checksum(id, digest);
                self.go(next);
                Some(())
            }
            Stage::Functions => self.take(client, self.layout(), message, Self::functions),
            Stage::Ended(_) => None,
        }
    }

    fn drain(&self, client: &Client) -> Duration {
        client.drain()
    }

    fn timed_out(&mut self) {
        self.turn.timed_out();
    }

    fn report(&self) -> DiscoveryReport {
        let outcome = match self.stage {
            Stage::Ended(outcome) => outcome,
            _ => JobOutcome::Unfinished,
        };
        DiscoveryReport { outcome }
    }
}
