//! The routines, with functions that answer as a server would, or as it should not.

mod files;
mod pacing;
mod scripted;
mod several;
mod upgrade;
mod upload;
mod upload_line;
mod walks;
