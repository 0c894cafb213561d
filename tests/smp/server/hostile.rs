//! Hostile requests to every command of every group: each gets one well-formed answer, the server
//! continues to work, and nothing runs that was not requested in a readable form.

use std::collections::BTreeSet;

use anysmp::line::Peer;
use anysmp::smp::server::{AllowAll, Answer, Answers, DenyWrites, Handler, Incoming, Memory, Policy, Reply, Server};
use anysmp::smp::{Empty, Error, Group, Op, enumeration, fs, image, os, settings, shell, stat, zephyr};

use crate::item::{Form, Item};
use crate::kit::damage;
use crate::kit::random::Random;
use crate::kit::readme::table;
use crate::kit::smp::{is_well_formed, message, with};

/// A device that does everything, and counts.
#[derive(Default)]
struct Device {
    runs: u32,
}

impl Device {
    fn ran<T>(&mut self, done: T) -> Result<T, Error> {
        self.runs += 1;
        Ok(done)
    }
}

impl os::Commands for Device {
    fn echo<'r>(&'r mut self, request: os::Echo<'r>) -> Result<os::EchoResponse<'r>, Error> {
        self.runs += 1;
        Ok(os::EchoResponse::new(request.text.unwrap_or("".into())))
    }
    fn console_echo(&mut self, _: os::ConsoleEcho) -> Result<Empty, Error> {
        self.ran(Empty {})
    }
    fn task_statistics(&mut self) -> Result<os::TaskStatisticsResponse<'_>, Error> {
        self.ran(os::TaskStatisticsResponse::new([][..].into()))
    }
    fn pool_statistics(&mut self) -> Result<os::PoolStatisticsResponse<'_>, Error> {
        self.ran(os::PoolStatisticsResponse::new(&[]))
    }
    fn boot_loader<'r>(&'r mut self, _: os::BootLoader<'r>) -> Result<os::BootLoaderResponse<'r>, Error> {
        self.ran(os::BootLoaderResponse::default())
    }
    fn read_datetime(&mut self) -> Result<os::DateTimeResponse<'_>, Error> {
        self.ran(os::DateTimeResponse::new("2026-11-20T00:00:00".into()))
    }
    fn write_datetime(&mut self, _: os::WriteDateTime<'_>) -> Result<Empty, Error> {
        self.ran(Empty {})
    }
    fn reset(&mut self, _: os::Reset) -> Result<Empty, Error> {
        self.ran(Empty {})
    }
    fn parameters(&mut self) -> Result<os::ParametersResponse, Error> {
        self.ran(os::ParametersResponse::new(512, 4))
    }
    fn info<'r>(&'r mut self, _: os::Info<'r>) -> Result<os::InfoResponse<'r>, Error> {
        self.ran(os::InfoResponse::new("Zephyr".into()))
    }
}

impl image::Commands for Device {
    fn read_state(&mut self) -> Result<image::StateResponse<'_>, Error> {
        self.ran(image::StateResponse::new([][..].into()))
    }
    fn write_state(&mut self, _: image::WriteState<'_>) -> Result<image::StateResponse<'_>, Error> {
        self.ran(image::StateResponse::new([][..].into()))
    }
    fn upload(&mut self, _: image::Upload<'_>) -> Result<image::UploadResponse, Error> {
        self.ran(image::UploadResponse::new(0))
    }
    fn core_list(&mut self) -> Result<Empty, Error> {
        self.ran(Empty {})
    }
    fn core_load(&mut self, request: image::CoreLoad) -> Result<image::CoreLoadResponse<'_>, Error> {
        self.ran(image::CoreLoadResponse::new(request.off, b"x"[..].into()))
    }
    fn core_erase(&mut self) -> Result<Empty, Error> {
        self.ran(Empty {})
    }
    fn erase(&mut self, _: image::Erase) -> Result<Empty, Error> {
        self.ran(Empty {})
    }
    fn slot_info(&mut self) -> Result<image::SlotInfoResponse<'_>, Error> {
        self.ran(image::SlotInfoResponse::new([][..].into()))
    }
}

