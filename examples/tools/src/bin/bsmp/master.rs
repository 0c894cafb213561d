//! What the commands do, over any link.

use anysmp_tools::outln as println;
use std::error::Error;
use std::ops::ControlFlow;
use std::time::Duration;

use anysmp::blocking::Link;
use anysmp::bsmp::curve::{Digest, Md5, QueryChecksum, Recalculate};
use anysmp::bsmp::function::Execute;
use anysmp::bsmp::group::Members;
use anysmp::bsmp::routine::{
    CurveOutcome, Directory, Discovery, DiscoveryOutcome, DiscoveryReport, ReadCurve, ReadEvent, Tables, WriteCurve,
    WriteEvent,
};
use anysmp::bsmp::{self, Client, QueryVersion, Request, curve, group, variable};
use anysmp::framing::Framing;
use anysmp::line::{self, Caller};
use anysmp::port::Clock;
use anysmp::routine::Ended;
use anysmp::source::Source;
use anysmp_tools::bsmp::describe::{Description, Variable};
use embedded_io::{Read, Write};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::cli::{Command, Curve, Group, Hex};
use crate::curves;
use crate::failure::{Of as _, Partly};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A link, the client behind it, and how to show results.
pub struct Master<'b, P, F: Framing> {
    pub link: Link<'b, P, F>,
    pub client: Client,
    pub json: bool,
    tables: Box<Tables>,
    about: Description,
}

