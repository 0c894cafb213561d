//! A value of every type that implements its own output by hand, filled with a marker wherever
//! foreign bytes can be.

use core::fmt::Debug;
use core::time::Duration;
use std::collections::BTreeSet;

use anysmp::bsmp::{self, Address, curve, function, group, variable};
use anysmp::cbor::{Bytes, Item, List, Reader, Table, Text, Writer};
use anysmp::dfu;
use anysmp::framing::{Framing, Progress, auto, bridge, console, counted, datagram, delimited, gatt, lrc, packet};
use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::{build, flash, image, slots, tlv};
use anysmp::s3mp::{self, slave, value};
use anysmp::smp::server::{AllowAll, Answer, Answers, Incoming, Known, Policy, Reply, Server, serve};
use anysmp::smp::{self, client, fs, os, routine, settings, shell};
use anysmp::testing::RamNor;
use anysmp::{asynch, blocking, cobs, line, port};

use super::source::{self, Types};
use super::{Printed, leaks};

const TEXT: &str = "hunter2-hunter2-hunter2-hunter2-";
const BYTES: &[u8] = TEXT.as_bytes();

/// Types that print by hand text which is no secret, and what it is. All others print none.
const SHOWN: &[(&str, &str)] = &[
    ("anysmp::cbor::string::Text", "a name, a version, an echo; types with other text hide it themselves"),
    ("anysmp::cbor::list::List", "elements as they print themselves"),
    ("anysmp::cbor::list::Table", "keys, which are names, and values as they print themselves"),
    ("anysmp::smp::group::os::statistics::PoolStatisticsResponse", "names of memory pools"),
    ("anysmp::smp::group::fs::path::Path", "the name of a file"),
    ("anysmp::s3mp::master::names::Names", "names of addresses"),
];

/// Types that hold text and derive what they print, so that it shows, and what it is.
const TEXTS: &[(&str, &str)] = &[
    ("anysmp::smp::group::os::Echo", "text that is sent back"),
    ("anysmp::smp::group::os::EchoResponse", "text that was sent"),
    ("anysmp::smp::group::os::DateTimeResponse", "a date"),
    ("anysmp::smp::group::os::WriteDateTime", "a date"),
    ("anysmp::smp::group::os::information::Info", "letters that choose what is described"),
    ("anysmp::smp::group::os::information::InfoResponse", "a description of the firmware"),
    ("anysmp::smp::group::os::information::BootLoader", "a word that chooses what is described"),
    ("anysmp::smp::group::os::information::BootLoaderResponse", "a name"),
    ("anysmp::smp::group::image::ImageState", "a version"),
    ("anysmp::smp::group::stat::Read", "the name of a set"),
    ("anysmp::smp::group::stat::ReadResponse", "the name of a set"),
    ("anysmp::smp::group::stat::ListResponse", "names of sets"),
    ("anysmp::smp::group::stat::Set", "names in the firmware's source"),
    ("anysmp::smp::group::settings::Read", "the name of a setting"),
    ("anysmp::smp::group::settings::Write", "the name of a setting; its value hides itself"),
    ("anysmp::smp::group::settings::Delete", "the name of a setting"),
    ("anysmp::smp::group::settings::Save", "the name of a subtree"),
    ("anysmp::smp::group::fs::Download", "the name of a file"),
    ("anysmp::smp::group::fs::Upload", "the name of a file; its content hides itself"),
    ("anysmp::smp::group::fs::Status", "the name of a file"),
    ("anysmp::smp::group::fs::Hash", "the names of a file and of a hash"),
    ("anysmp::smp::group::fs::HashResponse", "the name of a hash"),
    ("anysmp::smp::group::enumeration::Detail", "the name of a group"),
    ("anysmp::smp::group::transport::Connect", "an address"),
    ("anysmp::smp::group::transport::Transport", "a name"),
    ("anysmp::smp::group::transport::Mode", "a description"),
    ("anysmp::smp::group::transport::Key", "a name"),
    ("anysmp::smp::group::legacy::LogShow", "the name of a log"),
    ("anysmp::smp::group::legacy::Log", "the name of a log"),
    ("anysmp::smp::group::legacy::LogEntry", "the form of a message; the message hides itself"),
    ("anysmp::smp::group::legacy::LogClear", "the name of a log"),
    ("anysmp::smp::group::legacy::LogListResponse", "names of logs"),
    ("anysmp::smp::group::legacy::Crash", "the kind of a crash"),
    ("anysmp::smp::group::legacy::RunListResponse", "names of tests"),
];

