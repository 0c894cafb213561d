//! A server with and without an answer memory, and a client that reads a response.

use crate::{Meter, random};
use anysmp::line::{Caller, Peer, Verdict};
use anysmp::smp::enumeration::{self, Detail, Details, List};
use anysmp::smp::image::{ReadState, Upload, UploadResponse};
use anysmp::smp::server::{AllowAll, Answer, Answers, Incoming, Reply, Server};
use anysmp::smp::{Client, Error, Op, Request};
use core::hint::black_box;

fn handle(incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
    match incoming.op() {
        Op::Write => incoming.answer(reply, |request: Upload<'_>| {
            let off = request.off.ok_or(Error::INVALID)?;
            let data = request.data.and_then(|data| data.as_slice()).ok_or(Error::INVALID)?;
            Ok(UploadResponse::new(off + black_box(data).len() as u64))
        }),
        _ => reply.error(Error::NOT_SUPPORTED),
    }
}

pub(crate) fn cases(meter: &mut impl Meter) {
    let mut data = [0; 2048];
    random(&mut data);
    for len in [64, 380, 2044] {
        exchange(meter, &data[..len - 30]);
    }
    for count in [1, 8, 64] {
        answer(meter, count);
    }
    for count in [8, 64] {
        enumerate(meter, "enum-list", &List {}, count);
        enumerate(meter, "enum-details", &Details { groups: None }, count);
        // Of eight that are served the last one, behind as many others.
        let mut wanted = [99; 64];
        wanted[count - 1] = 7;
        let wanted = Details { groups: Some(wanted[..count].into()) };
        asked(meter, "enum-details-of", &wanted, 8, count);
        // And eight of as many that are served.
        let wanted = Details { groups: Some([99, 98, 97, 96, 95, 94, 93, 7][..].into()) };
        asked(meter, "enum-details-in", &wanted, count, count);
    }
}

/// A server with this many groups, asked about them.
fn enumerate<R: Request>(meter: &mut impl Meter, name: &'static str, request: &R, count: usize) {
    asked(meter, name, request, count, count);
}

/// The same; `len` is what the cases differ in.
fn asked<R: Request>(meter: &mut impl Meter, name: &'static str, request: &R, served: usize, len: usize) {
    let mut details = [Detail::new(0).with_name("a group").with_handlers(9); 64];
    details.iter_mut().zip(0..).for_each(|(detail, number)| detail.group = number);
    let handler =
        |incoming: &Incoming<'_>, reply: Reply<'_>| enumeration::dispatch(&details[..served], incoming, reply);
    let (mut server, mut message, mut tx) = (Server::new(handler, AllowAll), [0; 256], [0; 4096]);
    let written = Client::new(0).request(request, &mut message).map_or(0, |(len, _)| len);
    meter.case(name, len, || {
        assert!(server.receive(black_box(&message[..written]), Peer(0), black_box(&mut tx)).0 > 16);
    });
}

/// An upload of one piece, a bare message in and its response out.
fn exchange(meter: &mut impl Meter, data: &[u8]) {
    let (mut message, mut tx, mut memory) = ([0; 2048], [0; 256], [0; 96]);
    let upload = Upload { off: Some(70_000), data: Some(data.into()), ..Upload::default() };
    let len = Client::new(0).request(&upload, &mut message).map_or(0, |(len, _)| len);
    let mut plain = Server::new(handle, AllowAll);
    let mut serve = |service: &mut dyn FnMut(&[u8], &mut [u8]) -> usize, message: &mut [u8]| {
        // Another request each time: a repeated one is answered from memory.
        message[6] = message[6].wrapping_add(1);
        assert!(service(black_box(message), &mut tx) > 8);
    };
    meter.case("serve", len, || {
        serve(&mut |message, tx| plain.receive(message, Peer(0), tx).0, &mut message[..len]);
    });
    let mut remembering = Server::new(handle, AllowAll).with_answers(Answers::new(&mut memory));
    meter.case("serve-remembering", len, || {
        serve(&mut |message, tx| remembering.receive(message, Peer(0), tx).0, &mut message[..len]);
    });
}

/// The response to a state request as a link's client reads it: is it one, and what does it say.
fn answer(meter: &mut impl Meter, count: usize) {
    let (mut message, mut tx) = ([0; 8192], [0; 64]);
    let mut client = Client::new(0);
    let Ok((_, mut pending)) = Caller::request(&mut client, &ReadState::default(), &mut tx) else { return };
    let len = 8 + crate::cbor::images(count, &mut message[8..]).len();
    let [high, low] = (len as u16 - 8).to_be_bytes();
    message[..8].copy_from_slice(&[0x09, 0, high, low, 0, 1, 0, 0]);
    let message = &message[..len];
    meter.case("call", count, || {
        let verdict = Caller::<ReadState>::receive(&mut client, &mut pending, black_box(message), &mut tx);
        assert!(verdict == Verdict::Answer);
        let state = Caller::<ReadState>::decode(&client, &pending, message);
        black_box(state.map_or(0, |state| state.images.iter().map(|image| image.slot + 1).sum()));
    });
}
