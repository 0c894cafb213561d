//! The progress of an upload: bytes received, bytes in flash, next flash operation.
//!
//! ```text
//!   slot   0 ──── written ────────── erased ─────────────── tail ────────────── end
//!          │ in flash │ erased, free   │ old contents         │ erased first (trailer)
//!                     └ carry: received bytes that do not fill a write unit yet (in scratch)
//! ```
//!
//! `written` and `erased` advance in turn: when they meet, the finished page is recorded in the
//! checkpoint log, then the next one is erased.

use super::access::{Access, Kind, size};
use super::checkpoint::{Known, Log};
use super::chunk::Chunk;
use super::error::Error;
use super::flash::{Device, Geometries};
use super::receiving::Receiving;
use super::region::{down, record_len};

/// A chunk of an upload with 32-bit numbers: slots have fewer than 2^32 - 1 bytes, so larger
/// numbers are reduced to that limit.
#[derive(Clone, Copy)]
pub(crate) struct Piece<'c> {
    /// The number of the image; a device with a single image ignores it.
    #[cfg_attr(not(feature = "mcuboot"), expect(dead_code, reason = "an updater has a single image"))]
    pub(crate) image: u32,
    pub(crate) len: Option<u32>,
    pub(crate) off: u32,
    pub(crate) data: &'c [u8],
    pub(crate) sha: &'c [u8],
    pub(crate) upgrade: bool,
}

impl<'c> Piece<'c> {
    pub(crate) fn new(chunk: &Chunk<'c>) -> Self {
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let Chunk { image, len, off, data, sha, upgrade } = *chunk;
        Self { image: small(image), len: len.map(small), off: small(off), data, sha: sha.unwrap_or(&[]), upgrade }
    }

    pub(crate) fn end(&self) -> Option<u32> {
        self.off.checked_add(u32::try_from(self.data.len()).ok()?)
    }
}

/// The upload session of a device. There is one: the next first chunk replaces it. A flash error in
/// an upload, or a refusal by the application, leads from every state to `Idle`, except that an
/// updater keeps it when another file is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session {
    /// No upload since the start, an erase or an error; or a job is writing, and restores the
    /// session at its end. Exits: a written chunk, to `Receiving`, or to `Complete` for the last
    /// one; a checkpoint that is still valid, to `Receiving`; a slot that already holds the file,
    /// to `Complete`.
    Idle,
    /// An upload is in progress and continues at [`Receiving::off`]. Exits: flash work of a chunk,
    /// another upload, an erase, or a mark in its pair, to `Idle`.
    Receiving,
    /// The last byte has arrived; a repeat of its chunk gets the same response. Exits: another
    /// upload, an erase, or a mark in its pair, to `Idle`.
    Complete { matched: Option<bool> },
}

/// The steps of an upload that also use the checkpoint log.
impl Receiving {
    /// Returns the next access for the `rest` of the chunk; nothing when all of it is in flash or
    /// in the carry. With a log, the finished page is recorded there before the next one is erased;
    /// the record is put into `work`. The slot is in the flash device `to`.
    fn access<F: Geometries>(&self, rest: usize, log: Option<&Log>, flash: &F, to: Device, work: &mut [u8]) -> Access {
        let geometry = flash.of(to);
        let rest = down(u32::try_from(rest).unwrap_or(0), geometry.write);
        let (kind, len) = if self.carry == geometry.write || (self.carry > 0 && self.off() == self.len) {
            (Kind::Carry, geometry.write)
        // Not while the carry has bytes: they come first in the file.
        } else if self.carry == 0 && rest > 0 {
            (Kind::Chunk, rest.min(self.erased.wrapping_sub(self.written)))
        } else {
            return Access::NOTHING;
        };
        let mut place = self.target.at(self.written);
        // The place is erased; otherwise the next page is erased first.
        if self.written < self.erased {
            return Access::change(kind, place, len);
        }
        // The record comes before the erase: after a power cut in between, the page that it
        // describes is complete.
        let (mut kind, mut page) = (Kind::Erase, geometry.erase);
        if let Some(log) = log.filter(|_| self.logged < self.written) {
            let geometry = flash.of(flash.records());
            place = log.next.place();
            (kind, page) = (Kind::EraseLog, geometry.erase);
            if !log.next.wants_erase(geometry) {
                log.next.emit(self, geometry, work);
                return Access::change(Kind::Work, place, record_len(geometry));
            }
        }
        Access::change(kind, place, page)
    }

