//! Messages in words, as they pass: for `--verbose` and `--log-file` of `bsmp` and `s3mp`.

use anysmp::line::{Damage, Sink};

use crate::words::{Conversation, Sender};
use crate::{errln as eprintln, journal};

/// The protocol of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    /// BSMP, with an address in front of each message, or without.
    Bsmp {
        has_address: bool,
    },
    S3mp,
}

/// Shows the messages that pass.
pub struct Trace {
    is_verbose: bool,
    /// True if the messages sent from here are a master's.
    is_master: bool,
    protocol: Protocol,
    so_far: Conversation,
}

impl Trace {
    fn new(is_verbose: bool, is_master: bool, protocol: Protocol) -> Self {
        Self { is_verbose, is_master, protocol, so_far: Conversation::default() }
    }

    /// The trace of a master of BSMP, whose messages may have an address in front.
    pub fn bsmp(is_verbose: bool, has_address: bool) -> Self {
        Self::new(is_verbose, true, Protocol::Bsmp { has_address })
    }

    /// The trace of a master of S3MP.
    pub fn s3mp(is_verbose: bool) -> Self {
        Self::new(is_verbose, true, Protocol::S3mp)
    }

    /// The trace of a slave of S3MP.
    pub fn slave(is_verbose: bool) -> Self {
        Self::new(is_verbose, false, Protocol::S3mp)
    }

    fn say(&self, text: &str) {
        journal::line(text);
        if self.is_verbose {
            eprintln!("{text}");
        }
    }
}

impl Sink for Trace {
    fn dropped(&mut self, damage: Damage) {
        self.say(&format!("dropped: {damage}"));
    }

    fn traced(&mut self, message: &[u8], sent: bool) {
        let sender = Some(if sent == self.is_master { Sender::Client } else { Sender::Server });
        let said = match self.protocol {
            Protocol::Bsmp { has_address } => self.so_far.bsmp(message, has_address, sender),
            Protocol::S3mp => self.so_far.s3mp(message, sender),
        };
        self.say(&said.text);
    }
}
