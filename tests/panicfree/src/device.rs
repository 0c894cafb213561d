//! SMP, the server: one that has every command and answers anything, and one whose commands are the
//! crate's own.

use crate::mcuboot::{Flash, with_slots};
use crate::{Operation, drop_in_box, flag, number, serve, size, time};
use anysmp::cbor::Text;
use anysmp::line::{Peer, Serve};
use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::flash;
use anysmp::mcuboot::slots::Slots;
use anysmp::smp::recovery::{Image, Target};
use anysmp::smp::server::{
    After, AllowAll, Answer, Answers, DenyWrites, Handler, Incoming, Memory, Policy, Reply, Server,
};
use anysmp::smp::{Decode, Empty, Error, Group, Recovery};
use anysmp::smp::{enumeration, fs, image, os, server, settings, shell, stat, zephyr};
use anysmp::time::Span;
use core::fmt::Write;
use core::hint::black_box;

pub const ALL: &[Operation] = &[
    |bytes, room| drop_in_box(server::serve(Device(bytes), AllowAll, bytes, room)),
    |bytes, room| drop_in_box(server::serve(Device(bytes), DenyWrites, bytes, room)),
    |bytes, room| {
        let (memory, room) = room.split_at_mut(room.len() / 2);
        let mut server = Server::new(Device(bytes), AllowAll).with_memory(memory).with_legacy_rc();
        serve(&mut server, bytes, room);
        black_box((server.denied(), server.memory().displaced(), server.policy()));
        drop_in_box(server.handler().0);
    },
    |bytes, room| {
        let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| {
            drop_in_box((
                incoming.payload(),
                incoming.target::<Text<'_>>("name"),
                incoming.target::<u64>("slot"),
                reply.room(),
            ));
            let answer = match number() {
                0 => reply.error_beside(Error::UNKNOWN, "len", number()),
                1 => reply.result(incoming.decode::<os::Echo<'_>>()),
                _ => reply.ok(&Empty {}),
            };
            answer.then(black_box(After::Nothing))
        };
        drop_in_box(server::serve(handler, AllowAll, bytes, room));
    },
    |bytes, room| {
        let mut answers = Answers::new(room).with_peers(size());
        let fingerprint = answers.fingerprint(bytes);
        answers.remember(black_box(Peer(0)), fingerprint, bytes);
        answers.tick(time());
        answers.passed(Span::floor(time()));
        Policy::passed(&mut black_box(DenyWrites), Span::floor(time()));
        drop_in_box(answers.received(black_box(Peer(0)), bytes, black_box(Some(fingerprint))));
        drop_in_box((answers.peers(), answers.displaced(), answers.is_used(), Answers::memory_len(size(), size())));
        let server = Server::new(Device(bytes), AllowAll).with_answers(answers);
        let mut server = server.with_parameters(black_box(1), black_box(2));
        drop_in_box(Serve::buffer_size(&server));
        serve(&mut server, bytes, &mut [0; 64]);
    },
    |bytes, room| {
        let mut server = Recovery::new(Slot(bytes), black_box(512));
        drop_in_box((Serve::buffer_size(&server), server.target().0));
        serve(&mut server, bytes, room);
    },
    |_, room| drop_in_box(fs::Store::new(Files, black_box("/lfs"), room).files()),
    |_, room| drop_in_box(settings::Store::new(Values, room).settings()),
    |bytes, room| {
        let Some((scratch, room)) = room.split_at_mut_checked(size()) else { return };
        with_slots(scratch, |slots, flash| {
            let server = Server::new(Own { slots, flash }, Picky);
            serve(&mut server.with_answers(()), bytes, room);
        });
    },
];

/// A policy that looks at everything.
struct Picky;

impl Policy for Picky {
    fn allows(&mut self, incoming: &Incoming<'_>, peer: Peer) -> Result<(), Error> {
        drop_in_box((incoming, peer, incoming.target::<Text<'_>>("name")));
        if flag() { DenyWrites.allows(incoming, peer) } else { Err(Error::BUSY) }
    }
}

/// Answers by the commands that the crate brings along.
struct Own<'o, 's> {
    slots: &'o mut Slots<'s, Sha256>,
    flash: &'o mut Flash,
}

impl Handler for Own<'_, '_> {
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        let (mut one, mut two) = ([0; 64], [0; 64]);
        match incoming.group() {
            Group::IMAGE if black_box(true) => image::answer(self.slots, self.flash, incoming, reply),
            Group::IMAGE => flash::run(image::begin(self.slots, incoming), self.flash).finish(reply),
            Group::STATISTICS => {
                let fields: &[(Text<'_>, u64)] = &[("one".into(), number())];
                stat::answer(black_box(&[stat::Set { name: "set", fields }]), incoming, reply)
            }
            Group::SETTINGS => settings::dispatch(&mut settings::Store::new(Values, &mut one), incoming, reply),
            Group::FS => fs::dispatch(&mut fs::Store::new(Files, black_box("/lfs"), &mut one), incoming, reply),
            Group::SHELL => {
                let shell = |line: &str, output: &mut shell::Output<'_>| {
                    drop_in_box(output.write_str(line));
                    black_box(0)
                };
                shell::dispatch(&mut shell::Runner::new(shell, &mut one, &mut two), incoming, reply)
            }
            _ => {
                let detail = enumeration::Detail::new(black_box(0)).with_name(black_box("os"));
                let served = [detail.with_handlers(black_box(9))];
                enumeration::dispatch(black_box(&served), incoming, reply)
            }
        }
    }
}

/// Settings with any value.
struct Values;

impl settings::Settings for Values {
    fn get(&mut self, name: &str, into: &mut [u8]) -> Result<usize, Error> {
        drop_in_box((name, into));
        black_box(Ok(0))
    }
    fn set(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        drop_in_box((name, value));
        black_box(Ok(()))
    }
    fn delete(&mut self, name: &str) -> Result<(), Error> {
        drop_in_box(name);
        black_box(Ok(()))
    }
    fn save(&mut self, name: Option<&str>) -> Result<(), Error> {
        drop_in_box(name);
        black_box(Ok(()))
    }
}

/// Files with any content.
struct Files;

impl fs::Files for Files {
    fn len(&mut self, path: fs::Path<'_>) -> Result<u64, Error> {
        drop_in_box((path.as_str(), path.below_root()));
        if flag() { Ok(number()) } else { Err(Error::UNKNOWN) }
    }
    fn read(&mut self, path: fs::Path<'_>, off: u64, into: &mut [u8]) -> Result<usize, Error> {
        drop_in_box((path, off, into));
        black_box(Ok(0))
    }
    fn create(&mut self, path: fs::Path<'_>) -> Result<(), Error> {
        drop_in_box(path);
        black_box(Ok(()))
    }
    fn append(&mut self, path: fs::Path<'_>, off: u64, data: &[u8]) -> Result<(), Error> {
        drop_in_box((path, off, data));
        black_box(Ok(()))
    }
}

/// The target of a recovery, which anything may happen to.
struct Slot<'b>(&'b [u8]);

impl Target for Slot<'_> {
    const WRITE_SIZE: u32 = 8;

    fn list(&mut self, mut add: impl FnMut(Image<'_>)) {
        let mut image = Image::new(number() as u32, black_box("1.2.3"));
        image.image = black_box(Some(1));
        image.hash = black_box(Some(self.0));
        add(image);
    }

    fn begin(&mut self, image: u32, len: u32) -> Result<(), Error> {
        drop_in_box((image, len));
        black_box(Ok(()))
    }

    fn write(&mut self, offset: u32, data: &[u8]) -> Result<(), Error> {
        drop_in_box((offset, data));
        black_box(Err(Error::UNKNOWN))
    }

    fn reset(&mut self) -> Result<(), Error> {
        black_box(Ok(()))
    }
}

/// Supports every command; what it answers is made of unknown bytes.
pub struct Device<'d>(pub &'d [u8]);

impl Device<'_> {
    fn any<'r, T: Decode<'r>>(&'r self) -> Result<T, Error> {
        T::decode(self.0).or(Err(Error::UNKNOWN))
    }
}

