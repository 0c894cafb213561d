//! The S3MP slave: golden dialogues, and behaviour that no dialogue shows.

use std::time::Duration;

use anysmp::framing::lrc::{self, Lrc};
use anysmp::framing::{self, Encoder as _, Framing as _, Progress};
use anysmp::line::Damage;
use anysmp::s3mp::slave::{After, Compared, NameError, Refusal, Reported, Resources, Slave, Watched, check_names};
use anysmp::s3mp::value::{self, Value};
use anysmp::s3mp::{Address, Command};
use serde_json::Value as Json;

use crate::kit::damage;
use crate::kit::hex::hex as bytes;
use crate::kit::random::Random;

// ---- golden dialogues ---------------------------------------------------------------------------

#[cfg_attr(not(anysmp_checkout), ignore = "wants vectors that are not packed")]
#[test]
fn golden_dialogues_are_answered_byte_by_byte() {
    for file in vectors() {
        let Some(dialogue) = file.get("slave_dialogue") else { continue };
        let mut slave = Slave::new(Described::new(&dialogue["setup"])).unwrap();
        let mut buffer = [0; 256];
        let mut decoder = Lrc::new(&mut buffer);
        for step in dialogue["steps"].as_array().unwrap() {
            let expected: Vec<Vec<u8>> =
                step["responses"].as_array().unwrap().iter().map(|response| hex(&response["wire"])).collect();
            // Address FF is optional: a step shows a slave that has it for this command, or one
            // that has not.
            slave.resources().all = !step["responses"].to_string().contains("NOT_IMPLEMENTED");
            let wire = hex(&step["request"]["wire"]);
            let mut sent = Vec::new();
            let mut input = &wire[..];
            loop {
                let progress = decoder.push(&mut input);
                if progress == Ok(Progress::More) {
                    break;
                }
                answer(&mut slave, &decoder, progress, &mut sent);
            }
            for silence in [Lrc::GAP, Lrc::ABANDON] {
                let progress = decoder.idle(silence);
                answer(&mut slave, &decoder, progress, &mut sent);
            }
            assert_eq!(sent, expected, "{}: {}", step["note"], step["request"]["wire"]);
        }
    }
}

fn answer(
    slave: &mut Slave<Described>,
    decoder: &Lrc<'_>,
    progress: Result<Progress<'_>, framing::Error>,
    sent: &mut Vec<Vec<u8>>,
) {
    let mut tx = [0; 256];
    let mut len = match progress {
        Ok(Progress::Message) => slave.receive(decoder.message(), &mut tx).0,
        Ok(_) => 0,
        Err(error) => slave.damaged(error.into(), &mut tx),
    };
    if len == 0 {
        len = slave.poll(&mut tx);
    }
    while len > 0 {
        let mut wire = vec![0; lrc::max_encoded_len(len)];
        let written = lrc::Encoder::new().next(&tx[..len], &mut wire);
        wire.truncate(written);
        sent.push(wire);
        len = slave.poll(&mut tx);
    }
}

/// A slave as the golden dialogues describe it in words: "lamp, boolean, settable, starts f4".
struct Described {
    names: Vec<&'static str>,
    kinds: Vec<Kind>,
    starts: Vec<Vec<u8>>,
    values: Vec<Vec<u8>>,
    told: Vec<Vec<u8>>,
    boot: Vec<u8>,
    all: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    ReadOnly,
    Boolean,
    Text(usize),
}

impl Described {
    fn new(setup: &Json) -> Self {
        let (mut names, mut kinds, mut starts) = (Vec::new(), Vec::new(), Vec::new());
        for address in 1.. {
            let Some(words) = setup["addresses"][address.to_string()].as_str() else { break };
            let words: &'static str = words.to_owned().leak();
            names.push(words.split(',').next().unwrap());
            starts.push(bytes(words.split(' ').next_back().unwrap()));
            kinds.push(match words.split(", ").nth(1).unwrap() {
                "boolean" => Kind::Boolean,
                text if text.starts_with("text up to ") => Kind::Text(text.split(' ').nth(3).unwrap().parse().unwrap()),
                _ => Kind::ReadOnly,
            });
        }
        let list: String = names.iter().flat_map(|name| [*name, ";"]).collect();
        assert_eq!(list, setup["describe"]);
        let (values, told) = (starts.clone(), vec![vec![]; starts.len()]);
        Self { names, kinds, starts, values, told, boot: hex(&setup["status_data"]), all: false }
    }
}

