//! Typed values: declared once, for node and master; groups split and built; curves of numbers.

use anysmp::bsmp::curve::Curve;
use anysmp::bsmp::group::{Group, Members};
use anysmp::bsmp::routine::{CurveOutcome, Directory, WriteCurve};
use anysmp::bsmp::typed::{self, Be, Chars, Elements, Field, Function, elements};
use anysmp::bsmp::variable::Variable;
use anysmp::bsmp::{Client, Entities, Error, Refusal, Server, Table, Version};
use anysmp::source::Source as _;

use crate::client::run;

typed::variables! {
    /// The variables of a power supply.
    VARIABLES:
    /// Set point of the current, in A.
    SETPOINT: f32, writable;
    /// Current at the output, in A.
    CURRENT: f32;
    /// State, as Sirius' supplies pack it.
    STATE: State;
    /// Its name.
    NAME: Chars<8>, writable;
    /// Of an old device, big endian.
    COUNT: Be<u32>, writable;
}

typed::fields! {
    /// Bits, and temperatures in °C.
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct State {
        bits: u16,
        temperatures: [i8; 2],
    }
}

const STATE_NOW: State = State { bits: 0x8001, temperatures: [40, -1] };

struct Supply {
    setpoint: f32,
    name: Chars<8>,
    count: u32,
}

impl Entities for Supply {
    fn read(&mut self, variable: u8, value: &mut [u8]) {
        let written = match variable {
            id if id == SETPOINT.id() => SETPOINT.put(self.setpoint, value),
            id if id == CURRENT.id() => CURRENT.put(self.setpoint * 0.5, value),
            id if id == STATE.id() => STATE.put(STATE_NOW, value),
            id if id == NAME.id() => NAME.put(self.name, value),
            _ => COUNT.put(Be(self.count), value),
        };
        written.unwrap();
    }

    fn write(&mut self, variable: u8, value: &[u8]) {
        match variable {
            id if id == SETPOINT.id() => self.setpoint = SETPOINT.get(value).unwrap(),
            id if id == NAME.id() => self.name = NAME.get(value).unwrap(),
            _ => self.count = COUNT.get(value).unwrap().0,
        }
    }

    fn execute(&mut self, _: u8, input: &[u8], output: &mut [u8]) -> Result<(), core::num::NonZeroU8> {
        let (by, at_most) = (f32::parse(&input[..4]).unwrap(), f32::parse(&input[4..]).unwrap());
        assert!((self.setpoint * by).min(at_most).emit(output));
        Ok(())
    }
}

const SCALE: Function<[f32; 2], f32> = Function::new(0);

fn table() -> Table<'static> {
    static FUNCTIONS: [anysmp::bsmp::function::Function; 1] = [SCALE.function()];
    Table::new(&VARIABLES, &[], &FUNCTIONS).unwrap()
}

fn supply(table: &Table<'static>) -> Server<'static, Supply> {
    let table = Box::leak(Box::new(*table));
    Server::new(Supply { setpoint: 10.0, name: Chars::new("ps-01").unwrap(), count: 7 }, table)
}

#[test]
fn a_list_of_names_and_types_is_the_table_of_a_node() {
    let expected = [
        Variable::writable(4),
        Variable::read_only(4),
        Variable::read_only(4),
        Variable::writable(8),
        Variable::writable(4),
    ];
    assert_eq!(VARIABLES, expected);
    assert_eq!([SETPOINT.id(), CURRENT.id(), STATE.id(), NAME.id(), COUNT.id()], [0, 1, 2, 3, 4]);
}

/// Both ends, from the same list.
#[test]
fn a_value_that_the_master_writes_is_the_value_that_it_reads() {
    let mut server = supply(&table());
    let (client, mut request, mut answer) = (Client::new(), [0; 64], [0; 64]);
    macro_rules! call {
        ($what:expr) => {{
            let (len, pending) = client.request(&$what, &mut request).unwrap();
            let len = server.receive(&request[..len], &mut answer);
            pending.decode(&answer[..len])
        }};
    }
    assert_eq!(call!(SETPOINT.write(-2.5)), Ok(()));
    assert_eq!(call!(SETPOINT.read()), Ok(-2.5));
    assert_eq!(call!(CURRENT.read()), Ok(-1.25));
    assert_eq!(call!(CURRENT.write(1.0)), Err(Error::Remote(Refusal::ReadOnly)));
    assert_eq!(call!(STATE.read()), Ok(STATE_NOW));
    assert_eq!(call!(NAME.write(Chars::new("ps-02").unwrap())), Ok(()));
    assert_eq!(call!(NAME.read()).unwrap().as_str(), Some("ps-02"));
    assert_eq!(call!(COUNT.write(Be(0x0102_0304))), Ok(()));
    assert_eq!(request[..8], [0x20, 0, 5, 4, 1, 2, 3, 4]);
    assert_eq!(call!(COUNT.read()), Ok(Be(0x0102_0304)));
    assert_eq!(call!(SCALE.call([4.0, -3.0])), Ok(-10.0));
    // The wrong type: the node refuses the size of a write, the master that of an answer.
    let wrong = typed::Typed::<u16>::writable(0);
    assert_eq!(call!(wrong.write(7)), Err(Error::Remote(Refusal::InvalidSize)));
    assert_eq!(call!(wrong.read()), Err(Error::WrongSize));
}

fn directory() -> (Vec<Group>, Vec<Variable>) {
    let group = |ids: &[u8], writable| Group { members: Members::of(ids).unwrap(), writable };
    let groups =
        vec![group(&[0, 1, 2, 3, 4], false), group(&[1, 2], false), group(&[0, 3, 4], true), group(&[], false)];
    (groups, VARIABLES.to_vec())
}

fn shown<'d>(lists: &'d (Vec<Group>, Vec<Variable>)) -> Directory<'d> {
    let (groups, variables) = lists;
    Directory { version: Version::V2_30, variables, groups, curves: &[], checksums: &[], functions: &[] }
}

