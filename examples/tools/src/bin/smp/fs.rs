//! The commands of the file group.

use anysmp_tools::outln as println;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anysmp::cbor::Text;
use anysmp::framing::Framing;
use anysmp::routine::Ended;
use anysmp::smp::Request;
use anysmp::smp::fs::{Close, Download, Hash, HashOutput, HashType, HashTypes, Status, Upload};
use anysmp::smp::routine::{Error, FileDownload, FileOutcome, FileUpload};
use serde_json::json;

use crate::cli::Fs;
use crate::device::Device;
use crate::failure::Failure;
use crate::image;
use crate::info::is_stream;
use crate::json::hex;
use crate::output::{Output, table};
use crate::settings::simple;
use crate::stop;

pub fn perform<F: Framing>(device: &mut Device<F>, command: &Fs) -> Result<(), Failure> {
    match command {
        Fs::Upload { file, path, resume } => upload(device, file, path, *resume),
        Fs::Download { path, file, resume } => download(device, path, file.as_deref(), *resume),
        Fs::Status { path } => status(device, path),
        Fs::Hash { path, kind, off, len } => hash(device, path, kind.as_deref(), *off, *len),
        Fs::Types => types(device),
        Fs::Close => simple(device, &Close {}, "closed"),
    }
}

fn upload<F: Framing>(device: &mut Device<F>, file: &Path, path: &str, resume: bool) -> Result<(), Failure> {
    let output = device.output;
    let bytes = crate::input::bytes(file)?;
    let routine = FileUpload::new(path, bytes.as_slice()).with_pacing(device.pacing());
    let mut routine = routine.with_resume(resume).with_verify(true);
    let mut progress = output.progress(bytes.len() as u64);
    let lasts = !device.is_simulated();
    let ended = device.run(&mut routine, |event| {
        progress.at(event.off);
        if lasts {
            let text = format!("uploading: the device has {} of {} bytes", event.off, bytes.len());
            stop::at(text, "The same command with --resume continues there, if the device can compare them.");
        }
        ControlFlow::Continue(())
    })?;
    let seconds = progress.finish();
    stop::over();
    let Ended::Done(report) = ended else { return Err(Failure::Closed) };
    let verified = verified::<Upload<'_>>(report.outcome)?;
    device.note_window(report.window, report.len);
    let json = json!({
        "off": report.off, "len": report.len, "sent": report.sent, "repeats": report.repeats, "seconds": seconds,
        "match": verified,
    });
    output.result(&json, || {
        println!("{}", image::rate(report.len, seconds));
        compared(verified);
    });
    Ok(())
}

/// Returns true if a transfer was compared with the device's file.
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

