//! Polling many nodes, and looking who is there.

use std::error::Error;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anysmp::bsmp::routine::{Poll, PollEvent, PollOutcome, Polled, Poller, Scan};
use anysmp::bsmp::{Address, group, variable};
use anysmp::framing::Framing;
use anysmp::line;
use anysmp::port::Clock;
use anysmp::routine::Ended;
use anysmp_tools::bsmp::describe::Description;
use anysmp_tools::{errln as eprintln, outln as println};
use embedded_io::{Read, Write};
use serde_json::json;

use crate::cli::PollArgs;
use crate::master::{Master, hex};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Which node and which read a poll is.
struct Row {
    node: Option<u8>,
    id: u8,
}

impl<P: Read + Write + Clock, F: Framing> Master<'_, P, F>
where
    P::Error: Error + 'static,
{
    /// Looks who is there.
    pub fn scan(&mut self) -> Outcome<()> {
        let json = self.json;
        let mut scan = Scan::new();
        let ended = self.link.run(&mut self.client, &mut scan, |node| {
            let number = node.address.value();
            match node.version {
                Ok(version) if json => println!("{}", json!({ "node": number, "version": version.to_string() })),
                Ok(version) => println!("{number:3}  BSMP {version}"),
                Err(error) if json => println!("{}", json!({ "node": number, "error": error.to_string() })),
                Err(error) => println!("{number:3}  ({error})"),
            }
            ControlFlow::Continue(())
        })?;
        match ended {
            Ended::Done(report) if report.found > 0 => Ok(()),
            Ended::Done(report) => Err(report.failed.unwrap_or(anysmp::bsmp::Error::TimedOut).into()),
            _ => Err("the scan has stopped".into()),
        }
    }

    /// Reads variables or a group of many nodes, again and again. Errors do not end it.
    pub fn poll(&mut self, args: &PollArgs, about: &Description) -> Outcome<()> {
        let (mut nodes, mut rows) = (Vec::new(), Vec::new());
        let is_on_bus = self.client.address().is_some();
        let numbers = if args.nodes.is_empty() {
            vec![self.client.address().map(Address::value)]
        } else {
            if !is_on_bus {
                return Err("--nodes wants packets: --serial, --packets or --bridge".into());
            }
            args.nodes.iter().flat_map(|range| range.0.clone()).map(Some).collect()
        };
        let ids = args.ids.iter().map(|name| about.id(name)).collect::<Result<Vec<_>, _>>()?;
        let interval = Duration::from_millis(args.interval);
        let mut polls = Vec::new();
        for number in numbers {
            let place = nodes.len();
            nodes.push(match number {
                Some(number) => Polled::new(Address::node_or_32(number).ok_or("a node has an address from 1 to 32")?),
                None => Polled::only(),
            });
            if let Some(id) = args.group {
                polls.push(Poll::group(place, group::Read { id, size: None }, interval));
                rows.push(Row { node: number, id });
            }
            for &id in &ids {
                // An answer of another size is late, or another variable's.
                let size = about.of(id).and_then(|variable| u8::try_from(variable.kind.size()).ok());
                polls.push(Poll::variable(place, variable::Read { id, size }, interval));
                rows.push(Row { node: number, id });
            }
        }
        if polls.is_empty() {
            return Err("nothing to poll: name variables, or a group with --group".into());
        }
        let mut poller = Poller::new(&mut nodes, &mut polls);
        if let Some(seconds) = args.duration {
            poller = poller.with_duration(Duration::from_secs_f64(seconds));
        }
        if args.csv {
            println!("time,node,{},value,unit,error", if args.group.is_some() { "group" } else { "id,name" });
        }
        let (start, json, csv, is_group) = (Instant::now(), self.json, args.csv, args.group.is_some());
        let show = |row: &Row, value: Result<&[u8], String>| {
            let time = start.elapsed().as_secs_f64();
            let known = about.of(row.id).filter(|_| !is_group);
            let (name, unit) = known.map_or(("", ""), |known| (&known.name, &known.unit));
            let node = row.node.map_or_else(String::new, |node| node.to_string());
            let text = value.as_ref().map(|bytes| known.map_or_else(|| hex(bytes), |known| known.kind.text(bytes)));
            let (text, error) = match &text {
                Ok(text) => (text.as_str(), ""),
                Err(error) => ("", error.as_str()),
            };
            if json {
                println!(
                    "{}",
                    json!({ "time": time, "node": row.node, "id": row.id, "name": name, "value": text, "error": error })
                );
            } else if csv && is_group {
                println!("{time:.3},{node},{},{text},{unit},{error}", row.id);
            } else if csv {
                println!("{time:.3},{node},{},{name},{text},{unit},{error}", row.id);
            } else if error.is_empty() {
                println!("{time:10.3}  {node:>3}  {:3} {name}  {text} {unit}", row.id);
            } else {
                println!("{time:10.3}  {node:>3}  {:3} {name}  ({error})", row.id);
            }
        };
        let mut left = args.count;
        let mut missing = 0;
        let outcome = loop {
            // After each answer, so that what is missing shows as well.
            let ended = self.link.run(&mut self.client, &mut poller, |event| {
                if let Some(row) = rows.get(event.poll()) {
                    show(
                        row,
                        match event {
                            PollEvent::Value { value, .. } => Ok(value),
                            PollEvent::Refused { error, .. } => Err(error.to_string()),
                            _ => Ok(&[]),
                        },
                    );
                }
                ControlFlow::Break(())
            });
            let now: u32 = poller.nodes().iter().map(|node| node.counters().missing).sum();
            if now > missing && !json && !csv {
                eprintln!("{:10.3}  {} without an answer", start.elapsed().as_secs_f64(), now - missing);
            }
            missing = now;
            match ended {
                Ok(Ended::Done(report)) => break report.outcome,
                Ok(_) => {}
                Err(error @ line::Error::Closed) => return Err(error.into()),
                // The port may recover.
                Err(error) => eprintln!("{error}"),
            }
            if !anysmp_tools::out::is_open() {
                break PollOutcome::Done;
            }
            if args.count > 0 {
                left -= 1;
                if left == 0 {
                    break PollOutcome::Done;
                }
            }
        };
        for node in poller.nodes() {
            let counters = node.counters();
            let number = node.address().map_or(0, Address::value);
            eprintln!(
                "node {number}: {} asked, {} answered, {} refused, {} missing",
                counters.asked, counters.answered, counters.refused, counters.missing
            );
        }
        match outcome {
            PollOutcome::Failed(error) => Err(error.into()),
            _ if poller.nodes().iter().all(|node| node.counters().answered == 0) => {
                Err(anysmp::bsmp::Error::TimedOut.into())
            }
            _ => Ok(()),
        }
    }
}