#[test]
fn a_group_read_splits_into_its_members_and_other_sizes_are_errors() {
    let mut server = supply(&table());
    let mut answer = [0; 64];
    let lists = directory();
    let directory = shown(&lists);
    let len = server.receive(&[0x12, 0, 1, 0], &mut answer);
    let values = directory.values(0, &answer[3..len]).unwrap();
    assert_eq!(
        values.clone().map(|(id, bytes)| (id, bytes.len())).collect::<Vec<_>>(),
        [(0, 4), (1, 4), (2, 4), (3, 8), (4, 4)]
    );
    assert_eq!((values.get(SETPOINT), values.get(CURRENT), values.get(STATE)), (Ok(10.0), Ok(5.0), Ok(STATE_NOW)));
    assert_eq!(values.get(COUNT), Ok(Be(7)));
    let len = server.receive(&[0x12, 0, 1, 1], &mut answer);
    let values = directory.values(1, &answer[3..len]).unwrap();
    assert_eq!((values.get(CURRENT), values.get(SETPOINT)), (Ok(5.0), Err(Error::UnknownId)));
    assert_eq!(values.get(typed::Typed::<u8>::read_only(1)), Err(Error::WrongSize));
    assert_eq!(directory.values(1, &answer[3..len - 1]).unwrap_err(), Error::WrongSize);
    assert_eq!(directory.values(9, &[]).unwrap_err(), Error::UnknownId);
    assert_eq!(directory.values(3, &[]).unwrap().count(), 0);
}

#[test]
fn a_group_write_is_built_from_its_members_in_any_order_and_none_may_be_missing() {
    let mut server = supply(&table());
    let lists = directory();
    let directory = shown(&lists);
    let mut buffer = [0xEE; 16];
    let mut filling = directory.fill(2, &mut buffer).unwrap();
    filling.set(COUNT, Be(9)).unwrap();
    filling.set(SETPOINT, 3.0).unwrap();
    assert_eq!(filling.set(CURRENT, 1.0), Err(Error::UnknownId));
    assert_eq!(filling.set(typed::Typed::<u8>::writable(3), 1), Err(Error::WrongSize));
    assert_eq!(filling.set_bytes(3, &[0; 7]), Err(Error::WrongSize));
    filling.set_bytes(3, b"ps-03\0\0\0").unwrap();
    let (mut request, mut answer) = ([0; 64], [0; 64]);
    let write = filling.write().unwrap();
    let (len, pending) = Client::new().request(&write, &mut request).unwrap();
    let len = server.receive(&request[..len], &mut answer);
    assert_eq!(pending.decode(&answer[..len]), Ok(()));
    let Supply { setpoint, name, count } = server.entities();
    assert_eq!((*setpoint, name.as_str(), *count), (3.0, Some("ps-03"), 9));

    let mut filling = directory.fill(2, &mut buffer).unwrap();
    filling.set(SETPOINT, 3.0).unwrap();
    assert_eq!(filling.write().unwrap_err(), Error::Argument, "what the others would be is chance");
    assert_eq!(directory.fill(2, &mut [0; 15]).unwrap_err(), Error::BufferFull);
    assert!(directory.fill(3, &mut []).unwrap().write().is_ok());
}

