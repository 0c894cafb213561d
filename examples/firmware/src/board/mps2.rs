//! Arm MPS2+ with the Cortex-M3 image AN385: CMSDK UARTs, SysTick, and PSRAM as flash.

use core::cell::RefCell;
use core::ptr::{read_volatile, write_volatile};
use core::time::Duration;

use anysmp::mcuboot::slots::Region;
use anysmp::testing::RamNor;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{SCB, SYST};
use critical_section::{CriticalSection, Mutex};

use crate::clock;
use crate::uart::{BAUD, Hardware, Queues, Shared, Uart};

/// The name for the command `info`.
pub const NAME: &str = "mps2-an385";
pub const MACHINE: &str = "armv7-m";

/// The sizes in bytes of the queues of a UART: received bytes, and bytes to send.
pub const RX: usize = 1024;
pub const TX: usize = 512;
/// The number of requests in flight: one in the buffer of the framing, another in that of the UART.
pub const REQUESTS: u32 = 2;

/// The flash: writes of 4 bytes, erase pages of 4 KiB, and the rules of a real one. It outlives a
/// reset, and a power cut if QEMU keeps it in a file.
pub type Flash = RamNor<'static, 4, 4096>;
/// The slots.
pub const PRIMARY: Region = Region::new(0, SLOT_LEN);
pub const SECONDARY: Region = Region::new(SLOT_LEN, SLOT_LEN);
/// Two erase pages for settings.
pub const SETTINGS: Region = Region::new(2 * SLOT_LEN, 0x2000);
/// The checkpoints of uploads.
pub const CHECKPOINT: Region = Region::new(2 * SLOT_LEN + 0x2000, 0x1000);
/// In the PSRAM, or where MCUboot has its slots.
const FLASH: *mut u8 = if cfg!(feature = "mcuboot") { 0x2005_0000 } else { 0x2100_0000 } as *mut u8;
/// Bytes of the flash.
pub const FLASH_LEN: usize = 2 * SLOT_LEN as usize + 0x3000;
const SLOT_LEN: u32 = if cfg!(feature = "mcuboot") { 0x8_0000 } else { 0x4_0000 };

/// The core clock.
const HERTZ: u32 = 25_000_000;

/// The board's parts, as an image uses them.
pub struct Board {
    /// The port for SMP.
    pub uart0: Port,
    /// The port for another board, or a log.
    pub uart1: Port,
    /// The flash with slots and settings.
    pub flash: Flash,
}

/// One of the board's serial ports.
pub type Port = Uart<Cmsdk, RX, TX>;

impl Board {
    /// Sets up clock, ports and interrupts. Returns `None` after the first call.
    pub fn take() -> Option<Self> {
        Self::with_tick(clock::TICK)
    }

    /// Sets up the board with another tick, up to 100 ms.
    pub fn with_tick(tick: Duration) -> Option<Self> {
        let mut core = cortex_m::Peripherals::take()?;
        take_over(&mut core);
        core.SYST.set_clock_source(SystClkSource::Core);
        core.SYST.set_reload(HERTZ / 1_000_000 * clock::start(tick) - 1);
        core.SYST.clear_current();
        core.SYST.enable_counter();
        core.SYST.enable_interrupt();
        // SAFETY: the memory map reserves this RAM, and `Peripherals::take` succeeds once.
        let memory = unsafe { core::slice::from_raw_parts_mut(FLASH, FLASH_LEN) };
        Some(Self { uart0: Cmsdk(&UARTS[0]).start(), uart1: Cmsdk(&UARTS[1]).start(), flash: Flash::new(memory) })
    }
}

impl Board {
    /// Returns the port to another board (UART1) and the flash.
    pub fn peer(self) -> (Port, Flash) {
        (self.uart1, self.flash)
    }
}

fn get(address: usize) -> u32 {
    // SAFETY: only called with registers of the board.
    unsafe { read_volatile(address as *const u32) }
}

fn set(address: usize, value: u32) {
    // SAFETY: as above.
    unsafe { write_volatile(address as *mut u32, value) }
}

/// Cleans up after a boot loader: its vector table, its enabled interrupts, and the interrupt mask.
fn take_over(core: &mut cortex_m::Peripherals) {
    unsafe extern "C" {
        static __vector_table: [u32; 32];
    }
    core.SYST.disable_interrupt();
    cortex_m::peripheral::SCB::clear_pendst();
    // SAFETY: no interrupt of ours is enabled yet, the board has no more than 32, and the linker
    // puts our table there.
    unsafe {
        core.NVIC.icer[0].write(!0);
        core.NVIC.icpr[0].write(!0);
        core.SCB.vtor.write((&raw const __vector_table) as u32);
        cortex_m::register::basepri::write(0);
        cortex_m::interrupt::enable();
    }
}

