//! The server of a boot loader: MCUboot's serial recovery in half of the flash of a
//! [`Server`](crate::smp::Server).
//!
//! It has the commands of MCUboot's `boot_serial` and no others, reads and writes their few keys by
//! itself, and keeps no state but the progress of an upload. The user implements [`Target`]: a list
//! of images, and a slot that is erased and written.
//!
//! | command | group, command | op | response |
//! |---|---|---|---|
//! | echo | 0, 0 | any | `{"r": text}` |
//! | console echo | 0, 1 | any | `{"rc": 0}`, and nothing changes |
//! | reset | 0, 5 | write | `{"rc": 0}`, then [`After::Reset`] |
//! | parameters | 0, 6 | read | the size of the receive buffer, and 1 buffer |
//! | list of images | 1, 0 | read | for each its slot, hash and version |
//! | upload | 1, 1 | write | `{"rc": 0, "off": n}` |
//! | all others | | | `rc` 8 |
//!
//! ```
//! use anysmp::smp::recovery::{Image, Target};
//! use anysmp::smp::{Error, Recovery, error};
//!
//! struct Slot { flash: Vec<u8> }
//!
//! impl Target for Slot {
//!     const WRITE_SIZE: u32 = 4;
//!
//!     fn list(&mut self, mut add: impl FnMut(Image<'_>)) {
//!         add(Image::new(0, "1.2.3"));
//!     }
//!
//!     fn begin(&mut self, _image: u32, len: u32) -> Result<(), Error> {
//!         if len > 4096 {
//!             return Err(error::image::INVALID_IMAGE_TOO_LARGE);
//!         }
//!         self.flash = vec![0xFF; 4096]; // erase
//!         Ok(())
//!     }
//!
//!     fn write(&mut self, offset: u32, data: &[u8]) -> Result<(), Error> {
//!         let place = self.flash.get_mut(offset as usize..offset as usize + data.len());
//!         place.ok_or(error::image::FLASH_WRITE_FAILED)?.copy_from_slice(data);
//!         Ok(())
//!     }
//! }
//!
//! let mut server = Recovery::new(Slot { flash: vec![] }, 512);
//! // `Link::serve` does this with each message. Here the list of images:
//! let (list, mut tx) = (b"\x00\x00\x00\x01\x00\x01\x00\x00\xa0", [0; 64]);
//! let (len, _) = server.receive(list, &mut tx);
//! let expected = b"\xbf\x66images\x9f\xbf\x64slot\x00\x67version\x651.2.3\xff\xff\xff";
//! assert_eq!(tx[8..len], expected[..]);
//! ```
//!
//! # Upload
//!
//! A piece at offset 0 begins an upload: it has to announce the length of the file, and the target
//! is erased. A piece at the expected offset is written; any other piece changes nothing, and its
//! response contains the expected offset. So a repeated piece does no harm, except the first one,
//! which erases again, and the server needs no memory for its responses. To resume, a client that
//! does not know the offset sends a piece with empty data at offset 1, and continues at the offset
//! in the response.
//!
//! A piece is cut to whole write units ([`Target::WRITE_SIZE`]) unless it is the last one; the
//! client sends the rest again. The content of the file is not checked: the boot loader does that
//! before it starts the image.
//!
//! # Refusals
//!
//! * With `rc` 3: a payload that is not a map; keys that are not text, or come twice; a value that
//!   is a list, a map, a tag, or a string in chunks, in an upload or an echo; a number above 32
//!   bits. Clients send none of them. The payload of the other commands is not read.
//! * With `rc` 13: versions 2 and 3. With `rc` 9: a message that ends before its payload. Without a
//!   response: ops other than read and write.
//! * With the codes 20 and 21 of the image group: an upload without offset, a first piece without
//!   length. With 31: more data than announced. A version 1 request gets `rc` 3 for each code of a
//!   group, as from `boot_serial`, instead of the translation that a [`Server`](crate::smp::Server)
//!   has: 130 bytes.
//!
//! It lists no flags, marks nothing for test or as confirmed, erases only by an upload, and does
//! not read `sha`, `upgrade`, `force` and `boot_mode`. Everyone on the line may do everything.
//!
//! # Interpretation
//!
//! * An echo sends back the bytes of the text, which may not be UTF-8. Without text it gets `rc` 3,
//!   as from `boot_serial`.
//! * Successes of upload, reset and console echo contain `rc: 0`, which clients of old recoveries
//!   require. Errors of a version 2 request name their group.
//! * Maps have an indefinite length, byte for byte as those of `boot_serial`.

