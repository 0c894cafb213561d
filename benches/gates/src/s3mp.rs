//! An S3MP slave with 8, 64 and 254 names: the map of all values, and a round of its subscriptions.

use crate::Meter;
use anysmp::s3mp::{Address, Command, Counter, Header, Refusal, Resources, Slave};
use core::hint::black_box;

/// Values that change all the time; the device's own work is no part of a gate.
struct Device(&'static [&'static str]);

impl Resources for Device {
    fn names(&self) -> &[&str] {
        self.0
    }

    fn get(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        let Some(place) = out.first_mut() else { return Err(Refusal::BadRequest) };
        *place = address.0 & 0x0F;
        Ok(1)
    }

    fn set(&mut self, _: Address, _: anysmp::s3mp::value::Value<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn serves_all(&self, _: Command) -> bool {
        true
    }

    fn changed(&mut self, _: Address) -> Option<bool> {
        Some(true)
    }
}

static NAMES: [&str; 254] = ["a value"; 254];

pub(crate) fn cases(meter: &mut impl Meter) {
    for count in [8, 64, 254] {
        let Ok(mut slave) = Slave::new(Device(&NAMES[..count])) else { return };
        let (mut tx, all) = ([0; 1024], |code| Header { code, address: Address::ALL, counter: Counter::FIRST }.emit());
        let (get, subscribe) = (all(Command::GET), all(Command::SUBSCRIBE));
        meter.case("s3mp-get-all", count, || {
            assert!(slave.receive(black_box(&get), black_box(&mut tx)).0 > count);
        });
        assert!(slave.receive(&subscribe, &mut tx).0 > count);
        meter.case("s3mp-round", count, || {
            let mut pushes = 0;
            while slave.poll(black_box(&mut tx)) > 0 {
                pushes += 1;
            }
            assert!(pushes == count);
        });
    }
}
