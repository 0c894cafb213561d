//! The example under the real `embassy-boot`: upload, resume after a restart, mark, confirm,
//! revert.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that panics has failed"
)]

use std::cell::RefCell;
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::time::Duration;

use anysmp::blocking::Link;
use anysmp::framing::console::Console;
use anysmp::mcuboot::Version;
use anysmp::port::Tcp;
use anysmp::routine::Ended;
use anysmp::smp::routine::{Upload, sha256};
use anysmp::smp::{Client, image, os};
use anysmp::testing::RamNor;
use anysmp_dfu_embassy_boot::{ACTIVE, DFU, STATE, serve};
use embassy_boot::{BootLoader, BootLoaderConfig, State};
use embassy_embedded_hal::flash::partition::BlockingPartition;
use embassy_sync::blocking_mutex::{Mutex, raw::NoopRawMutex};

type Flash = RamNor<'static, 4, 4096>;
type Shared = Mutex<NoopRawMutex, RefCell<Flash>>;

/// A start of the boot loader.
fn boot(flash: &Shared) -> State {
    let part = |region: anysmp::dfu::Region| BlockingPartition::new(flash, region.start, region.len);
    let config = BootLoaderConfig { active: part(ACTIVE), dfu: part(DFU), state: part(STATE) };
    BootLoader::new(config).prepare_boot(&mut [0; 4096]).unwrap()
}

/// The actions of a client in one life of the device.
enum Deed<'f> {
    Upload(&'f [u8]),
    /// Uploads until this many bytes are there, and leaves.
    Begin(&'f [u8], u64),
    Test(&'f [u8]),
    Confirm,
    List,
}

/// The image list, a line for each slot.
fn lines(response: &image::StateResponse<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for state in response.images.iter() {
        let flags = [('P', state.pending), ('C', state.confirmed), ('A', state.active)];
        let flags: String = flags.iter().filter(|(_, set)| *set).map(|(letter, _)| *letter).collect();
        let hash = state.hash.and_then(|hash| hash.as_slice());
        let hash = hash.map_or_else(String::new, |hash| format!("{:02x}{:02x}", hash[0], hash[1]));
        lines.push(format!("{} {hash} {flags}", state.slot));
    }
    lines
}

/// One life of the device, with a client that does this; returns the image list at its end, and the
/// bytes that went over the line in an upload.
fn life(flash: &Shared, deed: &Deed<'_>) -> (Vec<String>, u64) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::scope(|scope| {
        let client = scope.spawn(move || {
            let port = Tcp::connect(&address, Duration::from_secs(5)).unwrap();
            let (mut message, mut memory) = ([0; 1024], [0; Console::sizes_of(1024).memory()]);
            let mut link = Link::new(port, Console::new(&mut message), &mut memory).unwrap();
            let mut client = Client::new(0);
            let mut sent = 0;
            match deed {
                Deed::Upload(file) | Deed::Begin(file, _) => {
                    let until = if let Deed::Begin(_, until) = deed { *until } else { u64::MAX };
                    let sha = sha256(&mut &file[..], file.len() as u64).unwrap();
                    let mut upload = Upload::new(*file).with_sha(sha);
                    let mut first = None;
                    let ended = link.run(&mut client, &mut upload, |event| {
                        // The first answer has the offset at which it continues.
                        if event.off > 0 {
                            sent = event.off - *first.get_or_insert(event.off);
                        }
                        if event.off >= until { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                    });
                    assert_eq!(matches!(ended.unwrap(), Ended::Stopped), until < u64::MAX);
                    if until < u64::MAX {
                        return (Vec::new(), sent);
                    }
                }
                Deed::Test(file) => {
                    let sha = sha256(&mut &file[..], file.len() as u64).unwrap();
                    let write = image::WriteState { hash: Some(sha[..].into()), confirm: false };
                    let _ = link.call(&mut client, &write).unwrap();
                }
                Deed::Confirm => {
                    let _ = link.call(&mut client, &image::WriteState { hash: None, confirm: true }).unwrap();
                }
                Deed::List => {}
            }
            let list = lines(&link.call(&mut client, &image::ReadState {}).unwrap());
            drop(link.call(&mut client, &os::Reset::default()));
            (list, sent)
        });
        let port = Tcp::new(listener.accept().unwrap().0).unwrap();
        assert!(serve(port, flash, Version::new(1, 0, 0)).is_some());
        client.join().unwrap()
    })
}

fn name(file: &[u8]) -> String {
    let sha = sha256(&mut &file[..], file.len() as u64).unwrap();
    format!("{:02x}{:02x}", sha[0], sha[1])
}

#[test]
fn upload_goes_on_after_a_restart_is_tried_reverted_tried_again_and_kept() {
    let memory = vec![0xFF; 52 << 10].leak();
    // The program from the factory, without a header anywhere.
    let old: Vec<u8> = (0..9000_u32).map(|n| (n * 7 % 251) as u8).collect();
    let new: Vec<u8> = (0..13_001_u32).map(|n| (n * 5 % 241) as u8).collect();
    memory[..old.len()].copy_from_slice(&old);
    let flash: Shared = Mutex::new(RefCell::new(RamNor::new(memory)));
    assert_eq!(boot(&flash), State::Boot);
    let runs = |file: &[u8]| flash.lock(|flash| flash.borrow().memory().starts_with(file));
    assert_eq!(life(&flash, &Deed::List).0, ["0  CA"]);

    // Part of the file; the power fails; the rest.
    life(&flash, &Deed::Begin(&new, 9000));
    assert_eq!(boot(&flash), State::Boot);
    let (list, sent) = life(&flash, &Deed::Upload(&new));
    // It continued at the last whole page.
    assert_eq!(sent, 13_001 - 8192);
    let stored = format!("1 {} ", name(&new));
    assert_eq!(list, ["0  CA", &stored]);

    // On trial, and not confirmed.
    assert_eq!(life(&flash, &Deed::Test(&new)).0, ["0  CA", &format!("1 {} P", name(&new))]);
    assert_eq!(boot(&flash), State::Swap);
    assert!(runs(&new));
    assert_eq!(life(&flash, &Deed::List).0[0], format!("0 {} A", name(&new)));
    // The stub reports the state that it found, and leaves another.
    assert_eq!(boot(&flash), State::Swap);
    assert!(runs(&old));
    assert_eq!(life(&flash, &Deed::List).0, ["0  CA", &stored]);

    // On trial again, and kept.
    life(&flash, &Deed::Test(&new));
    assert_eq!(boot(&flash), State::Swap);
    assert_eq!(life(&flash, &Deed::Confirm).0[0], format!("0 {} CA", name(&new)));
    for _ in 0..2 {
        assert_eq!(boot(&flash), State::Boot);
        assert!(runs(&new));
        assert_eq!(life(&flash, &Deed::List).0[0], format!("0 {} CA", name(&new)));
    }
}
