//! A device whose configuration is a constant.

use anysmp::mcuboot::Version;
use anysmp::mcuboot::digest::Sha256;
use anysmp::mcuboot::flash;
use anysmp::mcuboot::slots::{Command, Config, Error, Geometry, Outcome, Pair, Setup, Slots, Uploaded, scratch_len};
use anysmp::testing::RamNor;

use crate::device::{Board, chunk, flash_file, hash, image, sha};

type Nor<'f> = RamNor<'f, 8, 1024>;

const BOARD: Board = Board::new(0x8000, 0x400);
const LEN: usize = 0x1_0400;
const BARE: Config = Config::swap_move(Geometry::of_type::<Nor<'_>>(LEN), 32);
const LOGGED: Config = Config { checkpoint: Some(BOARD.log), ..BARE };

/// Without and with a checkpoint.
struct Bare;
struct Logged;

impl Setup for Bare {
    type Flash = Geometry;

    fn config(&self) -> &Config {
        const { &BARE }
    }
}

impl Setup for Logged {
    type Flash = Geometry;

    fn config(&self) -> &Config {
        const { &LOGGED }
    }
}

/// Outcomes and flash of a life in which a restart interrupts an upload, and the expected offset
/// after the restart.
fn life<C: Setup>(setup: impl Fn() -> C) -> (Vec<Result<Outcome, Error>>, Vec<u8>, u64) {
    let mut memory = vec![0xFF; LEN];
    let mut nor = Nor::new(&mut memory);
    let (old, new) = (image(Version::new(1, 0, 0), 3000, 1), image(Version::new(2, 0, 0), 5000, 2));
    let (sha, hash) = (sha(&new), hash(&new));
    flash_file(&mut nor, BOARD.primary, &old);
    let (mut outcomes, mut off, mut resumed) = (Vec::new(), 0, 0);
    for part in [0..2100, 2100..5000] {
        let mut pairs = [Pair::new(BOARD.primary, BOARD.secondary)];
        let mut scratch = [0; scratch_len(1, 8)];
        let mut slots = Slots::new(setup(), &mut pairs, &mut scratch, Sha256::new()).unwrap();
        let mut run = |command: Command<'_>| {
            outcomes.push(flash::run(slots.begin(command), &mut nor).finish());
            *outcomes.last().unwrap()
        };
        run(Command::List).unwrap();
        while (off as usize) < part.end {
            let Ok(Outcome::Upload(Uploaded { off: next, .. })) =
                run(Command::Upload(chunk(&new, Some(&sha), off as usize, 300)))
            else {
                panic!("{outcomes:?}")
            };
            if part.start > 0 && resumed == 0 {
                resumed = next.max(1);
            }
            off = next;
        }
        if part.end == new.len() {
            run(Command::SetState { hash: Some(&hash), confirm: false }).unwrap();
            assert_eq!(run(Command::SetState { hash: Some(&hash), confirm: true }), Err(Error::AlreadyPending));
            run(Command::Erase { slot: None }).unwrap();
        }
    }
    drop(nor);
    (outcomes, memory, resumed)
}

#[test]
fn constant_configuration_works_as_the_same_one_at_run_time() {
    let (bare, logged) = (life(|| Bare), life(|| Logged));
    assert_eq!((&bare, &logged), (&life(|| BARE), &life(|| LOGGED)));
    // The next chunk after the restart: without a log nothing is known.
    assert_eq!((bare.2, logged.2), (1, 2048));
}
