//! Messages of the three protocols in words, for `smp decode` and `--verbose`.
//!
//! ```text
//!   -> write os/0 echo seq 60 {"d": "hi"}
//!   <- write os/0 echo seq 60 {"rc": 8} NOT_SUPPORTED
//! ```

use anysmp::bsmp::{self, Refusal};
use anysmp::s3mp::value::Value as Cbor;
use anysmp::s3mp::{self, ResponseCode};
use anysmp::smp::{Error, Header, Op, Version};
use serde_json::{Map, Value, json};

use crate::diagnostic;
use crate::json::{self, hex};
use crate::smp::commands;

/// The end of the line that sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The client, the master.
    Client,
    /// The server, the node, the slave.
    Server,
}

/// A message in words.
pub struct Said {
    /// The text for people.
    pub text: String,
    /// The object for programs.
    pub json: Map<String, Value>,
    /// The reason why it is not a message of the protocol; the text contains it, too.
    pub flaw: Option<String>,
}

impl Said {
    fn new(text: String, json: Value, flaw: Option<String>) -> Self {
        let text = match &flaw {
            Some(flaw) => format!("{text} / {flaw} /"),
            None => text,
        };
        let mut json = if let Value::Object(json) = json { json } else { Map::new() };
        if let Some(flaw) = &flaw {
            json.insert("flaw".into(), flaw.as_str().into());
        }
        Self { text: text.trim_end().to_owned(), json, flaw }
    }
}

fn arrow(sender: Option<Sender>) -> &'static str {
    match sender {
        Some(Sender::Client) => "->",
        Some(Sender::Server) => "<-",
        None => "--",
    }
}

fn direction(sender: Option<Sender>) -> Value {
    match sender {
        Some(Sender::Client) => "request".into(),
        Some(Sender::Server) => "response".into(),
        None => Value::Null,
    }
}

/// A message of SMP.
pub fn smp(message: &[u8]) -> Said {
    let Ok((header, payload)) = Header::parse(message) else {
        let why = Header::parse(message).err().map(|error| error.to_string()).unwrap_or_default();
        return Said::new(format!("-- {}", hex(message)), json!({}), Some(format!("not SMP: {why}")));
    };
    let whole = usize::from(header.length) == payload.len();
    let flaw = if !whole {
        Some(format!("the header announces {} bytes of payload, {} came", header.length, payload.len()))
    } else {
        // An empty payload counts as an empty map.
        diagnostic::flaw(payload).map(|(at, why)| format!("byte {at} of the payload: {why}"))
    };
    let sender = if header.op.is_request() { Sender::Client } else { Sender::Server };
    let is_read = message.first().is_some_and(|first| first & 2 == 0);
    let op = if is_read { "read" } else { "write" };
    let (group, command) = (header.group, header.command);
    let name = commands::name(group, command, if is_read { Op::Read } else { Op::Write });
    let shown = diagnostic::print(payload);
    let mut text = format!("{} {op} {group}/{command}", arrow(Some(sender)));
    if let Some(name) = name {
        text += &format!(" {name}");
    }
    text += &format!(" seq {}", header.sequence);
    if header.version == Version::V1 {
        text += " v1";
    }
    text += &format!(" {shown}");
    let mut object = json!({
        "direction": direction(Some(sender)),
        "op": op,
        "version": if header.version == Version::V1 { 1 } else { 2 },
        "group": group.0,
        "group_name": group.name(),
        "command": command,
        "name": name,
        "seq": header.sequence,
        "payload": json::from_cbor(payload),
        "diagnostic": shown,
    });
    if let (Sender::Server, Ok(Some(error))) = (sender, Error::find(payload)) {
        let named = error.name().unwrap_or("an unknown code");
        text += &format!(" {named}");
        if let Value::Object(object) = &mut object {
            object.insert("error".into(), named.into());
        }
    }
    Said::new(text, object, flaw)
}

/// The state of a conversation, for messages that do not identify themselves.
#[derive(Default)]
pub struct Conversation {
    /// The last command of the master: its code, its address, its counter.
    asked: Option<(u8, u8, u8)>,
}

