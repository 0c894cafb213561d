//! Group 1, application images: list, upload, test, confirm, erase.
//!
//! Specification: Zephyr Project, *Application/software image management group*; the core commands
//! are Mynewt's.
//!
//! | command | op | request | response |
//! |---|---|---|---|
//! | 0 | read | [`ReadState`] | [`StateResponse`] |
//! | 0 | write | [`WriteState`] | [`StateResponse`] |
//! | 1 | write | [`Upload`] | [`UploadResponse`] |
//! | 3 | read | [`CoreList`] | [`Empty`], or `rc` 5 if there is none |
//! | 4 | read | [`CoreLoad`] | [`CoreLoadResponse`] |
//! | 4 | write | [`CoreErase`] | [`Empty`] |
//! | 5 | write | [`Erase`] | [`Empty`] |
//! | 6 | read | [`SlotInfo`] | [`SlotInfoResponse`] |
//!
//! Command 2 (file) was never used and is unsupported.
//!
//! Three numbers are easily confused: *image* numbers the programs that a device runs, one for each
//! core or stage; *slot* is 0 or 1 within an image in a state, but global (image × 2 + slot) in an
//! erase; `upload_image_id` is the value that an upload must send as `image` to reach a slot.
//!
//! `hash` is the hash in the image's TLV area, which identifies an image for test and confirm.
//! `sha` is the SHA-256 of the whole file, which identifies an upload.

#[cfg(feature = "dfu")]
mod flash;
mod slots;

use core::time::Duration;

#[cfg(feature = "dfu")]
pub use flash::{Job, answer, begin};
pub use slots::{ImageSlots, Slot, SlotInfo, SlotInfoResponse};

use crate::cbor::{Bytes, List, Text};
use crate::smp::server::{Answer, Incoming, Reply};
use crate::smp::{Empty, Error, Group, Op, Request, payload};

/// The time that a device may take to erase a slot: 40 s.
pub const ERASE_TIME: Duration = Duration::from_secs(40);

/// Asks for the images of the device and their states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ReadState {}

payload!(request ReadState {});

/// The images of a device. Slots without a valid image are left out.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct StateResponse<'b> {
    /// One entry for each slot that holds an image.
    pub images: List<'b, ImageState<'b>>,
    /// Always 0 if it is sent at all.
    pub split_status: Option<i32>,
}

payload!(response StateResponse<'b> {
    images: List<'b, ImageState<'b>> = "images",
    split_status: "splitStatus",
});

/// One image in one slot. A flag that is missing is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ImageState<'b> {
    /// The image number; left out by devices with one image.
    pub image: Option<u32>,
    /// 0 primary, 1 secondary.
    pub slot: u32,
    /// `major.minor.revision`, with `.build` if that is not 0.
    pub version: Text<'b>,
    /// The hash of the image's TLV area: 32, 48 or 64 bytes. Some boot loaders leave it out.
    pub hash: Option<Bytes<'b>>,
    /// True if it may be booted.
    pub bootable: bool,
    /// True if it will be booted next.
    pub pending: bool,
    /// True if it stays after the next boot.
    pub confirmed: bool,
    /// True if it runs now.
    pub active: bool,
    /// True if it is pending and will stay.
    pub permanent: bool,
}

payload!(response ImageState<'b> {
    image: "image",
    slot: u32 = "slot",
    version: Text<'b> = "version",
    hash: "hash",
    bootable: "bootable",
    pending: "pending",
    confirmed: "confirmed",
    active: "active",
    permanent: "permanent",
});

impl Request for ReadState {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::IMAGE;
    const COMMAND: u8 = 0;
    type Kind = Self;
    type Response<'m> = StateResponse<'m>;
}

/// Marks an image for test, or confirms one.
///
/// | `hash` | `confirm` | meaning |
/// |---|---|---|
/// | none | true | confirm the running image |
/// | of the other slot | false | boot it once; it reverts unless it is confirmed |
/// | of the other slot | true | boot it permanently, where the device allows that |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct WriteState<'b> {
    /// The image's hash, as the state lists it. An empty one counts as none.
    pub hash: Option<Bytes<'b>>,
    /// Confirm instead of test.
    pub confirm: bool,
}

