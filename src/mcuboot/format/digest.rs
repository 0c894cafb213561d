//! Image hashes and their computation.
//!
//! | kind | bytes | TLV | by feature |
//! |---|---|---|---|
//! | [`HashKind::Sha256`] | 32 | 0x10 | `sha2`: `Sha256` |
//! | [`HashKind::Sha384`] | 48 | 0x11 | `sha2`: `Sha384` |
//! | [`HashKind::Sha512`] | 64 | 0x12 | `sha2`: `Sha512` |
//!
//! A boot loader build uses one of them for its images; nRF54 boards, for example, use SHA-512. The
//! `sha` of an upload is a different hash: the SHA-256 of the whole file, whatever hash the images
//! have. A device whose images have a longer hash needs both: [`Digests`]. With the longer one
//! alone uploads work, but the file is not checked against its `sha`, and a file that is there
//! already is sent again.
//!
//! Implement [`Digest`] for a hardware block: only one hash is computed at a time, so the
//! implementation may own the peripheral.

use super::tlv::Kind;
use crate::shown::shown;

/// The kind of hash that identifies an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum HashKind {
    /// SHA-256, which most builds use.
    Sha256,
    /// SHA-384, whose hash has 48 bytes.
    Sha384,
    /// SHA-512, whose hash has 64 bytes.
    Sha512,
}

impl HashKind {
    /// Returns the length of the hash in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a hash is never empty")]
    pub const fn len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Returns the kind of a hash of this length; `None` for other lengths.
    pub(crate) const fn of_len(len: usize) -> Option<Self> {
        match len {
            32 => Some(Self::Sha256),
            48 => Some(Self::Sha384),
            64 => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Returns the kind of hash in a TLV of this type; `None` for other types.
    pub(super) const fn of_tlv(kind: Kind) -> Option<Self> {
        match kind {
            Kind::SHA256 => Some(Self::Sha256),
            Kind::SHA384 => Some(Self::Sha384),
            Kind::SHA512 => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Returns the type of the TLV that contains the hash.
    #[must_use]
    pub const fn tlv(self) -> Kind {
        match self {
            Self::Sha256 => Kind::SHA256,
            Self::Sha384 => Kind::SHA384,
            Self::Sha512 => Kind::SHA512,
        }
    }
}

/// A hash: 32, 48 or 64 bytes.
#[derive(Clone, Copy)]
pub struct Hash {
    len: u8,
    bytes: [u8; Self::MAX_LEN],
}

impl Hash {
    /// The length of the longest hash in bytes.
    pub const MAX_LEN: usize = 64;

    /// An empty place for a hash, which [`set`](Self::set) fills.
    pub(crate) const BLANK: Self = Self { len: 0, bytes: [0; Self::MAX_LEN] };

    /// Copies `hash`; `None` if its length is not that of a [`HashKind`].
    #[must_use]
    pub fn new(hash: &[u8]) -> Option<Self> {
        let mut copy = Self::BLANK;
        copy.set(hash)?;
        Some(copy)
    }

    /// Copies `hash` if its length is that of a [`HashKind`].
    pub(crate) fn set(&mut self, hash: &[u8]) -> Option<()> {
        HashKind::of_len(hash.len())?;
        self.len = u8::try_from(hash.len()).ok()?;
        crate::bytes::copy(hash, &mut self.bytes);
        Some(())
    }

    /// Returns the bytes of the hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or(&[])
    }
}

impl PartialEq for Hash {
    fn eq(&self, other: &Self) -> bool {
        // The bytes after a hash may be those of a longer one that was there before.
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Hash {}

impl core::fmt::Debug for Hash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Hash {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=[u8]:02x}", self.as_bytes());
    }
}

/// Computes a hash piece by piece.
pub trait Digest {
    /// The kind of hash that identifies images.
    const KIND: HashKind;

    /// The kind of hash for whole files, by which an upload is checked; `None` if this digest has
    /// none. By default that of images, if it is SHA-256.
    const FILE_KIND: Option<HashKind> = match Self::KIND {
        // The `sha` of an upload is always SHA-256.
        HashKind::Sha256 => Some(HashKind::Sha256),
        _ => None,
    };

    /// Starts again from no bytes, for the hash of an image.
    fn reset(&mut self);

    /// Starts again from no bytes, for the hash of a whole file.
    fn reset_for_file(&mut self) {
        self.reset();
    }

    /// Adds `bytes`, in pieces of any length.
    fn update(&mut self, bytes: &[u8]);

    /// Returns the hash of all bytes since the last reset. Call [`reset`](Self::reset) before the
    /// next update.
    fn finish(&mut self) -> Hash;

    /// [Finishes](Self::finish), and returns true if the hash is this one.
    fn is(&mut self, hash: &[u8]) -> bool {
        self.finish().as_bytes() == hash
    }
}

/// Two digests: `I` for images, and `F`, which is SHA-256, for whole files.
///
/// ```
/// # #[cfg(feature = "sha2")] {
/// use anysmp::mcuboot::digest::{Digest, Digests, HashKind, Sha256, Sha512};
///
/// // A device whose MCUboot has SHA-512; pass it to `slots::Slots::new`.
/// let digest = Digests::new(Sha512::new(), Sha256::new());
/// fn kinds<D: Digest>(_: &D) -> (HashKind, Option<HashKind>) {
///     (D::KIND, D::FILE_KIND)
/// }
/// assert_eq!(kinds(&digest), (HashKind::Sha512, Some(HashKind::Sha256)));
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Digests<I, F> {
    image: I,
    file: F,
    running: Running,
}

shown!([I, F] Digests<I, F>, |digests| "Digests({:?})", digests.running);

/// The digest of [`Digests`] that was reset last.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Running {
    /// The digest of an image. Exit: a reset for a file.
    #[default]
    Image,
    /// The digest of a file. Exit: a reset for an image.
    File,
}

impl<I: Digest, F: Digest> Digests<I, F> {
    /// Hashes images with `image` and files with `file`.
    #[must_use]
    pub const fn new(image: I, file: F) -> Self {
        Self { image, file, running: Running::Image }
    }
}

impl<I: Digest, F: Digest> Digest for Digests<I, F> {
    const KIND: HashKind = I::KIND;
    const FILE_KIND: Option<HashKind> = F::FILE_KIND;

    fn reset(&mut self) {
        self.running = Running::Image;
        self.image.reset();
    }

    fn reset_for_file(&mut self) {
        self.running = Running::File;
        self.file.reset_for_file();
    }

    fn update(&mut self, bytes: &[u8]) {
        match self.running {
            Running::Image => self.image.update(bytes),
            Running::File => self.file.update(bytes),
        }
    }

    fn finish(&mut self) -> Hash {
        match self.running {
            Running::Image => self.image.finish(),
            Running::File => self.file.finish(),
        }
    }
}

/// A digest by the `sha2` crate, in software.
#[cfg(feature = "sha2")]
macro_rules! software {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Default)]
        pub struct $name(sha2::$name);

