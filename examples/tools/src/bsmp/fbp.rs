//! A simulated power supply of Sirius' type FBP: the variables, curves and functions that `pydrs`
//! 2.3.2 and `siriuspy` 2.105.0 expect. As in its firmware, its curves consist of whole blocks
//! only.

#![expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a simulation on a host: the table of the server has checked every id"
)]

use std::collections::BTreeMap;
use std::num::NonZeroU8;
use std::time::Instant;

use anysmp::bsmp::curve::{Curve, Digest, Md5, digest_of};
use anysmp::bsmp::function::Function;
use anysmp::bsmp::group::Members;
use anysmp::bsmp::typed::{Field, Typed};
use anysmp::bsmp::variable::Variable;
use anysmp::bsmp::{Entities, Refusal, Table};

/// Bits 0 to 3 are the state (3: set point), bit 7 is set if it is on, bits 8 to 12 are the model.
const STATUS: Typed<u16> = Typed::read_only(0);
/// The set point in A.
const SETPOINT: Typed<f32> = Typed::read_only(1);
/// The reference in A.
const REFERENCE: Typed<f32> = Typed::read_only(2);
const FIRMWARE: u8 = 3;
const SELECTED: Typed<u16> = Typed::read_only(14);
/// Pointers to 16-bit words: start, end and index of each of the two waveforms.
const POINTERS: [[Typed<u32>; 3]; 2] = [
    [Typed::read_only(19), Typed::read_only(20), Typed::read_only(21)],
    [Typed::read_only(22), Typed::read_only(23), Typed::read_only(24)],
];
/// The current of the load in A.
const LOAD_CURRENT: Typed<f32> = Typed::read_only(33);

const SIZES: [u8; 74] = {
    let mut sizes = [4; 74];
    let short: [u8; 10] = [0, 6, 7, 8, 14, 15, 46, 47, 48, 49];
    let mut place = 0;
    while place < short.len() {
        sizes[short[place] as usize] = 2;
        place += 1;
    }
    sizes[3] = 128;
    sizes[13] = 16;
    (sizes[29], sizes[30]) = (1, 1);
    let mut id = 39;
    while id <= 45 {
        sizes[id] = 1;
        id += 1;
    }
    sizes
};

/// The lengths of the input and the output of each function, in bytes.
const FUNCTIONS: [(u8, u8); 44] = [
    (0, 1), // switch on
    (0, 1), // switch off
    (0, 1),
    (0, 1),
    (2, 1), // select a mode of operation
    (0, 1), // reset interlocks
    (2, 1),
    (2, 1),
    (2, 1),
    (2, 1),
    (4, 1),
    (4, 1),
    (4, 1),
    (0, 1),
    (0, 1),
    (0, 0),
    (4, 1),  // set point
    (16, 1), // set points of four
    (4, 16),
    (16, 16),
    (4, 16),
    (16, 16), // set points of four, and return the references
    (0, 1),
    (16, 1),
    (2, 1), // select a waveform
    (2, 2),
    (0, 1),
    (32, 1),
    (12, 1),
    (0, 1),
    (0, 1),
    (8, 1), // set a parameter
    (4, 4), // get a parameter
    (6, 1),
    (6, 1),
    (2, 1),
    (2, 1),
    (52, 1),
    (6, 4),
    (6, 1),
    (6, 1),
    (2, 1),
    (2, 1),
    (0, 0),
];

const CURVES: [Curve; 3] = [Curve::writable(1024, 4), Curve::writable(1024, 4), Curve::read_only(1024, 4)];

/// Returns the table of entities.
pub fn table() -> Table<'static> {
    static VARIABLES: [Variable; SIZES.len()] = {
        let mut variables = [Variable::read_only(1); SIZES.len()];
        let mut id = 0;
        while id < SIZES.len() {
            variables[id].size = SIZES[id];
            id += 1;
        }
        variables
    };
    static LIST: [Function; FUNCTIONS.len()] = {
        let mut list = [Function { input: 0, output: 0 }; FUNCTIONS.len()];
        let mut id = 0;
        while id < FUNCTIONS.len() {
            (list[id].input, list[id].output) = FUNCTIONS[id];
            id += 1;
        }
        list
    };
    #[expect(clippy::expect_used, reason = "the constants above keep the limits")]
    Table::new(&VARIABLES, &CURVES, &LIST).expect("the lists keep the limits")
}

/// The supply.
#[derive(Debug, Clone)]
pub struct Fbp {
    values: Vec<Vec<u8>>,
    curves: Vec<Vec<u8>>,
    checksums: [Digest; 3],
    parameters: BTreeMap<(u16, u16), f32>,
    /// The time since which the current of the load has moved around the set point, if it does.
    waves: Option<Instant>,
}

