//! The main job: a device gets a new firmware and runs it.

use anysmp_tools::outln as println;
use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use anysmp::framing::Framing;
use anysmp::mcuboot::{Flags, ImageFile, Version};
use anysmp::routine::Ended;
use anysmp::smp::image::{ReadState, Upload as UploadRequest, WriteState};
use anysmp::smp::os::Reset;
use anysmp::smp::routine::{
    Doubt, Item, Note, Notes, Phase, Upgrade, UpgradeEvent, UpgradeOutcome, UpgradeReport, UploadOutcome, sha256,
};
use anysmp::smp::{Error as Refusal, Request};
use anysmp_tools::smp::sim;
use serde_json::{Value, json};

use crate::cli;
use crate::device::Device;
use crate::failure::Failure;
use crate::image;
use crate::input::{self, Part};
use crate::json::hex;
use crate::output::{Output, Progress};
use crate::stop;

/// How long the simulated device is deaf after a reset, and a bit.
const SIMULATED_REST: Duration = Duration::from_millis(500);

pub fn perform<F: Framing>(device: &mut Device<F>, options: &cli::Upgrade) -> Result<(), Failure> {
    let output = device.output;
    let parts = parts(device, options)?;
    let boot_time = Duration::from_secs(options.boot_time);
    let rest = match options.rest {
        Some(rest) => Duration::from_millis(rest),
        None if device.is_simulated() => SIMULATED_REST,
        None => Duration::from_secs(2),
    };
    let mut items = Vec::new();
    for part in &parts {
        let fault = |error: &dyn std::fmt::Display| {
            Failure::File(options.file.clone().unwrap_or_default(), error.to_string(), "Build it again.")
        };
        let sha = sha256(&mut part.bytes.as_slice(), part.bytes.len() as u64).map_err(|error| fault(&error))?;
        let mut item = Item::new(part.bytes.as_slice()).map_err(|error| fault(&error))?.with_sha(sha);
        if let Some(number) = part.number.or(options.image) {
            item = item.with_image(number);
        }
        items.push(item);
        let hash = hash(part);
        let number = if parts.len() > 1 { format!("image {}: ", part.number.unwrap_or(0)) } else { String::new() };
        let (version, len) = (version(part), part.bytes.len());
        output.note(&format!("{number}{}: version {version}, {len} bytes, hash {}", part.name, output.hash(&hash)));
        if is_encrypted(part) {
            output.note("it is encrypted: only the device can check its hash");
        }
    }
    output.note("");
    let mut upgrade = Upgrade::several(items)
        .with_pacing(device.pacing())
        .with_confirm(!options.no_confirm)
        .with_force(options.force)
        .with_plan_only(options.dry_run)
        .with_settle(!options.no_settle)
        .with_upgrade_only(options.upgrade_only)
        .with_boot_time(boot_time)
        .with_rest(rest);
    let from = show(device, "before")?;
    announce(output, &parts, upgrade.items(), &from);
    let mut watch = Watch {
        output,
        phase: Phase::Looking,
        item: 0,
        notes: Notes::default(),
        progress: None,
        off: 0,
        lasts: !device.is_simulated(),
        options,
    };
    let report = carry(device, &mut upgrade, boot_time, &mut watch)?;
    watch.finish(&report);
    stop::over();
    let images = match report.outcome {
        UpgradeOutcome::Planned(_) | UpgradeOutcome::Failed(_) | UpgradeOutcome::Unknown(Doubt::Silent) => Value::Null,
        _ => show(device, "after")?,
    };
    conclude(output, &report, &parts, upgrade.items(), &images)
}

/// The images that are wanted.
fn parts<F: Framing>(device: &Device<F>, options: &cli::Upgrade) -> Result<Vec<Part>, Failure> {
    let Some(path) = &options.file else {
        if !device.is_simulated() {
            let text = "no image given: a real device needs FILE".to_owned();
            return Err(Failure::Usage(text, "Give the signed image from the build, for example zephyr.signed.bin."));
        }
        let made = sim::firmware(Version::new(1, 1, 0)).map_err(|error| Failure::Usage(error.to_string(), ""))?;
        return Ok(vec![Part { name: "an image made here".to_owned(), number: None, bytes: made }]);
    };
    let parts = input::images(path, options.checksum.as_ref())?;
    if options.image.is_some() && parts.iter().any(|part| part.number.is_some()) {
        let text = "the package itself says which image each file is for".to_owned();
        return Err(Failure::Usage(text, "Leave out --image."));
    }
    Ok(parts)
}

fn identity(part: &Part) -> Option<ImageFile> {
    ImageFile::read(&mut part.bytes.as_slice()).ok()
}

fn hash(part: &Part) -> String {
    identity(part).map_or_else(String::new, |file| hex(file.hash()))
}

fn version(part: &Part) -> String {
    identity(part).map_or_else(String::new, |file| file.version().to_string())
}

fn is_encrypted(part: &Part) -> bool {
    identity(part).is_some_and(|file| file.flags().intersects(Flags::ENCRYPTED))
}

