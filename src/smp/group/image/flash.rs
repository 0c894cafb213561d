//! The commands of this group over slots in NOR flash: CBOR on one side, [`mcuboot::slots`] on the
//! other.
//!
//! ```text
//!   Incoming ─▶ begin ─▶ Job ─▶ flash::run, asynch::run ─▶ Job ─▶ finish(reply) ─▶ Answer
//!   Incoming ───────────────── answer, over a blocking flash ───────────────────────────▶ Answer
//! ```

use super::{Erase, ImageState, ReadState, SlotInfo, Upload, UploadResponse, WriteState};
use crate::cbor::{BufferFull, Bytes, Text, Value, Writer};
use crate::dfu::flash::{self, Failed, Flash, Operation};
use crate::dfu::{self, Chunk, Command, Device, Info, Outcome, Uploaded, Work as _};
use crate::mcuboot::Version;
use crate::shown::shown;
use crate::smp::server::{Answer, Incoming, Reply};
use crate::smp::{Empty, Encode, Error, Group, Op, Request, error};

/// A command of the image group in progress.
///
/// Run it on the flash, then [`finish`](Self::finish) it. Dropping it leaves the request
/// unanswered.
pub struct Job<'j, D: Device + 'j>(State<'j, D>);

shown!(['j, D: Device + 'j] Job<'j, D>, |_| "Job");

/// The resources that a command requires. Decided when the job is made; never changes.
enum State<'j, D: Device + 'j> {
    /// Needs the flash.
    Flash(D::Job<'j>),
    /// Needs only the configuration of the slots.
    SlotInfo(&'j D),
    /// Needs nothing.
    Refused(Error),
}

/// Answers a request of the image group from slots in a blocking flash, or in
/// [`Two`](flash::Two) of them; returns when the flash is done.
///
/// ```
/// use anysmp::mcuboot::{digest::Digest, slots::Slots};
/// use anysmp::smp::server::{Answer, Incoming, Reply};
/// use anysmp::smp::{Error, Group, image};
/// use embedded_storage::nor_flash::NorFlash;
///
/// fn handle<D: Digest, F: NorFlash>(
///     slots: &mut Slots<'_, D>,
///     nor: &mut F,
///     incoming: &Incoming<'_>,
///     reply: Reply<'_>,
/// ) -> Answer {
///     match incoming.group() {
///         Group::IMAGE => image::answer(slots, nor, incoming, reply),
///         _ => reply.error(Error::NOT_SUPPORTED),
///     }
/// }
/// ```
#[inline(never)] // 72 bytes of stack in a server of all groups: see *Stack* in `smp::server`.
pub fn answer<D: Device, F: Flash>(device: &mut D, flash: &mut F, incoming: &Incoming<'_>, reply: Reply<'_>) -> Answer {
    if is_slot_info(incoming) {
        return reply.ok(&SlotList(device));
    }
    match command(incoming) {
        Ok(command) => execute(device, flash, &command, reply),
        Err(error) => reply.error(error),
    }
}

/// Runs a command.
// Neither this nor the reading of the request is inlined: otherwise the stack would hold both at
// once, 68 to 84 bytes more.
#[inline(never)]
fn execute<D: Device, F: Flash>(device: &mut D, flash: &mut F, command: &Command<'_>, reply: Reply<'_>) -> Answer {
    let mut job = device.begin(command);
    let job = flash::run(&mut job, flash);
    finish::<D>(job, reply)
}

/// Begins a command of the image group, for callers that run the job themselves, for example on an
/// async flash: `flash::asynch::run(image::begin(slots, incoming), nor).await.finish(reply)`.
/// Nothing is read or written before the job runs.
#[must_use]
#[inline(never)] // A stack frame of its own: see *Stack* in `smp::server`.
pub fn begin<'j, D: Device>(device: &'j mut D, incoming: &Incoming<'j>) -> Job<'j, D> {
    if is_slot_info(incoming) {
        return Job(State::SlotInfo(device));
    }
    Job(match command(incoming) {
        Ok(command) => State::Flash(device.begin(&command)),
        Err(error) => State::Refused(error),
    })
}

/// Returns true if a command needs no flash, only the configuration of the slots.
fn is_slot_info(incoming: &Incoming<'_>) -> bool {
    (incoming.op(), incoming.command()) == (Op::Read, SlotInfo::COMMAND)
}

/// Reads a request. A string in several chunks is refused: no client sends data that way, and a
/// flash needs it in one piece.
#[inline(never)] // 208 to 248 bytes of stack: see *Stack* in `smp::server`.
fn command<'m>(incoming: &Incoming<'m>) -> Result<Command<'m>, Error> {
    let whole = |bytes: Bytes<'m>| bytes.as_slice().ok_or(Error::INVALID);
    Ok(match (incoming.op(), incoming.command()) {
        (Op::Read, ReadState::COMMAND) => Command::List,
        (Op::Write, WriteState::COMMAND) => {
            let WriteState { hash, confirm } = incoming.decode()?;
            Command::SetState { hash: hash.map(whole).transpose()?, confirm }
        }
        (Op::Write, Upload::COMMAND) => {
            let Upload { image, len, off, sha, data, upgrade } = incoming.decode()?;
            Command::Upload(Chunk {
                image: image.unwrap_or(0).into(),
                len,
                off: off.ok_or(error::image::INVALID_OFFSET)?,
                data: data.map(whole).transpose()?.unwrap_or_default(),
                sha: sha.map(whole).transpose()?,
                upgrade: upgrade.unwrap_or(false),
            })
        }
        (Op::Write, Erase::COMMAND) => {
            let Erase { slot } = incoming.decode()?;
            Command::Erase { slot: slot.map(u64::from) }
        }
        _ => return Err(Error::NOT_SUPPORTED),
    })
}

impl<'j, D: Device> flash::Job for Job<'j, D> {
    const ARE_TWO: bool = <D::Job<'j> as flash::Job>::ARE_TWO;

    fn flash_device(&mut self) -> flash::Device {
        match &mut self.0 {
            State::Flash(job) => job.flash_device(),
            State::SlotInfo(_) | State::Refused(_) => flash::Device::Active,
        }
    }

    fn next(&mut self) -> Option<Operation<'_>> {
        match &mut self.0 {
            State::Flash(job) => job.next(),
            State::SlotInfo(_) | State::Refused(_) => None,
        }
    }

    fn completed(&mut self, result: Result<(), Failed>) {
        if let State::Flash(job) = &mut self.0 {
            job.completed(result);
        }
    }
}

impl<D: Device> Job<'_, D> {
    /// Returns the outcome so far; `None` for slot info, which has none.
    ///
    /// # Errors
    ///
    /// The reason for a refusal, as it is sent to the client; `error::image::UNKNOWN` if the job
    /// was not run to its end.
    pub fn outcome(&self) -> Result<Option<Outcome>, Error> {
        match &self.0 {
            State::Refused(error) => Err(*error),
            State::SlotInfo(_) => Ok(None),
            State::Flash(job) => Ok(Some(job.outcome()?)),
        }
    }

    /// Answers the request.
    pub fn finish(self, reply: Reply<'_>) -> Answer {
        match self.0 {
            State::Refused(error) => reply.error(error),
            State::SlotInfo(device) => reply.ok(&SlotList(device)),
            State::Flash(job) => finish::<D>(&job, reply),
        }
    }
}

