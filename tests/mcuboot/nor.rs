//! The flash that the other tests rely on keeps the rules of a real one.

use anysmp::testing::{Error, Fault, RamNor};
use embedded_storage::nor_flash::{NorFlash as _, ReadNorFlash as _};

type Nor<'m> = RamNor<'m, 8, 64, 4>;

#[test]
fn what_a_real_flash_refuses_is_refused_and_changes_nothing() {
    let mut memory = [0xFF; 128];
    let mut nor = Nor::new(&mut memory);
    assert_eq!(nor.write(4, &[0; 8]), Err(Error::NotAligned));
    assert_eq!(nor.write(0, &[0; 4]), Err(Error::NotAligned));
    assert_eq!(nor.read(2, &mut [0; 4]), Err(Error::NotAligned));
    assert_eq!(nor.erase(0, 32), Err(Error::NotAligned));
    assert_eq!(nor.write(128, &[0; 8]), Err(Error::OutOfBounds));
    assert_eq!(nor.erase(64, 192), Err(Error::OutOfBounds));
    assert_eq!(nor.write(64, &[1; 8]), Ok(()));
    assert_eq!(nor.write(64, &[1; 8]), Err(Error::NotErased));
    assert_eq!((nor.erase(64, 128), nor.write(64, &[2; 8])), (Ok(()), Ok(())));
    let mut read = [0; 8];
    assert_eq!((nor.read(0, &mut read), read), (Ok(()), [0xFF; 8]));
}

#[test]
fn planned_faults_happen_once_and_power_stays_away() {
    let mut memory = [0xFF; 128];
    let mut nor = Nor::new(&mut memory);
    nor.plan(1, Fault::Fail);
    assert_eq!(nor.write(0, &[0; 8]), Ok(()));
    assert_eq!(nor.write(8, &[0; 8]), Err(Error::Failed));
    assert_eq!(nor.write(8, &[0; 8]), Ok(()));
    nor.plan(0, Fault::Cut);
    assert_eq!(nor.erase(64, 128), Err(Error::PowerLoss));
    assert_eq!(nor.read(0, &mut [0; 4]), Err(Error::PowerLoss));
    nor.power_on();
    assert_eq!(nor.read(0, &mut [0; 4]), Ok(()));
}

#[test]
fn with_error_correction_a_torn_unit_is_unreadable_until_it_is_erased() {
    let mut memory = [0xFF; 128];
    let mut nor = Nor::new(&mut memory);
    nor.plan(0, Fault::Spoil(1));
    assert_eq!(nor.write(64, &[0; 8]), Err(Error::PowerLoss));
    nor.power_on();
    assert_eq!(nor.read(64, &mut [0; 8]), Err(Error::Unreadable));
    assert_eq!(nor.write(64, &[0; 8]), Err(Error::NotErased));
    assert_eq!((nor.read(56, &mut [0; 8]), nor.read(72, &mut [0; 8])), (Ok(()), Ok(())));
    assert_eq!((nor.erase(64, 128), nor.read(64, &mut [0; 8])), (Ok(()), Ok(())));
    nor.plan(0, Fault::Spoil(1));
    assert_eq!(nor.erase(64, 128), Err(Error::PowerLoss));
    nor.power_on();
    assert_eq!(nor.read(120, &mut [0; 8]), Err(Error::Unreadable));
}
