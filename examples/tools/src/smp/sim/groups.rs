//! The groups that the simulated device serves besides OS and images: statistics, settings, files,
//! a shell, enumeration, storage.

use std::collections::BTreeMap;
use std::time::Instant;

use anysmp::line::Counters;
use anysmp::smp::enumeration::Detail;
use anysmp::smp::fs::{Files, Path};
use anysmp::smp::server::{Answer, Incoming, Reply};
use anysmp::smp::settings::{self, Settings};
use anysmp::smp::shell::{self, Output, Shell};
use anysmp::smp::stat::{self, Set};
use anysmp::smp::{Empty, Error, Op, enumeration, error, fs, zephyr};

/// The root of the files.
const ROOT: &str = "/lfs1";
/// The room for files, in bytes.
const DISK: usize = 16 << 20;

/// The groups served, for enumeration: group, name, highest command plus 1.
const SERVED: [(u16, &str, u32); 8] = [
    (0, "os mgmt", 9),
    (1, "img mgmt", 7),
    (2, "stat mgmt", 2),
    (3, "settings mgmt", 4),
    (8, "fs mgmt", 5),
    (9, "shell mgmt", 1),
    (10, "enum mgmt", 4),
    (63, "zephyr basic mgmt", 1),
];

/// Settings by name.
type Map = BTreeMap<String, Vec<u8>>;

/// The contents of flash besides the images; they outlive a reset.
pub(super) struct Storage {
    /// The settings that were saved.
    saved: Map,
    /// The files by path below the root.
    files: BTreeMap<String, Vec<u8>>,
    /// The number of starts of the device.
    pub boots: u32,
}

impl Storage {
    /// The storage as it leaves the factory.
    pub(super) fn new() -> Self {
        let saved = [("device/name", &b"simulator"[..]), ("log/level", &[3]), ("net/port", &1337_u16.to_le_bytes())];
        let files = [("hello.txt", &b"Hello from the simulated device.\n"[..])];
        let owned = |(name, bytes): (&str, &[u8])| (name.to_owned(), bytes.to_owned());
        Self { saved: saved.map(owned).into(), files: files.map(owned).into(), boots: 0 }
    }
}

/// The groups during one life of the device.
pub(super) struct Groups<'d> {
    values: Values<'d>,
    files: fs::Store<'d, Disk<'d>>,
    prompt: Prompt,
    boots: u32,
    /// The numbers of requests to read, and of requests to write.
    requests: [u64; 2],
    /// The counters of the link.
    pub link: Counters,
}

impl<'d> Groups<'d> {
    /// Starts with the saved settings. `buffer` holds a piece of a file.
    pub(super) fn new(storage: &'d mut Storage, buffer: &'d mut [u8]) -> Self {
        let Storage { saved, files, boots } = storage;
        Self {
            values: Values { now: saved.clone(), saved },
            files: fs::Store::new(Disk { files }, ROOT, buffer),
            prompt: Prompt { since: Instant::now() },
            boots: *boots,
            requests: [0; 2],
            link: Counters::default(),
        }
    }

    /// Counts a request of any group.
    pub(super) const fn count(&mut self, op: Op) {
        let [reads, writes] = &mut self.requests;
        let count = if matches!(op, Op::Read) { reads } else { writes };
        *count = count.wrapping_add(1);
    }

    pub(super) fn stat(&self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        let [reads, writes] = self.requests;
        let requests = [("reads".into(), reads), ("writes".into(), writes), ("requests".into(), reads + writes)];
        let Counters { sent, received, damaged, .. } = self.link;
        let link = [("received", received), ("sent", sent), ("damaged", damaged)];
        let link = link.map(|(name, count)| (name.into(), count.into()));
        let device = [("uptime".into(), self.prompt.since.elapsed().as_secs()), ("boots".into(), self.boots.into())];
        let sets = [
            Set { name: "smp", fields: &requests },
            Set { name: "link", fields: &link },
            Set { name: "device", fields: &device },
        ];
        stat::answer(&sets, incoming, reply)
    }

    pub(super) fn settings(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        let mut buffer = [0; 256];
        settings::dispatch(&mut settings::Store::new(&mut self.values, &mut buffer), incoming, reply)
    }

    pub(super) fn fs(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        fs::dispatch(&mut self.files, incoming, reply)
    }

    pub(super) fn shell(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        /// The length of a response besides the output: the map, its keys, and the widest numbers.
        const OVERHEAD: usize = 1 + (2 + 3) + (4 + 5);
        let (mut line, mut output) = ([0; 256], vec![0; reply.room().saturating_sub(OVERHEAD).min(1024)]);
        shell::dispatch(&mut shell::Runner::new(&mut self.prompt, &mut line, &mut output), incoming, reply)
    }

