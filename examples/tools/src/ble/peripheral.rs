//! The device's side, by BlueZ: an application with SMP's service, and an advertisement.
//!
//! ```text
//!   accept: advertise ─▶ StartNotify: a connection ─▶ WriteValue, Value changed, … ─▶ StopNotify
//! ```
//!
//! BlueZ does not report when a central connects or leaves, but when notifications begin and end,
//! which is all that SMP needs. One central is served at a time, because notifications go to every
//! central that has requested them.

use std::collections::HashMap;
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anysmp::framing::gatt;
use anysmp::port::{Io, TICK};
use dbus::arg::{AppendAll, PropMap, RefArg, Variant, prop_cast};
use dbus::channel::{MatchingReceiver as _, Sender as _};
use dbus::message::{MatchRule, SignalArgs as _};
use dbus::nonblock::stdintf::org_freedesktop_dbus::{ObjectManager as _, Properties as _, PropertiesPropertiesChanged};
use dbus::nonblock::{Proxy, SyncConnection};
use dbus::{Message, Path};
use dbus_crossroads::{Crossroads, MethodErr};
use tokio::runtime::{Builder, Runtime};

use super::{Trouble, meaning};
use crate::port::{Host, Listener, Pieces, Port, Ready};

const BLUEZ: &str = "org.bluez";
const MANAGER: &str = "org.bluez.GattManager1";
const ADVERTISING: &str = "org.bluez.LEAdvertisingManager1";
const CHARACTERISTIC: &str = "org.bluez.GattCharacteristic1";

/// The path of the application on the bus; the paths of its parts begin with it.
const APPLICATION: &str = "/anysmp";
const SERVICE_PATH: &str = "/anysmp/service0";
const CHARACTERISTIC_PATH: &str = "/anysmp/service0/char0";
const ADVERTISEMENT_PATH: &str = "/anysmp/advertisement0";

/// The time that a call to BlueZ may take.
const CALL: Duration = Duration::from_secs(10);
/// The time allowed for sending the last notification before the connection is ended.
const LAST: Duration = Duration::from_millis(100);

/// Registers the service, and waits for centrals, which see it as `name`.
pub fn listen(name: &str) -> io::Result<Listener> {
    // One separate thread, which answers BlueZ at any time: BlueZ calls back during the
    // registration.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (opened, connections) = mpsc::channel();
    let state = Arc::new(Mutex::new(State { opened: Some(opened), pieces: None, central: None, mtu: gatt::MIN_MTU }));
    let (bus, adapter) = runtime.block_on(begin(&state, name)).map_err(|failure| match failure {
        Start::Bus(failure) => error(failure),
        Start::NoAdapter => {
            let text = "this computer has no Bluetooth adapter that can play a device";
            Trouble::error(io::ErrorKind::NotFound, text, "Plug one in; `bluetoothctl list` shows them.")
        }
    })?;
    let radio = Arc::new(Radio { runtime, bus, adapter, state });
    let accept = move || radio.accept(&connections);
    Ok(Listener::Function(Box::new(accept), name.to_owned()))
}

/// The reason why the device could not start.
enum Start {
    Bus(dbus::Error),
    NoAdapter,
}

impl From<dbus::Error> for Start {
    fn from(error: dbus::Error) -> Self {
        Self::Bus(error)
    }
}

/// Connects to the bus, switches the adapter on, and registers the service.
async fn begin(state: &Shared, name: &str) -> Result<(Arc<SyncConnection>, Path<'static>), Start> {
    let (resource, bus) = dbus_tokio::connection::new_system_sync()?;
    let ended = state.clone();
    tokio::spawn(async move {
        resource.await;
        lock(&ended).end();
    });
    // After a restart BlueZ has forgotten this application.
    let rule = MatchRule::new_signal("org.freedesktop.DBus", "NameOwnerChanged");
    let ended = state.clone();
    let restarts = bus.add_match(rule).await?.cb(move |_, (name, _, owner): (String, String, String)| {
        if name == BLUEZ && owner.is_empty() {
            lock(&ended).end();
        }
        true
    });
    // The registration lasts as long as the bus.
    std::mem::forget(restarts);
    let objects = Proxy::new(BLUEZ, "/", CALL, bus.clone()).get_managed_objects().await?;
    let can_play = |(path, interfaces): (Path<'static>, HashMap<String, PropMap>)| {
        (interfaces.contains_key(MANAGER) && interfaces.contains_key(ADVERTISING)).then_some(path)
    };
    let adapter = objects.into_iter().filter_map(can_play).min().ok_or(Start::NoAdapter)?;
    // This user may not be allowed to switch an adapter on, but it may be on already.
    let proxy = Proxy::new(BLUEZ, adapter.clone(), CALL, bus.clone());
    if !proxy.get::<bool>("org.bluez.Adapter1", "Powered").await? {
        proxy.set("org.bluez.Adapter1", "Powered", true).await?;
    }
    export(&bus, state, name);
    let () = proxy.method_call(MANAGER, "RegisterApplication", (Path::from(APPLICATION), PropMap::new())).await?;
    Ok((bus, adapter))
}

