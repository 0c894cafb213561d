//! Typed values: the meaning of the bytes of variables, groups, functions and curves.
//!
//! BSMP moves bytes. The document of a device says that four of them are a float, in A, little
//! endian. Declared once, that is true for the node and for the master, and bytes of another length
//! are an error:
//!
//! ```
//! use anysmp::bsmp::{Client, Error, typed};
//!
//! typed::variables! {
//!     /// The variables of a power supply, by id.
//!     pub VARIABLES:
//!     /// Set point of the current, in A.
//!     SETPOINT: f32, writable;
//!     /// Current at the output, in A.
//!     CURRENT: f32;
//! }
//!
//! let client = Client::new();
//! let mut tx = [0; 16];
//! // With a port: `let current: f32 = link.call(&mut client, &CURRENT.read())?;`
//! let (len, pending) = client.request(&CURRENT.read(), &mut tx)?;
//! assert_eq!(tx[..len], [0x10, 0, 1, 1]);
//! assert_eq!(pending.decode(&[0x11, 0, 4, 0, 0, 0x28, 0x41]), Ok(10.5));
//! assert_eq!(pending.decode(&[0x11, 0, 2, 0x28, 0x41]), Err(Error::WrongSize));
//! let (len, _) = client.request(&SETPOINT.write(10.5), &mut tx)?;
//! assert_eq!(tx[..len], [0x20, 0, 5, 0, 0, 0, 0x28, 0x41]);
//! # Ok::<(), Error>(())
//! ```
//!
//! The node makes its [`Table`](super::Table) of the same list (`Table::new(&VARIABLES, ..)`), and
//! copies with [`Typed::put`] and [`Typed::get`] in [`Entities`](super::Entities).
//!
//! # Types
//!
//! Every [`Field`]: `u8` to `u64`, `i8` to `i64`, `f32` and `f64`, little endian as in Sirius'
//! devices; [`Be`] of these, big endian; [`Chars`], text of at most that many bytes; arrays of
//! fields; and structs of fields, which [`fields!`](crate::bsmp::typed::fields) declares:
//!
//! ```
//! use anysmp::bsmp::typed::{self, Be, Chars, Field};
//!
//! typed::fields! {
//!     /// The state of a power supply.
//!     #[derive(Debug, Clone, Copy, PartialEq)]
//!     pub struct State {
//!         /// Bit by bit: interlocks.
//!         pub interlocks: Be<u16>,
//!         /// Temperatures of the heat sinks, in °C.
//!         pub temperatures: [i8; 2],
//!         /// The name of the model.
//!         pub model: Chars<4>,
//!     }
//! }
//!
//! assert_eq!(State::SIZE, 8);
//! let state = State::parse(&[0x80, 0x01, 40, 0xFF, b'F', b'B', b'P', 0]).unwrap();
//! assert_eq!((state.interlocks.0, state.temperatures[1]), (0x8001, -1));
//! assert_eq!(state.model.as_str(), Some("FBP"));
//! let mut bytes = [0; State::SIZE];
//! assert!(state.emit(&mut bytes));
//! assert_eq!(State::parse(&bytes), Some(state));
//! assert_eq!(State::parse(&bytes[1..]), None);
//! ```
//!
//! # Groups
//!
//! [`Directory::values`](super::routine::Directory::values) splits the result of a group read into
//! its members; [`Directory::fill`](super::routine::Directory::fill) builds the values of a group
//! write.
//!
//! # Curves
//!
//! [`Elements`] is a source for [`WriteCurve`](super::routine::WriteCurve); [`elements`] reads the
//! blocks of a [`ReadCurve`](super::routine::ReadCurve).

mod elements;
mod field;
mod function;
mod group;
mod macros;
mod variable;

pub use crate::{__bsmp_fields as fields, __bsmp_variables as variables};
pub use elements::{Elements, elements};
pub use field::{Be, Chars, Field};
pub use function::{Execute, Function};
pub use group::{Filling, Values};
pub use variable::{Read, Typed, Write};