impl Conversation {
    /// A message of BSMP. With `packet`, an address precedes it.
    pub fn bsmp(&mut self, bytes: &[u8], packet: bool, sender: Option<Sender>) -> Said {
        let (address, message) = match bytes.split_first() {
            Some((address, rest)) if packet => (Some(*address), rest),
            _ => (None, bytes),
        };
        let Some((&[code, high, low], payload)) = message.split_first_chunk() else {
            let flaw = format!("{} bytes are not a message of BSMP", message.len());
            return Said::new(format!("{} {}", arrow(sender), hex(bytes)), json!({ "address": address }), Some(flaw));
        };
        let command = bsmp::Command(code);
        let sender = sender.or(match (address, code) {
            (Some(0), _) => Some(Sender::Server),
            (Some(_), _) => Some(Sender::Client),
            // The code is used in both directions: after a request for a block it is an answer.
            (None, 0x41) if self.asked.is_some_and(|(asked, ..)| asked == bsmp::Command::READ_BLOCK.0) => {
                Some(Sender::Server)
            }
            (None, 0x41) => Some(Sender::Client),
            (None, 0xE0..=0xE8) => Some(Sender::Server),
            (None, _) => Some(if code & 1 == 0 { Sender::Client } else { Sender::Server }),
        });
        self.asked = if sender == Some(Sender::Client) { Some((code, address.unwrap_or(0), 0)) } else { None };
        let refusal = Refusal::from_code(code);
        let name = command.name().map(str::to_owned).or_else(|| refusal.map(|refusal| format!("{refusal:?}")));
        let announced = u16::from_be_bytes([high, low]);
        let flaw = if usize::from(announced) != payload.len() {
            Some(format!("the header announces {announced} bytes of payload, {} came", payload.len()))
        } else if name.is_none() {
            Some("no such command".to_owned())
        } else {
            None
        };
        let place = match address {
            Some(0) => "master ".to_owned(),
            Some(255) => "all ".to_owned(),
            Some(number @ 248..) => format!("group {number} "),
            Some(number) => format!("node {number} "),
            None => String::new(),
        };
        let content = bsmp_payload(command, payload);
        let shown = name.clone().unwrap_or_else(|| format!("{code:#04x}"));
        let json = json!({
            "direction": direction(sender), "address": address, "command": code, "name": name,
            "payload": hex(payload), "content": content, "error": refusal.map(|refusal| refusal.to_string()),
        });
        Said::new(format!("{} {place}{shown} {content}", arrow(sender)), json, flaw)
    }

    /// A message of S3MP.
    pub fn s3mp(&mut self, message: &[u8], sender: Option<Sender>) -> Said {
        let Some((&[code, address, counter], data)) = message.split_first_chunk() else {
            let flaw = format!("{} bytes are not a message of S3MP", message.len());
            return Said::new(format!("{} {}", arrow(sender), hex(message)), json!({}), Some(flaw));
        };
        let (command, response) = (s3mp::Command(code), ResponseCode(code));
        let is_answer = self.asked.is_some_and(|(_, asked, count)| (asked, count) == (address, counter));
        let sender = sender.or(match (command.name(), response.name()) {
            (Some(_), None) => Some(Sender::Client),
            (None, Some(_)) => Some(Sender::Server),
            (None, None) => None,
            // PUSH is unsolicited, with counter 0; SUBSCRIBE has another counter.
            (Some(_), Some(_)) if response == ResponseCode::PUSH => {
                Some(if counter == 0 { Sender::Server } else { Sender::Client })
            }
            // STATUS carries no data.
            (Some(_), Some(_)) => Some(if is_answer || !data.is_empty() { Sender::Server } else { Sender::Client }),
        });
        let name = match sender {
            Some(Sender::Client) => command.name(),
            _ => response.name(),
        };
        match sender {
            Some(Sender::Client) => self.asked = Some((code, address, counter)),
            Some(Sender::Server) if is_answer => self.asked = None,
            _ => {}
        }
        let is_text = matches!(response, ResponseCode::ERROR | ResponseCode::DEBUG);
        let content = match std::str::from_utf8(data) {
            _ if data.is_empty() => String::new(),
            Ok(text) if sender == Some(Sender::Server) && is_text => json!(text).to_string(),
            _ if Cbor::new(data).is_item() => diagnostic::print(data),
            Ok(text) if !text.chars().any(char::is_control) => json!(text).to_string(),
            _ => format!("h'{}'", hex(data)),
        };
        let shown = name.map_or_else(|| format!("{code:#04x}"), str::to_owned);
        let flaw = name.is_none().then(|| "no such code".to_owned());
        let json = json!({
            "direction": direction(sender), "command": code, "name": name, "address": address, "counter": counter,
            "payload": hex(data), "content": content,
            "error": (sender == Some(Sender::Server) && response.is_error()).then_some(name),
        });
        Said::new(format!("{} {shown} address {address} counter {counter} {content}", arrow(sender)), json, flaw)
    }
}