/// The state of the connection, if there is one.
struct State {
    /// The channel that announces new ones; `None` once the bus or BlueZ is gone.
    opened: Option<Sender<Receiver<Vec<u8>>>>,
    /// The channel for the values written by a central.
    pieces: Option<Sender<Vec<u8>>>,
    /// The central that writes them.
    central: Option<Path<'static>>,
    mtu: u16,
}

impl State {
    /// A central has switched notifications on.
    fn begin(&mut self) {
        let (pieces, received) = mpsc::channel();
        (self.pieces, self.central, self.mtu) = (Some(pieces), None, gatt::MIN_MTU);
        if let Some(opened) = &self.opened {
            let _ = opened.send(received);
        }
    }

    /// A central has written.
    fn written(&mut self, value: Vec<u8>, options: &PropMap) -> Result<(), MethodErr> {
        let refused = |text: &str| MethodErr::from(("org.bluez.Error.NotPermitted", text));
        let central = prop_cast::<Path<'static>>(options, "device");
        if central.is_some() && self.central.is_some() && self.central.as_ref() != central {
            return Err(refused("another central is served"));
        }
        let pieces = self.pieces.as_ref().ok_or_else(|| refused("notifications are off"))?;
        self.central = central.cloned();
        // BlueZ before 5.50 does not report it.
        self.mtu = prop_cast(options, "mtu").copied().unwrap_or(gatt::MIN_MTU);
        pieces.send(value).map_err(|_gone| refused("the device does not listen"))
    }

    /// Refuses further connections.
    fn end(&mut self) {
        (self.opened, self.pieces) = (None, None);
    }
}

type Shared = Arc<Mutex<State>>;

