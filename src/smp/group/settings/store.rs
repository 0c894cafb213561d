//! The settings group over a small trait that any key-value store can implement.

use super::{Commands, Delete, Read, ReadResponse, Save, Write};
use crate::cbor::Text;
use crate::shown::shown;
use crate::smp::{Empty, Error, error};

/// A store of named values, as far as this group needs one.
pub trait Settings {
    /// Copies the value of a setting to the front of `into`; returns the whole length of the value,
    /// even if `into` is shorter.
    ///
    /// # Errors
    ///
    /// [`error::settings::KEY_NOT_FOUND`] and similar codes.
    fn get(&mut self, name: &str, into: &mut [u8]) -> Result<usize, Error>;

    /// Sets a value until the next restart.
    ///
    /// # Errors
    ///
    /// [`error::settings::WRITE_NOT_SUPPORTED`] and similar codes.
    fn set(&mut self, name: &str, value: &[u8]) -> Result<(), Error>;

    /// Deletes a setting.
    ///
    /// # Errors
    ///
    /// [`error::settings::DELETE_NOT_SUPPORTED`] by default.
    fn delete(&mut self, name: &str) -> Result<(), Error> {
        let _ = name;
        Err(error::settings::DELETE_NOT_SUPPORTED)
    }

    /// Makes the values that were set take effect.
    ///
    /// # Errors
    ///
    /// None by default: they have taken effect.
    fn commit(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Loads all settings from storage.
    ///
    /// # Errors
    ///
    /// [`error::settings::READ_NOT_SUPPORTED`] by default.
    fn load(&mut self) -> Result<(), Error> {
        Err(error::settings::READ_NOT_SUPPORTED)
    }

    /// Saves one setting, one subtree, or all.
    ///
    /// # Errors
    ///
    /// [`error::settings::SAVE_NOT_SUPPORTED`] by default.
    fn save(&mut self, name: Option<&str>) -> Result<(), Error> {
        let _ = name;
        Err(error::settings::SAVE_NOT_SUPPORTED)
    }
}

/// Serves the settings group from a [`Settings`].
///
/// Names have 1 to 31 bytes of UTF-8 without control characters; values are not longer than
/// `buffer`.
pub struct Store<'b, S> {
    settings: S,
    buffer: &'b mut [u8],
}

shown!(['b, S] Store<'b, S>, |store| "Store({} bytes)", store.buffer.len());

impl<'b, S: Settings> Store<'b, S> {
    /// The longest name in bytes, as on Zephyr.
    pub const MAX_NAME: usize = 31;

    /// Serves `settings`; `buffer` holds the value that is read or written.
    #[must_use]
    pub const fn new(settings: S, buffer: &'b mut [u8]) -> Self {
        Self { settings, buffer }
    }

    /// The settings, for the application's own use.
    pub const fn settings(&mut self) -> &mut S {
        &mut self.settings
    }

    fn name(name: Text<'_>) -> Result<&str, Error> {
        match name.as_str() {
            Some(name) if name.len() > Self::MAX_NAME => Err(error::settings::KEY_TOO_LONG),
            Some(name) if !name.is_empty() && !name.contains(char::is_control) => Ok(name),
            _ => Err(Error::INVALID),
        }
    }
}

impl<S: Settings> Commands for Store<'_, S> {
    fn read<'r>(&'r mut self, request: Read<'r>) -> Result<ReadResponse<'r>, Error> {
        let name = Self::name(request.name)?;
        let limit = self.buffer.len();
        let wanted = request.max_size.and_then(|size| usize::try_from(size).ok()).unwrap_or(limit);
        let into = self.buffer.get_mut(..wanted.min(limit)).unwrap_or_default();
        let len = self.settings.get(name, into)?;
        // `len` is that of the whole value; only its front has been copied if it is longer.
        let value = into.get(..len).unwrap_or(into);
        // By the specification the limit is sent only if more was requested.
        let max_size = if wanted > limit { u32::try_from(limit).ok() } else { None };
        Ok(ReadResponse { value: value.into(), max_size })
    }

    fn write(&mut self, request: Write<'_>) -> Result<Empty, Error> {
        let name = Self::name(request.name)?;
        let value = request.value.chunks().copy_to(self.buffer).ok_or(Error::NO_MEMORY)?;
        self.settings.set(name, value)?;
        if request.save == Some(true) {
            self.settings.save(Some(name))?;
        }
        Ok(Empty {})
    }

    fn delete(&mut self, request: Delete<'_>) -> Result<Empty, Error> {
        self.settings.delete(Self::name(request.name)?).map(|()| Empty {})
    }

    fn commit(&mut self) -> Result<Empty, Error> {
        self.settings.commit().map(|()| Empty {})
    }

    fn load(&mut self) -> Result<Empty, Error> {
        self.settings.load().map(|()| Empty {})
    }

    fn save(&mut self, request: Save<'_>) -> Result<Empty, Error> {
        let name = request.name.map(Self::name).transpose()?;
        self.settings.save(name).map(|()| Empty {})
    }
}