/// What was printed, and where the marker showed.
#[derive(Default)]
struct Prints {
    types: BTreeSet<String>,
    leaks: Vec<String>,
}

impl Prints {
    fn print<T: Printed>(&mut self, value: &T) {
        let name = core::any::type_name::<T>().split('<').next().unwrap();
        let leaks = leaks(name, value);
        if SHOWN.iter().any(|(shown, _)| *shown == name) {
            assert!(!leaks.is_empty(), "{name} hides text that is no secret: {value:?}");
        } else {
            self.leaks.extend(leaks);
        }
        self.types.insert(name.to_owned());
    }

    /// A framing with half a message in it, and its encoder.
    fn framing<F: Framing + Printed>(&mut self, mut framing: F)
    where
        F::Encoder: Printed,
    {
        let message = &[&[0, 0, 0, 24, 0, 0, 0, 0][..], &BYTES[..24]].concat();
        let mut frame = [0; 128];
        let mut encoder = framing.encode(message).unwrap();
        self.print(&encoder);
        let len = anysmp::framing::Encoder::next(&mut encoder, message, &mut frame);
        self.print(&encoder);
        for mut input in [&frame[..len / 2], BYTES, &frame[..len]] {
            while !input.is_empty() {
                if let Ok(progress) = framing.push(&mut input) {
                    self.print(&progress);
                }
            }
            self.print(&framing);
        }
    }
}

