//! The node: a message in, at most one out.
//!
//! A [`Server`] takes bare messages, as on TCP and UDP, and answers every one of them. A [`Node`](super::Node) is a server on a bus: it
//! takes messages behind an address, executes those for itself and for its groups, and answers only the former.
//!
//! The protocol, its checks and the groups are here; entities are described by a [`Table`] in flash; values, blocks and
//! procedures are the device's, behind [`Entities`].
//!
//! # One request
//!
//! ```text
//!   length ─▶ command ─▶ payload size ─▶ id ─▶ exact size ─▶ read-only ─▶ fits the answer ─▶ busy, value check ─▶ executed
//!     E1        E2           E5          E3        E5            E6             E7               E8     E4
//! ```
//!
//! Whatever fails, fails before anything is changed: a group write stores all values or none. (libbsmp stores those that are
//! not refused.)
//!
//! # Cost
//!
//! Flash: 2.8 KB on a Cortex-M0 (`opt-level = "s"` or `"z"`, LTO), all requests, without MD5 and the device's own code.
//! RAM: 88 bytes on a 32-bit machine, plus the device's own `Entities`; no buffer. A `Node` 92. Stack: no array larger than a
//! set of 16 bytes. Time: linear in the request, plus one pass over the variables for each group.

use super::curve::{Curve, Digest, UNKNOWN};
use super::group::{Group, MAX_COUNT as MAX_GROUPS, Members, STANDARD};
use super::variable::{Op, Variable};
use super::{Access, Command, Entities, Full, Header, Payload, Refusal, Table, Version};
use crate::framing;
use crate::line::{AsyncService, Peer, Service};
use crate::shown::shown;

/// A server of bare messages: its table, the device, and the groups that the master created.
#[derive(Clone)]
pub struct Server<'t, E> {
    table: &'t Table<'t>,
    groups: heapless::Vec<Members, { MAX_GROUPS - STANDARD as usize }>,
    /// The device.
    pub entities: E,
}