impl os::Commands for Device<'_> {
    fn console_echo(&mut self, request: os::ConsoleEcho) -> Result<Empty, Error> {
        black_box(request);
        self.any()
    }
    fn task_statistics(&mut self) -> Result<os::TaskStatisticsResponse<'_>, Error> {
        self.any()
    }
    fn pool_statistics(&mut self) -> Result<os::PoolStatisticsResponse<'_>, Error> {
        self.any()
    }
    fn read_datetime(&mut self) -> Result<os::DateTimeResponse<'_>, Error> {
        self.any()
    }
    fn write_datetime(&mut self, request: os::WriteDateTime<'_>) -> Result<Empty, Error> {
        black_box(request);
        self.any()
    }
    fn reset(&mut self, request: os::Reset) -> Result<Empty, Error> {
        black_box(request);
        self.any()
    }
    fn parameters(&mut self) -> Result<os::ParametersResponse, Error> {
        self.any()
    }
    fn info<'r>(&'r mut self, request: os::Info<'r>) -> Result<os::InfoResponse<'r>, Error> {
        black_box(request);
        self.any()
    }
    fn boot_loader<'r>(&'r mut self, request: os::BootLoader<'r>) -> Result<os::BootLoaderResponse<'r>, Error> {
        match black_box(request).query {
            None => Ok(os::BootLoaderResponse::of_name(black_box("name"))),
            Some(_) => Ok(os::BootLoaderResponse::of_mode(black_box(1))),
        }
    }
}

