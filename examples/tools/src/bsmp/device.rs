//! A simulated device for BSMP nodes: values in vectors, curves that store or generate their
//! blocks, six functions.
//!
//! [`Setup::main`] has the entities of the setup `main` in `tests/vectors/bsmp/bsmp.json`.
#![allow(dead_code, unreachable_pub, reason = "each program uses a part of it")]
#![allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a simulation on a host: the table of the server has checked every id"
)]

use std::num::NonZeroU8;

use anysmp::bsmp::curve::{Curve, Digest, Md5, digest_of};
use anysmp::bsmp::function::Function;
use anysmp::bsmp::group::Members;
use anysmp::bsmp::variable::Variable;
use anysmp::bsmp::{Access, Entities, Refusal, Table};

/// The entities of a device; the [`Device`] holds their values.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The variables, by id.
    pub variables: Vec<Variable>,
    /// The curves, by id.
    pub curves: Vec<Curve>,
    /// The functions, by id.
    pub functions: Vec<Function>,
}

/// The variables of [`Setup::supply`].
pub const SUPPLY_NAMES: [&str; 7] =
    ["status: on", "set-point / A", "limit / A", "current / A", "voltage / V", "temperature / °C", "interlocks"];

/// The source of a curve's blocks.
#[derive(Debug, Clone)]
pub enum Blocks {
    /// The blocks in memory.
    Stored(Vec<Vec<u8>>),
    /// Generated blocks: byte i of block b is 7 b + i. They cannot be written.
    Generated,
    /// No source: always busy.
    Busy,
    /// Empty blocks only.
    Empty,
}

/// The behaviour of the functions, and of the values over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// The functions of the setup `main`; values only change when they are written.
    #[default]
    Main,
    /// A power supply: see [`Setup::supply`].
    Supply,
}

/// The values and blocks of the entities of a [`Setup`], and the behaviour of the device.
#[derive(Debug, Clone, Default)]
pub struct Device {
    /// The behaviour of its functions, and of its values over time.
    pub behaviour: Behaviour,
    /// The value of each variable.
    pub values: Vec<Vec<u8>>,
    /// The blocks of each curve.
    pub blocks: Vec<Blocks>,
    /// The checksum that each curve reports.
    pub checksums: Vec<Digest>,
    /// Every access to a variable is refused.
    pub busy: bool,
    /// The first byte of a variable grows by 1 with each read.
    pub counting: bool,
    /// The events so far, as `R[0]` and `W[0,2]`.
    pub events: Vec<String>,
}

impl Setup {
    /// The setup `main` of the test vectors: nine variables, eight curves, six functions.
    pub fn main() -> (Self, Device) {
        let values: [(bool, Vec<u8>); 9] = [
            (true, vec![0x5A]),
            (false, vec![0x12, 0x34]),
            (true, vec![1, 2, 3, 4]),
            (true, (0..64).collect()),
            (false, (0..127_u8).map(|i| i.wrapping_mul(3).wrapping_add(1)).collect()),
            (true, (0..128_u8).map(|i| i.wrapping_mul(5).wrapping_add(7)).collect()),
            (true, vec![100]),
            (true, vec![0, 0x10]),
            (false, vec![0xAA, 0xBB, 0xCC]),
        ];
        let curves = vec![
            Curve::writable(16, 4),
            Curve::read_only(8, 3),
            Curve::writable(300, 2),
            Curve::writable(32, 64),
            Curve::read_only(16, 2),
            Curve::writable(16, 2),
            Curve::read_only(65_520, 65_536),
            Curve::read_only(4, 1),
        ];
        let functions = [(0, 0), (2, 2), (64, 32), (1, 1), (3, 0), (0, 32)];
        let mut short = stored(curves[1]);
        short[2].truncate(5);
        let device = Device {
            blocks: vec![
                Blocks::Stored(stored(curves[0])),
                Blocks::Stored(short),
                Blocks::Stored(stored(curves[2])),
                Blocks::Stored(stored(curves[3])),
                Blocks::Busy,
                Blocks::Generated,
                Blocks::Generated,
                Blocks::Empty,
            ],
            checksums: vec![[0; 16]; curves.len()],
            values: values.iter().map(|(_, value)| value.clone()).collect(),
            ..Device::default()
        };
        let setup = Self {
            variables: values
                .iter()
                .map(|(writable, value)| Variable { size: value.len() as u8, writable: *writable })
                .collect(),
            curves,
            functions: functions.iter().map(|&(input, output)| Function { input, output }).collect(),
        };
        (setup, device)
    }

