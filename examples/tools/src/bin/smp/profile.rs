//! Options that need not be typed each time: named devices, and two environment variables.
//!
//! A device is a list of options in a file of JSON, `{"bench": ["--serial", "/dev/ttyACM0"]}`. They
//! are put in front of those of the command line, which therefore win.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use serde_json::json;

use crate::cli::{DeviceCommand, Link};
use crate::failure::Failure;
use crate::output::{Output, table};

/// The options that a device may have: those of the endpoint and of the link.
const OPTIONS: &[&str] = &[
    "--serial",
    "--baud",
    "--tcp",
    "--udp",
    "--usb",
    "--ble",
    "--framing",
    "--smp-version",
    "--timeout",
    "--retries",
    "--window",
    "--pace",
    "--message",
];
/// Options that name an endpoint.
const ENDPOINTS: &[&str] = &["--serial", "--tcp", "--udp", "--usb", "--ble", "--simulated"];

type Devices = BTreeMap<String, Vec<String>>;

/// The file with the devices.
fn path() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("SMP_CONFIG").or_else(|| {
        let folder = variable("XDG_CONFIG_HOME").or_else(|| variable("APPDATA"));
        let folder = folder.or_else(|| variable("HOME").map(|home| home.join(".config")));
        folder.map(|folder| folder.join("anysmp").join("devices.json"))
    })
}

fn read() -> Result<Devices, Failure> {
    let Some(path) = path() else { return Ok(Devices::new()) };
    match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str::<serde_json::Value>(&text)
            .ok()
            .and_then(|value| {
                let options = |list: &serde_json::Value| {
                    list.as_array()?.iter().map(|word| word.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
                };
                value.as_object()?.iter().map(|(name, list)| Some((name.clone(), options(list)?))).collect()
            })
            .ok_or_else(|| {
                Failure::Usage(format!("{}: not a list of devices", path.display()), "Correct or remove it.")
            }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Devices::new()),
        Err(error) => Err(Failure::Local(path, error)),
    }
}

fn write(devices: &Devices) -> Result<PathBuf, Failure> {
    let Some(path) = path() else {
        return Err(Failure::Usage("no directory for settings".to_owned(), "Set SMP_CONFIG to a file, or HOME."));
    };
    // Written to a separate file first, so that there is always a complete one.
    let beside = path.with_extension("new");
    let written = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written = written.and_then(|()| std::fs::write(&beside, format!("{:#}\n", json!(devices))));
    written.and_then(|()| std::fs::rename(&beside, &path)).map_err(|error| Failure::Local(path.clone(), error))?;
    Ok(path)
}

/// Returns the options to be put in front of the given ones: those of the device named by `-d` or
/// by `SMP_DEVICE`, or those in `SMP_OPTIONS`. The variables count only if no endpoint is given.
pub fn added(link: &Link) -> Result<Vec<String>, Failure> {
    let places = [&link.serial, &link.tcp, &link.udp, &link.usb];
    let given = link.simulated || link.ble().is_some() || places.iter().any(|place| place.is_some());
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty() && !given);
    let (named, of) = match &link.device {
        Some(name) => (Some(name.clone()), "-d"),
        None => (variable("SMP_DEVICE"), "SMP_DEVICE"),
    };
    let Some(name) = named else {
        let text = variable("SMP_OPTIONS").unwrap_or_default();
        return Ok(text.split_whitespace().map(str::to_owned).collect());
    };
    let devices = read()?;
    let known = || devices.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    devices.get(&name).cloned().ok_or_else(|| {
        let text = format!("{of}: no device has the name {name:?}; there are: {}", known());
        Failure::Usage(text, "`smp device add NAME --serial PATH` gives a device a name.")
    })
}

/// Returns the options of the endpoint and the link in a command line.
pub fn options(words: &[String]) -> Vec<String> {
    let (mut kept, mut words) = (Vec::new(), words.iter().skip(1));
    while let Some(word) = words.next() {
        let (name, has_value) = word.split_once('=').map_or((word.as_str(), false), |(name, _)| (name, true));
        if word == "--simulated" || (OPTIONS.contains(&name) && has_value) {
            kept.push(word.clone());
        } else if OPTIONS.contains(&name) {
            kept.push(word.clone());
            kept.extend(words.next().cloned());
        }
    }
    kept
}

/// Adds, lists and removes devices.
pub fn perform(output: Output, command: &DeviceCommand) -> Result<(), Failure> {
    let mut devices = read()?;
    match command {
        DeviceCommand::Add { name } => {
            let words: Result<Vec<String>, _> = std::env::args_os().map(OsString::into_string).collect();
            let not_text = |_| Failure::Usage("an option is not UTF-8".to_owned(), "Give the port another name.");
            let words = words.map_err(not_text)?;
            let options = options(&words);
            if !options.iter().any(|word| ENDPOINTS.contains(&word.split('=').next().unwrap_or_default())) {
                let remedy = "For example: smp device add bench --serial /dev/ttyACM0 --framing raw";
                return Err(Failure::Usage("no endpoint given".to_owned(), remedy));
            }
            let shown = options.join(" ");
            devices.insert(name.clone(), options);
            let path = write(&devices)?;
            output.result(&json!({ "name": name, "options": shown, "file": path }), || {
                output.note(&format!("{name}: {shown} (in {})", path.display()));
            });
        }
        DeviceCommand::List => {
            let rows: Vec<[String; 2]> = devices.iter().map(|(name, words)| [name.clone(), words.join(" ")]).collect();
            output.result(&json!({ "devices": devices }), || table(["NAME", "OPTIONS"], &rows));
        }
        DeviceCommand::Remove { name } => {
            if devices.remove(name).is_none() {
                let text = format!("no device has the name {name:?}");
                return Err(Failure::Usage(text, "`smp device list` lists them."));
            }
            write(&devices)?;
            output.result(&json!({ "removed": name }), || ());
        }
    }
    Ok(())
}
