//! The actions of a boot loader at every start: the factory image, and the swap of two slots.
//!
//! It follows MCUboot's decision table and trailer, so that a client sees the behaviour of a real
//! one: test, confirm, revert. It starts no other program and does not survive a power cut. If the
//! image of a revert is damaged, it tries again at the next start, whereas MCUboot keeps the
//! running image. An image under a real MCUboot needs none of this.

use anysmp::mcuboot::build::Builder;
use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::slots::{BootMode, Region};
use anysmp::mcuboot::trailer::{Field, Flag, Layout, SwapType};
use anysmp::mcuboot::{Flags, Image, Version};
use anysmp::testing::bootloader::Bootloader;
use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};

use crate::board::{Flash, PRIMARY, SECONDARY, contents};

/// The alignment of the trailers: MCUboot's default.
pub const ALIGN: u32 = 8;

/// One erase page.
const PAGE: usize = Flash::ERASE_SIZE;
/// Erase pages of a slot: `BOOT_MAX_IMG_SECTORS` of this boot loader, which swaps page by page as
/// swap-move does.
pub const SECTORS: u32 = PRIMARY.len / PAGE as u32;

type Result<T> = core::result::Result<T, <Flash as embedded_storage::nor_flash::ErrorType>::Error>;

/// The result of a start.
pub enum Boot {
    /// Another image was scheduled, and the slots were swapped.
    Swapped(SwapType),
    /// Another image was scheduled, but it is damaged.
    Rejected,
    /// The same image as before runs.
    Stayed,
    /// There was no image: the factory image was installed, and both slots were erased.
    Factory,
}

/// Performs the start of a boot loader. Returns the result, and the version of the image in the
/// primary slot.
///
/// # Errors
///
/// Returns the error of the flash.
// Not inlined: its caller never returns, and would keep two erase pages on its stack.
#[inline(never)]
pub fn boot(flash: &mut Flash) -> Result<(Boot, Option<Version>)> {
    let outcome = start(flash)?;
    let version = Image::parse(slot(flash, PRIMARY)).map(|image| image.header().version());
    Ok((outcome, version.ok()))
}

fn start(flash: &mut Flash) -> Result<Boot> {
    let Some(layout) = Layout::new(ALIGN) else { return Ok(Boot::Stayed) };
    let sizes = [Flash::WRITE_SIZE as u32, PAGE as u32];
    let loader = Bootloader::new(BootMode::SwapMove, layout, sizes, [PRIMARY, SECONDARY]);
    let good = |flash: &Flash, region| {
        let bootable = |image: &Image<'_>| !image.header().flags().intersects(Flags::NON_BOOTABLE);
        let image = Image::parse(slot(flash, region)).ok().filter(bootable);
        image.is_some_and(|image| image.verify(&mut Sha256::new()).is_ok())
    };
    let kind = SwapType::decide(&loader.trailer(slot(flash, PRIMARY)), &loader.trailer(slot(flash, SECONDARY)));
    if kind == SwapType::None {
        if good(flash, PRIMARY) {
            return Ok(Boot::Stayed);
        }
        manufacture(flash)?;
        return Ok(Boot::Factory);
    }
    if !good(flash, SECONDARY) {
        // The whole slot, as MCUboot does: a client would not upload an image again that is still
        // listed.
        flash.erase(SECONDARY.start, SECONDARY.start + SECONDARY.len)?;
        return Ok(Boot::Rejected);
    }
    let trailer = layout.len().next_multiple_of(PAGE as u32);
    for at in (0..PRIMARY.len).step_by(PAGE) {
        swap(flash, PRIMARY.start + at, SECONDARY.start + at, at < PRIMARY.len - trailer)?;
    }
    let end = PRIMARY.start + PRIMARY.len;
    flash.write(end - layout.from_end(Field::Magic), &layout.magic())?;
    let confirmed = (kind != SwapType::Test).then_some((Field::ImageOk, Flag::SET));
    let flags = [(Field::CopyDone, Flag::SET), (Field::SwapInfo(kind), kind as u8)];
    for (field, byte) in flags.into_iter().chain(confirmed) {
        flash.write(end - layout.from_end(field), &[byte, 0xFF, 0xFF, 0xFF])?;
    }
    Ok(Boot::Swapped(kind))
}

/// Returns the contents of a slot.
fn slot(flash: &Flash, region: Region) -> &[u8] {
    contents(flash).get(region.start as usize..).and_then(|rest| rest.get(..region.len as usize)).unwrap_or(&[])
}

/// Swaps two pages, or erases both.
fn swap(flash: &mut Flash, one: u32, other: u32, keep: bool) -> Result<()> {
    let mut pages = [[0; PAGE]; 2];
    for (page, at) in pages.iter_mut().zip([one, other]) {
        flash.read(at, page)?;
        flash.erase(at, at + PAGE as u32)?;
    }
    for (page, at) in pages.iter().zip([other, one]).filter(|_| keep) {
        write(flash, at, page)?;
    }
    Ok(())
}

/// Writes whole units, except those that stay erased.
fn write(flash: &mut Flash, at: u32, bytes: &[u8]) -> Result<()> {
    const UNIT: usize = Flash::WRITE_SIZE;
    for (unit, at) in bytes.chunks_exact(UNIT).zip((at..).step_by(UNIT)) {
        if unit != [0xFF; UNIT] {
            flash.write(at, unit)?;
        }
    }
    Ok(())
}

/// Erases both slots and installs version 1.0.0.
fn manufacture(flash: &mut Flash) -> Result<()> {
    let mut image = [0xFF; 128];
    let built = Builder::new(Version::new(1, 0, 0)).build(b"factory", &mut Sha256::new(), &mut image);
    flash.erase(PRIMARY.start, SECONDARY.start + SECONDARY.len)?;
    // The rest of the buffer stays erased. The image always fits.
    write(flash, PRIMARY.start, if built.is_ok() { &image } else { &[] })
}
