//! A BSMP node with 1, 19 and 128 variables. libbsmp's counts are in `gates.py`.

use crate::Meter;
#[cfg(not(target_os = "none"))]
use anysmp::bsmp::curve::Curve;
use anysmp::bsmp::variable::Variable;
use anysmp::bsmp::{Entities, Server, Table};
use core::hint::black_box;

/// Values in one array, as far as one counts: the device's own work is no part of a gate.
struct Device([u8; 4]);

impl Entities for Device {
    fn read(&mut self, _: u8, value: &mut [u8]) {
        value.iter_mut().zip(self.0).for_each(|(to, from)| *to = from);
    }

    fn write(&mut self, _: u8, value: &[u8]) {
        self.0.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
    }
}

static VARIABLES: [Variable; 128] = [Variable::writable(4); 128];

pub(crate) fn cases(meter: &mut impl Meter) {
    for count in [1, 19, 128] {
        node(meter, count);
    }
    for created in [1, 5] {
        groups(meter, created);
    }
    #[cfg(not(target_os = "none"))]
    for block in [512, 16_384] {
        curves(meter, block);
    }
}

/// A curve that is one block.
#[cfg(not(target_os = "none"))]
struct Block<'b>(&'b mut [u8]);

#[cfg(not(target_os = "none"))]
impl Entities for Block<'_> {
    fn read(&mut self, _: u8, _: &mut [u8]) {}

    fn read_block(&mut self, _: u8, _: u16, data: &mut [u8]) -> Result<usize, anysmp::bsmp::Refusal> {
        data[..self.0.len()].copy_from_slice(self.0);
        Ok(self.0.len())
    }

    fn write_block(&mut self, _: u8, _: u16, data: &[u8]) -> Result<(), anysmp::bsmp::Refusal> {
        self.0[..data.len()].copy_from_slice(data);
        Ok(())
    }
}

/// Bytes at a place that does not depend on the environment: the system's copy takes up to 32
/// instructions more or less by where its ends are.
#[cfg(not(target_os = "none"))]
#[repr(align(64))]
struct Aligned<const N: usize>([u8; N]);

/// Blocks of curves, which nothing but their copy may make slow.
#[cfg(not(target_os = "none"))]
fn curves(meter: &mut impl Meter, block: usize) {
    let curve = [Curve::writable(block as u16, 1)];
    let Ok(table) = Table::new(&[], &curve, &[]) else { return };
    let (mut data, mut tx, mut message) = (Aligned([7; 16_384]), Aligned([0; 16_400]), Aligned([0; 16_400]));
    let (Aligned(data), Aligned(tx), Aligned(message)) = (&mut data, &mut tx, &mut message);
    let mut server = Server::new(Block(&mut data[..block]), &table);
    meter.case("bsmp-read-block", block, || {
        assert!(server.receive(black_box(&[0x40, 0, 3, 0, 0, 0]), black_box(&mut tx[..])) == block + 6);
    });
    message[0] = 0x41;
    message[1..3].copy_from_slice(&(block as u16 + 3).to_be_bytes());
    let message = &message[..block + 6];
    meter.case("bsmp-write-block", block, || {
        assert!(server.receive(black_box(message), black_box(&mut tx[..])) == 3);
        assert!(tx[0] == 0xE0);
    });
}

/// A node with as many groups of 16 variables beside the three standard ones, whose members are not
/// counted anew.
fn groups(meter: &mut impl Meter, created: usize) {
    let Ok(table) = Table::new(&VARIABLES[..19], &[], &[]) else { return };
    let mut server = Server::new(Device([1, 2, 3, 4]), &table);
    let mut tx = [0; 1024];
    let mut create = [0; 19];
    create[..3].copy_from_slice(&[0x30, 0, 16]);
    create[3..].iter_mut().zip(0..).for_each(|(place, id)| *place = id);
    for _ in 0..created {
        assert!(server.receive(&create, &mut tx) >= 3 && tx[0] == 0xE0);
    }
    for (name, message) in [("bsmp-groups", &[0x04, 0, 0][..]), ("bsmp-query-last", &[0x06, 0, 1, created as u8 + 2])] {
        meter.case(name, created, || {
            assert!(server.receive(black_box(message), black_box(&mut tx)) >= 3);
        });
    }
}

fn node(meter: &mut impl Meter, count: usize) {
    let Ok(table) = Table::new(&VARIABLES[..count], &[], &[]) else { return };
    let mut server = Server::new(Device([1, 2, 3, 4]), &table);
    let last = count as u8 - 1;
    let mut tx = [0; 1024];
    // Header and payload: command, length in two bytes.
    let mut case = |name, message: &[u8]| {
        meter.case(name, count, || {
            assert!(server.receive(black_box(message), black_box(&mut tx)) >= 3);
        });
    };
    case("bsmp-version", &[0x00, 0, 0]);
    case("bsmp-list-variables", &[0x02, 0, 0]);
    case("bsmp-list-groups", &[0x04, 0, 0]);
    case("bsmp-query-group", &[0x06, 0, 1, 0]);
    case("bsmp-read", &[0x10, 0, 1, last]);
    case("bsmp-read-group", &[0x12, 0, 1, 0]);
    case("bsmp-write", &[0x20, 0, 5, last, 1, 2, 3, 4]);
    case("bsmp-combine", &[0x24, 0, 6, last, b'A', 1, 2, 3, 4]);
    case("bsmp-write-read", &[0x28, 0, 6, last, last, 1, 2, 3, 4]);
}
