//! The request for the version of the protocol.

use super::client::{Error, Request};
use super::{Command, Version};

/// Asks a node for the version of the protocol that it speaks (BSMP 2.30, section 3.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[expect(clippy::exhaustive_structs, reason = "a request: the caller fills it in")]
pub struct QueryVersion;

impl Request for QueryVersion {
    type Kind = Self;
    type Response<'m> = Version;
    type Expectation = ();
    const COMMAND: Command = Command::QUERY_VERSION;

    fn expectation(&self) {}

    fn decode((): &(), payload: &[u8]) -> Result<Version, Error> {
        match *payload {
            [version, subversion, revision] => Ok(Version { version, subversion, revision }),
            _ => Err(Error::WrongSize),
        }
    }
}
