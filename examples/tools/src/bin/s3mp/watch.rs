//! Following values as they change.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anysmp::line;
use anysmp::routine::{Ended, Routine};
use anysmp::s3mp::master::Unsolicited;
use anysmp::s3mp::routine::{Connect, ConnectOutcome, Event, Monitor, MonitorOutcome, Watch};
use anysmp::s3mp::value::Value;
use anysmp::s3mp::{Address, Master};
use anysmp_tools::describe::Description;
use anysmp_tools::failure::Failure;
use anysmp_tools::live::{Style, View};
use anysmp_tools::looked::Looked;
use anysmp_tools::options::{self, Output};
use serde_json::json;

use crate::session::{Names, Session, of_link, told};

/// The duration of one look at the line.
const LOOK: Duration = Duration::from_millis(100);

/// The pause of a watch before it looks for a slave again.
const REST: Duration = Duration::from_millis(300);

/// Shows the messages of a slave. It outlives the port.
pub struct Watching {
    view: View,
    about: Description,
    names: Names,
    /// The addresses as given on the command line.
    words: Vec<String>,
    reset: bool,
    /// True once the user has seen the message that no slave answers.
    is_absent: bool,
    has_worked: bool,
    end: Option<Instant>,
    /// The number of readings so far, and its limit; 0 means no limit.
    read: u64,
    count: u64,
}

impl Watching {
    pub fn new(output: &Output, args: &options::Watching, words: &[String], reset: bool, about: Description) -> Self {
        Self {
            view: View::new(Style::new(output.json, args.csv, args.lines || output.verbose), "address", false),
            about,
            names: Vec::new(),
            words: words.to_vec(),
            reset,
            is_absent: false,
            has_worked: false,
            end: args.duration.map(|time| Instant::now() + time),
            read: 0,
            count: args.count,
        }
    }

    fn is_over(&self) -> bool {
        self.end.is_some_and(|end| Instant::now() >= end)
            || (self.count > 0 && self.read >= self.count)
            || !anysmp_tools::out::is_open()
    }

    /// Returns true if a port that has failed is to be opened again: there was an answer, and there
    /// is time left.
    pub fn may_go_on(&self) -> bool {
        self.has_worked && !self.is_over()
    }

    pub fn event(&mut self, event: &str, text: &str) {
        self.view.event(event, json!({ "text": text }), text);
    }

    pub fn finish(&mut self) {
        self.view.finish();
    }

    /// Subscribes, then shows the values that the slave pushes.
    pub fn listen(&mut self, session: &mut Session) -> Result<(), Failure> {
        for address in session.choose(&self.words)? {
            self.names = session.names().to_vec();
            if self.is_over() {
                return Ok(());
            }
            let value = session.subscribe(address)?;
            self.value("value", address, Value::new(&value));
        }
        self.has_worked = true;
        while !self.is_over() {
            self.view.tick();
            let message = match session.link.recv(LOOK) {
                Ok(message) => message.to_vec(),
                Err(line::Error::TimedOut) => continue,
                Err(error) => return Err(of_link(error)),
            };
            match Unsolicited::parse(&message) {
                Some(Unsolicited::Push(address, value)) => self.value("push", address, value),
                Some(Unsolicited::Debug(text)) => self.debug(&text.to_string()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Connects and watches; connects again to a slave that was lost.
    pub fn watch(&mut self, session: &mut Session, status: Duration) -> Result<(), Failure> {
        let mut watches = [Watch::NONE; 254];
        let mut chosen = 0;
        if !self.words.is_empty() {
            let addresses = session.choose(&self.words.clone())?;
            for (watch, address) in watches.iter_mut().zip(&addresses) {
                *watch = Watch::new(*address);
            }
            chosen = addresses.len().min(watches.len());
        }
        self.names = session.names().to_vec();
        while !self.is_over() {
            let connect = match chosen {
                0 => Connect::from_names(&mut watches),
                _ => Connect::new(&mut watches[..chosen]),
            };
            let reset = std::mem::take(&mut self.reset);
            let mut connect = connect.with_retries(0).with_reset(reset);
            let (boot, watched) = match self.run(session, &mut connect)?.map(|report| report.outcome) {
                Some(ConnectOutcome::Up { boot, watched }) => (boot, watched),
                Some(outcome) => {
                    if !std::mem::replace(&mut self.is_absent, true) {
                        let text = format!("no slave answers: {outcome}");
                        self.view.event("absent", json!({}), &text);
                    }
                    // Pause before the next request to a slave that responds with something else.
                    std::thread::sleep(REST);
                    continue;
                }
                None => break,
            };
            (self.is_absent, self.has_worked) = (false, true);
            self.view.event("up", json!({ "watched": watched }), &format!("up, {watched} addresses watched"));
            let mut monitor = Monitor::new(boot, &mut watches[..watched]).with_interval(status);
            match self.run(session, &mut monitor)?.map(|report| report.outcome) {
                Some(MonitorOutcome::Lost) => self.view.event("lost", json!({}), "lost"),
                Some(MonitorOutcome::Restarted) => self.view.event("restarted", json!({}), "restarted"),
                _ => break,
            }
        }
        if self.has_worked || !anysmp_tools::out::is_open() {
            return Ok(());
        }
        let remedy = "Check endpoint, --baud of a serial line, and that the slave is on.";
        Err(Failure::silent("the slave does not answer", remedy))
    }

    /// Runs a routine and shows its events; `None` if enough has been read.
    fn run<R>(&mut self, session: &mut Session, routine: &mut R) -> Result<Option<R::Report>, Failure>
    where
        R: for<'m> Routine<Client = Master, Event<'m> = Event<'m>>,
    {
        let this = RefCell::new(self);
        let look = |_: &R| {
            let mut this = this.borrow_mut();
            this.view.tick();
            !this.is_over()
        };
        let ended = session.link.run(&mut session.master, &mut Looked::new(routine, look), |event| {
            let mut this = this.borrow_mut();
            match event {
                Event::Names(list) => {
                    this.names = list.iter().map(|(at, name)| (at, name.to_string())).collect();
                }
                Event::Value(address, value) => this.value("value", address, value),
                Event::Push(address, value) => this.value("push", address, value),
                // The slave has restarted, or a PUSH was lost.
                Event::Missed(address, value) => this.value("missed", address, value),
                Event::Refused(address, code) => {
                    let place = this.place(address);
                    this.read += 1;
                    this.view.error(place, &format!("refused: {code}"));
                }
                Event::Debug(text) => this.debug(&text.to_string()),
                _ => {}
            }
            if this.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        match ended.map_err(of_link)? {
            Ended::Done(report) => Ok(Some(report)),
            _ => Ok(None),
        }
    }

    fn place(&mut self, address: Address) -> usize {
        let (name, unit, _) = told(&self.about, &self.names, address, Value::new(&[]));
        self.view.place(None, Some(address.0), &name.unwrap_or_default(), &unit)
    }

    fn value(&mut self, event: &str, address: Address, value: Value<'_>) {
        let (.., told) = told(&self.about, &self.names, address, value);
        let place = self.place(address);
        self.read += 1;
        self.has_worked = true;
        match told {
            Ok((json, text)) => self.view.value(place, &json, &text, Some(event)),
            Err(error) => self.view.error(place, &error),
        }
    }

    fn debug(&mut self, text: &str) {
        self.view.event("debug", json!({ "debug": text }), &format!("# {text}"));
    }
}
