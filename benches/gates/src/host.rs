//! Counts on this machine, by callgrind: it writes one file for each case, whose description is the
//! name. With `--time` the time of each case is printed instead, in nanoseconds. The other words
//! are those of [`transfers`].

use crate::{Meter, transfers};
use core::arch::asm;
use std::ffi::{CString, c_char};
use std::time::{Duration, Instant};

/// How often a case is run.
const TIMES: u32 = 20;

/// Asks callgrind; returns 0 where there is none.
fn ask(request: usize, argument: *const c_char) -> usize {
    // Of valgrind's public header: a tool's requests begin with its two letters.
    const TOOL: usize = (b'C' as usize) << 24 | (b'T' as usize) << 16;
    let arguments = [TOOL + request, argument as usize, 0, 0, 0, 0];
    let mut answer = 0_usize;
    // SAFETY: the rotations and the exchange leave all registers as they were; valgrind, which
    // knows them, reads the arguments and writes the answer.
    unsafe {
        asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") arguments.as_ptr(),
            inout("rdx") answer,
        );
    }
    answer
}

const ZERO: usize = 1;
const DUMP_AT: usize = 3;

struct Callgrind;

impl Meter for Callgrind {
    fn case(&mut self, name: &'static str, len: usize, mut work: impl FnMut()) {
        let name = CString::new(format!("{name} {len}")).expect("a name without zeros");
        work();
        ask(ZERO, core::ptr::null());
        for _ in 0..TIMES {
            work();
        }
        ask(DUMP_AT, name.as_ptr());
    }
}

/// The shortest of some runs, of which each is long enough for the clock.
struct Clock;

impl Meter for Clock {
    fn case(&mut self, name: &'static str, len: usize, mut work: impl FnMut()) {
        let mut times = 1;
        let mut run = |times: u32| {
            let start = Instant::now();
            for _ in 0..times {
                work();
            }
            start.elapsed()
        };
        while run(times) < Duration::from_micros(300) {
            times *= 2;
        }
        let best = (0..15).map(|_| run(times)).min().unwrap_or_default();
        println!("{name} {len} {:.2}", best.as_nanos() as f64 / f64::from(times));
    }
}

pub(crate) fn main() {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["--time"] => crate::all(&mut Clock),
        ["--upload", len] => transfers::upload(len.parse().expect("a length")),
        ["--serve"] => transfers::server().expect("one connection"),
        ["--echoes", address, count] => transfers::echoes(address, count.parse().expect("a number")).expect("echoes"),
        _ => counts(),
    }
}

fn counts() {
    Callgrind.case("empty", 0, || {
        core::hint::black_box(0);
    });
    crate::all(&mut Callgrind);
}
