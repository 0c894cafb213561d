//! Incorrect use and failures: each ends with a message that names the cause and the remedy, with
//! the exit code of its kind, and with nothing lost.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod kit;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anysmp::mcuboot::Version;
use serde_json::Value;

use kit::terminal::{terminal, visible};
use kit::{Device, Folder, image};

fn smp(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smp"));
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in ["SMP_DEVICE", "SMP_OPTIONS"] {
        command.env_remove(name);
    }
    command.env("SMP_CONFIG", "/nonexistent/devices.json");
    command
}

/// Exit code, stdout and stderr.
fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn each_of_many_wrong_command_lines_has_its_message_remedy_and_code() {
    let folder = Folder::new("wrong-lines");
    let junk = folder.put("junk", &[b'x'; 500]);
    let mut damaged = image(Version::new(2, 0, 0), 8000);
    damaged[4000] ^= 1;
    let damaged = folder.put("damaged", &damaged);
    let good = folder.put("good", &image(Version::new(2, 0, 0), 8000));
    let (_user, _program, silent) = terminal();
    let folder_path = folder.0.to_str().unwrap();
    let quick = ["--timeout", "30", "--retries", "1"];
    // Words, exit code, what the first line and what the rest has to say.
    let cases: &[(&[&str], i32, &str, &str)] = &[
        (&["echo", "hi"], 2, "no device given", "--simulated"),
        (&["--tcp", "127.0.0.1:1", "--udp", "127.0.0.1", "echo", "hi"], 2, "cannot be used with", "Usage"),
        (&["--simulated", "--serial", "/dev/null", "echo", "hi"], 2, "cannot be used with", "Usage"),
        (&["--simulated", "eko", "hi"], 2, "unrecognized subcommand", "echo"),
        (&["--simulated", "--frming", "raw", "echo", "hi"], 2, "unexpected argument", "--framing"),
        (&["--simulated", "--framing", "rw", "echo", "hi"], 2, "invalid value 'rw'", "raw"),
        (&["--simulated", "echo"], 2, "required arguments were not provided", "<TEXT>"),
        (&["--simulated", "--pace", "5", "echo", "hi"], 2, "BYTES/MS", "64/10"),
        (&["--udp", "127.0.0.1:9", "--framing", "raw", "echo", "hi"], 2, "cannot be used with '--framing", "Usage"),
        (&["--udp", "127.0.0.1:9", "--pace", "64/10", "echo", "hi"], 2, "cannot be used with '--pace", "Usage"),
        (&["--simulated", "upgrade", &good, "--checksum", "12"], 2, "64 hex digits", "sha256sum"),
        (&["--simulated", "--window", "0", "echo", "hi"], 2, "invalid value '0'", "--help"),
        (&["--simulated", "--timeout", "0", "echo", "hi"], 2, "invalid value '0'", "--help"),
        (&["--usb", "nonsense", "echo", "hi"], 2, "VID:PID", "smp ports"),
        (&["--tcp", "localhost", "echo", "hi"], 2, "localhost", ""),
        (&["--tcp", "127.0.0.1:99999", "echo", "hi"], 2, "127.0.0.1:99999", ""),
        (&["--serial", &silent, "--baud", "0", "echo", "hi"], 2, "baud", ""),
        (&["--simulated", "datetime", "tomorrow"], 2, "tomorrow", ""),
        (&["--simulated", "settings", "write", "a/b", "300", "--as", "u8"], 2, "300", "--as"),
        (&["-d", "nobody", "echo", "hi"], 2, "nobody", "smp device add"),
        (&["--simulated", "raw", "--group", "70000", "--id", "0", "--op", "read"], 2, "70000", "--help"),
        (
            &["--simulated", "raw", "--group", "0", "--id", "0", "--op", "write", "{\"d\": }"],
            2,
            "at byte 6",
            "Write it as",
        ),
        (&["--simulated", "image", "test", "zz"], 2, "\"zz\" is not a hash", "image list"),
        (&["--simulated", "upgrade", &good, "--image", "7"], 2, "7", ""),
        (&["--udp", "127.0.0.1:9", "terminal"], 2, "only console framing", "--framing console"),
        (&["--simulated", "--watch", "reset"], 2, "--watch", "stat read"),
        (&["--simulated", "--quiet", "--verbose", "echo", "hi"], 2, "cannot be used with", "Usage"),
        (&["image", "make", &junk, "out", "--version", "x"], 2, "not a version", "--help"),
        (&["--simulated", "fs", "status", "/lfs1/no"], 1, "FILE_NOT_FOUND", "There is no such file"),
        (&["--simulated", "fs", "status", "/lfs1/../etc"], 1, "FILE_INVALID_NAME", "absolute path"),
        (&["--simulated", "enum", "single", "99"], 1, "INDEX_TOO_LARGE", "not that many groups"),
        (&["--simulated", "stat", "read", "nothing"], 1, "the device refused", ""),
        (&["--simulated", "log", "list"], 1, "NOT_SUPPORTED", "built without this command"),
        (&["--simulated", "shell", "false"], 1, "returned 1", ""),
        (&["--serial", &silent, quick[0], quick[1], quick[2], quick[3], "echo", "hi"], 3, "does not answer", "--baud"),
        (
            &["--udp", "127.0.0.1:9", quick[0], quick[1], quick[2], quick[3], "echo", "hi"],
            3,
            "does not answer",
            "--baud of a serial line",
        ),
        (&["--udp", "127.0.0.1:9", quick[0], quick[1], quick[2], quick[3], "reset"], 3, "", ""),
        (&["--serial", "/dev/none", "echo", "hi"], 4, "/dev/none", "smp ports"),
        (&["--usb", "ffff:fffe", "echo", "hi"], 4, "ffff:fffe", "plugged in"),
        (&["--serial", "/etc", "echo", "hi"], 2, "/etc is a directory", "smp ports"),
        (&["--tcp", "no.such.invalid:1", "echo", "hi"], 4, "no.such.invalid", ""),
        (&["--tcp", "127.0.0.1:1", "echo", "hi"], 4, "Connection refused", "server running"),
        (&["sniff", "/dev/none", "pty"], 4, "/dev/none", "smp ports"),
        (&["--simulated", "upgrade", "/none"], 5, "/none", "Check the path"),
        (&["--simulated", "upgrade", folder_path], 5, "directory", "Check the path"),
        (&["--simulated", "upgrade", &junk], 5, "not an MCUboot image", "signed image"),
        (&["--simulated", "upgrade", &damaged], 5, "damaged", ""),
        (&["--simulated", "fs", "upload", "/none", "/lfs1/a"], 5, "/none", "Check the path"),
        (&["--simulated", "fs", "download", "/lfs1/hello.txt", "/none/a"], 5, "/none/a", "Check the path"),
        (&["--simulated", "fs", "download", "/lfs1/hello.txt", "/dev/full"], 5, "No space left", ""),
        (&["--simulated", "--log-file", "/none/log", "echo", "hi"], 5, "/none/log", "Check the path"),
        (&["image", "make", &junk, "out", "--version", "1.0.0"], 5, "no program", "--force"),
        (&["image", "info", &junk], 5, "", ""),
        (&["decode", "/none"], 5, "/none", "Check the path"),
        (&["decode", &junk], 5, "holds no message", "decode --help"),
    ];
    assert!(cases.len() >= 40, "{}", cases.len());
    for (words, code, cause, remedy) in cases {
        let began = Instant::now();
        let (ended, stdout, stderr) = run(&mut smp(words));
        assert_eq!(ended, Some(*code), "{words:?}: {stdout}{stderr}");
        assert!(stderr.contains(cause) || stdout.contains(cause), "{words:?}: {cause:?} is not in {stderr}");
        assert!(stderr.contains(remedy), "{words:?}: {remedy:?} is not in {stderr}");
        assert!(!stderr.contains("panicked") && !stdout.contains("panicked"), "{words:?}: {stderr}");
        assert!(began.elapsed() < Duration::from_secs(20), "{words:?}");
        // The same for a program that reads: the last object says why.
        if *code != 2 && words[0] != "sniff" {
            let (ended, stdout, _) = run(smp(&["--json"]).args(*words));
            assert_eq!(ended, Some(*code), "{words:?}");
            let last: Value = serde_json::from_str(stdout.lines().last().unwrap_or_default()).unwrap_or_default();
            assert_eq!(last["exit"], *code, "{words:?}: {stdout}");
        }
    }
    assert!(std::fs::metadata("/dev/full").unwrap().file_type().is_char_device());
    assert!(!std::path::Path::new("out").exists());
}

