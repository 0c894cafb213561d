//! The commands of the file group.

use anysmp::cbor::Text;
use anysmp::framing::Framing;
use anysmp::smp::fs::{Close, Hash, HashOutput, HashType, HashTypes, Status};

use crate::cli::Fs;
use crate::device::Device;
use crate::failure::Failure;
use crate::json::hex;
use crate::output::table;
use crate::settings::simple;

pub fn perform<F: Framing>(device: &mut Device<F>, command: &Fs) -> Result<(), Failure> {
    match command {
        Fs::Status { path } => status(device, path),
        Fs::Hash { path, kind, off, len } => hash(device, path, kind.as_deref(), *off, *len),
        Fs::Types => types(device),
        Fs::Close => simple(device, &Close {}, "closed"),
    }
}

fn status<F: Framing>(device: &mut Device<F>, path: &str) -> Result<(), Failure> {
    let output = device.output;
    let answer = device.call(&Status { name: path.into() })?;
    output.result(&answer.json(), || println!("{} bytes", answer.response.len));
    Ok(())
}

fn hash<F: Framing>(
    device: &mut Device<F>,
    path: &str,
    kind: Option<&str>,
    off: Option<u64>,
    len: Option<u64>,
) -> Result<(), Failure> {
    let output = device.output;
    let answer = device.call(&Hash { name: path.into(), kind: kind.map(Into::into), off, len })?;
    let response = answer.response;
    output.result(&answer.json(), || {
        let result = match response.output {
            HashOutput::Number(number) => format!("{number:08x}"),
            HashOutput::Bytes(bytes) => hex(&bytes.chunks().iter().collect::<Vec<_>>().concat()),
        };
        println!("{}  {result}  ({} bytes)", response.kind, response.len);
    });
    Ok(())
}

fn types<F: Framing>(device: &mut Device<F>) -> Result<(), Failure> {
    let output = device.output;
    let answer = device.call(&HashTypes {})?;
    output.result(&answer.json(), || {
        let row = |(name, kind): (Text<'_>, HashType)| {
            let format = if kind.format == 0 { "number" } else { "bytes" };
            [name.to_string(), format.to_owned(), kind.size.to_string()]
        };
        let rows: Vec<_> = answer.response.types.iter().map(row).collect();
        table(["TYPE", "FORMAT", "BYTES"], &rows);
    });
    Ok(())
}