fn place(address: Address) -> usize {
    address.index().unwrap()
}

impl Resources for Described {
    fn names(&self) -> &[&str] {
        &self.names
    }

    fn get(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        let value = &self.values[place(address)];
        self.told[place(address)].clone_from(value);
        put(value, out)
    }

    fn set(&mut self, address: Address, value: Value<'_>) -> Result<(), Refusal> {
        match self.kinds[place(address)] {
            Kind::ReadOnly => return Err(Refusal::NotImplemented),
            Kind::Boolean => drop(value.bool()?),
            Kind::Text(longest) if value.text()?.as_bytes().len() <= longest => {}
            Kind::Text(_) => return Err(Refusal::BadRequest),
        }
        self.values[place(address)] = value.bytes().to_vec();
        Ok(())
    }

    fn invert(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        if self.kinds[place(address)] != Kind::Boolean {
            return Err(Refusal::NotImplemented);
        }
        self.values[place(address)][0] ^= 1;
        self.get(address, out)
    }

    fn changed(&mut self, address: Address) -> Option<bool> {
        Some(self.values[place(address)] != self.told[place(address)])
    }

    fn status(&mut self, out: &mut [u8]) -> Result<usize, Refusal> {
        put(&self.boot, out)
    }

    fn reset(&mut self, address: Address) {
        if let Some(place) = address.index() {
            self.values[place].clone_from(&self.starts[place]);
        }
    }

    fn serves_all(&self, _: Command) -> bool {
        self.all
    }
}

fn put(value: &[u8], out: &mut [u8]) -> Result<usize, Refusal> {
    out.get_mut(..value.len()).ok_or(Refusal::Failed("too long"))?.copy_from_slice(value);
    Ok(value.len())
}

// ---- a slave by hand ----------------------------------------------------------------------------

const RELAY: Address = Address(2);
const BROKEN: Address = Address(4);

/// A number, a relay, an unused address, and one whose sensor is broken.
struct Plant {
    names: Vec<&'static str>,
    number: Watched<u32>,
    relay: Watched<bool>,
    debug: &'static str,
    all: bool,
    restless: bool,
}

impl Plant {
    fn slave() -> Slave<Self> {
        Self::named(&["number", "relay", "", "broken"])
    }

    fn named(names: &[&'static str]) -> Slave<Self> {
        let (number, relay) = (Watched::new(7), Watched::new(false));
        Slave::new(Self { names: names.to_vec(), number, relay, debug: "", all: true, restless: false }).unwrap()
    }
}

impl Resources for Plant {
    fn names(&self) -> &[&str] {
        &self.names
    }

    fn get(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        Ok(match address {
            Address(1) => value::encode(self.number.report(), out)?,
            RELAY => value::encode(self.relay.report(), out)?,
            BROKEN => return Err(Refusal::Failed("no sensor")),
            _ => value::encode("other", out)?,
        })
    }

    fn set(&mut self, address: Address, value: Value<'_>) -> Result<(), Refusal> {
        match address {
            RELAY => self.relay.set(value.bool()?),
            BROKEN => return Err(Refusal::Failed("no sensor")),
            _ => return Err(Refusal::NotImplemented),
        }
        Ok(())
    }

    fn invert(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        if address != RELAY {
            return Err(Refusal::NotImplemented);
        }
        self.relay.set(!self.relay.value());
        self.get(address, out)
    }

    fn changed(&mut self, address: Address) -> Option<bool> {
        Some(match address {
            _ if self.restless => true,
            Address(1) => self.number.is_changed(),
            RELAY => self.relay.is_changed(),
            _ => false,
        })
    }

    fn reset(&mut self, address: Address) {
        if address == RELAY {
            self.relay.set(false);
        }
    }

    fn debug(&mut self, out: &mut [u8]) -> usize {
        put(std::mem::take(&mut self.debug).as_bytes(), out).unwrap()
    }

