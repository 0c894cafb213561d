//! A master and a slave in one program, joined by a pipe.

use anysmp_tools::outln as println;
use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anysmp::routine::Ended;
use anysmp::s3mp::Address;
use anysmp::s3mp::master::Invert;
use anysmp::s3mp::routine::{Connect, ConnectOutcome, ConnectReport, Event, Monitor, MonitorOutcome, Watch};
use anysmp::s3mp::slave::Slave;
use anysmp::s3mp::value::Value;
use anysmp_tools::live::sparkline;
use anysmp_tools::port::{Pipe, Port};
use anysmp_tools::s3mp::greenhouse::{Greenhouse, serve};
use anysmp_tools::trace::Trace;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Link, link, master, show};

type Error = Box<dyn std::error::Error>;

/// The number of values in a curve.
const WIDTH: usize = 48;

pub(crate) fn run() -> Result<(), Error> {
    let (near, far) = Pipe::pair();
    let power = Arc::new(AtomicBool::new(true));
    let switch = power.clone();
    thread::spawn(move || slave(Box::new(far), &switch));

    let mut link = link(Box::new(near), Trace::s3mp(false))?;
    let mut master = master().with_timeout(Duration::from_millis(300));
    let mut watches = [Watch::NONE; 8];
    let mut screen = Screen::new();

    screen.say("looking for a slave: RESET, STATUS, DESCRIBE, SUBSCRIBE");
    let connect = Connect::from_names(&mut watches).with_quiet(Duration::from_millis(500));
    let (boot, watched) = find(&mut link, &mut master, connect, &mut screen)?;
    screen.table();

    let mut monitor = Monitor::new(boot, &mut watches[..watched]).with_interval(Duration::from_millis(700));
    screen.say("watching: values arrive when they change");
    watch(&mut link, &mut master, &mut monitor, &mut screen, 4.0)?;

    let relay = screen.find("relay").ok_or("no relay")?;
    let on = link.call(&mut master, &Invert { address: relay }).map_err(|error| error.to_string())?;
    screen.say(&format!("INVERT relay: now {}", show::plain(on)));
    screen.value(relay, on, false);
    watch(&mut link, &mut master, &mut monitor, &mut screen, 4.0)?;

    screen.say("the slave loses power");
    let start = Instant::now();
    power.store(false, Ordering::Relaxed);
    match watch(&mut link, &mut master, &mut monitor, &mut screen, 30.0)? {
        Some(MonitorOutcome::Lost) => {
            screen.say(&format!("lost: noticed after {:.1} s", start.elapsed().as_secs_f32()))
        }
        other => return Err(format!("expected to lose the slave: {other:?}").into()),
    }

    let switch = power.clone();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(1500));
        switch.store(true, Ordering::Relaxed);
    });
    screen.say("looking for it again: STATUS until it answers");
    let connect = Connect::from_names(&mut watches).with_reset(false).with_interval(Duration::from_millis(300));
    let (boot, watched) = find(&mut link, &mut master, connect, &mut screen)?;
    screen.say("found again; names and subscriptions are renewed");
    screen.table();
    let mut monitor = Monitor::new(boot, &mut watches[..watched]);
    watch(&mut link, &mut master, &mut monitor, &mut screen, 3.0)?;

    let counters = link.counters();
    screen.say(&format!(
        "{} messages sent, {} received ({} pushed), {} damaged",
        counters.sent, counters.received, screen.pushes, counters.damaged
    ));
    Ok(())
}

/// The far end: serves while there is power, and drops all bytes while there is none.
fn slave(mut port: Port, power: &AtomicBool) {
    loop {
        let Ok(mut slave) = Slave::new(Greenhouse::new()) else { return };
        match serve(&mut slave, port, (), power) {
            Ok(Some(back)) => port = back,
            _ => return,
        }
        while !power.load(Ordering::Relaxed) {
            // The slave is off: the bytes are lost.
            let _ = port.read(&mut [0; 64]);
        }
    }
}

