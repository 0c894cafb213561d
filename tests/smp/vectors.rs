//! Whole messages, byte for byte: computed from Zephyr's public SMP specification, kept in
//! `vectors/smp/messages.json`.

use anysmp::smp::client::{self, Client};
use anysmp::smp::server::{After, AllowAll, Incoming, Reply, serve};
use anysmp::smp::{Empty, Error, Group, Header, Op, Request, Version, error, image, os};

use crate::kit::hex::hex;
use crate::kit::smp::with;

fn vector(name: &str) -> Vec<u8> {
    let json: serde_json::Value = serde_json::from_str(include_str!("../vectors/smp/messages.json")).unwrap();
    let vectors = json["vectors"].as_array().unwrap();
    let vector = vectors.iter().find(|vector| vector["name"] == name).unwrap();
    hex(vector["message"].as_str().unwrap())
}

/// The message that our client makes of a request.
fn asked<R: Request>(version: Version, sequence: u8, request: &R) -> Vec<u8> {
    let mut tx = [0; 256];
    let (len, _) = Client::new(sequence).with_version(version).request(request, &mut tx).unwrap();
    tx[..len].to_vec()
}

/// What our client reads from an answer to a request of type `R`.
fn answer<R: Request>(message: &[u8]) -> Result<R::Response<'_>, client::Error> {
    let (header, payload) = Header::parse(message).unwrap();
    assert_eq!((header.op, header.group, header.command), (R::OP.response(), R::GROUP, R::COMMAND));
    assert_eq!(usize::from(header.length), payload.len());
    R::response(payload)
}

/// The message that our server makes of a request and a result. It always writes definite lengths.
fn answered(request: &[u8], make: impl FnMut(&Incoming<'_>, Reply<'_>) -> anysmp::smp::server::Answer) -> Vec<u8> {
    let mut tx = [0; 256];
    let (len, after) = serve(make, AllowAll, request, &mut tx);
    assert_eq!(after, After::Nothing);
    tx[..len].to_vec()
}

/// An answer with a map of indefinite length that holds no 0xFF but the breaks, and its twin of
/// definite length.
fn definite(message: &[u8], keys: u8) -> Vec<u8> {
    let mut message = message.to_vec();
    let last = message.len() - 1;
    assert_eq!((message[8], message.pop()), (0xBF, Some(0xFF)));
    message[8] = 0xA0 | keys;
    message[3] = u8::try_from(last - 8).unwrap();
    message
}

#[test]
fn v1_and_v2_ask_for_the_parameters() {
    assert_eq!(asked(Version::V1, 0, &os::Parameters {}), vector("V1"));
    assert_eq!(asked(Version::V2, 0, &os::Parameters {}), vector("V2"));
}

#[test]
fn v3_and_v4_tell_the_parameters_with_and_without_a_length() {
    let response = os::ParametersResponse::new(384, 4);
    for name in ["V3", "V4"] {
        assert_eq!(answer::<os::Parameters>(&vector(name)), Ok(response));
    }
    assert_eq!(answered(&vector("V2"), |_, reply| reply.ok(&response)), vector("V4"));
    assert_eq!(definite(&vector("V3"), 2), vector("V4"));
}

#[test]
fn v5_says_that_a_command_is_not_supported() {
    let message = vector("V5");
    assert_eq!(answer::<image::SlotInfo>(&message), Err(client::Error::Remote(Error::NOT_SUPPORTED)));
    let request = asked(Version::V2, 7, &image::SlotInfo {});
    assert_eq!(answered(&request, |_, reply| reply.error(Error::NOT_SUPPORTED)), definite(&message, 1));
}

#[test]
fn v6_and_v7_tell_one_error_to_both_versions() {
    let (v2, v1) = (vector("V6"), vector("V7"));
    assert_eq!(answer::<image::WriteState<'_>>(&v2), Err(client::Error::Remote(error::image::INVALID_HASH)));
    assert_eq!(answer::<image::WriteState<'_>>(&v1), Err(client::Error::Remote(Error::INVALID)));
    let request = image::WriteState::default();
    let refuse = |_: &Incoming<'_>, reply: Reply<'_>| reply.error(error::image::INVALID_HASH);
    let ours = answered(&asked(Version::V2, 8, &request), refuse);
    assert_eq!(ours, hex("0b00001200010800a163657272a26567726f7570016272631818"), "V6 with definite lengths");
    assert_eq!(answered(&asked(Version::V1, 8, &request), refuse), definite(&v1, 1));
}

#[test]
fn v8_and_v9_are_an_echo() {
    let (request, response) = (vector("V8"), vector("V9"));
    assert_eq!(asked(Version::V2, 9, &os::Echo::new("hi")), request);
    assert_eq!(answer::<os::Echo<'_>>(&response).unwrap().text, "hi");
    let ours = answered(&request, |incoming, reply| os::dispatch(&mut Device, incoming, reply));
    assert_eq!(ours, definite(&response, 1));
}

struct Device;
impl os::Commands for Device {}

#[test]
fn v10_to_v12_are_a_reset() {
    assert_eq!(asked(Version::V2, 10, &os::Reset::default()), vector("V10"));
    for name in ["V11", "V12"] {
        assert_eq!(answer::<os::Reset>(&vector(name)), Ok(Empty {}));
    }
    assert_eq!(answered(&vector("V10"), |_, reply| reply.ok(&Empty {})), definite(&vector("V11"), 0));
}

#[test]
fn v13_and_v14_are_answers_to_an_upload() {
    let response = |off, matches| Ok(with(image::UploadResponse::new(off), |it| it.matches = matches));
    assert_eq!(answer::<image::Upload<'_>>(&vector("V13")), response(417, None));
    assert_eq!(answer::<image::Upload<'_>>(&vector("V14")), response(4000, Some(true)));
    let request = asked(Version::V2, 4, &image::Upload::default());
    assert_eq!(
        answered(&request, |_, reply| reply.ok(&with(image::UploadResponse::new(4000), |it| it.matches = Some(true)))),
        definite(&vector("V14"), 2)
    );
}

#[test]
fn v15_refuses_a_version_that_does_not_exist() {
    let mut request = asked(Version::V2, 11, &os::Parameters {});
    for field in [2, 3] {
        request[0] = field << 3;
        assert_eq!(answered(&request, |_, _| panic!("not to be run")), definite(&vector("V15"), 1));
    }
    assert_eq!(answer::<os::Parameters>(&vector("V15")), Err(client::Error::Remote(Error::VERSION_TOO_NEW)));
}

#[test]
fn v16_and_v17_ask_how_the_boot_loader_boots() {
    assert_eq!(asked(Version::V2, 12, &os::BootLoader { query: Some("mode".into()) }), vector("V16"));
    let message = vector("V17");
    let response = answer::<os::BootLoader<'_>>(&message).unwrap();
    assert_eq!(response, with(os::BootLoaderResponse::default(), |it| it.mode = Some(-1)));
    assert_eq!(os::mode_name(-1), Some("unknown"));
}

#[test]
fn every_vector_has_a_header_that_comes_back_as_it_was() {
    for number in 1..=17 {
        let message = vector(&format!("V{number}"));
        let (header, payload) = Header::parse(&message).unwrap();
        assert_eq!(header.emit(), message[..8], "V{number}");
        assert_eq!(usize::from(header.length), payload.len(), "V{number}");
        assert_eq!(header.op.is_request(), matches!(header.op, Op::Read | Op::Write));
        assert!(matches!(header.group, Group::OS | Group::IMAGE));
    }
}