impl stat::Commands for Device {
    fn read<'r>(&'r mut self, request: stat::Read<'r>) -> Result<stat::ReadResponse<'r>, Error> {
        self.ran(stat::ReadResponse::new(request.name, [][..].into()))
    }
    fn list(&mut self) -> Result<stat::ListResponse<'_>, Error> {
        self.ran(stat::ListResponse::new([][..].into()))
    }
}

impl settings::Commands for Device {
    fn read<'r>(&'r mut self, _: settings::Read<'r>) -> Result<settings::ReadResponse<'r>, Error> {
        self.ran(settings::ReadResponse::new(b""[..].into()))
    }
    fn write(&mut self, _: settings::Write<'_>) -> Result<Empty, Error> {
        self.ran(Empty {})
    }
    fn delete(&mut self, _: settings::Delete<'_>) -> Result<Empty, Error> {
        self.ran(Empty {})
    }
    fn commit(&mut self) -> Result<Empty, Error> {
        self.ran(Empty {})
    }
    fn load(&mut self) -> Result<Empty, Error> {
        self.ran(Empty {})
    }
    fn save(&mut self, _: settings::Save<'_>) -> Result<Empty, Error> {
        self.ran(Empty {})
    }
}

impl fs::Commands for Device {
    fn download<'r>(&'r mut self, request: fs::Download<'r>, _: usize) -> Result<fs::DownloadResponse<'r>, Error> {
        self.ran(fs::DownloadResponse::new(request.off, b"x"[..].into()))
    }
    fn upload(&mut self, request: fs::Upload<'_>) -> Result<fs::UploadResponse, (Error, Option<u64>)> {
        self.ran(fs::UploadResponse::new(request.off)).map_err(|error| (error, None))
    }
    fn status(&mut self, _: fs::Status<'_>) -> Result<fs::StatusResponse, Error> {
        self.ran(fs::StatusResponse::new(0))
    }
    fn hash<'r>(&'r mut self, _: fs::Hash<'r>) -> Result<fs::HashResponse<'r>, Error> {
        self.ran(fs::HashResponse::new("crc32".into(), 1, fs::HashOutput::Number(0)))
    }
    fn hash_types(&mut self) -> Result<fs::HashTypesResponse<'_>, Error> {
        self.ran(fs::HashTypesResponse::new([][..].into()))
    }
    fn close(&mut self) -> Result<Empty, Error> {
        self.ran(Empty {})
    }
}

impl shell::Commands for Device {
    fn execute<'r>(&'r mut self, _: shell::Execute<'r>) -> Result<shell::ExecuteResponse<'r>, Error> {
        self.ran(with(shell::ExecuteResponse::new("".into()), |it| it.result = Some(0)))
    }
}

impl zephyr::Commands for Device {
    fn erase_storage(&mut self) -> Result<Empty, Error> {
        self.ran(Empty {})
    }
}

const SERVED: [enumeration::Detail<'static>; 2] = [enumeration::Detail::new(0), enumeration::Detail::new(10)];

impl Handler for Device {
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        match incoming.group() {
            Group::OS => os::dispatch(self, incoming, reply),
            Group::IMAGE => image::dispatch(self, incoming, reply),
            Group::STATISTICS => stat::dispatch(self, incoming, reply),
            Group::SETTINGS => settings::dispatch(self, incoming, reply),
            Group::FS => fs::dispatch(self, incoming, reply),
            Group::SHELL => shell::dispatch(self, incoming, reply),
            Group::ENUMERATION => enumeration::dispatch(&SERVED, incoming, reply),
            Group::ZEPHYR => zephyr::dispatch(self, incoming, reply),
            _ => reply.error(Error::NOT_SUPPORTED),
        }
    }
}

