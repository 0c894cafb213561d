//! BSMP: a node that has everything, every request and its answer, a table with any contents, all
//! routines.

use crate::{Operation, ask, drop_in_box, flag, number, run, serve, size, time};
use anysmp::bsmp::bridge::Bridge;
use anysmp::bsmp::curve::{self, Checksum, Curve, Digest, digest_of};
use anysmp::bsmp::function::{self, Function, Layout};
use anysmp::bsmp::group::{self, Members};
use anysmp::bsmp::list::{Entry, List};
use anysmp::bsmp::node::Nodes;
use anysmp::bsmp::routine::{Discovery, Part, Poll, Polled, Poller, ReadCurve, Scan, Tables, WriteCurve};
use anysmp::bsmp::typed::{self, Be, Chars, Elements, Field, Typed, elements};
use anysmp::bsmp::variable::{self, Op, Variable};
use anysmp::bsmp::{
    Access, Address, Client, Entities, Header, Node, Payload, QueryVersion, Refusal, Request, Response, Server, Table,
    Version,
};
use anysmp::source::{Source, SourceFailed};
use core::hint::black_box;
use core::num::NonZeroU8;

pub const ALL: &[Operation] = &[
    |bytes, room| {
        if let Some(table) = table() {
            serve(&mut server(&table), bytes, room);
        }
    },
    |bytes, room| {
        let Some(table) = table() else { return };
        if let Some(node) = Node::new(server(&table), address()) {
            let mut node = node.with_group(address());
            serve(&mut node, bytes, room);
            drop_in_box((node.receive(bytes, room), node.server().receive(bytes, room)));
            drop_in_box(&node.server().entities().0);
        }
    },
    |bytes, _| {
        if let Some((header, rest)) = Header::parse(bytes) {
            drop_in_box((header.emit(), header.command.name(), header.command.answer(), rest));
        }
    },
    |bytes, _| drop_in_box(bytes.first().copied().and_then(Refusal::from_code).map(Refusal::code)),
    |bytes, _| {
        drop_in_box(
            Members::of(bytes)
                .map(|members| (members.len(), members.iter().for_each(drop_in_box), members.split_first())),
        )
    },
    |_, room| drop_in_box(digest_of(&mut Plant([0; 16]), id(), curve(), room, Any)),
    |bytes, room| exchange(&QueryVersion, bytes, room, drop_in_box),
    |bytes, room| exchange(&variable::List, bytes, room, |list| list.iter().for_each(drop_in_box)),
    |bytes, room| exchange(&variable::Read { id: id(), size: black_box(None) }, bytes, room, keep),
    |bytes, room| exchange(&variable::Write { id: id(), value: bytes }, bytes, room, drop_in_box),
    |bytes, room| exchange(&variable::Combine { id: id(), op: op(), mask: bytes }, bytes, room, drop_in_box),
    |bytes, room| {
        let both = variable::WriteRead { write: id(), value: bytes, read: id(), size: black_box(None) };
        exchange(&both, bytes, room, keep);
    },
    |bytes, room| exchange(&group::List, bytes, room, |list| list.iter().for_each(drop_in_box)),
    |bytes, room| exchange(&group::Query { id: id() }, bytes, room, drop_in_box),
    |bytes, room| exchange(&group::Read { id: id(), size: black_box(None) }, bytes, room, keep),
    |bytes, room| exchange(&group::Write { id: id(), values: bytes }, bytes, room, drop_in_box),
    |bytes, room| exchange(&group::Combine { id: id(), op: op(), masks: bytes }, bytes, room, drop_in_box),
    |bytes, room| exchange(&group::Create { members: black_box(Members::EMPTY) }, bytes, room, drop_in_box),
    |bytes, room| exchange(&group::RemoveAll, bytes, room, drop_in_box),
    |bytes, room| exchange(&curve::List, bytes, room, |list| list.iter().for_each(drop_in_box)),
    |bytes, room| exchange(&curve::QueryChecksum { id: id() }, bytes, room, drop_in_box),
    |bytes, room| exchange(&curve::Recalculate { id: id() }, bytes, room, drop_in_box),
    |bytes, room| {
        exchange(&curve::ReadBlock { id: id(), block: black_box(0), limit: black_box(0) }, bytes, room, keep);
    },
    |bytes, room| {
        exchange(&curve::WriteBlock { id: id(), block: black_box(0), data: bytes }, bytes, room, drop_in_box);
    },
    |bytes, room| {
        let layout = black_box(Layout::Bytes);
        exchange(&function::List { layout }, bytes, room, |list| list.iter().for_each(drop_in_box));
        drop_in_box(Function::width(layout));
    },
    |bytes, room| {
        exchange(&function::Execute { id: id(), input: bytes, output: black_box(None) }, bytes, room, keep);
    },
    |bytes, room| {
        let mut tables = Tables::new();
        let mut discovery = Discovery::new(tables.storage());
        discovery.restart(black_box(Part::Groups));
        run(&mut discovery, &mut client(), bytes, room);
        let directory = discovery.directory();
        drop_in_box((directory.read(id()), directory.read_group(id()), directory.write(id(), bytes)));
        drop_in_box((directory.write_group(id(), bytes), directory.execute(id(), bytes)));
        directory.groups.iter().for_each(|group| drop_in_box(directory.size(group)));
        if let Ok(values) = directory.values(id(), bytes) {
            drop_in_box(values.get(Typed::<u32>::read_only(id())));
            values.for_each(drop_in_box);
        }
        if let Ok(mut filling) = directory.fill(id(), room) {
            drop_in_box(filling.set(Typed::<u32>::read_only(id()), black_box(7)));
            drop_in_box(filling.set_bytes(id(), bytes));
            drop_in_box(filling.write());
        }
    },
    |bytes, room| run(&mut ReadCurve::new(id(), curve(), ()), &mut client(), bytes, room),
    |bytes, room| run(&mut ReadCurve::new(id(), curve(), Any).with_all_blocks(), &mut client(), bytes, room),
    |bytes, room| run(&mut WriteCurve::new(id(), curve(), bytes, ()), &mut client(), bytes, room),
    |bytes, room| {
        run(&mut ReadCurve::new(id(), curve(), Any).with_blocks(black_box(1), black_box(2)), &mut client(), bytes, room)
    },
    |bytes, room| {
        let mut write =
            WriteCurve::new(id(), curve(), Elements(black_box(&[1.5_f32])), Any).with_first_block(black_box(1));
        run(&mut write, &mut client(), bytes, room)
    },
    |bytes, room| {
        let Some(table) = table() else { return };
        let Some(node) = Node::new(server(&table), address()) else { return };
        let mut kept = [0; 16];
        let mut bridge = Bridge::<_, anysmp::framing::bridge::WithId>::new(node, &mut kept);
        serve(&mut bridge, bytes, room);
        drop_in_box(bridge.receive(bytes, black_box(anysmp::line::Peer(0)), room));
        drop_in_box(bridge.service().server().entities().0);
    },
    |bytes, room| run(&mut Scan::new(), &mut client(), bytes, room),
    |bytes, room| run(&mut Scan::of(id(), id()), &mut client(), bytes, room),
    |bytes, room| {
        let mut nodes = [Polled::new(address()), Polled::only()];
        let variable = variable::Read { id: id(), size: black_box(None) };
        let group = group::Read { id: id(), size: black_box(None) };
        let mut polls = [Poll::variable(size(), variable, time()), Poll::group(size(), group, time())];
        let mut poller = Poller::new(&mut nodes, &mut polls).with_rest(time(), time()).with_duration(time());
        run(&mut poller, &mut client(), bytes, room);
        poller.nodes().iter().for_each(|node| drop_in_box((node.address(), node.counters(), node.is_dead())));
        drop_in_box((polls[0].node(), anysmp::bsmp::routine::PollEvent::Value { poll: size(), value: bytes }.poll()));
    },
    |bytes, _| elements::<Be<u32>>(bytes).into_iter().flatten().for_each(drop_in_box),
    |bytes, room| exchange(&Typed::<Values>::read_only(id()).read(), bytes, room, drop_in_box),
    |bytes, room| {
        let Some(values) = Values::parse(bytes) else { return };
        let typed = black_box(Typed::<Values>::writable(id()));
        exchange(&typed.write(values), bytes, room, drop_in_box);
        drop_in_box((typed.put(values, room), typed.get(bytes), typed.id(), typed.variable()));
        drop_in_box((values.name.as_str(), Chars::<4>::new(black_box("name")), values.emit(room)));
    },
    |bytes, room| {
        let function = black_box(typed::Function::<[i16; 3], f64>::new(id()));
        drop_in_box((function.id(), function.function()));
        exchange(&function.call(black_box([1, 2, 3])), bytes, room, drop_in_box);
    },
    |bytes, room| {
        let Some(table) = table() else { return };
        let table = table.with_revision(id());
        let Some(node) = Node::new(server(&table), address()) else { return };
        let mut nodes = [node];
        let mut nodes = Nodes::new(&mut nodes);
        serve(&mut nodes, bytes, room);
        drop_in_box(nodes.receive(bytes, room));
        drop_in_box(nodes.nodes().len());
    },
    |bytes, room| run(&mut WriteCurve::new(id(), curve(), Endless, Any), &mut client(), bytes, room),
    |bytes, room| {
        let digest = curve::Md5::default();
        run(&mut ReadCurve::new(id(), curve(), digest), &mut client(), bytes, room);
    },
    |_, _| drop_in_box((curve().emit(), Curve::parse(black_box([0; 5])), curve().capacity())),
    |bytes, room| {
        let mut payload = Payload::new(room);
        drop_in_box(payload.put(bytes));
        drop_in_box(payload.take(size()));
        drop_in_box((payload.len(), payload.is_empty()));
    },
    |bytes, _| {
        let mut members = Members::one(id());
        bytes.iter().for_each(|id| members.insert(*id));
        drop_in_box((members.contains(id()), members.is_empty()));
    },
    |_, _| {
        drop_in_box((op().apply(black_box(0), black_box(0)), op().is_idempotent(), Op::from_code(id()), op().code()))
    },
    |_, _| {
        drop_in_box((Variable::parse(id()), Variable::parse(id()).emit(), Curve::read_only(black_box(1), black_box(1))))
    },
    |_, _| drop_in_box((Address::node(id()), Address::node_or_32(id()), Address::multicast(id()), address().is_node())),
    |_, _| drop_in_box((Layout::of(version()), version().is_supported(), address().value())),
    |_, _| {
        let client = client().with_address(address()).with_timeout(time()).with_retries(id());
        drop_in_box((client.timeout(), client.retries(), client.address(), client.drain()));
        drop_in_box(client.with_drain(time()).drain());
    },
];