    fn serves_all(&self, _: Command) -> bool {
        self.all
    }
}

fn ask<R: Resources>(slave: &mut Slave<R>, message: &[u8]) -> Vec<u8> {
    let mut tx = [0; 128];
    let len = slave.receive(message, &mut tx).0;
    tx[..len].to_vec()
}

fn unasked<R: Resources>(slave: &mut Slave<R>) -> Vec<Vec<u8>> {
    let mut tx = [0; 128];
    let mut sent = Vec::new();
    loop {
        match slave.poll(&mut tx) {
            0 => return sent,
            len => sent.push(tx[..len].to_vec()),
        }
    }
}

#[test]
fn every_readable_command_has_one_answer_and_reset_has_none() {
    let mut slave = Plant::slave();
    for code in 0..=0xFF {
        for address in [0, 1, 2, 3, 4, 5, 0xFE, 0xFF] {
            for data in [&[][..], &[0xF5], &[0xF5, 0xF5], b"text"] {
                let counter = code ^ address;
                let answer = ask(&mut slave, &[&[code, address, counter], data].concat());
                if code == Command::RESET.0 {
                    assert!(answer.is_empty());
                } else {
                    // The address is repeated, the counter too but in BAD_REQUEST.
                    let expected = if answer[0] == 0x40 { 0 } else { counter };
                    assert_eq!(answer[1..3], [address, expected], "{code:02X} {address:02X}");
                }
            }
        }
    }
}

#[test]
fn errors_come_in_the_order_address_code_data_handler() {
    let mut slave = Plant::slave();
    assert_eq!(ask(&mut slave, &[0x77, 0x09, 1, 0xFF]), [0x44, 0x09, 1]);
    assert_eq!(ask(&mut slave, &[0x77, 0x03, 1, 0xFF]), [0x44, 0x03, 1], "an unused name");
    assert_eq!(ask(&mut slave, &[0x77, 0x02, 2, 0xFF]), [0x45, 0x02, 2]);
    assert_eq!(ask(&mut slave, &[0x11, 0x01, 3, 0xFF]), [0x45, 0x01, 3]);
    assert_eq!(ask(&mut slave, &[0x11, 0x02, 4, 0xFF]), [0x40, 0x02, 0]);
    assert_eq!(ask(&mut slave, &[0x11, 0x04, 5, 0xF5]), b"\x50\x04\x05no sensor");
    for short in [&[][..], &[0x10], &[0x10, 0x01]] {
        assert_eq!(ask(&mut slave, short), [0x40, 0, 0]);
    }
}

/// An application that finds out only when it is asked that an address is gone.
struct Unplugged;

impl Resources for Unplugged {
    fn names(&self) -> &[&str] {
        &["probe"]
    }

