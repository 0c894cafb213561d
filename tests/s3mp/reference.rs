//! Random exchanges with a slave, compared with a second slave that was written from the README of
//! S3MP (its C code for COBS and the check, its tables of commands) without a look at `src`.
//!
//! `ANYSMP_EXCHANGES=10000000 cargo test --release --features host --test s3mp reference` makes
//! this many; without the variable there are 100,000.

use anysmp::framing::lrc::Lrc;
use anysmp::framing::{Encoder as _, Framing as _, Progress};
use anysmp::s3mp::slave::{Refusal, Resources, Slave, Watched};
use anysmp::s3mp::value::{self, Value};
use anysmp::s3mp::{Address, Header, ResponseCode};

use crate::kit::hex::show;
use crate::kit::random::Random;

// ---- the README's code ----

/// `cobs_encode`: a block is closed by a zero, or when it is full; the last one always.
fn cobs(message: &[u8]) -> Vec<u8> {
    let (mut out, mut code_at, mut code) = (vec![0], 0, 1_u8);
    for byte in message {
        if *byte != 0 {
            out.push(*byte);
            code += 1;
        }
        if *byte == 0 || code == 0xFF {
            out[code_at] = code;
            code_at = out.len();
            out.push(0);
            code = 1;
        }
    }
    out[code_at] = code;
    out
}

/// `cobs_decode`, which trusts its input.
fn uncobs(mut encoded: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some((code, rest)) = encoded.split_first() {
        let (data, rest) = rest.split_at(usize::from(*code) - 1);
        out.extend(data);
        if *code != 0xFF {
            out.push(0);
        }
        encoded = rest;
    }
    // The phantom zero.
    out.pop();
    out
}

/// `crc8`: the negative sum.
fn check(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)).wrapping_neg()
}

fn frame(message: &[u8]) -> Vec<u8> {
    let mut frame = cobs(message);
    frame.extend([check(&frame), 0]);
    frame
}

// ---- the README's slave ----

const NAMES: [&str; 4] = ["number", "relay", "", "broken"];

/// Two values, what the master was told of them, and whether it has subscribed.
#[derive(Default)]
struct Model {
    number: u8,
    relay: bool,
    told: [Option<u8>; 2],
    subscribed: [bool; 2],
}

impl Model {
    fn value(&self, place: usize) -> u8 {
        if place == 0 { self.number } else { 0xF4 | u8::from(self.relay) }
    }

    fn tell(&mut self, place: usize) -> u8 {
        self.told[place] = Some(self.value(place));
        self.value(place)
    }

    fn answer(&mut self, message: &[u8]) -> Vec<u8> {
        let [code, address, counter, data @ ..] = message else { return vec![0x40, 0, 0] };
        let respond =
            |code: u8, data: &[u8]| [&[code, *address, if code == 0x40 { 0 } else { *counter }], data].concat();
        let place = usize::from(*address).wrapping_sub(1);
        match (code, address) {
            (0xFF, 0 | 0xFF) => {
                (self.relay, self.subscribed) = (false, [false; 2]);
                vec![]
            }
            (0xFF, _) => {
                if *address == 2 {
                    self.relay = false;
                }
                if let Some(subscribed) = self.subscribed.get_mut(place) {
                    *subscribed = false;
                }
                vec![]
            }
            (0x00, 0) => respond(0x00, &[]),
            (0x02, 0) => respond(0x00, b"number;relay;;broken;"),
            (_, 0 | 0xFF) => respond(0x45, &[]),
            (_, 3 | 5..) => respond(0x44, &[]),
            (0x10, 1 | 2) => respond(0x00, &[self.tell(place)]),
            (0x10 | 0xA0, _) if *address == 4 => respond(0x50, b"no sensor"),
            (0x11, 2) => match data {
                [0xF4 | 0xF5] => {
                    self.relay = data == [0xF5];
                    respond(0x00, &[])
                }
                _ => respond(0x40, &[]),
            },
            (0x12, 2) => {
                self.relay = !self.relay;
                respond(0x00, &[self.tell(1)])
            }
            (0xA0, _) => {
                self.subscribed[place] = true;
                respond(0x00, &[self.tell(place)])
            }
            (0xA1, _) => {
                if let Some(subscribed) = self.subscribed.get_mut(place) {
                    *subscribed = false;
                }
                respond(0x00, &[])
            }
            _ => respond(0x45, &[]),
        }
    }

    fn pushes(&mut self) -> Vec<Vec<u8>> {
        let due = (0..2).filter(|place| self.subscribed[*place] && self.told[*place] != Some(self.value(*place)));
        due.collect::<Vec<_>>().into_iter().map(|place| vec![0xA0, place as u8 + 1, 0, self.tell(place)]).collect()
    }
}

// ---- ours ----

struct Plant {
    number: Watched<u8>,
    relay: Watched<bool>,
}

impl Resources for Plant {
    fn names(&self) -> &[&str] {
        &NAMES
    }

    fn get(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        Ok(match address {
            Address(1) => value::encode(self.number.report(), out)?,
            Address(2) => value::encode(self.relay.report(), out)?,
            _ => return Err(Refusal::Failed("no sensor")),
        })
    }

