//! The options of `decode` and `sniff`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Captured bytes.
#[derive(Args)]
pub struct Decode {
    /// The capture, or `-` for the input: hex, a line for each piece, with `->` or `<-` in front if
    /// the direction is known; a serial log with text between the frames; pcap or pcapng with UDP;
    /// or the bytes themselves
    #[arg(required_unless_present = "wireshark")]
    pub file: Option<PathBuf>,
    /// The form of the capture, if it cannot be recognised from its bytes
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Form::Auto)]
    pub form: Form,
    #[command(flatten)]
    pub what: What,
    /// Only datagrams from or to this port; default is every datagram with a message, and all of
    /// port 1337 for SMP
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
    /// Instead install a dissector of SMP for Wireshark in this directory, one of those that
    /// `tshark -G folders` lists as Lua plugins
    #[arg(long, value_name = "DIR", conflicts_with_all = ["file", "port"])]
    pub wireshark: Option<PathBuf>,
}

/// Two ports.
#[derive(Args)]
pub struct Sniff {
    /// The serial port of the device
    // Not "device": that is the option `-d`.
    #[arg(id = "device_port", value_name = "PORT")]
    pub device: String,
    /// The serial port of the client, or `pty` for a pseudo-terminal that is made for it
    pub client: String,
    /// Only listen at both ports, and pass nothing on: for an adapter with two receivers
    #[arg(long)]
    pub listen: bool,
    /// End after this many seconds; default is Ctrl-C
    #[arg(long, value_name = "S", value_parser = anysmp_tools::options::seconds)]
    pub duration: Option<std::time::Duration>,
    #[command(flatten)]
    pub what: What,
}

/// The form of the messages.
#[derive(Args)]
pub struct What {
    /// The protocol
    #[arg(long, value_enum, value_name = "NAME", default_value_t = Protocol::Smp)]
    pub protocol: Protocol,
    /// The framing of the messages; `auto` chooses the one in which most of the bytes have a
    /// meaning
    #[arg(long, value_enum, value_name = "KIND", default_value_t = Framing::Auto)]
    pub frames: Framing,
}

/// The form of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// The form that the first bytes show
    Auto,
    /// Hex, a line for each piece
    Hex,
    /// The bytes as they were on the wire, including console text
    Bytes,
    /// A file of Wireshark or tcpdump
    Pcap,
}

/// The protocol of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// MCUmgr, MCUboot's serial recovery, Mynewt
    Smp,
    /// Basic Small Messages Protocol
    Bsmp,
    /// Simple Serial Slave-Master Protocol
    S3mp,
}

/// The framing of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Framing {
    /// The one that fits
    Auto,
    /// SMP: lines of base64 between text
    Console,
    /// SMP and BSMP: bare messages, back to back
    Raw,
    /// SMP: COBS with a CRC-16
    Cobs,
    /// BSMP: packets of RS-485
    Packet,
    /// S3MP: COBS with a checksum
    Lrc,
    /// Each piece is a message
    Message,
}
