//! SplitMix64: the same bytes from the same seed, on every machine.

use std::vec::Vec;

/// A generator of numbers. One that is dropped by a failing test prints its seed.
#[derive(Debug, Clone)]
pub struct Random {
    seed: u64,
    state: u64,
}

impl Drop for Random {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::eprintln!("the numbers came from Random::new({:#x})", self.seed);
        }
    }
}

impl Default for Random {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self { seed, state: seed.wrapping_mul(0xD134_2543_DE82_EF95) ^ 0x5DEE_CE66 }
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `end - 1`.
    pub fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end.max(1)
    }

    /// An index into a slice of this length.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    pub fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.byte()).collect()
    }

    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Returns true with a probability of `millionths` in a million.
    pub fn hits(&mut self, millionths: u32) -> bool {
        millionths > 0 && self.below(1_000_000) < u64::from(millionths)
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())].clone()
    }

    /// Cuts `stream` at random places, into pieces of 1 to `longest` bytes.
    pub fn pieces<'i>(&mut self, mut stream: &'i [u8], longest: usize) -> Vec<&'i [u8]> {
        let mut pieces = Vec::new();
        while !stream.is_empty() {
            let (piece, rest) = stream.split_at((1 + self.index(longest)).min(stream.len()));
            pieces.push(piece);
            stream = rest;
        }
        pieces
    }

    /// Changes, adds or takes out one to three bytes; what it adds is one of `bytes`.
    pub fn damage(&mut self, wire: &mut Vec<u8>, bytes: &[u8]) {
        for _ in 0..=self.index(3) {
            let at = self.index(wire.len());
            match self.index(3) {
                0 => wire[at] = self.byte(),
                1 => wire.insert(at, bytes[self.index(bytes.len())]),
                _ => drop(wire.remove(at)),
            }
        }
    }
}
