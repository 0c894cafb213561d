//! A BSMP node on RS-485, UART0: a power supply with three variables, a waveform in RAM and three
//! functions.
//!
//! A packet ends with silence, so this image has a finer tick than the others. All memory is the
//! caller's: buffers, the node and its waveform.
#![no_std]
#![no_main]

use core::num::NonZeroU8;
use core::time::Duration;

use anysmp::blocking::Link;
use anysmp::bsmp::curve::{Curve, Digest, Md5, digest_of};
use anysmp::bsmp::function::Function;
use anysmp::bsmp::group::Members;
use anysmp::bsmp::variable::Variable;
use anysmp::bsmp::{Address, Entities, Node, Refusal, Server, Table};
use anysmp::framing::packet::{Echo, Packet, gap};
use anysmp::line::Buffers;
use firmware::board::Board;
use firmware::info;
use firmware::uart::BAUD;
use heapless::Vec;

/// The address of the node on the bus.
const NODE: u8 = 5;
/// The silence that ends a packet: two characters, 174 µs. One tick is slightly longer, and a
/// packet ends after a whole tick without a byte.
const GAP: Duration = gap(BAUD);
const TICK: Duration = Duration::from_micros(200);

/// Bytes of a block of the waveform, and the number of blocks.
const BLOCK: usize = 64;
const BLOCKS: usize = 16;
/// The largest packet: address, header, curve, block number, block, checksum.
const PACKET: usize = 1 + 3 + 1 + 2 + BLOCK + 1;

/// The variables by id. Currents are in mA, little-endian.
static TABLE: Table<'_> = match Table::new(
    &[
        Variable::read_only(1), // status: 1 is on
        Variable::writable(4),  // set-point, at most LIMIT
        Variable::read_only(4), // current
    ],
    &[Curve::writable(BLOCK as u16, BLOCKS as u32)],
    &[
        Function { input: 0, output: 0 }, // on
        Function { input: 0, output: 0 }, // off
        Function { input: 4, output: 4 }, // accepts a set-point, returns the previous one
    ],
) {
    Ok(table) => table,
    Err(_) => panic!("the table breaks a limit of the protocol"), // at compile time
};
const STATUS: u8 = 0;
const SETPOINT: u8 = 1;
const LIMIT: i32 = 10_000;

struct Supply {
    on: bool,
    setpoint: i32,
    current: i32,
    waveform: [Vec<u8, BLOCK>; BLOCKS],
    digest: Digest,
}

/// Limits a set-point to the range of the supply.
fn setpoint(value: &[u8]) -> Option<i32> {
    value.try_into().ok().map(i32::from_le_bytes).filter(|value| (-LIMIT..=LIMIT).contains(value))
}

impl Entities for Supply {
    fn read(&mut self, variable: u8, value: &mut [u8]) {
        let bytes = match variable {
            STATUS => i32::from(self.on),
            SETPOINT => self.setpoint,
            _ => self.current,
        };
        value.iter_mut().zip(bytes.to_le_bytes()).for_each(|(to, from)| *to = from);
    }

    fn check(&mut self, _: u8, value: &[u8]) -> bool {
        setpoint(value).is_some()
    }

    fn write(&mut self, _: u8, value: &[u8]) {
        self.setpoint = setpoint(value).unwrap_or(self.setpoint);
    }

    /// Moves the current closer to the set-point with every read.
    fn sample(&mut self, _: &Members) {
        let target = if self.on { self.setpoint } else { 0 };
        self.current += (target - self.current) / 2;
    }

    fn read_block(&mut self, _: u8, block: u16, data: &mut [u8]) -> Result<usize, Refusal> {
        let stored = self.waveform.get(usize::from(block)).ok_or(Refusal::InvalidValue)?;
        data.iter_mut().zip(stored).for_each(|(to, from)| *to = *from);
        Ok(stored.len())
    }

    fn write_block(&mut self, _: u8, block: u16, data: &[u8]) -> Result<(), Refusal> {
        let stored = self.waveform.get_mut(usize::from(block)).ok_or(Refusal::InvalidValue)?;
        stored.clear();
        stored.extend_from_slice(data).or(Err(Refusal::Memory))
    }

    fn checksum(&mut self, _: u8) -> Option<&mut Digest> {
        Some(&mut self.digest)
    }

    fn digest(&mut self, id: u8, curve: Curve, scratch: &mut [u8]) -> Result<Digest, Refusal> {
        digest_of(self, id, curve, scratch, Md5::default())
    }

    fn execute(&mut self, function: u8, input: &[u8], output: &mut [u8]) -> Result<(), NonZeroU8> {
        info!("function {=u8}", function);
        match function {
            0 => self.on = true,
            1 => self.on = false,
            _ => {
                let former = self.setpoint.to_le_bytes();
                self.setpoint = setpoint(input).ok_or(NonZeroU8::MIN)?;
                output.iter_mut().zip(former).for_each(|(to, from)| *to = from);
            }
        }
        Ok(())
    }
}

#[cortex_m_rt::entry]
fn main() -> ! {
    let Some(Board { uart0, .. }) = Board::with_tick(TICK) else { firmware::exit(false) };
    let supply =
        Supply { on: false, setpoint: 0, current: 0, waveform: [const { Vec::new() }; BLOCKS], digest: [0; 16] };
    let node = Address::node(NODE).and_then(|address| Node::new(Server::new(supply, &TABLE), address));
    let Some(mut node) = node else { firmware::exit(false) };

    // `out` holds the checksum too.
    let (mut message, mut memory) = ([0; PACKET], [0; PACKET - 1 + PACKET + 32]);
    let framing = Packet::new(&mut message, GAP).with_echo(Echo::Node);
    let buffers = Buffers::split(&mut memory).with_tx(PACKET - 1).with_out(PACKET);
    let Ok(mut link) = Link::new(uart0, framing, buffers) else { firmware::exit(false) };
    loop {
        // An overrun costs a packet; the link continues.
        if link.serve(&mut node).is_err() {
            info!("port failed {=u32} times", link.counters().failures);
        }
    }
}
