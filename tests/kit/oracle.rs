//! The slow, obvious decoders that serve as oracles for the fast ones.

use std::vec::Vec;

use anysmp::framing::Error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::events::{Event, Events};

/// Base64 by the crate of that name.
pub fn base64(bytes: &[u8]) -> Vec<u8> {
    let mut symbols = std::vec![0; bytes.len().div_ceil(3) * 4];
    assert_eq!(STANDARD.encode_slice(bytes, &mut symbols), Ok(symbols.len()));
    symbols
}

pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| crc << 1 ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 })
    })
}

pub const START: [u8; 2] = [0x06, 0x09];
pub const NEXT: [u8; 2] = [0x04, 0x14];

/// Slow and obvious: a packet of LEN, message and CRC in lines of at most `line` bytes, but of at
/// least one group of symbols.
pub fn console_frame(message: &[u8], line: usize) -> Vec<u8> {
    let crc = crc16(message).to_be_bytes();
    let len = (message.len() + crc.len()) as u16;
    let packet = [&len.to_be_bytes()[..], message, &crc].concat();
    let mut wire = Vec::new();
    for (at, bytes) in packet.chunks((line.saturating_sub(3) / 4).max(1) * 3).enumerate() {
        wire.extend_from_slice(if at == 0 { &START } else { &NEXT });
        wire.extend_from_slice(&base64(bytes));
        wire.push(b'\n');
    }
    wire
}

/// Slow and obvious: a console stream as a whole, with lines and packets in vectors.
pub fn console_reference(stream: &[u8], buffer: usize) -> Vec<Event> {
    let mut events = Events::default();
    let mut packet: Option<Vec<u8>> = None;
    let mut at = 0;
    let is_marker = |at: usize| stream[at..].starts_with(&START) || stream[at..].starts_with(&NEXT);
    while at < stream.len() {
        if !is_marker(at) {
            // A last byte that may begin a marker is undecided.
            if at + 1 < stream.len() || !matches!(stream[at], 0x06 | 0x04) {
                events.text(&stream[at..=at]);
            }
            at += 1;
            continue;
        }
        if stream[at..].starts_with(&START) {
            if packet.is_some() {
                events.error(Error::Truncated);
            }
            packet = Some(Vec::new());
        }
        let body = &stream[at + 2..];
        let end = body.iter().position(|byte| matches!(byte, b'\n' | 0x06 | 0x04));
        let close = end.map(|end| body[end]);
        if let Some(open) = &mut packet {
            match console_line(open, &body[..end.unwrap_or(body.len())], close, buffer) {
                Ok(false) => {}
                Ok(true) => {
                    events.message(&open[2..open.len() - 2]);
                    packet = None;
                }
                Err(error) => {
                    events.error(error);
                    packet = None;
                }
            }
        }
        at += 2 + end.unwrap_or(body.len());
        // The rest of a cut line, up to its line feed or to the next marker.
        while at < stream.len() && !is_marker(at) {
            at += 1;
            if stream[at - 1] == b'\n' {
                break;
            }
        }
    }
    events.0
}

fn console_line(packet: &mut Vec<u8>, body: &[u8], close: Option<u8>, buffer: usize) -> Result<bool, Error> {
    let symbols = body.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')).count();
    let (symbols, trailer) = body.split_at(symbols);
    let mut padded = false;
    for group in symbols.chunks(4) {
        if padded {
            return Err(Error::Malformed);
        }
        if group.len() < 4 {
            return match trailer.first().copied().or(close) {
                None => Ok(false),
                Some(0x06 | 0x04) => Err(Error::Truncated),
                Some(_) => Err(Error::Malformed),
            };
        }
        let mut bytes = [0; 3];
        let count = STANDARD.decode_slice(group, &mut bytes).map_err(|_strict| Error::Malformed)?;
        packet.extend_from_slice(&bytes[..count]);
        padded = group.ends_with(b"=");
        if packet.len() >= 2 {
            let len = usize::from(packet[0]) << 8 | usize::from(packet[1]);
            if len < 10 {
                return Err(Error::Malformed);
            }
            if len + 2 > buffer {
                return Err(Error::TooLong);
            }
            if packet.len() > len + 2 {
                return Err(Error::Malformed);
            }
        }
    }
    if !trailer.iter().all(|byte| matches!(byte, b' ' | b'\r')) {
        return Err(Error::Malformed);
    }
    match close {
        None => Ok(false),
        Some(b'\n') if packet.len() >= 2 => {
            let len = usize::from(packet[0]) << 8 | usize::from(packet[1]);
            if packet.len() < len + 2 {
                return Ok(false);
            }
            let (message, crc) = packet[2..].split_at(len - 2);
            if crc16(message).to_be_bytes() == crc { Ok(true) } else { Err(Error::Checksum) }
        }
        Some(b'\n') => Ok(false),
        Some(_) => Err(Error::Truncated),
    }
}

