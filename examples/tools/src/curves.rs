//! Files of curves: raw bytes; floats of 32 bits, one per line, in `.csv`; the same for numpy in
//! `.npy`.

use std::path::Path;

use anysmp::bsmp::typed::{Field as _, elements};

/// Every file of numpy begins with this and a version.
const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
/// The entry by which numpy declares floats of 32 bits, little endian.
const FLOATS: &str = "'descr': '<f4'";

fn is(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// Returns the bytes of a file for this curve.
pub fn write(path: &Path, curve: &[u8]) -> Result<Vec<u8>, String> {
    let floats = || elements::<f32>(curve).ok_or("the curve ends within a float; use another extension");
    if is(path, "csv") {
        return Ok(floats()?.flat_map(|value| format!("{value}\n").into_bytes()).collect());
    }
    if !is(path, "npy") {
        return Ok(curve.to_vec());
    }
    let mut header = format!("{{{FLOATS}, 'fortran_order': False, 'shape': ({},), }}", floats()?.count());
    // The data begin at a multiple of 64 bytes.
    while !(MAGIC.len() + 2 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let length = u16::try_from(header.len()).map_err(|error| error.to_string())?;
    Ok([MAGIC, &length.to_le_bytes(), header.as_bytes(), curve].concat())
}

/// Returns the curve in the bytes of a file.
pub fn read(path: &Path, file: Vec<u8>) -> Result<Vec<u8>, String> {
    if is(path, "csv") {
        let text = String::from_utf8(file).or(Err("the file is not text"))?;
        // Spreadsheet programs put it at the start of a file.
        let text = text.trim_start_matches('\u{FEFF}');
        if text.contains(',') && text.contains(';') {
            return Err("the file has commas and semicolons; numbers need a point, as in 1.5".to_owned());
        }
        let numbers = text.split([',', ';', '\n', '\r', '\t', ' ']).filter(|word| !word.is_empty());
        let floats = numbers.map(number);
        return Ok(floats.collect::<Result<Vec<_>, _>>()?.into_iter().flat_map(f32::to_le_bytes).collect());
    }
    if !is(path, "npy") {
        return Ok(file);
    }
    let parts = file.strip_prefix(MAGIC).and_then(|rest| {
        let (length, rest) = rest.split_at_checked(2)?;
        let (header, data) = rest.split_at_checked(u16::parse(length)?.into())?;
        let header = std::str::from_utf8(header).ok().filter(|header| header.contains(FLOATS))?;
        let (_, shape) = header.split_once("'shape': (")?;
        let (shape, _) = shape.split_once(')')?;
        Some((shape.trim().trim_end_matches(','), data))
    });
    let (shape, data) = parts.ok_or("the file does not hold an array of numpy's float32")?;
    match shape.parse::<usize>() {
        Ok(count) if count.checked_mul(4) == Some(data.len()) => Ok(data.to_vec()),
        Ok(count) => Err(format!("the file is damaged: {} bytes for {count} floats", data.len())),
        // A curve has no defined direction in an array of rows and columns.
        Err(_) => Err(format!("the array has the shape ({shape}); a curve has one dimension")),
    }
}

/// Reads a float; a number in digits that would become infinite is refused.
fn number(word: &str) -> Result<f32, String> {
    match word.parse::<f32>() {
        Ok(value) if value.is_infinite() && word.contains(|char: char| char.is_ascii_digit()) => {
            Err(format!("{word:?} is too large for a float of 32 bits"))
        }
        Ok(value) => Ok(value),
        Err(_) => Err(format!("{word:?} is not a number")),
    }
}
