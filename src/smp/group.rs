//! The groups of commands, one file each: the requests in the order of the specification,
//! `Commands` and `dispatch`.
//!
//! The public paths are those of [`smp`](crate::smp): `smp::os` and so on.

pub mod enumeration;
pub mod fs;
pub mod image;
pub mod legacy;
pub mod os;
pub mod settings;
pub mod shell;
pub mod stat;
pub mod transport;
pub mod zephyr;
