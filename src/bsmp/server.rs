//! The node: a message in, at most one out.
//!
//! A [`Server`] receives bare messages, as on TCP and UDP, and answers every one of them. A
//! [`Node`](super::Node) is a server on a bus: it receives messages with an address in front of
//! them, executes those for itself and for its groups, and answers only the former.
//!
//! The protocol, its checks and the groups are here; entities are described by a [`Table`] in
//! flash; values, blocks and procedures are the device's: it implements [`Entities`].
//!
//! ```
//! use anysmp::bsmp::{Entities, Server, Table, variable::Variable};
//!
//! struct Lamp { is_on: u8 }
//!
//! impl Entities for Lamp {
//!     fn read(&mut self, _: u8, value: &mut [u8]) {
//!         value.fill(self.is_on);
//!     }
//!     fn write(&mut self, _: u8, value: &[u8]) {
//!         self.is_on = value[0];
//!     }
//!     fn check(&mut self, _: u8, value: &[u8]) -> bool {
//!         value[0] <= 1
//!     }
//! }
//!
//! const VARIABLES: [Variable; 1] = [Variable::writable(1)];
//! let table = Table::new(&VARIABLES, &[], &[])?;
//! let mut server = Server::new(Lamp { is_on: 0 }, &table);
//! let mut tx = [0; 16];
//! // A received message and its answer: in a loop, `Link::serve` does all of this.
//! let len = server.receive(&[0x20, 0, 2, 0, 1], &mut tx); // write variable 0
//! assert_eq!(tx[..len], [0xE0, 0, 0]); // done
//! let len = server.receive(&[0x20, 0, 2, 0, 9], &mut tx);
//! assert_eq!(tx[..len], [0xE4, 0, 0]); // an invalid value
//! assert_eq!(server.entities().is_on, 1);
//! # Ok::<(), anysmp::bsmp::TableError>(())
//! ```
//!
//! # One request
//!
//! ```text
//!   length ─▶ command ─▶ payload size ─▶ id ─▶ exact size ─▶ read-only ─┐
//!     E1        E2           E5          E3        E5            E6       │
//!   ┌─────────────────────────────────────────────────────────────────────┘
//!   └─▶ fits the answer ─▶ busy, value check ─▶ executed
//!             E7            E8        E4
//! ```
//!
//! Every check precedes every change: a group write stores all values or none. (libbsmp stores
//! those that are not refused.)
//!
//! # Cost
//!
//! Flash: 2.8 KB on a Cortex-M0 (`opt-level = "s"` or `"z"`, LTO), all requests, without MD5 and
//! the device's own code. RAM: 88 bytes on a 32-bit machine, plus the device's own `Entities`; no
//! buffer. A `Node` takes 92. Stack: no array larger than a set of 16 bytes. Time: linear in the
//! request and its answer, whatever the number of variables.

mod blocks;
mod values;

use super::group::{MAX_COUNT as MAX_GROUPS, Members, STANDARD};
use super::{Command, Entities, Full, Header, Payload, Refusal, Table, Version};
use crate::line::{Damage, Peer, Serve, Service, asynch};
use crate::shown::shown;

/// A server of bare messages: its table, the device, and the groups that the master created.
#[derive(Clone)]
pub struct Server<'t, E> {
    table: &'t Table<'t>,
    groups: heapless::Vec<Members, { MAX_GROUPS - STANDARD as usize }>,
    entities: E,
}

#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<Server<'_, ()>>() <= 88);

