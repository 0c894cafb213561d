//! The source of a configuration: a value, or a constant of the program.

use super::config::Config;
use crate::dfu::flash::Geometries;

/// The source of a configuration: a [`Config`], or a type of the application with a constant one.
///
/// A [`Config`] may be chosen at run time, so the program contains the code of all options. A
/// constant is known at compile time: the code of options that it does not choose is left out, and
/// the configuration takes no RAM. On a Cortex-M0 that saves 2.9 KB of flash for swap-move without
/// a checkpoint.
///
/// ```
/// # #[cfg(feature = "sha2")]
/// # fn main() -> Result<(), anysmp::mcuboot::slots::ConfigError> {
/// use anysmp::mcuboot::digest::Sha256;
/// use anysmp::mcuboot::slots::{Config, Geometry, Pair, Region, Setup, Slots, scratch_len};
///
/// struct Board;
///
/// impl Setup for Board {
///     type Flash = Geometry;
///
///     fn config(&self) -> &Config {
///         // A constant: a value that is made at each call could not be returned.
///         const { &Config::swap_move(Geometry::new(1, 4, 4096, 1 << 20), 112) }
///     }
/// }
///
/// let mut pairs = [Pair::new(Region::new(0x10000, 0x70000), Region::new(0x80000, 0x70000))];
/// let mut scratch = [0; scratch_len(1, 4)];
/// let slots = Slots::new(Board, &mut pairs, &mut scratch, Sha256::new())?;
/// // Where the type has to be named:
/// let _: Slots<'_, Sha256, (), Board> = slots;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sha2"))]
/// # fn main() {}
/// ```
pub trait Setup {
    /// The sizes of one flash device, [`Geometry`](crate::dfu::flash::Geometry), or of two,
    /// [`TwoGeometries`](crate::dfu::flash::TwoGeometries).
    type Flash: Geometries;

    /// Returns the configuration, the same one at each call.
    fn config(&self) -> &Config<Self::Flash>;
}

impl<F: Geometries> Setup for Config<F> {
    type Flash = F;

    fn config(&self) -> &Self {
        self
    }
}
