//! The work of decoding hostile payloads, counted in heads of items: it grows no faster than their
//! length.

use super::{Decode, Error, image, os};
use crate::cbor::work::heads;
use std::vec::Vec;

/// Returns the number of heads that are read to decode and walk a payload.
fn cost(payload: &[u8]) -> u64 {
    heads(|| {
        let _ = image::Upload::decode(payload);
        let _ = Error::find(payload);
        if let Ok(pools) = os::PoolStatisticsResponse::decode(payload) {
            pools.iter().count();
        }
        if let Ok(state) = image::SlotInfoResponse::decode(payload) {
            for image in state.images.iter() {
                image.slots.iter().count();
            }
        }
    })
}

#[test]
fn the_work_for_a_payload_grows_no_faster_than_its_length() {
    const SHORT: usize = 2_000;
    // A prefix, the part that is repeated, and the breaks at the end, which may be too few.
    let cases: [(&[u8], &[u8], &[u8]); 9] = [
        (b"\xbf", b"\x60\x00", b"\xff"),
        (b"\xbf", b"\x61x\x80", b"\xff"),
        (b"\xbf", b"\x61x\xa0", b"\xff"),
        (b"\xbf\x7f", b"\x60", b"\xff"),
        (b"\xbf\x61x\x5f", b"\x40", b"\xff"),
        (b"\xbf\x61x\x9f", b"\x9f\xff", b"\xff"),
        (b"\xbf\x66images", b"\x9f\xa2\x65image\x00\x65slots\x9f\xa1\x64slot\x00\xa1\x64slot\x01\xff", b"\xff"),
        // The lists in these two are read to their ends.
        (b"\xbf", b"\x7f\x60\x60\x60\x60\xff\xa2\x65nblks\x01\x65nfree\x01", b"\xff"),
        (b"\xbf\x66images\x9f", b"\xa2\x65image\x00\x65slots\x9f\xa1\x64slot\x00\xa1\x64slot\x01\xff", b"\xff\xff"),
    ];
    for (prefix, unit, end) in cases {
        let cost = |len: usize| cost(&[prefix, &unit.repeat(len / unit.len()), end].concat());
        // The short payload comes first, so that work that grows too fast is found before the long
        // one is begun.
        let short = cost(SHORT);
        assert!(short > 0 && short <= 16 * SHORT as u64, "{short} heads in {SHORT} bytes of {unit:02x?}");
        let long = cost(32 * SHORT);
        assert!(long <= 33 * short, "{short} heads, then {long} in 32 times the length of {unit:02x?}");
    }
}

#[test]
fn the_work_for_details_grows_with_what_is_asked_and_what_is_served_but_not_with_their_product() {
    use super::server::{AllowAll, Incoming, Reply, serve};
    use super::{Client, enumeration};

    let cost = |asked: usize, served: u16| {
        let served: Vec<_> = (0..served).map(enumeration::Detail::new).collect();
        let handler = |incoming: &Incoming<'_>, reply: Reply<'_>| enumeration::dispatch(&served, incoming, reply);
        let groups = std::vec![u16::MAX; asked];
        let details = enumeration::Details { groups: Some(groups[..].into()) };
        let (mut message, mut tx) = (std::vec![0; 60_000], std::vec![0; 60_000]);
        let (len, _) = Client::new(0).request(&details, &mut message).unwrap();
        heads(|| assert!(serve(handler, AllowAll, &message[..len], &mut tx).0 > 8))
    };
    for asked in [1, 64, 65, 1_000, 16_000] {
        for served in [1, 1_000] {
            let heads = cost(asked, served);
            assert!(heads <= 4 * asked as u64 + 16, "{heads} heads for {asked} groups of {served}");
        }
    }
}

#[test]
fn a_response_is_read_by_its_decoder_and_by_nobody_before() {
    use super::Client;
    use super::client::Error;
    use crate::cbor::Writer;
    use crate::line::{Caller, Verdict};
    use crate::smp::Encode as _;

    let image = image::ImageState::new(0, "1.0.0".into());
    let (images, mut payload) = ([image; 64], [0; 8192]);
    let mut writer = Writer::new(&mut payload);
    image::StateResponse::new(images[..].into()).encode(&mut writer).unwrap();
    let len = writer.len();
    let (mut client, mut tx) = (Client::new(0), [0; 32]);
    let (_, mut pending) = client.request(&image::ReadState {}, &mut tx).unwrap();
    let response = |payload: &[u8]| {
        let [low, high] = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [&[0x09, 0, low, high, 0, 1, 0, 0][..], payload].concat()
    };
    let message = response(&payload[..len]);
    let mut verdict = None;
    let cost = heads(|| {
        verdict = Some(Caller::<image::ReadState>::receive(&mut client, &mut pending, &message, &mut []));
    });
    assert_eq!(verdict, Some(Verdict::Answer));
    assert!(cost <= 4, "{cost} heads before the decoder of {len} bytes");
    // A refusal of the version is still seen, as the first key of a response.
    let refusal = response(b"\xa1\x62rc\x0d");
    let verdict = Caller::<image::ReadState>::receive(&mut client, &mut pending, &refusal, &mut tx);
    assert_eq!(verdict, Verdict::Again(9));
    let late = response(b"\xa2\x63off\x00\x62rc\x0d");
    assert!(matches!(pending.decode(&late), Err(Error::Remote(super::Error::VERSION_TOO_NEW))));
}
