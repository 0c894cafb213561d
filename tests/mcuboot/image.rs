use anysmp::mcuboot::build::Builder;
use anysmp::mcuboot::digest::{Digest, Hash, HashKind, Sha256};
use anysmp::mcuboot::tlv::{Kind, Tlv, Tlvs};
use anysmp::mcuboot::{Error, Header, Image, Version};

use crate::device::image;

const VERSION: Version = Version::new(1, 2, 3);

/// A digest of 48 or 64 bytes that is none: the sum of all bytes, repeated.
#[derive(Default)]
pub struct Sum<const LEN: usize>(u8);

impl<const LEN: usize> Digest for Sum<LEN> {
    const KIND: HashKind = if LEN == 48 { HashKind::Sha384 } else { HashKind::Sha512 };

    fn reset(&mut self) {
        self.0 = 0;
    }

    fn update(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |sum, byte| sum.wrapping_add(*byte));
    }

    fn finish(&mut self) -> Hash {
        Hash::new(&[self.0; LEN]).unwrap()
    }
}

/// An image of a body of four bytes and these two TLV areas, as bytes of entries.
fn with_tlvs(protected: &[u8], announced: u16, tlvs: &[u8], total: u16) -> Vec<u8> {
    let mut file = Header::new(VERSION, 32, 4, announced).unwrap().emit().to_vec();
    file.extend(b"body");
    if announced > 0 {
        file.extend([0x08, 0x69]);
        file.extend((protected.len() as u16 + 4).to_le_bytes());
        file.extend(protected);
    }
    file.extend([0x07, 0x69]);
    file.extend(total.to_le_bytes());
    file.extend(tlvs);
    file
}

fn entry(kind: u16, len: u16, value: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &len.to_le_bytes(), value].concat()
}

fn parse_hash(file: &[u8]) -> Result<Vec<u8>, Error> {
    Image::parse(file)?.hash(HashKind::Sha256).map(<[u8]>::to_vec)
}

#[test]
fn built_image_is_read_back_as_it_was_asked_for() {
    let protected = [Tlv { kind: Kind::SECURITY_COUNTER, value: &[7, 0, 0, 0] }];
    let tlvs = [Tlv { kind: Kind::ED25519, value: &[9; 64] }];
    let builder = Builder { header_len: 0x80, protected: &protected, tlvs: &tlvs, ..Builder::new(VERSION) };
    let mut file = [0xEE; 400];
    let len = builder.build(b"the body", &mut Sha256::new(), &mut file).unwrap();
    let parsed = Image::parse(&file).unwrap();
    assert_eq!(parsed.len(), len);
    assert_eq!(parsed.header().version(), VERSION);
    assert_eq!(&file[32..0x80], [0; 0x60]);
    assert_eq!(&file[0x80..0x88], b"the body");
    assert_eq!(parsed.protected().collect::<Result<Vec<_>, _>>().unwrap(), protected);
    let kinds = parsed.tlvs().map(|tlv| tlv.unwrap().kind).collect::<Vec<_>>();
    assert_eq!(kinds, [Kind::SHA256, Kind::ED25519]);
    assert_eq!(parsed.hash(HashKind::Sha256).unwrap(), Sha256::of(&file[..0x88 + 12]).as_bytes());
    assert_eq!(parsed.verify(&mut Sha256::new()), Ok(()));
    for short in 0..len {
        assert_eq!(builder.build(b"the body", &mut Sha256::new(), &mut file[..short]), Err(Error::BufferFull));
    }
}

#[test]
fn gap_behind_the_header_is_filled_as_asked_for() {
    let builder = Builder { header_len: 0x80, fill: 0xFF, ..Builder::new(VERSION) };
    let mut file = [0; 400];
    let len = builder.build(b"the body", &mut Sha256::new(), &mut file).unwrap();
    assert_eq!(file[32..0x80], [0xFF; 0x60]);
    assert_eq!(Image::parse(&file[..len]).unwrap().verify(&mut Sha256::new()), Ok(()));
}

#[test]
fn hashes_of_every_length_are_built_and_verified() {
    fn check<D: Digest>(mut digest: D, len: usize) {
        let mut file = [0; 200];
        let built = Builder::new(VERSION).build(b"body", &mut digest, &mut file).unwrap();
        let parsed = Image::parse(&file[..built]).unwrap();
        assert_eq!(parsed.hash(D::KIND).unwrap().len(), len);
        assert_eq!(parsed.verify(&mut digest), Ok(()));
    }
    check(Sha256::new(), 32);
    check(Sum::<48>::default(), 48);
    check(Sum::<64>::default(), 64);
    for len in 0..80 {
        assert_eq!(Hash::new(&[1; 80][..len]).is_some(), [32, 48, 64].contains(&len));
    }
}

