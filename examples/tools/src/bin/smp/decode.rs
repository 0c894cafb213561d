//! Captured bytes as messages in words.
//!
//! ```text
//!   line 3          console  -> write os/0 echo seq 60 {"d": "hi"}
//!   line 7          console  damaged: the checksum of a frame does not match (31 bytes from here)
//! ```

mod capture;
pub mod frames;
mod wireshark;

use anysmp_tools::errln as eprintln;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::cli::decode::{Decode, Form, Framing, Protocol};
use crate::failure::Failure;
use crate::json::hex;
use crate::output::Output;
use crate::words::{self, Conversation, Said, Sender};
use capture::Piece;
use frames::{Found, Frames};

/// The remedy for a file that is not a capture.
const CAPTURE: &str = "`decode --help` lists the forms of captures.";

/// The silence after a line of hex: long enough to end a packet, and short enough for a frame to
/// continue.
const BETWEEN: std::time::Duration = std::time::Duration::from_millis(30);

/// SMP's own port.
const SMP: u16 = 1337;

/// Decodes a file.
pub fn perform(output: Output, options: &Decode) -> Result<(), Failure> {
    if let Some(directory) = &options.wireshark {
        return wireshark::install(output, directory);
    }
    let path = options.file.as_deref().unwrap_or(Path::new("-"));
    let bytes = crate::input::bytes(path)?;
    let pieces = match options.form {
        Form::Auto => capture::guess(&bytes),
        Form::Hex => capture::hex_lines(&bytes),
        Form::Bytes => Some(capture::plain(&bytes)),
        Form::Pcap => capture::packets(&bytes),
    };
    let Some(pieces) = pieces else {
        return Err(Failure::File(path.to_owned(), "not a capture of this form".to_owned(), CAPTURE));
    };
    let mut report = Report::new(output, options.what.protocol);
    decode(&mut report, options, pieces);
    report.end(path)
}

fn decode(report: &mut Report, options: &Decode, pieces: Vec<Piece>) {
    let (protocol, framing) = (options.what.protocol, options.what.frames);
    let (datagrams, stream): (Vec<Piece>, Vec<Piece>) = pieces.into_iter().partition(|piece| piece.ports.is_some());
    for piece in datagrams {
        let wanted = match (options.port, piece.ports) {
            (Some(port), Some((from, to))) => from == port || to == port,
            (None, Some((SMP, _) | (_, SMP))) if protocol == Protocol::Smp => true,
            // Messages of other protocols than SMP have no header by which to recognise them.
            _ => protocol == Protocol::Smp && words::smp(&piece.bytes).flaw.is_none(),
        };
        if wanted || (options.port.is_none() && protocol != Protocol::Smp) {
            let sender = match options.port {
                Some(port) => piece.ports.map(|(from, _)| if from == port { Sender::Server } else { Sender::Client }),
                None => None,
            };
            let found = Found::Message { at: 0, len: piece.bytes.len(), frame: "datagram", message: piece.bytes };
            report.found(&found, sender, |_| piece.place.clone());
        } else {
            report.skipped += 1;
        }
    }
    if stream.is_empty() {
        return;
    }
    let framing = match framing {
        Framing::Auto => fitting(protocol, &stream),
        framing => framing,
    };
    let mut lines = Lines::new(framing, protocol, &stream);
    for piece in &stream {
        lines.push(piece, |found, sender, place| report.found(&found, sender, place));
    }
    lines.end(|found, sender, place| report.found(&found, sender, place));
}

/// Returns the framing in which the most bytes have a meaning.
fn fitting(protocol: Protocol, pieces: &[Piece]) -> Framing {
    let lines_of_hex = pieces.iter().any(|piece| piece.place.line.is_some());
    let score = |framing: &Framing| {
        let mut conversation = Conversation::default();
        let mut score = 0_i64;
        let mut count = |found: Found, sender: Option<Sender>, _: &dyn Fn(usize) -> Place| {
            score += match found {
                Found::Message { len, frame, message, .. } => {
                    let len = i64::try_from(len).unwrap_or(0);
                    let flaw = say(&mut conversation, protocol, frame, &message, sender).flaw;
                    if frames::has_check(frame) || flaw.is_none() { len } else { -len }
                }
                Found::Damage { .. } => -1,
                // A line of hex is rarely text.
                Found::Text { .. } if lines_of_hex => -2,
                Found::Text { .. } => 0,
            };
        };
        let mut lines = Lines::new(*framing, protocol, pieces);
        for piece in pieces {
            lines.push(piece, &mut count);
        }
        lines.end(&mut count);
        score
    };
    let all = frames::candidates(protocol);
    // Of equal scores, the first one wins.
    let best = all.iter().rev().max_by_key(|framing| score(framing));
    best.copied().unwrap_or(Framing::Raw)
}

