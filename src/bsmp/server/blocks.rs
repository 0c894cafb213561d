//! Curves and functions.

use super::Server;
use crate::bsmp::curve::{Curve, Digest, UNKNOWN};
use crate::bsmp::{Command, Entities, Payload, Refusal};

impl<E: Entities> Server<'_, E> {
    pub(super) fn curve(
        &mut self,
        command: Command,
        payload: &[u8],
        answer: &mut Payload<'_>,
    ) -> Result<Command, Refusal> {
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
            // As in libbsmp: if the payload has the wrong size too, that is the fault to report.
            return Err(if write == data.is_empty() { Refusal::InvalidSize } else { Refusal::InvalidId });
        };
        let block = u16::from_be_bytes([high, low]);
        if data.len() > if write { usize::from(curve.block) } else { 0 } {
            Err(Refusal::InvalidSize)
        } else if u32::from(block) >= curve.blocks {
            Err(Refusal::InvalidValue)
        } else if !write {
            // The answer names its block: curve and block number are those of the request. Written
            // out, they save a host the call of `memcpy` for three bytes; firmware would take 12
            // more bytes of flash, 52 on an M4.
            #[cfg(target_os = "none")]
            answer.put(payload)?;
            #[cfg(not(target_os = "none"))]
            answer.put(&[id, high, low])?;
            let data = answer.spare().get_mut(..usize::from(curve.block)).ok_or(Refusal::Memory)?;
            let len = self.entities.read_block(id, block, data)?;
            // The device broke its promise: nothing of this block can be trusted.
            if len > usize::from(curve.block) {
                return Err(Refusal::Busy);
            }
            answer.take(len)?;
            Ok(Command::BLOCK)
        } else if !curve.writable {
            Err(Refusal::ReadOnly)
        } else {
            self.entities.write_block(id, block, data)?;
            // The checksum that was calculated last no longer belongs to these bytes.
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

    /// Keeps the checksum of a curve, if the device has a place for it.
    fn keep(&mut self, curve: u8, digest: &Digest) {
        if let Some(kept) = self.entities.checksum(curve) {
            *kept = *digest;
        }
    }

    pub(super) fn call(&mut self, payload: &[u8], answer: &mut Payload<'_>) -> Result<Command, Refusal> {
        let (&id, input) = payload.split_first().ok_or(Refusal::InvalidSize)?;
        let function = self.table.functions.get(usize::from(id)).ok_or(Refusal::InvalidId)?;
        if input.len() != usize::from(function.input) {
            return Err(Refusal::InvalidSize);
        }
        // The error of a function takes one byte, even if the function has no output.
        if answer.spare().is_empty() {
            return Err(Refusal::Memory);
        }
        let output = answer.spare().get_mut(..usize::from(function.output)).ok_or(Refusal::Memory)?;
        // A device that writes less than it declared must not send bytes of an earlier answer.
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
