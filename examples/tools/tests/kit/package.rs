//! Packages as builds make them.

use serde_json::Value;

/// An archive of files that are stored without compression.
pub fn zip(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (mut zip, mut list) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let at = four(zip.len());
        let (len, name_len) = (four(bytes.len()).to_le_bytes(), two(name.len()).to_le_bytes());
        let middle = [&[0; 12][..], &len, &len, &name_len, &[0; 2]].concat();
        zip.extend_from_slice(&[b"PK\x03\x04\x14\0", &middle[..], name.as_bytes(), bytes].concat());
        let head = [b"PK\x01\x02\x14\0\x14\0", &middle[..], &[0; 10], &at.to_le_bytes(), name.as_bytes()].concat();
        list.extend_from_slice(&head);
    }
    let (at, count) = (four(zip.len()), two(files.len()).to_le_bytes());
    zip.extend_from_slice(&list);
    let size = four(list.len()).to_le_bytes();
    zip.extend_from_slice(&[b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &at.to_le_bytes(), &[0; 2]].concat());
    zip
}

/// A package as nRF Connect SDK makes it.
pub fn package(format: u32, images: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let named: Vec<(String, &Vec<u8>)> =
        images.iter().map(|(number, bytes)| (format!("image{number}.bin"), bytes)).collect();
    let files: Vec<Value> = images
        .iter()
        .zip(&named)
        .map(|((number, bytes), (name, _))| {
            serde_json::json!({
                "type": "application", "board": "nrf5340dk", "soc": "nRF5340", "image_index": number.to_string(),
                "file": name, "size": bytes.len(), "modtime": 1_700_000_000,
            })
        })
        .collect();
    let manifest = serde_json::json!({ "format-version": format, "time": 1_700_000_000, "files": files });
    let mut all: Vec<(&str, Vec<u8>)> = named.iter().map(|(name, bytes)| (name.as_str(), (*bytes).clone())).collect();
    all.push(("manifest.json", manifest.to_string().into_bytes()));
    zip(&all)
}

fn four(number: usize) -> u32 {
    number.try_into().unwrap()
}

fn two(number: usize) -> u16 {
    number.try_into().unwrap()
}
