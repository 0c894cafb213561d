//! Finding out what a node has.

use core::time::Duration;

use super::Turn;
use crate::bsmp::client::{Client, Error, Request};
use crate::bsmp::curve::{self, Curve, Digest, UNKNOWN};
use crate::bsmp::function::{self, Function, Layout};
use crate::bsmp::group::{self, Group, Members};
use crate::bsmp::variable::{self, Variable};
use crate::bsmp::{QueryVersion, Refusal, Version};
use crate::routine::{Routine, Step};
use crate::shown::shown;

/// What a node has, found out or known beforehand. Ids are the places in the lists.
///
/// For a node whose lists are wrong or missing, write one down as a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Directory<'d> {
    /// The version of the protocol that the node speaks.
    pub version: Version,
    /// Its variables.
    pub variables: &'d [Variable],
    /// Its groups, the three standard ones first.
    pub groups: &'d [Group],
    /// Its curves.
    pub curves: &'d [Curve],
    /// The checksums of its curves, as the node had calculated them when it was asked. May be shorter than `curves`.
    pub checksums: &'d [Digest],
    /// Its functions.
    pub functions: &'d [Function],
}

impl<'d> Directory<'d> {
    /// The bytes of all values of a group.
    #[must_use]
    pub fn size(&self, group: &Group) -> usize {
        (0_u8..)
            .zip(self.variables)
            .filter(|(id, _)| group.members.contains(*id))
            .map(|(_, variable)| usize::from(variable.size))
            .sum()
    }

    /// A request to read a variable whose answer must have the right size. `None` if there is no such variable.
    #[must_use]
    pub fn read(&self, id: u8) -> Option<variable::Read> {
        let variable = self.variables.get(usize::from(id))?;
        Some(variable::Read { id, size: Some(variable.size) })
    }

    /// A request to read a group whose answer must have the right size. `None` if there is no such group.
    #[must_use]
    pub fn read_group(&self, id: u8) -> Option<group::Read> {
        let group = self.groups.get(usize::from(id))?;
        Some(group::Read { id, size: Some(u16::try_from(self.size(group)).ok()?) })
    }

    /// A request to write a variable.
    ///
    /// # Errors
    ///
    /// What the node would answer: [`Refusal::InvalidId`], [`Refusal::InvalidSize`], [`Refusal::ReadOnly`].
    pub fn write<'a>(&self, id: u8, value: &'a [u8]) -> Result<variable::Write<'a>, Refusal> {
        let variable = self.variables.get(usize::from(id)).ok_or(Refusal::InvalidId)?;
        if value.len() != usize::from(variable.size) {
            Err(Refusal::InvalidSize)
        } else if variable.writable {
            Ok(variable::Write { id, value })
        } else {
            Err(Refusal::ReadOnly)
        }
    }

    /// A request to write a group.
    ///
    /// # Errors
    ///
    /// What the node would answer: [`Refusal::InvalidId`], [`Refusal::InvalidSize`], [`Refusal::ReadOnly`].
    pub fn write_group<'a>(&self, id: u8, values: &'a [u8]) -> Result<group::Write<'a>, Refusal> {
        let group = self.groups.get(usize::from(id)).ok_or(Refusal::InvalidId)?;
        if values.len() != self.size(group) {
            Err(Refusal::InvalidSize)
        } else if group.writable {
            Ok(group::Write { id, values })
        } else {
            Err(Refusal::ReadOnly)
        }
    }

    /// A request to execute a function whose answer must have the right size.
    ///
    /// # Errors
    ///
    /// What the node would answer: [`Refusal::InvalidId`], [`Refusal::InvalidSize`].
    pub fn execute<'a>(&self, id: u8, input: &'a [u8]) -> Result<function::Execute<'a>, Refusal> {
        let function = self.functions.get(usize::from(id)).ok_or(Refusal::InvalidId)?;
        if input.len() == usize::from(function.input) {
            Ok(function::Execute { id, input, output: Some(function.output) })
        } else {
            Err(Refusal::InvalidSize)
        }
    }
}

/// Where a [`Discovery`] writes what it finds. More entities than fit are an error, so choose the lengths to fit your nodes.
///
/// With fewer `checksums` than curves only the checksums of the first ones are asked for; with none, none.
pub struct Storage<'s> {
    /// Room for up to 128 variables.
    pub variables: &'s mut [Variable],
    /// Room for up to 8 groups.
    pub groups: &'s mut [Group],
    /// Room for up to 128 curves.
    pub curves: &'s mut [Curve],
    /// Room for up to 128 checksums.
    pub checksums: &'s mut [Digest],
    /// Room for up to 128 functions.
    pub functions: &'s mut [Function],
}