impl<'b, P: Read + Write + Clock, F: Framing> Master<'b, P, F>
where
    P::Error: Error + 'static,
{
    pub fn new(link: Link<'b, P, F>, client: Client, json: bool) -> Self {
        Self { link, client, json, tables: Box::default(), about: Description::default() }
    }

    /// Shows and reads values as `about` says.
    pub fn with_description(self, about: Description) -> Self {
        Self { about, ..self }
    }

    pub fn perform(&mut self, command: &Command) -> Outcome<()> {
        match command {
            Command::Demo => Ok(()),
            Command::Version => {
                let version = self.call(&QueryVersion)?;
                self.show(json!({ "version": version.to_string() }), || println!("BSMP {version}"));
                Ok(())
            }
            Command::Discover => self.discover(show_all),
            Command::Vars => self.variables(),
            Command::Groups => self.discover(show_groups),
            Command::Curves => self.discover(show_curves),
            Command::Functions => self.discover(show_functions),
            Command::Scan => self.scan(),
            Command::Poll(args) => {
                let about = std::mem::take(&mut self.about);
                self.poll(args, &about)
            }
            Command::Read { ids } => self.read(ids),
            Command::Write { id, value, read } => {
                let id = self.about.id(id)?;
                let value = match self.about.of(id) {
                    Some(variable) => variable.kind.bytes(value)?,
                    None => value.parse::<Hex>()?.0,
                };
                let Some(read) = *read else { return self.order(&variable::Write { id, value: &value }) };
                let value = self.value(&variable::WriteRead { write: id, value: &value, read, size: None })?;
                self.show_value(read, &value);
                Ok(())
            }
            Command::Combine { id, op, mask } => self.order(&variable::Combine { id: *id, op: *op, mask: &mask.0 }),
            Command::Group(command) => self.group(command),
            Command::Curve(Curve::Get { id, file, first, blocks }) => {
                let part = (*first, blocks.unwrap_or(curve::MAX_BLOCKS));
                let mut bytes = Vec::new();
                self.download(*id, part, |data| bytes.extend_from_slice(data))?;
                Ok(std::fs::write(file, curves::write(file, &bytes)?).of(file)?)
            }
            Command::Curve(Curve::Put { id, file, first }) => {
                let bytes = curves::read(file, std::fs::read(file).of(file)?)?;
                self.upload(*id, *first, &bytes[..])
            }
            Command::Curve(Curve::Checksum { id, now }) => {
                let digest =
                    if *now { self.call(&Recalculate { id: *id })? } else { self.call(&QueryChecksum { id: *id })? };
                self.show(json!({ "id": id, "md5": hex(&digest) }), || println!("{}", checksum(digest)));
                Ok(())
            }
            Command::Call { id, input, no_answer } => {
                let request = Execute { id: *id, input: &input.0, output: None };
                if *no_answer {
                    return self.post(&request);
                }
                let output = self.value(&request)?;
                self.show(json!({ "id": id, "output": hex(&output) }), || println!("{}", hex(&output)));
                Ok(())
            }
            Command::Watch { ids, interval, count } => self.watch(ids, Duration::from_millis(*interval), *count),
        }
    }

    /// A request whose response borrows nothing.
    fn call<R, T>(&mut self, request: &R) -> Outcome<T>
    where
        R: Request,
        Client: for<'m> Caller<R, Response<'m> = T, Error = bsmp::Error>,
    {
        Ok(self.link.call(&mut self.client, request)?)
    }

    /// A request whose response is a value.
    pub fn value<R>(&mut self, request: &R) -> Outcome<Vec<u8>>
    where
        R: Request,
        Client: for<'m> Caller<R, Response<'m> = &'m [u8], Error = bsmp::Error>,
    {
        Ok(self.link.call(&mut self.client, request)?.to_vec())
    }

    /// A request that is answered with "done", or by nobody if it goes to many.
    pub fn order<R>(&mut self, request: &R) -> Outcome<()>
    where
        R: Request,
        Client: for<'m> Caller<R, Response<'m> = (), Error = bsmp::Error>,
    {
        if self.client.address().is_some_and(|address| !address.is_node()) {
            return self.post(request);
        }
        self.link.call(&mut self.client, request)?;
        self.show(json!({ "done": true }), || println!("done"));
        Ok(())
    }

    fn post(&mut self, request: &impl Request) -> Outcome<()> {
        let mut message = vec![0; super::LARGEST];
        let length = self.client.post(request, &mut message)?;
        self.link.send(message.get(..length).unwrap_or_default())?;
        self.show(json!({ "sent": true }), || println!("sent; no answer is expected"));
        Ok(())
    }

    fn show(&self, value: Value, print: impl FnOnce()) {
        if self.json {
            println!("{value}");
        } else {
            print();
        }
    }

    /// Finds out what the node has.
    pub fn directory(&mut self) -> Outcome<Discovery<'_>> {
        let mut discovery = Discovery::new(self.tables.storage());
        match self.link.run(&mut self.client, &mut discovery, |()| ControlFlow::Continue(()))? {
            Ended::Done(report) if report.outcome == DiscoveryOutcome::Done => {}
            Ended::Done(DiscoveryReport { outcome: DiscoveryOutcome::Failed(error), .. }) => return Err(error.into()),
            _ => return Err("the discovery has stopped".into()),
        }
        Ok(discovery)
    }

    pub fn discover(&mut self, show: fn(&Directory<'_>, bool)) -> Outcome<()> {
        let json = self.json;
        show(&self.directory()?.directory(), json);
        Ok(())
    }

    fn variables(&mut self) -> Outcome<()> {
        let variables = self.directory()?.directory().variables.to_vec();
        let mut list = Vec::new();
        for (id, variable) in (0..).zip(variables) {
            let value = match self.value(&variable::Read { id, size: Some(variable.size) }) {
                Ok(value) => hex(&value),
                Err(error) => format!("({error})"),
            };
            list.push(json!({ "id": id, "size": variable.size, "writable": variable.writable, "value": value }));
            if !self.json {
                println!("{id:3}  {}  {:3} bytes  {value}", kind(variable.writable), variable.size);
            }
        }
        if self.json {
            println!("{}", json!({ "variables": list }));
        }
        Ok(())
    }

    fn read(&mut self, ids: &[String]) -> Outcome<()> {
        for name in ids {
            let id = self.about.id(name)?;
            let size = self.about.of(id).and_then(|variable| u8::try_from(variable.kind.size()).ok());
            let value = self.value(&variable::Read { id, size })?;
            self.show_value(id, &value);
        }
        Ok(())
    }

    /// Shows a value as it is described, else in hex.
    fn show_value(&self, id: u8, bytes: &[u8]) {
        match self.about.of(id) {
            Some(Variable { name, kind, unit, .. }) => {
                let value = kind.value(bytes).unwrap_or(Value::Null);
                let line = json!({ "id": id, "name": name, "value": value, "unit": unit });
                self.show(line, || println!("{id:3}  {name}  {} {unit}", kind.text(bytes)));
            }
            None => self.show(json!({ "id": id, "value": hex(bytes) }), || println!("{id:3}  {}", hex(bytes))),
        }
    }

    /// Reads variables again and again. One that cannot be read is shown as such and does not end
    /// it: it may come back.
    fn watch(&mut self, ids: &[u8], interval: Duration, count: u32) -> Outcome<()> {
        let (mut rounds, mut failures) = (0_u32, 0_u32);
        while (count == 0 || rounds < count) && anysmp_tools::out::is_open() {
            if rounds != 0 {
                std::thread::sleep(interval);
            }
            rounds = rounds.saturating_add(1);
            for &id in ids {
                match self.link.call(&mut self.client, &variable::Read { id, size: None }).map(hex) {
                    Ok(value) => self.show(json!({ "id": id, "value": value }), || println!("{id:3}  {value}")),
                    // Nobody is there any more.
                    Err(error @ line::Error::Closed) => return Err(error.into()),
                    Err(error) => {
                        failures = failures.saturating_add(1);
                        self.show(json!({ "id": id, "error": error.to_string() }), || println!("{id:3}  ({error})"));
                    }
                }
            }
        }
        let reads = u64::from(rounds).saturating_mul(ids.len() as u64);
        if failures == 0 { Ok(()) } else { Err(Partly(format!("{failures} of {reads} reads failed")).into()) }
    }

    fn group(&mut self, command: &Group) -> Outcome<()> {
        match command {
            Group::Members { id } => {
                let members = self.call(&group::Query { id: *id })?;
                let ids: Vec<_> = members.iter().collect();
                self.show(json!({ "id": id, "members": ids }), || println!("{ids:?}"));
                Ok(())
            }
            Group::Read { id } => {
                let values = self.value(&group::Read { id: *id, size: None })?;
                self.show(json!({ "id": id, "values": hex(&values) }), || println!("{}", hex(&values)));
                Ok(())
            }
            Group::Write { id, values } => self.order(&group::Write { id: *id, values: &values.0 }),
            Group::Combine { id, op, masks } => self.order(&group::Combine { id: *id, op: *op, masks: &masks.0 }),
            Group::Create { ids } => {
                let members = Members::of(ids).ok_or("the id of a variable is at most 127")?;
                self.order(&group::Create { members })
            }
            Group::Remove => self.order(&group::RemoveAll),
        }
    }

    fn curve(&mut self, id: u8) -> Outcome<curve::Curve> {
        let list = self.link.call(&mut self.client, &curve::List)?;
        list.into_iter().nth(id.into()).ok_or_else(|| format!("the node has no curve {id}").into())
    }

    /// Reads at most `blocks` blocks of a curve, from block `first` on, and hands them to `keep`.
    pub fn download(&mut self, id: u8, (first, blocks): (u16, u32), mut keep: impl FnMut(&[u8])) -> Outcome<()> {
        let curve = self.curve(id)?;
        let bar = bar(curve.capacity().min(u64::from(blocks).saturating_mul(curve.block.into())), self.json);
        let mut routine = ReadCurve::new(id, curve, Md5::default()).with_blocks(first, blocks);
        let ended = self.link.run(&mut self.client, &mut routine, |event| {
            if let ReadEvent::Block { data, .. } = event {
                bar.inc(data.len() as u64);
                keep(data);
            }
            ControlFlow::Continue(())
        })?;
        bar.finish();
        match ended {
            Ended::Done(report) => self.moved(report.blocks, report.bytes, report.outcome),
            _ => Err("the transfer has stopped".into()),
        }
    }

    /// Writes a curve, from its `first` block on.
    pub fn upload(&mut self, id: u8, first: u16, source: impl Source) -> Outcome<()> {
        let curve = self.curve(id)?;
        let bar = bar(source.len(), self.json);
        let mut routine = WriteCurve::new(id, curve, source, Md5::default()).with_first_block(first);
        let ended = self.link.run(&mut self.client, &mut routine, |event| {
            if let WriteEvent::Block(_) = event {
                bar.inc(curve.block.into());
            }
            ControlFlow::Continue(())
        })?;
        bar.finish();
        match ended {
            Ended::Done(report) => self.moved(report.blocks, report.bytes, report.outcome),
            _ => Err("the transfer has stopped".into()),
        }
    }

    fn moved(&self, blocks: u32, bytes: u64, outcome: CurveOutcome) -> Outcome<()> {
        let verified = match outcome {
            CurveOutcome::Done { verified } => verified,
            CurveOutcome::Failed(error) => return Err(error.into()),
            _ => return Err(outcome.to_string().into()),
        };
        self.show(json!({ "blocks": blocks, "bytes": bytes, "verified": verified }), || {
            println!("{bytes} bytes in {blocks} blocks; {outcome}");
        });
        Ok(())
    }
}