/// Every command of the README's table: group, op, command, a request with all keys.
const COMMANDS: &[(Group, Op, u8, &[u8])] = &[
    (Group::OS, Op::Read, 0, b"\xa1\x61d\x62hi"),
    (Group::OS, Op::Write, 0, b"\xa1\x61d\x62hi"),
    (Group::OS, Op::Write, 1, b"\xa1\x64echo\x01"),
    (Group::OS, Op::Read, 2, b"\xa0"),
    (Group::OS, Op::Read, 3, b"\xa0"),
    (Group::OS, Op::Read, 4, b"\xa0"),
    (Group::OS, Op::Write, 4, b"\xa1\x68datetime\x732026-11-20T00:00:00"),
    (Group::OS, Op::Write, 5, b"\xa2\x65force\xf5\x69boot_mode\x00"),
    (Group::OS, Op::Read, 6, b"\xa0"),
    (Group::OS, Op::Read, 7, b"\xa1\x66format\x61s"),
    (Group::OS, Op::Read, 8, b"\xa1\x65query\x64mode"),
    (Group::IMAGE, Op::Read, 0, b"\xa0"),
    (Group::IMAGE, Op::Write, 0, b"\xa2\x64hash\x42\x01\x02\x67confirm\xf5"),
    (Group::IMAGE, Op::Write, 1, b"\xa6\x65image\x00\x63len\x02\x63off\x00\x63sha\x41a\x64data\x42hi\x67upgrade\xf5"),
    (Group::IMAGE, Op::Read, 3, b"\xa0"),
    (Group::IMAGE, Op::Read, 4, b"\xa1\x63off\x00"),
    (Group::IMAGE, Op::Write, 4, b"\xa0"),
    (Group::IMAGE, Op::Write, 5, b"\xa1\x64slot\x01"),
    (Group::IMAGE, Op::Read, 6, b"\xa0"),
    (Group::STATISTICS, Op::Read, 0, b"\xa1\x64name\x62os"),
    (Group::STATISTICS, Op::Read, 1, b"\xa0"),
    (Group::SETTINGS, Op::Read, 0, b"\xa2\x64name\x63a/b\x68max_size\x18\x20"),
    (Group::SETTINGS, Op::Write, 0, b"\xa3\x64name\x63a/b\x63val\x41x\x64save\xf5"),
    (Group::SETTINGS, Op::Write, 1, b"\xa1\x64name\x63a/b"),
    (Group::SETTINGS, Op::Write, 2, b"\xa0"),
    (Group::SETTINGS, Op::Read, 3, b"\xa0"),
    (Group::SETTINGS, Op::Write, 3, b"\xa1\x64name\x63a/b"),
    (Group::FS, Op::Read, 0, b"\xa2\x64name\x62/f\x63off\x00"),
    (Group::FS, Op::Write, 0, b"\xa4\x64name\x62/f\x63off\x00\x64data\x42hi\x63len\x02"),
    (Group::FS, Op::Read, 1, b"\xa1\x64name\x62/f"),
    (Group::FS, Op::Read, 2, b"\xa4\x64name\x62/f\x64type\x65crc32\x63off\x01\x63len\x02"),
    (Group::FS, Op::Read, 3, b"\xa0"),
    (Group::FS, Op::Write, 4, b"\xa0"),
    (Group::SHELL, Op::Write, 0, b"\xa1\x64argv\x82\x66kernel\x67version"),
    (Group::ENUMERATION, Op::Read, 0, b"\xa0"),
    (Group::ENUMERATION, Op::Read, 1, b"\xa0"),
    (Group::ENUMERATION, Op::Read, 2, b"\xa1\x65index\x01"),
    (Group::ENUMERATION, Op::Read, 3, b"\xa1\x66groups\x82\x00\x0a"),
    (Group::ZEPHYR, Op::Write, 0, b"\xa0"),
    // Groups of which there is no server.
    (Group::LOG, Op::Read, 0, b"\xa1\x68log_name\x60"),
    (Group::LOG, Op::Write, 1, b"\xa1\x68log_name\x60"),
    (Group::LOG, Op::Read, 3, b"\xa0"),
    (Group::LOG, Op::Read, 4, b"\xa0"),
    (Group::LOG, Op::Read, 5, b"\xa0"),
    (Group::CRASH, Op::Write, 0, b"\xa1\x61t\x64div0"),
    (Group::RUN, Op::Write, 0, b"\xa2\x68testname\x63all\x65token\x60"),
    (Group::RUN, Op::Read, 1, b"\xa0"),
    (Group::TRANSPORT, Op::Write, 0, b"\xa1\x69transport\x02"),
    (Group::TRANSPORT, Op::Write, 1, b"\xa0"),
    (Group::TRANSPORT, Op::Read, 2, b"\xa0"),
    (Group::TRANSPORT, Op::Read, 6, b"\xa0"),
    (Group::TRANSPORT, Op::Read, 7, b"\xa0"),
    (Group::TRANSPORT, Op::Read, 8, b"\xa0"),
];