/// Both directions of a line.
struct Lines {
    protocol: Protocol,
    timed: bool,
    ways: Vec<Way>,
    framing: Framing,
}

/// One direction.
struct Way {
    sender: Option<Sender>,
    frames: Box<dyn Frames>,
    pushed: usize,
    /// The place of the bytes from each index on.
    places: Vec<(usize, Place)>,
}

impl Way {
    fn place(&self, at: usize) -> Place {
        let known = self.places.iter().rev().find(|(from, _)| *from <= at);
        let Some((from, place)) = known else { return Place::default() };
        Place { byte: place.byte + (at - from), ..place.clone() }
    }
}

impl Lines {
    fn new(framing: Framing, protocol: Protocol, pieces: &[Piece]) -> Self {
        let timed = pieces.iter().any(|piece| piece.place.line.is_some());
        Self { protocol, timed, ways: Vec::new(), framing }
    }

    fn push(&mut self, piece: &Piece, mut found: impl FnMut(Found, Option<Sender>, &dyn Fn(usize) -> Place)) {
        // A whole message in one line of hex needs no framing.
        let bare = self.timed && is_whole(self.protocol, &piece.bytes);
        let way = match self.ways.iter_mut().position(|way| way.sender == piece.sender) {
            Some(index) => self.ways.get_mut(index),
            None => {
                let frames = frames::decoder(self.framing, self.protocol, self.timed);
                self.ways.push(Way { sender: piece.sender, frames, pushed: 0, places: Vec::new() });
                self.ways.last_mut()
            }
        };
        let Some(way) = way else { return };
        let mut all = Vec::new();
        if bare {
            let message = piece.bytes.clone();
            found(Found::Message { at: 0, len: message.len(), frame: "message", message }, piece.sender, &|_| {
                piece.place.clone()
            });
            return;
        }
        way.places.push((way.pushed, piece.place.clone()));
        way.pushed += piece.bytes.len();
        way.frames.push(&piece.bytes, &mut all);
        if self.timed {
            way.frames.idle(BETWEEN, &mut all);
        }
        all.into_iter().for_each(|one| found(one, piece.sender, &|at| way.place(at)));
    }

    fn end(&mut self, mut found: impl FnMut(Found, Option<Sender>, &dyn Fn(usize) -> Place)) {
        for way in &mut self.ways {
            let mut all = Vec::new();
            way.frames.end(&mut all);
            all.into_iter().for_each(|one| found(one, way.sender, &|at| way.place(at)));
        }
    }
}

/// Returns true if bytes are one whole message without a framing.
fn is_whole(protocol: Protocol, bytes: &[u8]) -> bool {
    match protocol {
        Protocol::Smp => {
            use anysmp::smp::Header;
            Header::parse(bytes).is_ok_and(|(header, payload)| usize::from(header.length) == payload.len())
        }
        Protocol::Bsmp => anysmp::bsmp::Header::parse(bytes).is_some(),
        Protocol::S3mp => false,
    }
}

/// The place of a find.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// The line of hex, from 1 on.
    pub line: Option<usize>,
    /// The packet of a pcap, from 1 on, its time, and its direction.
    pub packet: Option<(usize, String, String)>,
    /// The time in seconds, for live bytes.
    pub time: Option<String>,
    /// The byte within it, from 0 on.
    pub byte: usize,
}

impl Place {
    fn text(&self) -> String {
        if let Some(time) = &self.time {
            return format!("{time} s");
        }
        match (self.line, &self.packet, self.byte) {
            (_, Some((number, time, way)), _) => format!("packet {number} {time} {way}"),
            (Some(line), _, 0) => format!("line {line}"),
            (Some(line), _, byte) => format!("line {line} byte {byte}"),
            (None, None, byte) => format!("byte {byte}"),
        }
    }

