//! The main job: a device gets a new firmware and runs it.

use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use anysmp::framing::Framing;
use anysmp::mcuboot::Version;
use anysmp::routine::Ended;
use anysmp::smp::image::{ReadState, Upload as UploadRequest, WriteState};
use anysmp::smp::os::Reset;
use anysmp::smp::routine::{Doubt, Note, Phase, Upgrade, UpgradeEvent, UpgradeOutcome, UpgradeReport, UploadOutcome};
use anysmp::smp::{Error as Refusal, Request};
use anysmp_tools::smp::sim;
use serde_json::{Value, json};

use crate::cli;
use crate::device::Device;
use crate::failure::Failure;
use crate::image;
use crate::json::hex;
use crate::output::{Output, Progress};

/// How long the simulated device is deaf after a reset, and a bit.
const SIMULATED_REST: Duration = Duration::from_millis(500);

pub fn perform<F: Framing>(device: &mut Device<F>, options: &cli::Upgrade) -> Result<(), Failure> {
    let output = device.output;
    let (name, file) = match &options.file {
        Some(path) => (path.display().to_string(), image::read(path)?),
        None if device.is_simulated() => {
            let made = sim::firmware(Version::new(1, 1, 0));
            ("an image made here".to_owned(), made.map_err(|error| Failure::Usage(error.to_string(), ""))?)
        }
        None => {
            let text = "no image given: a real device needs FILE".to_owned();
            return Err(Failure::Usage(text, "Give the signed image from the build, for example zephyr.signed.bin."));
        }
    };
    let boot_time = Duration::from_secs(options.boot_time);
    let rest = match options.rest {
        Some(rest) => Duration::from_millis(rest),
        None if device.is_simulated() => SIMULATED_REST,
        None => Duration::from_secs(2),
    };
    let upload = image::prepare(device, &file)?;
    let upgrade = Upgrade::new(upload)
        .map_err(|error| Failure::File(options.file.clone().unwrap_or_default(), error.to_string()))?;
    let mut upgrade = upgrade
        .with_confirm(!options.no_confirm)
        .with_force(options.force)
        .with_plan_only(options.dry_run)
        .with_boot_time(boot_time)
        .with_rest(rest);
    if let Some(number) = options.image {
        upgrade = upgrade.with_image(number);
    }

    let (version, hash) = (upgrade.file().version().to_string(), hex(upgrade.file().hash()));
    output.note(&format!("{name}: version {version}, {} bytes, hash {}\n", file.len(), output.hash(&hash)));
    show(device, "before")?;
    let mut watch = Watch { output, phase: Phase::Looking, progress: None };
    let report = carry(device, &mut upgrade, boot_time, &mut watch)?;
    watch.finish(&report);
    let images = match report.outcome {
        UpgradeOutcome::Planned(_) | UpgradeOutcome::Failed(_) | UpgradeOutcome::Unknown(Doubt::Silent) => Value::Null,
        _ => show(device, "after")?,
    };
    conclude(output, &report, &version, &hash, &images)
}

/// Runs the upgrade over every restart of the device.
fn carry<F: Framing>(
    device: &mut Device<F>,
    upgrade: &mut Upgrade<image::File<'_>>,
    boot_time: Duration,
    watch: &mut Watch,
) -> Result<UpgradeReport, Failure> {
    let mut until = Instant::now();
    loop {
        match device.run(upgrade, |event| watch.see(&event)) {
            Ok(Ended::Done(report)) => return Ok(report),
            Ok(Ended::Stopped) => return Err(Failure::Closed),
            Ok(Ended::Reopen) => until = Instant::now() + boot_time,
            // The port went with the device, faster than the routine could ask for it.
            Err(_) if upgrade.phase() == Phase::Resetting => until = Instant::now() + boot_time,
            Err(_) if upgrade.phase() == Phase::Booting && Instant::now() < until => {
                thread::sleep(Duration::from_millis(100));
            }
            Err(failure) if upgrade.phase() == Phase::Booting => return Err(gone(&failure)),
            Err(failure) => return Err(failure),
        }
        device.reopen(until).map_err(|failure| gone(&failure))?;
    }
}

/// The device was reset and its port did not come back.
fn gone(failure: &Failure) -> Failure {
    Failure::NotConfirmed(format!("the device did not come back: {failure}"))
}

