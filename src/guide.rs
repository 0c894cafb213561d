//! The guide: one page for each thing that a user of this crate decides or adds.
//!
//! | page | subject |
//! |---|---|
//! | [`buffers`] | all buffers, and the length of each |
//! | [`ports`] | the wrapper for each port; RS-485, USB, ticks, low power, old HALs |
//! | [`no_link`] | UDP and Bluetooth LE without a link or a driver |
//! | [`errors`] | the meaning of each error, retries, requests that must not run twice |
//! | [`self_confirm`] | new firmware that confirms itself after a self-test |
//! | [`boot_mode`] | the boot mode of a device, and its consequences |
//! | [`adding_a_group`] | typed commands of your own, on both ends |
//! | [`adding_a_framing`] | a framing of your own, and its tests |
//! | [`sirius`] | the counterparts of pydrs and siriuspy, for the power supplies of Sirius |
//!
//! The pages are part of the documentation only: no build contains them, and their code runs as
//! tests.

#[doc = include_str!("guide/buffers.md")]
pub mod buffers {}

#[doc = include_str!("guide/ports.md")]
pub mod ports {}

#[doc = include_str!("guide/no_link.md")]
pub mod no_link {}

#[doc = include_str!("guide/errors.md")]
pub mod errors {}

#[doc = include_str!("guide/self_confirm.md")]
pub mod self_confirm {}

#[doc = include_str!("guide/boot_mode.md")]
pub mod boot_mode {}

#[doc = include_str!("guide/adding_a_group.md")]
pub mod adding_a_group {}

#[doc = include_str!("guide/adding_a_framing.md")]
pub mod adding_a_framing {}

#[doc = include_str!("guide/sirius.md")]
pub mod sirius {}
