//! Gates that are ready to use.

use super::gate::{Candidate, Event, Gate, Offer, TlvPiece};
use crate::bytes::copy;
use crate::dfu::Error;
use crate::mcuboot::Version;
use crate::mcuboot::tlv::Kind;
use crate::shown::shown;

/// Keeps older firmware out: an upload or a mark of a version below the running one is refused
/// (27), and so is a mark of an image whose security counter is missing or below a limit, if there
/// is one.
///
/// It is a rule of the device, whose firmware can be replaced. MCUboot has the last word with its
/// `MCUBOOT_DOWNGRADE_PREVENTION` and `MCUBOOT_HW_ROLLBACK_PROT`; this gate informs a client before
/// the file is sent. If no running version is known, as in an empty slot of a recovery loader, only
/// the counter is checked.
///
/// ```
/// # #[cfg(feature = "sha2")]
/// # fn main() -> Result<(), anysmp::mcuboot::slots::ConfigError> {
/// use anysmp::mcuboot::digest::Sha256;
/// use anysmp::mcuboot::slots::{Config, DowngradeProtection, Geometry};
/// use anysmp::mcuboot::slots::{Pair, Region, Slots, scratch_len};
///
/// let config = Config::swap_move(Geometry::new(1, 4, 4096, 0x10_0000), 112);
/// let mut pairs = [Pair::new(Region::new(0x10000, 0x70000), Region::new(0x80000, 0x70000))];
/// let mut scratch = [0; scratch_len(1, 4)];
/// let slots = Slots::new(config, &mut pairs, &mut scratch, Sha256::new())?
///     .with_gate(DowngradeProtection::new().with_security_counter(3));
/// # let _ = slots;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sha2"))]
/// # fn main() {}
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct DowngradeProtection<G = ()> {
    /// The lowest counter that may run.
    counter: Option<u32>,
    /// The security counter of the image that is to be marked.
    found: Option<u32>,
    compare_build: bool,
    inner: G,
}

shown!([G] DowngradeProtection<G>, |it| "DowngradeProtection(lowest counter {:?})", it.counter);

impl DowngradeProtection {
    /// A rule for versions without their build numbers.
    #[must_use]
    pub const fn new() -> Self {
        Self { counter: None, found: None, compare_build: false, inner: () }
    }
}

impl<G> DowngradeProtection<G> {
    /// Also refuses marks of images whose security counter (protected TLV 0x50) is below `least`.
    #[must_use]
    pub fn with_security_counter(self, least: u32) -> Self {
        Self { counter: Some(least), ..self }
    }

    /// Compares build numbers too, as a boot loader does with
    /// `MCUBOOT_VERSION_CMP_USE_BUILD_NUMBER`.
    #[must_use]
    pub fn with_compare_build(self, compare_build: bool) -> Self {
        Self { compare_build, ..self }
    }

    /// Asks another gate after this one; that gate receives all events.
    #[must_use]
    pub fn with_gate<H: Gate>(self, inner: H) -> DowngradeProtection<H> {
        let Self { counter, found, compare_build, .. } = self;
        DowngradeProtection { counter, found, compare_build, inner }
    }

    /// Refuses a version below the running one.
    fn check(&self, version: Version, running: Option<Version>) -> Result<(), Error> {
        let compared = |version: Version| if self.compare_build { version } else { version.release() };
        let is_older = running.is_some_and(|running| compared(version) < compared(running));
        if is_older { Err(Error::NotNewer) } else { Ok(()) }
    }
}

impl<G: Gate> Gate for DowngradeProtection<G> {
    const TAKES_PADDED: bool = G::TAKES_PADDED;

    fn upload(&mut self, offer: &Offer<'_>) -> Result<(), Error> {
        self.check(offer.header.version(), offer.running)?;
        self.inner.upload(offer)
    }

    fn begin(&mut self) {
        self.found = None;
        self.inner.begin();
    }

    fn tlv(&mut self, piece: &TlvPiece<'_>) {
        // Only a protected entry counts, since anyone can change the others; and only the first
        // one, as in MCUboot.
        if piece.protected && piece.kind == Kind::SECURITY_COUNTER && self.found.is_none() {
            self.found = piece.bytes.try_into().ok().map(u32::from_le_bytes);
        }
        self.inner.tlv(piece);
    }

    fn mark(&mut self, candidate: &Candidate<'_>) -> Result<(), Error> {
        let found = self.found;
        // The running image may be confirmed, whatever its version.
        if !candidate.active {
            self.check(candidate.header.version(), candidate.running)?;
            if self.counter.is_some_and(|least| found.is_none_or(|found| found < least)) {
                return Err(Error::NotNewer);
            }
        }
        self.inner.mark(candidate)
    }

    fn event(&mut self, event: Event) {
        self.inner.event(event);
    }
}

