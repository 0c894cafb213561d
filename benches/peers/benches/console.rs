//! SMP over a console beside the published crates `mcumgr-smp` and `mcumgr-toolkit`: one message
//! into lines, and back.
//!
//! mcumgr-smp's encoder loses the CRC of some lengths, from 90 on; none of these is among them. Its
//! decoder takes line by line, so the lines are cut before the clock starts. mcumgr-toolkit's codec
//! is reached through its transport, over a port in memory.
#![allow(missing_docs)]

use std::hint::black_box;
use std::io::{Read, Write};
use std::time::Duration;

use anysmp::framing::console::Console;
use anysmp::framing::{Encoder, Framing, Progress};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mcumgr_smp::transport::smp_framing::{SmpTransportDecoder, SmpTransportEncoder};
use mcumgr_toolkit::transport::serial::{ConfigurableTimeout, SerialTransport};
use mcumgr_toolkit::transport::{SMP_TRANSFER_BUFFER_SIZE, Transport};

/// Swallows what is sent, and receives the same frame for ever.
struct Memory {
    frame: Vec<u8>,
    at: usize,
}

impl Read for Memory {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let rest = &self.frame[self.at..];
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        self.at = (self.at + count) % self.frame.len();
        Ok(count)
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        black_box(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl ConfigurableTimeout for Memory {
    fn set_timeout(&mut self, _: Duration) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(())
    }
}

fn console(criterion: &mut Criterion) {
    for len in [8_usize, 64, 380, 2000] {
        let mut message: Vec<u8> = (0..len).map(|at| (at * 31 + at / 7) as u8).collect();
        message[..8].copy_from_slice(&[0x0B, 0, ((len - 8) >> 8) as u8, (len - 8) as u8, 0, 1, 0, 1]);
        let mut wire = [0; 4096];
        let mut buffer = [0; 2048];
        let mut ours = Console::new(&mut buffer);

        let mut group = criterion.benchmark_group("encode");
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::new("anysmp", len), |bench| {
            bench.iter(|| {
                let message = black_box(&message);
                ours.encode(message).unwrap().next(message, &mut wire)
            });
        });
        let wire_len = ours.encode(&message).unwrap().next(&message, &mut wire);
        let wire = wire[..wire_len].to_vec();
        let mut line = [0; 128];
        group.bench_function(BenchmarkId::new("mcumgr-smp", len), |bench| {
            bench.iter(|| {
                let mut encoder = SmpTransportEncoder::new(black_box(&message));
                while !encoder.is_complete() {
                    black_box(encoder.write_line(&mut line).unwrap());
                }
            });
        });
        let mut toolkit = SerialTransport::new(Memory { frame: wire.clone(), at: 0 });
        let (header, payload) = message.split_first_chunk().unwrap();
        group.bench_function(BenchmarkId::new("mcumgr-toolkit", len), |bench| {
            bench.iter(|| toolkit.send_raw_frame(*header, black_box(payload)).unwrap());
        });
        group.finish();

        let mut group = criterion.benchmark_group("decode");
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::new("anysmp", len), |bench| {
            bench.iter(|| {
                let mut input = black_box(&wire[..]);
                assert_eq!(ours.push(&mut input), Ok(Progress::Message));
            });
        });
        let lines: Vec<_> = wire.split_inclusive(|byte| *byte == b'\n').collect();
        group.bench_function(BenchmarkId::new("mcumgr-smp", len), |bench| {
            bench.iter(|| {
                let mut decoder = SmpTransportDecoder::new();
                for line in black_box(&lines) {
                    decoder.input_line(line).unwrap();
                }
                decoder.into_frame_payload().unwrap()
            });
        });
        let mut whole = Box::new([0; SMP_TRANSFER_BUFFER_SIZE]);
        group.bench_function(BenchmarkId::new("mcumgr-toolkit", len), |bench| {
            bench.iter(|| assert_eq!(toolkit.recv_raw_frame(&mut whole).unwrap().len(), len));
        });
        group.finish();
    }
}

fn quick() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(150))
        .sample_size(10)
}

criterion_group! { name = benches; config = quick(); targets = console }
criterion_main!(benches);
