//! A board whose functions never wait, and two fake boards that are joined by a wire of 115,200
//! baud.
//!
//! Include this file with `#[path = "common/uart.rs"] mod uart;`.

#![allow(dead_code, unreachable_pub, reason = "shared by several programs, each of which uses a part")]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// A UART, and a counter of milliseconds. On a microcontroller these are a handful of registers.
pub trait Uart {
    /// The byte that has come, if one has.
    fn get(&mut self) -> Option<u8>;

    /// Sends a byte, if the transmitter is free.
    fn put(&mut self, byte: u8) -> bool;

    /// The whole milliseconds since the last time that this returned any; `None` until one has
    /// passed.
    fn passed(&mut self) -> Option<Duration>;
}

/// The duties of a server's loop in addition to its line.
pub trait Board: Uart {
    /// Resets the board, unless it is called every few milliseconds.
    fn feed_watchdog(&mut self);

    /// Erases one page of the flash, which takes some milliseconds.
    fn erase(&mut self, page: u32);
}

/// The time of a byte on the wire, in microseconds.
const BYTE: u32 = 87;
/// The time within which the watchdog has to be fed, in microseconds.
const WATCHDOG: u32 = 20_000;
/// The time to erase a page, in microseconds. Meanwhile bytes come in; this UART keeps them.
const ERASE: u32 = 2_000;

/// Bytes on the wire, each with the time of its arrival.
type Wire = Rc<RefCell<VecDeque<(u32, u8)>>>;

/// One end of the wire. Each access to it takes 10 microseconds.
pub struct Fake {
    now: Rc<Cell<u32>>,
    rx: Wire,
    tx: Wire,
    told: u32,
    fed: u32,
    /// The number of times that the watchdog was fed too late.
    pub resets: u32,
    /// The number of pages erased.
    pub erased: u32,
}

impl Fake {
    /// Makes both ends of a wire.
    pub fn pair() -> (Self, Self) {
        let (now, a, b) = (Rc::new(Cell::new(0)), Wire::default(), Wire::default());
        let end = |rx: &Wire, tx: &Wire| Self {
            now: now.clone(),
            rx: rx.clone(),
            tx: tx.clone(),
            told: 0,
            fed: 0,
            resets: 0,
            erased: 0,
        };
        (end(&a, &b), end(&b, &a))
    }

    /// Returns the milliseconds since the start.
    pub fn ms(&self) -> u32 {
        self.now.get() / 1_000
    }

    fn pass(&self, micros: u32) {
        self.now.set(self.now.get() + micros);
    }
}

impl Uart for Fake {
    fn get(&mut self) -> Option<u8> {
        self.pass(10);
        let mut rx = self.rx.borrow_mut();
        let is_there = rx.front().is_some_and(|(at, _)| *at <= self.now.get());
        if is_there { rx.pop_front().map(|(_, byte)| byte) } else { None }
    }

    fn put(&mut self, byte: u8) -> bool {
        self.pass(10);
        let mut tx = self.tx.borrow_mut();
        let is_free = tx.back().is_none_or(|(at, _)| *at <= self.now.get());
        if is_free {
            tx.push_back((self.now.get() + BYTE, byte));
        }
        is_free
    }

    fn passed(&mut self) -> Option<Duration> {
        let passed = self.ms() - self.told;
        self.told += passed;
        (passed > 0).then(|| Duration::from_millis(passed.into()))
    }
}

impl Board for Fake {
    fn feed_watchdog(&mut self) {
        let now = self.now.get();
        if now - std::mem::replace(&mut self.fed, now) > WATCHDOG {
            self.resets += 1;
        }
    }

    fn erase(&mut self, _: u32) {
        self.pass(ERASE);
        self.erased += 1;
    }
}
