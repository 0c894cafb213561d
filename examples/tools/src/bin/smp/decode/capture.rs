//! The forms of captures: hex, bytes, pcap, pcapng.

use std::net::IpAddr;

use super::Place;
use crate::json::from_hex;
use crate::words::Sender;

/// A piece of a capture.
pub struct Piece {
    pub place: Place,
    pub sender: Option<Sender>,
    /// Source and destination of a datagram.
    pub ports: Option<(u16, u16)>,
    pub bytes: Vec<u8>,
}

/// Returns the pieces of a capture if its form can be recognised from its bytes.
pub fn guess(bytes: &[u8]) -> Option<Vec<Piece>> {
    let magic: Option<&[u8; 4]> = bytes.first_chunk();
    match magic {
        Some(
            b"\xd4\xc3\xb2\xa1" | b"\xa1\xb2\xc3\xd4" | b"\x4d\x3c\xb2\xa1" | b"\xa1\xb2\x3c\x4d" | b"\x0a\x0d\x0d\x0a",
        ) => packets(bytes),
        _ => Some(hex_lines(bytes).unwrap_or_else(|| plain(bytes))),
    }
}

/// Bytes as they were on the wire.
pub fn plain(bytes: &[u8]) -> Vec<Piece> {
    vec![Piece { place: Place::default(), sender: None, ports: None, bytes: bytes.to_vec() }]
}

/// Lines of hex; `None` if a line is something else. Empty lines and everything after a `#` are
/// ignored.
pub fn hex_lines(bytes: &[u8]) -> Option<Vec<Piece>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut pieces = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split_once('#').map_or(line, |(front, _)| front).trim();
        let (mark, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let (sender, digits) = match mark {
            "->" | ">" | "TX" | "tx" | "TX:" | "tx:" => (Some(Sender::Client), rest),
            "<-" | "<" | "RX" | "rx" | "RX:" | "rx:" => (Some(Sender::Server), rest),
            _ => (None, line),
        };
        let digits: String =
            digits.replace("0x", "").chars().filter(|c| !c.is_whitespace() && !matches!(c, ':' | ',')).collect();
        if digits.is_empty() {
            continue;
        }
        let place = Place { line: Some(index + 1), ..Place::default() };
        pieces.push(Piece { place, sender, ports: None, bytes: from_hex(&digits)? });
    }
    if pieces.is_empty() { None } else { Some(pieces) }
}

/// Reads numbers of a file in its byte order.
#[derive(Clone, Copy)]
struct Order {
    big: bool,
}

impl Order {
    fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self.big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn len(self, bytes: &[u8], at: usize) -> Option<usize> {
        self.u32(bytes, at).and_then(|len| len.try_into().ok())
    }
}

const BIG: Order = Order { big: true };

/// Returns the datagrams in a file of Wireshark or tcpdump; if the file is truncated, those before
/// the cut.
pub fn packets(bytes: &[u8]) -> Option<Vec<Piece>> {
    if bytes.starts_with(b"\x0a\x0d\x0d\x0a") { Some(pcapng(bytes)) } else { pcap(bytes) }
}

fn pcap(bytes: &[u8]) -> Option<Vec<Piece>> {
    let (big, fraction) = match bytes.first_chunk()? {
        b"\xd4\xc3\xb2\xa1" => (false, 1_000_000),
        b"\xa1\xb2\xc3\xd4" => (true, 1_000_000),
        b"\x4d\x3c\xb2\xa1" => (false, 1_000_000_000),
        b"\xa1\xb2\x3c\x4d" => (true, 1_000_000_000),
        _ => return None,
    };
    let order = Order { big };
    let link = order.u32(bytes, 20)? & 0xFFFF;
    let (mut pieces, mut rest) = (Vec::new(), bytes.get(24..)?);
    for number in 1.. {
        let Some(len) = order.len(rest, 8) else { break };
        let (Some(seconds), Some(part)) = (order.u32(rest, 0), order.u32(rest, 4)) else { break };
        let Some(frame) = rest.get(16..).and_then(|rest| rest.get(..len)) else { break };
        let time = u64::from(seconds) * 1_000_000 + u64::from(part) * 1_000_000 / fraction;
        pieces.extend(datagram(number, time, link, frame));
        rest = rest.get(16 + len..).unwrap_or_default();
    }
    Some(pieces)
}