fn download<F: Framing>(device: &mut Device<F>, path: &str, file: Option<&Path>, resume: bool) -> Result<(), Failure> {
    let name = Path::new(path.rsplit('/').next().unwrap_or_default());
    let file = file.unwrap_or(name);
    let not_a_file = || Failure::Usage("only a file can be resumed".to_owned(), "Leave out --resume.");
    if is_stream(file) {
        if resume {
            return Err(not_a_file());
        }
        let output = device.output.beside_data();
        return stream(device, path, (Path::new("the standard output"), &mut std::io::stdout().lock()), output);
    }
    let file = if file.is_dir() { file.join(name) } else { file.to_owned() };
    let output = device.output;
    // A device or a pipe is written to directly: renaming a file to it would replace it.
    if std::fs::metadata(&file).is_ok_and(|there| !there.is_file()) {
        if resume {
            return Err(not_a_file());
        }
        let local = |error| Failure::Local(file.clone(), error);
        let mut there = OpenOptions::new().write(true).open(&file).map_err(local)?;
        return stream(device, path, (&file, &mut there), output);
    }
    // Opened first, so that a path that cannot be written is reported before the transfer. An
    // existing file stays until the new one is complete.
    let mut part = Part::beside(&file, resume).map_err(|error| Failure::Local(file.clone(), error))?;
    let start = part.len;
    let mut routine = FileDownload::new(path).with_pacing(device.pacing()).with_verify(true);
    routine = part.begun(routine).map_err(|error| Failure::Local(part.path.clone(), error))?;
    let (mut progress, mut failed) = (None, None);
    let ended = device.run(&mut routine, |event| {
        let written = event.data.chunks().iter().try_for_each(|chunk| part.write(chunk));
        if let Some(len) = event.len {
            progress.get_or_insert_with(|| output.progress(len)).at(part.len);
            if part.len > 0 {
                let text = format!("downloading: {} of {len} bytes are in {}", part.len, part.path.display());
                stop::at(text, "The same command with --resume continues there.");
            }
        }
        failed = written.err();
        if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    stop::over();
    let seconds = progress.map_or(0.0, |progress| progress.finish());
    if let Some(error) = failed {
        let failure = Failure::Local(part.path.clone(), error);
        return Err(part.left(output, failure));
    }
    let report = match ended {
        Ok(Ended::Done(report)) => report,
        Ok(_) => return Err(part.left(output, Failure::Closed)),
        Err(failure) => return Err(part.left(output, failure)),
    };
    let verified = match (verified::<Download<'_>>(report.outcome), report.outcome) {
        (Ok(verified), _) => verified,
        // A part that did not match, or is longer than the file, is useless.
        (Err(failure), FileOutcome::Failed(Error::Mismatch | Error::Offset)) => {
            part.stays = false;
            if start == 0 {
                return Err(failure);
            }
            let text = format!("{} is not the beginning of the device's file", part.path.display());
            return Err(Failure::File(part.path.clone(), text, "Download it again without --resume."));
        }
        (Err(failure), _) => return Err(part.left(output, failure)),
    };
    if let Err(error) = part.keep(&file) {
        return Err(part.left(output, Failure::Local(file, error)));
    }
    // All of it has come.
    let len = report.off;
    device.note_window(report.window, len);
    let json = json!({
        "file": file.display().to_string(), "len": len, "repeats": report.repeats, "seconds": seconds,
        "match": verified, "resumed_at": start,
    });
    output.result(&json, || {
        println!("{}: {}", file.display(), image::rate(len - start, seconds));
        compared(verified);
    });
    Ok(())
}

/// Downloads into a target that cannot be replaced by renaming, as the bytes arrive.
fn stream<F: Framing>(
    device: &mut Device<F>,
    path: &str,
    (name, target): (&Path, &mut dyn Write),
    output: Output,
) -> Result<(), Failure> {
    let mut routine = FileDownload::new(path).with_pacing(device.pacing()).with_verify(true);
    let (mut failed, mut progress) = (None, None);
    let ended = device.run(&mut routine, |event| {
        if let Some(len) = event.len {
            progress.get_or_insert_with(|| output.progress(len)).at(event.off + event.data.len() as u64);
        }
        failed = event.data.chunks().iter().try_for_each(|chunk| target.write_all(chunk)).err();
        if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let seconds = progress.map_or(0.0, |progress| progress.finish());
    let failed = failed.or(target.flush().err());
    if let Some(error) = failed {
        return Err(Failure::Local(name.to_owned(), error));
    }
    let Ended::Done(report) = ended? else { return Err(Failure::Closed) };
    let verified = verified::<Download<'_>>(report.outcome)?;
    let json = json!({ "file": if output.aside { "-".into() } else { name.display().to_string() }, "len": report.off, "repeats": report.repeats, "seconds": seconds, "match": verified });
    output.result(&json, || {});
    Ok(())
}

/// An incomplete download: a separate file beside the target.
struct Part {
    file: File,
    path: PathBuf,
    /// Its length in bytes.
    len: u64,
    /// True if it is to be kept: only if it has any bytes.
    stays: bool,
}

impl Part {
    /// Opens the part beside `target`, with the bytes of an earlier download if that is to be
    /// resumed.
    fn beside(target: &Path, resume: bool) -> std::io::Result<Self> {
        let mut name = target.file_name().ok_or(std::io::ErrorKind::IsADirectory)?.to_owned();
        name.push(".part");
        let path = target.with_file_name(name);
        let file = OpenOptions::new().create(true).append(resume).write(true).truncate(!resume).open(&path)?;
        let len = file.metadata()?.len();
        Ok(Self { file, path, len, stays: false })
    }

    /// Prepares the download, which begins with the bytes that are already here.
    fn begun<'n>(&self, mut routine: FileDownload<'n>) -> std::io::Result<FileDownload<'n>> {
        let (mut file, mut bytes) = (File::open(&self.path)?, vec![0; 1 << 16]);
        loop {
            match file.read(&mut bytes)? {
                0 => return Ok(routine),
                count => routine = routine.with_beginning(bytes.get(..count).unwrap_or_default()),
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stays = true;
        self.file.write_all(bytes)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Keeps the part, so that a later download can continue it.
    fn left(&mut self, output: Output, failure: Failure) -> Failure {
        self.stays = self.len > 0;
        if self.stays {
            output.warning(&format!("{}: {} bytes; `--resume` continues there", self.path.display(), self.len));
        }
        failure
    }

    /// Renames the complete file to `target`, after it has reached the disk.
    fn keep(&mut self, target: &Path) -> std::io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.path, target)?;
        self.stays = true;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.stays {
            let _ = std::fs::remove_file(&self.path);
        }
    }
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