#[test]
fn fields_have_their_bytes_in_their_order_and_no_others() {
    fn both<T: Field + PartialEq + core::fmt::Debug>(value: T, bytes: &[u8]) {
        let mut out = vec![0xEE; bytes.len()];
        assert!(value.emit(&mut out));
        assert_eq!(out, bytes);
        assert_eq!(T::parse(bytes), Some(value));
        assert_eq!(T::SIZE, bytes.len());
        let longer = [bytes, &[0]].concat();
        assert_eq!(T::parse(&longer), None);
        assert!(!value.emit(&mut longer.clone()));
        if let Some((_, shorter)) = bytes.split_last() {
            assert_eq!(T::parse(shorter), None);
            assert!(!value.emit(&mut shorter.to_vec()));
        }
    }
    both(0x12_u8, &[0x12]);
    both(-2_i8, &[0xFE]);
    both(0x1234_u16, &[0x34, 0x12]);
    both(-2_i16, &[0xFE, 0xFF]);
    both(0x1234_5678_u32, &[0x78, 0x56, 0x34, 0x12]);
    both(-2_i32, &[0xFE, 0xFF, 0xFF, 0xFF]);
    both(1_u64, &[1, 0, 0, 0, 0, 0, 0, 0]);
    both(-1_i64, &[0xFF; 8]);
    both(1.0_f32, &[0, 0, 0x80, 0x3F]);
    both(1.0_f64, &[0, 0, 0, 0, 0, 0, 0xF0, 0x3F]);
    both(Be(0x1234_u16), &[0x12, 0x34]);
    both(Be(1.0_f32), &[0x3F, 0x80, 0, 0]);
    both([Be(1_i16), Be(-1)], &[0, 1, 0xFF, 0xFF]);
    both([[1_u8, 2], [3, 4]], &[1, 2, 3, 4]);
    both(Chars::<4>::new("ab").unwrap(), b"ab\0\0");
    both(Chars::<2>::new("ab").unwrap(), b"ab");
    both((), &[]);
    both([0_u16; 0], &[]);
    assert_eq!(Chars::<2>::new("abc"), None);
    assert_eq!(Chars::<4>::new("a\0b"), None);
    assert_eq!(Chars::<2>::parse(&[0xFF, 0]).unwrap().as_str(), None);
}

#[test]
fn a_curve_of_floats_is_written_from_floats_and_read_as_floats() {
    let wave: Vec<f32> = (0..10).map(|n| n as f32 * 0.5).collect();
    // Blocks of 6 bytes cut the floats.
    let curve = Curve::writable(6, 7);
    let mut stored = Vec::new();
    let mut write = WriteCurve::new(0, curve, Elements(&wave), ());
    let node = |request: &[u8]| {
        stored.extend_from_slice(&request[6..]);
        Some(vec![0xE0, 0, 0])
    };
    let report = run(&mut write, &mut Client::new(), node, |_| {});
    assert_eq!((report.bytes, report.outcome), (40, CurveOutcome::Done { verified: false }));
    assert!(elements::<f32>(&stored).unwrap().eq(wave.iter().copied()));
    assert!(elements::<f32>(&stored[1..]).is_none(), "cut");
    assert_eq!(elements::<Be<u16>>(&[1, 2, 3, 4]).unwrap().collect::<Vec<_>>(), [Be(0x0102), Be(0x0304)]);
    // From every offset, and never past the end.
    for offset in 0..=40 {
        let mut bytes = vec![0; 40 - offset];
        Elements(&wave).read(offset as u64, &mut bytes).unwrap();
        assert_eq!(bytes, stored[offset..]);
        assert!(Elements(&wave).read(offset as u64, &mut vec![0; 41 - offset]).is_err());
    }
}

#[test]
fn texts_are_equal_whatever_a_node_has_left_after_their_end() {
    let clean = Chars::<4>::new("ab").unwrap();
    let left_over = Chars::<4>::parse(b"ab\0x").unwrap();
    assert_eq!(left_over, clean);
    let mut bytes = [9; 4];
    assert!(left_over.emit(&mut bytes));
    assert_eq!(bytes, *b"ab\0\0");
}
