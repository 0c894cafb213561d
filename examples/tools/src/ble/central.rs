//! The client's side: finds a device, connects, and makes a port of its characteristic.

use std::io;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anysmp::framing::gatt;
use anysmp::port::Io;
use btleplug::api::{
    Central as _, CentralEvent, CharPropFlags, Characteristic, Manager as _, Peripheral as _, ScanFilter, WriteType,
};
use btleplug::platform::{Adapter, Manager, Peripheral};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_stream::StreamExt as _;

use super::Trouble;
use crate::port::{Host, Pieces, Ready};

/// The time within which a device has to advertise itself.
const SCAN: Duration = Duration::from_secs(10);
/// The time to listen for other devices with the same name. With an address there is no such wait.
const NAMESAKES: Duration = Duration::from_millis(600);
/// The pause between two looks at the list of devices.
const LOOK: Duration = Duration::from_millis(100);
/// The time that BlueZ may take for one step, beyond its own limits.
const STEP: Duration = Duration::from_secs(40);
/// The time that a write may take, and the time that ending a connection may take.
const WRITE: Duration = Duration::from_secs(5);
/// The number of attempts to connect: a radio that is busy at the moment refuses the first one.
const TRIES: u32 = 3;

/// A connected device. Each read returns one notification, each write sends one piece.
pub type Ble = Host<Connection>;

/// The connection inside a [`Ble`].
pub struct Connection {
    runtime: Runtime,
    device: Peripheral,
    characteristic: Characteristic,
    /// The longest piece, in bytes.
    piece: usize,
    /// The notifications; they end with the connection.
    pieces: Pieces,
}

/// A device with SMP within range.
pub struct Heard {
    /// Its name; empty if it has none.
    pub name: String,
    /// Its address, or the system's identifier for it.
    pub address: String,
    /// The strength of its signal in dBm.
    pub rssi: Option<i16>,
}

impl Ble {
    /// Connects to the device with this name or address.
    pub fn open(wanted: &str) -> io::Result<Self> {
        let runtime = runtime()?;
        let open = async {
            let adapters = adapters().await?;
            let (adapter, device) = find(&adapters, wanted).await?;
            connect(&adapter, device).await
        };
        let (device, characteristic, pieces) = runtime.block_on(open)?;
        let piece = gatt::fragment_len(device.mtu());
        let connection = Connection { runtime, device, characteristic, piece, pieces: Pieces::new(pieces) };
        Ok(Self::new(Io::new(connection)))
    }
}

/// Scans for the given time; returns the devices with SMP within range.
pub fn scan(time: Duration) -> io::Result<Vec<Heard>> {
    runtime()?.block_on(async {
        let adapters = adapters().await?;
        let mut heard = Vec::new();
        for adapter in &adapters {
            start(adapter).await?;
        }
        tokio::time::sleep(time).await;
        for adapter in &adapters {
            for device in adapter.peripherals().await.map_err(error)? {
                // The device may have left at this moment.
                let Ok(Some(seen)) = device.properties().await else { continue };
                let has_smp = seen.services.iter().any(|service| service.as_u128() == gatt::SERVICE);
                let is_here = seen.rssi.is_some() || device.is_connected().await.unwrap_or(false);
                if has_smp && is_here {
                    let name = seen.advertisement_name.or(seen.local_name).unwrap_or_default();
                    heard.push(Heard { name, address: address(&device), rssi: seen.rssi });
                }
            }
            let _ = adapter.stop_scan().await;
        }
        heard.sort_by(|a, b| (&a.name, &a.address).cmp(&(&b.name, &b.address)));
        Ok(heard)
    })
}

fn runtime() -> io::Result<Runtime> {
    // One separate thread, so that notifications are received while no call waits for them. Only
    // one: bluez-async 0.9 panics if a stream ends on one thread while another one hands out
    // signals.
    Builder::new_multi_thread().worker_threads(1).enable_all().build()
}

async fn adapters() -> io::Result<Vec<Adapter>> {
    let manager = Manager::new().await.map_err(error)?;
    let adapters = manager.adapters().await.map_err(error)?;
    if adapters.is_empty() {
        let text = "this computer has no Bluetooth adapter";
        return Err(Trouble::error(io::ErrorKind::NotFound, text, "Plug one in; `bluetoothctl list` shows them."));
    }
    Ok(adapters)
}

