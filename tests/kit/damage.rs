//! Every small change of a message: the damage that a suite has to survive for each of its vectors.

/// Values that mean something to a codec: ends, breaks, lengths that are lies, heads of maps, lists
/// and strings.
const MARKERS: [u8; 16] =
    [0x00, 0x01, 0x17, 0x18, 0x1B, 0x40, 0x5B, 0x5F, 0x60, 0x7F, 0x80, 0x9F, 0xA0, 0xBF, 0xF6, 0xFF];

/// Calls `check` with each damaged form of `message`: with one byte changed (in a short message to
/// every other value, in a longer one to those that differ in one bit and to the markers), with
/// each front of it, and with the whole message after a byte of garbage or after a front of itself.
/// Returns the number of calls.
pub fn each(message: &[u8], mut check: impl FnMut(&[u8])) -> usize {
    let mut count = 0;
    let mut check = |damaged: &[u8]| {
        count += 1;
        check(damaged);
    };
    let mut changed = message.to_vec();
    for (at, byte) in message.iter().enumerate() {
        let all = message.len() <= 24;
        let other = |value: &u8| value != byte && (all || (value ^ byte).is_power_of_two() || MARKERS.contains(value));
        for value in (0..=u8::MAX).filter(other) {
            changed[at] = value;
            check(&changed);
        }
        changed[at] = *byte;
    }
    for cut in 0..message.len() {
        check(&message[..cut]);
    }
    for garbage in 0..=u8::MAX {
        check(&[&[garbage], message].concat());
    }
    for front in 2..message.len().min(12) {
        check(&[&message[..front], message].concat());
    }
    count
}
