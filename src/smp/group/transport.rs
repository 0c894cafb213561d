//! Group 11, transport: reach one device through another. Experimental in Zephyr.
//!
//! Client side only; a server answers this group with "not supported".
//!
//! | command | op | request | response |
//! |---|---|---|---|
//! | 0 | write | [`Connect`] | [`Empty`] |
//! | 1 | write | [`Disconnect`] | [`Empty`] |
//! | 2 | read | [`Status`] | [`StatusResponse`] |
//! | 6 | read | [`List`] | [`ListResponse`] |
//! | 7 | read | [`Modes`] | [`ModesResponse`] |
//! | 8 | read | [`Configuration`] | [`ConfigurationResponse`] |
//!
//! Transports: 0 console, 1 raw serial, 2 Bluetooth, 3 shell, 4 UDP over IPv4, 5 UDP over IPv6, 6
//! LoRaWAN, 7 SPI, from 64 on the application's own.

use crate::cbor::{self, Text};
use crate::smp::{Empty, Group, Op, Request, payload};

/// Connects to a device that is reached through this one. All messages after that are forwarded to
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Connect<'b> {
    /// The number of the transport.
    pub transport: u32,
    /// The number of its mode; by default 0.
    pub mode: Option<u32>,
    /// Bluetooth: the address.
    pub address: Option<Text<'b>>,
    /// Bluetooth: 0 public, 1 random.
    pub address_type: Option<u32>,
    /// Bluetooth: use the coded PHY.
    pub le_coded: Option<bool>,
}

payload!(request Connect<'b> {
    transport: "transport",
    mode: "mode",
    address: "address",
    address_type: "address_type",
    le_coded: "le_coded",
});

impl Request for Connect<'_> {
    const OP: Op = Op::Write;
    const GROUP: Group = Group::TRANSPORT;
    const COMMAND: u8 = 0;
    type Kind = Connect<'static>;
    type Response<'m> = Empty;
}

/// Ends one or all bridges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Disconnect {
    /// The bridge over this transport.
    pub transport: Option<u32>,
    /// All bridges; not together with a transport.
    pub all: Option<bool>,
}

payload!(request Disconnect { transport: "transport", all: "all" });

impl Request for Disconnect {
    const OP: Op = Op::Write;
    const GROUP: Group = Group::TRANSPORT;
    const COMMAND: u8 = 1;
    type Kind = Self;
    type Response<'m> = Empty;
}

/// Asks for the number of bridges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Status {}

payload!(request Status {});

/// The number of bridges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct StatusResponse {
    /// The maximum number of bridges.
    pub supported: u32,
    /// The number of bridges that are connected.
    pub active: u32,
    /// True if this connection is bridged.
    pub bridged: Option<bool>,
    /// The transport of that bridge.
    pub transport: Option<u32>,
}

payload!(response StatusResponse {
    supported: u32 = "supported",
    active: u32 = "active",
    bridged: "bridged",
    transport: "transport",
});

impl Request for Status {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::TRANSPORT;
    const COMMAND: u8 = 2;
    type Kind = Self;
    type Response<'m> = StatusResponse;
}

/// Asks for the transports that can be bridged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct List {}

payload!(request List {});

/// The transports that can be bridged.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ListResponse<'b> {
    /// One entry per transport that can be bridged.
    pub transports: cbor::List<'b, Transport<'b>>,
}

payload!(response ListResponse<'b> { transports: cbor::List<'b, Transport<'b>> = "transports" });

/// One transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Transport<'b> {
    /// Its number, for a [`Connect`].
    pub id: u32,
    /// The name of the transport, for people.
    pub name: Option<Text<'b>>,
}

payload!(response Transport<'b> { id: u32 = "id", name: "name" });

impl Request for List {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::TRANSPORT;
    const COMMAND: u8 = 6;
    type Kind = Self;
    type Response<'m> = ListResponse<'m>;
}

/// Asks for the modes of a transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Modes {
    /// The number of the transport.
    pub transport: u32,
}

payload!(request Modes { transport: "transport" });

/// The modes of a transport.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ModesResponse<'b> {
    /// One entry per mode.
    pub modes: cbor::List<'b, Mode<'b>>,
}

payload!(response ModesResponse<'b> { modes: cbor::List<'b, Mode<'b>> = "modes" });

/// One mode of a transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Mode<'b> {
    /// Its number, for a [`Connect`].
    pub id: u32,
    /// A description for people.
    pub description: Option<Text<'b>>,
    /// True if the mode can be the near end of a bridge.
    pub incoming: bool,
    /// True if the mode can be the far end of a bridge.
    pub outgoing: bool,
}

payload!(response Mode<'b> {
    id: u32 = "id",
    description: "description",
    incoming: "incoming",
    outgoing: "outgoing",
});

impl Request for Modes {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::TRANSPORT;
    const COMMAND: u8 = 7;
    type Kind = Self;
    type Response<'m> = ModesResponse<'m>;
}

/// Asks for the keys of a [`Connect`] to a transport in a mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Configuration {
    /// The number of the transport.
    pub transport: u32,
    /// The number of the mode.
    pub mode: u32,
}

payload!(request Configuration { transport: "transport", mode: "mode" });

/// The keys of a [`Connect`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ConfigurationResponse<'b> {
    /// The keys, one entry for each.
    pub keys: cbor::List<'b, Key<'b>>,
}

payload!(response ConfigurationResponse<'b> { keys: cbor::List<'b, Key<'b>> = "configs" });

/// One key of a [`Connect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Key<'b> {
    /// The name of the key.
    pub name: Text<'b>,
    /// 0 unsigned, 1 signed, 2 boolean, 3 text, 4 bytes.
    pub kind: u32,
    /// True if it is required.
    pub required: bool,
}

payload!(response Key<'b> { name: Text<'b> = "name", kind: u32 = "type", required: "required" });

impl Request for Configuration {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::TRANSPORT;
    const COMMAND: u8 = 8;
    type Kind = Self;
    type Response<'m> = ConfigurationResponse<'m>;
}