payload!(request WriteState<'b> { hash: "hash", confirm: "confirm" });

impl Request for WriteState<'_> {
    const OP: Op = Op::Write;
    const GROUP: Group = Group::IMAGE;
    const COMMAND: u8 = 0;
    const TIMEOUT: Duration = Duration::from_secs(10);
    type Kind = WriteState<'static>;
    type Response<'m> = StateResponse<'m>;
}

/// One piece of an image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Upload<'b> {
    /// The image, with the first piece; by default 0.
    pub image: Option<u32>,
    /// Length of the file in bytes, with the first piece.
    pub len: Option<u64>,
    /// The offset of the piece in the file, in bytes. Required: without it the server answers with
    /// a separate error.
    pub off: Option<u64>,
    /// SHA-256 of the whole file, with the first piece: lets the device resume. At most 32 bytes.
    pub sha: Option<Bytes<'b>>,
    /// The bytes. The first piece holds at least the 32 of an image header.
    pub data: Option<Bytes<'b>>,
    /// Refuse the image unless it is newer than the running one, with the first piece.
    pub upgrade: Option<bool>,
}

payload!(request Upload<'b> { image: "image", len: "len", off: "off", sha: "sha", data: "data", upgrade: "upgrade" });

/// The progress of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct UploadResponse {
    /// The offset that the device expects next, whatever the offset of the request was.
    pub off: u64,
    /// True if the stored file has the `sha` of the first piece; only some devices send it, with
    /// the last piece.
    pub matches: Option<bool>,
}

payload!(response UploadResponse { off: u64 = "off", matches: "match" });

impl Request for Upload<'_> {
    const OP: Op = Op::Write;
    const GROUP: Group = Group::IMAGE;
    const COMMAND: u8 = 1;
    // The first piece erases the slot.
    const TIMEOUT: Duration = ERASE_TIME;
    type Kind = Upload<'static>;
    type Response<'m> = UploadResponse;
}

/// Asks if there is a core dump (Mynewt).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CoreList {}

payload!(request CoreList {});

impl Request for CoreList {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::IMAGE;
    const COMMAND: u8 = 3;
    type Kind = Self;
    type Response<'m> = Empty;
}

/// Reads a piece of the core dump (Mynewt). A core dump contains whatever was in memory, secrets
/// included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CoreLoad {
    /// The offset to read from, in bytes.
    pub off: u64,
}

payload!(request CoreLoad { off: "off" });

/// A piece of the core dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct CoreLoadResponse<'b> {
    /// The offset of the piece in the dump, in bytes.
    pub off: u64,
    /// The bytes from `off` on.
    pub data: Bytes<'b>,
    /// Length of the dump in bytes, with the first piece.
    pub len: Option<u64>,
}

payload!(response CoreLoadResponse<'b> { off: u64 = "off", data: Bytes<'b> = "data", len: "len" });

impl Request for CoreLoad {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::IMAGE;
    const COMMAND: u8 = 4;
    type Kind = Self;
    type Response<'m> = CoreLoadResponse<'m>;
}

/// Erases the core dump (Mynewt).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CoreErase {}

payload!(request CoreErase {});

impl Request for CoreErase {
    const OP: Op = Op::Write;
    const GROUP: Group = Group::IMAGE;
    const COMMAND: u8 = 4;
    const TIMEOUT: Duration = ERASE_TIME;
    type Kind = Self;
    type Response<'m> = Empty;
}

/// Erases a slot that is not in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Erase {
    /// The global number of the slot, image × 2 + slot; `None` for the one that does not run.
    pub slot: Option<u32>,
}

payload!(request Erase { slot: "slot" });

impl Request for Erase {
    const OP: Op = Op::Write;
    const GROUP: Group = Group::IMAGE;
    const COMMAND: u8 = 5;
    const TIMEOUT: Duration = ERASE_TIME;
    type Kind = Self;
    type Response<'m> = Empty;
}

