//! The CRC, step by step, against its definition.

use anysmp::checksum::Crc16;

/// One byte, bit by bit.
fn step(crc: u16, byte: u8) -> u16 {
    (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| crc << 1 ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 })
}

#[test]
fn the_crc_goes_from_each_of_its_states_with_each_byte_to_the_state_that_its_definition_says() {
    // Two bytes lead from 0 to each of the 65,536 states, once.
    let mut seen = vec![false; 65_536];
    for front in 0..=u16::MAX {
        let [a, b] = front.to_be_bytes();
        let state = step(step(0, a), b);
        assert!(!std::mem::replace(&mut seen[usize::from(state)], true));
        for byte in 0..=u8::MAX {
            assert_eq!(Crc16::of(&[a, b, byte]), step(state, byte), "{state:04x} {byte:02x}");
        }
    }
}

#[test]
fn the_crc_is_the_same_in_any_pieces_of_up_to_sixty_bytes() {
    // Where a table takes several bytes at once: each length, each cut.
    let bytes: Vec<u8> = (0..60_u8).map(|byte| byte.wrapping_mul(37) ^ 0x5A).collect();
    for len in 0..=bytes.len() {
        let whole = bytes[..len].iter().fold(0, |crc, byte| step(crc, *byte));
        assert_eq!(Crc16::of(&bytes[..len]), whole);
        for cut in 0..=len {
            let mut crc = Crc16::new();
            crc.update(&bytes[..cut]);
            crc.update(&bytes[cut..len]);
            assert_eq!(crc.value(), whole);
        }
    }
}