/// Whether there is a server of this group.
fn is_served(group: Group) -> bool {
    !matches!(group, Group::LOG | Group::CRASH | Group::RUN | Group::TRANSPORT)
}

#[test]
fn the_corpus_asks_every_command_of_the_table() {
    let word = |op| if op == Op::Read { "read" } else { "write" };
    let asked: BTreeSet<_> = COMMANDS.iter().map(|(group, op, command, _)| (group.0, *command, word(*op))).collect();
    let rows = table();
    let told: BTreeSet<_> =
        rows.iter().flat_map(|((group, command, _), row)| row.ops.iter().map(|op| (*group, *command, *op))).collect();
    assert_eq!(asked, told);
    for ((group, ..), row) in rows {
        assert_eq!(row.server, is_served(Group(group)));
    }
}

const RC_3: &[u8] = b"\xa1\x62rc\x03";
const RC_8: &[u8] = b"\xa1\x62rc\x08";

/// Asks once and checks that the answer is an answer; returns its payload.
fn ask<P: Policy, M: Memory>(server: &mut Server<Device, P, M>, request: &[u8]) -> Vec<u8> {
    let mut tx = [0; 512];
    let (len, _) = server.receive(request, Peer(0), &mut tx);
    assert!(is_well_formed(&tx[..len]), "{request:02x?} got {:02x?}", &tx[..len]);
    assert_eq!((tx[0], &tx[4..8]), (request[0] + 1, &request[4..8]), "{request:02x?}");
    tx[8..len].to_vec()
}

/// Whether an answer is an error.
fn refused(payload: &[u8]) -> bool {
    Error::find(payload).unwrap().is_some()
}

/// Payloads that no command can read, made from one that it can.
fn unreadable(valid: &[u8]) -> Vec<Vec<u8>> {
    let item = Item::parse(valid);
    let mut bad: Vec<Vec<u8>> = Vec::new();
    // Cut off, in every form.
    for form in [Form::Shortest, Form::Indefinite, Form::Chunked, Form::Wide] {
        let whole = item.written(form);
        bad.extend((1..whole.len()).map(|cut| whole[..cut].to_vec()));
    }
    // No map, or a lie about its length.
    for other in [
        &b"\x80"[..],
        b"\x00",
        b"\x40",
        b"\x60",
        b"\xf6",
        b"\xff",
        b"\xc0\xa0",
        b"\xbc",
        b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        bad.push(other.to_vec());
    }
    // A key that is no text, a key without a value, an unknown key whose value never ends or goes
    // too deep.
    for entry in [
        &b"\x01\x02"[..],
        b"\x41a\x02",
        b"\x61~",
        b"\x61~\x9f",
        b"\x61~\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x61~\xff",
    ] {
        let mut payload = item.written(Form::Shortest);
        payload[0] += 1;
        payload.extend_from_slice(entry);
        bad.push(payload);
    }
    for bomb in [0x81, 0xA1, 0xC1, 0x9F, 0xBF, 0xD8] {
        bad.push([&b"\xa1\x61~"[..], &[bomb; 300]].concat());
    }
    let nested = |depth: usize| [&b"\xa1\x61~"[..], &vec![0x81; depth], b"\x00"].concat();
    bad.push(nested(8));
    for at in 0..item.clone().entries().len() {
        // A value of a kind that this key never has, or with a length that is a lie.
        for value in [
            &b"\xc0\x00"[..],
            b"\xfb\0\0\0\0\0\0\0\0",
            b"\xf9\0\0",
            b"\xf7",
            b"\xe0",
            b"\xa0",
            b"\x1c",
            b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x7b\x7f\xff\xff\xff\xff\xff\xff\xff",
            b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x5f\x61a\xff",
            b"\x7f\x41a\xff",
            b"\x7f\x7f\xff\xff",
            b"\x81\xa0",
        ] {
            let mut payload = vec![0xA0 + item.clone().entries().len() as u8];
            for (index, (key, whole)) in item.clone().entries().iter().enumerate() {
                payload.extend_from_slice(&key.written(Form::Shortest));
                if index == at {
                    payload.extend_from_slice(value);
                } else {
                    payload.extend_from_slice(&whole.written(Form::Shortest));
                }
            }
            bad.push(payload);
        }
        // The same key twice.
        let mut twice = item.clone();
        let double = twice.entries()[at].clone();
        twice.entries().push(double);
        bad.push(twice.written(Form::Shortest));
        bad.push(twice.written(Form::Indefinite));
    }
    bad
}

