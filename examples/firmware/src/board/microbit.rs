//! BBC micro:bit: nRF51822 with a Cortex-M0, 16 KiB of RAM, slots in its own flash.

use core::cell::RefCell;
use core::ptr::{read_volatile, write_volatile};
use core::time::Duration;

use anysmp::mcuboot::slots::Region;
use critical_section::{CriticalSection, Mutex};
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};

use crate::clock;
use crate::uart::{BAUD, Hardware, Queues, Shared, Uart};

/// The name for the command `info`.
pub const NAME: &str = "microbit";
pub const MACHINE: &str = "armv6-m";

/// The sizes in bytes of the queues of the UART: received bytes, and bytes to send.
pub const RX: usize = 256;
pub const TX: usize = 128;
/// The number of requests in flight: the queue of the UART has no room for a second one. Nor may a
/// byte arrive while the flash is erased or written, because the core stops then: for up to 22 ms
/// per page on a real chip.
pub const REQUESTS: u32 = 1;

/// The slots, by offset into the upper part of the flash.
pub const PRIMARY: Region = Region::new(0, 0xF000);
pub const SECONDARY: Region = Region::new(0xF000, 0xF000);
/// Two erase pages for settings.
pub const SETTINGS: Region = Region::new(0x1_E000, 0x800);
/// The checkpoints of uploads.
pub const CHECKPOINT: Region = Region::new(0x1_E800, 0x800);

/// The board's parts, as an image uses them.
pub struct Board {
    /// The port for SMP.
    pub uart0: Port,
    /// The flash with slots and settings.
    pub flash: Flash,
}

/// The board's serial port.
pub type Port = Uart<Nrf51, RX, TX>;

impl Board {
    /// Sets up clock, port and interrupts. Returns `None` after the first call.
    pub fn take() -> Option<Self> {
        Self::with_tick(clock::TICK)
    }

    /// Sets up the board with another tick, up to 100 ms.
    pub fn with_tick(tick: Duration) -> Option<Self> {
        cortex_m::Peripherals::take()?;
        // TIMER0 at 1 MHz, restarted at every tick: the core of this chip has no SysTick.
        for (register, value) in [
            (0x508, 3),                  // BITMODE: 32 bits
            (0x510, 4),                  // PRESCALER: 16 MHz / 2^4
            (0x540, clock::start(tick)), // CC[0]
            (0x200, 1),                  // SHORTS: COMPARE[0] clears
            (0x304, 1 << 16),            // INTENSET: COMPARE[0]
            (0x00C, 1),                  // CLEAR
            (0x000, 1),                  // START
        ] {
            set(TIMER + register, value);
        }
        // The pins must be set up too: an output that idles high, and a connected input.
        set(GPIO + OUTSET, 1 << TXD_PIN);
        set(GPIO + PIN_CNF + 4 * TXD_PIN as usize, 0b01);
        set(GPIO + PIN_CNF + 4 * RXD_PIN as usize, 0b00);
        set(UART + PSEL_TXD, TXD_PIN);
        set(UART + PSEL_RXD, RXD_PIN);
        const { assert!(BAUD == 115_200) };
        set(UART + BAUDRATE, 0x01D7_E000);
        set(UART + ENABLE, 4);
        set(UART + INTENSET, RXDRDY_BIT | TXDRDY_BIT);
        set(UART + START_TX, 1);
        set(UART + START_RX, 1);
        // SAFETY: enables the two interrupts whose handlers are below.
        unsafe { write_volatile(0xE000_E100 as *mut u32, 1 << 2 | 1 << 8) };
        Some(Self { uart0: Uart::new(Nrf51), flash: Flash(()) })
    }
}

impl Board {
    /// Returns the port to another board (the only port) and the flash.
    pub fn peer(self) -> (Port, Flash) {
        (self.uart0, self.flash)
    }
}

const UART: usize = 0x4000_2000;
const TIMER: usize = 0x4000_8000;
const NVMC: usize = 0x4001_E000;
const GPIO: usize = 0x5000_0000;

// Registers of the pins, and the pins that are wired to the USB bridge of the board.
const OUTSET: usize = 0x508;
const PIN_CNF: usize = 0x700;
const TXD_PIN: u32 = 24;
const RXD_PIN: u32 = 25;

// Registers of the UART, and their bits.
const START_RX: usize = 0x000;
const START_TX: usize = 0x008;
const RXDRDY: usize = 0x108;
const TXDRDY: usize = 0x11C;
const INTENSET: usize = 0x304;
const ENABLE: usize = 0x500;
const PSEL_TXD: usize = 0x50C;
const PSEL_RXD: usize = 0x514;
const RXD: usize = 0x518;
const TXD: usize = 0x51C;
const BAUDRATE: usize = 0x524;
const RXDRDY_BIT: u32 = 1 << 2;
const TXDRDY_BIT: u32 = 1 << 7;
const INTENCLR: usize = 0x308;

fn get(address: usize) -> u32 {
    // SAFETY: only called with registers of the chip.
    unsafe { read_volatile(address as *const u32) }
}

fn set(address: usize, value: u32) {
    // SAFETY: as above.
    unsafe { write_volatile(address as *mut u32, value) }
}

