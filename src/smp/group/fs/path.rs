//! The paths that a server accepts.

use crate::cbor::Text;
use crate::shown::shown;
use crate::smp::{Error, error};

/// A path that may be passed to a file system: absolute, below the server's root, and its own
/// normal form.
///
/// Refused with [`FILE_INVALID_NAME`](error::fs::FILE_INVALID_NAME):
///
/// | refused | why |
/// |---|---|
/// | empty, longer than [`MAX_LEN`](Self::MAX_LEN), in several pieces, not UTF-8 | file systems do not agree on its meaning |
/// | NUL and other control characters, `\` | ends a C string, or separates names elsewhere |
/// | not starting with `/`, `//`, a trailing `/` | two spellings of one file |
/// | `.` and `..` as a name | escapes the root, or a second spelling |
/// | outside the root | only the root is exposed |
///
/// Nothing is left to normalise, so the path that was checked is the path that is opened. Symbolic
/// links are left to the file system.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Path<'p> {
    whole: &'p str,
    below: &'p str,
}

impl<'p> Path<'p> {
    /// The longest path in bytes: Zephyr's default.
    pub const MAX_LEN: usize = 64;

    /// Checks a path. `root` is `""` for everything, or an absolute directory without a trailing
    /// slash.
    ///
    /// # Errors
    ///
    /// [`FILE_INVALID_NAME`](error::fs::FILE_INVALID_NAME): the client's fault.
    pub fn parse(name: Text<'p>, root: &str) -> Result<Self, Error> {
        name.as_str().and_then(|whole| Self::check(whole, root)).ok_or(error::fs::FILE_INVALID_NAME)
    }

    fn check(whole: &'p str, root: &str) -> Option<Self> {
        let below = whole.strip_prefix(root)?.strip_prefix('/')?;
        let clean = whole.len() <= Self::MAX_LEN
            && !whole.contains(|c: char| c.is_control() || c == '\\')
            && whole.strip_prefix('/')?.split('/').all(|name| !matches!(name, "" | "." | ".."));
        clean.then_some(Self { whole, below })
    }

    /// The whole path, root included, as the client sent it.
    #[must_use]
    pub const fn as_str(self) -> &'p str {
        self.whole
    }

    /// The part below the root, without a slash at its front.
    #[must_use]
    pub const fn below_root(self) -> &'p str {
        self.below
    }
}

shown!(Path<'_>, |path| "Path({:?})", path.whole);
