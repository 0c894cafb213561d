//! The client end: the bytes that it sends, the message that it accepts as the answer, and the
//! values that it reads from it.

use std::time::Duration;

use anysmp::cbor::{BufferFull, DEPTH, Malformed, Text, Writer};
use anysmp::line::{Caller, Verdict};
use anysmp::smp::client::{self, Client, Pending};
use anysmp::smp::{
    self, Decode, Dynamic, Empty, Encode, Error, Group, Header, Op, Request, Version, error, image, legacy, os,
    routine, shell,
};

use crate::kit::random::Random;
use crate::kit::smp::with;

/// A message: first byte, group, sequence, command, payload.
fn message(first: u8, group: u16, sequence: u8, command: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let group = group.to_be_bytes();
    [&[first, 0, length[0], length[1], group[0], group[1], sequence, command], payload].concat()
}

fn echo(client: &mut Client, tx: &mut [u8]) -> (usize, Pending<os::Echo<'static>>) {
    client.request(&os::Echo::new("hi"), tx).unwrap()
}

/// What is reported to the driver about `message` while `request` waits.
fn verdict<R: Request<Kind = R>>(
    client: &mut Client,
    pending: &mut Pending<R>,
    message: &[u8],
    tx: &mut [u8],
) -> Verdict {
    Caller::<R>::receive(client, pending, message, tx)
}

#[test]
fn an_error_key_or_an_rc_other_than_zero_is_a_failure_in_either_version() {
    let mut tx = [0; 64];
    let mut client = Client::new(1);
    let (_, pending) = client.request(&os::Reset::default(), &mut tx).unwrap();
    let remote = |error| Err(client::Error::Remote(error));
    let group = |group, rc| remote(Error::Group { group: Group(group), rc });
    for (payload, expected) in [
        (&b"\xa0"[..], Ok(Empty {})),
        (b"", Ok(Empty {})),
        (b"\xbf\xff", Ok(Empty {})),
        (b"\xa1\x62rc\x00", Ok(Empty {})),
        (b"\xa2\x61x\x80\x62rc\x00", Ok(Empty {})),
        (b"\xa1\x62rc\x0a", remote(Error::BUSY)),
        (b"\xbf\x63rsn\x64busy\x62rc\x0a\xff", remote(Error::BUSY)),
        (b"\xa1\x62rc\x38\x63", remote(Error::Smp(-100))),
        (b"\xa1\x62rc\x1a\x7f\xff\xff\xff", remote(Error::Smp(i32::MAX))),
        (b"\xa1\x62rc\x3a\x7f\xff\xff\xff", remote(Error::Smp(i32::MIN))),
        (b"\xa1\x62rc\x19\x01\x00", remote(Error::Smp(256))),
        (b"\xa1\x63err\xa2\x65group\x00\x62rc\x04", group(0, 4)),
        (b"\xa1\x63err\xa2\x62rc\x04\x65group\x18\x3f", group(63, 4)),
        (b"\xbf\x63err\xbf\x65group\x01\x61x\x80\x62rc\x19\x01\x00\xff\xff", group(1, 256)),
        (b"\xa2\x62rc\x05\x63err\xa2\x65group\x01\x62rc\x08", group(1, 8)),
        (b"\xa2\x62rc\x00\x63err\xa2\x65group\x01\x62rc\x08", group(1, 8)),
        (b"\xa2\x63err\xa2\x65group\x01\x62rc\x00\x62rc\x05", remote(Error::NOT_FOUND)),
        (b"\xa2\x62rc\x05\x62rc\x00", remote(Error::NOT_FOUND)),
        (b"\xa2\x62rc\x00\x62rc\x05", Ok(Empty {})),
        (b"\xa1\x63ret\xa2\x65group\x01\x62rc\x08", group(1, 8)),
        (b"\xa1\x63ret\x05", Ok(Empty {})),
        (b"\xa1\x62rc\x61x", Err(client::Error::Malformed)),
        (b"\xa1\x62rc\x1a\x80\x00\x00\x00", Err(client::Error::Malformed)),
        (b"\xa1\x63err\x05", Err(client::Error::Malformed)),
        (b"\xa1\x63err\xa0", Err(client::Error::Malformed)),
        (b"\x80", Err(client::Error::Malformed)),
        (b"\xa1\x62rc", Err(client::Error::Malformed)),
        (b"\xa1", Err(client::Error::Malformed)),
        (b"\xff", Err(client::Error::Malformed)),
    ] {
        for first in [0x03, 0x0B] {
            assert_eq!(pending.decode(&message(first, 0, 1, 5, payload)), expected, "{payload:02x?}");
        }
    }
}

