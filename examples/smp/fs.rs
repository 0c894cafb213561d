//! The commands of the file group.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use anysmp::cbor::Text;
use anysmp::framing::Framing;
use anysmp::mcuboot::digest::Sha256;
use anysmp::routine::Ended;
use anysmp::smp::Header;
use anysmp::smp::fs::{Close, Download, Hash, HashOutput, HashType, HashTypes, Status, Upload};
use anysmp::smp::os::Parameters;
use anysmp::smp::routine::{FileDownload, FileOutcome};
use serde_json::json;

use crate::cli::Fs;
use crate::device::Device;
use crate::failure::Failure;
use crate::image;
use crate::json::hex;
use crate::output::table;
use crate::settings::simple;

/// Bytes of a message for devices that do not say how much they take.
const SMALL: usize = 256;

pub fn perform<F: Framing>(device: &mut Device<F>, command: &Fs) -> Result<(), Failure> {
    match command {
        Fs::Upload { file, path } => upload(device, file, path),
        Fs::Download { path, file } => download(device, path, file.as_deref()),
        Fs::Status { path } => status(device, path),
        Fs::Hash { path, kind, off, len } => hash(device, path, kind.as_deref(), *off, *len),
        Fs::Types => types(device),
        Fs::Close => simple(device, &Close {}, "closed"),
    }
}

fn upload<F: Framing>(device: &mut Device<F>, file: &Path, path: &str) -> Result<(), Failure> {
    /// What a request takes beside name and data: header, map, keys, and the widest numbers.
    const OVERHEAD: usize = Header::LEN + 1 + (5 + 3) + (4 + 9) + (5 + 3) + (4 + 9);
    let bytes = std::fs::read(file).map_err(|error| Failure::Local(file.to_owned(), error))?;
    let len = bytes.len() as u64;
    let limit = match device.call(&Parameters {}) {
        Ok(answer) => usize::try_from(answer.response.buf_size).unwrap_or(usize::MAX),
        Err(Failure::Refused { .. }) => SMALL,
        Err(failure) => return Err(failure),
    };
    let limit = if F::WHOLE { limit.min(image::PATH) } else { limit };
    let room = limit.saturating_sub(F::OVERHEAD + OVERHEAD + path.len()).max(1);
    let mut progress = device.output.progress(len);
    let mut off = 0;
    loop {
        let rest = usize::try_from(off).ok().and_then(|off| bytes.get(off..));
        let rest = rest.ok_or(Failure::Nonsense("asks for bytes beyond the end of the file"))?;
        let data = rest.get(..room).unwrap_or(rest);
        let request = Upload { name: path.into(), off, data: data.into(), len: (off == 0).then_some(len) };
        let next = device.call(&request)?.response.off;
        if next <= off && len > 0 {
            return Err(Failure::Nonsense("asks for the same bytes over and over"));
        }
        off = next;
        progress.at(off);
        if off >= len {
            break;
        }
    }
    let seconds = progress.finish();
    let verified = verify(device, path, &bytes)?;
    let json = json!({ "off": off, "len": len, "seconds": seconds, "match": verified });
    device.output.result(&json, || {
        println!("{}", image::rate(len, seconds));
        if verified {
            println!("the device computed the same checksum");
        }
    });
    Ok(())
}

/// Whether the device has the same bytes; false if it cannot tell.
fn verify<F: Framing>(device: &mut Device<F>, path: &str, bytes: &[u8]) -> Result<bool, Failure> {
    if bytes.is_empty() {
        return Ok(false);
    }
    match device.call(&Hash { name: path.into(), kind: Some("sha256".into()), off: None, len: None }) {
        Ok(answer) => match answer.response.output {
            HashOutput::Bytes(output) if output == Sha256::of(bytes).as_bytes() => Ok(true),
            _ => Err(Failure::Nonsense("stored something else than what was sent")),
        },
        Err(Failure::Refused { .. }) => Ok(false),
        Err(failure) => Err(failure),
    }
}

fn download<F: Framing>(device: &mut Device<F>, path: &str, file: Option<&Path>) -> Result<(), Failure> {
    let output = device.output;
    let name = Path::new(path.rsplit('/').next().unwrap_or_default());
    let file = file.unwrap_or(name);
    let mut routine = FileDownload::new(path).repeats(device.repeats).verify(true);
    if !F::WHOLE {
        routine = routine.window(device.window.into());
    }
    let (mut bytes, mut progress) = (Vec::new(), None);
    let ended = device.run(&mut routine, |event| {
        event.data.chunks().iter().for_each(|chunk| bytes.extend_from_slice(chunk));
        progress.get_or_insert_with(|| output.progress(event.len)).at(bytes.len() as u64);
        ControlFlow::Continue(())
    })?;
    let seconds = progress.map_or(0.0, |progress| progress.finish());
    let Ended::Done(report) = ended else { return Err(Failure::Closed) };
    let verified = match report.outcome {
        FileOutcome::Done { verified } => verified,
        FileOutcome::Failed(error) => return Err(Failure::of_job::<Download<'_>>(error)),
        _ => return Err(Failure::Closed),
    };
    if file == Path::new("-") {
        return std::io::stdout().write_all(&bytes).map_err(|error| Failure::Local("-".into(), error));
    }
    std::fs::write(file, &bytes).map_err(|error| Failure::Local(file.to_owned(), error))?;
    let json = json!({
        "file": file.display().to_string(), "len": report.len, "repeats": report.repeats, "seconds": seconds,
        "match": verified,
    });
    output.result(&json, || {
        println!("{}: {}", file.display(), image::rate(report.len, seconds));
        if verified {
            println!("the device computed the same checksum");
        }
    });
    Ok(())
}

fn status<F: Framing>(device: &mut Device<F>, path: &str) -> Result<(), Failure> {
    let output = device.output;
    let answer = device.call(&Status { name: path.into() })?;
    output.result(&answer.json(), || println!("{} bytes", answer.response.len));
    Ok(())
}

fn hash<F: Framing>(
    device: &mut Device<F>,
    path: &str,
    kind: Option<&str>,
    off: Option<u64>,
    len: Option<u64>,
) -> Result<(), Failure> {
    let output = device.output;
    let answer = device.call(&Hash { name: path.into(), kind: kind.map(Into::into), off, len })?;
    let response = answer.response;
    output.result(&answer.json(), || {
        let result = match response.output {
            HashOutput::Number(number) => format!("{number:08x}"),
            HashOutput::Bytes(bytes) => hex(&bytes.chunks().iter().collect::<Vec<_>>().concat()),
        };
        println!("{}  {result}  ({} bytes)", response.kind, response.len);
    });
    Ok(())
}

fn types<F: Framing>(device: &mut Device<F>) -> Result<(), Failure> {
    let output = device.output;
    let answer = device.call(&HashTypes {})?;
    output.result(&answer.json(), || {
        let row = |(name, kind): (Text<'_>, HashType)| {
            let format = if kind.format == 0 { "number" } else { "bytes" };
            [name.to_string(), format.to_owned(), kind.size.to_string()]
        };
        let rows: Vec<_> = answer.response.types.iter().map(row).collect();
        table(["TYPE", "FORMAT", "BYTES"], &rows);
    });
    Ok(())
}
