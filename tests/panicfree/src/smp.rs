//! SMP, the client: every request both ways, every response both ways, lists to their end, all
//! routines.

use crate::{Operation, ask, drop_in_box, flag, number, run, size, time};
use anysmp::cbor::{Text, Writer};
use anysmp::line::Limits;
use anysmp::mcuboot;
use anysmp::routine::Routine;
use anysmp::smp::client::Client;
use anysmp::smp::error::beside;
use anysmp::smp::routine::{
    Call, FileDownload, FileUpload, ImageFile, Item, Pacing, SettingsWalk, StatWalk, Upgrade, Upload, sha256,
};
use anysmp::smp::{Decode, Dynamic, Error, Group, Header, Op, Request, Version};
use anysmp::smp::{enumeration, fs, image, legacy, os, settings, shell, stat, transport, zephyr};
use anysmp::source::{Source, SourceFailed};
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
    |bytes, room| {
        if let Ok(Some(error)) = Error::find(bytes) {
            for version in [Version::V1, Version::V2] {
                drop_in_box(error.write(version, &mut Writer::new(room)));
            }
        }
    },
    |bytes, _| drop_in_box((beside::<u64>(bytes, black_box("off")), beside::<Text<'_>>(bytes, black_box("name")))),
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
    |bytes, room| exchange::<zephyr::EraseStorage>(bytes, room),
    |bytes, room| exchange::<legacy::LogShow<'_>>(bytes, room),
    |bytes, room| exchange::<legacy::LogClear<'_>>(bytes, room),
    |bytes, room| exchange::<legacy::LogModules>(bytes, room),
    |bytes, room| exchange::<legacy::LogLevels>(bytes, room),
    |bytes, room| exchange::<legacy::LogList>(bytes, room),
    |bytes, room| exchange::<legacy::Crash<'_>>(bytes, room),
    |bytes, room| exchange::<legacy::RunTest<'_>>(bytes, room),
    |bytes, room| exchange::<legacy::RunList>(bytes, room),
    |bytes, room| exchange::<transport::Connect<'_>>(bytes, room),
    |bytes, room| exchange::<transport::Disconnect>(bytes, room),
    |bytes, room| exchange::<transport::Status>(bytes, room),
    |bytes, room| exchange::<transport::List>(bytes, room),
    |bytes, room| exchange::<transport::Modes>(bytes, room),
    |bytes, room| exchange::<transport::Configuration>(bytes, room),
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
    |bytes, _| {
        if let Ok(response) = stat::ReadResponse::decode(bytes) {
            response.fields.iter().for_each(drop_in_box);
        }
    },
    |bytes, _| {
        if let Ok(response) = legacy::LogShowResponse::decode(bytes) {
            response.logs.iter().for_each(|log| log.entries.iter().for_each(drop_in_box));
        }
    },
    |bytes, _| {
        if let Ok(response) = enumeration::DetailsResponse::decode(bytes) {
            response.groups.iter().for_each(drop_in_box);
        }
    },
    |bytes, _| {
        if let Ok(response) = transport::ListResponse::decode(bytes) {
            response.transports.iter().for_each(drop_in_box);
        }
        if let Ok(response) = transport::ModesResponse::decode(bytes) {
            response.modes.iter().for_each(drop_in_box);
        }
        if let Ok(response) = transport::ConfigurationResponse::decode(bytes) {
            response.keys.iter().for_each(drop_in_box);
        }
    },
    |bytes, _| drop_in_box(fs::Path::parse(Text::from_bytes(bytes), black_box("/lfs"))),
    |_, _| drop_in_box(os::mode_name(black_box(0))),
    |bytes, room| run(&mut Upload::new(File(bytes)), &mut client(), bytes, room),
    |bytes, room| run(&mut upload(bytes), &mut client(), bytes, room),
    |bytes, room| {
        let parameters = black_box(os::ParametersResponse::new(0, 0));
        run(&mut upload(bytes).with_parameters(parameters).with_sha(black_box([0; 32])), &mut client(), bytes, room);
    },
    |bytes, room| {
        let mut upload = upload(bytes);
        if let Ok(sha) = sha256(upload.source(), number()) {
            upload = upload.with_sha(sha);
            run(&mut upload, &mut client(), bytes, room);
            drop_in_box(upload.progress());
        }
    },
    |bytes, _| {
        drop_in_box(
            ImageFile::read(&mut File(bytes))
                .map(|file| (file.version(), file.len(), file.decompressed_hash().is_some())),
        )
    },
    |bytes, _| drop_in_box(mcuboot::Version::parse(Text::from_bytes(bytes).as_bytes().iter().flatten().copied())),
    |bytes, room| {
        if let Ok(mut upgrade) = Upgrade::new(upload(bytes)) {
            run(&mut upgrade, &mut client(), bytes, room);
        }
    },
    |bytes, room| {
        let Ok(upgrade) = Upgrade::new(upload(bytes)) else { return };
        let mut upgrade =
            upgrade.with_image(black_box(0)).with_confirm(flag()).with_force(flag()).with_plan_only(flag());
        upgrade = upgrade.with_settle(flag()).with_upgrade_only(flag()).with_boot_time(time()).with_rest(time());
        run(&mut upgrade, &mut client(), bytes, room);
        drop_in_box((upgrade.phase(), upgrade.item().version(), upgrade.item().len(), upgrade.item().place()));
        let notes = upgrade.report().notes;
        notes.iter().for_each(|note| drop_in_box((note, notes.contains(note))));
    },
    |bytes, room| {
        let (one, other) = (Item::new(File(bytes)), Item::new(File(bytes)));
        let (Ok(one), Ok(other)) = (one, other) else { return };
        let mut items = [one.with_sha(black_box([0; 32])), other.with_image(black_box(1))];
        let pacing = Pacing::new().with_limits(limits()).with_retries(black_box(3)).with_timeouts(time(), time());
        let mut upgrade = Upgrade::several(&mut items[..]).with_pacing(pacing);
        run(&mut upgrade, &mut client(), bytes, room);
        upgrade.items().iter().for_each(|item| drop_in_box((item.image(), item.place())));
    },
    |bytes, _| {
        if let Ok(file) = ImageFile::read(&mut File(bytes)) {
            drop_in_box((file.flags(), file.hash(), file.hash_kind()));
            drop_in_box(file.verify(&mut File(bytes), &mut mcuboot::digest::Sha256::new()));
        }
    },
    |bytes, room| run(&mut StatWalk::new(), &mut client(), bytes, room),
    |bytes, room| {
        run(&mut SettingsWalk::new(black_box(&["name"])).with_max_size(black_box(0)), &mut client(), bytes, room)
    },
    |bytes, room| run(&mut FileDownload::new(text(bytes)), &mut client(), bytes, room),
    |bytes, room| {
        let download =
            FileDownload::new(text(bytes)).with_offset(number()).with_window(size()).with_retries(black_box(3));
        run(&mut download.with_beginning(bytes).with_verify(flag()), &mut client(), bytes, room);
    },
    |bytes, room| run(&mut FileUpload::new(text(bytes), File(bytes)), &mut client(), bytes, room),
    |bytes, room| {
        let upload =
            FileUpload::new(text(bytes), File(bytes)).with_limits(limits()).with_overhead(size()).with_window(size());
        let upload = upload.with_max_message(size()).with_retries(black_box(3)).with_resume(flag()).with_verify(flag());
        let mut upload = upload.with_parameters(black_box(os::ParametersResponse::new(0, 0)));
        run(&mut upload, &mut client(), bytes, room);
        drop_in_box((upload.progress(), upload.source().len()));
    },
    |bytes, _| drop_in_box((upload(bytes).source().len(), client().timeout(), client().retries())),
    |bytes, room| {
        let mut client = client().with_non_idempotent_retries(black_box(1));
        drop_in_box(client.non_idempotent_retries());
        let dynamic = Dynamic { op: Op::Write, group: Group(black_box(64)), command: black_box(0), payload: bytes };
        ask(&mut client, &dynamic, bytes, room);
        if let Ok((len, pending)) = client.request_dynamic(&dynamic, room) {
            drop_in_box((room.get(..len), pending.accepts(bytes), pending.decode(bytes)));
            drop_in_box(client.adopt_version(pending.header().version, black_box(Version::V2), Error::VERSION_TOO_NEW));
        }
    },
    |bytes, room| {
        let (mut client, request) = (client(), os::Echo::new(text(bytes)));
        let mut call = Call::new(black_box(2));
        drop_in_box(call.poll(&mut client, &request, time(), room));
        call.timed_out();
        drop_in_box(call.receive(&mut client, bytes).map(drop_in_box).then(drop_in_box));
    },
    |bytes, _| {
        if let Ok((header, _)) = Header::parse(bytes) {
            drop_in_box((header.op.is_request(), header.op.response()));
        }
    },
    |bytes, _| {
        let pools = [(Text::from_bytes(bytes), os::Pool::default())];
        os::PoolStatisticsResponse::new(black_box(&pools)).iter().for_each(drop_in_box);
    },
];

pub fn text(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).unwrap_or_default()
}