#[test]
fn unknown_codes_keep_their_number_and_known_ones_have_a_name() {
    assert_eq!(Error::Smp(-22).to_string(), "the device refused: unknown code (rc -22)");
    assert_eq!(Error::BUSY.to_string(), "the device refused: BUSY (rc 10)");
    assert_eq!(error::image::HASH_NOT_FOUND.to_string(), "the device refused: HASH_NOT_FOUND (group image, rc 8)");
    let stranger = Error::Group { group: Group(70), rc: 9 };
    assert_eq!(stranger.to_string(), "the device refused: unknown code (group 70, rc 9)");
    assert_eq!((stranger.name(), stranger.remedy(), stranger.to_v1()), (None, None, 1));
    assert_eq!(Error::Smp(70_000).name(), None);
}

#[test]
fn keys_beside_an_error_can_be_read() {
    let payload = b"\xa3\x62rc\x06\x63rsn\x69downgrade\x63off\x19\x01\xa1";
    assert_eq!(error::beside::<Text<'_>>(payload, "rsn").unwrap(), "downgrade");
    assert_eq!(error::beside::<u64>(payload, "off"), Some(417));
    assert_eq!(error::beside::<u64>(payload, "rsn"), None);
    assert_eq!(error::beside::<u64>(payload, "len"), None);
    assert_eq!(error::beside::<u64>(b"\x80", "len"), None);
}

#[test]
fn answers_may_be_indefinite_have_strange_keys_and_lack_optional_ones() {
    let payload = b"\xbf\x66images\x9f\xbf\x64slot\x00\x67version\x7f\x621.\x632.3\xff\x64hash\x5f\x42\x01\x02\x41\x03\xff\
        \x66active\xf5\x63new\xbf\x61x\xf6\xff\xff\xa3\x65image\x01\x64slot\x01\x67version\x650.0.9\xff\x6bsplitStatus\x00\xff";
    let state = image::ReadState::response(payload).unwrap();
    let images: Vec<_> = state.images.iter().collect();
    assert_eq!(images.len(), 2);
    let first = images[0];
    assert_eq!((first.image, first.slot, first.active, first.confirmed), (None, 0, true, false));
    assert_eq!(first.version, "1.2.3");
    assert_eq!(first.hash.unwrap(), &[1, 2, 3][..]);
    let second = images[1];
    assert_eq!((second.image, second.slot, second.hash), (Some(1), 1, None));
    assert!(!(second.bootable || second.pending || second.confirmed || second.active || second.permanent));
    assert_eq!(state.split_status, Some(0));
}

#[test]
fn pools_are_read_in_all_forms_and_are_equal_whatever_their_encoding() {
    let zephyr = b"\xbf\x620a\xbf\x66blksiz\x01\x65nblks\x18\x64\x65nfree\x0a\x63min\x05\xff\x62rc\x00\xff";
    let newtmgr = b"\xa2\x62rc\x00\x66mpools\xa1\x620a\xa4\x66blksiz\x01\x65nblks\x18\x64\x65nfree\x0a\x63min\x05";
    // Zephyr once had a group around them, under a name that is not theirs.
    let grouped = b"\xbf\x65tasks\xbf\x620a\xbf\x66blksiz\x01\x65nblks\x18\x64\x65nfree\x0a\x63min\x05\xff\xff\xff";
    let pool = with(os::Pool::new(100, 10), |it| {
        it.block_size = Some(1);
        it.min = Some(5);
    });
    let rows = [("0a".into(), pool)];
    for payload in [&zephyr[..], newtmgr, grouped] {
        let pools = os::PoolStatistics::response(payload).unwrap();
        assert_eq!(pools.iter().collect::<Vec<_>>(), rows);
        assert!((&pools).into_iter().eq(rows) && pools.into_iter().eq(rows));
        assert_eq!(pools, os::PoolStatisticsResponse::new(&rows));
    }
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer);
    os::PoolStatisticsResponse::new(&rows).encode(&mut writer).unwrap();
    let len = writer.len();
    assert_eq!(os::PoolStatistics::response(&buffer[..len]), Ok(os::PoolStatisticsResponse::new(&rows)));
    // A pool may have this name itself.
    let named = os::PoolStatistics::response(b"\xa1\x65tasks\xa2\x65nblks\x01\x65nfree\x01").unwrap();
    assert_eq!(named.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["tasks"]);
    for damaged in [&b"\xa1\x66mpools\x05"[..], b"\xa1\x610\xa1\x65nblks\x61x", b"\xa1\x610\xa0"] {
        assert_eq!(os::PoolStatistics::response(damaged), Err(client::Error::Malformed));
    }
}