        impl $name {
            /// A digest of no bytes.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }

            /// Returns the hash of one run of bytes.
            #[must_use]
            pub fn of(bytes: &[u8]) -> Hash {
                let mut digest = Self::new();
                digest.update(bytes);
                digest.finish()
            }
        }

        impl Digest for $name {
            const KIND: HashKind = HashKind::$name;

            fn reset(&mut self) {
                sha2::Digest::reset(&mut self.0);
            }

            fn update(&mut self, bytes: &[u8]) {
                sha2::Digest::update(&mut self.0, bytes);
            }

            fn finish(&mut self) -> Hash {
                // Written in place: each copy of the result would add to the deepest stack of a
                // server.
                let mut hash = Hash { len: $len, bytes: [0; Hash::MAX_LEN] };
                if let Some(bytes) = hash.bytes.first_chunk_mut::<$len>() {
                    sha2::Digest::finalize_into_reset(&mut self.0, bytes.into());
                }
                hash
            }

            // Without a `Hash`: 104 bytes of stack less in a server with slots.
            fn is(&mut self, hash: &[u8]) -> bool {
                let mut bytes = [0; $len];
                sha2::Digest::finalize_into_reset(&mut self.0, (&mut bytes).into());
                bytes == hash
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(stringify!($name))
            }
        }

        #[cfg(feature = "defmt")]
        impl defmt::Format for $name {
            fn format(&self, f: defmt::Formatter<'_>) {
                defmt::write!(f, "{=str}", stringify!($name));
            }
        }
    };
}

#[cfg(feature = "sha2")]
software! {
    /// SHA-256 by the `sha2` crate, in software: about 10 KB of code on a Cortex-M. With `--cfg
    /// sha2_backend_soft="compact"` it takes 1.1 KB and is slower. The crate reads the switch from
    /// the flags of the whole build, in `RUSTFLAGS` or in `.cargo/config.toml`:
    ///
    /// ```toml
    /// [target.'cfg(target_os = "none")']
    /// rustflags = ['--cfg', 'sha2_backend_soft="compact"']
    /// ```
    Sha256, 32
}

#[cfg(feature = "sha2")]
software! {
    /// SHA-384 by the `sha2` crate, in software, with the code of [`Sha512`].
    Sha384, 48
}

#[cfg(feature = "sha2")]
software! {
    /// SHA-512 by the `sha2` crate, in software. It is made for 64-bit processors: on a Cortex-M it
    /// takes more code than [`Sha256`], and the switch for the compact form applies here too. At
    /// `opt-level = "z"`, in an image with both, the compiler keeps a bounds check of the `sha2`
    /// crate that cannot fail: the proof that no panic is linked leaves this digest out there.
    Sha512, 64
}
