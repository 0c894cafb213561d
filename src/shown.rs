//! Debug output for types with data that must not be logged.
//!
//! | shown | at most its length |
//! |---|---|
//! | names of tasks, pools, sets, groups, files, logs, settings | the value of a setting |
//! | versions, dates, kinds of hashes, descriptions of firmware and boot loader | the content of a file, an image, a log or a memory dump |
//! | the text of an echo | the line and the output of a shell, a token |
//! | hashes of images, which are their names | payloads, messages and buffers, whatever is in them |
//!
//! `tests/logging` has this table as lists of types, and prints one of each.

/// Implements `Debug` and, by feature, `defmt::Format` with one text for both.
macro_rules! shown {
    ([$($generics:tt)*] $type:ty, |$it:pat_param| $text:literal $(, $value:expr)*) => {
        impl<$($generics)*> core::fmt::Debug for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                let $it = self;
                write!(f, $text $(, $value)*)
            }
        }

        #[cfg(feature = "defmt")]
        impl<$($generics)*> defmt::Format for $type {
            fn format(&self, f: defmt::Formatter<'_>) {
                let $it = self;
                defmt::write!(f, $text $(, $value)*)
            }
        }
    };
    ($type:ty, |$it:pat_param| $text:literal $(, $value:expr)*) => {
        $crate::shown::shown!([] $type, |$it| $text $(, $value)*);
    };
}

pub(crate) use shown;