#[test]
fn flags_reserved_bits_and_version_of_an_answer_are_not_looked_at() {
    let mut tx = [0; 64];
    let mut client = Client::new(1);
    let (_, pending) = echo(&mut client, &mut tx);
    for first in [0x03, 0x0B, 0x83, 0xEB] {
        for flags in [0, 1, 0xFF] {
            let mut answer = message(first, 0, 1, 0, b"\xa1\x61r\x62hi");
            answer[1] = flags;
            assert!(pending.accepts(&answer));
            assert_eq!(pending.decode(&answer).unwrap().text, "hi");
        }
    }
}

#[test]
fn a_message_that_differs_in_sequence_group_command_or_op_is_foreign() {
    let mut tx = [0; 64];
    let mut client = Client::new(200);
    let (_, mut pending) = echo(&mut client, &mut tx);
    let sent = tx;
    for foreign in [
        message(0x0B, 0, 199, 0, b"\xa1\x61r\x62hi"),
        message(0x0B, 0, 201, 0, b"\xa1\x61r\x62hi"),
        message(0x0B, 1, 200, 0, b"\xa1\x61r\x62hi"),
        message(0x0B, 0, 200, 6, b"\xa1\x61r\x62hi"),
        message(0x09, 0, 200, 0, b"\xa1\x61r\x62hi"),
        message(0x0A, 0, 200, 0, b"\xa1\x61d\x62hi"),
        message(0x0E, 0, 200, 0, b"\xa1\x61d\x62hi"),
        message(0x13, 0, 200, 0, b"\xa1\x61d\x62hi"),
        message(0x0B, 0, 199, 0, b"\xa1\x62rc\x0d"),
        vec![],
        vec![0x0B, 0, 0, 0, 0, 0, 200],
    ] {
        assert_eq!(verdict(&mut client, &mut pending, &foreign, &mut tx), Verdict::Foreign, "{foreign:02x?}");
    }
    assert_eq!((tx, client.version()), (sent, Version::V2));
    assert_eq!(
        verdict(&mut client, &mut pending, &message(0x0B, 0, 200, 0, b"\xa1\x61r\x62hi"), &mut tx),
        Verdict::Answer
    );
}

#[test]
fn every_request_has_the_next_number_and_the_numbers_wrap() {
    let mut tx = [0; 64];
    let mut client = Client::new(250);
    for number in (250..=255).chain(0..=255).chain(0..3) {
        let (len, pending) = echo(&mut client, &mut tx);
        assert_eq!(tx[..len], message(0x0A, 0, number, 0, b"\xa1\x61d\x62hi"));
        assert_eq!(pending.header().sequence, number);
    }
}