fn pcapng(bytes: &[u8]) -> Vec<Piece> {
    let (mut pieces, mut rest, mut order, mut number) = (Vec::new(), bytes, Order { big: false }, 0);
    // Link type and ticks per second of each interface.
    let mut links: Vec<(u32, u64)> = Vec::new();
    while let Some(kind) = order.u32(rest, 0) {
        if kind == 0x0A0D_0D0A {
            order.big = rest.get(8..12) == Some(&b"\x1a\x2b\x3c\x4d"[..]);
            links.clear();
        }
        let Some(block) = order.len(rest, 4).and_then(|len| rest.get(..len)).filter(|block| block.len() >= 12) else {
            break;
        };
        match kind {
            1 => links.push((order.u16(block, 8).unwrap_or(0).into(), resolution(order, block))),
            6 => {
                number += 1;
                let interface = order.len(block, 8).and_then(|index| links.get(index));
                let stamp = order
                    .u32(block, 12)
                    .zip(order.u32(block, 16))
                    .map(|(high, low)| u64::from(high) << 32 | u64::from(low));
                let frame = order.len(block, 20).and_then(|len| block.get(28..)?.get(..len));
                if let (Some((link, ticks)), Some(stamp), Some(frame)) = (interface, stamp, frame) {
                    let micros = u128::from(stamp) * 1_000_000 / u128::from((*ticks).max(1));
                    pieces.extend(datagram(number, u64::try_from(micros).unwrap_or(0), *link, frame));
                }
            }
            3 => {
                number += 1;
                if let Some((link, _)) = links.first() {
                    pieces.extend(datagram(number, 0, *link, block.get(12..block.len() - 4).unwrap_or_default()));
                }
            }
            _ => {}
        }
        rest = rest.get(block.len()..).unwrap_or_default();
    }
    pieces
}

/// Returns the ticks per second of an interface: option 9, by default microseconds.
fn resolution(order: Order, block: &[u8]) -> u64 {
    let mut at = 16;
    while let (Some(code @ 1..), Some(len)) = (order.u16(block, at), order.u16(block, at + 2)) {
        if let (9, Some(value)) = (code, block.get(at + 4)) {
            let exponent = u32::from(value & 0x7F);
            return if value & 0x80 == 0 { 10_u64.checked_pow(exponent) } else { 2_u64.checked_pow(exponent) }
                .unwrap_or(1);
        }
        at += 4 + usize::from(len).next_multiple_of(4);
    }
    1_000_000
}

/// Returns the datagram in a frame of the link layer.
fn datagram(number: usize, micros: u64, link: u32, frame: &[u8]) -> Option<Piece> {
    let packet = match link {
        // Loopback of BSD and macOS.
        0 | 108 => frame.get(4..)?,
        1 => ethernet(frame)?,
        12 | 14 | 101 | 228 | 229 => frame,
        // Linux, any interface.
        113 => frame.get(16..)?,
        276 => frame.get(20..)?,
        _ => return None,
    };
    let (from, to, udp): (IpAddr, IpAddr, &[u8]) = match packet.first()? >> 4 {
        4 => {
            let head = usize::from(packet.first()? & 15) * 4;
            // Only the first of several fragments has ports.
            if *packet.get(9)? != 17 || BIG.u16(packet, 6)? & 0x1FFF != 0 {
                return None;
            }
            let total = usize::from(BIG.u16(packet, 2)?);
            let address = |at: usize| Some(IpAddr::from(*packet.get(at..)?.first_chunk::<4>()?));
            (address(12)?, address(16)?, packet.get(head..total.min(packet.len()))?)
        }
        6 => {
            let (mut next, mut at) = (*packet.get(6)?, 40);
            // Options before the datagram: hop by hop, routing, destination.
            while let 0 | 43 | 60 = next {
                next = *packet.get(at)?;
                at += 8 + usize::from(*packet.get(at + 1)?) * 8;
            }
            if next != 17 {
                return None;
            }
            let address = |at: usize| Some(IpAddr::from(*packet.get(at..)?.first_chunk::<16>()?));
            (address(8)?, address(24)?, packet.get(at..)?)
        }
        _ => return None,
    };
    let ports = (BIG.u16(udp, 0)?, BIG.u16(udp, 2)?);
    let len = usize::from(BIG.u16(udp, 4)?).min(udp.len());
    let bytes = udp.get(8..len)?.to_vec();
    let way = format!("{} > {}", std::net::SocketAddr::new(from, ports.0), std::net::SocketAddr::new(to, ports.1));
    let time = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    Some(Piece {
        place: Place { packet: Some((number, time, way)), ..Place::default() },
        sender: None,
        ports: Some(ports),
        bytes,
    })
}

/// Returns the payload of an Ethernet frame, after any VLAN tags.
fn ethernet(frame: &[u8]) -> Option<&[u8]> {
    let mut at = 12;
    while let 0x8100 | 0x88A8 = BIG.u16(frame, at)? {
        at += 4;
    }
    frame.get(at + 2..)
}
