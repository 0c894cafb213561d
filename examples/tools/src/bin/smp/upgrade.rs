//! The main job: installs new firmware on a device and starts it.

use anysmp_tools::outln as println;
use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use anysmp::framing::Framing;
use anysmp::mcuboot::tlv::Kind as Tlv;
use anysmp::mcuboot::{Flags, Image, ImageFile, Version};
use anysmp::routine::Ended;
use anysmp::smp::image::{Erase, ReadState, StateResponse, Upload as UploadRequest, WriteState};
use anysmp::smp::os::{BootLoader, Reset, mode_name};
use anysmp::smp::routine::{
    Doubt, Error as JobError, Item, Note, Notes, Phase, Place, Upgrade, UpgradeEvent, UpgradeOutcome, UpgradeReport,
    UploadOutcome, sha256,
};
use anysmp::smp::{Error as Refusal, Request, error};
use anysmp_tools::smp::sim;
use serde_json::{Value, json};

use crate::cli;
use crate::device::Device;
use crate::failure::Failure;
use crate::image;
use crate::input::{self, Kind, Part};
use crate::json::hex;
use crate::output::{Output, Progress};
use crate::stop;

/// The time for which the simulated device is deaf after a reset, plus a margin.
const SIMULATED_REST: Duration = Duration::from_millis(500);