#[test]
fn what_cannot_be_read_gets_rc_3_from_every_command_and_nothing_runs() {
    let mut memory = [0; Answers::memory_len(1, 32)];
    let mut server = Server::new(Device::default(), AllowAll).with_memory(&mut memory);
    let mut asked = 0_u32;
    for &(group, op, command, valid) in COMMANDS {
        let expected = if is_served(group) { RC_3 } else { RC_8 };
        for payload in unreadable(valid) {
            for version in [0, 8] {
                asked += 1;
                let request = message(version | op as u8, group.0, asked as u8, command, &payload);
                let answer = ask(&mut server, &request);
                assert_eq!(answer, expected, "{group} {op:?} {command}: {payload:02x?}");
            }
        }
    }
    assert_eq!(server.handler().runs, 0);
    assert!(asked > 6000, "{asked}");
    assert_eq!(ask(&mut server, &message(2, 0, 1, 0, b"\xa1\x61d\x62hi")), b"\xa1\x61r\x62hi");
}

#[test]
fn what_can_be_read_runs_once_in_every_form() {
    for &(group, op, command, valid) in COMMANDS {
        let served = is_served(group);
        let counted = served && group != Group::ENUMERATION;
        for form in [Form::Shortest, Form::Indefinite, Form::Chunked, Form::Wide] {
            let mut server = Server::new(Device::default(), AllowAll);
            let mut item = Item::parse(valid);
            item.entries().reverse();
            let request = message(8 | op as u8, group.0, 1, command, &item.written(form));
            let answer = ask(&mut server, &request);
            assert_eq!(refused(&answer), !served, "{group} {op:?} {command} {form:?}: {answer:02x?}");
            assert_eq!(server.handler().runs, u32::from(counted), "{group} {op:?} {command} {form:?}");
        }
    }
}

#[test]
fn a_required_key_that_is_missing_gets_rc_3_and_nothing_runs() {
    let mut required = BTreeSet::new();
    for &(group, op, command, valid) in COMMANDS {
        let item = Item::parse(valid);
        for at in 0..item.clone().entries().len() {
            let mut server = Server::new(Device::default(), AllowAll);
            let mut without = item.clone();
            let (key, _) = without.entries().remove(at);
            let answer = ask(&mut server, &message(op as u8, group.0, 1, command, &without.written(Form::Shortest)));
            if answer == RC_3 {
                assert_eq!(server.handler().runs, 0);
                let Item::Text(key) = key else { panic!("{key:?}") };
                required.insert((group.0, op as u8, command, String::from_utf8(key).unwrap()));
            }
        }
    }
    let required: Vec<_> =
        required.iter().map(|(group, op, command, key)| (*group, *op, *command, key.as_str())).collect();
    assert_eq!(
        required,
        [
            (0, 2, 4, "datetime"),
            (1, 0, 4, "off"),
            (2, 0, 0, "name"),
            (3, 0, 0, "name"),
            (3, 2, 0, "name"),
            (3, 2, 0, "val"),
            (3, 2, 1, "name"),
            (8, 0, 0, "name"),
            (8, 0, 0, "off"),
            (8, 0, 1, "name"),
            (8, 0, 2, "name"),
            (8, 2, 0, "data"),
            (8, 2, 0, "name"),
            (8, 2, 0, "off"),
            (9, 2, 0, "argv"),
        ]
    );
}

#[test]
fn every_op_and_every_command_number_of_every_group_is_answered() {
    let mut server = Server::new(Device::default(), AllowAll);
    let known: BTreeSet<_> = COMMANDS.iter().map(|(group, op, command, _)| (group.0, *op as u8, *command)).collect();
    for group in (0..70).chain([255, 256, 999, 0xFFFF]) {
        for command in 0..=255 {
            for op in [0, 2] {
                let runs = server.handler().runs;
                let answer = ask(&mut server, &message(op, group, command, command, b"\xa0"));
                if !known.contains(&(group, op, command)) {
                    assert_eq!(answer, RC_8, "{group} {op} {command}");
                    assert_eq!(server.handler().runs, runs, "{group} {op} {command}");
                }
            }
        }
    }
}

