//! S3MP: a slave that receives anything, every request of the master, both routines, values of all
//! types.

use crate::{Operation, ask, drop_in_box, flag, run, serve, time};
use anysmp::cbor::{Bytes, Text};
use anysmp::line::Caller;
use anysmp::s3mp::master::{
    Describe, Get, Invert, Master, Names, Request, Set, Status, Subscribe, Unsolicited, Unsubscribe, error_text,
};
use anysmp::s3mp::routine::{Connect, Monitor, Watch};
use anysmp::s3mp::slave::{Compared, Damped, Number as _, Refusal, Reported, Resources, Slave, Watched, check_names};
use anysmp::s3mp::value::{self, Value};
use anysmp::s3mp::{Address, Command, Counter, Header, ResponseCode};
use core::hint::black_box;

pub const ALL: &[Operation] = &[
    slave,
    |bytes, room| exchange(&Status, bytes, room),
    |bytes, room| exchange(&Describe, bytes, room),
    |bytes, room| exchange(&Get { address: address() }, bytes, room),
    |bytes, room| exchange(&Set { address: address(), value: Value::new(bytes) }, bytes, room),
    |bytes, room| exchange(&Invert { address: address() }, bytes, room),
    |bytes, room| exchange(&Subscribe { address: address() }, bytes, room),
    |bytes, room| exchange(&Unsubscribe { address: address() }, bytes, room),
    |_, room| drop_in_box(master().reset(address(), room)),
    |bytes, _| {
        if let Ok(names) = Describe::decode(bytes) {
            names.iter().for_each(drop_in_box);
            drop_in_box(names.find(black_box("name")));
        }
    },
    |bytes, _| {
        let value = Value::new(bytes);
        drop_in_box((value.is_item(), value.is_null(), value.bool(), value.u64(), value.i64(), value.f64()));
        drop_in_box((value.text().map(Text::as_str), value.byte_string().map(Bytes::len)));
        value.entries().into_iter().flatten().for_each(drop_in_box);
    },
    |_, room| drop_in_box(value::encode(black_box(-1_i64), room)),
    |_, room| drop_in_box(value::encode(black_box(0.5_f64), room)),
    |_, room| drop_in_box(value::encode(black_box("text"), room)),
    |_, room| drop_in_box(Value::encode(black_box(true), room)),
    |bytes, _| drop_in_box((Unsolicited::parse(bytes), error_text(bytes))),
    |bytes, _| drop_in_box((Header::<Command>::parse(bytes), Header::<ResponseCode>::parse(bytes))),
    |bytes, room| {
        run(&mut Connect::from_names(&mut [Watch::NONE; 4]).with_retries(black_box(3)), &mut master(), bytes, room)
    },
    |bytes, room| run(&mut Connect::new(&mut [Watch::NONE; 4]).with_reset(false), &mut master(), bytes, room),
    |bytes, room| {
        run(&mut Monitor::new(Value::new(bytes).into(), &mut [Watch::new(address()); 4]), &mut master(), bytes, room)
    },
    |bytes, _| {
        if let Some((header, _)) = Header::<ResponseCode>::parse(bytes) {
            drop_in_box((
                header.code.is_error(),
                header.address.index(),
                Address::at(header.address.index().unwrap_or(0)),
            ));
        }
    },
    |bytes, room| {
        let mut watches = [Watch::NONE; 4];
        let connect = Connect::from_names(&mut watches).with_interval(time()).with_quiet(time());
        run(&mut { connect }, &mut master().with_timeout(time()), bytes, room);
        let monitor = Monitor::new(Value::new(bytes).into(), &mut watches).with_interval(time()).with_fresh(time());
        let mut monitor = monitor.with_misses(black_box(3));
        run(&mut monitor, &mut master(), bytes, room);
        monitor.watches().iter().for_each(|watch| drop_in_box((watch.address(), watch.age())));
    },
    |bytes, _| drop_in_box(Names::parse(bytes).map(|names| names.find(black_box("name")))),
    |_, _| drop_in_box(check_names(black_box(&["number", ""]))),
    |_, _| {
        if let Some(mut slave) = plant() {
            drop_in_box(slave.is_subscribed(address()));
            slave.tick(time());
            slave.resources().relay.set(flag());
        }
    },
    |bytes, room| {
        let mut reported = [Reported::<9>::NONE; 1];
        let plant = Plant { number: Watched::new(0), relay: Watched::new(false) };
        let mut compared = Compared::new(plant, &mut reported);
        compared.resources().relay.set(flag());
        drop_in_box(compared.is_watched(address()));
        if let Ok(mut slave) = Slave::new(compared) {
            serve(&mut slave, bytes, room);
        }
    },
    |_, _| {
        let mut level = Damped::new(black_box(i8::MIN)).with_band(black_box(3)).with_pause(time());
        drop_in_box(level.report());
        level.tick(time());
        level.set(black_box(i8::MAX));
        drop_in_box((level.value(), level.is_changed()));
        drop_in_box((black_box(0.5_f32).distance(black_box(f32::NAN)), black_box(7_u64).distance(black_box(9))));
    },
];

fn address() -> Address {
    black_box(Address::ALL)
}

pub struct Plant {
    number: Watched<i64>,
    relay: Watched<bool>,
}

impl Resources for Plant {
    fn names(&self) -> &[&str] {
        black_box(&["number", "relay", ""])
    }

    fn get(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        Ok(match address {
            Address(1) => value::encode(self.number.report(), out)?,
            Address(2) => return Err(Refusal::Explained),
            _ => value::encode(self.relay.report(), out)?,
        })
    }

    fn set(&mut self, address: Address, value: Value<'_>) -> Result<(), Refusal> {
        match address {
            Address(1) => self.number.set(value.i64()?),
            _ => self.relay.set(value.bool()?),
        }
        Ok(())
    }

    fn invert(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        self.relay.set(!self.relay.value());
        self.get(address, out)
    }

    fn changed(&mut self, address: Address) -> Option<bool> {
        Some(if address == Address(1) { self.number.is_changed() } else { self.relay.is_changed() })
    }

    fn status(&mut self, _: &mut [u8]) -> Result<usize, Refusal> {
        Ok(black_box(usize::MAX))
    }

    fn explain(&mut self, _: Address, _: &mut [u8]) -> usize {
        black_box(usize::MAX)
    }

    fn debug(&mut self, _: &mut [u8]) -> usize {
        black_box(usize::MAX)
    }

    fn serves_all(&self, _: Command) -> bool {
        black_box(true)
    }
}

pub fn plant() -> Option<Slave<Plant>> {
    Slave::new(Plant { number: Watched::new(0), relay: Watched::new(false) }).ok()
}

fn slave(bytes: &[u8], room: &mut [u8]) {
    if let Some(mut slave) = plant() {
        serve(&mut slave, bytes, room);
    }
}

/// A request, its repeats, and the bytes as its answer.
fn exchange<R: Request>(request: &R, bytes: &[u8], room: &mut [u8]) {
    ask(&mut master(), request, bytes, room);
    let mut master = master();
    let Ok((_, mut pending)) = master.request(request, room) else { return };
    while !pending.accepts(bytes) {
        if Caller::<R>::retry(&mut master, &mut pending, room).is_none() {
            return;
        }
    }
    black_box(pending.decode(bytes)).ok();
}

pub fn master() -> Master {
    Master::new(black_box(Counter::NONE))
}
