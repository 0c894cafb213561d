//! The rules that determine traffic: when a slave pushes, and which requests it refuses.

use std::time::Duration;

use anysmp::line::Serve;
use anysmp::s3mp::slave::{Compared, Damped, Refusal, Reported, Resources, Slave, Watched};
use anysmp::s3mp::value::{self, Value};
use anysmp::s3mp::{Address, Command};

const TICK: Duration = Duration::from_millis(5);

fn ask<R: Resources>(slave: &mut Slave<R>, message: &[u8]) -> Vec<u8> {
    let mut tx = [0; 64];
    let len = slave.receive(message, &mut tx).0;
    tx[..len].to_vec()
}

/// The messages of this many rounds of 5 ms.
fn rounds<R: Resources>(slave: &mut Slave<R>, rounds: u32) -> Vec<Vec<u8>> {
    let (mut tx, mut sent) = ([0; 64], Vec::new());
    for _ in 0..rounds {
        Serve::tick(slave, TICK);
        loop {
            match slave.poll(&mut tx) {
                0 => break,
                len => sent.push(tx[..len].to_vec()),
            }
        }
    }
    sent
}

struct Sensor(Watched<f32>);

impl Resources for Sensor {
    fn names(&self) -> &[&str] {
        &["temperature"]
    }

    fn get(&mut self, _: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        Ok(value::encode(self.0.report(), out)?)
    }

    fn changed(&mut self, _: Address) -> Option<bool> {
        Some(self.0.is_changed())
    }
}

#[test]
fn a_sensor_that_reads_nan_is_pushed_once() {
    let mut slave = Slave::new(Sensor(Watched::new(f32::NAN))).unwrap();
    ask(&mut slave, &[0xA0, 1, 7]);
    assert_eq!(rounds(&mut slave, 1000).len(), 0, "the response to SUBSCRIBE has said it");
    slave.resources().0.set(21.0);
    assert_eq!(rounds(&mut slave, 1000).len(), 1);
    slave.resources().0.set(f32::NAN);
    assert_eq!(rounds(&mut slave, 1000).len(), 1);
    // Signed zeros are the same number.
    slave.resources().0.set(0.0);
    rounds(&mut slave, 1);
    slave.resources().0.set(-0.0);
    assert_eq!(rounds(&mut slave, 1000).len(), 0);
}

/// Two numbers that can be read; nothing notes their changes.
struct Silent([f64; 2]);

impl Resources for Silent {
    fn names(&self) -> &[&str] {
        &["one", "two"]
    }

    fn get(&mut self, address: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        Ok(value::encode(self.0[address.index().unwrap()], out)?)
    }

    fn serves_all(&self, _: Command) -> bool {
        true
    }
}

#[test]
fn a_slave_whose_values_nobody_watches_refuses_subscribe() {
    let mut slave = Slave::new(Silent([1.0, 2.0])).unwrap();
    assert_eq!(ask(&mut slave, &[0xA0, 1, 9]), [0x45, 1, 9]);
    assert!(!slave.is_subscribed(Address(1)));
    assert_eq!(ask(&mut slave, &[0x10, 1, 10])[..3], [0x00, 1, 10]);
    // And of all addresses there are none.
    assert_eq!(ask(&mut slave, &[0xA0, 0xFF, 11]), [0x00, 0xFF, 11, 0xA0]);
}

#[test]
fn values_are_watched_by_comparing_their_encoded_bytes() {
    let mut reported = [Reported::<9>::NONE; 1];
    let mut slave = Slave::new(Compared::new(Silent([1.0, 2.0]), &mut reported)).unwrap();
    assert_eq!(ask(&mut slave, &[0xA0, 1, 9])[..3], [0x00, 1, 9]);
    // There is room for one address.
    assert_eq!(ask(&mut slave, &[0xA0, 2, 10]), [0x45, 2, 10]);
    assert_eq!(ask(&mut slave, &[0x10, 2, 10])[..3], [0x00, 2, 10]);
    assert_eq!(rounds(&mut slave, 100).len(), 0);
    for value in [3.0, f64::NAN, 4.0] {
        slave.resources().resources().0[0] = value;
        let pushed = rounds(&mut slave, 100);
        assert_eq!(pushed.len(), 1, "{value}");
        assert_eq!(pushed[0][..3], [0xA0, 1, 0]);
    }
    // What GET has reported is no news.
    slave.resources().resources().0[0] = 5.0;
    ask(&mut slave, &[0x10, 1, 11]);
    assert_eq!(rounds(&mut slave, 100).len(), 0);
}

#[test]
fn a_value_that_is_longer_than_its_room_is_refused_aloud() {
    let mut reported = [Reported::<8>::NONE; 2];
    let mut slave = Slave::new(Compared::new(Silent([1.0, 2.0]), &mut reported)).unwrap();
    for command in [0x10, 0xA0] {
        assert_eq!(ask(&mut slave, &[command, 1, 9]), b"\x50\x01\x09too long to be compared");
    }
    assert!(!slave.is_subscribed(Address(1)));
}

struct Adc(Damped<u16>);

impl Resources for Adc {
    fn names(&self) -> &[&str] {
        &["level"]
    }

