//! Nothing: the base from which the other images are counted.
#![no_std]
#![no_main]

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    footprint::baseline();
    // SAFETY: the images start once.
    let buffers = unsafe { footprint::buffers() };
    main_loop(&mut buffers.message)
}

#[inline(never)]
fn main_loop(message: &mut [u8]) -> ! {
    loop {
        footprint::device::put(message.iter().map(|byte| u32::from(*byte)).sum());
    }
}
