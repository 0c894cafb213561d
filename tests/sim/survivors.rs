//! Tests for lines of the library that could once be changed without any test failing.

use std::time::Duration;

use anysmp::bsmp::function::Execute;
use anysmp::bsmp::{Error as BsmpError, Request};
use anysmp::framing::console::Console;
use anysmp::framing::lrc::Lrc;
use anysmp::framing::{Error, Framing, Progress};
use anysmp::line::{Damage, Sink};

use crate::session::encode;

#[test]
fn text_behind_half_a_line_of_an_abandoned_packet_is_text() {
    let mut buffer = [0; 64];
    let mut console = Console::new(&mut buffer);
    assert_eq!(console.push(&mut &b"\x06\x09AAoA"[..]), Ok(Progress::More));
    assert_eq!(console.idle(Duration::from_secs(3)), Err(Error::Abandoned));
    assert_eq!(console.push(&mut &b"boot"[..]), Ok(Progress::Text(b"boot")));
}

#[derive(Default)]
struct Heard(Vec<&'static str>);

impl Sink for Heard {
    fn text(&mut self, _: &[u8]) {
        self.0.push("text");
    }

    fn unsolicited(&mut self, _: &[u8]) {
        self.0.push("unsolicited");
    }

    fn dropped(&mut self, _: Damage) {
        self.0.push("dropped");
    }

    fn traced(&mut self, _: &[u8], _: bool) {
        self.0.push("traced");
    }
}

#[test]
fn a_borrowed_sink_hears_everything_that_its_owner_would() {
    fn tell(mut sink: impl Sink) {
        sink.text(b"");
        sink.unsolicited(b"");
        sink.dropped(Damage::Lost);
        sink.traced(b"", true);
    }
    let mut heard = Heard::default();
    tell(&mut heard);
    assert_eq!(heard.0, ["text", "unsolicited", "dropped", "traced"]);
}

#[test]
fn a_function_of_unknown_output_may_return_32_bytes_and_no_more() {
    assert_eq!(Execute::decode(&None, &[7; 32]), Ok(&[7; 32][..]));
    assert_eq!(Execute::decode(&None, &[7; 33]), Err(BsmpError::WrongSize));
}

#[test]
fn no_byte_of_a_damaged_s3mp_frame_is_a_message() {
    let frames: [(&[u8], Error); 3] = [
        // A sum that does not fit; a block that is longer than what is left; five bytes where four
        // have room.
        (&[0x04, 0x10, 0x01, 0x03, 0xE7, 0x00], Error::Checksum),
        (&[0x09, 0x10, 0xE7, 0x00], Error::Malformed),
        (&[0x06, 0x01, 0x01, 0x01, 0x01, 0x01, 0xF5, 0x00], Error::TooLong),
    ];
    for (frame, error) in frames {
        let mut buffer = [0; 4];
        let mut lrc = Lrc::new(&mut buffer);
        assert_eq!(lrc.push(&mut &*frame), Err(error));
        assert_eq!(lrc.message(), b"", "{error:?}");
    }
    // Too long, and not complete before the byte after it: one tail in 256 has the check 01.
    let mut twins = 0;
    for tail in 1..=u8::MAX {
        let message = [1, 1, 1, 1, tail];
        let mut frame = encode(&Lrc::new(&mut []), &message).unwrap();
        frame.push(0x05);
        let (mut buffer, mut input) = ([0; 4], &frame[..]);
        let mut lrc = Lrc::new(&mut buffer);
        assert_eq!(lrc.push(&mut input), Err(Error::TooLong), "{frame:02x?}");
        twins += usize::from(input == [0x05] && frame.ends_with(&[0x01, 0x00, 0x05]));
        assert_eq!(lrc.message(), b"", "{frame:02x?}");
    }
    assert_eq!(twins, 1);
    let mut buffer = [0; 4];
    let mut lrc = Lrc::new(&mut buffer);
    assert_eq!(lrc.push(&mut &[0x04, 0x10, 0x01][..]), Ok(Progress::More));
    assert_eq!(lrc.idle(Lrc::ABANDON), Err(Error::Abandoned));
    assert_eq!(lrc.message(), b"");
}