#[test]
fn a_repeat_keeps_its_number_and_ends() {
    let mut tx = [0; 64];
    let mut client = Client::new(5).with_retries(3);
    let (len, mut pending) = echo(&mut client, &mut tx);
    let sent = tx;
    for _ in 0..3 {
        assert_eq!(Caller::<os::Echo<'_>>::retry(&mut client, &mut pending, &mut tx), Some(len));
        assert_eq!(tx, sent);
    }
    assert_eq!(Caller::<os::Echo<'_>>::retry(&mut client, &mut pending, &mut tx), None);
    assert!(pending.accepts(&message(0x0B, 0, 5, 0, b"")), "its late answer is a right answer");
}

#[test]
fn no_number_is_used_up_by_a_request_that_does_not_fit() {
    let mut client = Client::new(5);
    for room in 0..14 {
        let mut tx = vec![0; room];
        assert_eq!(client.request(&os::Echo::new("hi"), &mut tx).unwrap_err(), client::Error::BufferFull, "{room}");
    }
    let mut tx = [0; 14];
    assert_eq!(echo(&mut client, &mut tx).1.header().sequence, 5);
    // The length field holds 16 bits.
    let text = "x".repeat(70_000);
    let mut tx = vec![0; 80_000];
    assert_eq!(client.request(&os::Echo::new(&text), &mut tx).unwrap_err(), client::Error::BufferFull);
    let text = "x".repeat(65_535 - 6);
    assert_eq!(client.request(&os::Echo::new(&text), &mut tx).unwrap().0, 65_543);
}

/// The client's verdict on `rc` from a server, its next request, and the version it stays with.
fn refused(start: Version, codes: &[u8]) -> (Vec<Verdict>, Vec<u8>, Version) {
    let mut tx = [0; 64];
    let mut client = Client::new(9).with_version(start);
    let (len, mut pending) = echo(&mut client, &mut tx);
    let verdicts = codes
        .iter()
        .map(|code| {
            let sequence = pending.header().sequence;
            verdict(
                &mut client,
                &mut pending,
                &message(0x03, 0, sequence, 0, &[0xA1, 0x62, b'r', b'c', *code]),
                &mut tx,
            )
        })
        .collect();
    (verdicts, tx[..len].to_vec(), client.version())
}

#[test]
fn a_version_that_is_refused_is_followed_by_the_other_once() {
    use Verdict::{Again, Answer};
    let v1 = |sequence| message(0x02, 0, sequence, 0, b"\xa1\x61d\x62hi");
    let v2 = |sequence| message(0x0A, 0, sequence, 0, b"\xa1\x61d\x62hi");
    assert_eq!(refused(Version::V2, &[13]), (vec![Again(14)], v1(10), Version::V1));
    assert_eq!(refused(Version::V1, &[12]), (vec![Again(14)], v2(10), Version::V2));
    // A server that refuses both is not asked a third time.
    assert_eq!(refused(Version::V2, &[13, 12]), (vec![Again(14), Answer], v1(10), Version::V1));
    assert_eq!(refused(Version::V1, &[12, 13]), (vec![Again(14), Answer], v2(10), Version::V2));
    // Nor one that asks for what it has.
    assert_eq!(refused(Version::V2, &[12]), (vec![Answer], v2(9), Version::V2));
    assert_eq!(refused(Version::V1, &[13]), (vec![Answer], v1(9), Version::V1));
    assert_eq!(refused(Version::V2, &[3]), (vec![Answer], v2(9), Version::V2));
}

#[test]
fn after_a_fall_back_the_old_number_is_foreign_and_the_repeats_are_those_of_the_new() {
    let mut tx = [0; 64];
    let mut client = Client::new(9).with_retries(1);
    let (_, mut pending) = echo(&mut client, &mut tx);
    assert_eq!(
        verdict(&mut client, &mut pending, &message(0x0B, 0, 9, 0, b"\xa1\x62rc\x0d"), &mut tx),
        Verdict::Again(14)
    );
    assert_eq!(
        verdict(&mut client, &mut pending, &message(0x0B, 0, 9, 0, b"\xa1\x62rc\x0d"), &mut tx),
        Verdict::Foreign
    );
    assert_eq!(Caller::<os::Echo<'_>>::retry(&mut client, &mut pending, &mut tx), Some(14));
    assert_eq!(tx[..8], message(0x02, 0, 10, 0, &[0; 6])[..8]);
    assert_eq!(client.request(&os::Parameters {}, &mut tx).unwrap().1.header().version, Version::V1, "it stays");
}

/// A command whose answers have their own `rc`, like those of a shell.
struct Exec;

impl Encode for Exec {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        writer.map(0)
    }
}

impl Request for Exec {
    const OP: Op = Op::Write;
    const GROUP: Group = Group(64);
    const COMMAND: u8 = 3;
    type Kind = Self;
    type Response<'m> = Raw<'m>;

    fn response(payload: &[u8]) -> Result<Raw<'_>, client::Error> {
        Ok(Raw(payload))
    }
}

#[derive(Debug, PartialEq)]
struct Raw<'m>(&'m [u8]);