/// The upgrade of this tool.
type Job<'p> = Upgrade<&'p [u8], Vec<Item<&'p [u8]>>>;

/// Runs the upgrade over every restart of the device.
fn carry<F: Framing>(
    device: &mut Device<F>,
    upgrade: &mut Job<'_>,
    boot_time: Duration,
    watch: &mut Watch<'_>,
) -> Result<UpgradeReport, Failure> {
    let mut until = Instant::now();
    loop {
        match device.run(upgrade, |event| watch.see(&event)) {
            Ok(Ended::Done(report)) => return Ok(report),
            Ok(Ended::Stopped) => return Err(Failure::Closed),
            Ok(Ended::Reopen) => {
                until = Instant::now() + boot_time;
                watch.enter(Phase::Booting);
            }
            // The port went with the device, faster than the routine could ask for it.
            Err(_) if matches!(upgrade.phase(), Phase::Resetting | Phase::Settling | Phase::RollingBack) => {
                until = Instant::now() + boot_time;
            }
            Err(_) if upgrade.phase() == Phase::Booting && Instant::now() < until => {
                thread::sleep(Duration::from_millis(100));
            }
            Err(failure) if upgrade.phase() == Phase::Booting => return Err(gone(&failure)),
            Err(failure) => {
                watch.interrupted(upgrade.phase());
                return Err(failure);
            }
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

/// Says in one line for each image what is to become what.
fn announce(output: Output, parts: &[Part], items: &[Item<&[u8]>], images: &Value) {
    for (part, item) in parts.iter().zip(items) {
        let from = running(images, item.image());
        let word = |image: &Value, key: &str| image[key].as_str().unwrap_or_default().to_owned();
        let name = |version: &str, hash: &str| {
            let short = hash.get(..8).unwrap_or(hash);
            if short.is_empty() { version.to_owned() } else { format!("{version} {short}") }
        };
        let from = from.map_or("unknown".to_owned(), |from| name(&word(from, "version"), &word(from, "hash")));
        let number = if items.len() > 1 { format!("image {}: ", item.image()) } else { String::new() };
        output.note(&format!("{number}{from} -> {}", name(&version(part), &hash(part))));
    }
}

/// The image that runs under a number, in a list of them. Some devices say of image 0 only that it
/// is active.
fn running(images: &Value, number: u32) -> Option<&Value> {
    let mut its = images.as_array()?.iter().filter(|image| image["image"].as_u64().unwrap_or(0) == u64::from(number));
    let any = images.as_array()?.iter().any(|image| image["active"] == true);
    its.clone().find(|image| image["active"] == true).or_else(|| its.find(|image| any && image["slot"] == 0))
}

/// Shows how far the upgrade has got, and announces what is done unasked.
struct Watch<'o> {
    output: Output,
    phase: Phase,
    item: usize,
    /// The notes that were announced.
    notes: Notes,
    progress: Option<Progress>,
    /// The bytes of the present upload that the device has acknowledged.
    off: u64,
    /// Whether the device outlives this program.
    lasts: bool,
    options: &'o cli::Upgrade,
}

impl Watch<'_> {
    fn see(&mut self, event: &UpgradeEvent) -> ControlFlow<()> {
        if event.phase != Phase::Uploading || event.item != self.item {
            self.uploaded(event);
        }
        self.item = event.item;
        if event.phase == Phase::Uploading {
            let (output, len) = (self.output, event.upload.len);
            self.off = event.upload.off;
            if self.lasts {
                stop::at(image::uploading(self.off, len), image::GOES_ON);
            }
            self.progress.get_or_insert_with(|| output.progress(len)).at(event.upload.off);
        }
        for note in event.notes.iter().filter(|note| is_unasked(*note)) {
            let is_wanted = note == Note::Downgrade && self.options.allow_downgrade;
            if !self.notes.contains(note) && !is_wanted {
                self.output.warning(&note.to_string());
            }
        }
        self.notes = event.notes;
        self.enter(event.phase);
        ControlFlow::Continue(())
    }

    /// The upload of an item has ended: says what the device has acknowledged.
    fn uploaded(&mut self, event: &UpgradeEvent) {
        let Some(progress) = self.progress.take() else { return };
        let seconds = progress.finish();
        if event.item != self.item || event.upload.off == event.upload.len {
            let len = if event.item == self.item { event.upload.len } else { self.off };
            self.output.note(&format!("uploaded {}", image::rate(len, seconds)));
        }
    }

    fn enter(&mut self, phase: Phase) {
        if phase == self.phase {
            return;
        }
        self.phase = phase;
        if self.lasts {
            stop::at(phase.to_string(), remedy(phase));
        }
        if self.output.json {
            self.output.line(&json!({ "phase": phase.to_string() }).to_string());
        } else if !matches!(phase, Phase::Looking | Phase::Uploading | Phase::Verifying) {
            self.output.note(&phase.to_string());
        }
    }

    /// The port failed in the middle of an upload.
    fn interrupted(&mut self, phase: Phase) {
        if let Some(progress) = self.progress.take() {
            progress.finish();
        }
        if phase == Phase::Uploading && self.off > 0 {
            let text = format!("the device has {} bytes: the same command goes on there", self.off);
            self.output.warning(&text);
        }
    }

    fn finish(&mut self, report: &UpgradeReport) {
        if let Some(progress) = self.progress.take() {
            progress.finish();
        }
        for note in report.notes.iter().filter(|note| !(is_unasked(*note) && self.notes.contains(*note))) {
            if note == Note::Downgrade && self.options.allow_downgrade {
                continue;
            }
            if is_unasked(note) {
                self.output.warning(&note.to_string());
            } else {
                self.output.note(&format!("note: {note}"));
            }
        }
        self.output.note("");
    }
}

/// What to do about an upgrade that ends in a phase.
const fn remedy(phase: Phase) -> &'static str {
    match phase {
        Phase::Resetting | Phase::Booting | Phase::Confirming | Phase::Verifying => {
            "The new image may run on trial: the same command confirms it, and a reset brings the old one back."
        }
        Phase::Settling | Phase::RollingBack => "See what runs with `image list`.",
        _ => image::GOES_ON,
    }
}