    fn get(&mut self, _: Address, out: &mut [u8]) -> Result<usize, Refusal> {
        Ok(value::encode(self.0.report(), out)?)
    }

    fn changed(&mut self, _: Address) -> Option<bool> {
        Some(self.0.is_changed())
    }

    fn tick(&mut self, elapsed: Duration) {
        self.0.tick(elapsed);
    }
}

#[test]
fn a_number_that_jitters_within_its_dead_band_is_not_pushed() {
    let mut slave = Slave::new(Adc(Damped::new(1000).with_band(3))).unwrap();
    ask(&mut slave, &[0xA0, 1, 7]);
    for jitter in [997, 1003, 998, 1000, 1002].iter().cycle().take(100) {
        slave.resources().0.set(*jitter);
        assert_eq!(rounds(&mut slave, 1).len(), 0, "{jitter}");
    }
    // Not from where it was last, but from what was reported: a slow drift is seen.
    slave.resources().0.set(1004);
    assert_eq!(rounds(&mut slave, 1).len(), 1);
    slave.resources().0.set(1001);
    assert_eq!(rounds(&mut slave, 1).len(), 0);
    slave.resources().0.set(0);
    assert_eq!(rounds(&mut slave, 1).len(), 1);
}

#[test]
fn a_number_that_changes_all_the_time_is_pushed_once_in_its_pause() {
    let mut slave = Slave::new(Adc(Damped::new(0).with_pause(Duration::from_millis(500)))).unwrap();
    ask(&mut slave, &[0xA0, 1, 7]);
    let mut pushes = 0;
    for value in 1..=1001 {
        slave.resources().0.set(value);
        pushes += rounds(&mut slave, 1).len();
    }
    assert_eq!(pushes, 10, "5 s, once in 0.5 s");
    // The last one, which came in the pause, is not lost: it leaves when the pause has ended.
    assert_eq!(rounds(&mut slave, 100).len(), 1);
}

#[test]
fn nan_and_infinity_leave_every_dead_band_once() {
    let mut damped = Damped::new(20.0_f32).with_band(100.0);
    for value in [f32::NAN, 20.0, f32::INFINITY, f32::NEG_INFINITY, 20.0] {
        damped.report();
        assert!(!damped.is_changed());
        damped.set(value);
        assert!(damped.is_changed(), "{value}");
    }
    let mut widest = Damped::new(i8::MIN).with_band(254);
    widest.report();
    widest.set(i8::MAX);
    assert!(widest.is_changed());
}

/// A pump that knows the reason why it does not work.
struct Pump {
    current: u32,
}

impl Resources for Pump {
    fn names(&self) -> &[&str] {
        &["pump"]
    }

    fn get(&mut self, _: Address, _: &mut [u8]) -> Result<usize, Refusal> {
        Err(Refusal::Explained)
    }

    fn set(&mut self, _: Address, _: Value<'_>) -> Result<(), Refusal> {
        Err(Refusal::Explained)
    }

    fn status(&mut self, out: &mut [u8]) -> Result<usize, Refusal> {
        if self.current > 0 { Err(Refusal::Explained) } else { Ok(value::encode(1, out)?) }
    }

    fn explain(&mut self, address: Address, out: &mut [u8]) -> usize {
        let text = format!("{address}: {} mA", self.current);
        out.iter_mut().zip(text.bytes()).map(|(to, from)| *to = from).count()
    }
}

#[test]
fn an_error_carries_a_text_made_at_run_time() {
    let mut slave = Slave::new(Pump { current: 810 }).unwrap();
    assert_eq!(ask(&mut slave, &[0x10, 1, 7]), b"\x50\x01\x071: 810 mA");
    assert_eq!(ask(&mut slave, &[0x11, 1, 8, 0xF5]), b"\x50\x01\x081: 810 mA");
    // Cut where `tx` ends.
    let mut tx = [0; 8];
    assert_eq!(slave.receive(&[0x10, 1, 9], &mut tx).0, 8);
    assert_eq!(&tx, b"\x50\x01\x091: 81");
}

#[test]
fn a_slave_that_is_not_well_says_so_in_its_status() {
    let mut slave = Slave::new(Pump { current: 810 }).unwrap();
    assert_eq!(ask(&mut slave, &[0x00, 0, 7]), b"\x50\x00\x070: 810 mA");
    slave.resources().current = 0;
    assert_eq!(ask(&mut slave, &[0x00, 0, 8]), [0x00, 0, 8, 1]);
}

#[test]
fn a_whole_number_reads_as_a_float() {
    for (bytes, number) in [
        (&[21][..], 21.0),
        (&[0x33], -20.0),
        (&[0x1B, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], 18_446_744_073_709_551_615.0),
        (&[0xF9, 0x4D, 0x40], 21.0),
    ] {
        assert_eq!(Value::new(bytes).f64(), Ok(number));
    }
    for other in [&[][..], &[0xF5], &[21, 21], &[0x61, b'1'], &[0x18], &[0xC1, 21]] {
        assert_eq!(Value::new(other).f64(), Err(value::Error::Mismatch), "{other:02X?}");
    }
}
