//! The base of every image. The data of an image are in static memory, so that `measure.py` can
//! distinguish RAM from stack: the part that belongs to the crate in a [`Place`], the part that the
//! caller supplies in `BUFFERS` and `DEVICE`. Each image runs a `main_loop`, whose worst-case stack
//! is the figure; functions of [`device`] and [`bsmp_device`] are the user's. With the feature
//! `board` the SMP images and those of the framings run in QEMU, where `painted.py` and `steps.py`
//! talk to them.
#![no_std]

pub mod bsmp_device;
pub mod device;
pub mod groups;

use anysmp::framing::{Encoder, Framing, Progress};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use device::{Uart, put};
use embedded_io::{Read, Write};

pub use device::baseline;

/// Static memory for one value.
pub struct Place<T>(UnsafeCell<MaybeUninit<T>>);

// SAFETY: the images have one thread and no interrupts.
unsafe impl<T> Sync for Place<T> {}

impl<T> Place<T> {
    #[expect(clippy::new_without_default, reason = "has to be const")]
    pub const fn new() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// Puts the value there and returns it. Nobody can see what it is, so that none of it is
    /// optimised away.
    ///
    /// # Safety
    ///
    /// No other reference to the place is used while this one is.
    #[expect(clippy::mut_from_ref, reason = "said above")]
    pub unsafe fn put(&'static self, value: T) -> &'static mut T {
        // SAFETY: as promised.
        core::hint::black_box(unsafe { (*self.0.get()).write(value) })
    }

    /// Lends the value again.
    ///
    /// # Safety
    ///
    /// It was put there, and no other reference to it is used while this one is.
    #[expect(clippy::mut_from_ref, reason = "said above")]
    pub unsafe fn lend(&'static self) -> &'static mut T {
        // SAFETY: as promised.
        unsafe { (*self.0.get()).assume_init_mut() }
    }
}

/// The caller's buffers.
pub struct Buffers {
    pub message: [u8; 512],
    pub chunk: [u8; 64],
    pub out: [u8; 128],
    /// A message to send, one write and one read of a link.
    pub line: [u8; 256 + 128 + 64],
    /// The answer memory of a server.
    pub memory: [u8; 96],
}

static mut BUFFERS: Buffers =
    Buffers { message: [0; 512], chunk: [0; 64], out: [0; 128], line: [0; 256 + 128 + 64], memory: [0; 96] };

/// Lends the buffers.
///
/// # Safety
///
/// Called once.
pub unsafe fn buffers() -> &'static mut Buffers {
    // SAFETY: as promised, this is the only reference.
    unsafe { &mut *core::hint::black_box(&raw mut BUFFERS) }
}

/// Receives what there is, and sends each message back.
pub fn turn<F: Framing>(framing: &mut F, chunk: &mut [u8], out: &mut [u8]) {
    let Ok(len) = Uart.read(chunk) else {
        put(framing.idle(device::silence()).is_err().into());
        return;
    };
    let mut input = chunk.get(..len).unwrap_or_default();
    loop {
        match framing.push(&mut input) {
            Ok(Progress::More) => return,
            Ok(Progress::Text(text)) => put(text.len() as u32),
            Ok(Progress::Message) => {
                let message = framing.message();
                let Ok(mut encoder) = framing.encode(message) else { continue };
                loop {
                    let len = encoder.next(message, out);
                    if len == 0 {
                        break;
                    }
                    let _ = Uart.write(out.get(..len).unwrap_or_default());
                }
            }
            Err(_) => put(2),
        }
    }
}

/// The image of one framing alone, both ways, between a port and a loop.
#[macro_export]
macro_rules! framing {
    ($framing:ty, $new:expr) => {
        static STATE: $crate::Place<$framing> = $crate::Place::new();

        #[unsafe(no_mangle)]
        extern "C" fn _start() -> ! {
            $crate::baseline();
            // SAFETY: the images start once.
            let $crate::Buffers { message, chunk, out, .. } = unsafe { $crate::buffers() };
            // SAFETY: as above.
            let framing = unsafe { STATE.put($new(message)) };
            $crate::device::begin();
            main_loop(framing, chunk, out)
        }

        #[inline(never)]
        fn main_loop(framing: &mut $framing, chunk: &mut [u8], out: &mut [u8]) -> ! {
            loop {
                $crate::turn(framing, chunk, out);
            }
        }
    };
}
