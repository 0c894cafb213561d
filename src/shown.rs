//! What types print of themselves that hold what must not be printed.

/// Implements `Debug` and, by feature, `defmt::Format`, with one text for both: payloads, values of
/// settings, file contents and whatever else an application hands over appear as lengths, if at
/// all.
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
