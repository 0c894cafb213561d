//! Recorded exchanges of Zephyr servers and MCUboot's serial recovery with several clients: the
//! crate decodes all of them, and its server gives the same answer wherever the answer does not
//! depend on a device's state.

use std::collections::{BTreeMap, BTreeSet};

use anysmp::cbor::Writer;
use anysmp::smp::server::{AllowAll, Incoming, Reply, serve};
use anysmp::smp::{
    Decode, Encode, Error, Group, Header, HeaderError, Op, Request, client, enumeration, fs, image, os, settings,
    shell, stat, zephyr,
};

use crate::kit::damage;
use crate::kit::hex::hex;

struct Pair {
    server: String,
    step: String,
    request: Vec<u8>,
    response: Vec<u8>,
    volatile: bool,
}

fn pairs() -> Vec<Pair> {
    let of = |json: &serde_json::Value, key: &str| json[key].as_str().unwrap().to_string();
    let line = |line: &str| {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        Pair {
            server: of(&json, "server"),
            step: of(&json, "step"),
            request: hex(&of(&json, "req")),
            response: hex(&of(&json, "rsp")),
            volatile: json["volatile"].as_bool().unwrap(),
        }
    };
    include_str!("../vectors/smp/pairs.jsonl").lines().map(line).collect()
}

/// What one pair turned out to be.
#[derive(Debug, PartialEq)]
enum Outcome {
    Success,
    Refused(Error),
    /// The request is none that we can read, and the peer refused it too.
    BothRefuse,
    /// We can read what the peer could not.
    OnlyTheyRefuse(Error),
    /// The peer answered what we would refuse.
    OnlyWeRefuse,
    Malformed,
}

fn encoded<E: Encode>(value: &E) -> Vec<u8> {
    let mut buffer = vec![0; 4096];
    let mut writer = Writer::new(&mut buffer);
    value.encode(&mut writer).unwrap();
    let len = writer.len();
    buffer.truncate(len);
    buffer
}

