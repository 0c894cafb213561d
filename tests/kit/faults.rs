//! The faults that may occur in one session.
//!
//! Rates in `u32` are in millionths, those in `u64` in percent; times are in nanoseconds.
//! [`Faults::NONE`] is a clean line; a session draws some of the faults, so that the effect of each
//! one alone is seen, as well as effects that only several have together.

use super::random::Random;
use super::world::{MS, SECOND};

#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// A byte on the line has one flipped bit.
    pub flips: u32,
    /// A byte on the line is the first of a few bytes of noise that replace the bytes sent.
    pub bursts: u32,
    /// A byte on the line is lost.
    pub losses: u32,
    /// A frame, or a datagram, is lost as a whole; in percent, for each direction.
    pub frame_losses: u64,
    /// A frame from the client, or a datagram, arrives twice; in percent.
    pub frame_doubles: u64,
    /// A frame is delayed by up to `longest_delay`; in percent. Datagrams overtake each other in
    /// this way.
    pub delays: u64,
    pub longest_delay: u64,
    /// A station answers late, by up to `longest_late`; in percent.
    pub lates: u64,
    pub longest_late: u64,
    /// A station answers twice, the second time a little later; in percent.
    pub doubles: u64,
    /// A station first sends something else: an answer to another request, an old one, a truncated
    /// one; in percent.
    pub lies: u64,
    /// A station restarts; in percent of messages.
    pub restarts: u64,
    /// Noise arrives before or during an operation; in percent.
    pub noises: u64,
    /// A station prints text where the protocol allows it; in percent of opportunities.
    pub texts: u64,
    /// Someone never stops sending: one byte per this time.
    pub babble: Option<u64>,
    /// The client's port fails with `Interrupted`; per million calls.
    pub interrupted: u32,
    /// The client's port fails with `Other`, and may lose the bytes that it held.
    pub broken: u32,
    /// The client's port accepts no bytes.
    pub zero_writes: u32,
}

impl Faults {
    pub const NONE: Self = Self {
        flips: 0,
        bursts: 0,
        losses: 0,
        frame_losses: 0,
        frame_doubles: 0,
        delays: 0,
        longest_delay: 0,
        lates: 0,
        longest_late: 0,
        doubles: 0,
        lies: 0,
        restarts: 0,
        noises: 0,
        texts: 0,
        babble: None,
        interrupted: 0,
        broken: 0,
        zero_writes: 0,
    };

    /// Draws any of them, each with its own probability. `timeout` is that of the client.
    pub fn draw(random: &mut Random, timeout: u64) -> Self {
        let mut faults = Self::NONE;
        let rates: [u32; 5] = [10, 100, 1_000, 10_000, 30_000];
        if random.percent(30) {
            faults.flips = random.pick(&rates);
        }
        if random.percent(15) {
            faults.bursts = random.pick(&rates[..4]);
        }
        if random.percent(20) {
            faults.losses = random.pick(&rates[..4]);
        }
        if random.percent(25) {
            faults.frame_losses = random.pick(&[2, 10, 30]);
        }
        if random.percent(15) {
            faults.frame_doubles = random.pick(&[2, 10, 30]);
        }
        if random.percent(20) {
            faults.delays = random.pick(&[2, 10, 30]);
            faults.longest_delay = random.pick(&[MS, timeout / 2, timeout * 2, 3 * SECOND]);
        }
        if random.percent(25) {
            faults.lates = random.pick(&[2, 10, 30]);
            faults.longest_late = random.pick(&[MS, timeout / 2, timeout + MS, timeout * 3]);
        }
        if random.percent(15) {
            faults.doubles = random.pick(&[2, 10, 30]);
        }
        if random.percent(20) {
            faults.lies = random.pick(&[2, 10, 30]);
        }
        if random.percent(10) {
            faults.restarts = random.pick(&[1, 5, 20]);
        }
        if random.percent(40) {
            faults.noises = random.pick(&[10, 50, 90]);
        }
        if random.percent(3) {
            faults.babble = Some(random.pick(&[87_000, MS, 9 * MS, 15 * MS]));
        }
        if random.percent(20) {
            faults.interrupted = random.pick(&rates);
        }
        if random.percent(15) {
            faults.broken = random.pick(&rates[..4]);
        }
        if random.percent(8) {
            faults.zero_writes = random.pick(&rates[..4]);
        }
        faults
    }
}
