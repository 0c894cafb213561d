//! The part of a boot loader, played at every start: the factory image, and the swap of two slots.
//!
//! It follows MCUboot's decision table and trailer, so that a client sees what it would see of a real one: test, confirm,
//! revert. It jumps nowhere and does not survive a power cut of its own; where MCUboot gives up a revert whose image is
//! damaged and keeps what runs, this asks for it again at the next start. An image under a real MCUboot has none of this.

use anysmp::mcuboot::build::Builder;
use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::slots::Region;
use anysmp::mcuboot::trailer::{Field, Flag, Layout, SwapType};
use anysmp::mcuboot::{Image, Version};
use anysmp::testing::bootloader::Bootloader;
use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};

use crate::board::{Flash, PRIMARY, SECONDARY, contents};

/// The alignment of the trailers: MCUboot's default.
pub const ALIGN: u32 = 8;

/// One erase page.
const PAGE: usize = Flash::ERASE_SIZE;

type Result<T> = core::result::Result<T, <Flash as embedded_storage::nor_flash::ErrorType>::Error>;

/// What the board comes up with.
pub enum Boot {
    /// Another image was to be started: the slots have changed places.
    Swapped(SwapType),
    /// Another image was to be started, but it is damaged.
    Rejected,
    /// The same image as before.
    Stayed,
    /// The first one: there was no image to start. Whatever was in the slots is gone.
    Factory,
}

/// Does what a boot loader does at each start. Returns what that was, and the version of the image in the primary slot.
///
/// # Errors
///
/// Those of the flash.
// Not inlined: its caller never returns, and would keep room for two erase pages on its stack.
#[inline(never)]
pub fn boot(flash: &mut Flash) -> Result<(Boot, Option<Version>)> {
    let outcome = start(flash)?;
    let version = Image::parse(slot(flash, PRIMARY)).map(|image| image.header().version());
    Ok((outcome, version.ok()))
}

fn start(flash: &mut Flash) -> Result<Boot> {
    let Some(layout) = Layout::new(ALIGN) else { return Ok(Boot::Stayed) };
    let loader = Bootloader { primary: PRIMARY, secondary: SECONDARY, layout, erased: 0xFF };
    let good = |flash: &Flash, region| {
        Image::parse(slot(flash, region)).and_then(|image| image.verify(&mut Sha256::new())).is_ok()
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
        // The whole slot, as MCUboot does: an image that is still listed would not be uploaded again.
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

/// The contents of a slot.
fn slot(flash: &Flash, region: Region) -> &[u8] {
    contents(flash).get(region.start as usize..).and_then(|rest| rest.get(..region.len as usize)).unwrap_or(&[])
}

/// Lets two pages change places, or erases both.
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

/// Writes whole units; those that stay erased are left alone.
fn write(flash: &mut Flash, at: u32, bytes: &[u8]) -> Result<()> {
    const UNIT: usize = Flash::WRITE_SIZE;
    for (unit, at) in bytes.chunks_exact(UNIT).zip((at..).step_by(UNIT)) {
        if unit != [0xFF; UNIT] {
            flash.write(at, unit)?;
        }
    }
    Ok(())
}

/// Puts version 1.0.0 into an empty flash.
fn manufacture(flash: &mut Flash) -> Result<()> {
    let mut image = [0xFF; 128];
    let built = Builder::new(Version::new(1, 0, 0)).build(b"factory", &mut Sha256::new(), &mut image);
    flash.erase(PRIMARY.start, SECONDARY.start + SECONDARY.len)?;
    // What is beyond its end stays erased. It always fits.
    write(flash, PRIMARY.start, if built.is_ok() { &image } else { &[] })
}
