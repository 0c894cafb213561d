//! The application's gate is asked on every way into a slot and before every mark, and receives
//! every event.

use anysmp::mcuboot::build::Builder;
use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::flash;
use anysmp::mcuboot::slots::{
    Candidate, Chunk, Command, Config, DowngradeProtection, Error, Event, Gate, Offer, Outcome, Pair, SignatureCheck,
    Slot, Slots, TlvPiece, Uploaded, Verifier, scratch_len,
};
use anysmp::mcuboot::tlv::{Kind, Tlv};
use anysmp::mcuboot::{Flags, Version};
use anysmp::testing::{Fault, RamNor};

use crate::device::{Board, boot, chunk, config, flash_file, hash, image, sha};

const OLD: Version = Version::new(2, 0, 0);
const NEW: Version = Version::new(3, 0, 0);
const REFUSED: Error = Error::Refused { group: 70, rc: 5 };

type Nor<'m> = RamNor<'m, 8, 1024>;

/// Writes down what it is asked, and refuses where it is told to.
#[derive(Debug, Default)]
struct Notes {
    refuse_upload: bool,
    refuse_mark: bool,
    asked: Vec<String>,
    events: Vec<Event>,
    tlvs: Vec<(bool, Kind, Vec<u8>)>,
}

impl Gate for Notes {
    fn upload(&mut self, offer: &Offer<'_>) -> Result<(), Error> {
        let running = offer.running.map(|version| version.to_string());
        self.asked.push(format!("upload {} {} {:?}", offer.header.version(), offer.len, running.as_deref()));
        assert!(offer.sha.is_empty() || offer.sha.len() == 32);
        assert!(!format!("{offer:?}").contains('['), "no bytes are printed");
        if self.refuse_upload { Err(REFUSED) } else { Ok(()) }
    }

    fn tlv(&mut self, piece: &TlvPiece<'_>) {
        assert!(!format!("{piece:?}").contains('['), "no bytes are printed");
        if piece.offset == 0 {
            self.tlvs.push((piece.protected, piece.kind, Vec::new()));
        }
        let (_, _, value) = self.tlvs.last_mut().unwrap();
        assert_eq!(value.len(), usize::from(piece.offset));
        value.extend_from_slice(piece.bytes);
        assert!(value.len() <= usize::from(piece.len));
    }

    fn mark(&mut self, it: &Candidate<'_>) -> Result<(), Error> {
        let kind = if it.permanent { "permanent" } else { "test" };
        let active = if it.active { "active" } else { "other" };
        self.asked.push(format!("mark {} {kind} {active} {}", it.header.version(), it.hash.len()));
        if self.refuse_mark { Err(REFUSED) } else { Ok(()) }
    }

    fn event(&mut self, event: Event) {
        self.events.push(event);
    }
}

type Gated<'s, G> = Slots<'s, Sha256, G>;