use super::server::After;
use super::{Error, Header};
use crate::cbor::head::UNSIGNED;
use crate::line::{Peer, Serve, Service, asynch};
use crate::shown::shown;

mod reading;
mod writing;

use reading::{Fields, Key};
pub use writing::Image;
use writing::Response;

use super::error::image::{INVALID_IMAGE_DATA_OVERRUN, INVALID_LENGTH, INVALID_OFFSET};

/// The device's side of a [`Recovery`]: the images that it lists, and the slot that it writes.
pub trait Target {
    /// The unit of writes in bytes, a power of two: every piece but the last one of a file is a
    /// multiple of it.
    const WRITE_SIZE: u32 = 1;

    /// Calls `add` with each image that can be booted. If the list does not fit the response, the
    /// peer gets `rc` 7.
    fn list(&mut self, add: impl FnMut(Image<'_>));

    /// Begins an upload of `len` bytes: erases the slot of `image`, or prepares to erase its
    /// sectors as they are written. An upload that names no image is for image 0.
    ///
    /// # Errors
    ///
    /// The error that the peer gets: no such slot, too large, the erase failed.
    fn begin(&mut self, image: u32, len: u32) -> Result<(), Error>;

    /// Writes the next bytes of the file. `offset` is a multiple of
    /// [`WRITE_SIZE`](Self::WRITE_SIZE), and so is the length of `data`, which may be 0, unless the
    /// file ends with it. It never extends beyond the length that [`begin`](Self::begin) was given.
    ///
    /// # Errors
    ///
    /// The error that the peer gets. The upload has then ended, and must begin again.
    fn write(&mut self, offset: u32, data: &[u8]) -> Result<(), Error>;

    /// Succeeds if the device may be reset, as by default. Do not reset it here: the server returns
    /// [`After::Reset`] once the response has left.
    ///
    /// # Errors
    ///
    /// The error that the peer gets, for example [`Error::BUSY`]: the device is not reset.
    fn reset(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// The server of a boot loader. See the [module](self).
pub struct Recovery<T> {
    target: T,
    /// The length of a framed message that the device can receive.
    buffer: u32,
    upload: Upload,
}

shown!([T] Recovery<T>, |server| "Recovery({} of {} bytes)", server.upload.written, server.upload.len);

/// The progress of an upload: 0 of 0 bytes before the first one, and after a failure.
#[derive(Clone, Copy)]
struct Upload {
    /// The number of bytes that were written, which is the offset of the next piece.
    written: u32,
    /// The length of the file.
    len: u32,
}

impl Upload {
    const NONE: Self = Self { written: 0, len: 0 };
}

impl<T: Target> Recovery<T> {
    /// A server for `target`, with a framing whose receive buffer has `buffer` bytes, for example
    /// 512 for a console over an array of that length. A link whose framing has a shorter buffer
    /// refuses to serve.
    #[must_use]
    pub const fn new(target: T, buffer: u32) -> Self {
        const { assert!(T::WRITE_SIZE.is_power_of_two(), "a write unit is a power of two") };
        Self { target, buffer, upload: Upload::NONE }
    }

    /// The target, between two messages.
    pub const fn target(&mut self) -> &mut T {
        &mut self.target
    }

    /// Handles one message; returns the length of the response in `tx`, 0 for none, and the action
    /// to take when it has left.
    #[must_use = "the response is in `tx` and has to be sent"]
    pub fn receive(&mut self, message: &[u8], tx: &mut [u8]) -> (usize, After) {
        let Some((header, rest)) = message.split_first_chunk::<{ Header::LEN }>() else {
            return (0, After::Nothing);
        };
        let [first, _flags, l1, l0, ..] = *header;
        // Two servers that answered responses would answer each other forever.
        if first & 0b101 != 0 {
            return (0, After::Nothing);
        }
        let mut response = Response::new(tx);
        let payload = rest.get(..usize::from(u16::from_be_bytes([l1, l0])));
        let result = match payload {
            _ if first & 0b1_0000 != 0 => Err(Error::VERSION_TOO_NEW),
            None => Err(Error::CORRUPT),
            Some(payload) => self.command(header, payload, &mut response),
        };
        let after = result.unwrap_or_else(|error| {
            response.refuse(error, first & 0b1000 != 0);
            After::Nothing
        });
        let len = response.complete(header);
        (len, after)
    }

    fn command(
        &mut self,
        header: &[u8; Header::LEN],
        payload: &[u8],
        response: &mut Response<'_>,
    ) -> Result<After, Error> {
        let [first, _, _, _, group_high, group, _, command] = *header;
        let (mut fields, mut after) = (Fields::NONE, After::Nothing);
        response.raw(b"\xbf");
        match (group_high, group, command, first & 0b10) {
            (0, 0, 0, _) => {
                fields.read(payload)?;
                let text = fields.bytes(Key::Text).ok_or(Error::INVALID)?;
                response.raw(b"\x61r");
                response.text(text);
            }
            (0, 0, 1, _) => response.raw(OK),
            (0, 0, 5, 2) => {
                self.target.reset()?;
                after = After::Reset { force: false, mode: 0 };
                response.raw(OK);
            }
            (0, 0, 6, 0) => {
                response.raw(b"\x68buf_size");
                response.number(UNSIGNED, self.buffer);
                response.raw(b"\x69buf_count\x01");
            }
            (0, 1, 0, 0) => {
                response.raw(b"\x66images\x9f");
                self.target.list(|image| response.image(&image));
                response.raw(b"\xff");
            }
            (0, 1, 1, 2) => {
                fields.read(payload)?;
                let off = self.upload(&fields)?;
                response.raw(OK);
                response.raw(b"\x63off");
                response.number(UNSIGNED, off);
            }
            _ => return Err(Error::NOT_SUPPORTED),
        }
        response.raw(b"\xff");
        if response.is_whole() { Ok(after) } else { Err(Error::TOO_LARGE) }
    }

    /// Handles a piece of a file; returns the offset that is expected next.
    fn upload(&mut self, fields: &Fields<'_>) -> Result<u32, Error> {
        let offset = fields.number(Key::Offset).ok_or(INVALID_OFFSET)?;
        let data = fields.bytes(Key::Data).ok_or(Error::INVALID)?;
        if offset == 0 {
            let len = fields.number(Key::Len).ok_or(INVALID_LENGTH)?;
            self.upload = Upload::NONE;
            self.target.begin(fields.number(Key::Image).unwrap_or(0), len)?;
            self.upload.len = len;
        }
        let Upload { written, len } = self.upload;
        if offset != written {
            return Ok(written);
        }
        let left = len.wrapping_sub(written);
        let count = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let count = match count.cmp(&left) {
            core::cmp::Ordering::Greater => return Err(INVALID_IMAGE_DATA_OVERRUN),
            core::cmp::Ordering::Equal => count,
            core::cmp::Ordering::Less => count & !T::WRITE_SIZE.wrapping_sub(1),
        };
        let data = data.get(..count as usize).unwrap_or_default();
        // A write that fails may have changed the flash: it leaves no upload to continue.
        self.upload = Upload::NONE;
        self.target.write(written, data)?;
        self.upload = Upload { written: written.wrapping_add(count), len };
        Ok(self.upload.written)
    }
}

/// The entry of a success.
const OK: &[u8] = b"\x62rc\x00";

impl<T: Target> Serve for Recovery<T> {
    type After = After;

    fn buffer_size(&self) -> Option<usize> {
        Some(usize::try_from(self.buffer).unwrap_or(usize::MAX))
    }
}

impl<T: Target> Service for Recovery<T> {
    fn receive(&mut self, message: &[u8], _: Peer, tx: &mut [u8]) -> (usize, After) {
        self.receive(message, tx)
    }
}

impl<T: Target> asynch::Service for Recovery<T> {
    /// Waits for nothing but the target.
    async fn receive(&mut self, message: &[u8], _: Peer, tx: &mut [u8]) -> (usize, After) {
        self.receive(message, tx)
    }
}