    fn set(&mut self, address: Address, value: Value<'_>) -> Result<(), Refusal> {
        if address != Address(2) {
            return Err(Refusal::NotImplemented);
        }
        self.relay.set(value.bool()?);
        Ok(())
    }

    fn invert(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        if address != Address(2) {
            return Err(Refusal::NotImplemented);
        }
        self.relay.set(!self.relay.value());
        self.get(address, out)
    }

    fn changed(&mut self, address: Address) -> Option<bool> {
        Some(match address {
            Address(1) => self.number.is_changed(),
            Address(2) => self.relay.is_changed(),
            _ => false,
        })
    }

    fn reset(&mut self, address: Address) {
        if address == Address(2) {
            self.relay.set(false);
        }
    }
}

fn command(random: &mut Random) -> Vec<u8> {
    let mut message = vec![
        random.pick(&[0x00, 0x02, 0x10, 0x10, 0x11, 0x11, 0x12, 0xA0, 0xA0, 0xA1, 0xFF, 0x77]),
        random.pick(&[0, 1, 1, 2, 2, 2, 3, 4, 5, 0xFE, 0xFF]),
        random.byte(),
    ];
    match random.below(8) {
        0 => message.truncate(random.below(3) as usize),
        1..4 => message.push(random.pick(&[0xF4, 0xF5])),
        4 => message.extend((0..random.below(9)).map(|_| random.pick(&[0, 1, 0xF5, 0xFF])).collect::<Vec<_>>()),
        // A long one: full blocks.
        5 if random.below(8) == 0 => message.extend(vec![random.pick(&[0, 1, 0x55]); 240 + random.below(16) as usize]),
        _ => {}
    }
    message
}

#[test]
fn random_exchanges_with_a_slave_are_those_of_a_reference_written_from_the_readme() {
    let count: u32 = std::env::var("ANYSMP_EXCHANGES").map_or(100_000, |count| count.parse().expect("a number"));
    let seed = 0x53_334D;
    let mut random = Random::new(seed);
    let mut model = Model::default();
    let mut slave = Slave::new(Plant { number: Watched::new(0), relay: Watched::new(false) }).unwrap();
    let mut buffer = [0; 300];
    let mut framing = Lrc::new(&mut buffer);
    let (mut tx, mut pushed, mut damaged) = ([0; 64], 0, 0);
    for round in 0..count {
        let context = || format!("seed {seed:#x}, exchange {round}");
        if random.below(4) == 0 {
            model.number = random.below(24) as u8;
            slave.resources().number.set(model.number);
        }
        let message = command(&mut random);
        let mut wire = frame(&message);
        // A damaged check: not zero, which would end the frame too early, and not 01, which may be
        // a block.
        let place = wire.len() - 2;
        let is_damaged = random.below(16) == 0 && wire[place] > 0x80;
        if is_damaged {
            wire[place] -= 0x40;
            damaged += 1;
        }
        // In pieces; a frame whose check is 01 is decided by silence.
        let mut verdict = Ok(Progress::More);
        let cut = random.below(wire.len() as u64 + 1) as usize;
        for mut piece in [&wire[..cut], &wire[cut..]] {
            while !piece.is_empty() && verdict == Ok(Progress::More) {
                verdict = framing.push(&mut piece).map(|progress| match progress {
                    Progress::Message => Progress::Message,
                    _ => Progress::More,
                });
            }
        }
        if verdict == Ok(Progress::More) {
            verdict = framing.idle(Lrc::GAP);
        }
        let len = match verdict {
            Ok(_) => {
                assert_eq!(framing.message(), message, "{}", context());
                slave.receive(framing.message(), &mut tx).0
            }
            Err(error) => slave.damaged(error.into(), &mut tx),
        };
        let expected = if is_damaged { vec![0x41, 0, 0] } else { model.answer(&message) };
        assert_eq!(show(&tx[..len]), show(&expected), "{}, to {}", context(), show(&message));
        let mut answers = vec![tx[..len].to_vec()];
        let pushes = model.pushes();
        for push in &pushes {
            let len = slave.poll(&mut tx);
            assert_eq!(show(&tx[..len]), show(push), "{}", context());
            answers.push(push.clone());
            pushed += 1;
        }
        assert_eq!(slave.poll(&mut tx), 0, "{}", context());
        // What we send, the README's receiver reads: it cuts at the marker.
        for answer in answers.iter().filter(|answer| !answer.is_empty()) {
            let (mut encoder, mut wire) = (framing.encode(answer).unwrap(), [0; 100]);
            let len = encoder.next(answer, &mut wire);
            assert_eq!(wire[..len], frame(answer), "{}", context());
            let (encoded, end) = wire[..len].split_at(len - 2);
            assert_eq!((end[0], end[1], uncobs(encoded)), (check(encoded), 0, answer.clone()), "{}", context());
            assert!(Header::<ResponseCode>::parse(answer).is_some());
        }
    }
    assert!(pushed > count / 20 && damaged > count / 100, "{pushed} pushes, {damaged} damaged");
}
