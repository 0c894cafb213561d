//! The commands of the file group.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use anysmp::cbor::Text;
use anysmp::framing::Framing;
use anysmp::routine::Ended;
use anysmp::smp::Request;
use anysmp::smp::fs::{Close, Download, Hash, HashOutput, HashType, HashTypes, Status, Upload};
use anysmp::smp::routine::{FileDownload, FileOutcome, FileUpload};
use serde_json::json;

use crate::cli::Fs;
use crate::device::Device;
use crate::failure::Failure;
use crate::image;
use crate::json::hex;
use crate::output::table;
use crate::settings::simple;

pub fn perform<F: Framing>(device: &mut Device<F>, command: &Fs) -> Result<(), Failure> {
    match command {
        Fs::Upload { file, path, resume } => upload(device, file, path, *resume),
        Fs::Download { path, file } => download(device, path, file.as_deref()),
        Fs::Status { path } => status(device, path),
        Fs::Hash { path, kind, off, len } => hash(device, path, kind.as_deref(), *off, *len),
        Fs::Types => types(device),
        Fs::Close => simple(device, &Close {}, "closed"),
    }
}

fn upload<F: Framing>(device: &mut Device<F>, file: &Path, path: &str, resume: bool) -> Result<(), Failure> {
    let output = device.output;
    let bytes = std::fs::read(file).map_err(|error| Failure::Local(file.to_owned(), error))?;
    let routine =
        FileUpload::new(path, bytes.as_slice()).with_window(device.window.into()).with_limits(device.limits());
    let mut routine = routine.with_retries(device.retries).with_resume(resume).with_verify(true);
    if F::WHOLE {
        routine = routine.with_max_message(image::PATH);
    }
    let mut progress = output.progress(bytes.len() as u64);
    let ended = device.run(&mut routine, |event| {
        progress.at(event.off);
        ControlFlow::Continue(())
    })?;
    let seconds = progress.finish();
    let Ended::Done(report) = ended else { return Err(Failure::Closed) };
    let verified = verified::<Upload<'_>>(report.outcome)?;
    let json = json!({
        "off": report.off, "len": report.len, "sent": report.sent, "repeats": report.repeats, "seconds": seconds,
        "match": verified,
    });
    output.result(&json, || {
        println!("{}", image::rate(report.sent, seconds));
        compared(verified);
    });
    Ok(())
}

/// Whether a transfer was compared with the device's file.
fn verified<R: Request>(outcome: FileOutcome) -> Result<bool, Failure> {
    match outcome {
        FileOutcome::Done { verified } => Ok(verified),
        FileOutcome::Failed(error) => Err(Failure::of_job::<R>(error)),
        _ => Err(Failure::Closed),
    }
}

fn compared(verified: bool) {
    if verified {
        println!("the device computed the same checksum");
    }
}

fn download<F: Framing>(device: &mut Device<F>, path: &str, file: Option<&Path>) -> Result<(), Failure> {
    let output = device.output;
    let name = Path::new(path.rsplit('/').next().unwrap_or_default());
    let file = file.unwrap_or(name);
    let mut routine = FileDownload::new(path).with_retries(device.retries).with_verify(true);
    if !F::WHOLE {
        routine = routine.with_window(device.window.into());
    }
    let (mut bytes, mut progress) = (Vec::new(), None);
    let ended = device.run(&mut routine, |event| {
        event.data.chunks().iter().for_each(|chunk| bytes.extend_from_slice(chunk));
        progress.get_or_insert_with(|| output.progress(event.len)).at(bytes.len() as u64);
        ControlFlow::Continue(())
    })?;
    let seconds = progress.map_or(0.0, |progress| progress.finish());
    let Ended::Done(report) = ended else { return Err(Failure::Closed) };
    let verified = verified::<Download<'_>>(report.outcome)?;
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
        compared(verified);
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