impl Default for Fbp {
    fn default() -> Self {
        let mut supply = Self {
            values: SIZES.iter().map(|size| vec![0; usize::from(*size)]).collect(),
            curves: CURVES.iter().map(|curve| vec![0; curve.capacity() as usize]).collect(),
            checksums: [[0; 16]; 3],
            parameters: BTreeMap::new(),
            waves: None,
        };
        supply.set(STATUS, 1 << 8);
        let version = b"0.44.01   08/220.44.01   08/22";
        supply.values[usize::from(FIRMWARE)][..version.len()].copy_from_slice(version);
        for [start, end, index] in POINTERS {
            // Floats are two words long.
            supply.set(start, 0xC000);
            supply.set(index, 0xC000);
            supply.set(end, 0xC000 + 2 * 1023);
        }
        supply
    }
}

impl Fbp {
    /// Switches it on at 3.5 A, with a current that moves slowly around the set point.
    #[must_use]
    pub fn with_waves(mut self) -> Self {
        self.waves = Some(Instant::now());
        self.switch(true);
        self.setpoint(&3.5_f32.to_le_bytes());
        self
    }

    fn set<T: Field>(&mut self, variable: Typed<T>, value: T) {
        let bytes = &mut self.values[usize::from(variable.id())];
        debug_assert_eq!(bytes.len(), T::SIZE);
        let _ = variable.put(value, bytes);
    }

    fn get<T: Field>(&self, variable: Typed<T>) -> T {
        variable.get(&self.values[usize::from(variable.id())]).unwrap_or(T::ZERO)
    }

    fn is_on(&self) -> bool {
        self.get(STATUS) & 0x80 != 0
    }

    fn switch(&mut self, on: bool) {
        self.set(STATUS, if on { 1 << 8 | 0x83 } else { 1 << 8 });
        self.follow();
    }

    fn setpoint(&mut self, input: &[u8]) {
        self.set(SETPOINT, f32::parse(input).unwrap_or(f32::NAN));
        self.follow();
    }

    fn follow(&mut self) {
        let current = if self.is_on() { self.get(SETPOINT) } else { 0.0 };
        self.set(REFERENCE, current);
        self.set(LOAD_CURRENT, current);
    }
}

impl Entities for Fbp {
    fn read(&mut self, variable: u8, value: &mut [u8]) {
        if let (Some(start), true) = (self.waves, self.is_on()) {
            let wave = (start.elapsed().as_secs_f32() * 2.0).sin() * 0.05;
            self.set(LOAD_CURRENT, self.get(REFERENCE) + (wave * 1000.0).round() / 1000.0);
        }
        value.copy_from_slice(&self.values[usize::from(variable)]);
    }

    fn read_block(&mut self, curve: u8, block: u16, data: &mut [u8]) -> Result<usize, Refusal> {
        let at = usize::from(block) * data.len();
        data.copy_from_slice(&self.curves[usize::from(curve)][at..at + data.len()]);
        Ok(data.len())
    }

    fn write_block(&mut self, curve: u8, block: u16, data: &[u8]) -> Result<(), Refusal> {
        let at = usize::from(block) * usize::from(CURVES[usize::from(curve)].block);
        self.curves[usize::from(curve)][at..at + data.len()].copy_from_slice(data);
        if let Some([start, end, _]) = POINTERS.get(usize::from(curve)) {
            // The waveform ends where the last block does.
            let words = (at + data.len()) / 2;
            self.set(*end, self.get(*start) + (words as u32).saturating_sub(2));
        }
        Ok(())
    }

    fn checksum(&mut self, curve: u8) -> Option<&mut Digest> {
        self.checksums.get_mut(usize::from(curve))
    }

    fn digest(&mut self, id: u8, curve: Curve, scratch: &mut [u8]) -> Result<Digest, Refusal> {
        digest_of(self, id, curve, scratch, Md5::default())
    }

    fn sample(&mut self, _: &Members) {
        self.follow();
    }

    fn execute(&mut self, function: u8, input: &[u8], output: &mut [u8]) -> Result<(), NonZeroU8> {
        let word = |place: usize| input.get(place..place + 2).and_then(u16::parse).unwrap_or(0);
        match function {
            0 => self.switch(true),
            1 => self.switch(false),
            16..=21 => {
                self.setpoint(&input[..4]);
                // The status; or the values of four supplies, of which this is the first.
                if let [_, _, _, _, ..] = output {
                    output[..4].copy_from_slice(&self.get(REFERENCE).to_le_bytes());
                }
            }
            24 if word(0) < 2 => self.set(SELECTED, word(0)),
            // The firmware's code for an invalid command.
            24 => return Err(NonZeroU8::MIN.saturating_add(7)),
            25 => output.copy_from_slice(&1024_u16.to_le_bytes()),
            31 => {
                self.parameters.insert((word(0), word(2)), f32::parse(&input[4..]).unwrap_or(f32::NAN));
            }
            32 => {
                let value = self.parameters.get(&(word(0), word(2))).copied().unwrap_or_default();
                output.copy_from_slice(&value.to_le_bytes());
            }
            _ => {}
        }
        Ok(())
    }
}
