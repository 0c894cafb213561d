//! Features that save typing and searching: named devices, variables, `--verbose` in words,
//! `--quiet`, a log file, `--watch`, plug-ins, installed pages; and the groups that only Mynewt
//! has.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod kit;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use kit::Folder;

fn smp(words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smp"));
    command.args(words.split_whitespace()).stdin(Stdio::null());
    for name in ["SMP_DEVICE", "SMP_OPTIONS", "SMP_CONFIG"] {
        command.env_remove(name);
    }
    command
}

fn ok(mut command: Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

fn fails(mut command: Command, code: i32) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{command:?}: {stderr}");
    stderr
}

#[test]
fn verbose_shows_messages_in_words() {
    let output = smp("--simulated -v echo hi").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = stderr.lines().collect();
    assert!(lines[0].starts_with("-> write os/0 echo seq "), "{stderr}");
    assert!(lines[0].ends_with(" {\"d\": \"hi\"}"), "{stderr}");
    assert!(lines[1].starts_with("<- write os/0 echo seq ") && lines[1].ends_with(" {\"r\": \"hi\"}"), "{stderr}");
    let output = smp("--simulated -v fs status /lfs1/no").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("} FILE_NOT_FOUND\n"), "{stderr}");
}

#[test]
fn quiet_leaves_the_result_and_nothing_else() {
    let output = smp("--simulated --quiet upgrade").output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.trim_end().ends_with("version 1.1.0 runs: confirmed"), "{stdout}");
    assert!(!stdout.contains("uploaded") && !stdout.contains("resetting"), "{stdout}");
    assert_eq!(ok(smp("--simulated --quiet echo hi")), "hi\n");
    // Failures are no noise.
    assert!(fails(smp("--simulated --quiet fs status /lfs1/no"), 1).contains("FILE_NOT_FOUND"));
}

#[test]
fn the_log_file_has_every_message_and_grows_from_run_to_run() {
    let folder = Folder::new("comfort-log");
    let path = folder.0.join("log");
    for _ in 0..2 {
        let mut command = smp("--simulated echo hi --log-file");
        command.arg(&path);
        assert_eq!(ok(command), "hi\n");
    }
    let log = std::fs::read_to_string(&path).unwrap();
    assert_eq!(log.matches("-> write os/0 echo").count(), 2, "{log}");
    assert_eq!(log.matches("{\"r\": \"hi\"}").count(), 2, "{log}");
    assert!(log.lines().all(|line| line.get(..10).unwrap().trim().parse::<f64>().is_ok()), "{log}");
    let mut command = smp("--simulated echo hi --log-file");
    command.arg(folder.0.join("none").join("log"));
    fails(command, 5);
}

#[test]
fn a_device_gets_a_name_and_is_reached_by_it() {
    let folder = Folder::new("comfort-names");
    let config = folder.0.join("sub").join("devices.json");
    let smp = |words: &str| {
        let mut command = smp(words);
        command.env("SMP_CONFIG", &config);
        command
    };
    assert!(fails(smp("-d bench echo hi"), 2).contains("smp device add"));
    assert!(fails(smp("device add bench"), 2).contains("no endpoint"));
    assert!(fails(smp("device remove bench"), 2).contains("bench"));
    ok(smp("device add bench --simulated --framing raw --json"));
    ok(smp("device add other --tcp=127.0.0.1:1 --timeout 10"));
    let listed: Value = serde_json::from_str(&ok(smp("device list --json"))).unwrap();
    assert_eq!(listed["devices"]["bench"], serde_json::json!(["--simulated", "--framing", "raw"]));
    assert!(ok(smp("device list")).contains("other  --tcp=127.0.0.1:1 --timeout 10"));
    assert_eq!(ok(smp("-d bench echo hi")), "hi\n");
    assert_eq!(ok(smp("echo hi --device=bench")), "hi\n");
    // Options of the command line win.
    assert_eq!(ok(smp("-d bench --framing console echo hi")), "hi\n");
    let mut by_variable = smp("echo hi");
    by_variable.env("SMP_DEVICE", "bench");
    assert_eq!(ok(by_variable), "hi\n");
    // An endpoint on the command line is meant, not the variable.
    let mut given = smp("--simulated echo hi");
    given.env("SMP_DEVICE", "nobody").env("SMP_OPTIONS", "--tcp 127.0.0.1:1");
    assert_eq!(ok(given), "hi\n");
    let mut unknown = smp("echo hi");
    unknown.env("SMP_DEVICE", "nobody");
    assert!(fails(unknown, 2).contains("bench, other"));
    ok(smp("device remove other"));
    assert!(fails(smp("-d other echo hi"), 2).contains("bench"));
    std::fs::write(&config, "nonsense").unwrap();
    assert!(fails(smp("-d bench echo hi"), 2).contains("not a list of devices"));
}

