//! Any bytes as messages to one slave: one answer each except to RESET, to the right request; a
//! PUSH for values that are subscribed and have changed, and for nothing else; our own master can
//! read every answer; and the slave answers STATUS afterwards.
//!
//! Input: a choice, then messages, each preceded by its length in one byte (0: the effect of a
//! damaged one).
#![no_main]

use anysmp::line::Damage;
use anysmp::s3mp::master::{Describe, Error, Get, Master, Request};
use anysmp::s3mp::slave::{After, Refusal, Resources, Slave, Watched};
use anysmp::s3mp::value::{self, Value};
use anysmp::s3mp::{Address, Command, Counter, Header, ResponseCode};
use libfuzzer_sys::fuzz_target;

const NUMBER: Address = Address(1);
const RELAY: Address = Address(2);
const LABEL: Address = Address(4);
const BROKEN: Address = Address(5);

struct Plant {
    number: Watched<i64>,
    relay: Watched<bool>,
    label: Watched<String>,
    debug: bool,
    all: bool,
}

impl Plant {
    fn new(all: bool) -> Self {
        let (number, relay, label) = (Watched::new(7), Watched::new(false), Watched::new(String::new()));
        Self { number, relay, label, debug: false, all }
    }

    /// The response that GET would get.
    fn value(&self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        Ok(match address {
            NUMBER => value::encode(self.number.value(), out)?,
            RELAY => value::encode(self.relay.value(), out)?,
            LABEL => value::encode(self.label.value().as_str(), out)?,
            _ => return Err(Refusal::Failed("no sensor")),
        })
    }
}

impl Resources for Plant {
    fn names(&self) -> &[&str] {
        &["number", "relay", "", "label", "broken"]
    }

    fn get(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        let len = self.value(address, out)?;
        match address {
            NUMBER => drop(self.number.report()),
            RELAY => drop(self.relay.report()),
            _ => drop(self.label.report()),
        }
        Ok(len)
    }

    fn set(&mut self, address: Address, value: Value<'_>) -> Result<(), Refusal> {
        match address {
            NUMBER => self.number.set(value.i64()?),
            RELAY => self.relay.set(value.bool()?),
            LABEL => self.label.set(value.text()?.as_str().ok_or(Refusal::BadRequest)?.to_owned()),
            _ => return Err(Refusal::NotImplemented),
        }
        self.debug = true;
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
            NUMBER => self.number.is_changed(),
            RELAY => self.relay.is_changed(),
            LABEL => self.label.is_changed(),
            // A sensor that cannot be read has always changed.
            _ => true,
        })
    }

    fn status(&mut self, out: &mut [u8]) -> Result<usize, Refusal> {
        Ok(value::encode(1_u8, out)?)
    }

    fn reset(&mut self, address: Address) {
        match address {
            NUMBER => self.number.set(7),
            RELAY => self.relay.set(false),
            LABEL => self.label.set(String::new()),
            _ => {}
        }
    }

    fn debug(&mut self, out: &mut [u8]) -> usize {
        let text: &[u8] = if std::mem::take(&mut self.debug) { b"set" } else { b"" };
        out.iter_mut().zip(text).map(|(to, from)| *to = *from).count()
    }

    fn serves_all(&self, _: Command) -> bool {
        self.all
    }
}

/// The answer to a message that a slave can read.
fn check(slave: &mut Slave<Plant>, (header, asked): (Header<Command>, &[u8]), answer: &[u8]) {
    let (reply, data) = Header::<ResponseCode>::parse(answer).expect("an answer has a header");
    assert_eq!(reply.address, header.address);
    if reply.code == ResponseCode::BAD_REQUEST {
        assert_eq!(reply.counter, Counter::NONE);
    } else {
        assert_eq!(reply.counter, header.counter);
    }
    let mut master = Master::new(Counter::FIRST);
    let (_, pending) = master.request(&Get { address: header.address }, &mut [0; 8]).expect("there is room");
    if reply.code != ResponseCode::ACK {
        assert!(reply.code.is_error());
        assert_eq!(pending.decode(answer).err(), Some(Error::Remote(reply.code)));
        return;
    }
    match header.code {
        Command::DESCRIBE => {
            let names = Describe::decode(data).expect("our own names");
            assert_eq!(names.iter().count(), 4);
            assert_eq!(names.find("label"), Some(LABEL));
        }
        Command::GET | Command::SUBSCRIBE | Command::INVERT if header.address != Address::ALL => {
            let mut out = [0; 300];
            let len = slave.resources().value(header.address, &mut out).expect("it was read");
            assert_eq!(data, &out[..len]);
            assert!(header.code != Command::SUBSCRIBE || slave.is_subscribed(header.address));
        }
        Command::GET | Command::SUBSCRIBE => {
            assert_eq!(Value::new(data).entries().expect("a map").count(), 3);
        }
        Command::SET => assert!(Value::new(asked).is_item()),
        _ => {}
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, mut input)) = input.split_first() else { return };
    let room = if choice & 1 == 0 { 300 } else { usize::from(choice >> 2) };
    let mut slave = Slave::new(Plant::new(choice & 2 != 0)).unwrap();
    let mut tx = [0; 300];
    while let Some((len, rest)) = input.split_first() {
        let (message, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        input = rest;
        let tx = &mut tx[..room];
        if message.is_empty() {
            for (error, code) in
                [(Damage::Checksum, ResponseCode::INVALID), (Damage::TooLong, ResponseCode::BAD_REQUEST)]
            {
                let len = slave.damaged(error, tx);
                assert!(len == 0 && room < 3 || tx[..len] == [code.0, 0, 0]);
            }
            assert_eq!(slave.damaged(Damage::Lost, tx), 0);
        } else {
            let (len, after) = slave.receive(message, tx);
            match Header::<Command>::parse(message) {
                None => assert!(len == 0 && room < 3 || tx[..len] == [ResponseCode::BAD_REQUEST.0, 0, 0]),
                Some((header, _)) if header.code == Command::RESET => {
                    assert_eq!((len, after == After::Restart), (0, header.address == Address::HOST));
                    assert!(!slave.is_subscribed(header.address));
                }
                Some(_) if room < 3 => assert_eq!(len, 0),
                Some(whole) => check(&mut slave, whole, &tx[..len]),
            }
        }
        // A round ends, and reports each address at most once.
        let mut last = None;
        loop {
            let changed = [NUMBER, RELAY, LABEL, BROKEN].map(|address| slave.resources().changed(address));
            let len = slave.poll(tx);
            if len == 0 {
                break;
            }
            let (reply, _) = Header::<ResponseCode>::parse(&tx[..len]).unwrap();
            assert_eq!(reply.counter, Counter::NONE);
            assert!(last < Some(reply.address), "twice in a round");
            last = Some(reply.address);
            if reply.code == ResponseCode::PUSH {
                let place = [NUMBER, RELAY, LABEL].iter().position(|address| *address == reply.address).unwrap();
                assert!(slave.is_subscribed(reply.address) && changed[place] == Some(true));
                assert_eq!(slave.resources().changed(reply.address), Some(false), "it was reported");
            } else {
                assert_eq!((reply.code, reply.address), (ResponseCode::DEBUG, Address::HOST));
            }
        }
    }
    assert_eq!(slave.receive(&[Command::STATUS.0, 0, 9], &mut tx), (4, After::Nothing));
    assert_eq!(tx[..4], [ResponseCode::ACK.0, 0, 9, 1]);
});