impl image::Commands for Device<'_> {
    fn read_state(&mut self) -> Result<image::StateResponse<'_>, Error> {
        self.any()
    }
    fn write_state(&mut self, request: image::WriteState<'_>) -> Result<image::StateResponse<'_>, Error> {
        black_box(request);
        self.any()
    }
    fn upload(&mut self, request: image::Upload<'_>) -> Result<image::UploadResponse, Error> {
        black_box(request);
        self.any()
    }
    fn core_list(&mut self) -> Result<Empty, Error> {
        self.any()
    }
    fn core_load(&mut self, request: image::CoreLoad) -> Result<image::CoreLoadResponse<'_>, Error> {
        black_box(request);
        self.any()
    }
    fn core_erase(&mut self) -> Result<Empty, Error> {
        self.any()
    }
    fn erase(&mut self, request: image::Erase) -> Result<Empty, Error> {
        black_box(request);
        self.any()
    }
    fn slot_info(&mut self) -> Result<image::SlotInfoResponse<'_>, Error> {
        self.any()
    }
}

impl stat::Commands for Device<'_> {
    fn read<'r>(&'r mut self, request: stat::Read<'r>) -> Result<stat::ReadResponse<'r>, Error> {
        black_box(request);
        self.any()
    }
    fn list(&mut self) -> Result<stat::ListResponse<'_>, Error> {
        self.any()
    }
}

impl settings::Commands for Device<'_> {
    fn read<'r>(&'r mut self, request: settings::Read<'r>) -> Result<settings::ReadResponse<'r>, Error> {
        black_box(request);
        self.any()
    }
    fn write(&mut self, request: settings::Write<'_>) -> Result<Empty, Error> {
        black_box(request);
        self.any()
    }
    fn delete(&mut self, request: settings::Delete<'_>) -> Result<Empty, Error> {
        black_box(request);
        self.any()
    }
    fn commit(&mut self) -> Result<Empty, Error> {
        self.any()
    }
    fn load(&mut self) -> Result<Empty, Error> {
        self.any()
    }
    fn save(&mut self, request: settings::Save<'_>) -> Result<Empty, Error> {
        black_box(request);
        self.any()
    }
}

impl fs::Commands for Device<'_> {
    fn download<'r>(&'r mut self, request: fs::Download<'r>, room: usize) -> Result<fs::DownloadResponse<'r>, Error> {
        black_box((request, room));
        self.any()
    }
    fn upload(&mut self, request: fs::Upload<'_>) -> Result<fs::UploadResponse, (Error, Option<u64>)> {
        black_box(request);
        self.any().map_err(|error| (error, black_box(Some(0))))
    }
    fn status(&mut self, request: fs::Status<'_>) -> Result<fs::StatusResponse, Error> {
        black_box(request);
        self.any()
    }
    fn hash<'r>(&'r mut self, request: fs::Hash<'r>) -> Result<fs::HashResponse<'r>, Error> {
        black_box(request);
        self.any()
    }
    fn hash_types(&mut self) -> Result<fs::HashTypesResponse<'_>, Error> {
        self.any()
    }
    fn close(&mut self) -> Result<Empty, Error> {
        self.any()
    }
}

impl shell::Commands for Device<'_> {
    fn execute<'r>(&'r mut self, request: shell::Execute<'r>) -> Result<shell::ExecuteResponse<'r>, Error> {
        black_box(request);
        self.any()
    }
}

impl zephyr::Commands for Device<'_> {
    fn erase_storage(&mut self) -> Result<Empty, Error> {
        self.any()
    }
}

impl Handler for Device<'_> {
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        match incoming.group() {
            Group::OS => os::dispatch(self, incoming, reply),
            Group::IMAGE => image::dispatch(self, incoming, reply),
            Group::STATISTICS => stat::dispatch(self, incoming, reply),
            Group::SETTINGS => settings::dispatch(self, incoming, reply),
            Group::FS => fs::dispatch(self, incoming, reply),
            Group::SHELL => shell::dispatch(self, incoming, reply),
            Group::ZEPHYR => zephyr::dispatch(self, incoming, reply),
            _ => match incoming.decode::<Empty>() {
                Ok(empty) => reply.ok(&empty),
                Err(error) => reply.error(error),
            },
        }
    }
}