#[test]
fn a_variable_has_options() {
    let mut command = smp("echo hi");
    command.env("SMP_OPTIONS", "--simulated --framing cobs");
    assert_eq!(ok(command), "hi\n");
}

#[test]
fn a_serial_port_of_usb_is_found_by_its_numbers_or_as_the_only_one() {
    use anysmp_tools::port::usb;
    use serialport::{SerialPortInfo, SerialPortType, UsbPortInfo};
    let port = |name: &str, vid, pid, interface| SerialPortInfo {
        port_name: name.to_owned(),
        port_type: SerialPortType::UsbPort(UsbPortInfo {
            vid,
            pid,
            serial_number: None,
            manufacturer: None,
            product: None,
            interface,
        }),
    };
    let built_in = SerialPortInfo { port_name: "/dev/ttyS0".to_owned(), port_type: SerialPortType::Unknown };
    let ports =
        [built_in.clone(), port("a", 0x2FE3, 0x100, Some(0)), port("b", 0x2FE3, 0x100, Some(2)), port("c", 1, 2, None)];
    assert_eq!(usb("2fe3:0100:2", &ports).unwrap(), "b");
    assert_eq!(usb("1:2", &ports).unwrap(), "c");
    assert!(usb("2fe3:0100", &ports).unwrap_err().to_string().contains("a, b"));
    assert!(usb("any", &ports).unwrap_err().to_string().contains("a, b, c"));
    assert_eq!(usb("any", &ports[..2]).unwrap(), "a");
    assert_eq!(usb("any", &[built_in]).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    for nonsense in ["", "2fe3", "x:y", "1:2:3:4", "12345:1"] {
        assert_eq!(usb(nonsense, &ports).unwrap_err().kind(), std::io::ErrorKind::InvalidInput, "{nonsense}");
    }
    assert!(fails(smp("--usb ffff:fffe echo hi"), 4).contains("ffff:fffe"));
}

#[test]
fn all_counters_are_shown_at_once_and_again_and_again() {
    let all: Value = serde_json::from_str(&ok(smp("--simulated --json stat read --all"))).unwrap();
    let names = ok(smp("--simulated stat list"));
    assert!(names.lines().count() > 0);
    for name in names.lines() {
        assert!(all["groups"][name]["fields"].is_object(), "{name} {all}");
    }
    assert!(ok(smp("--simulated stat read --all")).starts_with("GROUP"));
    fails(smp("--simulated stat read"), 2);

    let mut process =
        smp("--simulated --json --watch --interval 300 stat read --all").stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    for line in lines.take(2) {
        let object: Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert!(object["groups"].is_object(), "{object}");
    }
    let _ = process.kill();
    let _ = process.wait();
    assert!(fails(smp("--simulated --watch reset"), 2).contains("--watch"));
}

#[cfg(unix)]
#[test]
fn a_program_on_the_path_is_a_command() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new("comfort-plugin");
    let program = folder.0.join("smp-greet");
    std::fs::write(&program, "#!/bin/sh\n\"$SMP\" echo \"$@\" && exit 7\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = smp("--simulated --framing raw greet hello");
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.0.display()));
    let output = command.output().unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(7), &b"hello\n"[..]), "{output:?}");
    // Without such a program the answer helps as before.
    assert!(fails(smp("imagee list"), 2).contains("image"));
}

