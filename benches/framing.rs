//! The framings of SMP, and COBS beside the crates `cobs` and `corncobs`.
//!
//! `console/*` and `frame/*` are whole frames with their CRC; `cobs/*` is the stuffing alone, as
//! the other crates do it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use anysmp::cobs::{Decoder, Encoder as Stuff};
use anysmp::framing::console::Console;
use anysmp::framing::delimited::Cobs;
use anysmp::framing::{Encoder, Framing, Progress};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const LENGTHS: [usize; 4] = [8, 64, 380, 2044];

/// Bytes without a pattern, the same each time.
fn random(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

fn encode(framing: &impl Framing, message: &[u8], out: &mut [u8]) -> usize {
    framing.encode(message).unwrap().next(message, out)
}

fn decode(framing: &mut impl Framing, mut wire: &[u8]) {
    assert_eq!(framing.push(&mut wire), Ok(Progress::Message));
}

fn frames(criterion: &mut Criterion) {
    for (name, console) in [("console", true), ("frame", false)] {
        let mut group = criterion.benchmark_group(name);
        for len in LENGTHS {
            let message = random(len);
            let mut wire = [0; 4096];
            let mut buffer = [0; 2048];
            group.throughput(Throughput::Bytes(len as u64));
            if console {
                let mut framing = Console::new(&mut buffer);
                group.bench_with_input(BenchmarkId::new("encode", len), &message, |bench, message| {
                    bench.iter(|| encode(&framing, black_box(message), &mut wire));
                });
                let len_on_wire = encode(&framing, &message, &mut wire);
                group.bench_with_input(BenchmarkId::new("decode", len), &wire[..len_on_wire], |bench, wire| {
                    bench.iter(|| decode(&mut framing, black_box(wire)));
                });
            } else {
                let mut framing = Cobs::new(&mut buffer);
                group.bench_with_input(BenchmarkId::new("encode", len), &message, |bench, message| {
                    bench.iter(|| encode(&framing, black_box(message), &mut wire));
                });
                let len_on_wire = encode(&framing, &message, &mut wire);
                group.bench_with_input(BenchmarkId::new("decode", len), &wire[..len_on_wire], |bench, wire| {
                    bench.iter(|| decode(&mut framing, black_box(wire)));
                });
            }
        }
    }
}

fn cobs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cobs");
    // About one byte in three a zero, as in tables and sparse structures.
    let sparse: Vec<u8> = random(1024).chunks(2).flat_map(|pair| [pair[0], pair[0] & pair[1] & 3]).collect();
    for (kind, data) in [
        ("sparse", sparse),
        ("random", random(1024)),
        ("zeros", vec![0; 1024]),
        ("no zero", vec![7; 1024]),
        ("short", random(16)),
    ] {
        let mut out = [0; 2048];
        group.throughput(Throughput::Bytes(data.len() as u64));
        group.bench_function(BenchmarkId::new("encode/anysmp", kind), |bench| {
            bench.iter(|| Stuff::new([]).next(black_box(&data), &mut out));
        });
        group.bench_function(BenchmarkId::new("encode/cobs", kind), |bench| {
            bench.iter(|| ::cobs::encode(black_box(&data), &mut out));
        });
        group.bench_function(BenchmarkId::new("encode/corncobs", kind), |bench| {
            bench.iter(|| corncobs::encode_buf(black_box(&data), &mut out));
        });
        let mut wire = ::cobs::encode_vec(&data);
        wire.push(0);
        group.bench_function(BenchmarkId::new("decode/anysmp", kind), |bench| {
            bench.iter(|| {
                let (mut input, mut len) = (black_box(&wire[..]), 0);
                Decoder::new().push(&mut input, &mut out, &mut len)
            });
        });
        group.bench_function(BenchmarkId::new("decode/cobs", kind), |bench| {
            bench.iter(|| ::cobs::decode(black_box(&wire), &mut out));
        });
        group.bench_function(BenchmarkId::new("decode/corncobs", kind), |bench| {
            bench.iter(|| corncobs::decode_buf(black_box(&wire), &mut out));
        });
    }
}

fn quick() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(150))
        .sample_size(10)
}

criterion_group! { name = benches; config = quick(); targets = frames, cobs }
criterion_main!(benches);
