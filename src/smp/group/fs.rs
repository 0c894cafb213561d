//! Group 8, file system: download, upload, length, hashes.
//!
//! Specification: Zephyr Project, *File management*.
//!
//! | command | op | request | response |
//! |---|---|---|---|
//! | 0 | read | [`Download`] | [`DownloadResponse`] |
//! | 0 | write | [`Upload`] | [`UploadResponse`] |
//! | 1 | read | [`Status`] | [`StatusResponse`] |
//! | 2 | read | [`Hash`](struct@Hash) | [`HashResponse`] |
//! | 3 | read | [`HashTypes`] | [`HashTypesResponse`] |
//! | 4 | write | [`Close`] | [`Empty`] |
//!
//! A server with this group exposes its whole file system, unless a policy or the root of its paths
//! limits that.

mod path;
mod store;

use core::time::Duration;

pub use path::Path;
pub use store::{Files, Store};

use crate::cbor::{BufferFull, Bytes, Item, Malformed, Table, Text, Value, Writer};
use crate::smp::server::{Answer, Incoming, Reply};
use crate::smp::{Decode, Empty, Encode, Error, Group, Op, Request, payload};

/// Asks for a piece of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Download<'b> {
    /// Path of the file, at most 64 bytes on Zephyr.
    pub name: Text<'b>,
    /// The offset to read from, in bytes.
    pub off: u64,
}

payload!(request Download<'b> { name: "name", off: "off" });

/// A piece of a file. The server chooses its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct DownloadResponse<'b> {
    /// The offset of the piece in the file, in bytes.
    pub off: u64,
    /// The bytes from `off` on.
    pub data: Bytes<'b>,
    /// Length of the file in bytes, with the first piece.
    pub len: Option<u64>,
}

payload!(response DownloadResponse<'b> { off: u64 = "off", data: Bytes<'b> = "data", len: "len" });

impl Request for Download<'_> {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::FS;
    const COMMAND: u8 = 0;
    type Kind = Download<'static>;
    type Response<'m> = DownloadResponse<'m>;
}

/// One piece of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Upload<'b> {
    /// Path of the file, from the root that the server exposes.
    pub name: Text<'b>,
    /// The offset of the piece in the file, in bytes; 0 creates or truncates the file.
    pub off: u64,
    /// The bytes from `off` on.
    pub data: Bytes<'b>,
    /// Length of the file in bytes, with the first piece.
    pub len: Option<u64>,
}

payload!(request Upload<'b> { name: "name", off: "off", data: "data", len: "len" });

/// The progress of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct UploadResponse {
    /// The offset that the device expects next.
    pub off: u64,
}

payload!(response UploadResponse { off: u64 = "off" });

impl Request for Upload<'_> {
    const OP: Op = Op::Write;
    const GROUP: Group = Group::FS;
    const COMMAND: u8 = 0;
    type Kind = Upload<'static>;
    type Response<'m> = UploadResponse;
}

/// Asks for the length of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Status<'b> {
    /// Path of the file, from the root that the server exposes.
    pub name: Text<'b>,
}

payload!(request Status<'b> { name: "name" });

/// The length of a file, which need not be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct StatusResponse {
    /// The length in bytes.
    pub len: u64,
}

payload!(response StatusResponse { len: u64 = "len" });

impl Request for Status<'_> {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::FS;
    const COMMAND: u8 = 1;
    type Kind = Status<'static>;
    type Response<'m> = StatusResponse;
}

/// Asks for a hash or a checksum of a file, or of a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Hash<'b> {
    /// Path of the file, from the root that the server exposes.
    pub name: Text<'b>,
    /// The name of the hash, as [`HashTypes`] lists it: `crc32`, `sha256`. By default the server
    /// chooses.
    pub kind: Option<Text<'b>>,
    /// The offset of the first byte.
    pub off: Option<u64>,
    /// Number of bytes, not 0; the rest of the file by default.
    pub len: Option<u64>,
}

payload!(request Hash<'b> { name: "name", kind: "type", off: "off", len: "len" });

/// A hash or a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct HashResponse<'b> {
    /// The name of the hash that was computed.
    pub kind: Text<'b>,
    /// The offset of the first byte, if not 0.
    pub off: Option<u64>,
    /// The number of bytes that the hash covers.
    pub len: u64,
    /// The value of the hash.
    pub output: HashOutput<'b>,
}

payload!(response HashResponse<'b> {
    kind: Text<'b> = "type",
    off: "off",
    len: u64 = "len",
    output: HashOutput<'b> = "output",
});

/// The value of a hash or a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "a number or bytes, by the specification")]
pub enum HashOutput<'b> {
    /// A checksum such as `crc32`.
    Number(u64),
    /// A hash such as `sha256`.
    Bytes(Bytes<'b>),
}

impl<'b> Value<'b> for HashOutput<'b> {
    fn of(item: Item<'b>) -> Result<Self, Malformed> {
        match item {
            Item::Unsigned(number) => Ok(Self::Number(number)),
            Item::Bytes(bytes) => Ok(Self::Bytes(bytes)),
            _ => Err(Malformed),
        }
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        match self {
            Self::Number(number) => writer.unsigned(*number),
            Self::Bytes(bytes) => bytes.write(writer),
        }
    }
}

impl Request for Hash<'_> {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::FS;
    const COMMAND: u8 = 2;
    /// The server has to read the whole file.
    const TIMEOUT: Duration = Duration::from_secs(20);
    type Kind = Hash<'static>;
    type Response<'m> = HashResponse<'m>;
}