/// Whether a note is about something that nobody has asked for.
fn is_unasked(note: Note) -> bool {
    matches!(
        note,
        Note::Downgrade | Note::InTheWay | Note::OthersPending | Note::LeftPending | Note::Settled | Note::RolledBack
    )
}

/// Says how it ended.
fn conclude(
    output: Output,
    report: &UpgradeReport,
    parts: &[Part],
    items: &[Item<&[u8]>],
    images: &Value,
) -> Result<(), Failure> {
    let versions = || {
        let versions: Vec<String> = parts.iter().map(version).collect();
        if let [version] = versions.as_slice() {
            return format!("version {version}");
        }
        let named: Vec<String> =
            items.iter().map(|item| format!("image {} {}", item.image(), item.version())).collect();
        named.join(", ")
    };
    let version = versions();
    // Where nothing is marked there is no trial, and nothing that this run has confirmed.
    let no_trial = report.notes.contains(Note::NoTest);
    let each = || -> String {
        let places = items.iter().map(|item| format!("image {} {}", item.image(), item.place()));
        if items.len() > 1 { format!(" ({})", places.collect::<Vec<_>>().join("; ")) } else { String::new() }
    };
    let (outcome, text) = match report.outcome {
        UpgradeOutcome::Confirmed if no_trial => {
            ("running", format!("{version} runs, started by the boot loader without a trial"))
        }
        UpgradeOutcome::Confirmed => ("confirmed", format!("{version} runs: confirmed")),
        UpgradeOutcome::AlreadyRunning => ("confirmed", format!("{version} was already running: confirmed")),
        UpgradeOutcome::Testing => ("testing", format!("{version} runs until the next reset: not confirmed")),
        UpgradeOutcome::Planned(plan) => ("planned", plan.to_string()),
        UpgradeOutcome::Refused(refusal) if report.phase == Phase::RollingBack => {
            let text = format!("not all images came up, and the device refused the reset: {refusal}{}", each());
            return Err(Failure::NotConfirmed(text));
        }
        UpgradeOutcome::Refused(refusal) => return Err(refused(report.phase, refusal)),
        UpgradeOutcome::Failed(error) => return Err(Failure::of_job::<UploadRequest<'_>>(error)),
        UpgradeOutcome::Unknown(Doubt::Silent) => {
            return Err(Failure::NotConfirmed(format!("{} (--boot-time){}", Doubt::Silent, each())));
        }
        outcome @ (UpgradeOutcome::Reverted | UpgradeOutcome::Denied | UpgradeOutcome::Unknown(_)) => {
            return Err(Failure::NotConfirmed(format!("{outcome}{}", each())));
        }
        _ => return Err(Failure::Closed),
    };
    let upload = &report.upload;
    let already_present = matches!(upload.outcome, UploadOutcome::Done { already_present: true, .. });
    let list: Vec<Value> = parts
        .iter()
        .zip(items)
        .map(|(part, item)| {
            json!({
                "image": item.image(), "version": self::version(part), "hash": hash(part),
                "place": item.place().to_string(),
            })
        })
        .collect();
    let json = json!({
        "outcome": outcome,
        "confirmed": outcome == "confirmed",
        "skipped": report.notes.iter().map(|note| note.to_string()).collect::<Vec<_>>(),
        "version": parts.first().map(self::version),
        "hash": parts.first().map(hash),
        "items": list,
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
        Phase::Resetting | Phase::Settling => (Reset::GROUP, Reset::COMMAND),
        Phase::Confirming | Phase::Verifying => {
            return Failure::NotConfirmed(format!("the new image runs on trial, but was not confirmed: {refusal}"));
        }
        _ => (ReadState::GROUP, ReadState::COMMAND),
    };
    Failure::Refused { group, command, refusal, reason: None }
}
