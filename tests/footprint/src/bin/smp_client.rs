//! An SMP client over a console that uploads an image: framing, driver and routine included.
#![no_std]
#![no_main]

use anysmp::blocking::Link;
use anysmp::framing::console::Console;
use anysmp::routine::Ended;
use anysmp::smp::client::Client;
use anysmp::smp::routine::Upload;
use core::ops::ControlFlow;
use footprint::device::{File, Uart, get, put};
use footprint::{Buffers, Place};

type Line = Link<'static, Uart, Console<'static>>;

static LINK: Place<Line> = Place::new();
static CLIENT: Place<Client> = Place::new();
static UPLOAD: Place<Upload<File>> = Place::new();

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    footprint::baseline();
    // SAFETY: the images start once.
    let Buffers { message, line, .. } = unsafe { footprint::buffers() };
    let parts = anysmp::line::Buffers::split(line).with_tx(256).with_out(128);
    let Ok(link) = Link::new(Uart, Console::new(message), parts) else { loop {} };
    let upload = Upload::new(File).with_limits(link.limits()).with_window(3);
    // SAFETY: as above.
    let (link, client, upload) = unsafe { (LINK.put(link), CLIENT.put(Client::new(get() as u8)), UPLOAD.put(upload)) };
    footprint::device::begin();
    main_loop(link, client, upload)
}

#[inline(never)]
fn main_loop(link: &mut Line, client: &mut Client, upload: &mut Upload<File>) -> ! {
    loop {
        let event = |event: <Upload<File> as anysmp::routine::Routine>::Event<'_>| {
            let _ = event;
            if get() == 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        match link.run(client, upload, event) {
            Ok(Ended::Done(report)) => put(report.off as u32),
            Ok(_) => put(1),
            Err(_) => put(2),
        }
    }
}
