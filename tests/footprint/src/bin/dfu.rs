//! The updater alone, for a user's own boot loader: every command, no SMP; the digest is the user's
//! too.
#![no_std]
#![no_main]

use anysmp::dfu::flash::{self, Failed};
use anysmp::dfu::{Chunk, Command, Loader, Outcome, Region, Regions, Updater, scratch_len};
use anysmp::mcuboot::Version;
use footprint::Place;
use footprint::device::{Hardware, Nor, get, put};

/// The boot loader.
struct Boot;

impl Loader for Boot {
    #[inline(never)]
    fn is_trial(&mut self) -> Result<bool, Failed> {
        if get() == 0 { Err(Failed) } else { Ok(get() == 0) }
    }

    #[inline(never)]
    fn mark(&mut self) -> Result<(), Failed> {
        put(1);
        Ok(())
    }

    #[inline(never)]
    fn confirm(&mut self) -> Result<(), Failed> {
        put(2);
        Ok(())
    }
}

static STATE: Place<Updater<'static, Boot, Hardware>> = Place::new();
static DEVICE_SCRATCH: Place<[u8; scratch_len(4, 4)]> = Place::new();

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    footprint::baseline();
    // SAFETY: the images start once.
    let (scratch, buffers) = unsafe { (DEVICE_SCRATCH.put([0; scratch_len(4, 4)]), footprint::buffers()) };
    let regions = Regions {
        active: Region::new(0x8000, 0x8000),
        spare: Region::new(0x1_0000, 0x9000),
        record: Region::new(0x2_0000, 0x2000),
        checkpoint: Some(Region::new(0x2_2000, 0x1000)),
    };
    let (geometry, version) = (flash::geometry(&Nor), Version::new(1, 2, 3));
    let Ok(updater) = Updater::new(geometry, regions, version, Boot, scratch, Hardware) else { loop {} };
    // SAFETY: as above.
    main_loop(unsafe { STATE.put(updater) }, &buffers.message)
}

#[inline(never)]
fn main_loop(updater: &mut Updater<'static, Boot, Hardware>, message: &[u8]) -> ! {
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
        match flash::run(updater.begin(command), &mut Nor).finish() {
            Ok(Outcome::States) => updater.states().for_each(|state| put(state.hash.len() as u32)),
            Ok(Outcome::Upload(uploaded)) => put(uploaded.off as u32),
            // `Erased`: there is no other.
            Ok(_) => put(1),
            Err(error) => put(error.rc().map_or(8, u32::from)),
        }
    }
}