    pub(super) fn enumeration(incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        let detail = |(group, name, handlers): (u16, &'static str, u32)| {
            Detail::new(group).with_name(name).with_handlers(handlers)
        };
        enumeration::dispatch(&SERVED.map(detail), incoming, reply)
    }

    pub(super) fn zephyr(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        zephyr::dispatch(&mut self.values, incoming, reply)
    }

    /// Runs a line that was typed on the console; returns its output.
    pub(super) fn console(&self, line: &str) -> String {
        let mut output = String::new();
        self.prompt.run(line, &mut output);
        output.replace('\n', "\r\n")
    }
}

/// Settings in RAM over those in flash.
struct Values<'d> {
    now: Map,
    saved: &'d mut Map,
}

impl Settings for &mut Values<'_> {
    fn get(&mut self, name: &str, into: &mut [u8]) -> Result<usize, Error> {
        let value = self.now.get(name).ok_or(error::settings::KEY_NOT_FOUND)?;
        into.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
        Ok(value.len())
    }

    fn set(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        self.now.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    fn delete(&mut self, name: &str) -> Result<(), Error> {
        let found = [self.now.remove(name), self.saved.remove(name)];
        if found.iter().any(Option::is_some) { Ok(()) } else { Err(error::settings::KEY_NOT_FOUND) }
    }

    fn load(&mut self) -> Result<(), Error> {
        // Settings that were never saved stay as they are.
        self.now.extend(self.saved.iter().map(|(name, value)| (name.clone(), value.clone())));
        Ok(())
    }

    fn save(&mut self, wanted: Option<&str>) -> Result<(), Error> {
        let below = |name: &str, tree: &str| name.strip_prefix(tree).is_some_and(|rest| rest.starts_with('/'));
        let chosen = |name: &str| wanted.is_none_or(|wanted| name == wanted || below(name, wanted));
        let chosen = self.now.iter().filter(|(name, _)| chosen(name));
        let mut saved = 0;
        for (name, value) in chosen {
            self.saved.insert(name.clone(), value.clone());
            saved += 1;
        }
        if saved > 0 || wanted.is_none() { Ok(()) } else { Err(error::settings::KEY_NOT_FOUND) }
    }
}

impl zephyr::Commands for Values<'_> {
    fn erase_storage(&mut self) -> Result<Empty, Error> {
        self.now.clear();
        self.saved.clear();
        Ok(Empty {})
    }
}

/// A file system in RAM, without directories.
struct Disk<'d> {
    files: &'d mut BTreeMap<String, Vec<u8>>,
}

impl Files for Disk<'_> {
    fn len(&mut self, path: Path<'_>) -> Result<u64, Error> {
        let file = self.files.get(path.below_root()).ok_or(error::fs::FILE_NOT_FOUND)?;
        Ok(file.len() as u64)
    }

    fn read(&mut self, path: Path<'_>, off: u64, into: &mut [u8]) -> Result<usize, Error> {
        let file = self.files.get(path.below_root()).ok_or(error::fs::FILE_NOT_FOUND)?;
        let start = usize::try_from(off).or(Err(error::fs::FILE_SEEK_FAILED))?;
        let rest = file.get(start..).ok_or(error::fs::FILE_SEEK_FAILED)?;
        into.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        Ok(into.len().min(rest.len()))
    }

    fn create(&mut self, path: Path<'_>) -> Result<(), Error> {
        self.files.insert(path.below_root().to_owned(), Vec::new());
        Ok(())
    }

    fn append(&mut self, path: Path<'_>, _: u64, data: &[u8]) -> Result<(), Error> {
        let used: usize = self.files.values().map(Vec::len).sum();
        if used + data.len() > DISK {
            return Err(error::fs::FILE_WRITE_FAILED);
        }
        self.files.get_mut(path.below_root()).ok_or(error::fs::FILE_NOT_FOUND)?.extend(data);
        Ok(())
    }
}

/// A very small shell.
struct Prompt {
    /// The time at which the device started.
    since: Instant,
}

impl Prompt {
    /// Runs a line; returns its result. Output that does not fit is cut off.
    fn run(&self, line: &str, output: &mut dyn std::fmt::Write) -> i32 {
        /// Zephyr's result for an unknown command: ENOEXEC.
        const NO_SUCH_COMMAND: i32 = -8;
        let (command, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let (text, result) = match command {
            "help" => ("commands: echo TEXT, false, help, uptime\n".to_owned(), 0),
            "echo" => (format!("{rest}\n"), 0),
            "uptime" => (format!("Uptime: {} ms\n", self.since.elapsed().as_millis()), 0),
            "false" => (String::new(), 1),
            _ => (format!("{command}: command not found\n"), NO_SUCH_COMMAND),
        };
        let _ = output.write_str(&text);
        result
    }
}

impl Shell for &mut Prompt {
    fn run(&mut self, line: &str, output: &mut Output<'_>) -> i32 {
        Prompt::run(self, line, output)
    }
}