pub fn perform<F: Framing>(device: &mut Device<F>, options: &cli::Upgrade) -> Result<(), Failure> {
    let output = device.output;
    let parts = parts(device, options)?;
    let (parts, may_settle) = choose(device, parts)?;
    let boot_time = Duration::from_secs(options.boot_time);
    let rest = match options.rest {
        Some(rest) => Duration::from_millis(rest),
        None if device.is_simulated() => SIMULATED_REST,
        None => Duration::from_secs(2),
    };
    let mut items = Vec::new();
    for part in &parts {
        let fault = |error: &dyn std::fmt::Display| {
            let text = format!("{}: {error}", part.name);
            Failure::File(options.file.clone().unwrap_or_default(), text, "Build it again.")
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
    distinct(&parts)?;
    output.note("");
    let mut upgrade = Upgrade::several(items)
        .with_pacing(device.pacing())
        .with_confirm(!options.no_confirm)
        .with_force(options.force)
        .with_plan_only(options.dry_run)
        .with_settle(!options.no_settle && may_settle)
        .with_upgrade_only(options.upgrade_only)
        .with_boot_time(boot_time)
        .with_rest(rest);
    let before = show(device, "before")?;
    announce(output, &parts, upgrade.items(), &before.json);
    let unmet: Vec<Option<String>> =
        upgrade.items().iter().map(|item| unmet(item, upgrade.items(), &parts, &before.rows)).collect();
    for (item, needs) in upgrade.items().iter().zip(&unmet) {
        if let Some(needs) = needs {
            output.warning(&format!("image {} {needs}: the boot loader will not start it", item.image()));
        }
    }
    let images = upgrade.items().iter().map(Item::image).collect();
    let (phase, notes) = (Phase::Looking, Notes::default());
    let lasts = !device.is_simulated();
    let mut watch = Watch { output, images, phase, item: 0, notes, progress: None, off: 0, lasts, options };
    let report = carry(device, &mut upgrade, boot_time, &mut watch)?;
    let is_taken_back = !options.no_settle && take_back(device, &report, upgrade.items(), &parts);
    watch.finish(&report, is_taken_back);
    stop::over();
    let images = match report.outcome {
        UpgradeOutcome::Planned(_) | UpgradeOutcome::Failed(_) | UpgradeOutcome::Unknown(Doubt::Silent) => Value::Null,
        _ => show(device, "after")?.json,
    };
    conclude(device, &report, &parts, upgrade.items(), &images, &unmet)
}

/// Returns the images to install.
fn parts<F: Framing>(device: &Device<F>, options: &cli::Upgrade) -> Result<Vec<Part>, Failure> {
    let Some(path) = &options.file else {
        if !device.is_simulated() {
            let text = "no image given: a real device needs FILE".to_owned();
            return Err(Failure::Usage(text, "Give the signed image from the build, for example zephyr.signed.bin."));
        }
        let made = sim::firmware(Version::new(1, 1, 0)).map_err(|error| Failure::Usage(error.to_string(), ""))?;
        return Ok(vec![Part { name: "an image made here".to_owned(), number: None, slot: None, bytes: made }]);
    };
    let parts = input::images(path, options.checksum.as_ref())?;
    if let Some(part) = parts.iter().find(|part| Kind::of(&part.bytes) == Kind::BigEndian) {
        let text = format!("{}: {}", part.name, Kind::BigEndian.name());
        let remedy = "`image upload` sends it; `image test`, `reset` and `image confirm` do the rest.";
        return Err(Failure::File(path.clone(), text, remedy));
    }
    if options.image.is_some() && parts.iter().any(|part| part.number.is_some()) {
        let text = "the package itself says which image each file is for".to_owned();
        return Err(Failure::Usage(text, "Leave out --image."));
    }
    Ok(parts)
}

/// Refuses the same image under two numbers: a mark identifies an image only by its hash, and a
/// device would take the first one for both.
fn distinct(parts: &[Part]) -> Result<(), Failure> {
    for (at, part) in parts.iter().enumerate() {
        if let Some(same) = parts.iter().take(at).find(|same| hash(same) == hash(part)) {
            let [one, other] = [same, part].map(|part| part.number.unwrap_or(0));
            let text = format!("images {one} and {other} are the same: a device cannot tell which of them to start");
            return Err(Failure::Usage(text, "Give the image of each number, or one of them with --image."));
        }
    }
    Ok(())
}

/// The entry of one slot in the device's list.
struct Row {
    image: u32,
    slot: u32,
    version: Option<Version>,
    hash: Option<String>,
    active: bool,
    confirmed: bool,
    pending: bool,
}

fn rows(list: &StateResponse<'_>) -> Vec<Row> {
    list.images
        .iter()
        .map(|state| Row {
            image: state.image.unwrap_or(0),
            slot: state.slot,
            version: state.version.to_string().parse().ok(),
            hash: image::hash(state),
            active: state.active,
            confirmed: state.confirmed,
            pending: state.pending,
        })
        .collect()
}

/// The list of images; `None` if the device has none.
fn list<F: Framing>(device: &mut Device<F>) -> Result<Option<Vec<Row>>, Failure> {
    match device.call(&ReadState {}) {
        Ok(answer) => Ok(Some(rows(&answer.response))),
        Err(Failure::Refused { .. }) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The mode of the boot loader, if the device reports it.
fn mode<F: Framing>(device: &mut Device<F>) -> Result<Option<i32>, Failure> {
    match device.call(&BootLoader { query: Some("mode".into()) }) {
        Ok(answer) => Ok(answer.response.mode),
        Err(Failure::Refused { .. }) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Chooses, if a package has a file for each slot of an image, the one that can run from where the
/// device will write it, and warns about an image that is linked for another address. The second
/// value is false if a reset before the upload would change that slot.
fn choose<F: Framing>(device: &mut Device<F>, parts: Vec<Part>) -> Result<(Vec<Part>, bool), Failure> {
    let is_fixed = |part: &Part| {
        identity(part).is_some_and(|file| file.flags().intersects(Flags(Flags::RAM_LOAD.0 | Flags::ROM_FIXED.0)))
    };
    let is_for_slot = parts.iter().any(|part| part.slot.is_some());
    if !is_for_slot && !parts.iter().any(is_fixed) {
        return Ok((parts, true));
    }
    let mode = mode(device)?;
    let name = mode.and_then(mode_name).unwrap_or("unknown");
    for part in &parts {
        let for_ram = identity(part).is_some_and(|file| file.flags().intersects(Flags::RAM_LOAD));
        let loads = mode.filter(|mode| *mode >= 0).map(|mode| matches!(mode, 6 | 8));
        if loads.is_some_and(|loads| loads != for_ram) {
            let made = if for_ram { "is made" } else { "is not made" };
            device
                .output
                .warning(&format!("{} {made} to be copied to RAM, and the boot loader says: {name}", part.name));
        }
    }
    if !is_for_slot {
        for part in &parts {
            if let Some(address) = fixed_address(part) {
                let text = format!("{} runs from address {address:#010x} only; only the device knows", part.name);
                device.output.note(&format!("{text} whether the slot that it writes begins there"));
            }
        }
        return Ok((parts, true));
    }
    let rows = list(device)?;
    let (mut chosen, mut left, mut may_settle) = (Vec::new(), parts, true);
    while let Some(number) = left.first().map(|part| part.number) {
        let (its, others) = left.into_iter().partition(|part: &Part| part.number == number);
        left = others;
        let image = number.unwrap_or(0);
        let (part, changes) = fitting(image, its, mode, rows.as_deref()).map_err(|text| {
            Failure::Usage(
                format!("image {image}: {text}"),
                "`image list` shows which slot runs: the other one is written. Give the file that was linked for it.",
            )
        })?;
        if let Some(slot) = part.slot {
            device.output.note(&format!("image {image}: {} is the file for slot {slot}", part.name));
        }
        may_settle &= !changes;
        chosen.push(part);
    }
    Ok((chosen, may_settle))
}

/// The only address from which an image can run, if its header gives one.
fn fixed_address(part: &Part) -> Option<u32> {
    let image = Image::parse(&part.bytes).ok()?;
    image.header().flags().intersects(Flags::ROM_FIXED).then(|| image.header().load_address())
}

/// Returns, of these files for an image, the one that the device can run, and whether a reset would
/// change that; or the reason why there is none.
fn fitting(number: u32, mut its: Vec<Part>, mode: Option<i32>, rows: Option<&[Row]>) -> Result<(Part, bool), String> {
    let (wanted, changes) = wanted(number, &its, mode, rows)?;
    let at = its.iter().position(|part| part.slot.is_none_or(|slot| slot == wanted));
    at.map(|at| (its.swap_remove(at), changes)).ok_or_else(|| {
        let names = its.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join(", ");
        format!("the device will write slot {wanted}, from which {names} cannot run")
    })
}

/// The slot from which a new image will run, and whether a reset would change that.
fn wanted(number: u32, its: &[Part], mode: Option<i32>, rows: Option<&[Row]>) -> Result<(u32, bool), String> {
    // These boot loaders move an image to the first slot before they start it.
    if its.iter().all(|part| part.slot.is_none()) || matches!(mode, Some(0..=3 | 9)) {
        return Ok((0, false));
    }
    let rows = rows.ok_or("the device does not list its images: which slot it will write is not known")?;
    // A recovery loader writes the first slot.
    if !rows.iter().any(|row| row.active) {
        return Ok((0, false));
    }
    let its_rows = || rows.iter().filter(|row| row.image == number);
    let runs = its_rows().find(|row| row.active).ok_or("the device does not say which of its slots runs")?;
    let free = 1 - runs.slot.min(1);
    // An image that already runs is not sent to the other slot.
    match its.iter().find(|part| runs.hash.as_ref() == Some(&hash(part))) {
        Some(same) => Ok((same.slot.unwrap_or(free), false)),
        None => Ok((free, !runs.confirmed || its_rows().any(|row| row.pending))),
    }
}

/// The versions of other images that an image depends on.
fn needs(part: &Part) -> Vec<(u32, Version)> {
    let Ok(image) = Image::parse(&part.bytes) else { return Vec::new() };
    let dependencies = image.protected().flatten().filter(|tlv| tlv.kind == Tlv::DEPENDENCY);
    let read = |value: &[u8]| {
        let [image, _, _, _, major, minor, r0, r1, b0, b1, b2, b3] = <[u8; 12]>::try_from(value).ok()?;
        let (revision, build) = (u16::from_le_bytes([r0, r1]), u32::from_le_bytes([b0, b1, b2, b3]));
        Some((image.into(), Version { major, minor, revision, build }))
    };
    dependencies.filter_map(|tlv| read(tlv.value)).collect()
}

/// Names the dependency of an image that will not be met. A device with one image does not check
/// dependencies.
fn unmet(item: &Item<&[u8]>, items: &[Item<&[u8]>], parts: &[Part], rows: &[Row]) -> Option<String> {
    let at = items.iter().position(|other| other.image() == item.image())?;
    needs(parts.get(at)?).into_iter().find_map(|(image, least)| {
        let its_rows = || rows.iter().filter(|row| row.image == image);
        let runs = its_rows().find(|row| row.active).or_else(|| its_rows().find(|row| row.slot == 0))?;
        let new = items.iter().find(|other| other.image() == image).map(Item::version);
        let found = new.or(runs.version)?;
        let text = || format!("needs version {least} of image {image} or a newer one, and would find {found}");
        (found.release() < least.release()).then(text)
    })
}

/// Erases the images that were marked before another one of the same job was refused, so that they
/// are not started without it; returns true if that was necessary and has succeeded.
fn take_back<F: Framing>(
    device: &mut Device<F>,
    report: &UpgradeReport,
    items: &[Item<&[u8]>],
    parts: &[Part],
) -> bool {
    let is_half = matches!(report.outcome, UpgradeOutcome::Refused(_))
        && matches!(report.phase, Phase::Uploading | Phase::Marking)
        && report.notes.contains(Note::LeftPending)
        && items.iter().any(|item| item.place() != Place::Pending);
    let Some(rows) = is_half.then(|| list(device).ok().flatten()).flatten() else { return false };
    let is_ours = |row: &&Row| {
        let is_it = |(item, part): (&Item<_>, _)| item.image() == row.image && row.hash.as_ref() == Some(&hash(part));
        row.pending && items.iter().zip(parts).any(is_it)
    };
    let slots: Vec<u32> = rows.iter().filter(is_ours).map(|row| row.image.saturating_mul(2) + row.slot).collect();
    slots.into_iter().all(|slot| device.call(&Erase { slot: Some(slot) }).is_ok())
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

/// Runs the upgrade across all restarts of the device.
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
            // The port vanished with the device, before the routine could ask to reopen it.
            Err(_) if matches!(upgrade.phase(), Phase::Resetting | Phase::Settling | Phase::RollingBack) => {
                until = Instant::now() + boot_time;
            }
            Err(_) if upgrade.phase() == Phase::Booting && Instant::now() < until => {
                thread::sleep(Duration::from_millis(100));
            }
            Err(failure) if upgrade.phase() == Phase::Booting => return Err(gone(&failure)),
            Err(failure) => {
                watch.interrupted(upgrade.phase());
                let is_of_item = matches!(upgrade.phase(), Phase::Uploading | Phase::Marking | Phase::Confirming);
                return Err(match watch.number().filter(|_| is_of_item) {
                    Some(number) => Failure::Of(Some(number), Box::new(failure), None),
                    None => failure,
                });
            }
        }
        device.reopen(until).map_err(|failure| gone(&failure))?;
    }
}

/// The device was reset and its port did not come back.
fn gone(failure: &Failure) -> Failure {
    Failure::NotConfirmed(format!("the device did not come back: {failure}"))
}

/// The images on the device, as JSON and as rows.
struct Shown {
    json: Value,
    rows: Vec<Row>,
}

/// Shows and returns the images on the device; nothing if the device does not list them.
fn show<F: Framing>(device: &mut Device<F>, when: &str) -> Result<Shown, Failure> {
    let output = device.output;
    let answer = match device.call(&ReadState {}) {
        Ok(answer) => answer,
        Err(Failure::Refused { .. }) => return Ok(Shown { json: Value::Null, rows: Vec::new() }),
        Err(failure) => return Err(failure),
    };
    if !output.json {
        println!("{when}:");
        image::print(output, &answer.response);
        println!();
    }
    let json = answer.json().get("images").cloned().unwrap_or(Value::Null);
    Ok(Shown { json, rows: rows(&answer.response) })
}

/// Prints one line for each image: its version now, and after the upgrade.
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

/// The image that runs under a number, in a list of them. Some devices report of image 0 only that
/// it is active.
fn running(images: &Value, number: u32) -> Option<&Value> {
    let mut its = images.as_array()?.iter().filter(|image| image["image"].as_u64().unwrap_or(0) == u64::from(number));
    let any = images.as_array()?.iter().any(|image| image["active"] == true);
    its.clone().find(|image| image["active"] == true).or_else(|| its.find(|image| any && image["slot"] == 0))
}

/// Shows the progress of the upgrade, and announces steps that the user did not request.
struct Watch<'o> {
    output: Output,
    /// The numbers of the images.
    images: Vec<u32>,
    phase: Phase,
    item: usize,
    /// The notes that were announced.
    notes: Notes,
    progress: Option<Progress>,
    /// The bytes of the current upload that the device has acknowledged.
    off: u64,
    /// True if the device outlives this program.
    lasts: bool,
    options: &'o cli::Upgrade,
}

impl Watch<'_> {
    /// The number of the current image, if there are several.
    fn number(&self) -> Option<u32> {
        self.images.get(self.item).copied().filter(|_| self.images.len() > 1)
    }

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

    /// Reports the bytes that the device has acknowledged, when the upload of an item has ended.
    fn uploaded(&mut self, event: &UpgradeEvent) {
        let Some(progress) = self.progress.take() else { return };
        let seconds = progress.finish();
        if event.item != self.item || event.upload.off == event.upload.len {
            let len = if event.item == self.item { event.upload.len } else { self.off };
            let number = self.number().map_or_else(String::new, |number| format!("image {number}: "));
            self.output.note(&format!("{number}uploaded {}", image::rate(len, seconds)));
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
            let text = format!("the device has {} bytes: the same command continues there", self.off);
            self.output.warning(&text);
        }
    }

    fn finish(&mut self, report: &UpgradeReport, is_taken_back: bool) {
        if let Some(progress) = self.progress.take() {
            progress.finish();
        }
        for note in report.notes.iter().filter(|note| !(is_unasked(*note) && self.notes.contains(*note))) {
            if note == Note::Downgrade && self.options.allow_downgrade || note == Note::LeftPending && is_taken_back {
                continue;
            }
            if is_unasked(note) {
                self.output.warning(&note.to_string());
            } else {
                self.output.note(&format!("note: {note}"));
            }
        }
        if is_taken_back {
            self.output.warning("what was marked already was erased again: no half of the upgrade will start");
        }
        self.output.note("");
    }
}

/// Returns the remedy for an upgrade that ends in a phase.
const fn remedy(phase: Phase) -> &'static str {
    match phase {
        Phase::Resetting | Phase::Booting | Phase::Confirming | Phase::Verifying => {
            "The new image may run on trial: the same command confirms it, and a reset brings the old one back."
        }
        Phase::Settling | Phase::RollingBack => "See what runs with `image list`.",
        _ => image::GOES_ON,
    }
}

/// Returns true if a note concerns something that the user did not request.
fn is_unasked(note: Note) -> bool {
    matches!(
        note,
        Note::Downgrade | Note::InTheWay | Note::OthersPending | Note::LeftPending | Note::Settled | Note::RolledBack
    )
}

/// Reports the outcome.
fn conclude<F: Framing>(
    device: &mut Device<F>,
    report: &UpgradeReport,
    parts: &[Part],
    items: &[Item<&[u8]>],
    images: &Value,
    unmet: &[Option<String>],
) -> Result<(), Failure> {
    let output = device.output;
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
    // Without a mark there is no trial, and nothing that this run could have confirmed.
    let no_trial = report.notes.contains(Note::NoTest);
    let each = || -> String {
        let places = items.iter().map(|item| format!("image {} {}", item.image(), item.place()));
        if items.len() > 1 { format!(" ({})", places.collect::<Vec<_>>().join("; ")) } else { String::new() }
    };
    // With several images, a failure names the one that it concerns.
    let of = |failure: Failure, remedy: Option<&'static str>| {
        let image = items.get(report.item).filter(|_| items.len() > 1).map(Item::image);
        if image.is_some() || remedy.is_some() { Failure::Of(image, Box::new(failure), remedy) } else { failure }
    };
    let is_of_item = matches!(report.phase, Phase::Uploading | Phase::Marking | Phase::Confirming | Phase::Verifying);
    // The likely reason that the file itself shows: an unmet dependency, or encryption.
    let needs = || {
        let is_encrypted = parts.get(report.item).is_some_and(is_encrypted);
        let encrypted = if is_encrypted { "; it is encrypted: does the boot loader have the key?" } else { "" };
        unmet.get(report.item).and_then(Option::as_ref).map_or(encrypted.to_owned(), |needs| format!("; it {needs}"))
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
        UpgradeOutcome::Refused(refusal) => {
            let failure = match device.explained(refused(report.phase, refusal)) {
                Failure::NotConfirmed(text) => Failure::NotConfirmed(text + &each()),
                failure => failure,
            };
            let cause = parts.get(report.item).and_then(|part| cause(report.phase, refusal, part));
            let (failure, remedy) = match cause {
                Some((text, remedy)) => (failure.because(text), Some(remedy)),
                None => (failure, None),
            };
            return Err(if is_of_item { of(failure, remedy) } else { failure });
        }
        UpgradeOutcome::Failed(error) => {
            let is_of_item =
                is_of_item || matches!(error, JobError::NoSuchImage | JobError::TooLarge | JobError::NotNewer);
            let failure = Failure::of_job::<UploadRequest<'_>>(error);
            return Err(if is_of_item { of(failure, None) } else { failure });
        }
        UpgradeOutcome::Unknown(Doubt::Silent) => {
            return Err(Failure::NotConfirmed(format!("{} (--boot-time){}", Doubt::Silent, each())));
        }
        UpgradeOutcome::Unknown(doubt @ (Doubt::NoState | Doubt::NothingRuns | Doubt::Exchange(_))) => {
            return Err(Failure::NotConfirmed(format!("{doubt}{}", each())));
        }
        outcome @ (UpgradeOutcome::Reverted | UpgradeOutcome::Denied | UpgradeOutcome::Unknown(_)) => {
            return Err(of(Failure::NotConfirmed(format!("{outcome}{}{}", needs(), each())), None));
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

/// Reports that a step was refused.
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

/// Returns the cause of a refused mark, if the file shows more than the device's code, and the
/// remedy.
fn cause(phase: Phase, refusal: Refusal, part: &Part) -> Option<(String, &'static str)> {
    let is_mark = phase == Phase::Marking;
    if is_mark && is_encrypted(part) && [error::image::NO_IMAGE, error::smp::INVALID].contains(&refusal) {
        let text = "it is encrypted, and this device marks no image whose contents it cannot check";
        return Some((text.to_owned(), "Give the device the plain image, or a firmware that accepts encrypted ones."));
    }
    if is_mark && refusal == error::image::CURRENT_VERSION_IS_NEWER {
        let counter = Image::parse(&part.bytes).ok()?.protected().only(Tlv::SECURITY_COUNTER).ok()?;
        let counter = counter.and_then(|value| Some(u32::from_le_bytes(value.try_into().ok()?)));
        let counter = counter.map_or("no security counter".to_owned(), |counter| format!("security counter {counter}"));
        let text = format!("it has version {} and {counter}, and the device requires more", version(part));
        return Some((text, "Give an image with a higher version, and a security counter that is not lower."));
    }
    None
}