/// A device that runs `OLD`, and a file of 5000 bytes.
fn device(test: impl FnOnce(&mut Nor<'_>, &Board, Config, &[u8])) {
    let board = Board::for_erase(1024);
    let mut memory = vec![0; board.len()];
    let mut flash = RamNor::new(&mut memory).blank();
    flash_file(&mut flash, board.primary, &image(OLD, 4000, 1));
    let config = config(&flash, &board);
    test(&mut flash, &board, config, &image(NEW, 5000, 2));
}

/// Starts the device with this gate.
fn start<G: Gate, T>(config: Config, board: &Board, gate: G, test: impl FnOnce(&mut Gated<'_, G>) -> T) -> T {
    let mut pairs = [Pair::new(board.primary, board.secondary)];
    let mut scratch = vec![0; scratch_len(1, 8)];
    test(&mut Slots::new(config, &mut pairs, &mut scratch, Sha256::new()).unwrap().with_gate(gate))
}

fn run<G: Gate>(device: &mut Gated<'_, G>, flash: &mut Nor<'_>, command: Command<'_>) -> Result<Outcome, Error> {
    flash::run(device.begin(command), flash).finish()
}

fn send<G: Gate>(device: &mut Gated<'_, G>, flash: &mut Nor<'_>, chunk: Chunk<'_>) -> Result<u64, Error> {
    match run(device, flash, Command::Upload(chunk))? {
        Outcome::Upload(uploaded) => Ok(uploaded.off),
        outcome => panic!("{outcome:?}"),
    }
}

fn upload<G: Gate>(device: &mut Gated<'_, G>, flash: &mut Nor<'_>, file: &[u8]) -> Result<u64, Error> {
    let (sha, mut off) = (sha(file), 0);
    while off < file.len() {
        off = send(device, flash, chunk(file, Some(&sha), off, 1000))? as usize;
    }
    Ok(off as u64)
}

fn mark<G: Gate>(device: &mut Gated<'_, G>, flash: &mut Nor<'_>, file: &[u8], confirm: bool) -> Result<(), Error> {
    run(device, flash, Command::SetState { hash: Some(&hash(file)), confirm }).map(|_| ())
}

#[test]
fn gate_is_asked_before_an_upload_on_each_way_back_to_it_and_before_each_mark() {
    device(|flash, board, config, file| {
        let mut notes = Notes::default();
        let (sha_of, offered) = (sha(file), "upload 3.0.0 5000 Some(\"2.0.0\")");
        start(config, board, &mut notes, |device| {
            for off in [0, 0, 600, 1200] {
                send(device, flash, chunk(file, Some(&sha_of), off, 600)).unwrap();
            }
            assert_eq!(device.gate().asked, [offered; 2], "the second one is the same file again");
        });
        notes.asked.clear();
        start(config, board, &mut notes, |device| {
            assert_eq!(send(device, flash, chunk(file, Some(&sha_of), 0, 600)), Ok(1024));
            assert_eq!(upload(device, flash, file), Ok(5000));
            assert_eq!(device.gate().asked, [offered; 2]);
            device.gate_mut().asked.clear();
            mark(device, flash, file, false).unwrap();
            // It is marked already: nothing changes, nobody is asked.
            mark(device, flash, file, false).unwrap();
            assert_eq!(device.gate().asked, ["mark 3.0.0 test other 32"]);
        });
        boot(flash, board, &config);
        notes.asked.clear();
        start(config, board, &mut notes, |device| {
            run(device, flash, Command::SetState { hash: None, confirm: true }).unwrap();
            let stored = flash.memory()[0x4000..][..4000].to_vec();
            mark(device, flash, &stored, true).unwrap();
            let asked = ["mark 3.0.0 permanent active 32", "mark 2.0.0 permanent other 32"];
            assert_eq!(device.gate().asked, asked);
        });
    });
}

#[test]
fn refusal_of_the_gate_is_its_own_error_and_changes_nothing() {
    device(|flash, board, config, file| {
        let before = flash.memory().to_vec();
        let sha_of = sha(file);
        start(config, board, Notes { refuse_upload: true, ..Notes::default() }, |device| {
            assert_eq!(send(device, flash, chunk(file, Some(&sha_of), 0, 600)), Err(REFUSED));
        });
        assert_eq!(flash.memory(), before);
        start(config, board, Notes::default(), |device| {
            send(device, flash, chunk(file, Some(&sha_of), 0, 1200)).unwrap();
            device.gate_mut().refuse_upload = true;
            assert_eq!(send(device, flash, chunk(file, Some(&sha_of), 0, 1200)), Err(REFUSED));
            // The upload has ended: a later chunk does not slip in.
            assert_eq!(send(device, flash, chunk(file, None, 1200, 600)), Ok(0));
        });
        let before = flash.memory().to_vec();
        // With proof that it is the same file, and without.
        for first in [chunk(file, Some(&sha_of), 0, 100), chunk(file, None, 1100, 100)] {
            start(config, board, Notes { refuse_upload: true, ..Notes::default() }, |device| {
                assert_eq!(send(device, flash, first), Err(REFUSED));
            });
        }
        assert_eq!(flash.memory(), before);
        start(config, board, Notes { refuse_mark: true, ..Notes::default() }, |device| {
            upload(device, flash, file).unwrap();
            let before = flash.memory().to_vec();
            assert_eq!(mark(device, flash, file, false), Err(REFUSED));
            assert_eq!(mark(device, flash, file, true), Err(REFUSED));
            assert_eq!(flash.memory(), before);
            assert_eq!(device.gate().events.last(), Some(&Event::Ended(Err(REFUSED))));
        });
        assert_eq!(
            anysmp::smp::Error::from(REFUSED),
            anysmp::smp::Error::Group { group: anysmp::smp::Group(70), rc: 5 }
        );
        assert_eq!((REFUSED.rc(), Error::Refused { group: 1, rc: 9 }.rc()), (None, Some(9)));
    });
}

#[test]
fn gate_sees_every_tlv_as_it_is_in_flash() {
    device(|flash, board, config, _| {
        let (counter, long) = (7_u32.to_le_bytes(), vec![0xA7; 300]);
        let protected = [
            Tlv { kind: Kind::SECURITY_COUNTER, value: &counter },
            Tlv { kind: Kind(0xA0), value: &[] },
            Tlv { kind: Kind::DEPENDENCY, value: &[1; 12] },
        ];
        let tlvs = [Tlv { kind: Kind::KEY_HASH, value: &[2; 32] }, Tlv { kind: Kind::RSA2048, value: &long }];
        for protected in [&protected[..], &protected[..1], &[]] {
            let mut file = vec![0; 2000];
            let builder = Builder { protected, tlvs: &tlvs, ..Builder::new(NEW) };
            let len = builder.build(&[7; 999], &mut Sha256::new(), &mut file).unwrap();
            start(config, board, Notes::default(), |device| {
                upload(device, flash, &file[..len]).unwrap();
                mark(device, flash, &file, false).unwrap();
                let hash_of = Tlv { kind: Kind::SHA256, value: &hash(&file) };
                let entries = protected.iter().map(|tlv| (true, tlv));
                let expected: Vec<_> = entries
                    .chain([(false, &hash_of)])
                    .chain(tlvs.iter().map(|tlv| (false, tlv)))
                    .map(|(protected, tlv)| (protected, tlv.kind, tlv.value.to_vec()))
                    .collect();
                assert_eq!(device.gate().tlvs, expected);
            });
        }
        // An entry that leaves the protected area: nobody is asked.
        let mut file = vec![0; 2000];
        let protected = [Tlv { kind: Kind(0xA0), value: &[0xA0, 0, 3, 0] }];
        let len = Builder { protected: &protected, ..Builder::new(NEW) }.build(&[7; 99], &mut Sha256::new(), &mut file);
        file.truncate(len.unwrap());
        file[32 + 99 + 6] = 5;
        let hashed = 32 + 99 + 12;
        let hash_of = sha(&file[..hashed]);
        file[hashed + 8..][..32].copy_from_slice(&hash_of);
        start(config, board, Notes::default(), |device| {
            upload(device, flash, &file).unwrap();
            device.gate_mut().asked.clear();
            assert_eq!(mark(device, flash, &file, false), Err(Error::InvalidTlv));
            assert_eq!(device.gate().asked, [""; 0]);
        });
    });
}

#[test]
fn events_and_outcomes_are_sentences() {
    let (image, slot) = (1, Slot::Secondary);
    let uploaded = |off, matched| Event::Ended(Ok(Outcome::Upload(Uploaded { off, matched })));
    let sentences = [
        (Event::Started { image, len: 9 }, "image 1: an upload of 9 bytes has begun"),
        (Event::Resumed { image, off: 7 }, "image 1: the upload continues at offset 7"),
        (Event::Chunk { image, off: 8 }, "image 1: the upload has reached offset 8"),
        (Event::Stopped { image }, "image 1: the upload has ended before its last byte"),
        (Event::Stored { image, matched: None }, "image 1: the file is stored"),
        (
            Event::Stored { image, matched: Some(false) },
            "image 1: the file is stored, but does not have the hash that was announced",
        ),
        (Event::Marked { image, slot, permanent: false }, "image 1: slot 1 is started next, for a test"),
        (Event::Marked { image, slot, permanent: true }, "image 1: slot 1 is started next, permanently"),
        (Event::Confirmed { image }, "image 1: the running image is confirmed"),
        (Event::Erased { image }, "image 1: the slot is erased"),
        (Event::Ended(Ok(Outcome::States)), "the list of slots is up to date"),
        (Event::Ended(Ok(Outcome::Erased)), "the slot is erased"),
        (uploaded(3, None), "the upload has reached offset 3"),
        (uploaded(3, Some(true)), "all 3 bytes are stored, with the hash that was announced"),
        (uploaded(3, Some(false)), "all 3 bytes are stored, but their hash is another one"),
        (Event::Ended(Err(Error::FlashWrite)), "a flash write failed"),
    ];
    for (event, sentence) in sentences {
        assert_eq!(event.to_string(), sentence);
    }
}

#[test]
fn events_tell_what_became_of_each_command() {
    device(|flash, board, config, file| {
        let (sha_of, image) = (sha(file), 0);
        let ended = |off, matched| Event::Ended(Ok(Outcome::Upload(Uploaded { off, matched })));
        let states = Event::Ended(Ok(Outcome::States));
        let take = |device: &mut Gated<'_, Notes>| core::mem::take(&mut device.gate_mut().events);
        start(config, board, Notes::default(), |device| {
            send(device, flash, chunk(file, Some(&sha_of), 0, 3000)).unwrap();
            let first = [Event::Started { image, len: 5000 }, Event::Chunk { image, off: 3000 }, ended(3000, None)];
            assert_eq!(take(device), first);
            // A repeat is no chunk.
            send(device, flash, chunk(file, None, 0, 3000)).unwrap();
            let first = [Event::Started { image, len: 5000 }, Event::Chunk { image, off: 3000 }, ended(3000, None)];
            assert_eq!(take(device), [&[Event::Stopped { image }][..], &first].concat());
            send(device, flash, chunk(file, None, 2000, 100)).unwrap();
            assert_eq!(take(device), [ended(3000, None)]);
            // A flash error stops the upload.
            flash.plan(0, Fault::Fail);
            assert_eq!(send(device, flash, chunk(file, None, 3000, 500)), Err(Error::FlashWrite));
            assert_eq!(take(device), [Event::Stopped { image }, Event::Ended(Err(Error::FlashWrite))]);
            assert_eq!(send(device, flash, chunk(file, None, 3000, 500)), Ok(0));
            assert_eq!(take(device), [ended(0, None)]);
            // So does an erase.
            send(device, flash, chunk(file, Some(&sha_of), 0, 3000)).unwrap();
            take(device);
            run(device, flash, Command::Erase { slot: None }).unwrap();
            let erased = [Event::Stopped { image }, Event::Erased { image }, Event::Ended(Ok(Outcome::Erased))];
            assert_eq!(take(device), erased);
            run(device, flash, Command::Erase { slot: None }).unwrap();
            assert_eq!(take(device), erased[1..]);
            send(device, flash, chunk(file, Some(&sha_of), 0, 3000)).unwrap();
        });
        start(config, board, Notes::default(), |device| {
            send(device, flash, chunk(file, Some(&sha_of), 0, 3000)).unwrap();
            assert_eq!(take(device), [Event::Resumed { image, off: 2048 }, ended(2048, None)]);
            send(device, flash, chunk(file, None, 2048, 2952)).unwrap();
            let stored = Event::Stored { image, matched: Some(true) };
            assert_eq!(take(device), [Event::Chunk { image, off: 5000 }, stored, ended(5000, Some(true))]);
            mark(device, flash, file, false).unwrap();
            assert_eq!(take(device), [Event::Marked { image, slot: Slot::Secondary, permanent: false }, states]);
            run(device, flash, Command::List).unwrap();
            assert_eq!(take(device), [states]);
        });
        boot(flash, board, &config);
        start(config, board, Notes::default(), |device| {
            run(device, flash, Command::SetState { hash: None, confirm: true }).unwrap();
            assert_eq!(take(device), [Event::Confirmed { image }, states]);
            run(device, flash, Command::SetState { hash: None, confirm: true }).unwrap();
            assert_eq!(take(device), [states]);
            let refused = Error::InvalidHash;
            assert_eq!(run(device, flash, Command::SetState { hash: None, confirm: false }), Err(refused));
            assert_eq!(take(device), [Event::Ended(Err(refused))]);
        });
    });
}

#[test]
fn downgrade_protection_closes_the_way_by_a_mark_too() {
    device(|flash, board, config, file| {
        let older = image(Version::new(1, 0, 0), 3000, 5);
        // As every swap leaves it: the older image in the other slot.
        flash_file(flash, board.secondary, &older);
        let before = flash.memory().to_vec();
        start(config, board, DowngradeProtection::new(), |device| {
            assert_eq!(send(device, flash, chunk(&older, None, 0, 500)), Err(Error::NotNewer));
            assert_eq!(mark(device, flash, &older, false), Err(Error::NotNewer));
            assert_eq!(mark(device, flash, &older, true), Err(Error::NotNewer));
            assert_eq!(flash.memory(), before);
            // What runs can be confirmed, and the same version again.
            run(device, flash, Command::SetState { hash: None, confirm: true }).unwrap();
            upload(device, flash, &image("2.0.0.1".parse().unwrap(), 3000, 5)).unwrap();
            upload(device, flash, file).unwrap();
            mark(device, flash, file, false).unwrap();
        });
    });
    // Build numbers, where the boot loader compares them.
    for compare_build in [false, true] {
        device(|flash, board, config, _| {
            flash_file(flash, board.primary, &image("2.0.0.7".parse().unwrap(), 4000, 1));
            let older = image("2.0.0.6".parse().unwrap(), 3000, 5);
            start(config, board, DowngradeProtection::new().with_compare_build(compare_build), |device| {
                assert_eq!(upload(device, flash, &older).is_ok(), !compare_build);
            });
        });
    }
}

/// An image with these TLVs.
fn with_tlvs(protected: &[Tlv<'_>], tlvs: &[Tlv<'_>], flags: Flags) -> Vec<u8> {
    let mut file = vec![0; 2000];
    let builder = Builder { protected, tlvs, flags, ..Builder::new(NEW) };
    let len = builder.build(&[7; 999], &mut Sha256::new(), &mut file).unwrap();
    file.truncate(len);
    file
}

#[test]
fn security_counter_below_the_limit_is_not_marked() {
    let counter = |value: u32| {
        let value = value.to_le_bytes();
        with_tlvs(&[Tlv { kind: Kind::SECURITY_COUNTER, value: &value }], &[], Flags(0))
    };
    let unprotected = with_tlvs(&[], &[Tlv { kind: Kind::SECURITY_COUNTER, value: &[9, 0, 0, 0] }], Flags(0));
    let short = with_tlvs(&[Tlv { kind: Kind::SECURITY_COUNTER, value: &[9] }], &[], Flags(0));
    // A high counter, and an entry behind it that leaves the area: the image is never asked about.
    let mut broken = vec![0; 2000];
    let protected = [
        Tlv { kind: Kind::SECURITY_COUNTER, value: &u32::MAX.to_le_bytes() },
        Tlv { kind: Kind(0xA0), value: &[0; 4] },
    ];
    let len = Builder { protected: &protected, ..Builder::new(NEW) }.build(&[7; 99], &mut Sha256::new(), &mut broken);
    broken.truncate(len.unwrap());
    broken[32 + 99 + 4 + 8 + 2] = 200;
    let hashed = 32 + 99 + 20;
    let hash_of = sha(&broken[..hashed]);
    broken[hashed + 8..][..32].copy_from_slice(&hash_of);
    // Of two counters the first one counts.
    let [low, high] = [4_u32, 9].map(u32::to_le_bytes);
    let two = [&low, &high].map(|value| Tlv { kind: Kind::SECURITY_COUNTER, value });
    let twice = with_tlvs(&two, &[], Flags(0));
    device(|flash, board, config, file| {
        let gate = DowngradeProtection::new().with_security_counter(5).with_gate(Notes::default());
        start(config, board, gate, |device| {
            for (file, result) in [
                (counter(5), Ok(())),
                // What the last one had does not count for the next.
                (file.to_vec(), Err(Error::NotNewer)),
                (counter(4), Err(Error::NotNewer)),
                (counter(u32::MAX), Ok(())),
                (broken, Err(Error::InvalidTlv)),
                (file.to_vec(), Err(Error::NotNewer)),
                (twice, Err(Error::NotNewer)),
                (unprotected, Err(Error::NotNewer)),
                (short, Err(Error::NotNewer)),
            ] {
                upload(device, flash, &file).unwrap();
                assert_eq!(mark(device, flash, &file, false), result);
            }
        });
    });
}

/// Takes a signature for good if it is the hash twice.
struct Twice;

impl Verifier for Twice {
    fn verify(&mut self, hash: &[u8], signature: &[u8; 64]) -> bool {
        *signature == *[hash, hash].concat()
    }
}

#[test]
fn image_without_a_good_signature_is_not_marked() {
    let plain = with_tlvs(&[], &[], Flags(0));
    let good = [hash(&plain), hash(&plain)].concat();
    let signed = |value: &[u8]| with_tlvs(&[], &[Tlv { kind: Kind::ED25519, value }], Flags(0));
    let mut bad = good.clone();
    bad[63] ^= 1;
    device(|flash, board, config, _| {
        start(config, board, SignatureCheck::new(Twice).with_gate(Notes::default()), |device| {
            for (file, result) in [
                (signed(&good), Ok(())),
                (plain.clone(), Err(Error::NoImage)),
                (signed(&bad), Err(Error::NoImage)),
                (signed(&good[..63]), Err(Error::NoImage)),
            ] {
                upload(device, flash, &file).unwrap();
                assert_eq!(mark(device, flash, &file, false), result);
            }
        });
    });
}
