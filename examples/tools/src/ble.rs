//! Bluetooth Low Energy, with the feature `ble`: ports to devices with SMP's GATT service
//! ([`central`]), and on Linux a device that offers it ([`peripheral`]).
//!
//! Both cut messages into pieces of at most the ATT MTU minus 3 bytes; `framing::gatt` joins them.

use std::error::Error;
use std::{fmt, io};

pub mod central;
#[cfg(target_os = "linux")]
pub mod peripheral;

/// The reason why the radio, the system's Bluetooth service or the device cannot be used, and the
/// remedy. It is wrapped in an [`io::Error`].
#[derive(Debug)]
pub struct Trouble {
    text: String,
    /// The remedy.
    pub remedy: &'static str,
}

impl Trouble {
    fn error(kind: io::ErrorKind, text: impl Into<String>, remedy: &'static str) -> io::Error {
        io::Error::new(kind, Self { text: text.into(), remedy })
    }

    /// Returns the trouble inside an error.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// Adds words in front of the error.
    pub fn during(error: &io::Error, what: &str) -> io::Error {
        let remedy = Self::of(error).map_or("Run it again; `bluetoothctl` shows what works.", |trouble| trouble.remedy);
        Self::error(error.kind(), format!("{what}: {error}"), remedy)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Trouble {}

/// Returns the meaning of an error of BlueZ or of D-Bus, given its name.
#[cfg(target_os = "linux")]
fn meaning(name: &str, message: &str) -> io::Error {
    let (kind, text, remedy) = match name.rsplit('.').next().unwrap_or_default() {
        "AccessDenied" => (
            io::ErrorKind::PermissionDenied,
            "the system does not let this user use Bluetooth",
            "You may need to be in the group `bluetooth`.",
        ),
        "ServiceUnknown" | "NameHasNoOwner" => (
            io::ErrorKind::NotFound,
            "the Bluetooth service, BlueZ, does not run",
            "Start it, often with `systemctl start bluetooth`.",
        ),
        "NoServer" | "FileNotFound" | "BadAddress" | "Disconnected" => (
            io::ErrorKind::NotFound,
            "the system has no D-Bus, by which Bluetooth is reached",
            "Start dbus-daemon and bluetoothd; in a container, share /run/dbus with it.",
        ),
        "NotReady" | "Blocked" => (
            io::ErrorKind::NetworkDown,
            "the Bluetooth adapter is switched off",
            "Switch it on: `rfkill unblock bluetooth`, `bluetoothctl power on`.",
        ),
        "NotPermitted" | "NotAuthorized" | "AuthenticationFailed" | "AuthenticationRejected" => (
            io::ErrorKind::PermissionDenied,
            "the device has to be paired first",
            "Pair it once: `bluetoothctl pair ADDRESS`.",
        ),
        "UnknownObject" | "NotConnected" => {
            (io::ErrorKind::NotConnected, "the connection was closed", "The device may have restarted; try again.")
        }
        _ => {
            let text = format!("{message} ({name})");
            return Trouble::error(io::ErrorKind::Other, text, "Run it again; `bluetoothctl` shows what works.");
        }
    };
    Trouble::error(kind, text, remedy)
}
