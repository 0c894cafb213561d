//! The parts that tests share: one generator, one codec for hex, and one simulator of lines with
//! all of their faults.
//!
//! # Theory of operation
//!
//! ```text
//!   Link (blocking or asynch) ─▶ Port ─▶ Air: virtual time, flying  ◀─ Stations: each a Line and
//!          │                       │            bytes, faults                     a server
//!          │                       │              │                                   │
//!          └─ Log (a Sink) ────────┴─── Journal: every message that was really sent ──────┘
//! ```
//!
//! * [`world`]: a [`World`](world::World) is a clock in nanoseconds, the content of the [`air`],
//!   and the stations at the other end. No part of it reads a real clock. Time advances only while
//!   the client's port waits: `read` advances it to the next byte or by one tick, `write` by the
//!   time on the line if the port does not buffer. Meanwhile each station gets its turns.
//! * [`air`]: bytes fly from one end to the other and take their time. On a bus all ends receive
//!   everything, and bytes that overlap are both damaged. Datagrams fly separately and may overtake
//!   each other.
//! * [`faults`]: what may go wrong in a session, drawn from its seed. Every fault that has really
//!   happened is counted by name.
//! * [`noise`]: bytes that mean something to one of the framings, never uniform ones.
//! * [`port`]: the client's port, with its own faults: split reads, short writes, errors at any
//!   call.
//! * [`station`]: the other end, a server of this crate on a [`Line`](anysmp::line::Line) of its
//!   own, without a driver, as in a superloop. It may answer late, twice, with something else, or
//!   restart.
//! * [`scripted`]: another one, which a function plays: it sends what it likes when it likes.
//! * [`flash`]: the time that flash of two parts takes.
//! * [`frames`]: frames and damaged streams, and every way to cut them.
//! * [`journal`]: what was sent. A message that a framing delivers and nobody has sent has passed
//!   the check although it was damaged: that is what the check cannot see, and it is counted apart.
//! * [`link`]: the same calls over the drivers of both colours.
//! * [`tally`]: counts by name, and which seeds to run.
//!
//! # Seeds
//!
//! A seed determines a session completely. `ANYSMP_SESSIONS=n` runs seeds 0 to n - 1 instead of the
//! usual share, `ANYSMP_SEED=n` exactly one, and a session that fails prints the command that
//! replays it; `ANYSMP_TRACE=1` then shows the traffic on the line.
#![allow(dead_code, unreachable_pub, reason = "each test binary takes what it needs")]

pub mod air;
pub mod damage;
pub mod events;
pub mod faults;
pub mod flash;
pub mod frames;
pub mod hex;
pub mod journal;
#[cfg(feature = "async")]
pub mod link;
pub mod noise;
pub mod oracle;
pub mod port;
pub mod random;
pub mod readme;
pub mod scripted;
pub mod smp;
pub mod source;
pub mod station;
pub mod tally;
pub mod vectors;
pub mod world;