impl<'m> Decode<'m> for Raw<'m> {
    fn decode(payload: &'m [u8]) -> Result<Self, Malformed> {
        Ok(Raw(payload))
    }
}

#[test]
fn a_command_with_an_rc_of_its_own_is_not_run_twice_for_it() {
    let mut tx = [0; 64];
    let mut client = Client::new(0);
    let (_, mut pending) = client.request(&Exec, &mut tx).unwrap();
    let answer = message(0x0B, 64, 0, 3, b"\xa1\x62rc\x0d");
    assert_eq!(verdict(&mut client, &mut pending, &answer, &mut tx), Verdict::Answer);
    assert_eq!(pending.decode(&answer), Ok(Raw(b"\xa1\x62rc\x0d")));
    assert_eq!(client.version(), Version::V2);
}

/// A response, one with a key of a refusal, and a payload that travels in both directions.
#[derive(Debug, PartialEq)]
struct Plain {
    off: Option<u32>,
}
#[derive(Debug, PartialEq)]
struct Own {
    off: Option<u32>,
    rc: Option<i32>,
}
#[derive(Debug, PartialEq)]
struct Both {
    off: Option<u32>,
}
smp::payload!(response Plain { off: "off" });
smp::payload!(response Own { off: "off", rc: "rc" });
smp::payload!(request Both { off: "off" });

/// The common rule: first the search for a refusal, then the decoder.
fn by_the_rule<'m, T: Decode<'m>>(payload: &'m [u8]) -> Result<T, client::Error> {
    match Error::find(payload)? {
        Some(error) => Err(client::Error::Remote(error)),
        None => Ok(T::decode(payload)?),
    }
}

#[test]
fn a_refusal_is_found_whatever_the_response_is_and_wherever_it_stands() {
    const ENTRIES: [&[u8]; 11] = [
        b"\x62rc\x00",
        b"\x62rc\x05",
        b"\x62rc\xf6",
        b"\x7f\x61r\x61c\xff\x06",
        b"\x63err\xa2\x65group\x01\x62rc\x02",
        b"\x63ret\xa2\x65group\x08\x62rc\x03",
        b"\x63ret\x07",
        b"\x63off\x18\x40",
        b"\x63off\x61x",
        b"\x63who\x83\x01\xa1\x62rc\x09\x80",
        b"\x00\x00",
    ];
    let (mut random, mut refusals, mut values) = (Random::new(7), 0, 0);
    for _ in 0..20_000 {
        let entries = random.below(4);
        let mut payload = vec![0xA0 | u8::try_from(entries).unwrap()];
        (0..entries).for_each(|_| payload.extend_from_slice(ENTRIES[random.index(ENTRIES.len())]));
        if random.below(9) == 0 {
            payload.pop();
        }
        let plain = Plain::decode_response(&payload);
        refusals += usize::from(matches!(plain, Err(client::Error::Remote(_))));
        values += usize::from(plain.is_ok());
        assert_eq!(plain, by_the_rule(&payload), "{payload:02x?}");
        assert_eq!(Own::decode_response(&payload), by_the_rule(&payload), "{payload:02x?}");
        assert_eq!(Both::decode_response(&payload), by_the_rule(&payload), "{payload:02x?}");
    }
    assert!(refusals > 2_000 && values > 2_000, "{refusals} refusals, {values} values");
}

