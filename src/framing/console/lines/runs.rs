//! Decodes runs of symbols on a host, which has memory for a fast path: from the start of a packet
//! to its end, as most senders write it. The state machine handles everything else.

use super::{Line, Lines, Packet, Step};
use crate::framing::console::base64::{self, Group, HOST};
use crate::framing::console::packet::{CRC, LEN, Marker};
use crate::framing::console::store::Store;
use crate::framing::head::MIN_MESSAGE;

impl<S: Store> Lines<S> {
    /// Decodes the symbols at the front of `input`: whole groups at once, and those of cut or
    /// padded groups one by one. Continues in the next line of the packet, and to the end of the
    /// packet, if they follow. Other bytes that are not symbols stay in `input`.
    #[inline(always)]
    pub(super) fn runs(&mut self, input: &mut &[u8]) -> Step {
        if self.line == Line::Outside && !self.is_open() {
            self.start(input);
        } else {
            self.fill(input);
        }
        while let (Line::Symbols, Packet::Open { have, end, group }) = (self.line, &mut self.packet) {
            // A local copy stays in registers.
            let mut rest = *input;
            if *group == Group::EMPTY && *have >= LEN {
                let room = self.store.room(*have, *end);
                let mut len = base64::decode_quads::<HOST>(&mut rest, room);
                len = len.wrapping_add(base64::decode_last(&mut rest, room.get_mut(len..).unwrap_or_default()));
                *have = have.wrapping_add(len);
                if let [b'\n', after @ ..] = rest {
                    if *have == *end {
                        (*input, self.line) = (after, Line::Outside);
                        let step = self.finish();
                        if let Step::Failed(_) = step {
                            self.packet = Packet::None;
                        }
                        return step;
                    }
                    if let [first, second, next @ ..] = after
                        && u16::from_le_bytes([*first, *second]) == Marker::Next.bytes()
                    {
                        *input = next;
                        continue;
                    }
                }
                // The end of a read usually cuts a group, which the next one completes.
                if let Some(cut) = Group::cut(rest) {
                    (*group, *input) = (cut, &[]);
                    return Step::More;
                }
            }
            // This loop also reads the group that begins with LEN, which sets `end`.
            let mut with = *group;
            while let (false, Some((symbol, after))) = (with.is_full(), rest.split_first()) {
                // A byte that is not a symbol must leave no trace in the group.
                let before = with;
                if !with.push::<HOST>(*symbol) {
                    with = before;
                    break;
                }
                rest = after;
            }
            *input = rest;
            if !with.is_full() {
                *group = with;
                return Step::More;
            }
            *group = Group::EMPTY;
            if let Some(error) = self.group::<HOST>(with) {
                return self.fail(error);
            }
        }
        Step::More
    }

    /// Completes the group that the last read cut, if it has no padding and four bytes are there;
    /// any other one is left to the loop.
    #[inline(always)]
    fn fill(&mut self, input: &mut &[u8]) {
        if let (Line::Symbols, Packet::Open { have, end, group }) = (self.line, &mut self.packet)
            && *group != Group::EMPTY
            && *have >= LEN
            && let Some((quad, after)) = group.filled(input)
            && let Some(bytes) = base64::decode(quad)
            && let Some(place) = self.store.room(*have, *end).first_chunk_mut()
        {
            *place = bytes;
            *have = have.wrapping_add(bytes.len());
            (*group, *input) = (Group::EMPTY, after);
        }
    }

    /// Begins a packet whose first line is at the front of `input`, with the group of LEN.
    fn start(&mut self, input: &mut &[u8]) {
        let capacity = self.store.capacity();
        let (Some((marker, rest)), Some(place)) =
            (input.split_first_chunk(), self.store.room(0, capacity).first_chunk_mut())
        else {
            return;
        };
        let Some((quad, rest)) = rest.split_first_chunk() else { return };
        let Some(bytes) = base64::decode(*quad) else { return };
        let [high, low, _] = bytes;
        let end = usize::from(u16::from_be_bytes([high, low])).wrapping_add(LEN);
        if u16::from_le_bytes(*marker) == Marker::Start.bytes() && (LEN + MIN_MESSAGE + CRC..=capacity).contains(&end) {
            *place = bytes;
            self.line = Line::Symbols;
            self.packet = Packet::Open { have: bytes.len(), end, group: Group::EMPTY };
            *input = rest;
        }
    }
}
