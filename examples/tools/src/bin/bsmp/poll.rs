//! Follows many nodes, and scans for them.

use std::cell::{Cell, RefCell};
use std::io;
use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use anysmp::bsmp::routine::{JobOutcome, Poll, PollCounters, PollEvent, Polled, Poller, Scan, ScanReport};
use anysmp::bsmp::{Address, Error, group, variable};
use anysmp::framing::Framing;
use anysmp::line;
use anysmp::port::Clock;
use anysmp::routine::Ended;
use anysmp_tools::describe::Description;
use anysmp_tools::failure::Failure;
use anysmp_tools::live::{Style, View};
use anysmp_tools::looked::Looked;
use anysmp_tools::options::Output;
use anysmp_tools::{errln as eprintln, outln as println};
use embedded_io::{Read, Write};
use serde_json::{Value, json};

use crate::cli::PollArgs;
use crate::failure::{of, of_link, of_protocol};
use crate::master::Master;
use crate::show::hex;

/// The pause of a watch after an error of the line that may be temporary.
const REST: Duration = Duration::from_millis(100);
/// The text of a reading without an answer.
const MISSING: &str = "no answer";

impl<P: Read<Error = io::Error> + Write + Clock, F: Framing> Master<'_, P, F> {
    /// Asks each address of a bus for the version of its node.
    pub fn scan(&mut self) -> Result<(), Failure> {
        let json = self.is_json();
        let mut scan = Scan::new();
        let ended = self.link.run(&mut self.client, &mut scan, |node| {
            let number = node.address.value();
            match node.version {
                Ok(version) if json => println!("{}", json!({ "node": number, "version": version.to_string() })),
                Ok(version) => println!("{number:3}  BSMP {version}"),
                Err(error) if json => println!("{}", json!({ "node": number, "error": error.to_string() })),
                Err(error) => println!("{number:3}  ({error})"),
            }
            // The output is no longer read.
            if anysmp_tools::out::is_open() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        match ended.map_err(of_link)? {
            Ended::Done(report) if report.found > 0 => Ok(()),
            Ended::Done(ScanReport { outcome: JobOutcome::Failed(error), .. }) => Err(of_protocol(&error)),
            Ended::Done(_) => Err(of_protocol(&Error::TimedOut)),
            _ => Ok(()),
        }
    }
}

/// The subject of a reading: a variable, or a group of variables.
enum Asked {
    Variable(u8),
    Group { id: u8, members: Vec<(u8, usize)> },
}

/// Reads many nodes repeatedly. It outlives the port.
pub struct Polling {
    view: View,
    about: Description,
    /// `None` stands for the only node if messages have no address.
    nodes: Vec<Option<Address>>,
    ids: Vec<u8>,
    group: Option<u8>,
    interval: Duration,
    started: Instant,
    end: Option<Instant>,
    /// 0 means no limit.
    count: u64,
    /// The counts of readings over earlier ports.
    earlier: Vec<PollCounters>,
    quiet: bool,
    json: bool,
}

fn sum(a: PollCounters, b: PollCounters) -> PollCounters {
    let mut sum = a;
    sum.asked = sum.asked.saturating_add(b.asked);
    sum.answered = sum.answered.saturating_add(b.answered);
    sum.refused = sum.refused.saturating_add(b.refused);
    sum.missing = sum.missing.saturating_add(b.missing);
    sum
}

/// Returns the number of finished readings.
fn readings(counters: &PollCounters) -> u64 {
    [counters.answered, counters.refused, counters.missing].into_iter().map(u64::from).sum()
}

impl Polling {
    /// Makes the readings that the command line requests, of the nodes with these addresses or of
    /// the only one.
    pub fn new(
        output: &Output,
        args: &PollArgs,
        is_live: bool,
        addresses: Option<&[Address]>,
        about: &Description,
    ) -> Result<Self, Failure> {
        let id = |name: &String| about.id(name).map_err(|text| Failure::usage(text, "`bsmp discover` shows ids."));
        let mut ids = args.ids.iter().map(id).collect::<Result<Vec<_>, _>>()?;
        if ids.is_empty() && args.group.is_none() {
            ids = about.variables.iter().map(|variable| variable.id).collect();
        }
        if ids.is_empty() && args.group.is_none() {
            let remedy = "Name variables, or a group with --group, or describe them with --describe.";
            return Err(Failure::usage("nothing to read", remedy));
        }
        let watching = &args.watching;
        let style = Style::new(output.json, watching.csv, watching.lines || !is_live || output.verbose);
        let nodes: Vec<_> = addresses.map_or_else(|| vec![None], |list| list.iter().copied().map(Some).collect());
        let started = Instant::now();
        Ok(Self {
            view: View::new(style, "id", true),
            about: about.clone(),
            earlier: vec![PollCounters::default(); nodes.len()],
            nodes,
            ids,
            group: args.group,
            interval: Duration::from_millis(args.interval),
            started,
            end: watching.duration.map(|time| started + time),
            count: watching.count,
            quiet: output.quiet,
            json: output.json,
        })
    }

    /// Notes an event besides the readings.
    pub fn note(&mut self, text: &str) {
        self.view.event("note", json!({ "note": text }), text);
    }

    /// Returns true if a port that has failed is to be opened again: there was an answer, and there
    /// is time left.
    pub fn may_go_on(&self) -> bool {
        let answered: u64 = self.earlier.iter().map(|node| u64::from(node.answered)).sum();
        answered > 0 && self.end.is_none_or(|end| Instant::now() < end) && anysmp_tools::out::is_open()
    }

    /// Reads over this port until it fails or enough has been read.
    pub fn run<P: Read<Error = io::Error> + Write + Clock, F: Framing>(
        &mut self,
        master: &mut Master<'_, P, F>,
    ) -> Result<(), Failure> {
        let (mut nodes, mut polls, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        let members = match self.group {
            Some(id) => Some((id, self.members(master, id)?)),
            None => None,
        };
        for (place, node) in self.nodes.iter().enumerate() {
            nodes.push(node.map_or(Polled::only(), Polled::new));
            if let Some((id, members)) = &members {
                let size = u16::try_from(members.iter().map(|(_, size)| size).sum::<usize>()).ok();
                polls.push(Poll::group(place, group::Read { id: *id, size }, self.interval));
                rows.push((*node, Asked::Group { id: *id, members: members.clone() }));
            }
            for &id in &self.ids {
                // An answer of another size is late, or belongs to another variable.
                let size = self.about.of(id).and_then(|variable| u8::try_from(variable.kind.size()).ok());
                polls.push(Poll::variable(place, variable::Read { id, size }, self.interval));
                rows.push((*node, Asked::Variable(id)));
            }
        }
        for (node, asked) in &rows {
            let ids: Vec<u8> = match asked {
                Asked::Variable(id) => vec![*id],
                Asked::Group { members, .. } => members.iter().map(|(id, _)| *id).collect(),
            };
            for id in ids {
                self.place(*node, id);
            }
        }
        let mut poller = Poller::new(&mut nodes, &mut polls);
        let before: u64 = self.earlier.iter().map(readings).sum();
        let (end, count) = (self.end, self.count);
        let done = loop {
            let this = RefCell::new(&mut *self);
            let missing: Cell<u32> = Cell::new(poller.nodes().iter().map(|node| node.counters().missing).sum());
            let seen: Vec<Cell<u32>> = poller.nodes().iter().map(|node| Cell::new(node.counters().missing)).collect();
            let look = |poller: &Poller<'_>| {
                let mut this = this.borrow_mut();
                let now: u32 = poller.nodes().iter().map(|node| node.counters().missing).sum();
                if now != missing.replace(now) {
                    for (node, seen) in poller.nodes().iter().zip(&seen) {
                        let now = node.counters().missing;
                        if now != seen.replace(now) {
                            this.view.missing(node.address().map(Address::value), MISSING);
                        }
                    }
                }
                this.view.tick();
                let read = before + poller.nodes().iter().map(|node| readings(&node.counters())).sum::<u64>();
                (count == 0 || read < count)
                    && end.is_none_or(|end| Instant::now() < end)
                    && anysmp_tools::out::is_open()
            };
            let ended = master.link.run(&mut master.client, &mut Looked::new(&mut poller, look), |event| {
                if let Some((node, asked)) = rows.get(event.poll()) {
                    let value = match event {
                        PollEvent::Value { value, .. } => Ok(value),
                        PollEvent::Refused { error, .. } => Err(error.to_string()),
                        _ => Ok(&[][..]),
                    };
                    this.borrow_mut().show(*node, asked, value);
                }
                ControlFlow::Continue(())
            });
            match ended {
                Ok(Ended::Done(report)) => match report.outcome {
                    JobOutcome::Failed(error) => break Err(of_protocol(&error)),
                    _ => break Ok(()),
                },
                Ok(_) => break Ok(()),
                Err(error @ (line::Error::Closed | line::Error::Port(_) | line::Error::WriteZero)) => {
                    break Err(of_link(error));
                }
                // The error may be temporary.
                Err(error) => {
                    self.note(&error.to_string());
                    thread::sleep(REST);
                }
            }
        };
        for (earlier, node) in self.earlier.iter_mut().zip(poller.nodes()) {
            *earlier = sum(*earlier, node.counters());
        }
        done
    }

    /// The members of a group and their sizes, from the first node that answers: all nodes are of
    /// one kind.
    fn members<P: Read<Error = io::Error> + Write + Clock, F: Framing>(
        &self,
        master: &mut Master<'_, P, F>,
        id: u8,
    ) -> Result<Vec<(u8, usize)>, Failure> {
        let usual = master.client;
        let mut last = Err(of_protocol(&Error::TimedOut));
        for node in &self.nodes {
            master.client = node.map_or(usual, |node| usual.with_address(node));
            let members = master.link.call(&mut master.client, &group::Query { id }).map_err(of);
            last = members.and_then(|members| master.sizes(members));
            if !matches!(&last, Err(failure) if failure.code == 3) {
                break;
            }
        }
        master.client = usual;
        last
    }

    /// The row of a variable.
    fn place(&mut self, node: Option<Address>, id: u8) -> usize {
        let (name, unit) = self.about.of(id).map_or(("", ""), |known| (known.name.as_str(), known.unit.as_str()));
        self.view.place(node.map(Address::value), Some(id), name, unit)
    }

    fn show(&mut self, node: Option<Address>, asked: &Asked, value: Result<&[u8], String>) {
        let parts: Vec<(u8, Result<Vec<u8>, String>)> = match (asked, value) {
            (Asked::Variable(id), value) => vec![(*id, value.map(<[u8]>::to_vec))],
            (Asked::Group { members, .. }, Err(error)) => {
                members.iter().map(|(id, _)| (*id, Err(error.clone()))).collect()
            }
            (Asked::Group { id, members }, Ok(bytes)) => {
                let whole: usize = members.iter().map(|(_, size)| size).sum();
                let mut rest = bytes;
                let mut part = |size: usize| {
                    let (value, behind) = rest.split_at_checked(size).filter(|_| bytes.len() == whole)?;
                    rest = behind;
                    Some(value.to_vec())
                };
                let wrong = || format!("group {id} has {} bytes instead of {whole}", bytes.len());
                members.iter().map(|(id, size)| (*id, part(*size).ok_or_else(wrong))).collect()
            }
        };
        for (id, value) in parts {
            let place = self.place(node, id);
            let kind = self.about.of(id).map(|known| known.kind);
            match value {
                Ok(bytes) => match kind.map(|kind| (kind.value(&bytes), kind.text(&bytes))) {
                    Some((Ok(value), text)) => self.view.value(place, &value, &text, None),
                    Some((Err(error), _)) => self.view.error(place, &error),
                    None => self.view.value(place, &Value::from(hex(&bytes)), &hex(&bytes), None),
                },
                Err(error) => self.view.error(place, &error),
            }
        }
    }

    /// Shows the counts of each node, and turns them into an exit code.
    pub fn finish(mut self, ended: Result<(), Failure>) -> Result<(), Failure> {
        self.view.finish();
        let seconds = self.started.elapsed().as_secs_f64().max(1e-3);
        let mut list = Vec::new();
        for (node, counters) in self.nodes.iter().zip(&self.earlier) {
            let PollCounters { asked, answered, refused, missing, .. } = *counters;
            let rate = (f64::from(answered) / seconds * 10.0).round() / 10.0;
            let number = node.map(Address::value);
            if self.json {
                list.push(json!({
                    "node": number, "asked": asked, "answered": answered, "refused": refused, "missing": missing,
                    "rate": rate,
                }));
            } else if !self.quiet {
                let name = number.map_or_else(|| "the node".to_owned(), |number| format!("node {number}"));
                eprintln!(
                    "{name}: {asked} asked, {answered} answered, {refused} refused, {missing} missing, {rate:.1}/s"
                );
            }
        }
        if self.json {
            println!("{}", json!({ "nodes": list }));
        }
        ended?;
        let all = self.earlier.iter().copied().fold(PollCounters::default(), sum);
        let failed = u64::from(all.refused) + u64::from(all.missing);
        let text = || format!("{failed} of {} readings failed", readings(&all));
        match (all.missing, all.refused) {
            (0, 0) => Ok(()),
            (0, _) => Err(Failure::refused(text(), "`bsmp discover` lists the entities of the node.")),
            _ if all.answered == 0 => Err(of_protocol(&Error::TimedOut)),
            _ => Err(Failure::silent(text(), "Give it more time with --timeout, or a slower --interval.")),
        }
    }
}