    /// Makes `count` variables of `size` bytes, each byte of which is the id; nothing else.
    pub fn uniform(count: u8, size: u8, writable: bool) -> (Self, Device) {
        let setup = Self { variables: vec![Variable { size, writable }; count.into()], ..Self::default() };
        let values = (0..count).map(|id| vec![id; size.into()]).collect();
        (setup, Device { values, ..Device::default() })
    }

    /// Makes variables of these sizes, filled with zeros; nothing else.
    pub fn zeroed(sizes: &[u8], writable: bool) -> (Self, Device) {
        let variables = sizes.iter().map(|&size| Variable { size, writable }).collect();
        let values = sizes.iter().map(|&size| vec![0; size.into()]).collect();
        (Self { variables, ..Self::default() }, Device { values, ..Device::default() })
    }

    /// A power supply: its variables have the [`SUPPLY_NAMES`], floats are little endian. Curve 0
    /// is the waveform that it plays, curve 1 the one that it has recorded. Function 0 switches it
    /// on, 1 off; 2 accepts a set-point and returns the previous one.
    pub fn supply() -> (Self, Device) {
        let f32 = |value: f32| value.to_le_bytes().to_vec();
        let values = [
            (false, vec![0]),
            (true, f32(0.0)),
            (true, f32(10.0)),
            (false, f32(0.0)),
            (false, f32(0.0)),
            (false, f32(24.5)),
            (true, vec![0]),
        ];
        let curves = vec![Curve::writable(256, 64), Curve::read_only(128, 8)];
        let device = Device {
            behaviour: Behaviour::Supply,
            blocks: curves.iter().map(|curve| Blocks::Stored(stored(*curve))).collect(),
            checksums: vec![[0; 16]; curves.len()],
            values: values.iter().map(|(_, value)| value.clone()).collect(),
            ..Device::default()
        };
        let setup = Self {
            variables: values
                .iter()
                .map(|(writable, value)| Variable { size: value.len() as u8, writable: *writable })
                .collect(),
            curves,
            functions: vec![
                Function { input: 0, output: 0 },
                Function { input: 0, output: 0 },
                Function { input: 4, output: 4 },
            ],
        };
        (setup, device)
    }

    /// Returns the table of entities for a server.
    pub fn table(&self) -> Table<'_> {
        Table::new(&self.variables, &self.curves, &self.functions).expect("the setup keeps the limits")
    }
}

fn stored(curve: Curve) -> Vec<Vec<u8>> {
    let bytes = usize::from(curve.block);
    (0..curve.blocks as usize).map(|block| (0..bytes).map(|i| (16 * block + i) as u8).collect()).collect()
}

impl Device {
    fn float(&self, id: usize) -> f32 {
        self.values[id].as_slice().try_into().map_or(f32::NAN, f32::from_le_bytes)
    }

    /// Moves the current of the supply closer to the set-point with every read.
    fn follow(&mut self) {
        let target = if self.values[0][0] == 1 { self.float(1) } else { 0.0 };
        let current = self.float(3) + (target - self.float(3)) * 0.75;
        self.values[3] = current.to_le_bytes().to_vec();
        self.values[4] = (current * 1.5).to_le_bytes().to_vec();
        self.values[5] = (24.5 + current * current / 20.0).to_le_bytes().to_vec();
    }