/// Slow and obvious: COBS, run by run, with a last group that is never full.
pub fn cobs_stuffed(data: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::new();
    for mut run in data.split(|byte| *byte == 0) {
        while let Some((full, rest)) = run.split_at_checked(254) {
            stuffed.push(0xFF);
            stuffed.extend_from_slice(full);
            run = rest;
        }
        stuffed.push(run.len() as u8 + 1);
        stuffed.extend_from_slice(run);
    }
    stuffed
}

/// Slow and obvious: COBS + CRC-16 + 00, frame by frame. There is no verdict on an unfinished frame
/// at the end.
pub fn cobs_reference(stream: &[u8], buffer: usize) -> Vec<Event> {
    let mut events = Events::default();
    let mut frames: Vec<&[u8]> = stream.split(|byte| *byte == 0).collect();
    frames.pop();
    for frame in frames.into_iter().filter(|frame| !frame.is_empty()) {
        match cobs_frame(frame, buffer) {
            Ok(message) => events.message(&message),
            Err(error) => events.error(error),
        }
    }
    events.0
}

fn cobs_frame(mut frame: &[u8], buffer: usize) -> Result<Vec<u8>, Error> {
    let mut data = Vec::new();
    let mut result = Ok(());
    while let Some((code, rest)) = frame.split_first() {
        let len = usize::from(*code) - 1;
        data.extend_from_slice(&rest[..len.min(rest.len())]);
        if len > rest.len() {
            result = Err(Error::Malformed);
            break;
        }
        frame = &rest[len..];
        if *code != 0xFF && !frame.is_empty() {
            data.push(0);
        }
    }
    if data.len() > buffer {
        return Err(Error::TooLong);
    }
    result?;
    if data.len() < 10 {
        return Err(Error::Malformed);
    }
    let crc = data.split_off(data.len() - 2);
    if crc16(&data).to_be_bytes() == *crc { Ok(data) } else { Err(Error::Checksum) }
}

/// Slow and obvious: stores the bytes of an S3MP frame, decides at each zero, decodes afterwards.
/// `None` is silence.
pub fn lrc_reference(pieces: &[Option<&[u8]>], limit: usize) -> Vec<Event> {
    let (mut b, mut waiting, mut events) = (Vec::new(), false, Vec::new());
    for piece in pieces {
        let Some(bytes) = piece else {
            if waiting {
                lrc_frame(&b[..b.len() - 1], limit, &mut events);
            } else if !b.is_empty() {
                events.push(Event::Error(Error::Abandoned));
            }
            (b, waiting) = (Vec::new(), false);
            continue;
        };
        for &byte in *bytes {
            if waiting {
                waiting = false;
                let stored = std::mem::take(&mut b);
                if byte == 0 {
                    lrc_frame(&stored, limit, &mut events);
                    continue;
                }
                lrc_frame(&stored[..stored.len() - 1], limit, &mut events);
            }
            if byte != 0 {
                b.push(byte);
                continue;
            }
            let sum = b.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
            let (mut next, mut last_is_code) = (0, false);
            for (k, x) in b.iter().enumerate() {
                last_is_code = k == next;
                if last_is_code {
                    next = k + usize::from(*x);
                }
            }
            if b.is_empty() {
                continue;
            } else if sum != 0 {
                events.push(Event::Error(Error::Checksum));
            } else if last_is_code && next == b.len() {
                waiting = true;
                continue;
            } else if last_is_code {
                lrc_frame(&b[..b.len() - 1], limit, &mut events);
            } else if next == b.len() {
                lrc_frame(&b, limit, &mut events);
            } else {
                events.push(Event::Error(Error::Malformed));
            }
            b.clear();
        }
    }
    events
}

/// Decodes COBS bytes whose chain is known to end with them.
fn lrc_frame(cobs: &[u8], limit: usize, events: &mut Vec<Event>) {
    let (mut message, mut at) = (Vec::new(), 0);
    while at < cobs.len() {
        let code = usize::from(cobs[at]);
        message.extend_from_slice(&cobs[at + 1..at + code]);
        at += code;
        if code < 255 && at < cobs.len() {
            message.push(0);
        }
    }
    events.push(if message.len() <= limit { Event::Message(message) } else { Event::Error(Error::TooLong) });
}