#[test]
fn pages_and_completion_are_installed_by_one_command() {
    let folder = Folder::new("comfort-install");
    let mut command = smp("install --prefix");
    command.arg(&folder.0);
    ok(command);
    let read = |place: &str| std::fs::read_to_string(folder.0.join("share").join(place)).unwrap();
    for place in ["bash-completion/completions/smp", "zsh/site-functions/_smp", "fish/vendor_completions.d/smp.fish"] {
        assert!(read(place).contains("upgrade"), "{place}");
    }
    let page = read("man/man1/smp.1");
    for part in [".SH NAME", ".SH OPTIONS", "smp\\-image", "Exit codes", "SMP_DEVICE"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(read("man/man1/smp-image-upload.1").contains("\\-\\-slot"));
    // A line that begins with a dot is an order, of which these are all.
    let orders = [".TH", ".SH", ".TP", ".nf", ".fi"];
    assert!(page.lines().filter(|line| line.starts_with('.')).all(|line| orders.contains(&&line[..3])), "{page}");
}

/// The op, the group, the command and the payload of a request.
type Asked = (u8, u16, u8, Vec<u8>);

/// A Mynewt device on TCP, which answers requests in order with these payloads.
fn mynewt(payloads: &'static [&'static [u8]]) -> (String, std::thread::JoinHandle<Vec<Asked>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        for payload in payloads {
            let mut header = [0; 8];
            stream.read_exact(&mut header).unwrap();
            let mut body = vec![0; usize::from(u16::from_be_bytes([header[2], header[3]]))];
            stream.read_exact(&mut body).unwrap();
            asked.push((header[0] & 7, u16::from_be_bytes([header[4], header[5]]), header[7], body));
            let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
            let front = [header[0] | 1, 0, length[0], length[1], header[4], header[5], header[6], header[7]];
            stream.write_all(&[&front[..], payload].concat()).unwrap();
        }
        asked
    });
    (address, thread)
}

#[test]
fn logs_crashes_and_tests_of_mynewt_have_commands() {
    let run = |words: &str, payloads| {
        let (address, thread) = mynewt(payloads);
        let stdout = ok(smp(&format!("--tcp {address} --framing raw {words}")));
        (stdout, thread.join().unwrap())
    };
    let (stdout, asked) = run("log list", &[b"\xa2\x68log_list\x82\x61a\x61b\x62rc\x00"]);
    assert_eq!((stdout.as_str(), asked[0].0, asked[0].1, asked[0].2), ("a\nb\n", 0, 4, 5));
    let (stdout, _) = run("log modules", &[b"\xa2\x6amodule_map\xa1\x64boot\x07\x62rc\x00"]);
    assert_eq!(stdout, "NUMBER  MODULE\n7       boot\n");
    let (stdout, _) = run("log levels", &[b"\xa2\x69level_map\xa1\x64WARN\x02\x62rc\x00"]);
    assert_eq!(stdout, "NUMBER  LEVEL\n2       WARN\n");
    // Two answers: the first says that there is more.
    let first: &[u8] = b"\xa3\x6anext_index\x02\x64logs\x81\xa3\x64name\x61a\x64type\x00\x67entries\x81\
        \xa6\x64type\x63str\x62ts\x0a\x65level\x01\x65index\x01\x66module\x07\x63msg\x43one\x62rc\x01";
    let second: &[u8] = b"\xa3\x6anext_index\x03\x64logs\x81\xa3\x64name\x61a\x64type\x00\x67entries\x81\
        \xa6\x64type\x64cbor\x62ts\x0b\x65level\x01\x65index\x02\x66module\x07\x63msg\x42\x81\xf5\x62rc\x00";
    let both: &'static [&'static [u8]] = Box::leak(Box::new([first, second]));
    let (stdout, asked) = run("log show a", both);
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{stdout}");
    assert!(lines[1].ends_with("one") && lines[2].ends_with("[true]"), "{stdout}");
    assert!(asked[1].3.windows(7).any(|bytes| bytes == b"\x65index\x02"), "{asked:?}");
    let (_, asked) = run("log clear", &[b"\xa1\x62rc\x00"]);
    assert_eq!((asked[0].0, asked[0].1, asked[0].2), (2, 4, 1));
    let (_, asked) = run("crash div0", &[b"\xa1\x62rc\x00"]);
    assert_eq!((asked[0].0, asked[0].1, asked[0].2, &asked[0].3[..]), (2, 5, 0, &b"\xa1\x61t\x64div0"[..]));
    let (stdout, asked) = run("run list", &[b"\xa2\x68run_list\x81\x61x\x62rc\x00"]);
    assert_eq!((stdout.as_str(), asked[0].1, asked[0].2), ("x\n", 7, 1));
    let (_, asked) = run("run test x --token y", &[b"\xa1\x62rc\x00"]);
    assert_eq!((asked[0].1, asked[0].2), (7, 0));
}

#[test]
fn simulated_devices_have_the_directory_of_zephyrs_samples() {
    assert_eq!(ok(smp("--simulated --json fs status /lfs1/hello.txt")), "{\"len\":33}\n");
}

/// A terminal: what the user has in front of them, and the program's end of it.
#[cfg(unix)]
fn terminal() -> (std::fs::File, std::fs::File) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&user).unwrap();
    unlockpt(&user).unwrap();
    let path = ptsname(&user, Vec::new()).unwrap().into_string().unwrap();
    let program = std::fs::File::options().read(true).write(true).open(path).unwrap();
    (std::fs::File::from(user), program)
}