#[test]
fn the_remedy_for_an_address_that_cannot_be_reached_is_not_to_plug_the_device_in() {
    use std::io::ErrorKind::{HostUnreachable, NetworkUnreachable, TimedOut};
    for kind in [NetworkUnreachable, HostUnreachable, TimedOut] {
        let remedy = anysmp_tools::failure::port_remedy(&kind.into());
        assert!(remedy.contains("address") && !remedy.contains("plugged"), "{kind}: {remedy}");
    }
}

#[test]
fn a_slave_whose_line_cannot_be_opened_names_it_and_where_to_look() {
    let mut slave = Command::new(env!("CARGO_BIN_EXE_s3mp-slave"));
    let (code, _, stderr) = run(slave.args(["--serial", "/dev/nothere"]).stdin(Stdio::null()));
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("cannot open /dev/nothere: ") && stderr.contains("`smp ports`"), "{stderr}");
}

#[test]
fn a_port_of_another_user_is_not_opened_and_the_message_says_which_group() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not checked here: it takes root to become somebody else");
        return;
    }
    // A copy where everybody may run it.
    let folder = Folder::new("wrong-permission");
    let program = folder.0.join("smp");
    std::fs::copy(env!("CARGO_BIN_EXE_smp"), &program).unwrap();
    let (_user, _program, path) = terminal();
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = Command::new(&program);
    command.args(["--serial", &path, "echo", "hi"]).stdin(Stdio::null()).uid(65_534).gid(65_534);
    let (code, _, stderr) = run(&mut command);
    assert_eq!(code, Some(4), "{stderr}");
    assert!(stderr.contains("ermission denied") && stderr.contains("dialout"), "{stderr}");
}