#[test]
fn slow_commands_are_given_more_time_and_never_less_than_the_client_has() {
    let mut tx = [0; 64];
    let mut client = Client::new(0);
    let (_, pending) = echo(&mut client, &mut tx);
    assert_eq!(Caller::<os::Echo<'_>>::timeout(&client, &pending), Client::TIMEOUT);
    let (_, pending) = client.request(&image::Erase::default(), &mut tx).unwrap();
    assert_eq!(Caller::<image::Erase>::timeout(&client, &pending), Duration::from_secs(40));
    let mut client = client.with_timeout(Duration::from_secs(60));
    let (_, pending) = client.request(&image::Erase::default(), &mut tx).unwrap();
    assert_eq!(Caller::<image::Erase>::timeout(&client, &pending), Duration::from_secs(60));
    assert_eq!((client.timeout(), client.retries()), (Duration::from_secs(60), 2));
}

#[test]
fn force_is_sent_as_a_boolean() {
    let mut tx = [0; 64];
    let request = os::Reset { force: Some(os::Force(true)), boot_mode: Some(1) };
    let (len, _) = Client::new(0).request(&request, &mut tx).unwrap();
    assert_eq!(tx[8..len], *b"\xa2\x65force\xf5\x69boot_mode\x01");
}

#[test]
fn an_answer_whose_length_lies_is_malformed_and_bytes_behind_it_are_ignored() {
    let mut tx = [0; 64];
    let mut client = Client::new(1);
    let (_, mut pending) = echo(&mut client, &mut tx);
    let mut answer = message(0x0B, 0, 1, 0, b"\xa1\x61r\x62hi");
    answer.extend_from_slice(b"\xa1\x62rc\x05");
    assert_eq!(pending.decode(&answer).unwrap().text, "hi");
    for cut in 8..14 {
        let cut = &answer[..cut];
        assert_eq!(verdict(&mut client, &mut pending, cut, &mut tx), Verdict::Answer);
        assert_eq!(pending.decode(cut), Err(client::Error::Malformed));
    }
    assert_eq!(pending.decode(&answer[..5]), Err(client::Error::Malformed));
}

#[test]
fn every_byte_string_is_an_answer_or_an_error_and_never_a_panic() {
    const SEED: u64 = 0x00C1_1E47;
    let mut random = Random::new(SEED);
    let answers: [&[u8]; 4] = [
        b"\xbf\x66images\x9f\xbf\x64slot\x00\x67version\x651.2.3\x64hash\x42\x01\x02\x66active\xf5\xff\xff\xff",
        b"\xbf\x65tasks\xbf\x64main\xbf\x64prio\x20\x63tid\x01\x65state\x00\xff\xff\xff",
        b"\xbf\x610\xbf\x65nblks\x18\x64\x65nfree\x0a\xff\x62rc\x00\xff",
        b"\xbf\x66images\x9f\xbf\x65image\x00\x65slots\x9f\xbf\x64slot\x00\x64size\x19\x10\x00\xff\xff\xff\xff\xff",
    ];
    for _ in 0..200_000 {
        let mut payload = answers[random.index(4)].to_vec();
        for _ in 0..random.index(4) {
            let at = random.index(payload.len());
            payload[at] = random.byte();
        }
        payload.truncate(1 + random.index(payload.len() * 2));
        if let Ok(state) = image::ReadState::response(&payload) {
            assert!(state.images.iter().count() <= payload.len());
        }
        if let Ok(tasks) = os::TaskStatistics::response(&payload) {
            assert!(tasks.tasks.iter().count() <= payload.len());
        }
        if let Ok(pools) = os::PoolStatistics::response(&payload) {
            assert!(pools.iter().count() <= payload.len());
        }
        if let Ok(slots) = image::SlotInfo::response(&payload) {
            assert!(slots.images.iter().map(|image| image.slots.iter().count()).sum::<usize>() <= payload.len());
        }
    }
}

#[test]
fn a_client_is_as_small_as_it_says() {
    assert_eq!(size_of::<Client>(), 8);
    assert!(size_of::<Pending<os::Echo<'_>>>() <= 48);
    assert_eq!(Header::LEN, 8);
}

#[test]
fn a_list_that_was_read_is_written_as_it_came() {
    // Definite and not, an unknown key, as deep as may be below a map, a list and a map.
    let payload = |deep: usize| {
        [
            &b"\xa1\x66images\x9f\xbf\x64slot\x19\x00\x01\x67version\x7f\x621.\x622\x30\xff\x61x"[..],
            &b"\xa1\x61n".repeat(deep)[..],
            b"\x01\xff\xa2\x64slot\x00\x67version\x631.0\xff",
        ]
        .concat()
    };
    let (payload, deeper) = (payload(DEPTH - 3), payload(DEPTH - 2));
    assert_eq!(image::StateResponse::decode(&deeper), Err(Malformed));
    let state = image::StateResponse::decode(&payload).unwrap();
    assert_eq!(state.images.iter().count(), 2);
    let mut buffer = [0; 256];
    let mut writer = Writer::new(&mut buffer);
    state.encode(&mut writer).unwrap();
    let len = writer.len();
    assert_eq!(image::StateResponse::decode(&buffer[..len]).unwrap(), state);
    assert_eq!(buffer[..10], *b"\xa1\x66images\x82\xbf", "the number is known now");
}

#[test]
fn a_table_that_was_read_is_written_as_it_came() {
    let pool = b"\xa2\x65nblks\x04\x65nfree\x03";
    let payload = [&b"\xbf\x61a"[..], pool, b"\x62rc\x00\x61b", pool, b"\xff"].concat();
    let pools = os::PoolStatisticsResponse::decode(&payload).unwrap();
    assert_eq!(pools.iter().count(), 2);
    let mut buffer = [0; 128];
    let mut writer = Writer::new(&mut buffer);
    pools.encode(&mut writer).unwrap();
    let len = writer.len();
    assert_eq!(buffer[..len], [b"\xa3", &payload[1..payload.len() - 1]].concat());
}

/// How often a client repeats a request that is never answered.
fn retries<R>(mut client: Client, request: &R) -> usize
where
    Client: Caller<R, Error = client::Error>,
{
    let mut tx = [0; 64];
    let (_, mut pending) = Caller::<R>::request(&mut client, request, &mut tx).unwrap();
    core::iter::from_fn(|| Caller::<R>::retry(&mut client, &mut pending, &mut tx)).count()
}

#[test]
fn a_request_that_must_not_run_twice_is_repeated_only_where_the_caller_asks_for_it() {
    fn check<R: Request>(request: &R) {
        assert!(!request.is_idempotent());
        assert_eq!(retries(Client::new(0).with_retries(5), request), 0);
        assert_eq!(retries(Client::new(0).with_non_idempotent_retries(2), request), 2);
    }
    let argv: &[Text<'_>] = &["led".into(), "toggle".into()];
    check(&shell::Execute { argv: argv.into() });
    check(&os::Reset::default());
    check(&legacy::Crash { how: "div0".into() });
    check(&legacy::RunTest { name: None, token: None });
    assert_eq!(retries(Client::new(0), &os::Echo::new("hi")), usize::from(Client::RETRIES));
    assert_eq!(retries(Client::new(0).with_retries(5).with_non_idempotent_retries(1), &os::Parameters {}), 5);
}

/// A write of a vendor: it switches a lamp to the other state.
#[derive(Debug, PartialEq)]
struct Toggle {
    lamp: u8,
    fade: f32,
}

#[derive(Debug, PartialEq)]
struct ToggleResponse {
    power: f64,
}

smp::payload!(request Toggle { lamp: "lamp", fade: "fade" });
smp::payload!(response ToggleResponse { power: "p" });

impl Request for Toggle {
    const OP: Op = Op::Write;
    const GROUP: Group = Group(64);
    const COMMAND: u8 = 4;
    type Kind = Self;
    type Response<'m> = ToggleResponse;

    fn is_idempotent(&self) -> bool {
        false
    }
}

#[test]
fn a_write_of_a_vendor_that_says_so_is_not_repeated() {
    let toggle = Toggle { lamp: 3, fade: 0.5 };
    assert_eq!(retries(Client::new(0).with_retries(5), &toggle), 0);
    assert_eq!(retries(Client::new(0).with_non_idempotent_retries(1), &toggle), 1);
}

#[test]
fn a_routine_does_not_repeat_it_either() {
    let (mut client, mut tx) = (Client::new(0).with_retries(5), [0; 64]);
    let mut steps = |client: &mut Client| {
        let mut call = routine::Call::<os::Reset>::new(client.retries());
        let mut sent = 0;
        loop {
            match call.poll(client, &os::Reset::default(), Duration::from_secs(1), &mut tx) {
                Ok(anysmp::routine::Step::Send(_)) => sent += 1,
                Ok(_) => call.timed_out(),
                Err(error) => break (error, sent),
            }
        }
    };
    assert_eq!(steps(&mut client), (routine::Error::TimedOut, 1));
    assert_eq!(steps(&mut client.with_non_idempotent_retries(3)), (routine::Error::TimedOut, 4));
}

#[test]
fn the_struct_of_a_vendor_has_floats_and_refuses_a_key_that_comes_twice() {
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer);
    Toggle { lamp: 3, fade: 0.5 }.encode(&mut writer).unwrap();
    let len = writer.len();
    assert_eq!(buffer[..len], *b"\xa2\x64lamp\x03\x64fade\xfa\x3f\x00\x00\x00");
    assert_eq!(Toggle::decode(&buffer[..len]), Ok(Toggle { lamp: 3, fade: 0.5 }));
    // Half, double and integer; any order; an unknown key.
    assert_eq!(
        Toggle::decode(b"\xbf\x61x\xfb\0\0\0\0\0\0\0\0\x64fade\xf9\x38\x00\x64lamp\x01\xff"),
        Ok(Toggle { lamp: 1, fade: 0.5 })
    );
    assert_eq!(Toggle::decode(b"\xa2\x64lamp\x01\x64fade\x20"), Ok(Toggle { lamp: 1, fade: -1.0 }));
    assert_eq!(Toggle::decode(b"\xa1\x64lamp\x01"), Err(Malformed), "a float is required");
    assert_eq!(Toggle::decode(b"\xa3\x64lamp\x01\x64fade\x20\x64lamp\x02"), Err(Malformed));
    let twice = b"\xa2\x61p\xfb\x3f\xf8\0\0\0\0\0\0\x61p\x02";
    assert_eq!(ToggleResponse::decode(twice), Ok(ToggleResponse { power: 1.5 }), "a response: the first one");
}

#[test]
fn a_request_in_flight_outlives_its_request_and_decodes_only_its_own_response() {
    static ASKED: std::sync::Mutex<Option<Pending<os::Echo<'static>>>> = std::sync::Mutex::new(None);
    let (mut client, mut tx) = (Client::new(9), [0; 64]);
    {
        let text = String::from("hi");
        let (_, pending) = client.request(&os::Echo::new(&text), &mut tx).unwrap();
        *ASKED.lock().unwrap() = Some(pending);
    }
    let pending = ASKED.lock().unwrap().take().unwrap();
    let response = message(0x0B, 0, 9, 0, b"\xa1\x61r\x62hi");
    assert!(pending.accepts(&response));
    assert_eq!(pending.decode(&response).unwrap().text, "hi");
}

#[test]
fn a_request_that_is_known_at_run_time_only_gets_its_payload_back_as_it_came() {
    let (mut client, mut tx) = (Client::new(7).with_version(Version::V1), [0; 32]);
    let write = Dynamic { op: Op::Write, group: Group(99), command: 5, payload: b"\x01\x02" };
    let (len, pending) = client.request_dynamic(&write, &mut tx).unwrap();
    assert_eq!(tx[..len], message(0x02, 99, 7, 5, b"\x01\x02"));
    let refusal = message(0x03, 99, 7, 5, b"\xa1\x62rc\x08");
    assert!(pending.accepts(&refusal) && !pending.accepts(&message(0x03, 99, 8, 5, b"")));
    assert_eq!(pending.decode(&refusal), Ok(&b"\xa1\x62rc\x08"[..]));
    assert_eq!(pending.decode(&refusal[..10]), Err(client::Error::Malformed));
    // A write may do anything, so it is not repeated; nor is it asked again in another version.
    assert_eq!(retries(client.clone(), &write), 0);
    assert_eq!(retries(client.clone(), &Dynamic { op: Op::Read, ..write }), 2);
    let (mut client, newer) = (Client::new(7), message(0x03, 99, 7, 5, b"\xa1\x62rc\x0d"));
    let (_, mut pending) = client.request_dynamic(&write, &mut tx).unwrap();
    assert_eq!(Caller::<Dynamic<'_>>::receive(&mut client, &mut pending, &newer, &mut tx), Verdict::Answer);
}