/// Reads until `wanted` has come.
#[cfg(unix)]
fn until(file: &mut std::fs::File, wanted: &[u8]) -> Vec<u8> {
    let (mut seen, mut byte) = (Vec::new(), [0]);
    while !seen.windows(wanted.len()).any(|bytes| bytes == wanted) {
        let limit = rustix::event::Timespec { tv_sec: 30, tv_nsec: 0 };
        let ready =
            rustix::event::poll(&mut [rustix::event::PollFd::new(file, rustix::event::PollFlags::IN)], Some(&limit));
        assert_eq!(ready.unwrap(), 1, "no {wanted:?} in {:?}", String::from_utf8_lossy(&seen));
        assert_eq!(file.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
    seen
}

#[cfg(unix)]
#[test]
fn the_terminal_passes_every_key_on_as_it_is_pressed() {
    let (mut device, line) = terminal();
    let mut settings = rustix::termios::tcgetattr(&line).unwrap();
    settings.make_raw();
    rustix::termios::tcsetattr(&line, rustix::termios::OptionalActions::Now, &settings).unwrap();
    let path = rustix::termios::ttyname(&line, Vec::new()).unwrap().into_string().unwrap();
    let (mut user, theirs) = terminal();
    let before = rustix::termios::tcgetattr(&theirs).unwrap();
    let mut process = smp(&format!("--serial {path} --timeout 200 terminal"))
        .stdin(theirs.try_clone().unwrap())
        .stdout(theirs.try_clone().unwrap())
        .stderr(theirs.try_clone().unwrap())
        .spawn()
        .unwrap();
    until(&mut user, b"twice ends");
    // Tab, Up and Ctrl-C come without Enter, and nothing of them is shown twice.
    for keys in [&b"ker\t"[..], b"\x1b[A", b"\x03", b"\r"] {
        user.write_all(keys).unwrap();
        until(&mut device, keys);
    }
    device.write_all(b"kernel uptime\r\n").unwrap();
    until(&mut user, b"kernel uptime");
    // Ours: a command of this program, with the line editing of a shell, and its answer.
    user.write_all(b"\x1d").unwrap();
    until(&mut user, b"smp> ");
    user.write_all(b"echi\x7fo hi\r").unwrap();
    until(&mut device, b"\x06\x09");
    until(&mut user, b"does not answer");
    // The same in one read, with keys before and after it.
    user.write_all(b"up\x1decho hi\rdown").unwrap();
    until(&mut device, b"up");
    until(&mut device, b"\x06\x09");
    until(&mut device, b"down");
    user.write_all(b"\x1d\x1d").unwrap();
    // Three time-outs are over when it ends.
    assert!(process.wait().unwrap().success());
    let after = rustix::termios::tcgetattr(&theirs).unwrap();
    assert_eq!(format!("{:?}", after.local_modes), format!("{:?}", before.local_modes));
}

#[cfg(unix)]
#[test]
fn the_shell_has_a_history_and_a_place_in_the_line() {
    let (mut user, theirs) = terminal();
    let mut process = smp("--simulated shell")
        .stdin(theirs.try_clone().unwrap())
        .stdout(theirs.try_clone().unwrap())
        .stderr(theirs.try_clone().unwrap())
        .spawn()
        .unwrap();
    until(&mut user, b"> ");
    user.write_all(b"echo tw\x1b[D\x1b[D<\x1b[F>\r").unwrap();
    until(&mut user, b"\n<tw>\r\n");
    // Keys are pressed when the shell asks for a line: before, the terminal would show them itself.
    until(&mut user, b"> ");
    user.write_all(b"\x1b[A\x7f!\r").unwrap();
    until(&mut user, b"\n<tw!\r\n");
    until(&mut user, b"> ");
    // A line that is given up: the last one is the last one again.
    user.write_all(b"\x1b[A\x1b[A\x03").unwrap();
    until(&mut user, b"\r\n");
    until(&mut user, b"> ");
    user.write_all(b"\x1b[A\r").unwrap();
    until(&mut user, b"\n<tw!\r\n");
    until(&mut user, b"> ");
    user.write_all(b"\x04").unwrap();
    assert!(process.wait().unwrap().success());
}

#[test]
fn what_is_printed_of_cbor_can_be_written_and_is_the_same() {
    for payload in [
        "{\"a\": 1.5, \"b\": -0.1_2, \"c\": 65504.0_1, \"d\": 1e300, \"e\": 5.960464477539063e-8_1}",
        "[NaN, NaN_1, NaN_2, Infinity, -Infinity_1, -Infinity_2, -0.0_1]",
        "{\"at\": 1(1764437400), \"deep\": 24(h'0102'), \"s\": simple(5), \"t\": simple(255), \"u\": undefined}",
    ] {
        let output = smp("--simulated -v raw --group 64 --id 0 --op read").arg(payload).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.lines().next().unwrap().ends_with(payload), "{payload}: {stderr}");
    }
    for (payload, sent) in [("{\"a\": h'00 11\t22'}", "{\"a\": h'001122'}"), ("[1e3, 2.0_3]", "[1000.0, 2.0]")] {
        let output = smp("--simulated -v raw --group 64 --id 0 --op read").arg(payload).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.lines().next().unwrap().ends_with(sent), "{payload}: {stderr}");
    }
    for payload in ["0.1_1", "1.5_4", ".5", "1_1", "simple(24)", "1(2", "-1(2)", "inf"] {
        let mut command = smp("--simulated raw --group 64 --id 0 --op read --");
        command.arg(payload);
        assert!(fails(command, 2).contains("expected"), "{payload}");
    }
}

