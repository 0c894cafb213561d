//! Single commands.

use std::io;

use anysmp::line;
use anysmp::s3mp::master::{Describe, Get, Invert, Request, Response, Set, Status, Subscribe, Unsubscribe, error_text};
use anysmp::s3mp::value::Value;
use anysmp::s3mp::{self, Address, Master, ResponseCode, USUAL_MESSAGE};
use anysmp_tools::describe::{Description, Variable, shown};
use anysmp_tools::failure::Failure;
use anysmp_tools::live::printable;
use anysmp_tools::outln as println;
use serde_json::{Value as Json, json};

use crate::Link;
use crate::cli::Command;
use crate::show;

/// The remedy for a slave that does not answer.
const SILENT: &str = "Check endpoint and --baud of a serial line, or give it more time with --timeout and --retries.";

/// The names of addresses.
pub type Names = Vec<(Address, String)>;

/// A conversation with one slave.
pub struct Session {
    pub link: Link,
    pub master: Master,
    json: bool,
    about: Description,
    names: Names,
}

const fn remedy(code: ResponseCode) -> &'static str {
    match code {
        ResponseCode::NOT_FOUND => "`s3mp describe` lists the addresses.",
        ResponseCode::NOT_IMPLEMENTED => "The slave does not support this command for that address.",
        ResponseCode::BAD_REQUEST => "The value may be of another type, or too long.",
        _ => "",
    }
}

/// An error of the line, or of the protocol over it.
pub fn of_line<E>(error: line::Error<io::Error, E>, of: impl FnOnce(E) -> Failure) -> Failure {
    match error {
        line::Error::Protocol(error) => of(error),
        line::Error::Port(error) => Failure::port(&error),
        line::Error::TimedOut => Failure::silent("the slave does not answer", SILENT),
        line::Error::WriteZero => Failure::port(&io::ErrorKind::WriteZero.into()),
        line::Error::Closed => Failure::closed(),
        _ => Failure::usage("the request is too long", "Send less at a time."),
    }
}

/// An error of a link that runs a routine, or sends.
pub fn of_link(error: line::Error<io::Error>) -> Failure {
    of_line(error, |never| match never {})
}

fn of_protocol(error: &s3mp::Error) -> Failure {
    match error {
        s3mp::Error::Remote(code) => Failure::refused(format!("the slave refused: {code}"), remedy(*code)),
        s3mp::Error::BufferFull => Failure::usage("the request is too long", "Send less at a time."),
        error => Failure::nonsense(error.to_string()),
    }
}

impl Session {
    pub const fn new(link: Link, master: Master, json: bool, about: Description) -> Self {
        Self { link, master, json, about, names: Vec::new() }
    }

    pub fn perform(&mut self, command: &Command) -> Result<(), Failure> {
        match command {
            Command::Status => {
                let boot = self.call(&Status, show::json)?;
                // Many slaves have no clock.
                let start = if boot.is_null() { String::new() } else { format!(", start {boot}") };
                self.print(&json!({ "status": "up", "start": boot }), &format!("up{start}"));
            }
            Command::Describe => {
                self.describe()?;
                for (address, name) in &self.names {
                    let about = self.about.of(address.0);
                    let (kind, unit) = about.map_or((None, ""), |about| (Some(about.kind.to_string()), &about.unit));
                    let mut object = json!({ "address": address.0, "name": name });
                    if let (Some(kind), Some(object)) = (&kind, object.as_object_mut()) {
                        object.insert("type".to_owned(), json!(kind));
                        object.insert("unit".to_owned(), json!(unit));
                    }
                    let line = format!("{:>3}  {}  {} {unit}", address.0, printable(name), kind.unwrap_or_default());
                    self.print(&object, line.trim_end());
                }
            }
            Command::Get { addresses } => {
                for address in self.choose(addresses)? {
                    let value = self.call(&Get { address }, |value| value.bytes().to_vec())?;
                    self.value(address, Value::new(&value));
                }
            }
            Command::Set { address, value } => {
                let address = self.address(address)?;
                let invalid = |text: String| Failure::usage(text, "`s3mp set --help` shows how values are written.");
                let typed = self.about.of(address.0).and_then(|about| about.kind.cbor(value));
                let bytes = typed.unwrap_or_else(|| show::parse(value)).map_err(invalid)?;
                self.call(&Set { address, value: Value::new(&bytes) }, |()| ())?;
                self.print(&json!({ "address": address.0, "set": true }), "done");
            }
            Command::Invert { address } => {
                let address = self.address(address)?;
                let value = self.call(&Invert { address }, |value| value.bytes().to_vec())?;
                self.value(address, Value::new(&value));
            }
            Command::Unsubscribe { addresses } => {
                for address in self.choose(addresses)? {
                    self.call(&Unsubscribe { address }, |()| ())?;
                    let (name, ..) = told(&self.about, &self.names, address, Value::new(&[]));
                    let name = printable(&name.unwrap_or_else(|| address.to_string()));
                    self.print(
                        &json!({ "address": address.0, "subscribed": false }),
                        &format!("{name}: no longer pushed"),
                    );
                }
            }
            Command::Reset { address } => {
                let address = self.address(address)?;
                let mut tx = [0; USUAL_MESSAGE];
                let len = self.master.reset(address, &mut tx).map_err(|error| of_protocol(&error))?;
                self.link.send(&tx[..len]).map_err(of_link)?;
                self.print(&json!({ "address": address.0, "reset": true }), "sent; no response is expected");
            }
            // Performed elsewhere: they need no session, or do not end with one exchange.
            Command::Demo | Command::Completion { .. } | Command::Watch { .. } | Command::Subscribe { .. } => {}
        }
        Ok(())
    }

