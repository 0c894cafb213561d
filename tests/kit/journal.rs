//! Every message that anybody really sent.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

#[derive(Debug, Default)]
pub struct Journal {
    sent: HashSet<Vec<u8>>,
    /// What the client sent last.
    pub asked: Vec<u8>,
    /// What noise is made of.
    pub noise: Vec<Vec<u8>>,
    /// The last of these.
    pub last: Vec<u8>,
    /// Messages that a framing delivered at the client and nobody had sent.
    pub strange_to_client: u64,
    /// Requests that may have been damaged into another one that was sent before.
    pub others: u64,
    /// The same at a station.
    pub strange_to_station: u64,
}

pub type Shared = Rc<RefCell<Journal>>;

impl Journal {
    pub fn sends(&mut self, message: &[u8]) {
        if !self.sent.contains(message) {
            self.sent.insert(message.to_vec());
        }
    }

    /// Forgets what was sent: for runs that are too long to keep it.
    pub fn forget(&mut self) {
        self.sent.clear();
    }

    pub fn knows(&self, message: &[u8]) -> bool {
        self.sent.contains(message)
    }

    /// Whether a request that was damaged on its way has become another one that was sent before:
    /// where requests come in order, one after the other. On a bus everyone receives the answers to
    /// the master, whose address is 0, too.
    pub fn is_another(&self, request: &[u8]) -> bool {
        self.asked != request && request.first() != Some(&0) && !self.noise.iter().any(|noise| noise == request)
    }

    /// How many messages have passed a framing's check although nobody had sent them.
    pub const fn strange(&self) -> u64 {
        self.strange_to_client + self.strange_to_station
    }
}