#[test]
fn information_comes_with_names() {
    let named = ok(smp("--simulated info"));
    assert!(named.contains("kernel name       anysmp\n") && named.contains("platform          simulated\n"), "{named}");
    let object: Value = serde_json::from_str(&ok(smp("--simulated info --json"))).unwrap();
    assert_eq!((&object["kernel_release"], &object["node_name"]), (&"0.1.0".into(), &"simulator".into()));
    // As the device sends it.
    assert_eq!(ok(smp("--simulated info sv")), "anysmp v0.1.0\n");
}

#[test]
fn a_zone_is_taken_into_account() {
    for (given, set) in [
        ("2026-11-29T00:30:00+01:00", "2026-11-28T23:30:00"),
        ("2026-12-31T23:30:00.25-0030", "2027-01-01T00:00:00.25"),
        ("2026-11-29T00:30:00.123456789Z", "2026-11-29T00:30:00.123456"),
        ("2026-11-29T00:30:00", "2026-11-29T00:30:00"),
        ("2026-11-29T00:30:00-11", "2026-11-29T11:30:00"),
    ] {
        let output = smp("--simulated -v datetime").arg(given).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.lines().next().unwrap().ends_with(&format!("{{\"datetime\": \"{set}\"}}")), "{stderr}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("set to {set}\n"));
    }
    for wrong in ["2026-13-01T00:00:00", "2026-11-29T00:00:00+1", "2026-11-29T00:00:00.", "2026-11-29T00:00:00 CET"] {
        let mut command = smp("--simulated datetime");
        command.arg(wrong);
        assert!(fails(command, 2).contains("is not a date and time"), "{wrong}");
    }
}

#[test]
fn a_file_with_another_checksum_is_not_sent() {
    let folder = Folder::new("comfort-checksum");
    let file = folder.put("app.img", &kit::image(anysmp::mcuboot::Version::new(2, 0, 0), 3000));
    let right = anysmp::mcuboot::digest::Sha256::of(&std::fs::read(&file).unwrap());
    let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let right = digits(right.as_bytes());
    for line in ["image upload", "image upload --raw", "upgrade"] {
        ok(smp(&format!("--simulated {line} {file} --checksum {right}")));
        let text = fails(smp(&format!("--simulated -v {line} {file} --checksum {}", "00".repeat(32))), 5);
        assert!(text.contains(&format!("its SHA-256 is {right}")) && text.contains("--checksum"), "{text}");
        assert!(!text.contains("->"), "{text}");
    }
    assert!(fails(smp(&format!("--simulated upgrade {file} --checksum 12")), 2).contains("sha256sum"));
}

#[test]
fn what_becomes_what_is_said_in_one_line() {
    let text = ok(smp("--simulated upgrade --dry-run"));
    let line = text.lines().find(|line| line.contains("->")).unwrap();
    let (from, to) = line.split_once(" -> ").unwrap();
    assert!(from.starts_with("1.0.0 ") && to.starts_with("1.1.0 ") && from.len() == to.len(), "{line}");
    assert!(text.contains(&format!("{}…", from.split(' ').nth(1).unwrap())) || text.contains(&from[6..]), "{text}");
}

#[test]
fn what_follows_a_shell_command_is_the_devices() {
    assert_eq!(ok(smp("--simulated shell echo --help")), "--help\n");
}
