//! The slots alone: every command, no SMP; the digest is the user's.
#![no_std]
#![no_main]

use anysmp::mcuboot::flash;
use anysmp::mcuboot::slots::{Chunk, Command, Outcome, Slots};
use footprint::Place;
use footprint::device::{Hardware, Nor, get, put};
use footprint::groups::Board;

static STATE: Place<Slots<'static, Hardware, (), Board>> = Place::new();

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    footprint::baseline();
    // SAFETY: the images start once.
    let (slots, buffers) = unsafe { (STATE.put(footprint::groups::slots(Hardware)), footprint::buffers()) };
    main_loop(slots, &buffers.message)
}

#[inline(never)]
fn main_loop(slots: &mut Slots<'static, Hardware, (), Board>, message: &[u8]) -> ! {
    loop {
        let bytes = message.get(..get() as usize);
        let command = match get() {
            0 => Command::List,
            1 => Command::SetState { hash: bytes, confirm: get() == 0 },
            2 => Command::Erase { slot: (get() == 0).then(|| get().into()) },
            _ => Command::Upload(Chunk {
                image: get().into(),
                len: (get() == 0).then(|| get().into()),
                off: get().into(),
                data: message,
                sha: bytes,
                upgrade: get() == 0,
            }),
        };
        match flash::run(slots.begin(command), &mut Nor).finish() {
            Ok(Outcome::States) => slots.states().for_each(|state| put(state.hash.len() as u32)),
            Ok(Outcome::Upload(uploaded)) => put(uploaded.off as u32),
            // `Erased`: there is no other.
            Ok(_) => put(1),
            Err(error) => put(error.rc().map_or(8, u32::from)),
        }
        slots.info().for_each(|info| put(info.size));
    }
}