async fn start(adapter: &Adapter) -> io::Result<()> {
    // Without a filter, since a device may not advertise its services.
    adapter.start_scan(ScanFilter::default()).await.map_err(error)
}

/// Returns the address of a device; on macOS, which hides addresses, its identifier.
fn address(device: &Peripheral) -> String {
    if cfg!(target_vendor = "apple") { device.id().to_string() } else { device.address().to_string() }
}

/// Scans until the device is found, by its advertisement or because it is already connected.
async fn find(adapters: &[Adapter], wanted: &str) -> io::Result<(Adapter, Peripheral)> {
    for adapter in adapters {
        start(adapter).await?;
    }
    let until = Instant::now() + SCAN;
    let mut first = None;
    let mut heard = loop {
        let heard = heard(adapters, wanted).await?;
        let is_address = heard.iter().any(|(_, device)| address(device).eq_ignore_ascii_case(wanted));
        let since = (!heard.is_empty()).then(|| *first.get_or_insert_with(Instant::now));
        // An address belongs to one device. A name may belong to several.
        if is_address || since.is_some_and(|since| since.elapsed() >= NAMESAKES) {
            break heard;
        }
        if Instant::now() >= until {
            let text = format!("no such device was found in {} s", SCAN.as_secs());
            let remedy =
                "Is it in reach, and not connected to another computer? `smp ports --ble` lists those with SMP.";
            return Err(Trouble::error(io::ErrorKind::NotFound, text, remedy));
        }
        tokio::time::sleep(LOOK).await;
    };
    for adapter in adapters {
        let _ = adapter.stop_scan().await;
    }
    if heard.len() > 1 {
        let addresses: Vec<String> = heard.iter().map(|(_, device)| address(device)).collect();
        let text = format!("several are there: {}", addresses.join(", "));
        return Err(Trouble::error(io::ErrorKind::InvalidInput, text, "Give the address of the one that is meant."));
    }
    // The list is not empty here.
    heard.pop().ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Returns the devices within range that have this name or address, each once.
async fn heard(adapters: &[Adapter], wanted: &str) -> io::Result<Vec<(Adapter, Peripheral)>> {
    let mut heard: Vec<(Adapter, Peripheral)> = Vec::new();
    for adapter in adapters {
        for device in adapter.peripherals().await.map_err(error)? {
            let Ok(Some(seen)) = device.properties().await else { continue };
            let names = [seen.local_name.as_deref(), seen.advertisement_name.as_deref()];
            let is_wanted = names.contains(&Some(wanted)) || address(&device).eq_ignore_ascii_case(wanted);
            // Two adapters may both receive the same device.
            let is_known = || heard.iter().any(|(_, other)| address(other) == address(&device));
            // A device that the system merely remembers is not tried: the attempt would fail only
            // after a long time.
            let is_near = seen.rssi.is_some() || device.is_connected().await.unwrap_or(false);
            if is_wanted && is_near && !is_known() {
                heard.push((adapter.clone(), device));
            }
        }
    }
    Ok(heard)
}

type Connected = (Peripheral, Characteristic, Receiver<Vec<u8>>);

async fn connect(adapter: &Adapter, device: Peripheral) -> io::Result<Connected> {
    let mut tries = 0;
    while let Err(failure) = limited(device.connect()).await {
        tries += 1;
        // The radio was busy, or the device answered too late.
        if tries >= TRIES || failure.kind() != io::ErrorKind::Other {
            return Err(failure);
        }
        tokio::time::sleep(LOOK).await;
    }
    match subscribe(adapter, &device).await {
        Ok((characteristic, pieces)) => Ok((device, characteristic, pieces)),
        Err(failure) => {
            let _ = timeout(WRITE, device.disconnect()).await;
            Err(failure)
        }
    }
}

/// Finds the characteristic, and switches its notifications on.
async fn subscribe(adapter: &Adapter, device: &Peripheral) -> io::Result<(Characteristic, Receiver<Vec<u8>>)> {
    limited(device.discover_services()).await?;
    let flags = CharPropFlags::WRITE_WITHOUT_RESPONSE | CharPropFlags::NOTIFY;
    let is_smp = |one: &Characteristic| {
        one.uuid.as_u128() == gatt::CHARACTERISTIC
            && one.service_uuid.as_u128() == gatt::SERVICE
            && one.properties.contains(flags)
    };
    let Some(characteristic) = device.characteristics().into_iter().find(is_smp) else {
        let text = "it is connected, but has no characteristic for SMP";
        let remedy = "Does its firmware have SMP over Bluetooth? In Zephyr that is CONFIG_MCUMGR_TRANSPORT_BT.";
        return Err(Trouble::error(io::ErrorKind::Unsupported, text, remedy));
    };
    let mut events = adapter.events().await.map_err(error)?;
    let mut notifications = device.notifications().await.map_err(error)?;
    limited(device.subscribe(&characteristic)).await?;
    let (tx, pieces) = mpsc::channel();
    let (own, id) = (characteristic.uuid, device.id());
    tokio::spawn(async move {
        let gone = async {
            while let Some(event) = events.next().await {
                if matches!(event, CentralEvent::DeviceDisconnected(other) if other == id) {
                    break;
                }
            }
            // Notifications received just before may still be on their way here.
            tokio::time::sleep(LOOK).await;
        };
        let forward = async {
            while let Some(notification) = notifications.next().await {
                if notification.uuid == own && tx.send(notification.value).is_err() {
                    break;
                }
            }
        };
        either(gone, forward).await;
    });
    Ok((characteristic, pieces))
}

/// Ends as soon as either of the two ends.
async fn either(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (Box::pin(one), Box::pin(other));
    std::future::poll_fn(|context| {
        if other.as_mut().poll(context).is_ready() { std::task::Poll::Ready(()) } else { one.as_mut().poll(context) }
    })
    .await;
}

async fn limited<T>(step: impl Future<Output = btleplug::Result<T>>) -> io::Result<T> {
    let late = |_| {
        let text = "the Bluetooth service does not answer";
        Trouble::error(io::ErrorKind::TimedOut, text, "Restart it, often with `systemctl restart bluetooth`.")
    };
    timeout(STEP, step).await.map_err(late)?.map_err(error)
}

/// Converts an error of the crate into words with a remedy.
fn error(error: btleplug::Error) -> io::Error {
    #[cfg(target_os = "linux")]
    if let btleplug::Error::Other(inner) = &error
        && let Some(bluez_async::BluetoothError::DbusError(error)) = inner.downcast_ref()
    {
        return super::meaning(error.name().unwrap_or_default(), error.message().unwrap_or_default());
    }
    let (kind, remedy) = match error {
        btleplug::Error::PermissionDenied => {
            (io::ErrorKind::PermissionDenied, "Allow this program to use Bluetooth, in the system's settings.")
        }
        btleplug::Error::NotConnected | btleplug::Error::DeviceNotFound => {
            (io::ErrorKind::NotConnected, "The device may have restarted; try again.")
        }
        _ => (io::ErrorKind::Other, "Check that Bluetooth is on, and the device in reach."),
    };
    Trouble::error(kind, error.to_string(), remedy)
}

impl io::Read for Connection {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.pieces.read(buf)
    }
}

impl io::Write for Connection {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let piece = buf.get(..self.piece).unwrap_or(buf);
        let until = Instant::now() + WRITE;
        loop {
            let write = self.device.write(&self.characteristic, piece, WriteType::WithoutResponse);
            match self.runtime.block_on(limited(write)) {
                Ok(()) => return Ok(piece.len()),
                // BlueZ is still busy with another operation on this characteristic.
                Err(error) if error.to_string().contains("InProgress") && Instant::now() < until => {
                    thread::sleep(Duration::from_millis(10));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Ready for Connection {
    fn is_ready(&mut self) -> io::Result<bool> {
        Ok(self.pieces.is_ready())
    }
}

impl Drop for Connection {
    /// After this program has ended, the system would keep the device connected, and so unavailable
    /// to others. It does so after Ctrl-C; therefore a device that was found connected is
    /// disconnected as well.
    fn drop(&mut self) {
        let _ = self.runtime.block_on(async { timeout(WRITE, self.device.disconnect()).await });
    }
}
