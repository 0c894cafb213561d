//! Counts by name, and the seeds to run.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The counts of events in all sessions, by name.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    pub fn add(&mut self, name: &'static str, count: u64) {
        *self.0.entry(name).or_default() += count;
    }

    pub fn one(&mut self, name: &'static str) {
        self.add(name, 1);
    }

    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    pub fn show(&self, title: &str) {
        println!("{title}");
        for (name, count) in &self.0 {
            println!("  {count:>12}  {name}");
        }
    }
}

/// What the sessions of every protocol have to meet, by the names under which it is counted.
const MET: [&str; 20] = [
    "flipped bits",
    "bursts",
    "lost bytes",
    "lost requests",
    "lost answers",
    "doubled requests",
    "doubled answers",
    "delayed requests",
    "late answers",
    "old answers",
    "answers to other requests",
    "truncated answers",
    "restarts",
    "babble",
    "noise",
    "interrupted calls",
    "broken calls",
    "zero writes",
    "sessions: blocking",
    "sessions: async",
];

impl Tally {
    /// Asserts that no fault was missing, and none of `more`, if at least `share` sessions ran.
    pub fn met_all(&self, share: u64, more: &[&str]) {
        if number("ANYSMP_SEED").is_none() && sessions(share) >= share {
            for fault in MET.iter().chain(more) {
                assert!(self.of(fault) > 0, "no session had this: {fault}");
            }
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

/// `ANYSMP_SESSIONS`, or the share of a normal run.
pub fn sessions(share: u64) -> u64 {
    number("ANYSMP_SESSIONS").unwrap_or(share)
}

/// Runs one session for each seed: 0 to `ANYSMP_SESSIONS` - 1 or `share` - 1, or `ANYSMP_SEED`
/// alone. A session that fails prints how to replay it.
pub fn each_seed(test: &str, share: u64, mut session: impl FnMut(u64)) {
    let seeds = match number("ANYSMP_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..sessions(share),
    };
    for seed in seeds {
        if let Err(failed) = catch_unwind(AssertUnwindSafe(|| session(seed))) {
            eprintln!(
                "seed {seed}; replay: ANYSMP_SEED={seed} cargo test --features host --test sim -- --nocapture {test}"
            );
            resume_unwind(failed);
        }
    }
}