fn bar(bytes: u64, hidden: bool) -> ProgressBar {
    if hidden {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("[{bar:40}] {bytes}/{total_bytes}  {bytes_per_sec}  {eta}");
    let bar = ProgressBar::new(bytes);
    match style {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn checksum(digest: Digest) -> String {
    if digest == Digest::default() { "not calculated".to_owned() } else { hex(&digest) }
}

const fn kind(writable: bool) -> &'static str {
    if writable { "rw" } else { "ro" }
}

pub fn show_all(directory: &Directory<'_>, json: bool) {
    if json {
        println!("{}", json!({ "version": directory.version.to_string() }));
    } else {
        println!("BSMP {}", directory.version);
    }
    let list = (0_u8..).zip(directory.variables);
    if json {
        let list: Vec<_> = list.map(|(id, it)| json!({ "id": id, "size": it.size, "writable": it.writable })).collect();
        println!("{}", json!({ "variables": list }));
    } else {
        println!("\nvariables");
        list.for_each(|(id, variable)| println!("{id:3}  {}  {:3} bytes", kind(variable.writable), variable.size));
        println!("\ngroups");
    }
    show_groups(directory, json);
    if !json {
        println!("\ncurves");
    }
    show_curves(directory, json);
    if !json {
        println!("\nfunctions");
    }
    show_functions(directory, json);
}

fn show_groups(directory: &Directory<'_>, json: bool) {
    let list = (0_u8..).zip(directory.groups).map(|(id, group)| (id, group, group.members.iter().collect::<Vec<_>>()));
    if json {
        let list: Vec<_> =
            list.map(|(id, group, ids)| json!({ "id": id, "writable": group.writable, "members": ids })).collect();
        println!("{}", json!({ "groups": list }));
    } else {
        list.for_each(|(id, group, ids)| println!("{id:3}  {}  {ids:?}", kind(group.writable)));
    }
}

fn show_curves(directory: &Directory<'_>, json: bool) {
    let list = (0_u8..).zip(directory.curves.iter().zip(directory.checksums));
    if json {
        let list: Vec<_> = list
            .map(|(id, (curve, digest))| {
                json!({ "id": id, "writable": curve.writable, "block": curve.block, "blocks": curve.blocks, "md5": hex(digest) })
            })
            .collect();
        println!("{}", json!({ "curves": list }));
    } else {
        list.for_each(|(id, (curve, digest))| {
            let (kind, checksum) = (kind(curve.writable), checksum(*digest));
            println!("{id:3}  {kind}  {:5} blocks of {:5} bytes  {checksum}", curve.blocks, curve.block);
        });
    }
}

fn show_functions(directory: &Directory<'_>, json: bool) {
    let list = (0_u8..).zip(directory.functions);
    if json {
        let list: Vec<_> = list
            .map(|(id, function)| json!({ "id": id, "input": function.input, "output": function.output }))
            .collect();
        println!("{}", json!({ "functions": list }));
    } else {
        list.for_each(|(id, function)| {
            println!("{id:3}  input {:2} bytes, output {:2} bytes", function.input, function.output)
        });
    }
}