    /// Records the completed [`access`](Self::access); `bytes` are those that were written.
    fn done<F: Geometries>(
        &mut self,
        kind: Kind,
        bytes: &[u8],
        log: Option<&mut Log>,
        tail: u32,
        flash: &F,
        to: Device,
    ) {
        match (kind, log) {
            (Kind::EraseLog, Some(log)) => log.next.erased(),
            (Kind::Work, Some(log)) => {
                log.next.written(flash.of(flash.records()));
                self.logged = self.written;
            }
            (Kind::Erase, _) => {
                self.erased = self.written.wrapping_add(flash.of(to).erase);
                self.tail_cleared(tail);
            }
            (_, log) => {
                // Only the records of the log contain the CRC.
                if log.is_some() {
                    self.crc.update(bytes);
                }
                self.written = self.written.wrapping_add(u32::try_from(bytes.len()).unwrap_or(0));
                if kind == Kind::Carry {
                    self.carry = 0;
                }
            }
        }
    }
}

/// A chunk that is being written to flash: the stage of a job that writes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    /// Bytes of the chunk that are in flash or in the carry.
    taken: usize,
}

impl Stream {
    /// Begins to write a chunk. The place in the log is uncertain until its [`end`](Self::end).
    pub(crate) fn new(log: Option<&mut Log>) -> Self {
        if let Some(log) = log {
            // If the job ends early, the log has to be read again.
            log.known = Known::Unread { resume: false };
        }
        Self { taken: 0 }
    }

    /// Returns the rest of the chunk; nothing without a chunk.
    pub(crate) fn rest<'c>(&self, piece: Option<&Piece<'c>>) -> &'c [u8] {
        piece.and_then(|piece| piece.data.get(self.taken..)).unwrap_or(&[])
    }

    /// Returns the next access for this rest of the chunk; nothing when all of it is in flash or in
    /// the carry.
    pub(crate) fn access<F: Geometries>(
        &mut self,
        rest: &[u8],
        upload: &mut Receiving,
        log: Option<&Log>,
        (flash, to): (&F, Device),
        (mut carry, work): (&mut [u8], &mut [u8]),
    ) -> Access {
        let geometry = flash.of(to);
        if F::ARE_TWO {
            carry = carry.get_mut(..size(geometry.write)).unwrap_or_default();
        }
        let moved = upload.gather(rest, carry, geometry);
        self.taken = self.taken.saturating_add(moved);
        upload.access(rest.len().saturating_sub(moved), log, flash, to, work)
    }

    /// Records the completed access for this chunk; a write was of its bytes, or of the carry.
    /// `tail`: the offset from which on the slot was erased first.
    pub(crate) fn done<F: Geometries>(
        &mut self,
        access: Access,
        (piece, carry): (Option<&Piece<'_>>, &[u8]),
        upload: &mut Receiving,
        log: Option<&mut Log>,
        tail: u32,
        (flash, to): (&F, Device),
    ) {
        let mut bytes: &[u8] = carry.get(..size(upload.carried())).unwrap_or(&[]);
        if access.kind == Kind::Chunk {
            bytes = self.rest(piece).get(..size(access.len)).unwrap_or(&[]);
            self.taken = self.taken.saturating_add(bytes.len());
        }
        upload.done(access.kind, bytes, log, tail, flash, to);
    }

    /// Ends the stage: no operation has failed, so the log in flash has the state that is known
    /// here.
    pub(crate) fn end(self, log: Option<&mut Log>) {
        if let Some(log) = log {
            log.known = Known::Read;
        }
    }
}

/// The handling of a chunk, once the session is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// The chunk continues the upload.
    Stream,
    /// The response is this expected offset; nothing is written.
    Answer { off: u32, matched: Option<bool> },
    /// The first chunk of the file that is being uploaded: the response is the expected offset,
    /// unless the application objects.
    Again,
    /// The chunk begins an upload.
    New,
}

/// Decides how to handle a chunk for this image.
///
/// # Errors
///
/// The client: it sent more data than it had announced.
pub(crate) fn route(session: Session, upload: &Receiving, piece: &Piece<'_>, image: u32) -> Result<Route, Error> {
    Ok(match session {
        // Up to the length that the first chunk announced.
        Session::Receiving if piece.off == upload.off() && piece.off > 0 => {
            if piece.end().is_none_or(|end| end > upload.len) {
                return Err(Error::Overrun);
            }
            Route::Stream
        }
        // A repeat, a gap, or a client that starts the same file again: the expected offset makes
        // it continue. Starting from scratch would erase bytes that are already in flash.
        Session::Receiving if piece.off > 0 => Route::Answer { off: upload.off(), matched: None },
        Session::Receiving if upload.image == image && upload.key.is(piece.sha) => Route::Again,
        // The response to the last chunk was lost: without this, the client would see an upload
        // that starts again at 0.
        Session::Complete { matched } if piece.off > 0 && piece.end() == Some(upload.len) => {
            Route::Answer { off: upload.len, matched }
        }
        // No session, for example after a restart: the client must send the first chunk.
        _ if piece.off > 0 => Route::Answer { off: 0, matched: None },
        _ => Route::New,
    })
}