pub fn client() -> Client {
    let client = Client::new(black_box(0)).with_timeout(time()).with_retries(black_box(3));
    if flag() { client.with_version(Version::V1) } else { client }
}

/// A request made of unknown bytes is sent, and unknown bytes come as its answer.
fn exchange<'m, R: Request + Decode<'m>>(bytes: &'m [u8], room: &mut [u8]) {
    let Ok(request) = R::decode(bytes) else { return };
    let mut client = client();
    ask(&mut client, &request, bytes, room);
    if let Ok((len, pending)) = client.request(&request, room) {
        black_box(room.get(..len));
        if pending.accepts(bytes) {
            drop_in_box(pending.decode(bytes));
        }
    }
    drop_in_box(R::response(bytes));
}

/// A file of unknown length and content, which may fail.
pub struct File<'f>(pub &'f [u8]);

impl Source for File<'_> {
    fn len(&self) -> u64 {
        black_box(self.0).len() as u64
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), SourceFailed> {
        drop_in_box((offset, into));
        black_box(Ok(()))
    }
}

/// An upload with every setting that there is.
fn upload(bytes: &[u8]) -> Upload<File<'_>> {
    let upload = Upload::new(File(bytes))
        .with_limits(limits())
        .with_overhead(size())
        .with_window(size())
        .with_max_message(size());
    let upload = upload
        .with_image(black_box(0))
        .with_upgrade_only(flag())
        .with_retries(black_box(3))
        .with_timeouts(time(), time());
    if flag() { upload.with_len(number()) } else { upload }
}

fn limits() -> Limits {
    black_box(Limits { overhead: 0, datagram: false, tx: 0, rx: 0 })
}