shown!([E] Server<'_, E>, |server| "Server({:?}, {} created groups)", server.table, server.groups.len());

impl From<Full> for Refusal {
    fn from(Full: Full) -> Self {
        Self::Memory
    }
}

/// What is done with the values of a write, variable by variable.
#[derive(Clone, Copy)]
enum Pass {
    /// Is there scratch memory to combine them?
    Room,
    Check,
    Store,
    Combine(Op),
}

impl<'t, E: Entities> Server<'t, E> {
    /// A server without created groups.
    #[must_use]
    pub const fn new(table: &'t Table<'t>, entities: E) -> Self {
        Self { table, groups: heapless::Vec::new(), entities }
    }

    /// Handles one message and writes its answer into the front of `tx`; returns the length of the answer.
    ///
    /// The answer has at least 3 bytes: a `tx` shorter than that gets none, and nothing is executed. An answer that
    /// does not fit becomes [`Refusal::Memory`], and nothing is executed either. For a binary operation, `tx` needs room for
    /// 3 bytes and the largest of the variables.
    pub fn serve(&mut self, message: &[u8], tx: &mut [u8]) -> usize {
        let Some((head, body)) = tx.split_first_chunk_mut() else { return 0 };
        let mut answer = Payload::new(body);
        let result = match Header::parse(message) {
            Some((header, payload)) => self.execute(header.command, payload, &mut answer),
            None => Err(Refusal::Malformed),
        };
        let header = match result {
            Ok(command) => Header { command, length: u16::try_from(answer.len()).unwrap_or(u16::MAX) },
            Err(refusal) => Header { command: Command(refusal.code()), length: 0 },
        };
        *head = header.emit();
        Header::LEN.wrapping_add(usize::from(header.length))
    }

    fn execute(&mut self, command: Command, payload: &[u8], answer: &mut Payload<'_>) -> Result<Command, Refusal> {
        match command {
            Command::QUERY_VERSION
            | Command::LIST_VARIABLES
            | Command::LIST_GROUPS
            | Command::LIST_CURVES
            | Command::LIST_FUNCTIONS
            | Command::REMOVE_GROUPS
                if !payload.is_empty() =>
            {
                Err(Refusal::InvalidSize)
            }
            Command::QUERY_VERSION => {
                let Version { version, subversion, revision } = Version::V2_30;
                answer.put(&[version, subversion, revision])?;
                Ok(Command::VERSION)
            }
            Command::REMOVE_GROUPS => {
                self.groups.clear();
                Ok(Command::OK)
            }
            Command::LIST_VARIABLES | Command::LIST_GROUPS | Command::LIST_CURVES | Command::LIST_FUNCTIONS => {
                self.list(command, answer)
            }
            Command::QUERY_GROUP | Command::READ_VARIABLE | Command::READ_GROUP => self.read(command, payload, answer),
            Command::WRITE_VARIABLE
            | Command::WRITE_GROUP
            | Command::COMBINE_VARIABLE
            | Command::COMBINE_GROUP
            | Command::WRITE_READ => self.write(command, payload, answer),
            Command::CREATE_GROUP => self.create(payload),
            Command::QUERY_CHECKSUM | Command::RECALCULATE | Command::READ_BLOCK | Command::BLOCK => {
                self.curve(command, payload, answer)
            }
            Command::EXECUTE => self.call(payload, answer),
            _ => Err(Refusal::Unsupported),
        }
    }

    /// The lists: one entry after the other.
    fn list(&self, command: Command, answer: &mut Payload<'_>) -> Result<Command, Refusal> {
        for id in 0..=u8::MAX {
            let place = usize::from(id);
            let written = match command {
                Command::LIST_VARIABLES => {
                    self.table.variables.get(place).map(|variable| answer.put(&[variable.emit()]))
                }
                Command::LIST_CURVES => self.table.curves.get(place).map(|curve| answer.put(&curve.emit())),
                Command::LIST_FUNCTIONS => {
                    self.table.functions.get(place).map(|function| answer.put(&[function.input, function.output]))
                }
                _ => {
                    let mut group = Group::default();
                    self.target(true, id, &mut group).ok().map(|()| answer.put(&[group.emit()]))
                }
            };
            match written {
                Some(written) => written?,
                None => break,
            }
        }
        Ok(Command(command.0.wrapping_add(1)))
    }

    /// Finds the variables behind an id: one, or those of a group.
    fn target(&self, of_group: bool, id: u8, target: &mut Group) -> Result<(), Refusal> {
        if !of_group {
            let Variable { writable, .. } = self.table.variables.get(usize::from(id)).ok_or(Refusal::InvalidId)?;
            target.members.insert(id);
            target.writable = *writable;
            return Ok(());
        }
        let created = match id.checked_sub(STANDARD) {
            Some(place) => Some(self.groups.get(usize::from(place)).ok_or(Refusal::InvalidId)?),
            None => None,
        };
        target.writable = id > 1;
        let mut variable = 0_u8;
        for Variable { writable, .. } in self.table.variables {
            let inside = match (created, id) {
                (Some(members), _) => members.contains(variable),
                (None, 0) => true,
                (None, id) => *writable == (id == 2),
            };
            if inside {
                target.members.insert(variable);
                target.writable &= *writable;
            }
            variable = variable.wrapping_add(1);
        }
        Ok(())
    }

    fn read(&mut self, command: Command, payload: &[u8], answer: &mut Payload<'_>) -> Result<Command, Refusal> {
        let &[id] = payload else { return Err(Refusal::InvalidSize) };
        let mut target = Group::default();
        self.target(command != Command::READ_VARIABLE, id, &mut target)?;
        if command == Command::QUERY_GROUP {
            for (id, _) in self.table.variables(&target.members) {
                answer.put(&[id])?;
            }
        } else {
            self.readable(&target.members, answer)?;
            self.values(&target.members, answer)?;
        }
        Ok(Command(command.0.wrapping_add(1)))
    }

    /// Whether the values fit the answer and can be read now.
    fn readable(&mut self, members: &Members, answer: &mut Payload<'_>) -> Result<(), Refusal> {
        if self.table.size(members) > answer.spare().len() {
            Err(Refusal::Memory)
        } else if self.entities.is_busy(Access::Read, members) {
            Err(Refusal::Busy)
        } else {
            Ok(())
        }
    }

    fn values(&mut self, members: &Members, answer: &mut Payload<'_>) -> Result<(), Refusal> {
        self.entities.sample(members);
        for (id, size) in self.table.variables(members) {
            self.entities.read(id, answer.take(size)?);
        }
        Ok(())
    }

    fn write(&mut self, command: Command, payload: &[u8], answer: &mut Payload<'_>) -> Result<Command, Refusal> {
        let of_group = matches!(command, Command::WRITE_GROUP | Command::COMBINE_GROUP);
        let combine = matches!(command, Command::COMBINE_GROUP | Command::COMBINE_VARIABLE);
        let both = command == Command::WRITE_READ;
        // An id, an operation or a second id, and a value; a group may be empty, which its exact size decides.
        let least = 1 + usize::from(!of_group) + usize::from(combine || both);
        let (&id, mut data) = payload.split_first().ok_or(Refusal::InvalidSize)?;
        if payload.len() < least {
            return Err(Refusal::InvalidSize);
        }
        let mut target = Group::default();
        match self.target(of_group, id, &mut target) {
            Err(_) if data.is_empty() => return Err(Refusal::InvalidSize),
            found => found?,
        }
        let mut reads = Group::default();
        let mut pass = Pass::Store;
        if combine || both {
            let (&second, rest) = data.split_first().ok_or(Refusal::InvalidSize)?;
            data = rest;
            if both {
                self.target(false, second, &mut reads)?;
            } else {
                pass = Pass::Combine(Op::from_code(second).ok_or(Refusal::Unsupported)?);
            }
        }
        if data.len() != self.table.size(&target.members) {
            return Err(Refusal::InvalidSize);
        }
        if !target.writable {
            return Err(Refusal::ReadOnly);
        }
        // The text has no order for "busy" and "refused"; libbsmp's differs between one variable and a group.
        let busy = self.entities.is_busy(Access::Write, &target.members);
        if of_group && busy {
            return Err(Refusal::Busy);
        }
        self.pass(if combine { Pass::Room } else { Pass::Check }, &target.members, data, answer)?;
        if busy {
            return Err(Refusal::Busy);
        }
        if both {
            self.readable(&reads.members, answer)?;
        }
        self.pass(pass, &target.members, data, answer)?;
        self.entities.apply(&target.members);
        if !both {
            return Ok(Command::OK);
        }
        self.values(&reads.members, answer)?;
        Ok(Command::VARIABLE_VALUE)
    }

    /// Goes through the values of a write; `data` has the exact size.
    fn pass(
        &mut self,
        pass: Pass,
        members: &Members,
        mut data: &[u8],
        answer: &mut Payload<'_>,
    ) -> Result<(), Refusal> {
        for (id, size) in self.table.variables(members) {
            let (value, rest) = data.split_at_checked(size).ok_or(Refusal::InvalidSize)?;
            data = rest;
            match pass {
                Pass::Room if size > answer.spare().len() => return Err(Refusal::Memory),
                Pass::Room => {}
                Pass::Check => {
                    if !self.entities.check(id, value) {
                        return Err(Refusal::InvalidValue);
                    }
                }
                Pass::Store => self.entities.write(id, value),
                Pass::Combine(op) => {
                    let scratch = answer.spare().get_mut(..size).ok_or(Refusal::Memory)?;
                    self.entities.read(id, scratch);
                    for (byte, mask) in scratch.iter_mut().zip(value) {
                        *byte = op.apply(*byte, *mask);
                    }
                    self.entities.write(id, scratch);
                }
            }
        }
        Ok(())
    }

    fn create(&mut self, ids: &[u8]) -> Result<Command, Refusal> {
        if ids.is_empty() || ids.len() > self.table.variables.len() {
            return Err(Refusal::InvalidSize);
        }
        if self.groups.is_full() {
            return Err(Refusal::Memory);
        }
        let mut members = Members::EMPTY;
        let mut least = 0;
        for id in ids {
            if *id < least || usize::from(*id) >= self.table.variables.len() {
                return Err(Refusal::InvalidId);
            }
            members.insert(*id);
            least = id.saturating_add(1);
        }
        match self.groups.push(members) {
            Ok(()) => Ok(Command::OK),
            Err(_) => Err(Refusal::Memory),
        }
    }

    fn curve(&mut self, command: Command, payload: &[u8], answer: &mut Payload<'_>) -> Result<Command, Refusal> {
        let (&id, rest) = payload.split_first().ok_or(Refusal::InvalidSize)?;
        let curve = self.table.curves.get(usize::from(id));
        if let Command::QUERY_CHECKSUM | Command::RECALCULATE = command {
            return match (curve, rest) {
                (Some(curve), []) => self.checksum(command, id, *curve, answer),
                (None, []) => Err(Refusal::InvalidId),
                _ => Err(Refusal::InvalidSize),
            };
        }
        let &[high, low, ref data @ ..] = rest else { return Err(Refusal::InvalidSize) };
        let write = command == Command::BLOCK;
        let Some(curve) = curve else {
            return Err(if write == data.is_empty() { Refusal::InvalidSize } else { Refusal::InvalidId });
        };
        let block = u16::from_be_bytes([high, low]);
        if data.len() > if write { usize::from(curve.block) } else { 0 } {
            Err(Refusal::InvalidSize)
        } else if u32::from(block) >= curve.blocks {
            Err(Refusal::InvalidValue)
        } else if !write {
            answer.put(payload)?;
            let data = answer.spare().get_mut(..usize::from(curve.block)).ok_or(Refusal::Memory)?;
            let length = self.entities.read_block(id, block, data)?;
            if length > usize::from(curve.block) {
                return Err(Refusal::Busy);
            }
            answer.take(length)?;
            Ok(Command::BLOCK)
        } else if !curve.writable {
            Err(Refusal::ReadOnly)
        } else {
            self.entities.write_block(id, block, data)?;
            self.keep(id, &UNKNOWN);
            Ok(Command::OK)
        }
    }

    fn checksum(
        &mut self,
        command: Command,
        id: u8,
        curve: Curve,
        answer: &mut Payload<'_>,
    ) -> Result<Command, Refusal> {
        let spare = answer.spare();
        if spare.len() < UNKNOWN.len() {
            return Err(Refusal::Memory);
        }
        if command == Command::RECALCULATE {
            let digest = self.entities.digest(id, curve, spare)?;
            self.keep(id, &digest);
            answer.put(&digest)?;
        } else {
            answer.put(self.entities.checksum(id).map_or(&UNKNOWN, |digest| digest))?;
        }
        Ok(Command::CHECKSUM)
    }

    fn keep(&mut self, curve: u8, digest: &Digest) {
        if let Some(kept) = self.entities.checksum(curve) {
            *kept = *digest;
        }
    }

    fn call(&mut self, payload: &[u8], answer: &mut Payload<'_>) -> Result<Command, Refusal> {
        let (&id, input) = payload.split_first().ok_or(Refusal::InvalidSize)?;
        let function = self.table.functions.get(usize::from(id)).ok_or(Refusal::InvalidId)?;
        if input.len() != usize::from(function.input) {
            return Err(Refusal::InvalidSize);
        }
        // The error takes one byte, even of a function without output.
        if answer.spare().is_empty() {
            return Err(Refusal::Memory);
        }
        let output = answer.spare().get_mut(..usize::from(function.output)).ok_or(Refusal::Memory)?;
        output.fill(0);
        match self.entities.execute(id, input, output) {
            Ok(()) => {
                answer.take(usize::from(function.output))?;
                Ok(Command::OUTPUT)
            }
            Err(error) => {
                answer.put(&[error.get()])?;
                Ok(Command::FUNCTION_ERROR)
            }
        }
    }
}

impl<E: Entities> Service for Server<'_, E> {
    type After = ();

    fn receive(&mut self, message: &[u8], _: Peer, tx: &mut [u8]) -> (usize, ()) {
        (self.serve(message, tx), ())
    }

    /// A message that is too long for the receive buffer is [`Refusal::Memory`], an incomplete one [`Refusal::Malformed`].
    fn damaged(&mut self, error: framing::Error, tx: &mut [u8]) -> usize {
        refuse(if error == framing::Error::TooLong { Refusal::Memory } else { Refusal::Malformed }, tx)
    }
}

impl<E: Entities> AsyncService for Server<'_, E> {
    type After = ();

    async fn receive(&mut self, message: &[u8], _: Peer, tx: &mut [u8]) -> (usize, ()) {
        (self.serve(message, tx), ())
    }

    /// A message that is too long for the receive buffer is [`Refusal::Memory`], an incomplete one [`Refusal::Malformed`].
    fn damaged(&mut self, error: framing::Error, tx: &mut [u8]) -> usize {
        refuse(if error == framing::Error::TooLong { Refusal::Memory } else { Refusal::Malformed }, tx)
    }
}

/// An answer without a request.
fn refuse(refusal: Refusal, tx: &mut [u8]) -> usize {
    match tx.first_chunk_mut() {
        Some(head) => {
            *head = Header { command: Command(refusal.code()), length: 0 }.emit();
            Header::LEN
        }
        None => 0,
    }
}