fn find(
    link: &mut Link,
    master: &mut anysmp::s3mp::master::Master,
    mut connect: Connect<'_>,
    screen: &mut Screen,
) -> Result<(anysmp::s3mp::routine::Boot, usize), Error> {
    let ended = link.run(master, &mut connect, |event| {
        screen.event(event);
        ControlFlow::Continue(())
    });
    match ended.map_err(|error| error.to_string())? {
        Ended::Done(ConnectReport { outcome: ConnectOutcome::Up { boot, watched }, .. }) => Ok((boot, watched)),
        Ended::Done(report) => Err(report.to_string().into()),
        Ended::Reopen | Ended::Stopped => Err("the search was stopped".into()),
    }
}

fn watch(
    link: &mut Link,
    master: &mut anysmp::s3mp::master::Master,
    monitor: &mut Monitor<'_>,
    screen: &mut Screen,
    seconds: f64,
) -> Result<Option<MonitorOutcome>, Error> {
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let ended = link.run(master, monitor, |event| {
        screen.event(event);
        if Instant::now() < end { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    match ended.map_err(|error| error.to_string())? {
        Ended::Done(report) => Ok(Some(report.outcome)),
        _ => Ok(None),
    }
}

/// A display with one line for each address, redrawn in place on a terminal; plain lines elsewhere.
struct Screen {
    lines: MultiProgress,
    values: BTreeMap<u8, Shown>,
    started: Instant,
    pushes: u32,
}

struct Shown {
    name: String,
    value: String,
    history: VecDeque<f64>,
    line: Option<ProgressBar>,
}

impl Screen {
    fn new() -> Self {
        Self {
            lines: MultiProgress::with_draw_target(ProgressDrawTarget::stdout()),
            values: BTreeMap::new(),
            started: Instant::now(),
            pushes: 0,
        }
    }

    fn find(&self, name: &str) -> Option<Address> {
        self.values.iter().find(|(_, shown)| shown.name == name).map(|(address, _)| Address(*address))
    }

    fn say(&self, text: &str) {
        let text = format!("{:5.1} s  {text}", self.started.elapsed().as_secs_f32());
        if self.lines.is_hidden() {
            println!("{text}");
        } else {
            let _ = self.lines.println(text);
        }
    }

    fn table(&self) {
        self.say("address  name          value");
        for (address, shown) in &self.values {
            self.say(&format!("{address:>7}  {:<12}  {}", shown.name, shown.value));
        }
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Names(names) => {
                for (address, name) in names.iter() {
                    let shown =
                        Shown { name: name.to_string(), value: String::new(), history: VecDeque::new(), line: None };
                    self.values.entry(address.0).or_insert(shown);
                }
            }
            Event::Value(address, value) => self.value(address, value, false),
            Event::Push(address, value) => {
                self.pushes += 1;
                self.value(address, value, true);
            }
            Event::Debug(text) => self.say(&format!("# {text}")),
            _ => {}
        }
    }

    fn value(&mut self, address: Address, value: Value<'_>, pushed: bool) {
        let Some(shown) = self.values.get_mut(&address.0) else { return };
        shown.value = show::plain(value);
        let number = value.bool().map(|on| f64::from(u8::from(on)));
        if let Some(number) = number.ok().or_else(|| shown.value.parse().ok()) {
            shown.history.push_back(number);
            let surplus = shown.history.len().saturating_sub(WIDTH);
            shown.history.drain(..surplus);
        }
        if self.lines.is_hidden() {
            if pushed {
                let line = format!("{} {}", shown.name, shown.value);
                self.say(&line);
            }
            return;
        }
        let line = shown.line.get_or_insert_with(|| {
            let line = self.lines.add(ProgressBar::new_spinner());
            line.set_style(
                ProgressStyle::with_template("{prefix:>14}  {msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            line.set_prefix(shown.name.clone());
            line
        });
        line.set_message(format!("{:<10}  {}", shown.value, sparkline(&shown.history, WIDTH)));
    }
}