#[inline(never)] // 160 to 208 bytes of stack: see *Stack* in `smp::server`.
fn finish<D: Device>(job: &D::Job<'_>, reply: Reply<'_>) -> Answer {
    match job.outcome() {
        Ok(Outcome::States) => reply.ok(&StateList(job.device())),
        Ok(Outcome::Upload(Uploaded { off, matched })) => reply.ok(&UploadResponse { off, matches: matched }),
        Ok(Outcome::Erased) => reply.ok(&Empty {}),
        Err(error) => reply.error(error.into()),
    }
}

impl dfu::Error {
    /// The number of the error in the image group, for `err: {group: 1, rc}`; `None` for
    /// [`NotSupported`](Self::NotSupported), which is the plain `rc: 8` of the protocol, and for an
    /// error of the application's own group.
    #[must_use]
    pub const fn rc(self) -> Option<u16> {
        use error::image;
        Some(match self {
            Self::NotSupported => return None,
            Self::Refused { group, rc } if group as u16 == Group::IMAGE.0 => rc,
            Self::Refused { .. } => return None,
            Self::Unknown => image::UNKNOWN.code(),
            Self::NoImage | Self::Encrypted => image::NO_IMAGE.code(),
            Self::NoTlvs => image::NO_TLVS.code(),
            Self::InvalidTlv => image::INVALID_TLV.code(),
            Self::MultipleHashes => image::TLV_MULTIPLE_HASHES_FOUND.code(),
            Self::TlvInvalidSize => image::TLV_INVALID_SIZE.code(),
            Self::HashNotFound => image::HASH_NOT_FOUND.code(),
            Self::NoFreeSlot => image::NO_FREE_SLOT.code(),
            Self::FlashRead => image::FLASH_READ_FAILED.code(),
            Self::FlashWrite => image::FLASH_WRITE_FAILED.code(),
            Self::FlashErase => image::FLASH_ERASE_FAILED.code(),
            Self::InvalidSlot => image::INVALID_SLOT.code(),
            Self::InvalidLength => image::INVALID_LENGTH.code(),
            Self::InvalidHeader => image::INVALID_IMAGE_HEADER.code(),
            Self::InvalidMagic | Self::DamagedTrailer => image::INVALID_IMAGE_HEADER_MAGIC.code(),
            Self::InvalidHash => image::INVALID_HASH.code(),
            Self::VersionUnknown => image::VERSION_GET_FAILED.code(),
            Self::NotNewer => image::CURRENT_VERSION_IS_NEWER.code(),
            Self::AlreadyPending => image::IMAGE_ALREADY_PENDING.code(),
            Self::DamagedActiveTrailer => image::INVALID_IMAGE_VECTOR_TABLE.code(),
            Self::TooLarge => image::INVALID_IMAGE_TOO_LARGE.code(),
            Self::MismatchedSlot => image::INVALID_FLASH_ADDRESS.code(),
            Self::Overrun => image::INVALID_IMAGE_DATA_OVERRUN.code(),
            Self::ConfirmationDenied => image::IMAGE_CONFIRMATION_DENIED.code(),
            Self::TestOfActive => image::IMAGE_SETTING_TEST_TO_ACTIVE_DENIED.code(),
        })
    }
}

