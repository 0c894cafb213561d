//! The golden vectors of `tests/vectors`.

use std::vec::Vec;

use super::hex::hex;

/// One golden pair of message and wire bytes.
#[derive(Debug, Clone)]
pub struct Vector {
    pub name: String,
    pub message: Vec<u8>,
    pub wire: Vec<u8>,
}

/// Reads `tests/vectors/smp/{file}.json`.
pub fn vectors(file: &str, list: &str, name: &str) -> Vec<Vector> {
    let path = format!("{}/tests/vectors/smp/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let of = |vector: &serde_json::Value, key: &str| vector[key].as_str().unwrap().to_string();
    let vectors = json[list].as_array().unwrap().iter();
    vectors.map(|v| Vector { name: of(v, name), message: hex(&of(v, "message")), wire: hex(&of(v, "wire")) }).collect()
}
