//! The server of a boot loader: byte for byte the answers of MCUboot's `boot_serial` if they were
//! recorded, and each refusal that its docs name.

use anysmp::line::Serve as _;
use anysmp::smp::recovery::{Image, Target};
use anysmp::smp::server::After;
use anysmp::smp::{Decode, Error, Header, Op, Recovery, Request, Version, client, error, image, os};

use crate::kit::hex::hex;
use crate::kit::random::Random;

/// A slot in memory, and the images that it lists.
#[derive(Default)]
struct Slot {
    flash: Vec<u8>,
    images: Vec<(Vec<u8>, String)>,
    begun: Vec<(u32, u32)>,
    writes: Vec<(u32, usize)>,
    /// The result of everything that the server asks for.
    fails: Option<Error>,
}

impl Slot {
    fn result(&self) -> Result<(), Error> {
        self.fails.map_or(Ok(()), Err)
    }
}

impl Target for Slot {
    const WRITE_SIZE: u32 = 4;

    fn list(&mut self, mut add: impl FnMut(Image<'_>)) {
        for (hash, version) in &self.images {
            let mut image = Image::new(0, version);
            image.hash = Some(hash);
            add(image);
        }
    }

    fn begin(&mut self, image: u32, len: u32) -> Result<(), Error> {
        self.begun.push((image, len));
        self.result()?;
        self.flash = vec![0xFF; len as usize];
        Ok(())
    }

    fn write(&mut self, offset: u32, data: &[u8]) -> Result<(), Error> {
        self.result()?;
        self.writes.push((offset, data.len()));
        self.flash[offset as usize..][..data.len()].copy_from_slice(data);
        Ok(())
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.result()
    }
}

fn receive(server: &mut Recovery<Slot>, message: &[u8]) -> (Vec<u8>, After) {
    let mut tx = [0; 256];
    let (len, after) = server.receive(message, &mut tx);
    (tx[..len].to_vec(), after)
}

/// A request of this version with this payload, and the payload of its response.
fn ask(server: &mut Recovery<Slot>, version: u8, what: (u8, u16, u8), payload: &[u8]) -> (Vec<u8>, After) {
    let (op, group, command) = what;
    let [[l1, l0], [g1, g0]] = [u16::try_from(payload.len()).unwrap(), group].map(u16::to_be_bytes);
    let message = [&[version << 3 | op, 0, l1, l0, g1, g0, 7, command], payload].concat();
    let (response, after) = receive(server, &message);
    let (header, payload) = Header::parse(&response).unwrap();
    assert_eq!(usize::from(header.length), payload.len());
    assert_eq!((header.op as u8, header.group.0, header.sequence, header.command), (op + 1, group, 7, command));
    assert_eq!(header.version, if version == 0 { Version::V1 } else { Version::V2 });
    (payload.to_vec(), after)
}

const ECHO: (u8, u16, u8) = (2, 0, 0);
const RESET: (u8, u16, u8) = (2, 0, 5);
const PARAMETERS: (u8, u16, u8) = (0, 0, 6);
const LIST: (u8, u16, u8) = (0, 1, 0);
const UPLOAD: (u8, u16, u8) = (2, 1, 1);

fn server() -> Recovery<Slot> {
    Recovery::new(Slot::default(), 512)
}

fn upload(server: &mut Recovery<Slot>, request: image::Upload<'_>) -> Result<u64, Error> {
    let mut buffer = [0; 256];
    let mut writer = anysmp::cbor::Writer::new(&mut buffer);
    anysmp::smp::Encode::encode(&request, &mut writer).unwrap();
    let len = writer.len();
    let (response, after) = ask(server, 1, UPLOAD, &buffer[..len]);
    assert_eq!(after, After::Nothing);
    match image::Upload::response(&response) {
        Ok(image::UploadResponse { off, .. }) => Ok(off),
        Err(client::Error::Remote(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

fn piece(off: u64, len: Option<u64>, data: &[u8]) -> image::Upload<'_> {
    image::Upload { image: None, len, off: Some(off), sha: None, data: Some(data.into()), upgrade: None }
}

fn refused(payload: &[u8]) -> Error {
    Error::find(payload).unwrap().expect("a refusal")
}

#[test]
#[cfg(anysmp_checkout)]
fn every_recorded_answer_of_boot_serial_is_ours_byte_for_byte() {
    let (mut compared, mut pieces, mut echoes) = (0, 0, 0);
    let mut server = Recovery::new(Slot::default(), 1024);
    let mut is_boot_loader = false;
    for line in include_str!("../vectors/smp/pairs.jsonl").lines() {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        let of = |key: &str| json[key].as_str().unwrap().to_string();
        let (request, theirs) = (hex(&of("req")), hex(&of("rsp")));
        if of("server") != "mps2_an385.serial_recovery" {
            continue;
        }
        // The same board runs MCUboot, with one buffer of 1,024 bytes, or Zephyr.
        is_boot_loader = match of("step").as_str() {
            step if step.starts_with("recovery ready") => true,
            step if step.starts_with("app ") => false,
            "ready probe" => false,
            _ if of("client") != "own small client" => true,
            _ => is_boot_loader,
        };
        if !is_boot_loader {
            continue;
        }
        let place = format!("{}: {}", of("client"), of("step"));
        if matches!(request[..8], [_, _, _, _, 0, 0, _, 0]) {
            // That MCUboot was built without echo.
            assert_eq!(refused(&theirs[8..]), Error::NOT_SUPPORTED, "{place}");
            echoes += 1;
            continue;
        }
        if let [_, _, _, _, 0, 1, _, 0] = request[..8] {
            let list = image::StateResponse::decode(&theirs[8..]).unwrap();
            let images = list.images.iter().map(|image| {
                let hash = image.hash.unwrap().as_slice().unwrap().to_vec();
                (hash, image.version.as_str().unwrap().to_string())
            });
            server.target().images = images.collect();
        }
        pieces += usize::from(matches!(request[..8], [_, _, _, _, 0, 1, _, 1]));
        let (ours, after) = receive(&mut server, &request);
        assert_eq!(ours, theirs, "{place}");
        assert_eq!(after != After::Nothing, matches!(request[..8], [2 | 10, _, _, _, 0, 0, _, 5]), "{place}");
        compared += 1;
    }
    assert_eq!((compared, pieces, echoes), (464, 426, 2));
}

#[test]
fn every_command_that_it_has_succeeds_in_both_versions() {
    for version in [0, 1] {
        let mut server = server();
        let response = ask(&mut server, version, ECHO, b"\xa1\x61d\x62hi").0;
        assert_eq!(os::Echo::response(&response).unwrap().text, "hi");
        assert_eq!(
            ask(&mut server, version, (0, 0, 0), b"\xbf\x61d\x60\xff").0,
            b"\xbf\x61r\x60\xff",
            "read, no length"
        );
        assert_eq!(ask(&mut server, version, (2, 0, 1), b"\xa1\x64echo\x00").0, b"\xbf\x62rc\x00\xff");
        let (response, after) = ask(&mut server, version, RESET, b"\xa1\x65force\x01");
        assert_eq!((response, after), (b"\xbf\x62rc\x00\xff".to_vec(), After::Reset { force: false, mode: 0 }));
        let response = ask(&mut server, version, PARAMETERS, b"").0;
        let parameters = os::ParametersResponse::new(512, 1);
        assert_eq!(os::Parameters::response(&response), Ok(parameters));
        server.target().images = vec![(vec![0x55; 32], "1.2.3".to_string()), (vec![], "4.5.6+7".to_string())];
        let response = ask(&mut server, version, LIST, b"\xa0").0;
        let list = image::ReadState::response(&response).unwrap();
        let versions: Vec<_> = list.images.iter().map(|image| image.version.as_str().unwrap().to_string()).collect();
        assert_eq!(versions, ["1.2.3", "4.5.6+7"]);
        assert_eq!(list.images.iter().next().unwrap().hash.unwrap(), &[0x55; 32][..]);
    }
    assert_eq!(server().buffer_size(), Some(512), "a link compares it with the framing's buffer");
}

#[test]
fn an_image_has_its_number_only_where_there_are_several() {
    struct Two;
    impl Target for Two {
        fn list(&mut self, mut add: impl FnMut(Image<'_>)) {
            let mut image = Image::new(1, "1.0.0");
            image.image = Some(1);
            add(image);
        }
        fn begin(&mut self, _: u32, _: u32) -> Result<(), Error> {
            Ok(())
        }
        fn write(&mut self, _: u32, _: &[u8]) -> Result<(), Error> {
            Ok(())
        }
    }
    let mut tx = [0; 64];
    let (len, _) = Recovery::new(Two, 512).receive(b"\x00\x00\x00\x01\x00\x01\x00\x00\xa0", &mut tx);
    let expected = b"\xbf\x66images\x9f\xbf\x65image\x01\x64slot\x01\x67version\x651.0.0\xff\xff\xff";
    assert_eq!(tx[8..len], expected[..]);
}

#[test]
fn a_file_arrives_whole_whatever_the_pieces_are_and_in_whole_write_units() {
    for seed in 1..=200 {
        let mut random = Random::new(seed);
        let len = 1 + random.index(900);
        let file = random.bytes(len);
        let mut server = server();
        let mut off = 0;
        while off < file.len() {
            // At least a write unit, or it makes no progress.
            let end = file.len().min(off + 4 + random.index(60));
            let first = (off == 0).then_some(file.len() as u64);
            let next = upload(&mut server, piece(off as u64, first, &file[off..end])).unwrap() as usize;
            assert!(next == end || next > off && end - next < 4 && next.is_multiple_of(4), "seed {seed}");
            off = next;
            // Repeated, wrong and empty pieces change nothing.
            for wrong in [off + 1000, 1] {
                assert_eq!(upload(&mut server, piece(wrong as u64, None, b"")), Ok(off as u64), "seed {seed}");
                let same = upload(&mut server, piece(off as u64 + 4, None, b"wrong"));
                assert_eq!(same, Ok(off as u64), "seed {seed}");
            }
        }
        assert_eq!(server.target().flash, file, "seed {seed}");
        let (last, whole) = server.target().writes.split_last().unwrap();
        assert!(whole.iter().all(|(off, len)| off % 4 == 0 && len % 4 == 0), "seed {seed}");
        assert_eq!(last.0 as usize + last.1, len);
    }
}

#[test]
fn a_client_that_has_lost_count_resumes_where_the_server_is() {
    let mut server = server();
    assert_eq!(upload(&mut server, piece(1, None, b"")), Ok(0), "no upload has begun");
    let file: Vec<u8> = (0..40).collect();
    assert_eq!(upload(&mut server, piece(0, Some(40), &file[..16])), Ok(16));
    assert_eq!(upload(&mut server, piece(1, None, b"")), Ok(16));
    assert_eq!(upload(&mut server, piece(16, None, &file[16..])), Ok(40));
    assert_eq!(upload(&mut server, piece(1, None, b"")), Ok(40), "it stays complete");
    assert_eq!(server.target().flash, file);
    assert_eq!(server.target().begun, [(0, 40)], "erased once");
    let again = image::Upload { image: Some(2), ..piece(0, Some(8), b"12345678") };
    assert_eq!(upload(&mut server, again), Ok(8), "offset 0 always begins again");
    assert_eq!(server.target().begun, [(0, 40), (2, 8)]);
}

#[test]
fn an_upload_that_cannot_be_right_is_refused_with_the_code_that_the_docs_name() {
    let overrun = error::image::INVALID_IMAGE_DATA_OVERRUN;
    let mut one = server();
    assert_eq!(
        upload(&mut one, image::Upload { off: None, ..piece(0, Some(4), b"1234") }),
        Err(error::image::INVALID_OFFSET)
    );
    assert_eq!(upload(&mut one, piece(0, None, b"1234")), Err(error::image::INVALID_LENGTH));
    assert_eq!(upload(&mut one, image::Upload { data: None, ..piece(0, Some(4), b"") }), Err(Error::INVALID));
    assert!(one.target().begun.is_empty(), "none of them erases");
    assert_eq!(upload(&mut one, piece(0, Some(4), b"12345")), Err(overrun));
    assert_eq!(upload(&mut one, piece(0, Some(8), b"1234")), Ok(4));
    assert_eq!(upload(&mut one, piece(4, None, b"56789")), Err(overrun));
    assert_eq!(upload(&mut one, piece(4, None, b"5678")), Ok(8), "nothing was written by the piece that was too long");
    assert_eq!(upload(&mut one, piece(8, None, b"9")), Err(overrun), "nor after the end");
    // A failure of the target: its own code in version 2, `rc` 3 in version 1. The upload has
    // ended.
    for fails in [error::image::FLASH_ERASE_FAILED, error::image::FLASH_WRITE_FAILED] {
        let mut server = server();
        assert_eq!(upload(&mut server, piece(0, Some(40), b"1234")), Ok(4));
        server.target().fails = Some(fails);
        let off = if fails == error::image::FLASH_ERASE_FAILED { 0 } else { 4 };
        assert_eq!(upload(&mut server, piece(off, Some(40), b"5678")), Err(fails));
        server.target().fails = None;
        assert_eq!(upload(&mut server, piece(8, None, b"9")), Ok(0), "it has to begin again");
        server.target().fails = Some(fails);
        let (response, _) = ask(&mut server, 0, UPLOAD, b"\xa3\x63off\x00\x63len\x04\x64data\x441234");
        assert_eq!(refused(&response), Error::INVALID);
    }
    let mut busy = server();
    busy.target().fails = Some(Error::BUSY);
    assert_eq!(ask(&mut busy, 1, RESET, b"\xa0"), (b"\xbf\x62rc\x0a\xff".to_vec(), After::Nothing));
    busy.target().fails = Some(Error::Smp(-5));
    assert_eq!(refused(&ask(&mut busy, 0, RESET, b"\xa0").0), Error::Smp(-5));
}

#[test]
fn what_no_client_sends_is_refused_with_rc_3() {
    let payloads: [(&str, &[u8]); 14] = [
        ("nothing", b""),
        ("no map", b"\x80"),
        ("no text", b"\xa0"),
        ("text of another type", b"\xa1\x61d\x05"),
        ("bytes instead of text", b"\xa1\x61d\x41a"),
        ("a key that comes twice", b"\xa2\x61d\x61a\x61d\x61a"),
        ("a key that is no text", b"\xa2\x01\x02\x61d\x61a"),
        ("a list", b"\xa2\x61x\x80\x61d\x61a"),
        ("a map", b"\xa2\x61x\xa0\x61d\x61a"),
        ("a tag", b"\xa2\x61x\xc1\x01\x61d\x61a"),
        ("text in chunks", b"\xa1\x61d\x7f\x61a\xff"),
        ("a number above 32 bits", b"\xa2\x61x\x1b\x00\x00\x00\x01\x00\x00\x00\x00\x61d\x61a"),
        ("a length that is not used", b"\xa1\x61d\x7c\x61a"),
        ("cut off", b"\xa1\x61d\x62a"),
    ];
    for (what, payload) in payloads {
        for version in [0, 1] {
            let (response, after) = ask(&mut server(), version, ECHO, payload);
            assert_eq!((response, after), (b"\xbf\x62rc\x03\xff".to_vec(), After::Nothing), "{what}");
        }
    }
    // Other keys with values of one item, lengths in any width, and bytes after the map are
    // welcome.
    let payloads: [&[u8]; 5] = [
        b"\xa4\x61x\xf6\x61y\x20\x61d\x61a\x61z\x41b",
        b"\xb8\x01\x78\x01d\x79\x00\x01a",
        b"\xa1\x61d\x7b\x00\x00\x00\x00\x00\x00\x00\x01a",
        b"\xbf\x61x\xf5\x61d\x61a\xff",
        b"\xa1\x61d\x61a\x00\x01",
    ];
    for payload in payloads {
        assert_eq!(ask(&mut server(), 1, ECHO, payload).0, b"\xbf\x61r\x61a\xff", "{payload:02x?}");
    }
}

#[test]
fn everything_else_is_not_supported_or_gets_no_response() {
    let known = [ECHO, (0, 0, 0), (2, 0, 1), (0, 0, 1), RESET, PARAMETERS, LIST, UPLOAD];
    for op in [0, 2] {
        for group in [0, 1, 2, 63, 64, 256, 257] {
            for command in 0..=20 {
                if !known.contains(&(op, group, command)) {
                    let (response, after) = ask(&mut server(), 1, (op, group, command), b"\xa0");
                    assert_eq!((response, after), (b"\xbf\x62rc\x08\xff".to_vec(), After::Nothing));
                }
            }
        }
    }
    for op in [1, 3, 4, 5, 6, 7] {
        assert_eq!(receive(&mut server(), &[op, 0, 0, 1, 0, 0, 0, 6, 0xA0]).0.len(), 0, "op {op}");
    }
    for len in 0..8 {
        assert_eq!(receive(&mut server(), &[0, 0, 0, 1, 0, 0, 0, 6][..len]).0.len(), 0);
    }
    for version in [2, 3] {
        assert_eq!(refused(&ask(&mut server(), version, RESET, b"\xa0").0), Error::VERSION_TOO_NEW);
    }
    let (cut_off, after) = receive(&mut server(), &[2, 0, 0, 2, 0, 0, 0, 5, 0xA0]);
    assert_eq!((refused(&cut_off[8..]), after), (Error::CORRUPT, After::Nothing));
}

#[test]
fn a_response_that_does_not_fit_becomes_rc_7_or_nothing() {
    let request = b"\x0a\x00\x00\x07\x00\x00\x07\x00\xa1\x61d\x63abc";
    for len in 0..40 {
        let mut tx = vec![0; len];
        let (used, after) = server().receive(request, &mut tx);
        assert_eq!(after, After::Nothing);
        match len {
            0..14 => assert_eq!(used, 0),
            14..16 => assert_eq!(tx[8..used], *b"\xbf\x62rc\x07\xff"),
            _ => assert_eq!(tx[8..used], *b"\xbf\x61r\x63abc\xff"),
        }
    }
    // A header expresses 65,535 bytes: this response would have one more.
    let request = [b"\x02\x00\xff\xff\x00\x00\x07\x00\xa1\x61d\x79\xff\xf9", &[b'a'; 65_529][..]].concat();
    let mut tx = vec![0; 70_000];
    let (used, _) = server().receive(&request, &mut tx);
    assert_eq!(tx[..used], *b"\x03\x00\x00\x06\x00\x00\x07\x00\xbf\x62rc\x07\xff");
}

#[test]
fn noise_as_a_message_never_panics_and_every_response_is_one_of_its_request() {
    for seed in 1..=3000 {
        let mut random = Random::new(seed);
        let mut server = server();
        for _ in 0..20 {
            let len = random.index(60);
            let mut message = random.bytes(len);
            // Often enough a real command.
            if let [first, _, l1, l0, g1, g0, _, command, ..] = &mut message[..] {
                (*l1, *l0, *g1) = (0, u8::try_from(len - 8).unwrap(), 0);
                (*first, *g0, *command) = (*first & 0x1A, *g0 & 1, *command & 7);
                let payloads: [&[u8]; 3] = [b"\xa1\x61d\x61a", b"\xa3\x63off\x00\x63len\x08\x64data\x441234", b"\xbf"];
                let payload = payloads[random.index(3)];
                let room = payload.len().min(len - 8);
                message[8..8 + room].copy_from_slice(&payload[..room]);
            }
            let (response, _) = receive(&mut server, &message);
            if let (Ok((request, _)), Ok((header, payload))) = (Header::parse(&message), Header::parse(&response)) {
                assert_eq!(header, Header { length: header.length, ..request.response() }, "seed {seed}");
                assert!(Error::find(payload).is_ok(), "seed {seed}: a map");
                assert_ne!(request.op, Op::ReadResponse);
            }
        }
    }
}