typed::fields! {
    /// Of every kind.
    #[derive(Clone, Copy)]
    pub struct Values {
        number: Be<i64>,
        floats: [f32; 3],
        name: Chars<4>,
    }
}

fn id() -> u8 {
    black_box(0)
}

fn version() -> Version {
    black_box(Version::V2_30)
}

fn op() -> Op {
    black_box(Op::And)
}

pub fn curve() -> Curve {
    black_box(Curve::writable(16, 4))
}

pub fn address() -> Address {
    black_box(Address::MASTER)
}

pub fn client() -> Client {
    if flag() { Client::new().with_address(address()) } else { Client::new() }
}

/// Any variables, curves and functions.
pub fn table() -> Option<Table<'static>> {
    const VARIABLES: &[Variable] = &[Variable::writable(4), Variable::read_only(1)];
    const CURVES: &[Curve] = &[Curve::writable(16, 4)];
    const FUNCTIONS: &[Function] = &[Function { input: 4, output: 4 }];
    Table::new(black_box(VARIABLES), black_box(CURVES), black_box(FUNCTIONS)).ok()
}

pub fn server<'t>(table: &'t Table<'t>) -> Server<'t, Plant> {
    Server::new(Plant([0; 16]), table)
}

fn exchange<R: Request>(request: &R, bytes: &[u8], room: &mut [u8], each: impl Fn(Response<'_, R>)) {
    let mut client = client();
    ask(&mut client, request, bytes, room);
    drop_in_box(client.post(request, room));
    let Ok((_, pending)) = client.request(request, room) else { return };
    drop_in_box(request.expectation());
    if let Ok(response) = pending.decode(bytes) {
        each(response);
    }
    drop_in_box(pending.accepts(bytes));
}

fn keep(bytes: &[u8]) {
    drop_in_box(bytes);
}

/// A curve of unknown bytes without an end.
struct Endless;

impl Source for Endless {
    fn len(&self) -> u64 {
        number()
    }

    fn read(&mut self, offset: u64, into: &mut [u8]) -> Result<(), SourceFailed> {
        drop_in_box((offset, into));
        if flag() { Ok(()) } else { Err(SourceFailed) }
    }
}

/// A checksum that comes out as anything.
struct Any;

impl Checksum for Any {
    fn update(&mut self, data: &[u8]) {
        drop_in_box(data);
    }

    fn digest(&self) -> Option<Digest> {
        black_box(Some([0; 16]))
    }
}

/// Says anything about everything.
pub struct Plant(Digest);

impl Entities for Plant {
    fn read(&mut self, variable: u8, value: &mut [u8]) {
        drop_in_box((variable, value));
    }

    fn write(&mut self, variable: u8, value: &[u8]) {
        drop_in_box((variable, value));
    }

    fn check(&mut self, variable: u8, value: &[u8]) -> bool {
        drop_in_box((variable, value));
        flag()
    }

    fn is_busy(&mut self, access: Access, variables: &Members) -> bool {
        drop_in_box((access, variables));
        flag()
    }

    fn read_block(&mut self, curve: u8, block: u16, data: &mut [u8]) -> Result<usize, Refusal> {
        drop_in_box((curve, block, data));
        black_box(Ok(size()))
    }

    fn write_block(&mut self, curve: u8, block: u16, data: &[u8]) -> Result<(), Refusal> {
        drop_in_box((curve, block, data));
        black_box(Ok(()))
    }

    fn sample(&mut self, variables: &Members) {
        drop_in_box(variables);
    }

    fn apply(&mut self, variables: &Members) {
        drop_in_box(variables);
    }

    fn checksum(&mut self, curve: u8) -> Option<&mut Digest> {
        drop_in_box(curve);
        flag().then_some(&mut self.0)
    }

    fn digest(&mut self, id: u8, curve: Curve, scratch: &mut [u8]) -> Result<Digest, Refusal> {
        digest_of(self, id, curve, scratch, Any)
    }

    fn execute(&mut self, function: u8, input: &[u8], output: &mut [u8]) -> Result<(), NonZeroU8> {
        drop_in_box((function, input, output));
        black_box(Ok(()))
    }
}