shown!(
    Storage<'_>,
    |it| "Storage({} variables, {} groups, {} curves, {} checksums, {} functions)",
    it.variables.len(),
    it.groups.len(),
    it.curves.len(),
    it.checksums.len(),
    it.functions.len()
);

/// Storage for the largest node that BSMP allows: about 4 KiB.
#[derive(Clone)]
pub struct Tables {
    variables: [Variable; variable::MAX_COUNT],
    groups: [Group; group::MAX_COUNT],
    curves: [Curve; curve::MAX_COUNT],
    checksums: [Digest; curve::MAX_COUNT],
    functions: [Function; function::MAX_COUNT],
}

shown!(Tables, |_| "Tables");

impl Tables {
    /// Empty tables.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            variables: [Variable::read_only(0); variable::MAX_COUNT],
            groups: [Group { members: Members::EMPTY, writable: false }; group::MAX_COUNT],
            curves: [Curve::read_only(0, 0); curve::MAX_COUNT],
            checksums: [UNKNOWN; curve::MAX_COUNT],
            functions: [Function { input: 0, output: 0 }; function::MAX_COUNT],
        }
    }

    /// Lends all of it to a [`Discovery`].
    pub const fn storage(&mut self) -> Storage<'_> {
        Storage {
            variables: &mut self.variables,
            groups: &mut self.groups,
            curves: &mut self.curves,
            checksums: &mut self.checksums,
            functions: &mut self.functions,
        }
    }
}

impl Default for Tables {
    fn default() -> Self {
        Self::new()
    }
}

/// What to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
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

/// What is asked next. Each leads to the one below; `Group` and `Checksum` first count up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Version,
    Variables,
    Groups,
    Group(u8),
    Curves,
    Checksum(u8),
    Functions,
    Done(Result<(), Error>),
}

/// Asks a node for all that it has: 00, 02, 04, 06 for each group, 08, 0A for each curve, 0C.
///
/// RAM: about 100 bytes and the [`Storage`]. The link's receive buffer holds the longest list, at most 643 bytes.
///
/// A checksum that the node refuses counts as unknown. The type of a group of 128 members is taken from its members, since
/// libbsmp sends it inverted.
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

shown!(Discovery<'_>, |discovery| "Discovery({:?}, {:?})", discovery.part, discovery.storage);

impl<'s> Discovery<'s> {
    /// Finds out everything.
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
            turn: Turn::FIRST,
        }
    }

    /// Finds out one part again, as the groups after one was created; run the routine once more then.
    pub const fn again(&mut self, part: Part) {
        self.part = part;
        self.turn = Turn::FIRST;
        self.stage = match part {
            Part::All => Stage::Version,
            Part::Variables => Stage::Variables,
            Part::Groups => Stage::Groups,
            Part::Curves => Stage::Curves,
            Part::Functions => Stage::Functions,
        };
    }

    /// What was found so far.
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
        if version.is_supported() { Ok(Stage::Variables) } else { Err(Error::Version(version)) }
    }

    fn variables(&mut self, list: variable::Variables<'_>) -> Result<Stage, Error> {
        self.variables = fill(self.storage.variables, list, list.len())?;
        Ok(self.end_of(Part::Variables, Stage::Groups))
    }

    fn groups(&mut self, list: group::Groups<'_>) -> Result<Stage, Error> {
        let groups = list.map(|listed| Group { members: Members::EMPTY, writable: listed.writable });
        self.groups = fill(self.storage.groups, groups, list.len())?;
        Ok(self.next_group(0))
    }

    fn next_group(&self, id: u8) -> Stage {
        if usize::from(id) < self.groups { Stage::Group(id) } else { self.end_of(Part::Groups, Stage::Curves) }
    }

    fn group(&mut self, id: u8, members: Members) -> Result<Stage, Error> {
        let known = self.storage.variables.get(..self.variables).unwrap_or_default();
        if members.iter().any(|id| usize::from(id) >= known.len()) {
            return Err(Error::UnknownId);
        }
        if let Some(group) = self.storage.groups.get_mut(usize::from(id)) {
            if id >= group::STANDARD && members.len() == variable::MAX_COUNT {
                group.writable = known.iter().all(|variable| variable.writable);
            }
            group.members = members;
        }
        Ok(self.next_group(id.saturating_add(1)))
    }

    fn curves(&mut self, list: curve::Curves<'_>) -> Result<Stage, Error> {
        self.curves = fill(self.storage.curves, list, list.len())?;
        self.checksums = self.curves.min(self.storage.checksums.len());
        Ok(self.next_checksum(0))
    }

    fn next_checksum(&self, id: u8) -> Stage {
        if usize::from(id) < self.checksums { Stage::Checksum(id) } else { self.end_of(Part::Curves, Stage::Functions) }
    }

    fn checksum(&mut self, id: u8, digest: Result<Digest, Error>) -> Result<Stage, Error> {
        let digest = match digest {
            Err(Error::Node(_) | Error::Function(_)) => UNKNOWN,
            digest => digest?,
        };
        if let Some(place) = self.storage.checksums.get_mut(usize::from(id)) {
            *place = digest;
        }
        Ok(self.next_checksum(id.saturating_add(1)))
    }

    fn functions(&mut self, list: function::Functions<'_>) -> Result<Stage, Error> {
        self.functions = fill(self.storage.functions, list, list.len())?;
        Ok(Stage::Done(Ok(())))
    }

    fn end_of(&self, part: Part, next: Stage) -> Stage {
        if self.part == part { Stage::Done(Ok(())) } else { next }
    }

    const fn layout(&self) -> function::List {
        function::List { layout: Layout::of(self.version) }
    }

    fn hear<R: Request>(
        &mut self,
        client: &Client,
        request: R,
        message: &[u8],
        keep: impl FnOnce(&mut Self, R::Response<'_>) -> Result<Stage, Error>,
    ) -> Option<()> {
        let answer = self.turn.answer::<R>(client, &request.expect(), message)?;
        let next = answer.and_then(|response| keep(self, response));
        self.go(next);
        Some(())
    }

    fn go(&mut self, next: Result<Stage, Error>) {
        self.turn = Turn::FIRST;
        self.stage = next.unwrap_or_else(|error| Stage::Done(Err(error)));
    }
}