    fn get(&mut self, _: Address, _: &mut [u8]) -> Result<usize, Refusal> {
        Err(Refusal::NotFound)
    }
}

#[test]
fn an_application_may_say_that_an_address_is_gone() {
    let mut slave = Slave::new(Unplugged).unwrap();
    let mut tx = [0; 16];
    for command in [0x10, 0xA0] {
        assert_eq!(slave.receive(&[command, 0x01, 7], &mut tx), (3, After::Nothing));
        assert_eq!(tx[..3], [0x44, 0x01, 7]);
    }
    assert!(!slave.is_subscribed(Address(1)));
}

#[test]
fn host_has_status_and_describe_only() {
    let mut slave = Plant::slave();
    for code in [0x10, 0x11, 0x12, 0xA0, 0xA1, 0x77] {
        assert_eq!(ask(&mut slave, &[code, 0, 9]), [0x45, 0, 9]);
    }
    assert_eq!(ask(&mut slave, &[0x00, 0, 9]), [0, 0, 9]);
    assert_eq!(ask(&mut slave, &[0x02, 0, 9]), b"\x00\x00\x09number;relay;;broken;");
    assert_eq!(ask(&mut slave, &[0x00, 1, 9]), [0x45, 1, 9]);
    assert_eq!(ask(&mut slave, &[0x02, 1, 9]), [0x45, 1, 9]);
}

#[test]
fn damage_is_answered_by_what_it_was() {
    let mut slave = Plant::slave();
    let mut tx = [0xEE; 8];
    for (damage, answer) in [
        (Damage::Checksum, &[0x41, 0, 0][..]),
        (Damage::Malformed, &[0x40, 0, 0]),
        (Damage::TooLong, &[0x40, 0, 0]),
        (Damage::Lost, &[]),
    ] {
        let len = slave.damaged(damage, &mut tx);
        assert_eq!(&tx[..len], answer, "{damage}");
    }
}

#[test]
fn push_comes_after_a_subscription_only_and_on_change_only() {
    let mut slave = Plant::slave();
    slave.resources().number.set(8);
    assert!(unasked(&mut slave).is_empty());
    assert_eq!(ask(&mut slave, &[0xA0, 1, 1]), [0, 1, 1, 8]);
    assert!(slave.is_subscribed(Address(1)) && !slave.is_subscribed(RELAY));
    assert!(unasked(&mut slave).is_empty());
    slave.resources().number.set(9);
    slave.resources().number.set(10);
    assert_eq!(unasked(&mut slave), [[0xA0, 1, 0, 10]]);
    assert!(unasked(&mut slave).is_empty());
    // Away and back is no change, and a value reported in an answer is reported.
    slave.resources().number.set(11);
    slave.resources().number.set(10);
    assert!(unasked(&mut slave).is_empty());
    slave.resources().number.set(12);
    assert_eq!(ask(&mut slave, &[0x10, 1, 2]), [0, 1, 2, 12]);
    assert!(unasked(&mut slave).is_empty());
    assert_eq!(ask(&mut slave, &[0xA1, 1, 3]), [0, 1, 3]);
    slave.resources().number.set(13);
    assert!(unasked(&mut slave).is_empty());
}

#[test]
fn set_is_acknowledged_before_it_is_pushed() {
    let mut slave = Plant::slave();
    ask(&mut slave, &[0xA0, 2, 1]);
    assert_eq!(ask(&mut slave, &[0x11, 2, 2, 0xF5]), [0, 2, 2]);
    assert_eq!(unasked(&mut slave), [[0xA0, 2, 0, 0xF5]]);
    assert_eq!(ask(&mut slave, &[0x11, 2, 3, 0xF5]), [0, 2, 3]);
    assert!(unasked(&mut slave).is_empty());
}

#[test]
fn refused_subscription_is_none() {
    let mut slave = Plant::slave();
    assert_eq!(ask(&mut slave, &[0xA0, 4, 1]), b"\x50\x04\x01no sensor");
    assert!(!slave.is_subscribed(BROKEN));
}

#[test]
fn invert_of_no_boolean_changes_nothing() {
    let mut slave = Plant::slave();
    assert_eq!(ask(&mut slave, &[0x12, 1, 1]), [0x45, 1, 1]);
    assert_eq!(ask(&mut slave, &[0x10, 1, 2]), [0, 1, 2, 7]);
    assert_eq!(ask(&mut slave, &[0x12, 2, 3]), [0, 2, 3, 0xF5]);
    assert_eq!(ask(&mut slave, &[0x12, 2, 4]), [0, 2, 4, 0xF4]);
}

#[test]
fn reset_is_silent_and_forgets_what_it_is_about() {
    let mut tx = [0; 64];
    for (address, after, subscribed, relay) in [
        (1, After::Nothing, [false, true], true),
        (2, After::Nothing, [true, false], false),
        (0x63, After::Nothing, [true, true], true),
        (0xFF, After::Nothing, [false, false], false),
        (0, After::Restart, [false, false], false),
    ] {
        let mut slave = Plant::slave();
        for address in [1, 2] {
            ask(&mut slave, &[0xA0, address, 1]);
        }
        ask(&mut slave, &[0x11, 2, 2, 0xF5]);
        assert_eq!(slave.receive(&[0xFF, address, 3], &mut tx), (0, after));
        assert_eq!([Address(1), RELAY].map(|address| slave.is_subscribed(address)), subscribed, "{address}");
        assert_eq!(slave.resources().relay.value(), relay, "{address}");
        assert_eq!(ask(&mut slave, &[0, 0, 4]), [0, 0, 4]);
    }
}

#[test]
fn a_round_pushes_each_address_once_so_that_commands_are_not_kept_waiting() {
    let mut slave = Plant::slave();
    slave.resources().restless = true;
    for address in [1, 2] {
        ask(&mut slave, &[0xA0, address, 1]);
    }
    slave.resources().debug = "hello";
    let sent = unasked(&mut slave);
    assert_eq!(sent, [&b"\xDE\x00\x00hello"[..], &[0xA0, 1, 0, 7], &[0xA0, 2, 0, 0xF4]]);
    assert_eq!(unasked(&mut slave).len(), 2);
}

#[test]
fn all_addresses_answer_with_one_map() {
    let mut slave = Plant::named(&["number", "relay", "", "x"]);
    slave.resources().names[3] = "";
    assert_eq!(ask(&mut slave, &[0x10, 0xFF, 1]), [0, 0xFF, 1, 0xA2, 1, 7, 2, 0xF4]);
    assert!(!slave.is_subscribed(RELAY));
    assert_eq!(ask(&mut slave, &[0xA0, 0xFF, 2])[..4], [0, 0xFF, 2, 0xA2]);
    assert!(slave.is_subscribed(Address(1)) && slave.is_subscribed(RELAY) && !slave.is_subscribed(Address(3)));
    slave.resources().number.set(8);
    assert_eq!(unasked(&mut slave), [[0xA0, 1, 0, 8]]);
    assert_eq!(ask(&mut slave, &[0xA1, 0xFF, 3]), [0, 0xFF, 3]);
    assert!(!slave.is_subscribed(RELAY));
    for code in [0x11, 0x12, 0x00, 0x02] {
        assert_eq!(ask(&mut slave, &[code, 0xFF, 4, 0xF5]), [0x45, 0xFF, 4]);
    }
    slave.resources().all = false;
    assert_eq!(ask(&mut slave, &[0x10, 0xFF, 5]), [0x45, 0xFF, 5]);
}

#[test]
fn map_of_many_addresses_reads_back_and_one_that_does_not_fit_is_an_error() {
    let mut names = vec!["n"; 30];
    names[3] = "";
    let mut slave = Plant::named(&names);
    let mut tx = [0; 300];
    let len = slave.receive(&[0x10, 0xFF, 1], &mut tx).0;
    assert_eq!(tx[..5], [0, 0xFF, 1, 0xB8, 29]);
    let entries: Vec<_> = Value::new(&tx[3..len]).entries().unwrap().map(|(address, _)| address.0).collect();
    assert_eq!(entries, (1..=30).filter(|address| *address != 4).collect::<Vec<_>>());
    for longest in 3..len {
        let len = slave.receive(&[0xA0, 0xFF, 1], &mut tx[..longest]).0;
        assert_eq!(tx[..3], [0x50, 0xFF, 1], "{longest}");
        assert!(len <= longest && b"too long".starts_with(&tx[3..len]));
        assert!(!slave.is_subscribed(Address(1)));
    }
}

#[test]
fn names_that_do_not_fit_are_an_error() {
    let mut slave = Plant::slave();
    let mut tx = [0; 64];
    let whole = slave.receive(&[2, 0, 1], &mut tx).0;
    for longest in 3..whole {
        let len = slave.receive(&[2, 0, 1], &mut tx[..longest]).0;
        assert_eq!(tx[..3], [0x50, 0, 1]);
        assert!(len <= longest);
    }
    for longest in 0..3 {
        assert_eq!(slave.receive(&[2, 0, 1], &mut tx[..longest]), (0, After::Nothing));
        assert_eq!(slave.damaged(Damage::Checksum, &mut tx[..longest]), 0);
        assert_eq!(slave.poll(&mut tx[..longest]), 0);
    }
}

#[test]
fn names_are_checked_when_a_slave_is_made() {
    const GOOD: Result<(), NameError> = check_names(&["a", "", "two words", "0123456789abcdefghijklmnopqrstuv"]);
    assert_eq!(GOOD, Ok(()));
    for bad in ["a;b", " a", "a ", " ", "a\n", "\u{e4}", "\x7f", "0123456789abcdefghijklmnopqrstuvw"] {
        assert_eq!(check_names(&["good", bad]), Err(NameError::Name(1)), "{bad:?}");
    }
    assert_eq!(check_names(&[""; 254]), Ok(()));
    assert_eq!(check_names(&[""; 255]), Err(NameError::TooMany));
}

#[test]
fn any_message_is_answered_within_the_buffer() {
    let mut random = Random::new(0x2545_F491);
    let mut byte = move || random.byte();
    let mut slave = Plant::slave();
    for round in 0..200_000 {
        let codes = [0x00, 0x02, 0x10, 0x11, 0x12, 0xA0, 0xA1, 0xFF];
        let mut message = vec![codes[usize::from(byte() % 8)], byte() % 8, byte()];
        if byte() % 4 == 0 {
            message[1] = 0xFF;
        }
        (0..byte() % 6).for_each(|_| message.push(byte()));
        message.truncate(usize::from(byte()));
        let mut tx = vec![0; usize::from(byte() % 40)];
        let len = slave.receive(&message, &mut tx).0;
        assert!(len <= tx.len(), "round {round}: {message:02X?}");
        assert!(slave.poll(&mut tx) <= tx.len());
    }
}

/// Each byte of each golden command changed, each front of it, and garbage in front of it.
#[test]
fn a_golden_command_damaged_anywhere_gets_one_response_at_most_and_costs_only_itself() {
    let mut count = 0;
    for file in vectors() {
        let Some(dialogue) = file.get("slave_dialogue") else { continue };
        let mut slave = Slave::new(Described::new(&dialogue["setup"])).unwrap();
        for step in dialogue["steps"].as_array().unwrap() {
            let (mut buffer, wire) = ([0; 256], hex(&step["request"]["wire"]));
            let mut decoder = Lrc::new(&mut buffer);
            if decoder.push(&mut &wire[..]) != Ok(Progress::Message) {
                continue;
            }
            count += damage::each(decoder.message(), |damaged| {
                let mut tx = [0; 256];
                let (len, _) = slave.receive(damaged, &mut tx);
                assert!(len == 0 || len >= 3, "{damaged:02x?}");
                // A response has the counter of its command, or none where that is not readable.
                if let (3.., Some(counter)) = (len, damaged.get(2)) {
                    assert!(tx[2] == *counter || tx[2] == 0, "{damaged:02x?} got {:02x?}", &tx[..len]);
                }
                while slave.poll(&mut tx) > 0 {}
            });
            for room in 0..64 {
                let mut tx = [0; 64];
                let len = slave.receive(decoder.message(), &mut tx[..room]).0;
                assert!(len <= room);
                while slave.poll(&mut tx) > 0 {}
            }
            let mut tx = [0; 256];
            let (len, _) = slave.receive(&[0x02, 0, 9], &mut tx);
            assert_eq!(&tx[..3], [0, 0, 9], "{:02x?}", &tx[..len]);
        }
    }
    assert!(count > 10_000, "{count}");
}

#[test]
fn state_is_one_bit_for_each_address() {
    struct Nothing;
    impl Resources for Nothing {
        fn names(&self) -> &[&str] {
            &[]
        }

        fn get(&mut self, _: Address, _: &mut [u8]) -> Result<usize, Refusal> {
            Err(Refusal::NotImplemented)
        }
    }
    assert!(size_of::<Slave<Nothing>>() <= 34);
    let mut slave = Slave::new(Nothing).unwrap();
    assert_eq!(ask(&mut slave, &[2, 0, 1]), [0, 0, 1]);
    assert!(size_of::<Lrc<'_>>() <= 64 && Lrc::GAP == Duration::from_millis(20));
}

// ---- helpers ------------------------------------------------------------------------------------

fn vectors() -> Vec<Json> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/s3mp");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    assert!(!files.is_empty());
    files.iter().map(|path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()).collect()
}

fn hex(value: &Json) -> Vec<u8> {
    bytes(value.as_str().unwrap())
}

/// A value that counts how often it is read.
struct Counted(u32);

impl Resources for Counted {
    fn names(&self) -> &[&str] {
        &["slow"]
    }

    fn get(&mut self, _: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        self.0 += 1;
        out[0] = 7;
        Ok(1)
    }

    fn serves_all(&self, _: Command) -> bool {
        true
    }
}

#[test]
fn a_subscription_reads_a_compared_value_once() {
    let mut reported = [Reported::<4>::NONE; 1];
    let mut slave = Slave::new(Compared::new(Counted(0), &mut reported)).unwrap();
    let mut tx = [0; 16];
    let _ = slave.receive(&[0xA0, 1, 1], &mut tx);
    assert_eq!(slave.resources().resources().0, 1);
    let _ = slave.receive(&[0xA0, 0xFF, 2], &mut tx);
    assert_eq!(slave.resources().resources().0, 2);
}
