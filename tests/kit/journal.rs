//! Every message that was really sent.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

#[derive(Debug, Default)]
pub struct Journal {
    sent: HashSet<Vec<u8>>,
    /// The last message that the client sent.
    pub asked: Vec<u8>,
    /// The messages of which noise is made.
    pub noise: Vec<Vec<u8>>,
    /// The last message that a framing delivered although nothing had sent it.
    pub last: Vec<u8>,
    /// Messages that a framing delivered at the client although nothing had sent them.
    pub strange_to_client: u64,
    /// Requests that may have been damaged into another one that was sent before.
    pub others: u64,
    /// Messages that a framing delivered at a station although nothing had sent them.
    pub strange_to_station: u64,
}

pub type Shared = Rc<RefCell<Journal>>;

impl Journal {
    pub fn sends(&mut self, message: &[u8]) {
        if !self.sent.contains(message) {
            self.sent.insert(message.to_vec());
        }
    }

    /// Forgets the messages so far: for runs that are too long to keep them.
    pub fn forget(&mut self) {
        self.sent.clear();
    }

    pub fn knows(&self, message: &[u8]) -> bool {
        self.sent.contains(message)
    }

    /// Returns true if a request that was damaged on its way has become another one that was sent
    /// before; for requests that come in order, one after the other. On a bus everyone also
    /// receives the answers to the master, whose address is 0.
    pub fn is_another(&self, request: &[u8]) -> bool {
        self.asked != request && request.first() != Some(&0) && !self.noise.iter().any(|noise| noise == request)
    }

    /// The number of messages that have passed a framing's check although nothing had sent them.
    pub const fn strange(&self) -> u64 {
        self.strange_to_client + self.strange_to_station
    }
}
