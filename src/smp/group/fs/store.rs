//! The file group over a small trait that any file system can implement.

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};

use super::{
    Commands, Download, DownloadResponse, Hash, HashOutput, HashResponse, HashType, HashTypesResponse, Path, Status,
    StatusResponse, Upload, UploadResponse,
};
use crate::cbor::{Bytes, Text};
use crate::shown::shown;
use crate::smp::{Empty, Error, error};

/// A file system, as far as this group needs one. Nothing stays open between two calls unless the
/// implementation keeps it open.
pub trait Files {
    /// Returns the length of a file in bytes.
    ///
    /// # Errors
    ///
    /// [`error::fs::FILE_NOT_FOUND`], [`error::fs::FILE_IS_DIRECTORY`] and similar codes.
    fn len(&mut self, path: Path<'_>) -> Result<u64, Error>;

    /// Reads from `off` on; returns the number of bytes, which is less than the length of `into`
    /// only at the end of the file.
    ///
    /// # Errors
    ///
    /// [`error::fs::FILE_READ_FAILED`] and similar codes.
    fn read(&mut self, path: Path<'_>, off: u64, into: &mut [u8]) -> Result<usize, Error>;

    /// Creates the file, or truncates it to nothing.
    ///
    /// # Errors
    ///
    /// [`error::fs::FILE_OPEN_FAILED`] and similar codes.
    fn create(&mut self, path: Path<'_>) -> Result<(), Error>;

    /// Writes all of `data` at the end of the file, which is at `off`.
    ///
    /// # Errors
    ///
    /// [`error::fs::FILE_WRITE_FAILED`] if not all of it fits.
    fn append(&mut self, path: Path<'_>, off: u64, data: &[u8]) -> Result<(), Error>;

    /// Called when the file that was used last is no longer needed.
    fn close(&mut self) {}
}

/// The upload that is running, if any.
#[derive(Clone)]
enum Session {
    /// No upload is running. Exit: a first piece that is not the last one, to `Uploading`.
    Idle,
    /// The file that is being written, the next offset and its final length. Exits: the last
    /// piece, an error of the file system and close, to `Idle`; a first piece, to itself, with its
    /// own file. A piece that is refused changes nothing.
    Uploading { path: heapless::Vec<u8, { Path::MAX_LEN }>, off: u64, len: u64 },
}

/// Serves the file group from a file system, below one root, with the rules of [`Path`].
///
/// A piece of an upload at another offset than the next one is refused, and the refusal contains
/// the next one, where the upload can continue. While no upload of this file is in progress it
/// contains the length of the file, and only offset 0 begins one.
///
/// `buffer` holds a piece of a file that is sent or hashed, so a piece of a download is at most as
/// long.
pub struct Store<'b, F> {
    files: F,
    root: &'b str,
    buffer: &'b mut [u8],
    session: Session,
}

shown!(['b, F] Store<'b, F>, |store| "Store({} bytes)", store.buffer.len());

impl<'b, F: Files> Store<'b, F> {
    /// Serves the files of `files` below `root` (`""` for all of them).
    #[must_use]
    pub const fn new(files: F, root: &'b str, buffer: &'b mut [u8]) -> Self {
        Self { files, root, buffer, session: Session::Idle }
    }

    /// The file system, for the application's own use.
    pub const fn files(&mut self) -> &mut F {
        &mut self.files
    }

    /// Writes a piece of a file, the first one into a new file; returns the offset after it.
    fn store(&mut self, path: Path<'_>, mut off: u64, data: Bytes<'_>) -> Result<u64, Error> {
        if off == 0 {
            self.files.create(path)?;
        }
        for piece in data.chunks().iter() {
            self.files.append(path, off, piece)?;
            off = off.saturating_add(piece.len() as u64);
        }
        Ok(off)
    }

    /// Feeds the range of a file that a request names to `each`, piece by piece; returns its
    /// length.
    fn walk(&mut self, request: &Hash<'_>, mut each: impl FnMut(&[u8])) -> Result<u64, Error> {
        let (path, off) = (Path::parse(request.name, self.root)?, request.off.unwrap_or(0));
        let total = self.files.len(path)?;
        if total == 0 {
            return Err(error::fs::FILE_EMPTY);
        }
        // At the end nothing is left to hash.
        let rest = total.checked_sub(off).filter(|rest| *rest > 0).ok_or(error::fs::FILE_OFFSET_LARGER_THAN_FILE)?;
        let wanted = request.len.map_or(rest, |len| len.min(rest));
        let mut done = 0;
        while done < wanted {
            let piece = usize::try_from(wanted - done).unwrap_or(usize::MAX).min(self.buffer.len());
            let into = self.buffer.get_mut(..piece).unwrap_or_default();
            let read = self.files.read(path, off + done, into)?;
            // The file has become shorter: the loop would not end.
            let read = into.get(..read).filter(|read| !read.is_empty()).ok_or(error::fs::FILE_READ_FAILED)?;
            each(read);
            done += read.len() as u64;
        }
        Ok(wanted)
    }
}

const CRC32: &str = "crc32";
#[cfg(feature = "sha2")]
const SHA256: &str = "sha256";

/// The kinds of hashes; the first one is the default.
const TYPES: &[(Text<'static>, HashType)] = &[
    (Text::from_bytes(CRC32.as_bytes()), HashType { format: 0, size: 4 }),
    #[cfg(feature = "sha2")]
    (Text::from_bytes(SHA256.as_bytes()), HashType { format: 1, size: 32 }),
];

/// The response with a hash of `len` bytes.
const fn hashed<'r>(request: &Hash<'_>, kind: &'static str, len: u64, output: HashOutput<'r>) -> HashResponse<'r> {
    let off = match request.off {
        // By the specification the key is only sent if it is not 0.
        Some(0) => None,
        off => off,
    };
    HashResponse { kind: Text::from_bytes(kind.as_bytes()), off, len, output }
}

impl<F: Files> Store<'_, F> {
    fn crc32(&mut self, request: &Hash<'_>) -> Result<HashResponse<'static>, Error> {
        const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);
        let mut digest = CRC.digest();
        let len = self.walk(request, |piece| digest.update(piece))?;
        Ok(hashed(request, CRC32, len, HashOutput::Number(digest.finalize().into())))
    }

    #[cfg(feature = "sha2")]
    fn sha256(&mut self, request: &Hash<'_>) -> Result<HashResponse<'_>, Error> {
        use sha2::{Digest, Sha256};

        let mut digest = Sha256::new();
        let len = self.walk(request, |piece| digest.update(piece))?;
        let room = self.buffer.first_chunk_mut::<32>().ok_or(Error::NO_MEMORY)?;
        // Written straight into the buffer: a hash returned by value would be copied on the stack.
        digest.finalize_into_reset(room.into());
        Ok(hashed(request, SHA256, len, HashOutput::Bytes(room.as_slice().into())))
    }
}

impl<F: Files> Commands for Store<'_, F> {
    fn download<'r>(&'r mut self, request: Download<'r>, room: usize) -> Result<DownloadResponse<'r>, Error> {
        let path = Path::parse(request.name, self.root)?;
        let len = self.files.len(path)?;
        if request.off > len {
            return Err(error::fs::FILE_OFFSET_LARGER_THAN_FILE);
        }
        let room = room.min(self.buffer.len());
        if room == 0 && request.off < len {
            // A piece without a byte would look like the end of the file.
            return Err(Error::TOO_LARGE);
        }
        let into = self.buffer.get_mut(..room).unwrap_or_default();
        let read = self.files.read(path, request.off, into)?;
        let data = into.get(..read).unwrap_or_default();
        Ok(DownloadResponse { off: request.off, data: data.into(), len: (request.off == 0).then_some(len) })
    }

    fn upload(&mut self, request: Upload<'_>) -> Result<UploadResponse, (Error, Option<u64>)> {
        let alone = |error| (error, None);
        let path = Path::parse(request.name, self.root).map_err(alone)?;
        let expected = match &self.session {
            // Also during an upload of this file: the client begins again.
            _ if request.off == 0 => Some((0, request.len.ok_or(alone(Error::INVALID))?)),
            Session::Uploading { path: open, off, len } if open == path.as_str().as_bytes() => Some((*off, *len)),
            _ => None,
        };
        let Some((off, len)) = expected.filter(|(off, _)| *off == request.off) else {
            let next = expected.map_or_else(|| self.files.len(path).unwrap_or(0), |(off, _)| off);
            return Err((error::fs::FILE_OFFSET_NOT_VALID, Some(next)));
        };
        // More than was announced. Nothing is written, so the upload can still continue.
        if len.checked_sub(off).is_none_or(|rest| request.data.len() as u64 > rest) {
            return Err(alone(Error::INVALID));
        }
        // After a failed write the end of the file is unknown, so the upload has to begin again.
        self.session = Session::Idle;
        let next = self.store(path, off, request.data);
        match (next, heapless::Vec::from_slice(path.as_str().as_bytes())) {
            (Ok(off), Ok(path)) if off < len => self.session = Session::Uploading { path, off, len },
            // After the last piece, or an error, nothing more is written.
            _ => self.files.close(),
        }
        next.map(|off| UploadResponse { off }).map_err(alone)
    }

    fn status(&mut self, request: Status<'_>) -> Result<StatusResponse, Error> {
        let path = Path::parse(request.name, self.root)?;
        Ok(StatusResponse { len: self.files.len(path)? })
    }

    fn hash<'r>(&'r mut self, request: Hash<'r>) -> Result<HashResponse<'r>, Error> {
        // Parsed again where the path is used. Parsed here too, so that its error comes before that
        // of the kind.
        Path::parse(request.name, self.root)?;
        if request.len == Some(0) {
            return Err(Error::INVALID);
        }
        match request.kind {
            None => self.crc32(&request),
            Some(kind) if kind == CRC32 => self.crc32(&request),
            #[cfg(feature = "sha2")]
            Some(kind) if kind == SHA256 => self.sha256(&request),
            Some(_) => Err(error::fs::CHECKSUM_HASH_NOT_FOUND),
        }
    }

    fn hash_types(&mut self) -> Result<HashTypesResponse<'_>, Error> {
        Ok(HashTypesResponse { types: TYPES.into() })
    }

    fn close(&mut self) -> Result<Empty, Error> {
        self.session = Session::Idle;
        self.files.close();
        Ok(Empty {})
    }
}
