//! A few settings, in RAM and in two erase pages.
//!
//! ```text
//!   page   COUNT (4 bytes, not 0) | record of each setting | CRC-16 (2 bytes) | FF FF
//!   record NAME (16 bytes, filled with zeros) | LEN | VALUE (15 bytes)
//! ```
//!
//! Each save goes to the page that is not the newest, so after a power cut the previous one is
//! still there.

use anysmp::checksum::Crc16;
use anysmp::mcuboot::slots::Region;
use anysmp::smp::{Error, error, settings};
use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};

use crate::board::{Flash, SETTINGS};

/// The maximum number of settings.
const COUNT: usize = 8;
/// The maximum length of a name in bytes.
const NAME: usize = 16;
/// The maximum length of a value in bytes.
const VALUE: usize = 15;
/// The length of a record in bytes: name, length, value.
const RECORD: usize = NAME + 1 + VALUE;
/// The length of the used part of a page in bytes: counter, records, CRC.
const LEN: usize = 4 + COUNT * RECORD + 4;
const _: () = assert!(LEN <= Flash::ERASE_SIZE && LEN.is_multiple_of(Flash::WRITE_SIZE));
const _: () = assert!(SETTINGS.len as usize == 2 * Flash::ERASE_SIZE);

/// One setting. An empty name is a free place.
#[derive(Clone, Copy)]
struct Setting {
    name: [u8; NAME],
    len: u8,
    value: [u8; VALUE],
}

impl Setting {
    const FREE: Self = Self { name: [0; NAME], len: 0, value: [0; VALUE] };

    /// Makes a setting; `None` if it does not fit.
    fn new(name: &str, value: &[u8]) -> Option<Self> {
        let mut setting = Self { len: u8::try_from(value.len()).ok()?, ..Self::FREE };
        setting.name.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        setting.value.get_mut(..value.len())?.copy_from_slice(value);
        Some(setting)
    }

    fn is(&self, name: &str) -> bool {
        self.name() == name.as_bytes()
    }

    fn name(&self) -> &[u8] {
        self.name.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    fn value(&self) -> &[u8] {
        self.value.get(..self.len.into()).unwrap_or_default()
    }
}

/// The current values.
pub struct Values {
    settings: [Setting; COUNT],
}

impl Values {
    /// Loads the values saved last, or the defaults of the board.
    pub fn new(flash: &mut Flash) -> Self {
        let mut values = Self { settings: [Setting::FREE; COUNT] };
        if !values.load(flash) {
            let ours = [("device/name", crate::board::NAME.as_bytes()), ("log/level", &[3])];
            for (place, (name, value)) in values.settings.iter_mut().zip(ours) {
                *place = Setting::new(name, value).unwrap_or(Setting::FREE);
            }
        }
        values
    }

    /// Loads the newest page; returns true if there was one.
    fn load(&mut self, flash: &mut Flash) -> bool {
        let Some((_, page, _)) = newest(flash) else { return false };
        let records = page.get(4..LEN - 4).unwrap_or_default().chunks_exact(RECORD);
        for (setting, record) in self.settings.iter_mut().zip(records) {
            if let Some((name, [len, value @ ..])) = record.split_first_chunk() {
                let value = value.first_chunk().copied().unwrap_or_default();
                *setting = Setting { name: *name, len: (*len).min(VALUE as u8), value };
            }
        }
        true
    }

    /// Writes the page that is not the newest.
    fn save(&self, flash: &mut Flash) -> Result<(), <Flash as embedded_storage::nor_flash::ErrorType>::Error> {
        let (count, at) = match newest(flash) {
            Some((count, _, at)) => (count.wrapping_add(1).max(1), other(at)),
            None => (1, SETTINGS.start),
        };
        let mut page = [0xFF; LEN];
        let mut bytes = page.iter_mut();
        let mut put = |from: &[u8]| bytes.by_ref().zip(from).for_each(|(to, from)| *to = *from);
        put(&count.to_le_bytes());
        for Setting { name, len, value } in &self.settings {
            put(name);
            put(&[*len]);
            put(value);
        }
        let crc = Crc16::of(page.get(..LEN - 4).unwrap_or_default());
        if let Some(place) = page.get_mut(LEN - 4..LEN - 2) {
            place.copy_from_slice(&crc.to_be_bytes());
        }
        flash.erase(at, at + Flash::ERASE_SIZE as u32)?;
        flash.write(at, &page)
    }
}

/// Returns the newest valid page: its counter, bytes and address.
fn newest(flash: &mut Flash) -> Option<(u32, [u8; LEN], u32)> {
    let Region { start, .. } = SETTINGS;
    let pages = [start, other(start)].map(|at| {
        let mut page = [0; LEN];
        flash.read(at, &mut page).ok()?;
        let count = u32::from_le_bytes(*page.first_chunk()?);
        // A page of zeros has a CRC of zero, so the counter must not be 0.
        let valid = count != 0 && Crc16::of(page.get(..LEN - 2)?) == 0;
        valid.then_some((count, page, at))
    });
    // Counters wrap: the newer one is less than half of the range ahead.
    pages.into_iter().flatten().max_by(|one, other| (one.0.wrapping_sub(other.0) as i32).cmp(&0))
}

/// Returns the address of the other page.
fn other(at: u32) -> u32 {
    if at == SETTINGS.start { at + Flash::ERASE_SIZE as u32 } else { SETTINGS.start }
}

/// The values and their flash, for the settings group.
pub struct Store<'s> {
    /// The values.
    pub values: &'s mut Values,
    /// The flash that keeps them.
    pub flash: &'s mut Flash,
}

impl settings::Settings for Store<'_> {
    fn get(&mut self, name: &str, into: &mut [u8]) -> Result<usize, Error> {
        let setting = self.values.settings.iter().find(|setting| setting.is(name));
        let value = setting.ok_or(error::settings::KEY_NOT_FOUND)?.value();
        into.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
        Ok(value.len())
    }

    fn set(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        let setting = Setting::new(name, value).ok_or(Error::NO_MEMORY)?;
        let settings = &mut self.values.settings;
        let place = settings.iter().position(|setting| setting.is(name));
        let place = place.or_else(|| settings.iter().position(|setting| setting.is(""))).ok_or(Error::NO_MEMORY)?;
        *settings.get_mut(place).ok_or(Error::NO_MEMORY)? = setting;
        Ok(())
    }

    fn delete(&mut self, name: &str) -> Result<(), Error> {
        let setting = self.values.settings.iter_mut().find(|setting| setting.is(name));
        *setting.ok_or(error::settings::KEY_NOT_FOUND)? = Setting::FREE;
        Ok(())
    }

    fn load(&mut self) -> Result<(), Error> {
        self.values.load(self.flash);
        Ok(())
    }

    /// Saves all settings, because they share a page.
    fn save(&mut self, _: Option<&str>) -> Result<(), Error> {
        self.values.save(self.flash).or(Err(Error::UNKNOWN))
    }
}