impl From<dfu::Error> for Error {
    fn from(error: dfu::Error) -> Self {
        match (error, error.rc()) {
            (dfu::Error::Refused { group, rc }, _) => Self::Group { group: Group(group.into()), rc },
            (_, Some(rc)) => Self::Group { group: Group::IMAGE, rc },
            (_, None) => Self::NOT_SUPPORTED,
        }
    }
}

/// The images in the slots, as a [`StateResponse`](super::StateResponse).
struct StateList<'j, D>(&'j D);

/// Returns every slot of a device, by image, primary first.
fn infos<D: Device>(device: &D) -> impl Iterator<Item = Info> {
    (0..device.slots()).filter_map(|slot| device.info(slot))
}

impl<D: Device> Encode for StateList<'_, D> {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        let several = infos(self.0).any(|info| info.image > 0);
        let states = || (0..self.0.slots()).filter_map(|slot| self.0.state(slot));
        writer.map(2)?;
        writer.text("images")?;
        writer.array(states().count() as u64)?;
        states().try_for_each(|state| {
            let mut version = heapless::Vec::new();
            write_version(state.version, &mut version);
            ImageState {
                image: several.then_some(state.image),
                slot: state.slot,
                version: Text::from_bytes(&version),
                // The hash of a program that was written over a cable is unknown, if the boot
                // loader keeps none.
                hash: Some(state.hash).filter(|hash| !hash.is_empty()).map(Into::into),
                bootable: state.bootable,
                pending: state.pending,
                confirmed: state.confirmed,
                active: state.active,
                permanent: state.permanent,
            }
            .write(writer)
        })?;
        writer.text("splitStatus")?;
        writer.unsigned(0)
    }
}

/// `1.2.3`, or `1.2.3.4` if there is a build number. Written without `core::fmt`, which a server
/// needs nowhere else.
fn write_version(version: Version, out: &mut heapless::Vec<u8, 25>) {
    let Version { major, minor, revision, build } = version;
    let build = (build != 0).then_some(build);
    let numbers = [Some(u32::from(major)), Some(u32::from(minor)), Some(u32::from(revision)), build];
    for (index, mut number) in numbers.into_iter().flatten().enumerate() {
        // The capacities are those of the longest version and the longest number, so nothing here
        // can be lost.
        if index > 0 {
            let _ = out.push(b'.');
        }
        let mut digits = heapless::Vec::<u8, 10>::new();
        while number > 0 || digits.is_empty() {
            // Always 0 to 9, so the conversion cannot fail.
            let digit = u8::try_from(number % 10).unwrap_or(0);
            let _ = digits.push(b'0'.saturating_add(digit));
            number /= 10;
        }
        for digit in digits.iter().rev() {
            let _ = out.push(*digit);
        }
    }
}

/// The slots themselves, as a [`SlotInfoResponse`](super::SlotInfoResponse).
struct SlotList<'j, D>(&'j D);

