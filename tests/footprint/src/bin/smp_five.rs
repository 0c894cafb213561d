//! Echo, parameters, reset, list and upload, each decoded and answered by the device's own `match`: what `boot_serial` has, and
//! no command more.
#![no_std]
#![no_main]

use anysmp::smp::image::Commands as _;
use anysmp::smp::server::{After, Answer, Handler, Incoming, Reply};
use anysmp::smp::{Empty, Error, Group, Op, os};
use footprint::groups::Images;

struct Device {
    images: Images,
}

impl Handler for Device {
    fn handle(&mut self, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
        match (incoming.group(), incoming.op(), incoming.command()) {
            (Group::OS, _, 0) => {
                incoming.answer(reply, |os::Echo { text }| Ok(os::EchoResponse { text: text.unwrap_or("".into()) }))
            }
            (Group::OS, Op::Write, 5) => match incoming.decode() {
                Ok(Empty {}) => reply.ok(&Empty {}).then(After::Reset { force: false, mode: 0 }),
                Err(error) => reply.error(error),
            },
            (Group::OS, Op::Read, 6) => reply.ok(&os::ParametersResponse { buf_size: 512, buf_count: 1 }),
            (Group::IMAGE, Op::Read, 0) => reply.result(self.images.read_state()),
            (Group::IMAGE, Op::Write, 1) => incoming.answer(reply, |request| self.images.upload(request)),
            _ => reply.error(Error::NOT_SUPPORTED),
        }
    }
}

footprint::server!(Device, || Device { images: Images::new() });
