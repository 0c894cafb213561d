//! The CRC with 8 KiB of tables: three instructions per byte.

use crc::{CRC_16_XMODEM, Crc, Table};

static XMODEM: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_XMODEM);

/// Continues the CRC `crc` over `bytes`.
pub(super) fn update(mut crc: u16, bytes: &[u8]) -> u16 {
    // The crate handles 16 bytes at once, but the rest one by one, which would take half of the
    // time for a short frame. So the rest is handled below.
    let (blocks, mut rest) = bytes.split_at_checked(bytes.len() & !15).unwrap_or_default();
    if !blocks.is_empty() {
        let mut digest = XMODEM.digest_with_initial(crc);
        digest.update(blocks);
        crc = digest.finalize();
    }
    // Each byte is looked up in the table for its distance from the end; the CRC so far is added to
    // the first two.
    let tables = XMODEM.table();
    if let Some(([a, b, c, d, e, f, g, h], after)) = rest.split_first_chunk() {
        let [high, low] = crc.to_be_bytes();
        let from_end = [*h, *g, *f, *e, *d, *c, b ^ low, a ^ high];
        crc = tables.iter().zip(from_end).fold(0, |crc, (table, byte)| crc ^ entry(table, byte));
        rest = after;
    }
    let [last, ..] = tables;
    rest.iter().fold(crc, |crc, byte| {
        let [high, low] = crc.to_be_bytes();
        entry(last, high ^ byte) ^ u16::from_be_bytes([low, 0])
    })
}

/// Returns the entry of one table for `byte`.
fn entry(table: &[u16; 256], byte: u8) -> u16 {
    table.get(usize::from(byte)).copied().unwrap_or_default()
}