/// Shows and returns the images on the device; nothing where it does not list them.
fn show<F: Framing>(device: &mut Device<F>, when: &str) -> Result<Value, Failure> {
    let output = device.output;
    let answer = match device.call(&ReadState {}) {
        Ok(answer) => answer,
        Err(Failure::Refused { .. }) => return Ok(Value::Null),
        Err(failure) => return Err(failure),
    };
    if !output.json {
        println!("{when}:");
        image::print(output, &answer.response);
        println!();
    }
    Ok(answer.json().get("images").cloned().unwrap_or(Value::Null))
}

/// Tells the user how far the upgrade has got.
struct Watch {
    output: Output,
    phase: Phase,
    progress: Option<Progress>,
}

impl Watch {
    fn see(&mut self, event: &UpgradeEvent) -> ControlFlow<()> {
        if event.phase == Phase::Uploading {
            let (output, len) = (self.output, event.upload.len);
            self.progress.get_or_insert_with(|| output.progress(len)).at(event.upload.off);
        } else if let Some(progress) = self.progress.take() {
            let seconds = progress.finish();
            self.output.note(&format!("uploaded {}", image::rate(event.upload.len, seconds)));
        }
        if event.phase != self.phase {
            self.phase = event.phase;
            if !matches!(event.phase, Phase::Looking | Phase::Uploading | Phase::Verifying) {
                self.output.note(&event.phase.to_string());
            }
        }
        ControlFlow::Continue(())
    }

    fn finish(&mut self, report: &UpgradeReport) {
        if let Some(progress) = self.progress.take() {
            progress.finish();
        }
        for note in report.notes.iter() {
            self.output.note(&format!("note: {}", note));
        }
        self.output.note("");
    }
}

/// Says how it ended.
fn conclude(output: Output, report: &UpgradeReport, version: &str, hash: &str, images: &Value) -> Result<(), Failure> {
    // Where nothing is marked there is no trial, and nothing that this run has confirmed.
    let no_trial = report.notes.contains(Note::NoTest);
    let (outcome, text) = match report.outcome {
        UpgradeOutcome::Confirmed if no_trial => {
            ("running", format!("version {version} runs, started by the boot loader without a trial"))
        }
        UpgradeOutcome::Confirmed => ("confirmed", format!("version {version} runs: confirmed")),
        UpgradeOutcome::AlreadyRunning => ("confirmed", format!("version {version} was already running: confirmed")),
        UpgradeOutcome::Testing => ("testing", format!("version {version} runs until the next reset: not confirmed")),
        UpgradeOutcome::Planned(plan) => ("planned", plan.to_string()),
        UpgradeOutcome::Refused(refusal) => return Err(refused(report.phase, refusal)),
        UpgradeOutcome::Failed(error) => return Err(Failure::of_job::<UploadRequest<'_>>(error)),
        UpgradeOutcome::Unknown(Doubt::Silent) => {
            return Err(Failure::NotConfirmed(format!("{} (--boot-time)", Doubt::Silent)));
        }
        outcome @ (UpgradeOutcome::Reverted | UpgradeOutcome::Unknown(_)) => {
            return Err(Failure::NotConfirmed(outcome.to_string()));
        }
        _ => return Err(Failure::Closed),
    };
    let upload = &report.upload;
    let already_present = matches!(upload.outcome, UploadOutcome::Done { already_present: true, .. });
    let json = json!({
        "outcome": outcome,
        "confirmed": outcome == "confirmed",
        "skipped": report.notes.iter().map(|note| note.to_string()).collect::<Vec<_>>(),
        "version": version,
        "hash": hash,
        "upload": {
            "off": upload.off, "len": upload.len, "sent": upload.sent, "repeats": upload.repeats,
            "already_present": already_present,
        },
        "images": images,
    });
    output.result(&json, || println!("{text}"));
    Ok(())
}

/// A step was refused.
fn refused(phase: Phase, refusal: Refusal) -> Failure {
    let (group, command) = match phase {
        Phase::Uploading => (UploadRequest::GROUP, UploadRequest::COMMAND),
        Phase::Marking => (WriteState::GROUP, WriteState::COMMAND),
        Phase::Resetting => (Reset::GROUP, Reset::COMMAND),
        Phase::Confirming | Phase::Verifying => {
            return Failure::NotConfirmed(format!("the new image runs on trial, but was not confirmed: {refusal}"));
        }
        _ => (ReadState::GROUP, ReadState::COMMAND),
    };
    Failure::Refused { group, command, refusal }
}
