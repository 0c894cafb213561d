//! The simulated greenhouse pushes the values that its master does not have yet, and nothing else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use anysmp::s3mp::slave::{Resources as _, Slave};
use anysmp::s3mp::value::Value;
use anysmp::s3mp::{Address, Command};
use anysmp_tools::s3mp::greenhouse;

const LABEL: Address = Address(4);

#[test]
fn the_greenhouse_knows_after_a_reset_whether_its_label_is_what_the_master_was_told() {
    let mut greenhouse = greenhouse::Greenhouse::new();
    let mut out = [0; 32];
    greenhouse.get(LABEL, &mut out).unwrap();
    greenhouse.reset(LABEL);
    assert_eq!(greenhouse.changed(LABEL), Some(false), "it was as at start");
    greenhouse.set(LABEL, Value::new(b"\x65north")).unwrap();
    greenhouse.get(LABEL, &mut out).unwrap();
    assert_eq!(greenhouse.changed(LABEL), Some(false));
    greenhouse.reset(LABEL);
    assert_eq!(greenhouse.changed(LABEL), Some(true), "the master was told 'north'");
}

#[test]
fn the_greenhouse_pushes_no_label_that_the_master_knows() {
    let mut slave = Slave::new(greenhouse::Greenhouse::new()).unwrap();
    let mut tx = [0; 64];
    while slave.poll(&mut tx) > 0 {}
    for (command, value) in
        [(Command::SUBSCRIBE, &b""[..]), (Command::SET, b"\x65north"), (Command::SET, b"\x6Agreenhouse")]
    {
        let _ = slave.receive(&[&[command.0, LABEL.0, 1], value].concat(), &mut tx);
        assert_eq!(tx[..3], [0, LABEL.0, 1]);
    }
    assert_eq!(slave.poll(&mut tx), 0);
    let _ = slave.receive(&[&[Command::SET.0, LABEL.0, 2], &b"\x65south"[..]].concat(), &mut tx);
    let len = slave.poll(&mut tx);
    assert_eq!(tx[..len], *b"\xA0\x04\x00\x65south");
    assert_eq!(slave.poll(&mut tx), 0);
}