#[test]
fn a_port_that_another_program_uses_is_told_as_that() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not checked here: it takes root to become somebody else, and root may open any port");
        return;
    }
    let folder = Folder::new("wrong-busy");
    let program = folder.0.join("smp");
    std::fs::copy(env!("CARGO_BIN_EXE_smp"), &program).unwrap();
    let (_user, held, path) = terminal();
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    // What a program does that wants a port for itself; ours does too, with a real one.
    rustix::termios::ioctl_tiocexcl(&held).unwrap();
    let mut command = Command::new(&program);
    command.args(["--serial", &path, "echo", "hi"]).stdin(Stdio::null()).uid(65_534).gid(65_534);
    let (code, _, stderr) = run(&mut command);
    assert_eq!(code, Some(4), "{stderr}");
    assert!(stderr.contains("Another program uses the port"), "{stderr}");
}

#[test]
fn a_line_of_noise_is_silence_and_not_an_answer() {
    // The wrong baud rate: bytes come, and none of them is a frame.
    let (mut device, _program, path) = terminal();
    let mut other = device.try_clone().unwrap();
    let noise = std::thread::spawn(move || {
        let mut byte = [0];
        while other.read(&mut byte).is_ok_and(|count| count > 0) {
            if device.write_all(&[0xF8, 0x00, 0x80, byte[0] ^ 0xFF]).is_err() {
                break;
            }
        }
    });
    for framing in ["console", "raw", "cobs"] {
        let words = ["--serial", &path, "--framing", framing, "--timeout", "50", "--retries", "2", "echo", "hi"];
        let (code, _, stderr) = run(&mut smp(&words));
        assert_eq!(code, Some(3), "{framing} {stderr}");
        assert!(stderr.contains("--baud"), "{framing} {stderr}");
    }
    drop(noise);
}

#[test]
fn a_device_that_speaks_another_framing_is_found_by_the_remedy() {
    let device = Device::start("--pty --framing raw");
    let (code, _, stderr) =
        run(&mut smp(&["--serial", &device.address, "--timeout", "100", "--retries", "0", "echo", "hi"]));
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stderr.contains("--framing auto"), "{stderr}");
    let (code, stdout, stderr) = run(&mut smp(&["--serial", &device.address, "--framing", "auto", "echo", "hi"]));
    assert_eq!((code, stdout.as_str()), (Some(0), "hi\n"), "{stderr}");
}

/// Starts an upgrade over TCP, and waits until some of it is on the device.
fn begun(address: &str, file: &str) -> (Child, std::io::Lines<BufReader<std::process::ChildStdout>>) {
    let words = ["--tcp", address, "--json", "--pace", "512/20", "upgrade", file, "--rest", "500"];
    let mut process = smp(&words).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    while let Some(Ok(line)) = lines.next() {
        let off = serde_json::from_str::<Value>(&line).unwrap()["off"].as_u64();
        if off.is_some_and(|off| off > 4000) {
            break;
        }
    }
    (process, lines)
}