/// Copies a list into the storage; returns its length.
fn fill<T>(storage: &mut [T], list: impl Iterator<Item = T>, length: usize) -> Result<usize, Error> {
    if length > storage.len() {
        return Err(Error::TooMany);
    }
    for (place, entry) in storage.iter_mut().zip(list) {
        *place = entry;
    }
    Ok(length)
}

impl Routine for Discovery<'_> {
    type Client = Client;
    type Event<'m> = ();
    type Report = Result<(), Error>;

    fn poll(&mut self, client: &mut Client, tx: &mut [u8]) -> Step {
        if let Stage::Done(_) = self.stage {
            return Step::Done;
        }
        let sent = match self.turn.waits(client) {
            Some(Ok(step)) => return step,
            Some(Err(error)) => Err(error),
            None => match self.stage {
                Stage::Version => client.post(&QueryVersion, tx),
                Stage::Variables => client.post(&variable::List, tx),
                Stage::Groups => client.post(&group::List, tx),
                Stage::Group(id) => client.post(&group::Query { id }, tx),
                Stage::Curves => client.post(&curve::List, tx),
                Stage::Checksum(id) => client.post(&curve::QueryChecksum { id }, tx),
                Stage::Functions => client.post(&self.layout(), tx),
                Stage::Done(_) => return Step::Done,
            },
        };
        match sent {
            Ok(length) => self.turn.sent(client, length),
            Err(error) => {
                self.stage = Stage::Done(Err(error));
                Step::Done
            }
        }
    }

    fn receive(&mut self, client: &mut Client, message: &[u8]) -> Option<()> {
        match self.stage {
            Stage::Version => self.hear(client, QueryVersion, message, Self::version),
            Stage::Variables => self.hear(client, variable::List, message, Self::variables),
            Stage::Groups => self.hear(client, group::List, message, Self::groups),
            Stage::Group(id) => {
                self.hear(client, group::Query { id }, message, |this, members| this.group(id, members))
            }
            Stage::Curves => self.hear(client, curve::List, message, Self::curves),
            Stage::Checksum(id) => {
                let digest = self.turn.answer::<curve::QueryChecksum>(client, &(), message)?;
                let next = self.checksum(id, digest);
                self.go(next);
                Some(())
            }
            Stage::Functions => self.hear(client, self.layout(), message, Self::functions),
            Stage::Done(_) => None,
        }
    }

    fn drain(&self, client: &Client) -> Duration {
        client.drain()
    }

    fn timed_out(&mut self) {
        self.turn.timed_out();
    }

    fn report(&self) -> Result<(), Error> {
        match self.stage {
            Stage::Done(result) => result,
            _ => Err(Error::Unfinished),
        }
    }
}
