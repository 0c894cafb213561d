//! The groups beside OS and image: every request and response both ways, lists to their end, the stores behind the groups,
//! Bluetooth's pieces.

use anysmp::framing::Framing;
use anysmp::smp::ble::{self, Reassembly};
use anysmp::smp::fs::{Files, Path};
use anysmp::smp::server::{AllowAll, Answer, Incoming, Reply, serve};
use anysmp::smp::{Decode, Empty, Error, Group, enumeration, fs, legacy, settings, shell, stat, transport, zephyr};
use core::fmt::Write as _;
use core::hint::black_box;

use crate::Operation;
use crate::smp::{drop_in_box, exchange, text};

pub const ALL: &[Operation] = &[
    |bytes, room| exchange::<stat::Read<'_>>(bytes, room),
    |bytes, room| exchange::<stat::List>(bytes, room),
    |bytes, room| exchange::<settings::Read<'_>>(bytes, room),
    |bytes, room| exchange::<settings::Write<'_>>(bytes, room),
    |bytes, room| exchange::<settings::Delete<'_>>(bytes, room),
    |bytes, room| exchange::<settings::Commit>(bytes, room),
    |bytes, room| exchange::<settings::Load>(bytes, room),
    |bytes, room| exchange::<settings::Save<'_>>(bytes, room),
    |bytes, room| exchange::<fs::Download<'_>>(bytes, room),
    |bytes, room| exchange::<fs::Upload<'_>>(bytes, room),
    |bytes, room| exchange::<fs::Status<'_>>(bytes, room),
    |bytes, room| exchange::<fs::Hash<'_>>(bytes, room),
    |bytes, room| exchange::<fs::HashTypes>(bytes, room),
    |bytes, room| exchange::<fs::Close>(bytes, room),
    |bytes, room| exchange::<shell::Execute<'_>>(bytes, room),
    |bytes, room| exchange::<enumeration::Count>(bytes, room),
    |bytes, room| exchange::<enumeration::List>(bytes, room),
    |bytes, room| exchange::<enumeration::Single>(bytes, room),
    |bytes, room| exchange::<enumeration::Details<'_>>(bytes, room),
    |bytes, room| exchange::<transport::Connect<'_>>(bytes, room),
    |bytes, room| exchange::<transport::Disconnect>(bytes, room),
    |bytes, room| exchange::<transport::Status>(bytes, room),
    |bytes, room| exchange::<transport::List>(bytes, room),
    |bytes, room| exchange::<transport::Modes>(bytes, room),
    |bytes, room| exchange::<transport::Configuration>(bytes, room),
    |bytes, room| exchange::<legacy::LogShow<'_>>(bytes, room),
    |bytes, room| exchange::<legacy::LogClear<'_>>(bytes, room),
    |bytes, room| exchange::<legacy::LogModules>(bytes, room),
    |bytes, room| exchange::<legacy::LogLevels>(bytes, room),
    |bytes, room| exchange::<legacy::LogList>(bytes, room),
    |bytes, room| exchange::<legacy::Crash<'_>>(bytes, room),
    |bytes, room| exchange::<legacy::RunTest<'_>>(bytes, room),
    |bytes, room| exchange::<legacy::RunList>(bytes, room),
    |bytes, room| exchange::<zephyr::EraseStorage>(bytes, room),
    |bytes, _| {
        if let Ok(response) = stat::ReadResponse::decode(bytes) {
            response.fields.iter().for_each(drop_in_box);
        }
        if let Ok(response) = stat::ListResponse::decode(bytes) {
            response.names.iter().for_each(drop_in_box);
        }
        if let Ok(response) = fs::HashTypesResponse::decode(bytes) {
            response.types.iter().for_each(drop_in_box);
        }
        if let Ok(response) = enumeration::DetailsResponse::decode(bytes) {
            response.groups.iter().for_each(drop_in_box);
        }
        if let Ok(response) = transport::ModesResponse::decode(bytes) {
            response.modes.iter().for_each(drop_in_box);
        }
    },
    |bytes, room| {
        if let Ok(response) = legacy::LogShowResponse::decode(bytes) {
            for entry in response.logs.iter().flat_map(|log| log.entries.iter()) {
                black_box(entry.message.chunks().copy_to(room));
            }
        }
    },
    |bytes, _| {
        if let Ok(path) = Path::parse(text(bytes).into(), text(bytes)) {
            black_box((path.as_str(), path.below_root()));
        }
    },
    |bytes, room| {
        let (tx, buffer) = room.split_at_mut(room.len() / 2);
        let mut store = fs::Store::new(Unknown(bytes), text(bytes), buffer);
        for message in bytes.chunks(16) {
            let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| fs::dispatch(&mut store, incoming, reply);
            black_box(serve(handler, AllowAll, message, tx));
        }
    },
    |bytes, room| {
        let (tx, buffer) = room.split_at_mut(room.len() / 2);
        let mut store = settings::Store::new(Unknown(bytes), buffer);
        let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| settings::dispatch(&mut store, incoming, reply);
        black_box(serve(handler, AllowAll, bytes, tx));
    },
    |bytes, room| {
        let (tx, buffer) = room.split_at_mut(room.len() / 2);
        let (line, output) = buffer.split_at_mut(buffer.len() / 2);
        let shell = |line: &str, output: &mut shell::Output<'_>| output.write_str(line).map_or(1, |()| 0);
        let mut runner = shell::Runner::new(shell, line, output);
        let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| shell::dispatch(&mut runner, incoming, reply);
        black_box(serve(handler, AllowAll, bytes, tx));
    },
    |bytes, room| {
        let fields = [(text(bytes).into(), black_box(1))];
        let sets = [stat::Set { name: text(bytes), fields: &fields }];
        let served = [enumeration::Detail { group: black_box(1), name: Some(text(bytes).into()), handlers: Some(1) }];
        let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| answer(&sets, &served, bytes, incoming, reply);
        black_box(serve(handler, AllowAll, bytes, room));
    },
    |bytes, room| {
        let mut end = Reassembly::server(room);
        for mut piece in ble::fragments(bytes, black_box(0)) {
            black_box(end.push(&mut piece).is_ok());
            black_box(end.message());
        }
        black_box(end.idle(core::time::Duration::from_secs(1)).is_ok());
        end.reset();
    },
];