/// A CMSDK APB UART.
#[derive(Clone, Copy)]
pub struct Cmsdk(&'static Parts);

struct Parts {
    base: usize,
    /// The number of its first interrupt (receive); transmit is the next one.
    interrupt: u32,
    shared: &'static Shared<RX, TX>,
}

/// Sends to UART2 and waits meanwhile: for a log that must not need interrupts. UART2 runs at its
/// highest speed, so that a record takes no longer than a byte on the UART that carries a protocol.
pub fn log(bytes: &[u8]) {
    const UART2: usize = 0x4000_6000;
    set(UART2 + DIVIDER, DIVIDER_MIN);
    set(UART2 + CTRL, TX_ENABLE);
    for byte in bytes {
        while get(UART2 + STATE) & TX_FULL != 0 {}
        set(UART2 + DATA, (*byte).into());
    }
}

/// Returns the contents of the flash.
pub fn contents(flash: &Flash) -> &[u8] {
    flash.memory()
}

// Separate, so that they are all zeros and take no room in the image.
static QUEUES: [Shared<RX, TX>; 2] = [const { Mutex::new(RefCell::new(Queues::new())) }; 2];
static UARTS: [Parts; 2] = [
    Parts { base: 0x4000_4000, interrupt: 0, shared: &QUEUES[0] },
    Parts { base: 0x4000_5000, interrupt: 2, shared: &QUEUES[1] },
];

// Registers, and their bits.
const DATA: usize = 0x00;
const STATE: usize = 0x04;
const CTRL: usize = 0x08;
const INTERRUPT: usize = 0x0C;
const DIVIDER: usize = 0x10;
const DIVIDER_MIN: u32 = 16;
const TX_FULL: u32 = 1;
const RX_FULL: u32 = 2;
const TX_ENABLE: u32 = 1;
const RX_ENABLE: u32 = 2;
const TX_INTERRUPT: u32 = 4;
const RX_INTERRUPT: u32 = 8;
/// Bits of `INTERRUPT`: the pending one when read, acknowledged when written.
const SENT: u32 = 1;
const RECEIVED: u32 = 2;

/// Interrupts: set enable, set pending.
const NVIC_ISER: *mut u32 = 0xE000_E100 as *mut u32;
const NVIC_ISPR: *mut u32 = 0xE000_E200 as *mut u32;

impl Cmsdk {
    fn start(self) -> Port {
        self.set(DIVIDER, HERTZ / BAUD);
        self.set(INTERRUPT, 0xF);
        self.set(CTRL, TX_ENABLE | RX_ENABLE | RX_INTERRUPT);
        // SAFETY: enables two interrupts whose handlers are below, and pends one: a byte that came
        // before raises no edge.
        unsafe {
            write_volatile(NVIC_ISER, 0b11 << self.0.interrupt);
            write_volatile(NVIC_ISPR, 1 << self.0.interrupt);
        }
        Uart::new(self)
    }

    fn get(self, register: usize) -> u32 {
        get(self.0.base + register)
    }

    fn set(self, register: usize, value: u32) {
        set(self.0.base + register, value);
    }

    fn on_receive(self) {
        critical_section::with(|cs| {
            let mut queues = self.0.shared.borrow_ref_mut(cs);
            self.set(INTERRUPT, RECEIVED);
            while self.get(STATE) & RX_FULL != 0 {
                if queues.rx.is_full() {
                    // The sender has to wait, as with RTS.
                    self.set(CTRL, self.get(CTRL) & !RX_INTERRUPT);
                    break;
                }
                // The lowest byte is the data.
                let [byte, ..] = self.get(DATA).to_le_bytes();
                queues.receive(byte);
            }
        });
    }

    fn on_sent(self) {
        self.set(INTERRUPT, SENT);
        critical_section::with(|cs| self.send(cs));
    }
}

impl Hardware<RX, TX> for Cmsdk {
    fn shared(&self) -> &'static Shared<RX, TX> {
        self.0.shared
    }

    fn send(&self, cs: CriticalSection<'_>) {
        let mut queues = self.0.shared.borrow_ref_mut(cs);
        let control = self.get(CTRL);
        // First the interrupt, then the byte: a byte that is sent before its interrupt is enabled
        // raises none.
        self.set(CTRL, control | TX_INTERRUPT);
        while self.get(STATE) & TX_FULL == 0 {
            let Some(byte) = queues.next() else { break };
            self.set(DATA, byte.into());
        }
        if queues.tx.is_empty() {
            self.set(CTRL, control & !TX_INTERRUPT);
        }
    }

    fn receive(&self, _: CriticalSection<'_>) {
        let control = self.get(CTRL);
        if control & RX_INTERRUPT == 0 {
            self.set(CTRL, control | RX_INTERRUPT);
            // A byte that is already waiting raises no edge. SAFETY: pends an interrupt whose
            // handler is below.
            unsafe { write_volatile(NVIC_ISPR, 1 << self.0.interrupt) };
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn UART0_RX() {
    Cmsdk(&UARTS[0]).on_receive();
}

#[unsafe(no_mangle)]
extern "C" fn UART0_TX() {
    Cmsdk(&UARTS[0]).on_sent();
}

#[unsafe(no_mangle)]
extern "C" fn UART1_RX() {
    Cmsdk(&UARTS[1]).on_receive();
}

#[unsafe(no_mangle)]
extern "C" fn UART1_TX() {
    Cmsdk(&UARTS[1]).on_sent();
}

/// Returns the ticks that have ended while interrupts are masked, and the microseconds since then.
/// Call it with interrupts masked.
pub(crate) fn since_tick() -> (u32, u32) {
    const MICRO: u32 = HERTZ / 1_000_000;
    let passed = || (SYST::get_reload() - SYST::get_current()) / MICRO;
    let before = passed();
    // The timer may have restarted just after the read.
    if SCB::is_pendst_pending() { (1, passed()) } else { (0, before) }
}

#[cortex_m_rt::exception]
fn SysTick() {
    clock::advance();
}

unsafe extern "C" {
    fn UART2_RX();
    fn UART2_TX();
}

/// The board's part of the vector table.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
pub static __INTERRUPTS: [unsafe extern "C" fn(); 6] = [UART0_RX, UART0_TX, UART1_RX, UART1_TX, UART2_RX, UART2_TX];