    fn switch(&mut self, function: u8, input: &[u8], output: &mut [u8]) -> Result<(), NonZeroU8> {
        match function {
            0 if self.values[6][0] != 0 => return Err(NonZeroU8::MIN.saturating_add(2)), // interlock
            0 => self.values[0][0] = 1,
            1 => self.values[0][0] = 0,
            _ if !self.check(1, input) => return Err(NonZeroU8::MIN),
            _ => {
                output.copy_from_slice(&self.values[1]);
                self.values[1].copy_from_slice(input);
            }
        }
        Ok(())
    }

    fn event(&mut self, kind: char, members: &Members) {
        // Bounds the list: the events of a long run are not read.
        self.events.truncate(1000);
        let ids: Vec<_> = members.iter().map(|id| id.to_string()).collect();
        self.events.push(format!("{kind}[{}]", ids.join(",")));
    }
}

impl Entities for Device {
    fn read(&mut self, variable: u8, value: &mut [u8]) {
        value.copy_from_slice(&self.values[usize::from(variable)]);
    }

    fn write(&mut self, variable: u8, value: &[u8]) {
        self.values[usize::from(variable)].copy_from_slice(value);
    }

    fn check(&mut self, variable: u8, value: &[u8]) -> bool {
        // Only the setup `main` has nine variables.
        match (self.values.len(), variable, value) {
            (9, 6, [first, ..]) => (10..=200).contains(first),
            (9, 7, [_, second, ..]) => second % 2 == 0,
            (7, 1, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]).abs() <= self.float(2),
            _ => true,
        }
    }

    fn is_busy(&mut self, _: Access, _: &Members) -> bool {
        self.busy
    }

    fn sample(&mut self, variables: &Members) {
        self.event('R', variables);
        if self.behaviour == Behaviour::Supply {
            self.follow();
        }
        if self.counting {
            for id in variables.iter() {
                let first = &mut self.values[usize::from(id)][0];
                *first = first.wrapping_add(1);
            }
        }
    }

    fn apply(&mut self, variables: &Members) {
        self.event('W', variables);
    }

    fn read_block(&mut self, curve: u8, block: u16, data: &mut [u8]) -> Result<usize, Refusal> {
        match &self.blocks[usize::from(curve)] {
            Blocks::Stored(blocks) => {
                let stored = &blocks[usize::from(block)];
                data[..stored.len()].copy_from_slice(stored);
                Ok(stored.len())
            }
            Blocks::Generated => {
                let first = (block as u8).wrapping_mul(7);
                for (i, byte) in data.iter_mut().enumerate() {
                    *byte = first.wrapping_add(i as u8);
                }
                Ok(data.len())
            }
            Blocks::Busy => Err(Refusal::Busy),
            Blocks::Empty => Ok(0),
        }
    }

    fn write_block(&mut self, curve: u8, block: u16, data: &[u8]) -> Result<(), Refusal> {
        match &mut self.blocks[usize::from(curve)] {
            Blocks::Stored(blocks) => {
                blocks[usize::from(block)] = data.to_vec();
                Ok(())
            }
            _ => Err(Refusal::Busy),
        }
    }

    fn checksum(&mut self, curve: u8) -> Option<&mut Digest> {
        self.checksums.get_mut(usize::from(curve))
    }

    fn digest(&mut self, id: u8, curve: Curve, scratch: &mut [u8]) -> Result<Digest, Refusal> {
        digest_of(self, id, curve, scratch, Md5::default())
    }

    fn execute(&mut self, function: u8, input: &[u8], output: &mut [u8]) -> Result<(), NonZeroU8> {
        if self.behaviour == Behaviour::Supply {
            return self.switch(function, input, output);
        }
        match function {
            1 => output.copy_from_slice(&[input[1], input[0]]),
            2 => {
                let (left, right) = input.split_at(32);
                for ((out, left), right) in output.iter_mut().zip(left).zip(right) {
                    *out = left ^ right;
                }
            }
            3 => match NonZeroU8::new(input[0]) {
                Some(error) => return Err(error),
                None => output[0] = 0xA5,
            },
            5 => output.iter_mut().zip(0..).for_each(|(out, i)| *out = i),
            _ => {}
        }
        Ok(())
    }
}
