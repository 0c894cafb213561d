//! Any bytes as the payload of an answer to each request: the result is a value or an error, and
//! the value is unchanged after it was encoded and decoded again.
#![no_main]

use anysmp::cbor::Writer;
use anysmp::smp::{Decode, Encode, Request, error, image, os};
use libfuzzer_sys::fuzz_target;

fn encoded<E: Encode>(value: &E, buffer: &mut [u8]) -> Option<usize> {
    let mut writer = Writer::new(buffer);
    value.encode(&mut writer).ok()?;
    Some(writer.len())
}

macro_rules! answers {
    ($payload:expr, $($request:ty),* $(,)?) => {$(
        if let Ok(response) = <$request as Request>::response($payload) {
            let mut buffer = vec![0; 16 * $payload.len() + 256];
            let len = encoded(&response, &mut buffer).expect("room enough");
            let again = <<$request as Request>::Response<'_> as Decode<'_>>::decode(&buffer[..len]);
            assert_eq!(again, Ok(response));
            let _ = format!("{response:?}");
        }
    )*};
}

fuzz_target!(|payload: &[u8]| {
    answers!(
        payload,
        os::Echo<'_>,
        os::ConsoleEcho,
        os::TaskStatistics,
        os::PoolStatistics,
        os::ReadDateTime,
        os::WriteDateTime<'_>,
        os::Reset,
        os::Parameters,
        os::Info<'_>,
        os::BootLoader<'_>,
        image::ReadState,
        image::WriteState<'_>,
        image::Upload<'_>,
        image::CoreList,
        image::CoreLoad,
        image::CoreErase,
        image::Erase,
        image::SlotInfo,
    );
    let _ = error::beside::<u64>(payload, "off");
});