    fn json(&self) -> Map<String, Value> {
        let mut object = Map::new();
        if let Some((number, time, way)) = &self.packet {
            object.insert("packet".into(), (*number).into());
            object.insert("time".into(), time.as_str().into());
            object.insert("way".into(), way.as_str().into());
        }
        if let Some(time) = &self.time {
            object.insert("time".into(), time.as_str().into());
        }
        if let Some(line) = self.line {
            object.insert("line".into(), line.into());
        }
        if self.packet.is_none() && self.time.is_none() {
            object.insert("byte".into(), self.byte.into());
        }
        object
    }
}

/// Puts a message of any protocol into words.
pub fn say(
    conversation: &mut Conversation,
    protocol: Protocol,
    frame: &str,
    message: &[u8],
    sender: Option<Sender>,
) -> Said {
    match protocol {
        Protocol::Smp => words::smp(message),
        Protocol::Bsmp => conversation.bsmp(message, frame == "packet", sender),
        Protocol::S3mp => conversation.s3mp(message, sender),
    }
}

/// The finds that are shown, and the counts of all finds.
pub struct Report {
    output: Output,
    protocol: Protocol,
    conversation: Conversation,
    messages: usize,
    damaged: usize,
    text: usize,
    /// Datagrams of other protocols.
    skipped: usize,
}

impl Report {
    /// An empty report.
    pub fn new(output: Output, protocol: Protocol) -> Self {
        Self { output, protocol, conversation: Conversation::default(), messages: 0, damaged: 0, text: 0, skipped: 0 }
    }

    /// Shows one find.
    pub fn found(&mut self, found: &Found, sender: Option<Sender>, place: impl Fn(usize) -> Place) {
        let (place, frame, said) = match found {
            Found::Text { at, text } => {
                self.text += text.len();
                let lossy = String::from_utf8_lossy(text);
                if self.output.json {
                    let mut object = place(*at).json();
                    object.insert("text".into(), lossy.into());
                    self.output.result(&Value::Object(object), || ());
                } else {
                    lossy
                        .lines()
                        .filter(|line| !line.trim().is_empty())
                        .for_each(|line| self.output.note(&format!("| {line}")));
                }
                return;
            }
            Found::Message { at, len, frame, message } => {
                let mut said = say(&mut self.conversation, self.protocol, frame, message, sender);
                said.json.insert("len".into(), (*len).into());
                said.json.insert("message".into(), hex(message).into());
                self.messages += 1;
                self.damaged += usize::from(said.flaw.is_some());
                (place(*at), frame, said)
            }
            Found::Damage { at, len, frame, error } => {
                self.damaged += 1;
                let text = format!("damaged: {error} ({len} bytes from here)");
                let json = Map::from_iter([("damage".into(), error.to_string().into()), ("len".into(), (*len).into())]);
                (place(*at), frame, Said { text, json, flaw: None })
            }
        };
        let mut object = place.json();
        object.insert("frame".into(), (*frame).into());
        object.extend(said.json);
        let text = format!("{:<14} {frame:<8} {}", place.text(), said.text);
        self.output.result(&Value::Object(object), || self.output.note(&text));
    }

    /// Shows the counts.
    pub fn end(self, path: &Path) -> Result<(), Failure> {
        let Self { messages, damaged, text, skipped, .. } = self;
        let result = json!({ "messages": messages, "damaged": damaged, "text": text, "skipped": skipped });
        if self.output.json {
            self.output.result(&result, || ());
        } else {
            let others = if skipped > 0 { format!(", {skipped} datagrams of others") } else { String::new() };
            eprintln!("{messages} messages, {damaged} damaged, {text} bytes of text{others}");
        }
        if damaged > 0 {
            let what = format!("{damaged} messages or frames are damaged");
            return Err(Failure::Unknown(what, "The lines above say where."));
        }
        if messages == 0 {
            return Err(Failure::File(path.to_owned(), "holds no message".to_owned(), CAPTURE));
        }
        Ok(())
    }
}
