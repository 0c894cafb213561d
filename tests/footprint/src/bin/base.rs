//! Nothing: what the other images are counted from.
#![no_std]
#![no_main]

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    let mut buffer = [0; 64];
    loop {
        footprint::baseline(&mut buffer);
    }
}
