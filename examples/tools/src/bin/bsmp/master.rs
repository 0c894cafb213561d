//! The commands, over any link.

use anysmp_tools::outln as println;
use std::io;
use std::io::IsTerminal as _;
use std::ops::ControlFlow;

use anysmp::blocking::Link;
use anysmp::bsmp::curve::{Md5, QueryChecksum, Recalculate};
use anysmp::bsmp::function::Execute;
use anysmp::bsmp::group::Members;
use anysmp::bsmp::routine::{
    CurveOutcome, Directory, Discovery, DiscoveryReport, JobOutcome, ReadCurve, ReadEvent, Tables, WriteCurve,
    WriteEvent,
};
use anysmp::bsmp::{self, Client, QueryVersion, Request, curve, group, variable};
use anysmp::framing::Framing;
use anysmp::line::Caller;
use anysmp::port::Clock;
use anysmp::routine::Ended;
use anysmp::source::Source;
use anysmp_tools::bsmp::serve::LARGEST;
use anysmp_tools::curves;
use anysmp_tools::describe::{Description, Variable};
use anysmp_tools::failure::Failure;
use anysmp_tools::live::printable;
use anysmp_tools::options::Output;
use anysmp_tools::trace::Trace;
use embedded_io::{Read, Write};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::cli::{Command, Curve, Group, Hex};
use crate::failure::{of, of_link, of_protocol};
use crate::show::{checksum, hex, kind, show_all, show_curves, show_functions, show_groups};

type Outcome<T> = Result<T, Failure>;

/// A routine ends by itself here, or with an error of the link.
const STOPPED: &str = "the transfer has stopped";

/// A link, the client that uses it, and the way to show results.
pub struct Master<'b, P, F: Framing> {
    pub link: Link<'b, P, F, Trace>,
    pub client: Client,
    json: bool,
    quiet: bool,
    tables: Box<Tables>,
    about: Description,
}

impl<'b, P: Read<Error = io::Error> + Write + Clock, F: Framing> Master<'b, P, F> {
    pub fn new(link: Link<'b, P, F, Trace>, client: Client, output: &Output) -> Self {
        let (json, quiet) = (output.json, output.quiet);
        Self { link, client, json, quiet, tables: Box::default(), about: Description::default() }
    }

    /// Returns true if results are for programs.
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// Shows and reads values according to `about`.
    pub fn with_description(self, about: Description) -> Self {
        Self { about, ..self }
    }

