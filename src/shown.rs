//! Debug output for types with data that must not be logged.

/// Implements `Debug` and, by feature, `defmt::Format` with one text for both. Payloads, settings,
/// file contents and other data of the application appear as lengths, if at all.
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
