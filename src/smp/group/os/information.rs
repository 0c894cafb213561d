//! Commands 7 and 8: descriptions of the firmware and the boot loader.

use crate::cbor::Text;
use crate::smp::{Group, Op, Request, payload};

/// Asks for information on the firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Info<'b> {
    /// Any of `s` kernel name, `n` node name, `r` kernel release, `v` kernel version, `b` build
    /// time, `m` machine, `p` processor, `i` hardware platform, `o` operating system, `a` all of
    /// them. Default `s`.
    pub format: Option<Text<'b>>,
}

payload!(request Info<'b> { format: "format" });

/// The information that was asked for, in the order `snrvbmpio`, one space between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct InfoResponse<'b> {
    /// The parts, in one line of text.
    pub output: Text<'b>,
}

payload!(response InfoResponse<'b> { output: Text<'b> = "output" });

impl Request for Info<'_> {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::OS;
    const COMMAND: u8 = 7;
    type Kind = Info<'static>;
    type Response<'m> = InfoResponse<'m>;
}

/// Asks for information on the boot loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BootLoader<'b> {
    /// `None` for the name, `mode` for MCUboot's boot mode, `active_b0_slot` for the active slot of
    /// Nordic's first stage.
    pub query: Option<Text<'b>>,
}

payload!(request BootLoader<'b> { query: "query" });

/// Information on the boot loader; the query decides which keys are present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct BootLoaderResponse<'b> {
    /// The name of the boot loader, `MCUboot`.
    pub bootloader: Option<Text<'b>>,
    /// The boot mode: see [`mode_name`].
    pub mode: Option<i32>,
    /// True if the boot loader refuses older images.
    pub no_downgrade: Option<bool>,
    /// The active slot of Nordic's first stage.
    pub active: Option<u32>,
}

payload!(response BootLoaderResponse<'b> {
    bootloader: "bootloader",
    mode: "mode",
    no_downgrade: "no-downgrade",
    active: "active",
});

impl<'b> BootLoaderResponse<'b> {
    /// The response to a request without a query: the boot loader's name.
    #[must_use]
    pub const fn of_name(name: &'b str) -> Self {
        Self { bootloader: Some(Text::from_bytes(name.as_bytes())), mode: None, no_downgrade: None, active: None }
    }

    /// The response to the query `mode`.
    #[must_use]
    pub const fn of_mode(mode: i32) -> Self {
        Self { bootloader: None, mode: Some(mode), no_downgrade: None, active: None }
    }
}

/// The name of the `mode` of a [`BootLoaderResponse`]; `None` if it is unknown.
#[must_use]
pub const fn mode_name(mode: i32) -> Option<&'static str> {
    Some(match mode {
        -1 => "unknown",
        0 => "single application slot",
        1 => "swap using scratch",
        2 => "overwrite only",
        3 => "swap without scratch",
        4 => "direct XIP without revert",
        5 => "direct XIP with revert",
        6 => "RAM load",
        7 => "firmware loader",
        8 => "single slot RAM load",
        9 => "swap using offset",
        _ => return None,
    })
}

impl Request for BootLoader<'_> {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::OS;
    const COMMAND: u8 = 8;
    type Kind = BootLoader<'static>;
    type Response<'m> = BootLoaderResponse<'m>;
}