    pub fn perform(&mut self, command: &Command) -> Outcome<()> {
        match command {
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
            // Performed elsewhere: they need no master, or a different one.
            Command::Demo | Command::Completion { .. } | Command::Watch(_) | Command::Poll(_) => Ok(()),
            Command::Read { ids } => self.read(ids),
            Command::Write { id, value, read } => {
                let id = self.id(id)?;
                let value = match self.about.of(id) {
                    Some(variable) => variable.kind.bytes(value).map_err(invalid)?,
                    None => value.parse::<Hex>().map_err(invalid)?.0,
                };
                let read = read.as_ref().map(|read| self.id(read)).transpose()?;
                let Some(read) = read else { return self.order(&variable::Write { id, value: &value }) };
                let value = self.value(&variable::WriteRead { write: id, value: &value, read, size: None })?;
                self.show_value(read, &value);
                Ok(())
            }
            Command::Combine { id, op, mask } => {
                let id = self.id(id)?;
                self.order(&variable::Combine { id, op: *op, mask: &mask.0 })
            }
            Command::Group(command) => self.group(command),
            Command::Curve(Curve::Get { id, file, first, blocks }) => {
                let part = (*first, blocks.unwrap_or(curve::MAX_BLOCKS));
                let mut bytes = Vec::new();
                self.download(*id, part, |data| bytes.extend_from_slice(data))?;
                let bytes = curves::write(file, &bytes).map_err(|error| Failure::content(file, error, CURVE))?;
                std::fs::write(file, bytes).map_err(|error| Failure::file(file, error))
            }
            Command::Curve(Curve::Put { id, file, first }) => {
                let bytes = std::fs::read(file).map_err(|error| Failure::file(file, error))?;
                let bytes = curves::read(file, bytes).map_err(|error| Failure::content(file, error, CURVE))?;
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
        }
    }

    /// Makes a request whose response borrows nothing.
    fn call<R, T>(&mut self, request: &R) -> Outcome<T>
    where
        R: Request,
        Client: for<'m> Caller<R, Response<'m> = T, Error = bsmp::Error>,
    {
        self.link.call(&mut self.client, request).map_err(of)
    }

    /// Makes a request whose response is a value.
    pub fn value<R>(&mut self, request: &R) -> Outcome<Vec<u8>>
    where
        R: Request,
        Client: for<'m> Caller<R, Response<'m> = &'m [u8], Error = bsmp::Error>,
    {
        Ok(self.link.call(&mut self.client, request).map_err(of)?.to_vec())
    }

    /// Makes a request that is answered with "done", or not at all if it goes to many nodes.
    pub fn order<R>(&mut self, request: &R) -> Outcome<()>
    where
        R: Request,
        Client: for<'m> Caller<R, Response<'m> = (), Error = bsmp::Error>,
    {
        if self.client.address().is_some_and(|address| !address.is_node()) {
            return self.post(request);
        }
        self.link.call(&mut self.client, request).map_err(of)?;
        self.show(json!({ "done": true }), || println!("done"));
        Ok(())
    }

    fn post(&mut self, request: &impl Request) -> Outcome<()> {
        let mut message = vec![0; LARGEST];
        let length = self.client.post(request, &mut message).map_err(|error| of_protocol(&error))?;
        self.link.send(message.get(..length).unwrap_or_default()).map_err(of_link)?;
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

    /// Discovers the entities of the node.
    pub fn directory(&mut self) -> Outcome<Discovery<'_>> {
        let mut discovery = Discovery::new(self.tables.storage());
        match self.link.run(&mut self.client, &mut discovery, |()| ControlFlow::Continue(())).map_err(of_link)? {
            Ended::Done(report) if report.outcome == JobOutcome::Done => {}
            Ended::Done(DiscoveryReport { outcome: JobOutcome::Failed(error), .. }) => {
                return Err(of_protocol(&error));
            }
            _ => return Err(Failure::nonsense("the discovery has stopped")),
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
            let (known, value) =
                (self.about.of(id).cloned(), self.value(&variable::Read { id, size: Some(variable.size) }));
            let (object, shown) = match (&value, &known) {
                (Ok(bytes), Some(Variable { name, kind, unit, .. })) => (
                    json!({ "name": name, "unit": unit, "value": kind.value(bytes).unwrap_or(Value::Null) }),
                    format!("{name}  {} {unit}", printable(&kind.text(bytes))),
                ),
                (Ok(bytes), None) => (json!({ "value": hex(bytes) }), hex(bytes)),
                (Err(error), _) => (json!({ "error": error.to_string() }), format!("({error})")),
            };
            let mut all = json!({ "id": id, "size": variable.size, "writable": variable.writable });
            if let (Some(all), Value::Object(object)) = (all.as_object_mut(), object) {
                all.extend(object);
            }
            list.push(all);
            if !self.json {
                println!("{id:3}  {}  {:3} bytes  {}", kind(variable.writable), variable.size, shown.trim_end());
            }
        }
        if self.json {
            println!("{}", json!({ "variables": list }));
        }
        Ok(())
    }

    /// Returns the id for a name or a number.
    fn id(&self, name: &str) -> Outcome<u8> {
        self.about
            .id(name)
            .map_err(|text| Failure::usage(text, "`bsmp discover` shows ids; --describe gives them names."))
    }

    fn read(&mut self, names: &[String]) -> Outcome<()> {
        for name in names {
            let id = self.id(name)?;
            let size = self.about.of(id).and_then(|variable| u8::try_from(variable.kind.size()).ok());
            let value = self.value(&variable::Read { id, size })?;
            self.show_value(id, &value);
        }
        Ok(())
    }

    /// Shows a value as described, otherwise in hex.
    fn show_value(&self, id: u8, bytes: &[u8]) {
        match self.about.of(id) {
            Some(Variable { name, kind, unit, .. }) => {
                let value = kind.value(bytes).unwrap_or(Value::Null);
                let line = json!({ "id": id, "name": name, "value": value, "unit": unit });
                self.show(line, || {
                    println!("{}", format!("{id:3}  {name}  {} {unit}", printable(&kind.text(bytes))).trim_end())
                });
            }
            None => self.show(json!({ "id": id, "value": hex(bytes) }), || println!("{id:3}  {}", hex(bytes))),
        }
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
                if self.about == Description::default() {
                    self.show(json!({ "id": id, "values": hex(&values) }), || println!("{}", hex(&values)));
                    return Ok(());
                }
                // With a description, each member is shown separately.
                let members = self.call(&group::Query { id: *id })?;
                let parts = self.split(members, &values)?;
                for (id, value) in parts {
                    self.show_value(id, &value);
                }
                Ok(())
            }
            Group::Write { id, values } => {
                let bytes = self.joined(*id, values)?;
                self.order(&group::Write { id: *id, values: &bytes })
            }
            Group::Combine { id, op, masks } => self.order(&group::Combine { id: *id, op: *op, masks: &masks.0 }),
            Group::Create { ids } => {
                let ids = ids.iter().map(|id| self.id(id)).collect::<Outcome<Vec<_>>>()?;
                let members = Members::of(&ids).ok_or_else(|| invalid("the id of a variable is at most 127"))?;
                self.order(&group::Create { members })
            }
            Group::Remove => self.order(&group::RemoveAll),
        }
    }

    /// Splits the values of a group among its members, in the sizes that the node reports.
    pub fn split(&mut self, members: Members, values: &[u8]) -> Outcome<Vec<(u8, Vec<u8>)>> {
        let (mut parts, mut rest) = (Vec::new(), values);
        for (id, size) in self.sizes(members)? {
            let (value, behind) = rest
                .split_at_checked(size)
                .ok_or_else(|| Failure::nonsense("the group is shorter than its members"))?;
            parts.push((id, value.to_vec()));
            rest = behind;
        }
        if rest.is_empty() { Ok(parts) } else { Err(Failure::nonsense("the group is longer than its members")) }
    }

    /// The members of a group with their sizes.
    pub fn sizes(&mut self, members: Members) -> Outcome<Vec<(u8, usize)>> {
        let list = self.link.call(&mut self.client, &variable::List).map_err(of)?;
        let sizes: Vec<usize> = list.into_iter().map(|variable| variable.size.into()).collect();
        let of = |id: u8| sizes.get(usize::from(id)).map(|size| (id, *size));
        members.iter().map(of).collect::<Option<_>>().ok_or_else(|| Failure::nonsense("a group has an unknown member"))
    }

    /// The bytes of a group, from hex or from values by name.
    fn joined(&mut self, id: u8, words: &[String]) -> Outcome<Vec<u8>> {
        if !words.iter().any(|word| word.contains('=')) {
            return Ok(words.concat().parse::<Hex>().map_err(invalid)?.0);
        }
        let members = self.call(&group::Query { id })?;
        let mut values = Vec::new();
        for word in words {
            let (name, text) = word.split_once('=').ok_or_else(|| invalid(format!("{word:?} is not NAME=VALUE")))?;
            let id = self.id(name)?;
            let variable = self.about.of(id).ok_or_else(|| invalid(format!("variable {id} is not described")))?;
            if !members.contains(id) {
                return Err(invalid(format!("{name:?} is not in the group")));
            }
            values.push((id, variable.kind.bytes(text).map_err(invalid)?));
        }
        let of = |id: u8| values.iter().find(|(at, _)| *at == id).map(|(_, bytes)| bytes.clone()).ok_or(id);
        let bytes = members.iter().map(of).collect::<Result<Vec<_>, u8>>();
        let bytes =
            bytes.map_err(|id| invalid(format!("no value for variable {id}: a group is written as a whole")))?;
        Ok(bytes.concat())
    }

    fn curve(&mut self, id: u8) -> Outcome<curve::Curve> {
        let list = self.link.call(&mut self.client, &curve::List).map_err(of)?;
        let found = list.into_iter().nth(id.into());
        found.ok_or_else(|| Failure::usage(format!("the node has no curve {id}"), "`bsmp curves` lists them."))
    }

    /// Reads at most `blocks` blocks of a curve, from block `first` on, and passes them to `keep`.
    pub fn download(&mut self, id: u8, (first, blocks): (u16, u32), mut keep: impl FnMut(&[u8])) -> Outcome<()> {
        let curve = self.curve(id)?;
        let bar =
            bar(curve.capacity().min(u64::from(blocks).saturating_mul(curve.block.into())), self.json || self.quiet);
        let mut routine = ReadCurve::new(id, curve, Md5::default()).with_blocks(first, blocks);
        let ended = self.link.run(&mut self.client, &mut routine, |event| {
            if let ReadEvent::Block { data, .. } = event {
                bar.inc(data.len() as u64);
                keep(data);
            }
            ControlFlow::Continue(())
        });
        bar.finish_and_clear();
        let ended = ended.map_err(of_link)?;
        match ended {
            Ended::Done(report) => self.moved(report.blocks, report.bytes, report.outcome),
            _ => Err(Failure::nonsense(STOPPED)),
        }
    }

    /// Writes a curve, starting with block `first`.
    pub fn upload(&mut self, id: u8, first: u16, source: impl Source) -> Outcome<()> {
        let curve = self.curve(id)?;
        let bar = bar(source.len(), self.json || self.quiet);
        let mut routine = WriteCurve::new(id, curve, source, Md5::default()).with_first_block(first);
        let ended = self.link.run(&mut self.client, &mut routine, |event| {
            if let WriteEvent::Block(_) = event {
                bar.inc(curve.block.into());
            }
            ControlFlow::Continue(())
        });
        bar.finish_and_clear();
        let ended = ended.map_err(of_link)?;
        match ended {
            Ended::Done(report) => self.moved(report.blocks, report.bytes, report.outcome),
            _ => Err(Failure::nonsense(STOPPED)),
        }
    }

    fn moved(&self, blocks: u32, bytes: u64, outcome: CurveOutcome) -> Outcome<()> {
        let verified = match outcome {
            CurveOutcome::Done { verified } => verified,
            CurveOutcome::Failed(error) => return Err(of_protocol(&error)),
            _ => return Err(Failure::nonsense(outcome.to_string())),
        };
        self.show(json!({ "blocks": blocks, "bytes": bytes, "verified": verified }), || {
            println!("{bytes} bytes in {blocks} blocks; {outcome}");
        });
        Ok(())
    }
}

/// The remedy for a curve in a file.
const CURVE: &str = "Floats are in .csv, one a line, and in .npy (float32); any other file holds the bytes.";

/// A word of the command line makes no sense for this node.
fn invalid(text: impl Into<String>) -> Failure {
    Failure::usage(text, "Hex needs two digits for each byte; `bsmp --help` shows the types of described values.")
}

fn bar(bytes: u64, hidden: bool) -> ProgressBar {
    if hidden || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("[{bar:40}] {bytes}/{total_bytes}  {bytes_per_sec}  {eta}");
    let bar = ProgressBar::new(bytes);
    match style {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}
