//! Reading and writing the values of variables and groups.

use super::{Server, Target, next};
use crate::bsmp::variable::Op;
use crate::bsmp::{Access, Command, Entities, Payload, Refusal};

/// Bits in the codes of writes: of a group, with a mask, with a read. Testing them takes 36 bytes
/// less flash than comparing codes.
const OF_GROUP: u8 = 2;
const COMBINE: u8 = 4;
const BOTH: u8 = 8;

// Checked by the compiler: the codes have these bits.
const _: () = {
    let Command(plain) = Command::WRITE_VARIABLE;
    assert!(plain & (OF_GROUP | COMBINE | BOTH) == 0);
    assert!(Command::WRITE_GROUP.0 == plain | OF_GROUP);
    assert!(Command::COMBINE_VARIABLE.0 == plain | COMBINE);
    assert!(Command::COMBINE_GROUP.0 == plain | OF_GROUP | COMBINE);
    assert!(Command::WRITE_READ.0 == plain | BOTH);
};

/// A pass over the values of a write, variable by variable.
#[derive(Clone, Copy)]
enum Pass {
    /// Checks that there is scratch memory to combine the values.
    Room,
    /// Asks the device whether the values may be written.
    Check,
    /// Writes them.
    Store,
    /// Combines them with those that the device has.
    Combine(Op),
}

impl<E: Entities> Server<'_, E> {
    pub(super) fn read(
        &mut self,
        command: Command,
        payload: &[u8],
        answer: &mut Payload<'_>,
    ) -> Result<Command, Refusal> {
        let &[id] = payload else { return Err(Refusal::InvalidSize) };
        if command == Command::QUERY_GROUP {
            let (members, _) = self.group(id)?;
            for (id, _) in self.table.variables(members, 0) {
                answer.put(&[id])?;
            }
        } else {
            let mut target = Target::default();
            self.target(command == Command::READ_GROUP, id, &mut target)?;
            self.readable(&target, answer)?;
            self.values(&target, answer)?;
        }
        Ok(next(command))
    }

    /// Refuses to read values that do not fit the answer, or that cannot be read now.
    fn readable(&mut self, target: &Target, answer: &mut Payload<'_>) -> Result<(), Refusal> {
        if target.size > answer.spare().len() {
            Err(Refusal::Memory)
        } else if self.entities.is_busy(Access::Read, &target.members) {
            Err(Refusal::Busy)
        } else {
            Ok(())
        }
    }

    fn values(&mut self, target: &Target, answer: &mut Payload<'_>) -> Result<(), Refusal> {
        self.entities.sample(&target.members);
        for (id, size) in self.table.variables(&target.members, target.first) {
            self.entities.read(id, answer.take(size.into())?);
        }
        Ok(())
    }

    pub(super) fn write(
        &mut self,
        command: Command,
        payload: &[u8],
        answer: &mut Payload<'_>,
    ) -> Result<Command, Refusal> {
        let of_group = command.0 & OF_GROUP != 0;
        let combine = command.0 & COMBINE != 0;
        let both = command.0 & BOTH != 0;
        // The minimum: an id, an operation or a second id, and a byte of a value. The values of a
        // group may be empty: its exact size is compared below.
        let least = 1 + usize::from(!of_group) + usize::from(combine || both);
        let (&id, mut data) = payload.split_first().ok_or(Refusal::InvalidSize)?;
        if payload.len() < least {
            return Err(Refusal::InvalidSize);
        }
        let mut target = Target::default();
        match self.target(of_group, id, &mut target) {
            // As in libbsmp: an id alone is too short, whether there is such a group or not.
            Err(_) if data.is_empty() => return Err(Refusal::InvalidSize),
            found => found?,
        }
        let mut reads = Target::default();
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
        if data.len() != target.size {
            return Err(Refusal::InvalidSize);
        }
        // After the size: libbsmp answers 0xE5 to a write of the wrong size, read-only or not.
        if !target.writable {
            return Err(Refusal::ReadOnly);
        }
        // The specification has no order for "busy" and "refused"; that of libbsmp differs between
        // one variable and a group.
        let busy = self.entities.is_busy(Access::Write, &target.members);
        if of_group && busy {
            return Err(Refusal::Busy);
        }
        // Nothing has been changed so far, and after this only "busy" and "memory" can stop the
        // write.
        self.pass(if combine { Pass::Room } else { Pass::Check }, &target, data, answer)?;
        if busy {
            return Err(Refusal::Busy);
        }
        // Before the write: if the answer does not fit, nothing may change.
        if both {
            self.readable(&reads, answer)?;
        }
        self.pass(pass, &target, data, answer)?;
        self.entities.apply(&target.members);
        if !both {
            return Ok(Command::OK);
        }
        self.values(&reads, answer)?;
        Ok(Command::VARIABLE_VALUE)
    }

    /// Makes one pass over the values of a write; `data` has the exact size.
    fn pass(&mut self, pass: Pass, target: &Target, mut data: &[u8], answer: &mut Payload<'_>) -> Result<(), Refusal> {
        for (id, size) in self.table.variables(&target.members, target.first) {
            let size = usize::from(size);
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
                    // The unused part of the answer is the scratch memory: a node has no other
                    // buffer.
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
}