fn lock(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn error(error: dbus::Error) -> io::Error {
    meaning(error.name().unwrap_or_default(), error.message().unwrap_or_default())
}

/// Puts service, characteristic and advertisement on the bus.
fn export(bus: &SyncConnection, state: &Shared, name: &str) {
    let uuid = |value: u128| {
        let hex = format!("{value:032x}");
        let mut rest = hex.as_str();
        let parts = [8, 4, 4, 4, 12].map(|len| {
            let (part, after) = rest.split_at_checked(len).unwrap_or((rest, ""));
            rest = after;
            part
        });
        parts.join("-")
    };
    let (service, characteristic) = (uuid(gatt::SERVICE), uuid(gatt::CHARACTERISTIC));
    let mut objects = Crossroads::new();
    let advertised = service.clone();
    let service = objects.register("org.bluez.GattService1", move |of| {
        let uuid = service.clone();
        of.property("UUID").get(move |_, _: &mut ()| Ok(uuid.clone()));
        of.property("Primary").get(|_, _| Ok(true));
    });
    let own = state.clone();
    let characteristic = objects.register(CHARACTERISTIC, move |of| {
        let uuid = characteristic.clone();
        of.property("UUID").get(move |_, _: &mut ()| Ok(uuid.clone()));
        of.property("Service").get(|_, _| Ok(Path::from(SERVICE_PATH)));
        of.property("Flags").get(|_, _| Ok(vec!["write-without-response".to_owned(), "notify".to_owned()]));
        let state = own.clone();
        of.method("WriteValue", ("value", "options"), (), move |_, _, (value, options): (Vec<u8>, PropMap)| {
            lock(&state).written(value, &options)
        });
        let state = own.clone();
        of.method("StartNotify", (), (), move |_, _, ()| {
            lock(&state).begin();
            Ok(())
        });
        let state = own.clone();
        of.method("StopNotify", (), (), move |_, _, ()| {
            lock(&state).pieces = None;
            Ok(())
        });
    });
    let name = name.to_owned();
    let advertisement = objects.register("org.bluez.LEAdvertisement1", move |of| {
        of.property("Type").get(|_, _: &mut ()| Ok("peripheral".to_owned()));
        let services = vec![advertised.clone()];
        of.property("ServiceUUIDs").get(move |_, _| Ok(services.clone()));
        let name = name.clone();
        of.property("LocalName").get(move |_, _| Ok(name.clone()));
        of.method("Release", (), (), |_, _, ()| Ok(()));
    });
    let manager = objects.object_manager();
    objects.insert(APPLICATION, &[manager], ());
    objects.insert(SERVICE_PATH, &[service], ());
    objects.insert(CHARACTERISTIC_PATH, &[characteristic], ());
    objects.insert(ADVERTISEMENT_PATH, &[advertisement], ());
    let objects = Mutex::new(objects);
    let answer = move |message: Message, bus: &SyncConnection| {
        let mut objects = objects.lock().unwrap_or_else(PoisonError::into_inner);
        // An error would mean that the message is not a method call.
        let _ = objects.handle_message(message, bus);
        true
    };
    bus.start_receive(MatchRule::new_method_call(), Box::new(answer));
}

/// The operations on the radio.
struct Radio {
    runtime: Runtime,
    bus: Arc<SyncConnection>,
    adapter: Path<'static>,
    state: Shared,
}

impl Radio {
    /// Calls a method of BlueZ.
    fn call<A: AppendAll>(&self, path: Path<'_>, interface: &str, method: &str, args: A) -> Result<(), dbus::Error> {
        self.runtime.block_on(Proxy::new(BLUEZ, path, CALL, self.bus.clone()).method_call(interface, method, args))
    }

    /// Advertises the device, and waits until a central asks for notifications.
    fn accept(self: &Arc<Self>, connections: &Receiver<Receiver<Vec<u8>>>) -> Option<Port> {
        if let Err(failure) = self.call(
            self.adapter.clone(),
            ADVERTISING,
            "RegisterAdvertisement",
            (Path::from(ADVERTISEMENT_PATH), PropMap::new()),
        ) {
            crate::errln!("cannot advertise: {}", error(failure));
            lock(&self.state).end();
        }
        loop {
            match connections.recv_timeout(TICK) {
                Ok(pieces) => {
                    let session = Session { radio: self.clone(), pieces: Pieces::new(pieces) };
                    return Some(Box::new(Host::new(Io::new(session))));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }
}

/// A connection, which lasts as long as notifications are on. Each read returns one value that was
/// written, each write sends one notification.
struct Session {
    radio: Arc<Radio>,
    pieces: Pieces,
}

impl io::Read for Session {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.pieces.read(buf)
    }
}

impl io::Write for Session {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mtu = lock(&self.radio.state).mtu;
        let piece = buf.get(..gatt::fragment_len(mtu)).unwrap_or(buf);
        let value: Box<dyn RefArg> = Box::new(piece.to_vec());
        let changed = PropertiesPropertiesChanged {
            interface_name: CHARACTERISTIC.to_owned(),
            changed_properties: PropMap::from([("Value".to_owned(), Variant(value))]),
            invalidated_properties: Vec::new(),
        };
        let sent = self.radio.bus.send(changed.to_emit_message(&Path::from(CHARACTERISTIC_PATH)));
        sent.or(Err(io::ErrorKind::BrokenPipe))?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Ready for Session {
    fn is_ready(&mut self) -> io::Result<bool> {
        Ok(self.pieces.is_ready())
    }
}

impl Drop for Session {
    /// The device goes off the air, as at a reset; a central that is still connected notices.
    fn drop(&mut self) {
        let path = (Path::from(ADVERTISEMENT_PATH),);
        let _ = self.radio.call(self.radio.adapter.clone(), ADVERTISING, "UnregisterAdvertisement", path);
        if !self.pieces.has_ended() {
            let central = lock(&self.radio.state).central.take();
            thread::sleep(LAST);
            if let Some(central) = central {
                let _ = self.radio.call(central, "org.bluez.Device1", "Disconnect", ());
            }
            lock(&self.radio.state).pieces = None;
        }
    }
}