use rustix::process::Signal;

const SIGNALS: [(Signal, &str, i32); 3] =
    [(Signal::INT, "SIGINT", 2), (Signal::TERM, "SIGTERM", 15), (Signal::HUP, "SIGHUP", 1)];

/// Sends a signal, and waits for the end.
fn ended_by(process: &mut Child, signal: Signal) -> std::process::ExitStatus {
    let pid = rustix::process::Pid::from_raw(process.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
    process.wait().unwrap()
}

/// The last object of the lines.
fn last(lines: impl Iterator<Item = std::io::Result<String>>) -> Value {
    serde_json::from_str(&lines.map(Result::unwrap).last().unwrap()).unwrap()
}

/// Runs the same upgrade again: it goes on, and ends well.
fn goes_on(address: &str, file: &str) -> Value {
    let (code, stdout, stderr) = run(&mut smp(&["--tcp", address, "--json", "upgrade", file, "--rest", "500"]));
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    let result: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!(result["outcome"], "confirmed", "{stdout}");
    result
}

#[test]
fn an_upgrade_that_a_signal_ends_says_so_and_goes_on_where_it_was() {
    let folder = Folder::new("wrong-signals");
    for (signal, name, number) in SIGNALS {
        let device = Device::start("--tcp 127.0.0.1:0");
        let file = folder.put("app.img", &image(Version::new(2, 0, 0), 60_000));
        let (mut process, lines) = begun(&device.address, &file);
        // A shell is to see the signal.
        assert_eq!(ended_by(&mut process, signal).signal(), Some(number));
        let said = last(lines);
        assert_eq!(said["exit"], 128 + number, "{said}");
        let cause = said["error"].as_str().unwrap();
        assert!(cause.starts_with(&format!("{name} ended this while uploading the image: the device has")), "{said}");
        assert_eq!(said["remedy"], "The same command continues there.");
        // The same command is the remedy.
        let upload = goes_on(&device.address, &file)["upload"].clone();
        assert!(upload["sent"].as_u64() < upload["len"].as_u64(), "{upload}");
    }
}

#[test]
fn an_upgrade_that_a_signal_ends_after_the_mark_says_that_the_image_may_be_on_trial() {
    let folder = Folder::new("wrong-trial");
    for (signal, name, number) in SIGNALS {
        let device = Device::start("--tcp 127.0.0.1:0");
        let file = folder.put("app.img", &image(Version::new(2, 0, 0), 8000));
        let words = ["--tcp", &device.address, "--json", "upgrade", &file, "--rest", "60000"];
        let mut process = smp(&words).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        while !lines.next().unwrap().unwrap().contains("waiting for the device") {}
        assert_eq!(ended_by(&mut process, signal).signal(), Some(number));
        let said = last(lines);
        assert_eq!(said["error"], format!("{name} ended this while waiting for the device"));
        assert!(said["remedy"].as_str().unwrap().contains("may run on trial: the same command confirms it"), "{said}");
        assert_eq!(goes_on(&device.address, &file)["upload"]["sent"], 0);
    }
}

#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    // As `nohup` and the background of a script do it.
    let mut process = Command::new("sh");
    process.args(["-c", "trap '' HUP INT; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_smp")]);
    process.args(["--simulated", "shell"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = process.spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap(); // It is up.
    let pid = rustix::process::Pid::from_raw(process.id().try_into().unwrap()).unwrap();
    for signal in [Signal::HUP, Signal::INT] {
        rustix::process::kill_process(pid, signal).unwrap();
    }
    process.stdin.take().unwrap().write_all(b"echo still here\n").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "still here");
    assert!(process.wait().unwrap().success());
}