impl<D: Device> Encode for SlotList<'_, D> {
    #[inline(never)] // 80 to 104 bytes of stack: see *Stack* in `smp::server`.
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), BufferFull> {
        let primaries = || infos(self.0).filter(|info| info.slot == 0);
        writer.map(1)?;
        writer.text("images")?;
        writer.array(primaries().count() as u64)?;
        primaries().try_for_each(|Info { image, max_image_size, .. }| {
            writer.map(3)?;
            writer.text("image")?;
            writer.unsigned(image.into())?;
            writer.text("slots")?;
            let slots = || infos(self.0).filter(|info| info.image == image);
            writer.array(slots().count() as u64)?;
            slots().try_for_each(|info| {
                super::Slot {
                    slot: info.slot,
                    size: Some(info.size.into()),
                    upload_image_id: info.upload_image_id,
                    rc: None,
                }
                .write(writer)
            })?;
            writer.text("max_image_size")?;
            writer.unsigned(max_image_size.into())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dfu::Error as Refusal;

    #[test]
    fn every_refusal_of_the_slots_has_the_number_that_the_specification_gives_its_name() {
        for (refusal, rc, name) in [
            (Refusal::Unknown, 1, "UNKNOWN"),
            (Refusal::NoImage, 3, "NO_IMAGE"),
            (Refusal::Encrypted, 3, "NO_IMAGE"),
            (Refusal::NoTlvs, 4, "NO_TLVS"),
            (Refusal::InvalidTlv, 5, "INVALID_TLV"),
            (Refusal::MultipleHashes, 6, "TLV_MULTIPLE_HASHES_FOUND"),
            (Refusal::TlvInvalidSize, 7, "TLV_INVALID_SIZE"),
            (Refusal::HashNotFound, 8, "HASH_NOT_FOUND"),
            (Refusal::NoFreeSlot, 9, "NO_FREE_SLOT"),
            (Refusal::FlashRead, 11, "FLASH_READ_FAILED"),
            (Refusal::FlashWrite, 12, "FLASH_WRITE_FAILED"),
            (Refusal::FlashErase, 13, "FLASH_ERASE_FAILED"),
            (Refusal::InvalidSlot, 14, "INVALID_SLOT"),
            (Refusal::InvalidLength, 21, "INVALID_LENGTH"),
            (Refusal::InvalidHeader, 22, "INVALID_IMAGE_HEADER"),
            (Refusal::InvalidHash, 24, "INVALID_HASH"),
            (Refusal::VersionUnknown, 26, "VERSION_GET_FAILED"),
            (Refusal::NotNewer, 27, "CURRENT_VERSION_IS_NEWER"),
            (Refusal::AlreadyPending, 28, "IMAGE_ALREADY_PENDING"),
            (Refusal::DamagedActiveTrailer, 29, "INVALID_IMAGE_VECTOR_TABLE"),
            (Refusal::TooLarge, 30, "INVALID_IMAGE_TOO_LARGE"),
            (Refusal::Overrun, 31, "INVALID_IMAGE_DATA_OVERRUN"),
            (Refusal::ConfirmationDenied, 32, "IMAGE_CONFIRMATION_DENIED"),
            (Refusal::TestOfActive, 33, "IMAGE_SETTING_TEST_TO_ACTIVE_DENIED"),
            (Refusal::MismatchedSlot, 25, "INVALID_FLASH_ADDRESS"),
            (Refusal::InvalidMagic, 23, "INVALID_IMAGE_HEADER_MAGIC"),
            (Refusal::DamagedTrailer, 23, "INVALID_IMAGE_HEADER_MAGIC"),
        ] {
            assert_eq!(refusal.rc(), Some(rc), "{refusal:?}");
            assert_eq!(Error::from(refusal), Error::Group { group: Group::IMAGE, rc });
            assert_eq!(Error::from(refusal).name(), Some(name));
        }
        assert_eq!((Refusal::NotSupported.rc(), Error::from(Refusal::NotSupported)), (None, Error::NOT_SUPPORTED));
    }

    #[test]
    fn versions_are_written_as_mcuboot_writes_them() {
        for (version, text) in [
            (Version { major: 0, minor: 0, revision: 0, build: 0 }, "0.0.0"),
            (Version { major: 1, minor: 20, revision: 300, build: 0 }, "1.20.300"),
            (Version { major: 255, minor: 255, revision: 65535, build: u32::MAX }, "255.255.65535.4294967295"),
        ] {
            let mut out = heapless::Vec::new();
            write_version(version, &mut out);
            assert_eq!(core::str::from_utf8(&out).unwrap(), text);
        }
    }
}
