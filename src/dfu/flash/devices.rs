//! One flash device or two: the sizes of each, and the executor's side of both.
//!
//! ```text
//!   Geometry ──────▶ all regions lie in one flash   ─▶ run(job, &mut flash)
//!   TwoGeometries ─▶ Active: primary slots, records ─▶ run(job, &mut Two::new(&mut internal,
//!                    Spare: secondary slots                                   &mut external))
//! ```

use super::{Failed, Geometry, Operation};
use crate::shown::shown;

/// A flash device of a product that has two. Each operation is for one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_enums, reason = "an executor has to handle each")]
pub enum Device {
    /// The flash of the primary slots, or of [`Regions::active`](crate::dfu::Regions::active); of
    /// everything if there is one flash.
    Active,
    /// The flash of the secondary slots, or of [`Regions::spare`](crate::dfu::Regions::spare).
    Spare,
}

/// The sizes of the flash devices: a [`Geometry`] for one, [`TwoGeometries`] for two. More are not
/// supported.
pub trait Geometries: Copy + core::fmt::Debug + sealed::Sealed {
    /// True for two devices.
    const ARE_TWO: bool;

    /// Returns the sizes of a device.
    fn of(&self, device: Device) -> &Geometry;

    /// Returns the device of the checkpoint region and of the records of an
    /// [`Updater`](crate::dfu::Updater).
    fn records(&self) -> Device;

    /// Returns the largest write size, in bytes.
    fn largest_write(&self) -> u32;

    /// Returns the largest read and write sizes, and the smallest erase size.
    fn widest(&self) -> Geometry;
}

mod sealed {
    use super::{Geometry, TwoGeometries};

    /// Keeps other types from being [`Geometries`](super::Geometries).
    #[cfg(not(feature = "defmt"))]
    #[expect(unnameable_types, reason = "nobody else implements it")]
    pub trait Sealed {}

    /// Keeps other types from being [`Geometries`](super::Geometries), and allows these to be
    /// logged.
    #[cfg(feature = "defmt")]
    #[expect(unnameable_types, reason = "nobody else implements it")]
    pub trait Sealed: defmt::Format {}

    impl Sealed for Geometry {}
    impl Sealed for TwoGeometries {}
}

impl Geometries for Geometry {
    const ARE_TWO: bool = false;

    fn of(&self, _: Device) -> &Geometry {
        self
    }

    fn records(&self) -> Device {
        Device::Active
    }

    fn largest_write(&self) -> u32 {
        self.write
    }

    fn widest(&self) -> Geometry {
        *self
    }
}

/// The sizes of two flash devices. The addresses of each begin at 0 of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "the caller fills it in")]
pub struct TwoGeometries {
    /// The sizes of [`Device::Active`].
    pub active: Geometry,
    /// The sizes of [`Device::Spare`].
    pub spare: Geometry,
    /// The device of the checkpoint region and of the records of an
    /// [`Updater`](crate::dfu::Updater).
    pub records: Device,
}

impl TwoGeometries {
    /// Two devices with these sizes; checkpoints and records lie in the active one.
    #[must_use]
    pub const fn new(active: Geometry, spare: Geometry) -> Self {
        Self { active, spare, records: Device::Active }
    }
}

impl Geometries for TwoGeometries {
    const ARE_TWO: bool = true;

    fn of(&self, device: Device) -> &Geometry {
        match device {
            Device::Active => &self.active,
            Device::Spare => &self.spare,
        }
    }

    fn records(&self) -> Device {
        self.records
    }

    fn largest_write(&self) -> u32 {
        self.active.write.max(self.spare.write)
    }

    fn widest(&self) -> Geometry {
        let Self { active, spare, .. } = self;
        Geometry {
            read: active.read.max(spare.read),
            write: self.largest_write(),
            erase: active.erase.min(spare.erase),
            ..*active
        }
    }
}

/// The flash on which an executor runs jobs: every `NorFlash`, or [`Two`] of them.
pub trait Flash {
    /// True for two devices.
    const ARE_TWO: bool;

    /// Performs an operation on a device.
    ///
    /// # Errors
    ///
    /// The flash: the operation failed.
    fn perform(&mut self, device: Device, operation: Operation<'_>) -> Result<(), Failed>;
}

impl<F: embedded_storage::nor_flash::NorFlash> Flash for F {
    const ARE_TWO: bool = false;

    fn perform(&mut self, _: Device, operation: Operation<'_>) -> Result<(), Failed> {
        match operation {
            Operation::Read { address, into } => self.read(address, into),
            Operation::Write { address, bytes } => self.write(address, bytes),
            Operation::Erase { from, to } => self.erase(from, to),
        }
        .or(Err(Failed))
    }
}

/// Two flash devices, for [`run`](super::run) and its async twin.
pub struct Two<'f, A, S> {
    /// The device [`Active`](Device::Active).
    pub(super) active: &'f mut A,
    /// The device [`Spare`](Device::Spare).
    pub(super) spare: &'f mut S,
}

shown!(['f, A, S] Two<'f, A, S>, |_| "Two");

impl<'f, A, S> Two<'f, A, S> {
    /// Two devices: [`Active`](Device::Active), [`Spare`](Device::Spare).
    #[must_use]
    pub const fn new(active: &'f mut A, spare: &'f mut S) -> Self {
        Self { active, spare }
    }
}

impl<A: Flash, S: Flash> Flash for Two<'_, A, S> {
    const ARE_TWO: bool = true;

    fn perform(&mut self, device: Device, operation: Operation<'_>) -> Result<(), Failed> {
        match device {
            Device::Active => self.active.perform(device, operation),
            Device::Spare => self.spare.perform(device, operation),
        }
    }
}