#[test]
fn any_changed_bit_of_header_body_and_hash_is_found() {
    let file = image(VERSION, 120, 1);
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut damaged = file.clone();
            damaged[at] ^= 1 << bit;
            assert!(Image::parse(&damaged).and_then(|image| image.verify(&mut Sha256::new())).is_err(), "{at} {bit}");
        }
    }
}

#[test]
fn a_changed_body_is_a_mismatch_of_its_hash() {
    let mut file = image(VERSION, 120, 1);
    file[32] ^= 1;
    assert_eq!(Image::parse(&file).unwrap().verify(&mut Sha256::new()), Err(Error::Mismatch));
}

#[test]
fn every_truncation_is_refused() {
    let file = image(VERSION, 120, 1);
    assert!(parse_hash(&file).is_ok());
    for len in 0..file.len() {
        assert!(Image::parse(&file[..len]).is_err(), "{len}");
    }
    let padded = [&file[..], &[0xFF; 50]].concat();
    assert_eq!(Image::parse(&padded).unwrap().len(), file.len());
}

#[test]
fn hostile_tlvs_are_refused() {
    let hash = entry(0x10, 32, &[5; 32]);
    let good = |tlvs: &[u8]| with_tlvs(&[], 0, tlvs, tlvs.len() as u16 + 4);
    assert_eq!(parse_hash(&good(&hash)), Ok(vec![5; 32]));
    assert_eq!(parse_hash(&good(&[])), Err(Error::NoHash));
    assert_eq!(parse_hash(&good(&entry(0x20, 3, b"sig"))), Err(Error::NoHash));
    assert_eq!(parse_hash(&good(&[&hash[..], &hash].concat())), Err(Error::MultipleHashes));
    for len in [0, 1, 31, 33, 48, 64] {
        assert_eq!(parse_hash(&good(&entry(0x10, len, &vec![5; len.into()]))), Err(Error::HashLength));
    }
    // Entries that reach beyond the area, or that the area cuts.
    assert_eq!(parse_hash(&good(&entry(0x10, 33, &[5; 32]))), Err(Error::InvalidTlv));
    assert_eq!(parse_hash(&good(&[&hash[..], &[0xFF; 4]].concat())), Err(Error::InvalidTlv));
    for rest in 1..4 {
        assert_eq!(parse_hash(&good(&[&hash[..], &vec![0; rest]].concat())), Err(Error::InvalidTlv));
    }
    // An area that is larger than the file, or smaller than its own info.
    assert_eq!(parse_hash(&with_tlvs(&[], 0, &hash, 41)), Err(Error::Truncated));
    assert_eq!(parse_hash(&with_tlvs(&[], 0, &hash, 0xFFFF)), Err(Error::Truncated));
    assert_eq!(parse_hash(&with_tlvs(&[], 0, &hash, 3)), Err(Error::InvalidTlv));
    assert_eq!(parse_hash(&with_tlvs(&[], 0, &hash, 4)), Err(Error::NoHash));
    // An erased area.
    let mut erased = good(&hash);
    erased[36..].fill(0xFF);
    assert_eq!(parse_hash(&erased), Err(Error::NoTlvs));
    // The iterator ends at an error.
    let mut tlvs = Tlvs::new(&[1, 2, 3]);
    assert_eq!(tlvs.next(), Some(Err(Error::InvalidTlv)));
    assert_eq!(tlvs.next(), None);
}

#[test]
fn protected_and_other_tlvs_are_kept_apart() {
    let hash = entry(0x10, 32, &[5; 32]);
    let counter = entry(0x50, 4, &[1, 0, 0, 0]);
    // A hash in the protected area does not count, nor does it as a second one.
    let file = with_tlvs(&hash, 40, &counter, 12);
    assert_eq!(parse_hash(&file), Err(Error::NoHash));
    assert_eq!(parse_hash(&with_tlvs(&hash, 40, &hash, 40)), Ok(vec![5; 32]));
    // What has to be protected is not found in the other area.
    assert_eq!(Image::parse(&file).unwrap().protected().only(Kind::SECURITY_COUNTER), Ok(None));
    let file = with_tlvs(&counter, 12, &hash, 40);
    assert_eq!(Image::parse(&file).unwrap().protected().only(Kind::SECURITY_COUNTER), Ok(Some(&[1, 0, 0, 0][..])));
    // The header and the area contradict each other.
    assert_eq!(parse_hash(&with_tlvs(&counter, 13, &hash, 40)), Err(Error::InvalidTlv));
    assert_eq!(parse_hash(&with_tlvs(&[], 3, &hash, 40)), Err(Error::InvalidTlv));
    // A protected area where none is announced, and none where one is.
    let mut unannounced = with_tlvs(&counter, 12, &hash, 40);
    unannounced[10] = 0;
    assert_eq!(parse_hash(&unannounced), Err(Error::NoTlvs));
    let mut missing = with_tlvs(&[], 0, &hash, 40);
    missing[10] = 40;
    assert_eq!(parse_hash(&missing), Err(Error::NoTlvs));
}