    /// Subscribes to an address; returns its value.
    pub fn subscribe(&mut self, address: Address) -> Result<Vec<u8>, Failure> {
        self.call(&Subscribe { address }, |value| value.bytes().to_vec())
    }

    /// Makes one exchange. If the slave refuses with a text, the error contains it.
    fn call<R: Request, T>(&mut self, request: &R, read: impl FnOnce(Response<'_, R>) -> T) -> Result<T, Failure> {
        let mut failure = match self.link.call(&mut self.master, request) {
            Ok(response) => return Ok(read(response)),
            Err(error) => of_line(error, |error| of_protocol(&error)),
        };
        let reason = error_text(self.link.message());
        if failure.code == 1 && !reason.is_empty() {
            failure.text += &format!(": {}", printable(&String::from_utf8_lossy(reason)));
        }
        Err(failure)
    }

    fn describe(&mut self) -> Result<(), Failure> {
        self.names = self.call(&Describe, |names| names.iter().map(|(at, name)| (at, name.to_string())).collect())?;
        Ok(())
    }

    /// Reads an address from a command line.
    fn address(&mut self, word: &str) -> Result<Address, Failure> {
        let number = word.strip_prefix("0x").map_or_else(|| word.parse(), |digits| u8::from_str_radix(digits, 16));
        match (word, number) {
            ("host", _) => return Ok(Address::HOST),
            ("all", _) => return Ok(Address::ALL),
            (_, Ok(number)) => return Ok(Address(number)),
            _ => {}
        }
        // Names in the description were chosen by the user, so they take precedence.
        if let Ok(id) = self.about.id(word) {
            return Ok(Address(id));
        }
        if self.names.is_empty() {
            self.describe()?;
        }
        let found = self.names.iter().find(|(_, name)| name == word);
        found.map(|(address, _)| *address).ok_or_else(|| {
            Failure::usage(format!("the slave has no {word:?}"), "`s3mp describe` lists the names of the slave.")
        })
    }

    /// The addresses of a command line, or all that have a name.
    pub fn choose(&mut self, words: &[String]) -> Result<Vec<Address>, Failure> {
        if words.is_empty() {
            self.describe()?;
            return Ok(self.names.iter().map(|(address, _)| *address).collect());
        }
        words.iter().map(|word| self.address(word)).collect()
    }

    /// The names that the slave has reported.
    pub fn names(&self) -> &[(Address, String)] {
        &self.names
    }

    fn value(&self, address: Address, value: Value<'_>) {
        let (name, unit, value) = told(&self.about, &self.names, address, value);
        match value {
            Ok((json, text)) => {
                let mut object = json!({ "event": "value", "address": address.0, "name": name, "value": json });
                if let (false, Some(object)) = (unit.is_empty(), object.as_object_mut()) {
                    object.insert("unit".to_owned(), json!(unit));
                }
                let name = name.unwrap_or_else(|| address.to_string());
                let line = format!("{}: {} {unit}", printable(&name), printable(&text));
                self.print(&object, line.trim_end());
            }
            Err(error) => {
                let object = json!({ "event": "value", "address": address.0, "name": name, "error": error });
                let name = name.unwrap_or_else(|| address.to_string());
                self.print(&object, &format!("{}: ({})", printable(&name), printable(&error)));
            }
        }
    }

    fn print(&self, object: &Json, line: &str) {
        if self.json {
            println!("{object}");
        } else {
            println!("{line}");
        }
    }
}

/// Returns the name and the unit of a value, and the value for programs and for people, or the
/// reason why its type is not the described one.
pub fn told(
    about: &Description,
    names: &[(Address, String)],
    address: Address,
    value: Value<'_>,
) -> (Option<String>, String, Result<(Json, String), String>) {
    let known: Option<&Variable> = about.of(address.0);
    let own = names.iter().find(|(at, _)| *at == address).map(|(_, name)| name.clone());
    let name = known.map(|known| known.name.clone()).or(own);
    let unit = known.map_or_else(String::new, |known| known.unit.clone());
    let object = show::json(value);
    let told = match known.map_or(Ok(()), |known| known.kind.check(&object)) {
        Ok(()) => {
            let text = if object.is_array() { shown(&object) } else { show::plain(value) };
            Ok((object, text))
        }
        Err(error) => Err(error),
    };
    (name, unit, told)
}