fn answer(
    sets: &[stat::Set<'_>],
    served: &[enumeration::Detail<'_>],
    bytes: &[u8],
    incoming: &Incoming<'_>,
    reply: Reply<'_>,
) -> Answer {
    match incoming.group() {
        Group::STATISTICS => stat::answer(sets, incoming, reply),
        Group::ENUMERATION => enumeration::dispatch(served, incoming, reply),
        Group::ZEPHYR => zephyr::dispatch(&mut Unknown(bytes), incoming, reply),
        _ => stat::dispatch(&mut Unknown(bytes), incoming, reply),
    }
}

/// Everything that a store asks for; what it answers is made of unknown bytes.
struct Unknown<'d>(&'d [u8]);

impl Unknown<'_> {
    fn done(&self) -> Result<(), Error> {
        if self.0.is_empty() { Err(Error::UNKNOWN) } else { Ok(()) }
    }

    fn size(&self) -> Result<usize, Error> {
        self.done()?;
        Ok(black_box(self.0.len()))
    }
}

impl Files for Unknown<'_> {
    fn len(&mut self, path: Path<'_>) -> Result<u64, Error> {
        black_box(path);
        self.size().map(|len| len as u64)
    }
    fn read(&mut self, _: Path<'_>, off: u64, into: &mut [u8]) -> Result<usize, Error> {
        black_box((off, into));
        self.size()
    }
    fn create(&mut self, _: Path<'_>) -> Result<(), Error> {
        self.done()
    }
    fn append(&mut self, _: Path<'_>, off: u64, data: &[u8]) -> Result<(), Error> {
        black_box((off, data));
        self.done()
    }
}

impl settings::Settings for Unknown<'_> {
    fn get(&mut self, name: &str, into: &mut [u8]) -> Result<usize, Error> {
        black_box((name, into));
        self.size()
    }
    fn set(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        black_box((name, value));
        self.done()
    }
}

impl stat::Commands for Unknown<'_> {
    fn read<'r>(&'r mut self, request: stat::Read<'r>) -> Result<stat::ReadResponse<'r>, Error> {
        black_box(request);
        Decode::decode(self.0).or(Err(Error::UNKNOWN))
    }
    fn list(&mut self) -> Result<stat::ListResponse<'_>, Error> {
        Decode::decode(self.0).or(Err(Error::UNKNOWN))
    }
}

impl zephyr::Commands for Unknown<'_> {
    fn erase_storage(&mut self) -> Result<Empty, Error> {
        self.done().map(|()| Empty {})
    }
}
