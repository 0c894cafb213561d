//! Ctrl-C, `kill`, and the closing of a terminal can end this program at any moment. It then
//! reports the state of its job: the progress of a transfer, a marked image, and how to continue.
//!
//! The program still dies of the signal, so that a shell sees the usual result. A signal that is
//! ignored, for example because of `nohup` or in the background of a script, remains ignored.

use std::sync::Mutex;

use crate::output::Output;

/// The job that is running, and what to do if it ends here.
static UNDER_WAY: Mutex<Option<(String, &str)>> = Mutex::new(None);

/// Notes the job that is running, and what to do if it ends here.
pub fn at(text: String, remedy: &'static str) {
    if let Ok(mut under_way) = UNDER_WAY.lock() {
        *under_way = Some((text, remedy));
    }
}

/// Clears the note: there is nothing to report any more.
pub fn over() {
    if let Ok(mut under_way) = UNDER_WAY.lock() {
        *under_way = None;
    }
}

/// Reports signals from now on. `output` decides where messages go.
#[cfg(not(unix))]
pub const fn begin(_output: Output) {}

/// Reports signals from now on. `output` decides where messages go.
#[cfg(unix)]
pub fn begin(output: Output) {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let ignored = ignored();
    for (signal, name) in [(SIGTERM, "SIGTERM"), (SIGINT, "SIGINT"), (SIGHUP, "SIGHUP")] {
        // If the mask is unknown, only SIGTERM, which is not usually ignored.
        let is_ours = match ignored {
            Some(mask) => mask >> (signal - 1) & 1 == 0,
            None => signal == SIGTERM,
        };
        if is_ours {
            // Without the thread, the signal ends the program silently.
            let _ = watch(signal, name, output);
        }
    }
}

/// Waits for a signal in a separate thread.
#[cfg(unix)]
fn watch(signal: i32, name: &'static str, output: Output) -> std::io::Result<()> {
    use std::io::Read as _;
    let (mut arrived, sender) = std::os::unix::net::UnixStream::pair()?;
    signal_hook::low_level::pipe::register(signal, sender)?;
    std::thread::spawn(move || {
        let _ = arrived.read(&mut [0]);
        // A blocked output must not keep the program alive.
        let (said, wait) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            say(signal, name, output);
            let _ = said.send(());
        });
        let _ = wait.recv_timeout(std::time::Duration::from_millis(500));
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    });
    Ok(())
}

#[cfg(unix)]
fn say(signal: i32, name: &'static str, output: Output) {
    use std::io::IsTerminal as _;
    crate::keys::restore();
    let under_way = UNDER_WAY.lock().ok().and_then(|mut under_way| under_way.take());
    let Some((text, remedy)) = under_way else { return };
    // On a new line, below the progress bar.
    if std::io::stderr().is_terminal() {
        anysmp_tools::errln!();
    }
    let code = u8::try_from(128 + signal).unwrap_or(u8::MAX);
    output.failure(&crate::failure::Failure::Stopped(format!("{name} ended this while {text}"), remedy, code));
}

/// Returns the signals that this program was started to ignore, as a mask; `None` if that is not
/// known.
#[cfg(unix)]
fn ignored() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}