/// The device's side of this group. Every command is unsupported until it is implemented.
///
/// For slots in NOR flash the feature `mcuboot` implements all of them: see `answer`.
pub trait Commands {
    /// Lists the images.
    ///
    /// # Errors
    ///
    /// [`Error::NOT_SUPPORTED`] by default.
    fn read_state(&mut self) -> Result<StateResponse<'_>, Error> {
        Err(Error::NOT_SUPPORTED)
    }

    /// Marks an image for test, or confirms one; returns the new list.
    ///
    /// # Errors
    ///
    /// [`Error::NOT_SUPPORTED`] by default.
    fn write_state(&mut self, request: WriteState<'_>) -> Result<StateResponse<'_>, Error> {
        let _ = request;
        Err(Error::NOT_SUPPORTED)
    }

    /// Writes a piece of an image.
    ///
    /// # Errors
    ///
    /// [`Error::NOT_SUPPORTED`] by default.
    fn upload(&mut self, request: Upload<'_>) -> Result<UploadResponse, Error> {
        let _ = request;
        Err(Error::NOT_SUPPORTED)
    }

    /// Succeeds if there is a core dump.
    ///
    /// # Errors
    ///
    /// [`Error::NOT_FOUND`] if there is none, [`Error::NOT_SUPPORTED`] by default.
    fn core_list(&mut self) -> Result<Empty, Error> {
        Err(Error::NOT_SUPPORTED)
    }

    /// Reads a piece of the core dump.
    ///
    /// # Errors
    ///
    /// [`Error::NOT_SUPPORTED`] by default.
    fn core_load(&mut self, request: CoreLoad) -> Result<CoreLoadResponse<'_>, Error> {
        let _ = request;
        Err(Error::NOT_SUPPORTED)
    }

    /// Erases the core dump.
    ///
    /// # Errors
    ///
    /// [`Error::NOT_SUPPORTED`] by default.
    fn core_erase(&mut self) -> Result<Empty, Error> {
        Err(Error::NOT_SUPPORTED)
    }

    /// Erases a slot.
    ///
    /// # Errors
    ///
    /// [`Error::NOT_SUPPORTED`] by default.
    fn erase(&mut self, request: Erase) -> Result<Empty, Error> {
        let _ = request;
        Err(Error::NOT_SUPPORTED)
    }

    /// Returns the sizes of the slots.
    ///
    /// # Errors
    ///
    /// [`Error::NOT_SUPPORTED`] by default.
    fn slot_info(&mut self) -> Result<SlotInfoResponse<'_>, Error> {
        Err(Error::NOT_SUPPORTED)
    }
}

/// Reads a request of this group, calls its command, and writes the response.
#[inline(never)] // A stack frame of its own: see *Stack* in `smp::server`.
pub fn dispatch<C: Commands + ?Sized>(commands: &mut C, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
    let mut reply = reply;
    let written = match (incoming.op(), incoming.command()) {
        (Op::Read, ReadState::COMMAND) => incoming.write(&mut reply, |Empty {}| commands.read_state()),
        (Op::Write, WriteState::COMMAND) => incoming.write(&mut reply, |request| commands.write_state(request)),
        (Op::Write, Upload::COMMAND) => incoming.write(&mut reply, |request| commands.upload(request)),
        (Op::Read, CoreList::COMMAND) => incoming.write(&mut reply, |Empty {}| commands.core_list()),
        (Op::Read, CoreLoad::COMMAND) => incoming.write(&mut reply, |request| commands.core_load(request)),
        (Op::Write, CoreErase::COMMAND) => incoming.write(&mut reply, |Empty {}| commands.core_erase()),
        (Op::Write, Erase::COMMAND) => incoming.write(&mut reply, |request| commands.erase(request)),
        (Op::Read, SlotInfo::COMMAND) => incoming.write(&mut reply, |Empty {}| commands.slot_info()),
        _ => Err(Error::NOT_SUPPORTED),
    };
    reply.done(written)
}
