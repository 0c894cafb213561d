//! A line without a port: every manner, with bytes, times and lengths that have not been checked.

use crate::link::Keep;
use crate::{Operation, bsmp, drop_in_box, flag, peer, s3mp, serve, size, smp, span, time};
use anysmp::framing::Framing;
use anysmp::framing::auto::Auto;
use anysmp::framing::console::Console;
use anysmp::framing::counted::{Counted, Head8};
use anysmp::framing::datagram::Datagram;
use anysmp::framing::delimited::Cobs;
use anysmp::framing::lrc::Lrc;
use anysmp::framing::packet::Packet;
use anysmp::line::{Buffers, Caller, Error, Exchange, Line, Role, Run, Serve};
use anysmp::routine::Routine;
use anysmp::s3mp::master::Status;
use anysmp::smp::os;
use anysmp::smp::routine::Upload;
use anysmp::time::Span;
use core::hint::black_box;
use core::ops::ControlFlow;

pub const ALL: &[Operation] = &[
    |bytes, room| line(Console::new, bytes, room, smp_client),
    |bytes, room| line(Counted::<Head8>::new, bytes, room, smp_client),
    |bytes, room| line(Cobs::new, bytes, room, alone),
    |bytes, room| line(Auto::new, bytes, room, alone),
    |bytes, room| line(Datagram::new, bytes, room, alone),
    |bytes, room| line(|room| Packet::new(room, time()), bytes, room, bsmp_master),
    |bytes, room| line(Lrc::new, bytes, room, s3mp_both),
    |_, room| {
        let Some((buffer, memory)) = room.split_at_mut_checked(size()) else { return };
        drop_in_box(Line::new(Console::new(buffer), Buffers::split(memory)).map(drop_in_box));
    },
    |_, room| {
        let Some((buffer, memory)) = room.split_at_mut_checked(size()) else { return };
        drop_in_box(Line::new(Datagram::new(buffer), memory).map(drop_in_box));
    },
    |bytes, room| {
        let Some((buffer, memory)) = room.split_at_mut_checked(size()) else { return };
        let Ok(mut line) = Line::serving(Console::new(buffer), Buffers::split(memory)) else { return };
        turn(&mut line, bytes);
    },
    |_, _| {
        let sum = Span::from(time()).saturating_add(span());
        drop_in_box((
            sum.to_duration(),
            sum.saturating_sub(span()),
            sum.eighth(),
            sum >= span(),
            sum.is_zero(),
            sum.as_micros(),
        ));
        drop_in_box((Span::floor(time()), Span::ceil(time())));
    },
];

/// What is done with a line once it was used by itself: with unknown bytes.
type Use<F> = fn(&mut Line<'_, F>, &[u8]);

fn line<'r, F: Framing>(new: impl FnOnce(&'r mut [u8]) -> F, bytes: &[u8], room: &'r mut [u8], with: Use<F>) {
    let Some((buffer, room)) = room.split_at_mut_checked(size()) else { return };
    let memory = Buffers::split(room).with_tx(size()).with_out(size());
    let Ok(mut line) = Line::new(new(buffer), memory) else { return };
    turn(&mut line, bytes);
    with(&mut line, bytes);
    drop_in_box((line.counters(), line.limits(), line.framing().gap()));
}

/// The caller's own loop, whose steps come in any order.
fn turn<F: Framing, R: Role>(line: &mut Line<'_, F, R>, bytes: &[u8]) {
    while flag() {
        match size() {
            0 => drop_in_box(line.received(bytes, peer())),
            1 => drop_in_box(line.room()),
            2 => line.filled(size(), peer()),
            3 => line.elapsed(span()),
            4 => line.away(span()),
            5 => drop_in_box(line.next(&mut Keep)),
            6 => drop_in_box(line.exchange()),
            7 => drop_in_box((line.tx(), size())),
            8 => drop_in_box(line.transmit(size())),
            9 => drop_in_box(line.pending()),
            10 => drop_in_box(line.sent(size())),
            11 => line.abandon(),
            12 => line.lost(),
            14 => drop_in_box(line.take_elapsed()),
            15 => drop_in_box(line.next_and_elapsed(&mut Keep)),
            13 => drop_in_box((line.rest(), line.is_sending(), line.is_unsent())),
            _ => drop_in_box((line.message(), line.peer())),
        }
    }
}

/// Damage and time, as the caller's own loop reports them.
fn report<F: Framing>(line: &mut Line<'_, F>, server: &mut impl Serve) {
    drop_in_box(line.check::<()>(server));
    while let Some(event) = line.next(&mut Keep) {
        let len = line.report(event, server);
        drop_in_box(line.transmit(len));
    }
}

fn exchange<F: Framing, R: ?Sized, C: Caller<R>>(line: &mut Line<'_, F>, client: &mut C, request: &R, bytes: &[u8]) {
    let begun = Exchange::begin(line, client, request, &mut Keep).map_err(Error::with_port::<()>);
    let Ok(mut exchange) = begun else { return };
    while flag() {
        turn(line, bytes);
        drop_in_box(exchange.poll(line, client, &mut Keep));
        drop_in_box(exchange.response(line, client));
        drop_in_box(exchange.reason::<R, C, ()>(client));
    }
}

fn run<F: Framing, R: Routine>(line: &mut Line<'_, F>, client: &mut R::Client, routine: &mut R, bytes: &[u8]) {
    let mut run = Run::new(line);
    while flag() {
        turn(line, bytes);
        let event = |event: R::Event<'_>| {
            drop_in_box(event);
            if flag() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        drop_in_box(run.poll(line, client, routine, &mut Keep, event).map_err(Error::<(), ()>::from_line));
    }
}

fn alone<F: Framing>(_: &mut Line<'_, F>, _: &[u8]) {}

fn smp_client<F: Framing>(line: &mut Line<'_, F>, bytes: &[u8]) {
    let mut client = smp::client();
    exchange(line, &mut client, &os::Echo::new(smp::text(bytes)), bytes);
    run(line, &mut client, &mut Upload::new(smp::File(bytes)), bytes);
}

fn bsmp_master<F: Framing>(line: &mut Line<'_, F>, bytes: &[u8]) {
    let write = anysmp::bsmp::variable::Write { id: black_box(0), value: bytes };
    exchange(line, &mut bsmp::client(), &write, bytes);
    let Some(table) = bsmp::table() else { return };
    report(line, &mut bsmp::server(&table));
}

fn s3mp_both<F: Framing>(line: &mut Line<'_, F>, bytes: &[u8]) {
    exchange(line, &mut s3mp::master(), &Status, bytes);
    if let Some(mut slave) = s3mp::plant() {
        report(line, &mut slave);
        serve(&mut slave, bytes, line.tx());
    }
}
