//! SMP: every request both ways, every response both ways, lists to their end, a server that has everything.

use crate::Operation;
use anysmp::smp::client::Client;
use anysmp::smp::server::{AllowAll, Answer, DenyWrites, Handler, Incoming, Reply, Server, serve};
use anysmp::smp::{Decode, Empty, Error, Group, Header, Request, Version, image, os};
use core::hint::black_box;

pub const ALL: &[Operation] = &[
    |bytes, _| {
        if let Ok((header, rest)) = Header::parse(bytes) {
            black_box((header.emit(), header.response().emit(), header.group.name(), rest));
        }
    },
    |bytes, _| {
        if let Ok(Some(error)) = Error::find(bytes) {
            black_box((error.name(), error.remedy(), error.to_v1()));
        }
    },
    |bytes, room| exchange::<os::Echo<'_>>(bytes, room),
    |bytes, room| exchange::<os::ConsoleEcho>(bytes, room),
    |bytes, room| exchange::<os::TaskStatistics>(bytes, room),
    |bytes, room| exchange::<os::PoolStatistics>(bytes, room),
    |bytes, room| exchange::<os::ReadDateTime>(bytes, room),
    |bytes, room| exchange::<os::WriteDateTime<'_>>(bytes, room),
    |bytes, room| exchange::<os::Reset>(bytes, room),
    |bytes, room| exchange::<os::Parameters>(bytes, room),
    |bytes, room| exchange::<os::Info<'_>>(bytes, room),
    |bytes, room| exchange::<os::BootLoader<'_>>(bytes, room),
    |bytes, room| exchange::<image::ReadState>(bytes, room),
    |bytes, room| exchange::<image::WriteState<'_>>(bytes, room),
    |bytes, room| exchange::<image::Upload<'_>>(bytes, room),
    |bytes, room| exchange::<image::CoreList>(bytes, room),
    |bytes, room| exchange::<image::CoreLoad>(bytes, room),
    |bytes, room| exchange::<image::CoreErase>(bytes, room),
    |bytes, room| exchange::<image::Erase>(bytes, room),
    |bytes, room| exchange::<image::SlotInfo>(bytes, room),
    |bytes, _| {
        if let Ok(response) = os::TaskStatisticsResponse::decode(bytes) {
            response.tasks.iter().for_each(drop_in_box);
            black_box(response.tasks.get(text(bytes)));
        }
    },
    |bytes, _| {
        if let Ok(response) = os::PoolStatisticsResponse::decode(bytes) {
            response.iter().for_each(drop_in_box);
        }
    },
    |bytes, room| {
        if let Ok(response) = image::StateResponse::decode(bytes) {
            for image in response.images.iter() {
                if let Some(hash) = image.hash {
                    black_box((hash.as_slice(), hash.chunks().copy_to(room)));
                }
                black_box((image.version.as_str(), image));
            }
        }
    },
    |bytes, _| {
        if let Ok(response) = image::SlotInfoResponse::decode(bytes) {
            for image in response.images.iter() {
                image.slots.iter().for_each(drop_in_box);
            }
        }
    },
    |bytes, room| drop_in_box(serve(Device(bytes), AllowAll, bytes, room)),
    |bytes, room| drop_in_box(serve(Device(bytes), DenyWrites, bytes, room)),
    |bytes, room| {
        use anysmp::link::Service;
        let (memory, room) = room.split_at_mut(room.len() / 2);
        let mut server = Server::new(Device(bytes), AllowAll).with_memory(memory).with_legacy_rc();
        for message in bytes.chunks(16) {
            black_box(server.receive(message, room));
            server.tick(core::time::Duration::from_millis(1));
        }
        black_box(server.denied());
    },
];

pub fn drop_in_box<T>(value: T) {
    black_box(value);
}

pub fn text(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).unwrap_or_default()
}

/// A request made of unknown bytes is sent, and unknown bytes come as its answer.
pub fn exchange<'m, R: Request + Decode<'m>>(bytes: &'m [u8], room: &mut [u8]) {
    let Ok(request) = R::decode(bytes) else { return };
    let version = if bytes.is_empty() { Version::V1 } else { Version::V2 };
    let mut client = Client::new(black_box(0)).with_version(version);
    if let Ok((len, pending)) = client.request(&request, room) {
        black_box(room.get(..len));
        if pending.accepts(bytes) {
            drop_in_box(pending.decode(bytes));
        }
    }
}

/// Supports every command; what it answers is made of unknown bytes.
struct Device<'d>(&'d [u8]);

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
        black_box(request);
        self.any()
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

impl Handler for Device<'_> {
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        match incoming.group() {
            Group::OS => os::dispatch(self, incoming, reply),
            Group::IMAGE => image::dispatch(self, incoming, reply),
            _ => match incoming.decode::<Empty>() {
                Ok(empty) => reply.ok(&empty),
                Err(error) => reply.error(error),
            },
        }
    }
}