/// The chip's UART.
#[derive(Clone, Copy)]
pub struct Nrf51;

/// The queues, and the state of the transmitter.
static QUEUES: Shared<RX, TX> = Mutex::new(RefCell::new(Queues::new()));
static SENDING: Mutex<core::cell::Cell<bool>> = Mutex::new(core::cell::Cell::new(false));

impl Nrf51 {
    /// Sends the next byte, if none is being sent.
    fn next(self, cs: CriticalSection<'_>) {
        let byte = QUEUES.borrow_ref_mut(cs).next();
        SENDING.borrow(cs).set(byte.is_some());
        if let Some(byte) = byte {
            set(UART + TXD, byte.into());
        }
    }
}

impl Hardware<RX, TX> for Nrf51 {
    fn shared(&self) -> &'static Shared<RX, TX> {
        &QUEUES
    }

    fn send(&self, cs: CriticalSection<'_>) {
        if !SENDING.borrow(cs).get() {
            self.next(cs);
        }
    }

    fn receive(&self, _: CriticalSection<'_>) {
        // Setting a bit that is set changes nothing; a pending event raises the interrupt
        // immediately.
        set(UART + INTENSET, RXDRDY_BIT);
    }
}

#[unsafe(no_mangle)]
extern "C" fn UART0() {
    critical_section::with(|cs| {
        // One byte for each event, as in the reference manual: a read of RXD advances the queue of
        // the chip.
        while get(UART + RXDRDY) != 0 {
            let mut queues = QUEUES.borrow_ref_mut(cs);
            if queues.rx.is_full() {
                // The sender has to wait, as with RTS.
                set(UART + INTENCLR, RXDRDY_BIT);
                break;
            }
            set(UART + RXDRDY, 0);
            // The lowest byte is the data.
            let [byte, ..] = get(UART + RXD).to_le_bytes();
            queues.receive(byte);
        }
        if get(UART + TXDRDY) != 0 {
            set(UART + TXDRDY, 0);
            Nrf51.next(cs);
        }
    });
}

const COMPARED: usize = 0x140; // EVENTS_COMPARE[0]

/// Returns the ticks that have ended while interrupts are masked, and the microseconds since then.
/// Call it with interrupts masked.
pub(crate) fn since_tick() -> (u32, u32) {
    let passed = || {
        set(TIMER + 0x044, 1); // CAPTURE[1]
        get(TIMER + 0x544) // CC[1]
    };
    let before = passed();
    // The timer may have restarted just after the read.
    if get(TIMER + COMPARED) != 0 { (1, passed()) } else { (0, before) }
}

#[unsafe(no_mangle)]
extern "C" fn TIMER0() {
    set(TIMER + COMPARED, 0);
    clock::advance();
}

/// The flash of the chip from 120 KiB on, after the program. Writes of 4 bytes, erase pages of 1
/// KiB.
pub struct Flash(());

/// The start of the flash for data.
const FLASH: usize = 0x1_E000;
/// Bytes of the flash.
pub const FLASH_LEN: usize = 0x2_0000;
// Registers of the flash controller, and its modes.
const READY: usize = NVMC + 0x400;
const CONFIG: usize = NVMC + 0x504;
const ERASE_PAGE: usize = NVMC + 0x508;
const READ_ONLY: u32 = 0;
const WRITE: u32 = 1;
const ERASE: u32 = 2;

/// Returns the contents of the flash.
pub fn contents(_: &Flash) -> &[u8] {
    // SAFETY: the flash is mapped there, and only `&mut Flash` can change it.
    unsafe { core::slice::from_raw_parts(FLASH as *const u8, FLASH_LEN) }
}

impl Flash {
    fn mode(&self, mode: u32) {
        set(CONFIG, mode);
        self.wait();
    }

    fn wait(&self) {
        while get(READY) == 0 {}
    }
}

impl ErrorType for Flash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        for (byte, address) in bytes.iter_mut().zip(FLASH + offset as usize..) {
            // SAFETY: within the flash, which was checked.
            *byte = unsafe { read_volatile(address as *const u8) };
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        FLASH_LEN
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 1024;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to)?;
        self.mode(ERASE);
        for page in (from..to).step_by(Self::ERASE_SIZE) {
            set(ERASE_PAGE, FLASH as u32 + page);
            self.wait();
        }
        self.mode(READ_ONLY);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, offset, bytes.len())?;
        self.mode(WRITE);
        let (words, _) = bytes.as_chunks::<4>();
        for (word, address) in words.iter().zip((FLASH + offset as usize..).step_by(4)) {
            set(address, u32::from_le_bytes(*word));
            self.wait();
        }
        self.mode(READ_ONLY);
        Ok(())
    }
}

unsafe extern "C" {
    fn DefaultHandler();
}

/// The board's part of the vector table.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
pub static __INTERRUPTS: [unsafe extern "C" fn(); 9] = [
    DefaultHandler, // POWER_CLOCK
    DefaultHandler, // RADIO
    UART0,
    DefaultHandler, // SPI0_TWI0
    DefaultHandler, // SPI1_TWI1
    DefaultHandler, // reserved
    DefaultHandler, // GPIOTE
    DefaultHandler, // ADC
    TIMER0,
];