/// The application's own part: prints everything it has, which the crate must not ask for.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
struct Own(&'static str);

const OWN: Own = Own(TEXT);

impl embedded_io::ErrorType for Own {
    type Error = embedded_io::ErrorKind;
}

impl embedded_io::Read for Own {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Self::Error> {
        let len = into.len().min(BYTES.len());
        into[..len].copy_from_slice(&BYTES[..len]);
        Ok(len)
    }
}

impl embedded_io::Write for Own {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl embedded_io_async::Read for Own {
    async fn read(&mut self, into: &mut [u8]) -> Result<usize, Self::Error> {
        embedded_io::Read::read(self, into)
    }
}

impl embedded_io_async::Write for Own {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl port::Clock for Own {
    fn elapsed(&mut self) -> Duration {
        Duration::ZERO
    }
}

impl bsmp::Entities for Own {
    fn read(&mut self, _: u8, _: &mut [u8]) {}
}

impl curve::Checksum for Own {
    fn update(&mut self, _: &[u8]) {}

    fn digest(&self) -> Option<curve::Digest> {
        None
    }
}

impl slave::Resources for Own {
    fn names(&self) -> &[&str] {
        &["name"]
    }

    fn get(&mut self, _: s3mp::Address, _: &mut [u8]) -> Result<usize, slave::Refusal> {
        Err(slave::Refusal::NotFound)
    }
}

impl settings::Settings for Own {
    fn get(&mut self, _: &str, _: &mut [u8]) -> Result<usize, smp::Error> {
        Err(smp::Error::NOT_SUPPORTED)
    }

    fn set(&mut self, _: &str, _: &[u8]) -> Result<(), smp::Error> {
        Ok(())
    }

    fn delete(&mut self, _: &str) -> Result<(), smp::Error> {
        Ok(())
    }
}

impl fs::Files for Own {
    fn len(&mut self, _: fs::Path<'_>) -> Result<u64, smp::Error> {
        Ok(0)
    }

    fn read(&mut self, _: fs::Path<'_>, _: u64, _: &mut [u8]) -> Result<usize, smp::Error> {
        Ok(0)
    }

    fn create(&mut self, _: fs::Path<'_>) -> Result<(), smp::Error> {
        Ok(())
    }

    fn append(&mut self, _: fs::Path<'_>, _: u64, _: &[u8]) -> Result<(), smp::Error> {
        Ok(())
    }
}

impl smp::recovery::Target for Own {
    fn list(&mut self, _: impl FnMut(smp::recovery::Image<'_>)) {}

    fn begin(&mut self, _: u32, _: u32) -> Result<(), smp::Error> {
        Ok(())
    }

    fn write(&mut self, _: u32, _: &[u8]) -> Result<(), smp::Error> {
        Ok(())
    }
}

impl slots::Verifier for Own {
    fn verify(&mut self, _: &[u8], _: &[u8; 64]) -> bool {
        true
    }
}

impl dfu::Loader for Own {
    fn is_trial(&mut self) -> Result<bool, flash::Failed> {
        Ok(false)
    }

    fn mark(&mut self) -> Result<(), flash::Failed> {
        Ok(())
    }

    fn confirm(&mut self) -> Result<(), flash::Failed> {
        Ok(())
    }
}

impl Policy for Own {
    fn allows(&mut self, _: &Incoming<'_>, _: line::Peer) -> Result<(), smp::Error> {
        Ok(())
    }
}

fn drivers(prints: &mut Prints) {
    let tick = Duration::from_millis(10);
    let (mut message, mut memory) = ([0; 64], [0; 192]);
    memory.fill(b'h');
    memory[..BYTES.len()].copy_from_slice(BYTES);
    let framing = datagram::Datagram::new(&mut message);
    prints.print(&line::Buffers::split(&mut memory));
    let mut link = blocking::Link::new(OWN, framing, &mut memory).unwrap().with_sink(Sink(OWN));
    prints.print(&link);
    link.recv(tick).unwrap();
    link.send(BYTES).unwrap();
    prints.print(&link);
    prints.print(link.line());
    let framing = datagram::Datagram::new(&mut message);
    prints.print(&asynch::Link::new(OWN, framing, &mut memory).unwrap());
    prints.print(&port::Timed::new(OWN, OWN, tick));
    prints.print(&port::Ticking::new(OWN, tick));
    prints.print(&port::Clocked::new(OWN, || Duration::ZERO));
    prints.print(&port::Join::new(OWN, OWN));
    // Its part with the caller's function has no name, and shows a length only.
    prints.print(&port::Join::new(OWN, OWN).with_flush(64, OWN));
    prints.print(&port::Io::new(OWN));
    prints.print(&port::Udp::bind("127.0.0.1:0").unwrap());
    prints.print(&line::Text(OWN));
}

#[derive(Debug)]
struct Sink(#[expect(dead_code, reason = "what `Debug` prints of it would show")] Own);

impl line::Sink for Sink {}

fn framings(prints: &mut Prints) {
    let room = &mut [0; 128];
    prints.framing(console::Console::new(room));
    prints.framing(counted::Counted::<counted::Head8>::new(room));
    prints.framing(datagram::Datagram::new(room));
    prints.framing(delimited::Cobs::new(room));
    prints.framing(lrc::Lrc::new(room));
    prints.framing(packet::Packet::new(room, Duration::from_millis(5)));
    prints.framing(auto::Auto::new(room));
    prints.framing(bridge::Bridge::<bridge::WithId>::new(room, Duration::ZERO));
    prints.print(&Progress::Text(BYTES));
    prints.print(&cobs::Encoder::new([b'h', b'u', b'n', b't']));
    prints.print(&gatt::fragments(BYTES, 20));
}

fn cbor(prints: &mut Prints) {
    let mut room = *b"hunter2-hunter2-hunter2-hunter2-";
    let mut writer = Writer::new(&mut room);
    writer.text("hunter2-").unwrap();
    prints.print(&writer);
    prints.print(&Reader::new(BYTES));
    prints.print(&writer.fields(anysmp::cbor::keys!["hunter2-"]));
    prints.print(&anysmp::cbor::keys!["hunter2-"]);
    let items = [Item::Bytes(BYTES.into()), Item::Text(TEXT.into()), Item::Map(Reader::new(BYTES))];
    for item in items.into_iter().chain([Item::Other(Reader::new(BYTES))]) {
        prints.print(&item);
    }
    prints.print(&Text::from(TEXT));
    prints.print(&Bytes::from(BYTES));
    prints.print(&Bytes::from(BYTES).chunks());
    prints.print(&Bytes::from(BYTES).chunks().iter());
    prints.print(&List::from(&[Text::from(TEXT)][..]));
    prints.print(&List::from(&[Text::from(TEXT)][..]).iter());
    prints.print(&Table::from(&[(Text::from(TEXT), Text::from(TEXT))][..]));
    prints.print(&Table::from(&[(Text::from(TEXT), Text::from(TEXT))][..]).iter());
}

fn bsmp_types(prints: &mut Prints) {
    use anysmp::bsmp::Request;
    use anysmp::framing::bridge::WithId;
    let table = bsmp::Table::new(&[], &[], &[]).unwrap();
    let server = bsmp::Server::new(OWN, &table);
    prints.print(&server);
    let mut node = [bsmp::Node::new(server, Address::node(1).unwrap()).unwrap()];
    prints.print(&node[0]);
    prints.print(&bsmp::node::Nodes::new(&mut node));
    let mut kept = BYTES.to_vec();
    prints.print(&bsmp::bridge::Bridge::<_, WithId>::new(OWN, &mut kept));
    prints.print(&bsmp::Command(0x10));
    prints.print(&bsmp::Client::new().request(&variable::Write { id: 0, value: BYTES }, &mut [0; 256]).unwrap().1);
    prints.print(&bsmp::Payload::new(&mut BYTES.to_vec()));
    let list = curve::List;
    prints.print(&curve::List::decode(&list.expectation(), &BYTES[..30]).unwrap());
    let list = variable::List;
    prints.print(&variable::List::decode(&list.expectation(), BYTES).unwrap());
    let list = group::List;
    prints.print(&group::List::decode(&list.expectation(), &BYTES[..8]).unwrap());
    let list = function::List { layout: function::Layout::Bytes };
    prints.print(&function::List::decode(&list.expectation(), BYTES).unwrap());
    prints.print(&variable::Write { id: 0, value: BYTES });
    prints.print(&variable::Combine { id: 0, op: variable::Op::And, mask: BYTES });
    prints.print(&variable::WriteRead { write: 0, value: BYTES, read: 0, size: None });
    prints.print(&group::Write { id: 0, values: BYTES });
    prints.print(&group::Combine { id: 0, op: variable::Op::And, masks: BYTES });
    prints.print(&curve::WriteBlock { id: 0, block: 0, data: BYTES });
    prints.print(&function::Execute { id: 0, input: BYTES, output: None });
    let sizes = curve::Curve::writable(32, 1);
    prints.print(&bsmp::routine::ReadCurve::new(0, sizes, OWN));
    prints.print(&bsmp::routine::ReadEvent::Block { block: 0, data: BYTES });
    prints.print(&bsmp::routine::WriteCurve::new(0, sizes, BYTES, OWN));
    let mut tables = bsmp::routine::Tables::new();
    prints.print(&tables);
    let storage = tables.storage();
    prints.print(&storage);
    prints.print(&bsmp::routine::Discovery::new(storage));
    let chars = bsmp::typed::Chars::<32>::new(TEXT).unwrap();
    prints.print(&chars);
    prints.print(&bsmp::typed::Elements(&[chars]));
    prints.print(&bsmp::typed::Typed::writable(0).write(chars));
    prints.print(&bsmp::typed::Function::<bsmp::typed::Chars<32>, u8>::new(0).call(chars));
    prints.print(&bsmp::routine::Scan::new());
    prints.print(&bsmp::routine::PollEvent::Value { poll: 0, value: BYTES });
    prints.print(&bsmp::routine::Poller::new(&mut [bsmp::routine::Polled::only()], &mut []));
    let mut digest = curve::Md5::default();
    curve::Checksum::update(&mut digest, BYTES);
    prints.print(&digest);
}

fn s3mp_types(prints: &mut Prints) {
    prints.print(&s3mp::Command(0x10));
    prints.print(&s3mp::ResponseCode(0x10));
    prints.print(&value::Value::new(BYTES));
    prints.print(&slave::Slave::new(OWN).unwrap());
    prints.print(&slave::Watched::new(TEXT));
    prints.print(&slave::Damped::new(7_u8));
    let mut reported = [slave::Reported::<16>::NONE; 2];
    prints.print(&reported[0]);
    prints.print(&slave::Compared::new(OWN, &mut reported));
    prints.print(&s3mp::routine::Boot::from(value::Value::new(BYTES)));
    let mut names = [0; 64];
    let len = value::encode([TEXT], &mut names).unwrap();
    let names = <s3mp::master::Describe as s3mp::master::Request>::decode(&names[..len]).unwrap();
    prints.print(&names);
    prints.print(&names.iter());
    let set = s3mp::master::Set { address: s3mp::Address(1), value: value::Value::new(BYTES) };
    prints.print(&s3mp::Master::new(s3mp::Counter::FIRST).request(&set, &mut [0; 256]).unwrap().1);
}

fn mcuboot_types(prints: &mut Prints) {
    let mut room = [0; 256];
    let version = anysmp::mcuboot::Version::new(1, 2, 3);
    let len = build::Builder::new(version).build(BYTES, &mut Sha256::new(), &mut room).unwrap();
    let file = &room[..len];
    prints.print(&image::Image::parse(file).unwrap());
    let [active, spare, record] =
        [0, 4096, 8192].map(|start| dfu::Region::new(start, if start == 8192 { 8192 } else { 4096 }));
    let regions = dfu::Regions { active, spare, record, checkpoint: None };
    let mut scratch = [b'h'; 600];
    let geometry = flash::Geometry::new(1, 4, 4096, 16384);
    let mut updater = dfu::Updater::new(geometry, regions, version, OWN, &mut scratch, Sha256::new()).unwrap();
    prints.print(&updater);
    prints.print(&anysmp::mcuboot::digest::Digests::new(Sha256::new(), Sha256::new()));
    let protection = slots::DowngradeProtection::new();
    prints.print(&protection);
    prints.print(&slots::SignatureCheck::new(OWN));
    prints.print(&slots::PaddedFiles::new(()));
    prints.print(&flash::TwoGeometries::new(geometry, geometry));
    prints.print(&flash::Two::new(&mut [0_u8], &mut [0_u8]));
    prints.print(&flash::Device::Spare);
    prints.print(&updater.begin(dfu::Command::SetState { hash: Some(BYTES), confirm: true }));
    prints.print(&dfu::Entry { len: 32, version, hash: *b"hunter2-hunter2-hunter2-hunter2-" });
    prints.print(&routine::ImageFile::read(&mut &*file).unwrap());
    prints.print(&routine::Item::new(file).unwrap());
    prints.print(&routine::Pacing::new().with_parameters(os::ParametersResponse::new(512, 4)));
    prints.print(&routine::Upgrade::new(routine::Upload::new(file)).unwrap());
    prints.print(&tlv::Tlv { kind: tlv::Kind(0x10), value: BYTES });
    prints.print(&tlv::Tlvs::new(BYTES));
    let mut digest = Sha256::new();
    anysmp::mcuboot::Digest::update(&mut digest, BYTES);
    prints.print(&digest);
    prints.print(&flash::Operation::Write { address: 0, bytes: BYTES });
    prints.print(&flash::Operation::Read { address: 0, into: &mut BYTES.to_vec() });
    let chunk = slots::Chunk { data: BYTES, sha: Some(BYTES), len: Some(4096), ..slots::Chunk::default() };
    prints.print(&chunk);
    prints.print(&slots::Command::Upload(chunk));
    prints.print(&slots::Command::SetState { hash: Some(BYTES), confirm: false });

    let (hash, version) = (BYTES, anysmp::mcuboot::Version::new(1, 2, 3));
    let (bootable, pending, confirmed, active, permanent) = (true, true, true, true, true);
    let state = slots::State { image: 0, slot: 0, version, hash, bootable, pending, confirmed, active, permanent };
    prints.print(&state);

    let mut memory = BYTES.repeat(0x8000 / 32);
    let nor = RamNor::<4, 4096>::new(&mut memory);
    prints.print(&nor);
    let config = slots::Config::swap_move(flash::geometry(&nor), 64);
    prints.print(&config);
    let region = |at| slots::Region::new(at, 0x4000);
    let mut pairs = [slots::Pair::new(region(0), region(0x4000))];
    let mut scratch = BYTES.repeat(4);
    let mut slots = slots::Slots::new(config, &mut pairs, &mut scratch, Sha256::new()).unwrap();
    prints.print(&slots);
    prints.print(&slots.begin(slots::Command::Upload(chunk)));
    prints.print(&slots.begin(slots::Command::SetState { hash: Some(BYTES), confirm: false }));
    served(prints, 1, 1, &mut |incoming, reply, prints| {
        prints.print(&smp::image::begin(&mut slots, incoming));
        reply.error(smp::Error::NOT_SUPPORTED)
    });
}

type Serve<'s> = &'s mut dyn FnMut(&Incoming<'_>, Reply<'_>, &mut Prints) -> Answer;

/// Hands a request over that holds the marker where there is room for text.
fn served(prints: &mut Prints, group: u8, command: u8, handle: Serve<'_>) {
    let mut request = vec![0x0A, 0, 0, 0, 0, group, 0, command, 0xA2, 0x61, b'd', 0x78, 32];
    request.extend(BYTES);
    request.extend([0x64, b'd', b'a', b't', b'a', 0x58, 32]);
    request.extend(BYTES);
    request[3] = u8::try_from(request.len() - 8).unwrap();
    let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| {
        prints.print(incoming);
        prints.print(&reply);
        handle(incoming, reply, prints)
    };
    let mut tx = *b"hunter2-hunter2-hunter2-hunter2-";
    serve(handler, AllowAll, &request, &mut tx);
}

fn smp_types(prints: &mut Prints) {
    served(prints, 0, 0, &mut |_, reply, _| reply.error(smp::Error::NOT_SUPPORTED));
    let handler = |_: &Incoming<'_>, reply: Reply<'_>| reply.error(smp::Error::NOT_SUPPORTED);
    let mut memory = BYTES.to_vec();
    prints.print(&Answers::new(&mut memory));
    prints.print(&Answers::new(&mut memory).with_peers(1));
    prints.print(&Known::Response(BYTES));
    prints.print(&Server::new(handler, OWN).with_memory(&mut memory));
    let mut room = [0; 64];
    let request = os::Echo::new(TEXT);
    prints.print(&client::Client::new(0).request(&request, &mut room).unwrap().1);
    prints.print(&os::PoolStatisticsResponse::new(&[(Text::from(TEXT), os::Pool::default())]));
    prints.print(&fs::Path::parse(Text::from("/lfs/hunter2-hunter2-hunter2-hunter2-"), "/lfs").unwrap());
    prints.print(&smp::Recovery::new(OWN, 256));
    prints.print(&smp::recovery::Image::new(0, TEXT));
    let (mut one, mut two) = (BYTES.to_vec(), BYTES.to_vec());
    prints.print(&fs::Store::new(OWN, "/lfs", &mut one));
    prints.print(&settings::Store::new(OWN, &mut one));
    let mut shell = shell::Runner::new(
        |_: &str, output: &mut shell::Output<'_>| {
            core::fmt::Write::write_str(output, "hunter2-").unwrap();
            prints.print(&*output);
            0
        },
        &mut one,
        &mut two,
    );
    let argv = [Text::from(TEXT)];
    let line = shell::Execute { argv: List::from(&argv[..]) };
    shell::Commands::execute(&mut shell, line).unwrap();
    prints.print(&line);
    prints.print(&shell::ExecuteResponse::new(Text::from(TEXT)));
    prints.print(&settings::Setting::Text(Text::from(TEXT)));
    prints.print(&settings::Setting::Bytes(BYTES.into()));
    prints.print(&smp::legacy::RunTest { name: None, token: Some(Text::from(TEXT)) });
    prints.print(&shell::Runner::new(|_: &str, _: &mut shell::Output<'_>| 0, &mut one, &mut two));
    prints.print(&routine::FileDownload::new(TEXT));
    prints.print(&routine::FileUpload::new(TEXT, BYTES));
    prints.print(&routine::Upload::new(BYTES).with_sha(*b"hunter2-hunter2-hunter2-hunter2-"));
    prints.print(&routine::SettingsWalk::new(&[TEXT]));
    prints.print(&routine::StatWalk::new());
    prints.print(&routine::Call::<shell::Execute<'static>>::new(2));
    prints.print(&routine::Heard::Response(Ok(OWN)));
    prints.print(&smp::Dynamic { op: smp::Op::Write, group: smp::Group(64), command: 0, payload: BYTES });
}

/// All of them.
fn prints() -> Prints {
    let mut prints = Prints::default();
    drivers(&mut prints);
    framings(&mut prints);
    cbor(&mut prints);
    bsmp_types(&mut prints);
    s3mp_types(&mut prints);
    mcuboot_types(&mut prints);
    smp_types(&mut prints);
    prints
}

/// Types that the test need not print, and why.
const UNPRINTED: [&str; 7] = [
    // The hash of an image is its name.
    "anysmp::mcuboot::format::digest::Hash",
    // Only the directory of a node makes them, and they show counts.
    "anysmp::bsmp::typed::group::Filling",
    "anysmp::bsmp::typed::group::Values",
    // Only slots make them: `mcuboot/gate.rs` looks at what they print.
    "anysmp::mcuboot::slots::gate::Candidate",
    "anysmp::mcuboot::slots::gate::Offer",
    "anysmp::mcuboot::slots::gate::TlvPiece",
    // Nobody can have one: it is a part of `Join`, which prints nothing of it.
    "anysmp::port::join::Flush",
];

#[test]
fn nothing_that_is_written_by_hand_prints_what_it_carries() {
    let prints = prints();
    assert_eq!(prints.leaks, [""; 0]);
    let types = source::types();
    let is_missing = |path: &String| {
        let found = &types[path];
        found.public
            && !found.implemented.is_empty()
            && !UNPRINTED.contains(&path.as_str())
            && !prints.types.contains(path)
    };
    let missing: Vec<_> = carriers(&types).into_iter().filter(is_missing).collect();
    assert_eq!(missing, [""; 0], "these print themselves by hand: print one of each with the marker in it");
}

#[test]
fn every_type_whose_text_shows_is_listed_with_the_reason() {
    let mut listed: BTreeSet<&str> = TEXTS.iter().map(|(path, _)| *path).collect();
    for (path, found) in &source::types() {
        let has_text = found.holds.iter().any(|name| name == "Text" || name == "str");
        if found.public && found.derived.contains("Debug") && has_text && path.contains("::group::") {
            assert!(listed.remove(path.as_str()), "{path} holds text: list it, or hide the text");
        }
    }
    assert_eq!(listed, BTreeSet::new(), "these show no text any more");
}

/// Two values that differ in such a text print two different lines.
#[test]
fn a_failed_comparison_of_two_responses_shows_what_differs() {
    let shown = |text| format!("{:?}", os::EchoResponse::new(Text::from(text)));
    assert_eq!(shown("one \"1\"\n"), r#"EchoResponse { text: "one \"1\"\n" }"#);
    assert_eq!(format!("{:?}", Text::from_bytes(b"a\xFFb")), "\"a\u{FFFD}b\"");
    let values = [(Text::from("rx"), 5)];
    let counters = smp::stat::ReadResponse::new(Text::from("uart"), values[..].into());
    assert_eq!(format!("{counters:?}"), r#"ReadResponse { name: "uart", fields: {"rx": 5} }"#);
    let write =
        settings::Write { name: Text::from("wifi/key"), value: settings::Setting::Bytes(BYTES.into()), save: None };
    assert_eq!(format!("{write:?}"), r#"Write { name: "wifi/key", value: Setting(32 bytes), save: None }"#);
}

/// Paths of types that hold bytes, text or the type of a parameter, themselves or in what they
/// hold. Types are known by their last name, so some are listed that only have a namesake.
fn carriers(types: &Types) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = ["[u8]", "str", "Vec", "String"].map(str::to_owned).into();
    let mut paths = BTreeSet::new();
    loop {
        let known = paths.len();
        for (path, found) in types {
            if found.holds.iter().any(|name| names.contains(name) || found.parameters.contains(name)) {
                names.insert(path.rsplit("::").next().unwrap().to_owned());
                paths.insert(path.clone());
            }
        }
        if paths.len() == known {
            return paths;
        }
    }
}