#[test]
fn a_download_that_a_signal_ends_says_where_its_part_is() {
    let folder = Folder::new("wrong-download");
    let file = folder.put("data", &[7; 20_000]);
    let device = Device::start("--tcp 127.0.0.1:0");
    let (code, ..) = run(&mut smp(&["--tcp", &device.address, "fs", "upload", &file, "/lfs1/data"]));
    assert_eq!(code, Some(0));
    let back = folder.path("back");
    let (proxy, pull) = proxy(&device.address, Duration::from_millis(20));
    let mut process =
        smp(&["--tcp", &proxy, "--json", "--window", "1", "fs", "download", "/lfs1/data", &back]).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let off = |line: &str| serde_json::from_str::<Value>(line).unwrap()["off"].as_u64();
    while off(&lines.next().unwrap().unwrap()).unwrap_or(0) == 0 {}
    assert_eq!(ended_by(&mut process, Signal::TERM).signal(), Some(15));
    let said = last(lines);
    assert!(said["error"].as_str().unwrap().contains(&format!("of 20000 bytes are in {back}.part")), "{said}");
    assert!(said["remedy"].as_str().unwrap().contains("--resume"), "{said}");
    // The device serves one client at a time.
    drop(pull);
    let (code, stdout, _) =
        run(&mut smp(&["--tcp", &device.address, "--json", "fs", "download", "/lfs1/data", &back, "--resume"]));
    let result: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert!(code == Some(0) && result["resumed_at"].as_u64().unwrap() > 0 && result["match"] == true, "{stdout}");
    assert_eq!(std::fs::read(&back).unwrap(), [7; 20_000]);
}

#[test]
fn a_disk_that_gets_full_costs_neither_the_old_file_nor_what_came() {
    let folder = Folder::new("wrong-full");
    let file = folder.put("data", &[7; 20_000]);
    let device = Device::start("--tcp 127.0.0.1:0");
    let (code, ..) = run(&mut smp(&["--tcp", &device.address, "fs", "upload", &file, "/lfs1/data"]));
    assert_eq!(code, Some(0));
    let back = folder.put("back", b"old");
    // No file may grow beyond 8 blocks.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_smp")]);
    limited.args(["--tcp", &device.address, "--json", "fs", "download", "/lfs1/data", &back]).stdin(Stdio::null());
    let (code, stdout, stderr) = run(&mut limited);
    assert_eq!(code, Some(5), "{stdout}{stderr}");
    assert!(stderr.contains("too large") && stderr.contains("Make room there"), "{stderr}");
    assert!(stdout.contains("`--resume` continues there"), "{stdout}");
    assert_eq!(std::fs::read(&back).unwrap(), b"old");
    let (code, stdout, _) =
        run(&mut smp(&["--tcp", &device.address, "--json", "fs", "download", "/lfs1/data", &back, "--resume"]));
    let result: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert!(code == Some(0) && result["resumed_at"].as_u64().unwrap() > 0 && result["match"] == true, "{stdout}");
    assert_eq!(std::fs::read(&back).unwrap(), [7; 20_000]);
}

/// An address that leads to a device until the cable is pulled, by a message or by the end of the
/// sender; each way costs this much time.
fn proxy(device: &str, delay: Duration) -> (String, std::sync::mpsc::Sender<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (pull, pulled) = std::sync::mpsc::channel::<()>();
    let device = device.to_owned();
    std::thread::spawn(move || {
        let client = listener.accept().unwrap().0;
        let server = std::net::TcpStream::connect(device).unwrap();
        for (mut from, mut to) in [(&client, &server), (&server, &client)]
            .map(|(from, to)| (from.try_clone().unwrap(), to.try_clone().unwrap()))
        {
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(count @ 1..) = from.read(&mut bytes) {
                    std::thread::sleep(delay);
                    if to.write_all(&bytes[..count]).is_err() {
                        break;
                    }
                }
            });
        }
        // A sender that is dropped pulls it too.
        let _ = pulled.recv();
        let _ = client.shutdown(std::net::Shutdown::Both);
        let _ = server.shutdown(std::net::Shutdown::Both);
    });
    (address, pull)
}

#[test]
fn a_device_that_is_pulled_in_mid_upload_is_told_and_the_same_command_goes_on() {
    let folder = Folder::new("wrong-pulled");
    let file = folder.put("app.img", &image(Version::new(2, 0, 0), 60_000));
    let device = Device::start("--tcp 127.0.0.1:0");
    let (address, pull) = proxy(&device.address, Duration::ZERO);
    let (mut process, lines) = begun(&address, &file);
    pull.send(()).unwrap();
    let lines: Vec<Value> = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    let (status, last) = (process.wait().unwrap(), lines.last().unwrap());
    assert!(matches!(status.code(), Some(3 | 4)), "{status:?} {last}");
    assert_eq!(last["exit"], status.code().unwrap(), "{last}");
    assert!(last["remedy"].is_string(), "{last}");
    let note = lines.iter().find_map(|line| line["note"].as_str()).unwrap();
    assert!(note.ends_with("the same command continues there"), "{note}");
    // And so it does.
    let upload = goes_on(&device.address, &file)["upload"].clone();
    let (sent, len) = (upload["sent"].as_u64().unwrap(), upload["len"].as_u64().unwrap());
    assert!(sent + 4000 <= len, "{upload}");
}