shown!([E] Server<'_, E>, |server| "Server({:?}, {} created groups)", server.table, server.groups.len());

/// The variables that a request concerns.
#[derive(Default)]
struct Target {
    members: Members,
    /// No member is below this one.
    first: u8,
    /// True if the master may write all of them.
    writable: bool,
    /// The size of all values in bytes.
    size: usize,
}

impl From<Full> for Refusal {
    fn from(Full: Full) -> Self {
        Self::Memory
    }
}

/// The answer to a list or a read has the code of the request plus one, which costs no table.
const fn next(command: Command) -> Command {
    Command(command.0.wrapping_add(1))
}

// Checked by the compiler: `next` agrees with the table of `Command::answer`.
const _: () = {
    let mut rest: &[Command] = &[
        Command::LIST_VARIABLES,
        Command::LIST_GROUPS,
        Command::LIST_CURVES,
        Command::LIST_FUNCTIONS,
        Command::QUERY_GROUP,
        Command::READ_VARIABLE,
        Command::READ_GROUP,
    ];
    while let [first, others @ ..] = rest {
        assert!(matches!(first.answer(), Some(answer) if answer.0 == next(*first).0));
        rest = others;
    }
};

impl<'t, E: Entities> Server<'t, E> {
    /// A server without created groups.
    #[must_use]
    pub const fn new(entities: E, table: &'t Table<'t>) -> Self {
        Self { table, groups: heapless::Vec::new(), entities }
    }

    /// The application's side, between two messages.
    pub const fn entities(&mut self) -> &mut E {
        &mut self.entities
    }

    /// Handles one message and writes its answer to the front of `tx`; returns the length of the
    /// answer in bytes.
    ///
    /// The answer has at least 3 bytes: a `tx` shorter than that gets none, and nothing is
    /// executed. An answer that does not fit becomes [`Refusal::Memory`], and nothing is executed
    /// either. For a binary operation, `tx` needs room for 3 bytes and the largest of the
    /// variables.
    #[must_use = "the answer is in `tx` and has to be sent"]
    pub fn receive(&mut self, message: &[u8], tx: &mut [u8]) -> usize {
        let Some((head, body)) = tx.split_first_chunk_mut() else { return 0 };
        let mut answer = Payload::new(body);
        let result = match Header::parse(message) {
            Some((header, payload)) => self.execute(header.command, payload, &mut answer),
            None => Err(Refusal::Malformed),
        };
        let (command, len) = match result {
            Ok(command) => (command, answer.len()),
            Err(refusal) => (Command(refusal.code()), 0),
        };
        // As `Header::emit` does, with a length that `Payload::new` keeps below 65,536. It takes 20
        // bytes less flash on a Cortex-M0, 44 on an M4.
        let [low, high, ..] = len.to_le_bytes();
        *head = [command.0, high, low];
        Header::LEN.wrapping_add(len)
    }

    fn execute(&mut self, command: Command, payload: &[u8], answer: &mut Payload<'_>) -> Result<Command, Refusal> {
        match command {
            // These have no payload: one check for all of them.
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
                let Version { version, subversion, .. } = Version::V2_30;
                answer.put(&[version, subversion, self.table.revision])?;
                Ok(Command::VERSION)
            }
            Command::REMOVE_GROUPS => {
                // The standard groups are computed from the table: only created ones are kept.
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
            // Also codes of answers, which no master sends.
            _ => Err(Refusal::Unsupported),
        }
    }

    fn list(&self, command: Command, answer: &mut Payload<'_>) -> Result<Command, Refusal> {
        // No list is longer.
        for id in 0..128 {
            let place = usize::from(id);
            let written = match command {
                Command::LIST_VARIABLES => {
                    self.table.variables.get(place).map(|variable| answer.put(&[variable.emit()]))
                }
                Command::LIST_CURVES => self.table.curves.get(place).map(|curve| answer.put(&curve.emit())),
                Command::LIST_FUNCTIONS => {
                    self.table.functions.get(place).map(|function| answer.put(&[function.input, function.output]))
                }
                _ => self.group(id).ok().map(|(members, writable)| answer.put(&[members.emit(writable)])),
            };
            match written {
                Some(written) => written?,
                None => break,
            }
        }
        Ok(next(command))
    }

    /// Returns the members of a group, and true if the master may write it.
    fn group(&self, id: u8) -> Result<(&Members, bool), Refusal> {
        let members = match id.checked_sub(STANDARD) {
            Some(place) => self.groups.get(usize::from(place)),
            None => self.table.standard.get(usize::from(id)),
        };
        let members = members.ok_or(Refusal::InvalidId)?;
        // Groups 0 and 1 are read-only by the specification, whatever they contain.
        Ok((members, id > 1 && self.table.is_writable(members)))
    }

    /// Finds the variables of an id: one, or those of a group. `target` must be empty.
    ///
    /// It is an out-parameter: a returned value would be copied at each level of the stack.
    fn target(&self, of_group: bool, id: u8, target: &mut Target) -> Result<(), Refusal> {
        if of_group {
            let (members, writable) = self.group(id)?;
            (target.members, target.writable) = (*members, writable);
            for (_, size) in self.table.variables(members, 0) {
                target.size = target.size.wrapping_add(size.into());
            }
        } else {
            let variable = self.table.variables.get(usize::from(id)).ok_or(Refusal::InvalidId)?;
            target.members.insert(id);
            target.first = id;
            target.writable = variable.writable;
            target.size = usize::from(variable.size);
        }
        Ok(())
    }

    fn create(&mut self, ids: &[u8]) -> Result<Command, Refusal> {
        if ids.is_empty() || ids.len() > self.table.variables.len() {
            return Err(Refusal::InvalidSize);
        }
        // Checked before the ids, as in libbsmp: a full node refuses every group alike.
        if self.groups.is_full() {
            return Err(Refusal::Memory);
        }
        let mut members = Members::EMPTY;
        let mut least = 0;
        for id in ids {
            // The specification does not mention ids out of order; libbsmp refuses them like
            // unknown ones.
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
}

impl<E: Entities> Serve for Server<'_, E> {
    type After = ();

    /// Answers a message that is too long for the receive buffer with [`Refusal::Memory`], an
    /// incomplete one with [`Refusal::Malformed`].
    fn damaged(&mut self, damage: Damage, tx: &mut [u8]) -> usize {
        refuse(if damage == Damage::TooLong { Refusal::Memory } else { Refusal::Malformed }, tx)
    }
}

impl<E: Entities> Service for Server<'_, E> {
    fn receive(&mut self, message: &[u8], _: Peer, tx: &mut [u8]) -> (usize, ()) {
        (self.receive(message, tx), ())
    }
}

impl<E: Entities> asynch::Service for Server<'_, E> {
    /// Handles one message, without awaiting anything.
    ///
    /// # Cancellation
    ///
    /// Never waits, so there is nothing to cancel.
    async fn receive(&mut self, message: &[u8], _: Peer, tx: &mut [u8]) -> (usize, ()) {
        (self.receive(message, tx), ())
    }
}

/// Writes a refusal of a message that was not received whole; returns its length.
fn refuse(refusal: Refusal, tx: &mut [u8]) -> usize {
    match tx.first_chunk_mut() {
        Some(head) => {
            *head = Header { command: Command(refusal.code()), len: 0 }.emit();
            Header::LEN
        }
        None => 0,
    }
}