/// Asks for the hashes and checksums that the device can compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct HashTypes {}

payload!(request HashTypes {});

/// The hashes and checksums by name.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct HashTypesResponse<'b> {
    /// The form of each hash, by its name.
    pub types: Table<'b, HashType>,
}

payload!(response HashTypesResponse<'b> { types: Table<'b, HashType> = "types" });

/// The form of a hash or a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct HashType {
    /// 0 a number, 1 a byte string.
    pub format: u32,
    /// The length of the value in bytes.
    pub size: u32,
}

payload!(response HashType { format: u32 = "format", size: u32 = "size" });

impl Request for HashTypes {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::FS;
    const COMMAND: u8 = 3;
    type Kind = Self;
    type Response<'m> = HashTypesResponse<'m>;
}

/// Closes the file that the server holds open between two pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Close {}

payload!(request Close {});

impl Request for Close {
    const OP: Op = Op::Write;
    const GROUP: Group = Group::FS;
    const COMMAND: u8 = 4;
    type Kind = Self;
    type Response<'m> = Empty;
}

/// The device's side of this group. [`Store`] implements it over any file system.
pub trait Commands {
    /// Reads a piece of a file. `room` is the number of bytes of data that fit the response.
    ///
    /// # Errors
    ///
    /// [`error::fs::FILE_NOT_FOUND`](crate::smp::error::fs::FILE_NOT_FOUND) if there is no such
    /// file.
    fn download<'r>(&'r mut self, request: Download<'r>, room: usize) -> Result<DownloadResponse<'r>, Error> {
        let _ = (request, room);
        Err(Error::NOT_SUPPORTED)
    }

    /// Writes a piece of a file.
    ///
    /// # Errors
    ///
    /// [`error::fs::FILE_OFFSET_NOT_VALID`](crate::smp::error::fs::FILE_OFFSET_NOT_VALID) for any
    /// offset but the next one; the second value is the current length of the file, which is sent
    /// with the error.
    fn upload(&mut self, request: Upload<'_>) -> Result<UploadResponse, (Error, Option<u64>)> {
        let _ = request;
        Err((Error::NOT_SUPPORTED, None))
    }

    /// Returns the length of a file.
    ///
    /// # Errors
    ///
    /// [`Error::NOT_SUPPORTED`] by default.
    fn status(&mut self, request: Status<'_>) -> Result<StatusResponse, Error> {
        let _ = request;
        Err(Error::NOT_SUPPORTED)
    }

    /// Hashes a file.
    ///
    /// # Errors
    ///
    /// [`error::fs::CHECKSUM_HASH_NOT_FOUND`](crate::smp::error::fs::CHECKSUM_HASH_NOT_FOUND) for
    /// an unknown kind.
    fn hash<'r>(&'r mut self, request: Hash<'r>) -> Result<HashResponse<'r>, Error> {
        let _ = request;
        Err(Error::NOT_SUPPORTED)
    }

    /// Lists the kinds of hashes.
    ///
    /// # Errors
    ///
    /// [`Error::NOT_SUPPORTED`] by default.
    fn hash_types(&mut self) -> Result<HashTypesResponse<'_>, Error> {
        Err(Error::NOT_SUPPORTED)
    }

    /// Closes the open file.
    ///
    /// # Errors
    ///
    /// [`Error::NOT_SUPPORTED`] by default.
    fn close(&mut self) -> Result<Empty, Error> {
        Err(Error::NOT_SUPPORTED)
    }
}

/// The bytes of a download response without its data: the map, its keys, and the widest numbers.
const DOWNLOAD_OVERHEAD: usize = 1 + (4 + 9) + (5 + 3) + (4 + 9);

/// Reads a request of this group, calls its command, and writes the response.
pub fn dispatch<C: Commands + ?Sized>(commands: &mut C, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
    match (incoming.op(), incoming.command()) {
        (Op::Read, Download::COMMAND) => {
            let room = reply.room().saturating_sub(DOWNLOAD_OVERHEAD);
            answer(incoming, reply, |request| commands.download(request, room))
        }
        (Op::Write, Upload::COMMAND) => upload(commands, incoming, reply),
        (Op::Read, Status::COMMAND) => answer(incoming, reply, |request| commands.status(request)),
        (Op::Read, Hash::COMMAND) => answer(incoming, reply, |request| commands.hash(request)),
        (Op::Read, HashTypes::COMMAND) => answer(incoming, reply, |Empty {}| commands.hash_types()),
        (Op::Write, Close::COMMAND) => answer(incoming, reply, |Empty {}| commands.close()),
        _ => reply.error(Error::NOT_SUPPORTED),
    }
}

/// Answers one command.
// A separate function for each command: otherwise the stack would hold the locals of all of them,
// 208 to 256 bytes more. See `smp::server`.
#[inline(never)]
fn answer<'m, R: Decode<'m>, E: Encode>(
    incoming: &Incoming<'m>,
    reply: Reply<'_>,
    command: impl FnOnce(R) -> Result<E, Error>,
) -> Answer {
    incoming.answer(reply, command)
}

#[inline(never)] // For the same reason as `answer`: 248 to 280 bytes, and up to 60 of flash.
fn upload<C: Commands + ?Sized>(commands: &mut C, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
    match incoming.decode().map_err(|error| (error, None)).and_then(|request| commands.upload(request)) {
        Ok(response) => reply.ok(&response),
        Err((error, None)) => reply.error(error),
        Err((error, Some(len))) => reply.error_beside(error, "len", len),
    }
}