#[test]
fn a_policy_that_denies_writes_stops_every_write() {
    let mut server = Server::new(Device::default(), DenyWrites);
    for &(group, op, command, valid) in COMMANDS {
        if op == Op::Write && (group, command) != (Group::OS, 0) {
            assert_eq!(
                ask(&mut server, &message(2, group.0, 1, command, valid)),
                b"\xa1\x62rc\x0b",
                "{group} {command}"
            );
        }
    }
    assert_eq!(server.handler().runs, 0);
}

#[test]
fn damaged_requests_never_silence_the_server() {
    const SEED: u64 = 0x0B_AD_5E_ED;
    let mut random = Random::new(SEED);
    let mut memory = [0; Answers::memory_len(1, 0)];
    let mut server = Server::new(Device::default(), AllowAll).with_memory(&mut memory);
    let forms = [Form::Shortest, Form::Indefinite, Form::Chunked, Form::Wide];
    for round in 0..200_000 {
        let (group, op, command, valid) = COMMANDS[random.index(COMMANDS.len())];
        let mut payload = Item::parse(valid).written(forms[random.index(4)]);
        for _ in 0..random.index(4) {
            let at = random.index(payload.len());
            match random.index(4) {
                0 => payload[at] = random.byte(),
                1 => payload[at] ^= 1 << random.index(8),
                2 => payload.insert(at, [0xFF, 0xBF, 0x9F, 0x5F, 0x7F, 0xF6, 0xA1, 0x00][random.index(8)]),
                _ => payload.truncate(at.max(1)),
            }
        }
        let request = message(8 | op as u8, group.0, round as u8, command, &payload);
        let mut tx = [0; 512];
        let (len, _) = server.receive(&request, Peer(0), &mut tx);
        assert!(is_well_formed(&tx[..len]), "seed {SEED:#x} round {round}: {request:02x?} got {:02x?}", &tx[..len]);
        assert_eq!(tx[4..8], request[4..8], "seed {SEED:#x} round {round}");
    }
    assert_eq!(ask(&mut server, &message(2, 0, 1, 0, b"\xa1\x61d\x62hi")), b"\xa1\x61r\x62hi");
}

/// Each byte of each request of the table changed, each front of it, garbage in front of it, and a
/// buffer for the response of each length.
#[test]
fn a_request_damaged_anywhere_gets_one_answer_and_costs_only_itself() {
    let mut server = Server::new(Device::default(), AllowAll);
    let good = message(2, 0, 1, 0, b"\xa1\x61d\x62hi");
    let mut count = 0;
    for &(group, op, command, valid) in COMMANDS {
        for form in [Form::Shortest, Form::Indefinite] {
            let request = message(8 | op as u8, group.0, 1, command, &Item::parse(valid).written(form));
            count += damage::each(&request, |damaged| {
                let mut tx = [0; 512];
                let (len, _) = server.receive(damaged, Peer(0), &mut tx);
                // Ops 1 and 3 are responses; 4 to 7 are refused.
                let is_request = damaged.len() >= 8 && !matches!(damaged[0] & 7, 1 | 3);
                assert_eq!(len > 0, is_request, "{damaged:02x?}");
                if len > 0 {
                    assert!(is_well_formed(&tx[..len]), "{damaged:02x?} got {:02x?}", &tx[..len]);
                    assert_eq!(tx[4..8], damaged[4..8], "{damaged:02x?}");
                }
            });
            for room in 0..64 {
                let mut tx = [0; 64];
                let (len, _) = server.receive(&request, Peer(0), &mut tx[..room]);
                assert!(len <= room && (len == 0 || is_well_formed(&tx[..len])), "{request:02x?} in {room} bytes");
            }
            assert_eq!(ask(&mut server, &good), b"\xa1\x61r\x62hi");
        }
    }
    assert!(count > 200_000, "{count}");
}