/// The payload of a BSMP message, decoded as far as the message alone allows.
fn bsmp_payload(command: bsmp::Command, payload: &[u8]) -> String {
    use bsmp::Command as C;
    /// The numbers of entities, from 0 on, each with the meaning of its bytes.
    fn entities(payload: &[u8], len: usize, say: impl Fn(&[u8]) -> String) -> String {
        let all = payload.chunks(len).enumerate().map(|(id, bytes)| format!("{id}: {}", say(bytes)));
        all.collect::<Vec<_>>().join(", ")
    }
    /// The bit for writable, and a count of bytes; a count of 0 means `zero`.
    fn sized(byte: u8, zero: u8) -> String {
        let count = if byte & 0x7F == 0 { zero } else { byte & 0x7F };
        format!("{count} {}", if byte & 0x80 == 0 { "read-only" } else { "writable" })
    }
    match (command, payload) {
        (_, []) => String::new(),
        (C::VERSION, [major, minor, revision]) => format!("{major}.{minor}.{revision}"),
        (C::VARIABLES, _) => entities(payload, 1, |bytes| bytes.iter().map(|byte| sized(*byte, 128)).collect()),
        (C::GROUPS, _) => entities(payload, 1, |bytes| bytes.iter().map(|byte| sized(*byte, 0)).collect()),
        (C::GROUP | C::CREATE_GROUP, _) => {
            format!("variables {}", payload.iter().map(u8::to_string).collect::<Vec<_>>().join(" "))
        }
        (C::FUNCTIONS, _) if payload.len().is_multiple_of(2) => entities(payload, 2, |bytes| match bytes {
            [input, output] => format!("{input} in {output} out"),
            _ => hex(bytes),
        }),
        (C::CURVES, _) if payload.len().is_multiple_of(5) => entities(payload, 5, |bytes| match bytes {
            [writable, size_high, size_low, high, low] => format!(
                "{} blocks of {} {}",
                // 0 means all 65,536.
                (u32::from(u16::from_be_bytes([*high, *low])).wrapping_sub(1) & 0xFFFF) + 1,
                u16::from_be_bytes([*size_high, *size_low]),
                if *writable == 0 { "read-only" } else { "writable" }
            ),
            _ => hex(bytes),
        }),
        (C::READ_BLOCK | C::BLOCK, [curve, high, low, data @ ..]) => {
            format!("curve {curve} block {} {}", u16::from_be_bytes([*high, *low]), hex(data))
        }
        (C::QUERY_GROUP | C::READ_GROUP | C::WRITE_GROUP | C::COMBINE_GROUP, [id, data @ ..]) => {
            format!("group {id} {}", hex(data))
        }
        (C::READ_VARIABLE | C::WRITE_VARIABLE | C::COMBINE_VARIABLE, [id, data @ ..]) => {
            format!("variable {id} {}", hex(data))
        }
        (C::WRITE_READ, [write, read, data @ ..]) => format!("writes variable {write}, reads {read}: {}", hex(data)),
        (C::QUERY_CHECKSUM | C::RECALCULATE, [id]) => format!("curve {id}"),
        (C::EXECUTE, [id, data @ ..]) => format!("function {id} {}", hex(data)),
        _ => hex(payload),
    }
}