#[test]
fn without_a_terminal_nothing_waits_for_keys_and_nothing_is_coloured() {
    for words in [&["--simulated", "shell"][..], &["--simulated", "terminal"], &["--simulated", "upgrade"]] {
        let (code, stdout, stderr) = run(&mut smp(words));
        assert_eq!(code, Some(0), "{words:?} {stderr}");
        assert!(!stdout.contains('\x1b') && !stderr.contains('\x1b'), "{words:?} {stdout}{stderr}");
    }
    let (_, help, _) = run(smp(&["--help"]).env("CLICOLOR_FORCE", "0"));
    assert!(!help.contains('\x1b'));
}

/// What a person sees of a run, on a terminal of this width.
fn seen(words: &[&str], columns: u16, variables: &[(&str, &str)]) -> String {
    let (mut user, program, _) = terminal();
    let size = rustix::termios::Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&program, size).unwrap();
    let mut command = smp(words);
    command.stdout(program.try_clone().unwrap()).stderr(program.try_clone().unwrap());
    command.envs(variables.iter().copied());
    let mut process = command.spawn().unwrap();
    // The command holds the program's end open, too.
    drop(command);
    drop(program);
    let reader = std::thread::spawn(move || {
        let (mut all, mut bytes) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = user.read(&mut bytes) {
            all.extend_from_slice(&bytes[..count]);
        }
        String::from_utf8_lossy(&all).into_owned()
    });
    assert!(process.wait().unwrap().success(), "{words:?}");
    reader.join().unwrap()
}

#[test]
fn progress_fits_the_terminal() {
    let folder = Folder::new("wrong-columns");
    let file = folder.put("data", &vec![7; 60_000]);
    for columns in [40, 80, 120] {
        let text = seen(&["--simulated", "fs", "upload", &file, "/lfs1/a"], columns, &[("TERM", "xterm")]);
        let bars: Vec<&str> = text.split(['\r', '\n']).filter(|line| line.contains('%')).collect();
        assert!(!bars.is_empty(), "{columns}: {text:?}");
        for line in bars {
            assert!(visible(line) <= columns.into(), "{columns}: {} in {line:?}", visible(line));
        }
    }
}

#[test]
fn no_color_and_a_dumb_terminal_are_heeded() {
    // A note that every terminal shows.
    let folder = Folder::new("wrong-colours");
    let old = folder.put("old.img", &image(Version::new(0, 9, 0), 3000));
    let words = ["--simulated", "upgrade", &old, "--dry-run"];
    let coloured = |variables: &[(&str, &str)]| seen(&words, 80, variables).contains("\x1b[1;33mnote:\x1b[0m");
    assert!(coloured(&[("TERM", "xterm"), ("NO_COLOR", "")]));
    assert!(!coloured(&[("TERM", "xterm"), ("NO_COLOR", "1")]));
    assert!(!coloured(&[("TERM", "dumb"), ("NO_COLOR", "")]));
    let folder = Folder::new("wrong-dumb");
    let file = folder.put("data", &vec![7; 20_000]);
    let dumb = seen(&["--simulated", "fs", "upload", &file, "/lfs1/a"], 80, &[("TERM", "dumb")]);
    assert!(!dumb.contains('\x1b'), "{dumb:?}");
}

/// `tests/ble` has the wrong uses of a program that has it.
#[cfg(not(feature = "ble"))]
#[test]
fn bluetooth_that_is_not_built_in_is_told_where_it_is() {
    for words in [&["--ble", "Greenhouse", "echo", "hi"][..], &["ports", "--ble"], &["--ble=Greenhouse", "echo", "hi"]]
    {
        let (code, out, errors) = run(&mut smp(&[&["--json"], words].concat()));
        let result: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, &result["exit"]), (Some(2), &Value::from(2)), "{words:?}: {out}");
        for told in [result["remedy"].as_str().unwrap(), &errors] {
            assert!(told.contains("--features ble"), "{words:?}: {told}");
        }
    }
    // Another mistake is not taken for it.
    assert!(!run(&mut smp(&["--blue", "Greenhouse", "echo", "hi"])).2.contains("--features ble"));
}
