//! The groups of a board: all but the file system, through the dispatch of the library.

use core::fmt::Write as _;

use anysmp::line::Counters;
use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::slots::{Config, Geometry, Setup, Slots};
use anysmp::smp::enumeration::{self, Detail};
use anysmp::smp::server::{Answer, Handler, Incoming, Reply};
use anysmp::smp::settings::{self, Store};
use anysmp::smp::shell::{self, Output, Runner};
use anysmp::smp::stat::{self, Set};
use anysmp::smp::{Empty, Error, Group, error, image, os};
use heapless::String;

use crate::board::{self, CHECKPOINT, FLASH_LEN, Flash};
use crate::settings::{Store as Saved, Values};
use crate::vendor::{self, Lamp};
use crate::{boot, clock, info};

/// The groups for enumeration: group, name, highest command plus 1.
const SERVED: [(Group, &str, u32); 7] = [
    (Group::OS, "os mgmt", 9),
    (Group::IMAGE, "img mgmt", 7),
    (Group::STATISTICS, "stat mgmt", 2),
    (Group::SETTINGS, "settings mgmt", 4),
    (Group::SHELL, "shell mgmt", 1),
    (Group::ENUMERATION, "enum mgmt", 4),
    (vendor::LAMP, "lamp", 1),
];

/// The configuration of the slots. It is a constant, so that the image contains no code for other
/// modes.
pub struct Upgrades;

impl Setup for Upgrades {
    type Flash = Geometry;

    fn config(&self) -> &Config {
        const {
            &Config {
                align: boot::ALIGN,
                checkpoint: Some(CHECKPOINT),
                ..Config::swap_move(Geometry::of_type::<Flash>(FLASH_LEN), boot::SECTORS)
            }
        }
    }
}

/// The SMP handler of the board.
pub struct Device<'s> {
    /// The OS group.
    pub os: Os,
    /// The slots for images.
    pub slots: Slots<'s, Sha256, (), Upgrades>,
    /// The flash of slots and settings.
    pub flash: Flash,
    /// The settings.
    pub values: Values,
    /// The lamp of the vendor group.
    pub lamp: Lamp,
    /// The counters of the link, for statistics.
    pub link: Counters,
}

impl Handler for Device<'_> {
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        info!("request: group {=u16}, command {=u8}", incoming.group().0, incoming.command());
        match incoming.group() {
            Group::OS => os::dispatch(&mut self.os, incoming, reply),
            Group::IMAGE => image::answer(&mut self.slots, &mut self.flash, incoming, reply),
            Group::STATISTICS => self.statistics(incoming, reply),
            Group::SETTINGS => {
                let mut buffer = [0; 32];
                let saved = Saved { values: &mut self.values, flash: &mut self.flash };
                settings::dispatch(&mut Store::new(saved, &mut buffer), incoming, reply)
            }
            Group::SHELL => {
                let (mut line, mut output) = ([0; 64], [0; 96]);
                shell::dispatch(&mut Runner::new(run, &mut line, &mut output), incoming, reply)
            }
            Group::ENUMERATION => enumeration::dispatch(
                &SERVED.map(|(group, name, handlers)| Detail::new(group.0).with_name(name).with_handlers(handlers)),
                incoming,
                reply,
            ),
            vendor::LAMP => self.lamp.dispatch(incoming, reply),
            _ => reply.error(Error::NOT_SUPPORTED),
        }
    }
}

impl Device<'_> {
    fn statistics(&self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        let Counters { received, sent, damaged, .. } = self.link;
        let link = [("received", received), ("sent", sent), ("damaged", damaged)];
        let link = link.map(|(name, count)| (name.into(), count.into()));
        let board = [("uptime".into(), clock::uptime_ms() / 1000)];
        let sets = [Set { name: "link", fields: &link }, Set { name: "board", fields: &board }];
        stat::answer(&sets, incoming, reply)
    }
}

/// The OS group, except the buffer sizes, which the server reports itself.
#[derive(Default)]
pub struct Os {
    /// The text that a response borrows.
    text: String<128>,
}

impl Os {
    /// An OS group.
    pub const fn new() -> Self {
        Self { text: String::new() }
    }
}

impl os::Commands for Os {
    fn reset(&mut self, _: os::Reset) -> Result<Empty, Error> {
        Ok(Empty {})
    }

    fn info<'r>(&'r mut self, request: os::Info<'r>) -> Result<os::InfoResponse<'r>, Error> {
        let format = request.format.unwrap_or("s".into());
        let wanted = |letter: char| format.as_str().is_some_and(|format| format.contains([letter, 'a']));
        if format.as_str().is_none_or(|format| format.chars().any(|letter| !"asnrvbmpio".contains(letter))) {
            return Err(error::os::INVALID_FORMAT);
        }
        self.text.clear();
        let parts = [
            ('s', "anysmp"),
            ('n', "unknown"),
            ('r', env!("CARGO_PKG_VERSION")),
            ('v', "unknown"),
            ('b', "unknown"),
            ('m', board::MACHINE),
            ('p', board::MACHINE),
            ('i', board::NAME),
            ('o', "bare metal"),
        ];
        for (_, part) in parts.into_iter().filter(|(letter, _)| wanted(*letter)) {
            let space = if self.text.is_empty() { "" } else { " " };
            write!(self.text, "{space}{part}").or(Err(Error::TOO_LARGE))?;
        }
        Ok(os::InfoResponse::new(self.text.as_str().into()))
    }

    fn boot_loader<'r>(&'r mut self, request: os::BootLoader<'r>) -> Result<os::BootLoaderResponse<'r>, Error> {
        /// Swap without scratch, in MCUboot's numbers: the mode of `smp_server`'s slots.
        const MODE: i32 = 3;
        match request.query {
            None => Ok(os::BootLoaderResponse::of_name("MCUboot")),
            Some(query) if query == "mode" => Ok(os::BootLoaderResponse::of_mode(MODE)),
            Some(_) => Err(error::os::QUERY_YIELDS_NO_ANSWER),
        }
    }
}

/// A small shell.
fn run(line: &str, output: &mut Output<'_>) -> i32 {
    let (command, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    // Output that does not fit is cut.
    let (written, result) = match command {
        "echo" => (writeln!(output, "{rest}"), 0),
        "uptime" => (writeln!(output, "Uptime: {} ms", clock::uptime_ms()), 0),
        "help" => (writeln!(output, "commands: echo TEXT, help, uptime"), 0),
        _ => (writeln!(output, "{command}: command not found"), -8), // ENOEXEC, as in Zephyr
    };
    let _ = written;
    result
}
