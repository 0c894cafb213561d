//! Devices whose images have each of the three hashes, and encrypted images.

use anysmp::mcuboot::build::Builder;
use anysmp::mcuboot::digest::{Digest, Digests, HashKind, Sha256, Sha384, Sha512};
use anysmp::mcuboot::flash;
use anysmp::mcuboot::slots::{Command, Config, Error, Outcome, Pair, Region, Slots, Uploaded, scratch_len};
use anysmp::mcuboot::{Flags, Image, Version};
use anysmp::testing::RamNor;

use crate::device::{chunk, flash_file, sha};
use crate::hex::hex;

const NEW: Version = Version::new(2, 0, 0);
const SLOT: u32 = 0x4000;

type Nor<'m> = RamNor<'m, 8, 1024>;

#[test]
fn three_hashes_of_abc_are_those_of_the_standard() {
    for (hash, expected) in [
        (Sha256::of(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            Sha384::of(b"abc"),
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        ),
        (
            Sha512::of(b"abc"),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd\
             454d4423643ce80e2a9ac94fa54ca49f",
        ),
    ] {
        assert_eq!(hash.as_bytes(), hex(expected));
    }
}

/// Uploads a file with its SHA-256 in one chunk, over a flash of two slots; returns the response,
/// and that to the same upload after a restart.
fn sent<D: Digest + Clone>(digest: &D, file: &[u8], flash: &mut Nor<'_>) -> [Uploaded; 2] {
    [(); 2].map(|()| {
        with(digest, Config::swap_move, flash, |slots, flash| {
            let sha = sha(file);
            let job = slots.begin(Command::Upload(chunk(file, Some(&sha), 0, file.len())));
            match flash::run(job, flash).finish() {
                Ok(Outcome::Upload(uploaded)) => uploaded,
                other => panic!("{other:?}"),
            }
        })
    })
}

/// Starts a device with this digest.
fn with<D: Digest + Clone, T>(
    digest: &D,
    config: fn(anysmp::mcuboot::slots::Geometry, u32) -> Config,
    flash: &mut Nor<'_>,
    test: impl FnOnce(&mut Slots<'_, D>, &mut Nor<'_>) -> T,
) -> T {
    let mut pairs = [Pair::new(Region::new(0, SLOT), Region::new(SLOT, SLOT))];
    let mut scratch = [0; scratch_len(1, 8)];
    let config = config(flash::geometry(flash), 16);
    test(&mut Slots::new(config, &mut pairs, &mut scratch, digest.clone()).unwrap(), flash)
}

/// A whole upgrade of a device whose images have this hash, with a digest for files or without.
fn upgrade<I: Digest + Clone>(image: &I) {
    let both = Digests::new(image.clone(), Sha256::new());
    let mut file = vec![0; 6000];
    let len = Builder::new(NEW).build(&[7; 5000], &mut image.clone(), &mut file).unwrap();
    file.truncate(len);
    let mut memory = vec![0; 2 * SLOT as usize];
    let mut flash = Nor::new(&mut memory).blank();
    let done = Uploaded { off: len as u64, matched: Some(true) };
    assert_eq!(sent(&both, &file, &mut flash), [done; 2]);
    // The second time it was there already.
    let writes = flash.counters().writes;
    assert_eq!(sent(&both, &file, &mut flash), [done; 2]);
    assert_eq!(flash.counters().writes, writes);
    let hash = Image::parse(&file).unwrap().hash(I::KIND).unwrap().to_vec();
    assert_eq!(hash.len(), I::KIND.len());
    with(&both, Config::swap_move, &mut flash, |slots, flash| {
        let mark = |hash| Command::SetState { hash: Some(hash), confirm: false };
        assert_eq!(flash::run(slots.begin(mark(&hash)), flash).finish(), Ok(Outcome::States));
        let state = slots.states().next().unwrap();
        assert_eq!((state.hash, state.pending), (&hash[..], true));
    });
    // One bit of the body: the file does not match, and the image is not marked.
    flash.memory_mut()[SLOT as usize + 1000] ^= 1;
    with(&both, Config::swap_move, &mut flash, |slots, flash| {
        assert_eq!(flash::run(slots.begin(Command::Erase { slot: None }), flash).finish(), Ok(Outcome::Erased));
        let mut bad = file.clone();
        bad[1000] ^= 1;
        flash_file(flash, Region::new(SLOT, SLOT), &bad);
        let mark = Command::SetState { hash: Some(&hash), confirm: false };
        assert_eq!(flash::run(slots.begin(mark), flash).finish(), Err(Error::NoImage));
        // It is sent again, although the header is the same.
        let sha = sha(&file);
        let again = Command::Upload(chunk(&file, Some(&sha), 0, 1000));
        let outcome = Outcome::Upload(Uploaded { off: 1000, matched: None });
        assert_eq!(flash::run(slots.begin(again), flash).finish(), Ok(outcome));
    });
    // Alone, a longer hash says nothing about the file.
    let mut memory = vec![0; 2 * SLOT as usize];
    let mut flash = Nor::new(&mut memory).blank();
    let matched = (I::KIND == HashKind::Sha256).then_some(true);
    assert_eq!(sent(image, &file, &mut flash), [Uploaded { off: len as u64, matched }; 2]);
}

#[test]
fn file_and_image_are_checked_each_by_its_own_hash() {
    upgrade(&Sha256::new());
    upgrade(&Sha384::new());
    upgrade(&Sha512::new());
}

#[test]
fn encrypted_image_that_may_not_be_marked_is_refused_by_name() {
    let mut file = vec![0; 2000];
    let builder = Builder { flags: Flags(0x4), ..Builder::new(NEW) };
    let len = builder.build(&[7; 999], &mut Sha512::new(), &mut file).unwrap();
    file[100] ^= 0xFF;
    let mut memory = vec![0; 2 * SLOT as usize];
    let mut flash = Nor::new(&mut memory).blank();
    flash_file(&mut flash, Region::new(SLOT, SLOT), &file);
    let hash = &file[len - 64..len];
    let mark = |config, flash: &mut Nor<'_>| {
        with(&Sha512::new(), config, flash, |slots, flash| {
            flash::run(slots.begin(Command::SetState { hash: Some(hash), confirm: false }), flash).finish()
        })
    };
    assert_eq!(mark(Config::swap_move, &mut flash), Err(Error::Encrypted));
    assert_eq!(Error::Encrypted.rc(), Some(3));
    let allowed = |geometry, sectors| Config { encrypted: true, ..Config::swap_move(geometry, sectors) };
    assert_eq!(mark(allowed, &mut flash), Ok(Outcome::States));
}
