//! A long run: echo requests over a clean line with noise now and then. `ANYSMP_SOAK=10000000` runs
//! 10 million of them.

use std::time::Duration;

use anysmp::framing::Framing;
use anysmp::framing::console::Console;
use anysmp::line::Line;
use anysmp::smp::client::{self, Client};
use anysmp::smp::server::{AllowAll, Incoming, Reply, Server};
use anysmp::smp::{Request, os};

use crate::kit::air::Kind;
use crate::kit::faults::Faults;
use crate::kit::link::{Bytes, Error, Link};
use crate::kit::noise;
use crate::kit::port::{Port, Style};
use crate::kit::random::Random;
use crate::kit::station::{Fate, Served};
use crate::kit::world::SECOND;
use crate::session::Session;

struct Device;

impl os::Commands for Device {}

/// A call whose response has the type that the request declares.
fn ask<F: Framing, R: Request, T>(
    link: &mut Link<'_, '_, F>,
    client: &mut Client,
    request: &R,
    read: impl FnOnce(R::Response<'_>) -> T,
) -> Result<T, Error<client::Error>> {
    link.call(client, request, read)
}

#[test]
fn a_clean_line_answers_every_request_at_once_however_long_it_runs() {
    let count: u64 = std::env::var("ANYSMP_SOAK").map_or(20_000, |count| count.parse().unwrap());
    let (mut a, mut b) = ([0; 128], [0; 128]);
    let (near, far) = (Console::new(&mut a), Console::new(&mut b));
    let (mut memory, mut other) = ([0; 512], [0; 512]);
    let mut random = Random::new(1);
    let mut s = Session::new(0, Kind::Stream, 10_000, SECOND, 0, Duration::ZERO);
    s.world.borrow_mut().air.faults = Faults::NONE;
    s.style = Style { longest_read: 64, longest_write: 64, ..Style::PLAIN };
    let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| os::dispatch(&mut Device, incoming, reply);
    let line = Line::new(far, &mut other).unwrap();
    let server = Server::new(handler, AllowAll);
    let served = Served::new(1, line, server, 100_000, Bytes::default(), |_| Fate::GoOn);
    s.world.borrow_mut().add(served);
    let port = Port::new(s.world.clone(), s.style);
    let mut link = Link::new(false, port, near, &mut memory, s.journal.clone());
    let mut client = Client::new(250).with_retries(0);
    for number in 0..count {
        if number % 1000 == 999 {
            // Noise, and enough silence for it to be over; the next request is answered at once all
            // the same.
            let noise = noise::draw(&mut random, &[], 40);
            s.world.borrow_mut().air.noise(random.index(2), &noise, 0);
            let _ = link.recv(Duration::from_millis(5));
            link.log().text.clear();
        }
        if number.is_multiple_of(100) {
            // What is kept only to judge a session would grow.
            s.journal.borrow_mut().forget();
        }
        let text = number.to_string();
        let echo = ask(&mut link, &mut client, &os::Echo::new(&text), |response| response.text == text.as_str());
        assert_eq!(echo, Ok(true), "request {number}");
        s.world.borrow_mut().calls = 0;
        if number == 10_000 {
            // Two hours in which nothing happens: more than 32 bits of microseconds.
            let until = s.now() + 7_200 * SECOND;
            s.world.borrow_mut().pass(until, false);
        }
    }
    let counters = link.counters();
    assert_eq!((counters.sent, counters.retries, counters.failures), (count as u32, 0, 0));
    println!(
        "soak: {count} requests, {} times round the sequence numbers, {} virtual seconds, {counters:?}",
        count / 256,
        s.now() / SECOND
    );
}