/// Checks an ed25519 signature, with the key and the code of the application.
pub trait Verifier {
    /// Returns true if `signature` is one of `hash` by a key that this device trusts.
    fn verify(&mut self, hash: &[u8], signature: &[u8; 64]) -> bool;
}

/// Refuses a mark (3) of an image in the other slot without a good ed25519 signature of its hash
/// (TLV 0x24), so that a client is informed before a reset. MCUboot remains the authority: it
/// checks at every start, this gate only once.
///
/// Images that are signed as a whole (`imgtool --vector-to-sign` without a hash, "pure") cannot be
/// checked in this way.
#[derive(Clone, Copy)]
pub struct SignatureCheck<V, G = ()> {
    verifier: V,
    signature: [u8; 64],
    /// The number of bytes of the signature that have come.
    seen: u16,
    inner: G,
}

shown!([V, G] SignatureCheck<V, G>, |it| "SignatureCheck({} bytes of a signature)", it.seen);

impl<V: Verifier> SignatureCheck<V> {
    /// A gate that asks this verifier.
    #[must_use]
    pub const fn new(verifier: V) -> Self {
        Self { verifier, signature: [0; 64], seen: 0, inner: () }
    }
}

impl<V, G> SignatureCheck<V, G> {
    /// Asks another gate after this one; that gate receives all events.
    #[must_use]
    pub fn with_gate<H: Gate>(self, inner: H) -> SignatureCheck<V, H> {
        let Self { verifier, signature, seen, .. } = self;
        SignatureCheck { verifier, signature, seen, inner }
    }
}

impl<V: Verifier, G: Gate> Gate for SignatureCheck<V, G> {
    const TAKES_PADDED: bool = G::TAKES_PADDED;

    fn upload(&mut self, offer: &Offer<'_>) -> Result<(), Error> {
        self.inner.upload(offer)
    }

    fn begin(&mut self) {
        self.seen = 0;
        self.inner.begin();
    }

    fn tlv(&mut self, piece: &TlvPiece<'_>) {
        // Only the first one: MCUboot would not look for a second signature.
        if !piece.protected && piece.kind == Kind::ED25519 && piece.len == 64 && self.seen == piece.offset {
            if let Some(place) = self.signature.get_mut(piece.offset.into()..) {
                copy(piece.bytes, place);
            }
            self.seen = self.seen.saturating_add(u16::try_from(piece.bytes.len()).unwrap_or(0));
        }
        self.inner.tlv(piece);
    }

    fn mark(&mut self, candidate: &Candidate<'_>) -> Result<(), Error> {
        let is_whole = self.seen == 64;
        if !(candidate.active || is_whole && self.verifier.verify(candidate.hash, &self.signature)) {
            return Err(Error::NoImage);
        }
        self.inner.mark(candidate)
    }

    fn event(&mut self, event: Event) {
        self.inner.event(event);
    }
}

/// Accepts padded files (`imgtool sign --pad`, with or without `--confirm`), which are marked when
/// they are complete; asks another gate about everything else.
///
/// ```
/// # #[cfg(feature = "sha2")]
/// # fn main() -> Result<(), anysmp::mcuboot::slots::ConfigError> {
/// use anysmp::mcuboot::digest::Sha256;
/// use anysmp::mcuboot::slots::{Config, DowngradeProtection, Geometry, PaddedFiles};
/// use anysmp::mcuboot::slots::{Pair, Region, Slots, scratch_len};
///
/// let config = Config::swap_move(Geometry::new(1, 4, 4096, 0x10_0000), 112);
/// let mut pairs = [Pair::new(Region::new(0x10000, 0x70000), Region::new(0x80000, 0x70000))];
/// let mut scratch = [0; scratch_len(1, 4)];
/// let slots = Slots::new(config, &mut pairs, &mut scratch, Sha256::new())?
///     .with_gate(PaddedFiles::new(DowngradeProtection::new()));
/// # let _ = slots;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sha2"))]
/// # fn main() {}
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct PaddedFiles<G = ()> {
    inner: G,
}

shown!([G] PaddedFiles<G>, |_| "PaddedFiles");

impl<G: Gate> PaddedFiles<G> {
    /// Accepts padded files; `inner` decides on everything else, `()` allows it.
    #[must_use]
    pub const fn new(inner: G) -> Self {
        Self { inner }
    }
}

impl<G: Gate> Gate for PaddedFiles<G> {
    const IS_ASKED: bool = G::IS_ASKED;
    const TAKES_PADDED: bool = true;

    fn upload(&mut self, offer: &Offer<'_>) -> Result<(), Error> {
        self.inner.upload(offer)
    }

    fn begin(&mut self) {
        self.inner.begin();
    }

    fn tlv(&mut self, piece: &TlvPiece<'_>) {
        self.inner.tlv(piece);
    }

    fn mark(&mut self, candidate: &Candidate<'_>) -> Result<(), Error> {
        self.inner.mark(candidate)
    }

    fn event(&mut self, event: Event) {
        self.inner.event(event);
    }
}
