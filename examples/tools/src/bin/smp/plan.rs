//! Predicts an upload before there is a device: the upload itself, over a line in virtual time.

mod wire;

use std::ops::ControlFlow;
use std::path::PathBuf;

use anysmp::blocking::Link;
use anysmp::framing::Framing;
use anysmp::framing::console::{Console, LINE};
use anysmp::framing::counted::{Counted, Head8};
use anysmp::framing::delimited::Cobs;
use anysmp::line::{Buffers, Line};
use anysmp::routine::Ended;
use anysmp::smp::image;
use anysmp::smp::os::ParametersResponse;
use anysmp::smp::routine::sha256;
use anysmp::smp::routine::{Pacing, Upload, UploadOutcome};
use anysmp::smp::{Client, routine};
use anysmp_tools::outln as println;
use anysmp_tools::port::DATAGRAM;
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::cli;
use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use wire::{Flash, MS, SECOND, Terms, Wire};

/// The upload to predict.
#[derive(Args)]
pub struct Plan {
    /// The size of one buffer in bytes, as `smp params` shows it
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(96..=65_507))]
    buf_size: u32,
    /// Number of buffers
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    buf_count: u32,
    /// The upload: an image file, or a number of bytes
    #[arg(long, value_name = "FILE|BYTES")]
    size: String,
    /// The flash of the device; default is one that takes no time
    #[arg(long, value_enum, value_name = "KIND")]
    flash: Option<Part>,
    /// The time that the device takes for a response, without its flash
    #[arg(long, value_name = "MS", default_value_t = 1)]
    turnaround: u32,
}

/// Parts whose data sheets give the times of their flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// 85 ms for a page of 4 KiB, 41 us for a word
    #[value(name = "nrf52840")]
    Nrf52840,
    /// 22 ms for a page of 2 KiB, 82 us for a double word
    #[value(name = "stm32l4")]
    Stm32l4,
}

impl Part {
    const fn flash(self) -> Flash {
        match self {
            Self::Nrf52840 => Flash { page: 4096, erase: 85 * MS, unit: 4, write: 41_000 },
            Self::Stm32l4 => Flash { page: 2048, erase: 22 * MS, unit: 8, write: 82_000 },
        }
    }
}

/// The longest file that is simulated.
const LONGEST: u64 = 64 << 20;

/// A framing by its name.
struct Kind<F> {
    name: &'static str,
    framing: fn(&'static mut [u8]) -> F,
    /// The room that a device needs if it promises buffers of this length.
    room: fn(usize) -> usize,
    /// The number of frames that carry a message of this length.
    frames: fn(usize) -> usize,
}

pub fn perform(output: Output, link: &cli::Link, plan: &Plan) -> Result<(), Failure> {
    let (room, frames) = (std::convert::identity, |_| 1);
    match link.framing {
        cli::Framing::Console | cli::Framing::Auto => {
            let frames = |message| Console::encoded_len(message).div_ceil(LINE);
            upload(output, link, plan, &Kind { name: "console", framing: Console::new, room, frames })
        }
        cli::Framing::Raw => {
            upload(output, link, plan, &Kind { name: "raw", framing: Counted::<Head8>::new, room, frames })
        }
        cli::Framing::Cobs => {
            let room = Cobs::buffer_len;
            upload(output, link, plan, &Kind { name: "COBS", framing: Cobs::new, room, frames })
        }
    }
}

/// Returns the image in the file of this name, or the given number of bytes.
fn image_of(size: &str) -> Result<Vec<u8>, Failure> {
    let Ok(len) = size.parse::<u64>() else {
        let path = PathBuf::from(size);
        return match input::images(&path, None) {
            Ok(parts) => Ok(parts.into_iter().flat_map(|part| part.bytes).collect()),
            // A file that is not an image takes as long to upload.
            Err(Failure::File(..)) => input::bytes(&path),
            Err(failure) => Err(failure),
        };
    };
    let len = Some(len).filter(|len| (1..=LONGEST).contains(len)).and_then(|len| usize::try_from(len).ok());
    let len = len.ok_or_else(|| Failure::Usage(format!("{size} bytes are not an image"), "Give 1 byte to 64 MiB."))?;
    Ok(vec![0x5A; len])
}

fn upload<F: Framing>(output: Output, link: &cli::Link, plan: &Plan, kind: &Kind<F>) -> Result<(), Failure> {
    let Kind { name, framing, room, frames } = *kind;
    let file = image_of(&plan.size)?;
    let terms = Terms {
        baud: link.baud.into(),
        parameters: ParametersResponse::new(plan.buf_size, plan.buf_count),
        turnaround: u64::from(plan.turnaround) * MS,
        flash: plan.flash.map(Part::flash),
    };
    let buffer = |len: usize| vec![0; len].leak();
    let memory = || Buffers::split(buffer(3 * DATAGRAM)).with_tx(DATAGRAM).with_out(DATAGRAM);
    let far = framing(buffer(room(plan.buf_size as usize)));
    let line = Line::new(far, memory()).or(Err(too_small()))?;
    let near = framing(buffer(DATAGRAM));
    let mut run = Link::new(Wire::new(line, terms), near, memory()).or(Err(too_small()))?;
    let mut pacing = Pacing::new().with_limits(run.limits());
    if let Some(window) = link.window {
        pacing = pacing.with_window(window.into());
    }
    if let Some(bytes) = link.message {
        pacing = pacing.with_max_message(bytes.into());
    }
    let sha = sha256(&mut &file[..], file.len() as u64).map_err(routine::Error::from);
    let sha = sha.map_err(Failure::of_job::<image::Upload<'_>>)?;
    let mut job = Upload::new(&file[..]).with_pacing(pacing).with_sha(sha);
    let ended = run.run(&mut Client::new(0), &mut job, |_| ControlFlow::Continue(()));
    let report = match ended {
        Ok(Ended::Done(report)) => report,
        _ => return Err(too_small()),
    };
    match report.outcome {
        UploadOutcome::Done { .. } => {}
        UploadOutcome::Failed(error) => return Err(Failure::of_job::<image::Upload<'_>>(error)),
        _ => return Err(too_small()),
    }
    let wire = run.into_port();
    let time = wire.now().max(1);
    let of = |part: u64| part as f64 / time as f64;
    let (share, flash, seconds) = (of(wire.carried()), of(wire.flash), time as f64 / SECOND as f64);
    let (requests, kib) = (wire.messages.len(), report.len as f64 / 1024.0 / seconds);
    let frames: usize = wire.messages.iter().map(|message| frames(*message)).sum();
    let json = json!({
        "framing": name, "baud": link.baud, "len": report.len, "window": report.window, "piece": wire.piece(),
        "requests": requests, "frames": frames, "line_bytes": wire.bytes, "wire_share": share, "flash_share": flash,
        "seconds": seconds, "kib_per_second": kib,
    });
    output.result(&json, || {
        println!("upload    {} bytes, {name} framing, {} baud", report.len, link.baud);
        println!("piece     {} bytes", wire.piece());
        println!("requests  {requests}, at most {} in flight", report.window);
        println!("frames    {frames}, {} bytes", wire.bytes);
        println!("wire      busy for {:.0} % of the time", share * 100.0);
        if plan.flash.is_some() {
            println!("flash     busy for {:.0} % of the time", flash * 100.0);
        }
        println!("time      {seconds:.1} s, {kib:.1} KiB/s");
    });
    Ok(())
}

fn too_small() -> Failure {
    Failure::Usage("no upload fits these buffers".to_owned(), "See `smp params` of a device that has some.")
}
