//! Frames in captured bytes: where each begins, what it contains, or what is wrong with it.

use std::time::Duration;

use anysmp::framing::auto::{Auto, Kind};
use anysmp::framing::console::Console;
use anysmp::framing::counted::{Counted, Head3, Head8};
use anysmp::framing::delimited::Cobs;
use anysmp::framing::lrc::Lrc;
use anysmp::framing::packet::Packet;
use anysmp::framing::{Error, Framing, Progress};

use crate::cli::decode::{Framing as Kinds, Protocol};

/// The longest message: a length of 16 bits, a header, a checksum.
const LONGEST: usize = 66_000;

/// Longer than any framing waits for the rest of a message.
const END: Duration = Duration::from_secs(60);

/// The result of a decoder.
pub enum Found {
    /// A message, in `len` bytes from `at` on.
    Message { at: usize, len: usize, frame: &'static str, message: Vec<u8> },
    /// Damage, in `len` bytes from `at` on.
    Damage { at: usize, len: usize, frame: &'static str, error: Error },
    /// Bytes outside of frames.
    Text { at: usize, text: Vec<u8> },
}

/// The decoder of one direction of a line.
pub trait Frames {
    /// Accepts the next bytes.
    fn push(&mut self, bytes: &[u8], found: &mut Vec<Found>);
    /// Reports that nothing has arrived for this long.
    fn idle(&mut self, silence: Duration, found: &mut Vec<Found>);
    /// Reports that nothing more will arrive.
    fn end(&mut self, found: &mut Vec<Found>) {
        self.idle(END, found);
    }
}

/// The framings that a protocol may have, the likeliest first.
pub fn candidates(protocol: Protocol) -> &'static [Kinds] {
    match protocol {
        Protocol::Smp => &[Kinds::Console, Kinds::Raw, Kinds::Cobs],
        Protocol::Bsmp => &[Kinds::Packet, Kinds::Raw],
        Protocol::S3mp => &[Kinds::Lrc, Kinds::Message],
    }
}

/// Returns true if a frame of this kind has its own check, which proves it regardless of its
/// content.
pub fn has_check(frame: &str) -> bool {
    !matches!(frame, "raw" | "message" | "datagram")
}

/// Makes the decoder of a framing. `timed`: the silence between packets is known.
pub fn decoder(kind: Kinds, protocol: Protocol, timed: bool) -> Box<dyn Frames> {
    let buffer = || vec![0; LONGEST].leak();
    match (kind, protocol) {
        (Kinds::Console, _) => Box::new(Of::new(Console::new(buffer()), "console")),
        (Kinds::Cobs, _) => Box::new(Of::new(Cobs::new(buffer()), "cobs")),
        (Kinds::Lrc, _) => Box::new(Of::new(Lrc::new(buffer()), "lrc")),
        (Kinds::Packet, _) => {
            let packet = Packet::new(buffer(), Duration::from_millis(1));
            // Without silence between packets, a packet ends where its length says, if its sum is
            // 0.
            Box::new(Of::new(if timed { packet } else { packet.with_early_delivery() }, "packet"))
        }
        (Kinds::Raw, Protocol::Bsmp) => Box::new(Of::new(Counted::<Head3>::new(buffer()), "raw")),
        (Kinds::Raw, _) => Box::new(Of::new(Counted::<Head8>::new(buffer()), "raw")),
        (Kinds::Auto, _) => {
            let mut of = Of::new(Auto::new(buffer()), "auto");
            of.name = |framing, _| match framing.kind() {
                Kind::Console => "console",
                Kind::Raw => "raw",
                Kind::Cobs => "cobs",
            };
            Box::new(of)
        }
        (Kinds::Message, _) => Box::new(Whole { pushed: 0 }),
    }
}

/// Each piece is a message: datagrams, and hex of messages without a framing.
struct Whole {
    pushed: usize,
}

impl Frames for Whole {
    fn push(&mut self, bytes: &[u8], found: &mut Vec<Found>) {
        if !bytes.is_empty() {
            found.push(Found::Message { at: self.pushed, len: bytes.len(), frame: "message", message: bytes.to_vec() });
        }
        self.pushed += bytes.len();
    }

    fn idle(&mut self, _: Duration, _: &mut Vec<Found>) {}
}

/// A framing of the library, and the place of the bytes that are still undecided.
struct Of<F> {
    framing: F,
    frame: &'static str,
    name: fn(&F, &'static str) -> &'static str,
    pushed: usize,
    /// The bytes since the last find.
    since: Vec<u8>,
}

impl<F: Framing> Of<F> {
    fn new(framing: F, frame: &'static str) -> Self {
        Self { framing, frame, name: |_, frame| frame, pushed: 0, since: Vec::new() }
    }

    /// Takes the bytes since the last find; returns their place without the line ends in front,
    /// which belong to no frame.
    fn taken(&mut self) -> (usize, usize) {
        let line_ends = match self.frame {
            "console" | "auto" => self.since.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count(),
            "lrc" | "cobs" => self.since.iter().take_while(|byte| **byte == 0).count(),
            _ => 0,
        };
        // If there are only line ends, they are the find.
        let skipped = if line_ends < self.since.len() { line_ends } else { 0 };
        let len = self.since.len() - skipped;
        self.since.clear();
        (self.pushed - len, len)
    }

    fn step(&mut self, progress: Result<Progress<'_>, Error>, found: &mut Vec<Found>) -> bool {
        let frame = (self.name)(&self.framing, self.frame);
        match progress {
            Ok(Progress::More) => return false,
            Ok(Progress::Message) => {
                let message = self.framing.message().to_vec();
                let (at, len) = self.taken();
                found.push(Found::Message { at, len, frame, message });
            }
            Ok(Progress::Text(text)) => {
                let text = text.to_vec();
                self.since.clear();
                let at = self.pushed.saturating_sub(text.len());
                match found.last_mut() {
                    Some(Found::Text { at: first, text: before }) if *first + before.len() == at => {
                        before.extend(text);
                    }
                    _ => found.push(Found::Text { at, text }),
                }
            }
            Err(error) => {
                let (at, len) = self.taken();
                found.push(Found::Damage { at, len, frame, error });
            }
        }
        true
    }
}

impl<F: Framing> Frames for Of<F> {
    fn push(&mut self, bytes: &[u8], found: &mut Vec<Found>) {
        // Byte by byte, so that the place of each find is known.
        for byte in bytes {
            let mut input = std::slice::from_ref(byte);
            let mut counted = false;
            loop {
                let progress = self.framing.push(&mut input);
                if input.is_empty() && !counted {
                    counted = true;
                    self.pushed += 1;
                    self.since.push(*byte);
                }
                if !self.step(progress, found) {
                    break;
                }
            }
        }
    }

    fn idle(&mut self, silence: Duration, found: &mut Vec<Found>) {
        loop {
            let progress = self.framing.idle(silence);
            if !self.step(progress, found) {
                break;
            }
        }
    }
}