/// Our encoding of what was decoded decodes to the same.
macro_rules! comes_back {
    ($type:ty, $value:expr, $pair:expr) => {
        let value = $value;
        let ours = encoded(&value);
        assert_eq!(<$type as Decode<'_>>::decode(&ours), Ok(value), "{}: {}", $pair.server, $pair.step);
    };
}

macro_rules! understand {
    ($pair:expr, $type:ty) => {{
        let request = <$type>::decode(payload(&$pair.request));
        if let Ok(request) = request {
            comes_back!($type, request, $pair);
        }
        let response = <$type as Request>::response(payload(&$pair.response));
        match (request.is_ok(), response) {
            (true, Ok(response)) => {
                comes_back!(<$type as Request>::Response<'_>, response, $pair);
                Outcome::Success
            }
            (false, Ok(_)) => Outcome::OnlyWeRefuse,
            (false, Err(client::Error::Remote(Error::INVALID))) => Outcome::BothRefuse,
            (true, Err(client::Error::Remote(error @ Error::INVALID))) => Outcome::OnlyTheyRefuse(error),
            (_, Err(client::Error::Remote(error))) => Outcome::Refused(error),
            (_, Err(_)) => Outcome::Malformed,
        }
    }};
}

fn payload(message: &[u8]) -> &[u8] {
    &message[Header::LEN..]
}

/// One line for each command that is implemented; `None` for the others.
fn outcome(header: &Header, pair: &Pair) -> Option<Outcome> {
    use Op::{Read, Write};
    Some(match (header.group, header.op, header.command) {
        (Group::OS, Read | Write, 0) => understand!(pair, os::Echo<'_>),
        (Group::OS, Write, 1) => understand!(pair, os::ConsoleEcho),
        (Group::OS, Read, 2) => understand!(pair, os::TaskStatistics),
        (Group::OS, Read, 3) => understand!(pair, os::PoolStatistics),
        (Group::OS, Read, 4) => understand!(pair, os::ReadDateTime),
        (Group::OS, Write, 4) => understand!(pair, os::WriteDateTime<'_>),
        (Group::OS, Write, 5) => understand!(pair, os::Reset),
        (Group::OS, Read, 6) => understand!(pair, os::Parameters),
        (Group::OS, Read, 7) => understand!(pair, os::Info<'_>),
        (Group::OS, Read, 8) => understand!(pair, os::BootLoader<'_>),
        (Group::IMAGE, Read, 0) => understand!(pair, image::ReadState),
        (Group::IMAGE, Write, 0) => understand!(pair, image::WriteState<'_>),
        (Group::IMAGE, Write, 1) => understand!(pair, image::Upload<'_>),
        (Group::IMAGE, Write, 5) => understand!(pair, image::Erase),
        (Group::IMAGE, Read, 6) => understand!(pair, image::SlotInfo),
        (Group::STATISTICS, Read, 0) => understand!(pair, stat::Read<'_>),
        (Group::STATISTICS, Read, 1) => understand!(pair, stat::List),
        (Group::SETTINGS, Read, 0) => understand!(pair, settings::Read<'_>),
        (Group::SETTINGS, Write, 0) => understand!(pair, settings::Write<'_>),
        (Group::SETTINGS, Write, 1) => understand!(pair, settings::Delete<'_>),
        (Group::SETTINGS, Write, 2) => understand!(pair, settings::Commit),
        (Group::SETTINGS, Read, 3) => understand!(pair, settings::Load),
        (Group::SETTINGS, Write, 3) => understand!(pair, settings::Save<'_>),
        (Group::FS, Read, 0) => understand!(pair, fs::Download<'_>),
        (Group::FS, Write, 0) => understand!(pair, fs::Upload<'_>),
        (Group::FS, Read, 1) => understand!(pair, fs::Status<'_>),
        (Group::FS, Read, 2) => understand!(pair, fs::Hash<'_>),
        (Group::FS, Read, 3) => understand!(pair, fs::HashTypes),
        (Group::FS, Write, 4) => understand!(pair, fs::Close),
        (Group::SHELL, Write, 0) => understand!(pair, shell::Execute<'_>),
        (Group::ENUMERATION, Read, 0) => understand!(pair, enumeration::Count),
        (Group::ENUMERATION, Read, 1) => understand!(pair, enumeration::List),
        (Group::ENUMERATION, Read, 2) => understand!(pair, enumeration::Single),
        (Group::ENUMERATION, Read, 3) => understand!(pair, enumeration::Details<'_>),
        (Group::ZEPHYR, Write, 0) => understand!(pair, zephyr::EraseStorage),
        _ => return None,
    })
}

#[test]
fn every_recorded_exchange_is_understood() {
    let mut counts = BTreeMap::new();
    for pair in pairs() {
        let Ok((header, _)) = Header::parse(&pair.request) else { continue };
        if !header.op.is_request() {
            continue;
        }
        let (answer, _) = Header::parse(&pair.response).unwrap();
        assert_eq!(answer, Header { length: answer.length, ..header.response() }, "{}: {}", pair.server, pair.step);
        let Some(outcome) = outcome(&header, &pair) else {
            let refused = Error::find(payload(&pair.response));
            assert_eq!(refused, Ok(Some(Error::NOT_SUPPORTED)), "{}: {}: not ours", pair.server, pair.step);
            continue;
        };
        let kind = match outcome {
            Outcome::Success => "success",
            Outcome::Refused(_) => "refused",
            Outcome::BothRefuse => "both refuse",
            other if different_by_design(&pair, &other) => "different by design",
            other => panic!("{}: {}: {other:?}", pair.server, pair.step),
        };
        *counts.entry(kind).or_insert(0) += 1;
    }
    assert_eq!(counts.values().sum::<i32>(), 1376, "{counts:?}");
    assert!(counts["success"] > 1100 && counts["refused"] > 200, "{counts:?}");
}

/// Where a request means something to us and `rc` 3 to the peer.
fn different_by_design(pair: &Pair, outcome: &Outcome) -> bool {
    match pair.step.as_str() {
        // zcbor reads text in one piece only; we read chunks too, as RFC 8949 has them.
        "os echo indefinite text" => *outcome == Outcome::OnlyTheyRefuse(Error::INVALID),
        // A well-formed request with a value that the peer does not have: its group error in the
        // form of version 1.
        "os info bad" | "settings long" | "fs hash bad" | "shell empty" => {
            *outcome == Outcome::OnlyTheyRefuse(Error::INVALID) && pair.response[0] & 0x18 == 0
        }
        _ => false,
    }
}

/// A device that is configured as the recorded one was.
struct Twin {
    parameters: os::ParametersResponse,
}

impl os::Commands for Twin {
    fn parameters(&mut self) -> Result<os::ParametersResponse, Error> {
        Ok(self.parameters)
    }
}

/// Whether the answer to this pair depends on nothing but SMP, echo and the parameters.
fn is_stateless(pair: &Pair) -> bool {
    let (header, payload) = match Header::parse(&pair.request) {
        Ok(parsed) => parsed,
        // Ops 4 to 7 and versions 2 and 3.
        Err(HeaderError::Op(header) | HeaderError::Version(header)) => (header, &[][..]),
        Err(_) => return false,
    };
    if pair.volatile || !header.op.is_request() || usize::from(header.length) != payload.len() {
        return false;
    }
    match (header.group, header.command) {
        // MCUboot is usually built without echo, and answers 8.
        (Group::OS, 0) => {
            Error::find(&pair.response[8..]) != Ok(Some(Error::NOT_SUPPORTED)) || pair.request[0] & 4 != 0
        }
        (Group::OS, 6 | 9..) => true,
        (group, _) => group.name().is_none(),
    }
}

#[test]
fn our_server_means_the_same_as_the_recorded_ones() {
    let mut compared = 0;
    for pair in pairs().iter().filter(|pair| is_stateless(pair)) {
        let parameters = os::Parameters::response(payload(&pair.response));
        let parameters = parameters.unwrap_or(os::ParametersResponse::new(384, 4));
        let mut device = Twin { parameters };
        let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| match incoming.group() {
            Group::OS => os::dispatch(&mut device, incoming, reply),
            _ => reply.error(Error::NOT_SUPPORTED),
        };
        let mut tx = [0; 4096];
        let (len, _) = serve(handler, AllowAll, &pair.request, &mut tx);
        let ours = &tx[..len];
        let place = format!("{}: {}", pair.server, pair.step);
        let ((our_header, ours), (their_header, theirs)) =
            (Header::parse(ours).unwrap(), Header::parse(&pair.response).unwrap());
        assert_eq!(usize::from(our_header.length), ours.len(), "{place}");
        assert_eq!(our_header, Header { length: our_header.length, ..their_header }, "{place}");
        compared += 1;
        if pair.step == "os echo indefinite text" {
            assert_eq!(os::Echo::response(ours).unwrap().text, "world", "we read what zcbor does not: {place}");
            continue;
        }
        assert_eq!(Error::find(ours), Error::find(theirs), "{place}");
        if Error::find(ours) == Ok(None) {
            match our_header.command {
                0 => assert_eq!(os::Echo::response(ours), os::Echo::response(theirs), "{place}"),
                6 => assert_eq!(os::Parameters::response(ours), os::Parameters::response(theirs), "{place}"),
                other => panic!("{place}: command {other} succeeded"),
            }
        }
    }
    assert_eq!(compared, 224);
}

/// Each byte of each recorded message changed, each front of it, and garbage in front of it: what
/// can still be read comes back from our own encoding, which `outcome` compares, and the rest is an
/// error.
#[test]
fn a_recorded_message_damaged_anywhere_is_read_or_refused() {
    let mut seen = BTreeSet::new();
    let mut count = 0;
    for mut pair in pairs() {
        let Ok((header, _)) = Header::parse(&pair.request) else { continue };
        let key = (header.group.0, header.command, pair.request[8..].to_vec(), pair.response[8..].to_vec());
        // Long ones repeat what short ones have: entries of lists, and bytes of files.
        if !header.op.is_request() || pair.response.len().max(pair.request.len()) > 160 || !seen.insert(key) {
            continue;
        }
        let (request, response) = (pair.request.clone(), pair.response.clone());
        count += damage::each(&response[8..], |damaged| {
            pair.response.truncate(8);
            pair.response.extend_from_slice(damaged);
            outcome(&header, &pair);
        });
        pair.response.clone_from(&response);
        count += damage::each(&request[8..], |damaged| {
            pair.request.truncate(8);
            pair.request.extend_from_slice(damaged);
            outcome(&header, &pair);
        });
        damage::each(&response[..8], |head| {
            let message = [head, &response[8..]].concat();
            let answers = client::answers(&header, &message);
            let same = head.len() == 8 && head[0] & 7 == response[0] & 7 && head[4..] == response[4..8];
            assert!(!answers || same || head.len() != 8, "{head:02x?}");
            let _ = (client::payload(&message), client::refusal(&message));
        });
    }
    assert!(count > 500_000, "{count}");
}
