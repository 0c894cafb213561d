"""BlueZ without a radio: its objects on a private D-Bus, as far as centrals and peripherals for SMP use them.

One adapter, and one device in reach. Behind the device is either `smp-device --tcp … --framing raw` (`--tcp`), or the
application that `smp-device --ble` registers here: then the service relays between the two.

What BlueZ refuses is refused here with the same error, so that a client cannot pass by being careless: pieces longer than
ATT_MTU - 3, writes to what is not connected, connecting what does not advertise, a name that is not on the bus. Objects
of GATT are there only while the device is connected, and a device has an RSSI only while somebody scans and hears it.
"""

import argparse
import asyncio
import os
import socket
from xml.sax.saxutils import quoteattr

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

SERVICE = "8d53dc1d-1db7-4cd3-868b-8a527460aa84"
CHARACTERISTIC = "da2e7828-fbce-4e01-ae9e-261174997c48"

ADAPTER = "org.bluez.Adapter1"
DEVICE = "org.bluez.Device1"
GATT_SERVICE = "org.bluez.GattService1"
GATT_CHARACTERISTIC = "org.bluez.GattCharacteristic1"
GATT_MANAGER = "org.bluez.GattManager1"
ADVERTISING = "org.bluez.LEAdvertisingManager1"
ADVERTISEMENT = "org.bluez.LEAdvertisement1"
PROPERTIES = "org.freedesktop.DBus.Properties"
OBJECTS = "org.freedesktop.DBus.ObjectManager"

HCI = "/org/bluez/hci0"
# The second one is that of a device which changes its address with a reset.
ADDRESSES = ["C0:FF:EE:00:00:01", "C0:FF:EE:00:00:03"]
# One that is near, has the same name, and is never connected.
TWIN_ADDRESS = "C0:FF:EE:00:00:04"
TWIN = f"{HCI}/dev_{TWIN_ADDRESS.replace(':', '_')}"
# What the application sees as its central.
CENTRAL_ADDRESS = "C0:FF:EE:00:00:02"
CENTRAL = f"{HCI}/dev_{CENTRAL_ADDRESS.replace(':', '_')}"


class Error(Exception):
    def __init__(self, name, text):
        super().__init__(text)
        self.name = name if "." in name else f"org.bluez.Error.{name}"


class Tcp:
    """The firmware of the device: `smp-device --tcp … --framing raw`. A message begins with its length."""

    def __init__(self, device, address):
        self.device, self.address = device, address
        self.writer = self.reading = None

    async def connected(self):
        host, port = self.address.rsplit(":", 1)
        reader, self.writer = await asyncio.open_connection(host, int(port))
        self.reading = asyncio.create_task(self.read(reader))

    async def read(self, reader):
        try:
            while True:
                head = await reader.readexactly(8)
                message = head + await reader.readexactly(int.from_bytes(head[2:4], "big"))
                # A write response of the OS group to a reset, without an error: the device goes.
                is_reset = (head[0] & 7, head[4:6], head[7]) == (3, b"\0\0", 5) and message[8:] in (b"\xa0", b"\xbf\xff")
                if not (is_reset and self.device.options.mute_reset):
                    self.device.respond(message)
                if is_reset:
                    # Also where its central hangs up in the meantime.
                    asyncio.get_running_loop().call_later(0.05, self.device.vanish)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass

    async def write(self, value):
        self.writer.write(value)
        await self.writer.drain()

    async def subscribed(self, on):
        pass

    def disconnected(self):
        if self.reading:
            self.reading.cancel()
            self.writer.close()
            self.reading = None


class Application:
    """The firmware of the device: what a client of this bus has registered."""

    def __init__(self, bluez, owner, path):
        self.bluez, self.owner, self.path = bluez, owner, path

    async def connected(self):
        self.bluez.add(CENTRAL, DEVICE, self.bluez.device(CENTRAL_ADDRESS, "a phone", []) | {"Connected": Variant("b", True)})

    async def write(self, value):
        options = {
            "device": Variant("o", CENTRAL), "link": Variant("s", "LE"),
            "mtu": Variant("q", self.bluez.options.mtu), "type": Variant("s", "command"),
        }
        await self.call("WriteValue", "aya{sv}", [value, options])

    async def subscribed(self, on):
        await self.call("StartNotify" if on else "StopNotify")

    async def call(self, member, signature="", body=()):
        return await self.bluez.call(self.owner, self.path, GATT_CHARACTERISTIC, member, signature, list(body))

    def disconnected(self):
        self.bluez.remove(CENTRAL)


class Bluez:
    def __init__(self, options):
        self.options = options
        self.bus = None
        self.objects = {"/org/bluez": {}}
        # Who scans, and who has asked for notifications.
        self.scanning, self.notifying = set(), set()
        self.firmware = Tcp(self, options.tcp) if options.tcp else None
        self.advertised = None if options.tcp is None else (options.name, [SERVICE])
        self.advertisement = None
        self.move(ADDRESSES[0])
        self.is_away = False
        self.is_connected = False
        self.written = 0
        self.writes = 0
        self.drops = 1 if options.drop_after else 0
        self.sockets = []
        # What is on its way to the central, in the order in which the radio sends it.
        self.outgoing = asyncio.Queue()

    def move(self, address):
        self.address = address
        self.peer = f"{HCI}/dev_{address.replace(':', '_')}"
        self.service = f"{self.peer}/service000a"
        self.characteristic = f"{self.service}/char000b"

    async def run(self):
        self.bus = await MessageBus(bus_address=os.environ["DBUS_SYSTEM_BUS_ADDRESS"], negotiate_unix_fd=True).connect()
        self.bus.add_message_handler(self.received)
        if not self.options.no_adapter:
            self.objects[HCI] = {
                ADAPTER: {
                    "Address": Variant("s", "00:11:22:33:44:55"), "AddressType": Variant("s", "public"),
                    "Name": Variant("s", "mock"), "Alias": Variant("s", "mock"), "Class": Variant("u", 0),
                    "Modalias": Variant("s", "usb:v1D6Bp0246d0537"), "Powered": Variant("b", not (self.options.off or self.options.asleep)),
                    "Discoverable": Variant("b", False), "Pairable": Variant("b", False), "UUIDs": Variant("as", []),
                    "Discovering": Variant("b", False), "Roles": Variant("as", ["central", "peripheral"]),
                },
                GATT_MANAGER: {},
                ADVERTISING: {
                    "ActiveInstances": Variant("y", 0), "SupportedInstances": Variant("y", 5),
                    "SupportedIncludes": Variant("as", ["local-name"]),
                },
            }
        for rule in ("type='signal',member='NameOwnerChanged'", f"type='signal',member='PropertiesChanged',arg0='{GATT_CHARACTERISTIC}'"):
            await self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s", [rule])
        await self.bus.request_name("org.bluez")
        print("ready", flush=True)
        # Without the bus there is nothing to be: whoever waits for this program has to see that.
        tasks = [asyncio.create_task(self.hearing()), asyncio.create_task(self.notifying_forever())]
        await self.bus.wait_for_disconnect()
        del tasks

    # ---- the bus ----

    async def call(self, destination, path, interface, member, signature="", body=()):
        reply = await self.bus.call(Message(
            destination=destination, path=path, interface=interface, member=member, signature=signature, body=list(body)
        ))
        if reply.message_type == MessageType.ERROR:
            raise Error(reply.error_name, str(reply.body))
        return reply.body

    def signal(self, path, interface, member, signature, body):
        self.bus.send(Message.new_signal(path, interface, member, signature, body))

    def add(self, path, interface, properties):
        self.objects.setdefault(path, {})[interface] = properties
        self.signal("/", OBJECTS, "InterfacesAdded", "oa{sa{sv}}", [path, {interface: properties}])

    def remove(self, path):
        if interfaces := self.objects.pop(path, None):
            self.signal("/", OBJECTS, "InterfacesRemoved", "oas", [path, list(interfaces)])

    def change(self, path, interface, **changed):
        """Sets properties; None takes one away."""
        properties = self.objects[path][interface]
        gone = [name for name, value in changed.items() if value is None and properties.pop(name, None)]
        there = {name: value for name, value in changed.items() if value is not None}
        properties.update(there)
        self.signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, there, gone])

    def received(self, message):
        if message.message_type == MessageType.SIGNAL:
            if message.member == "NameOwnerChanged" and message.body[2] == "":
                self.left(message.body[0])
            elif message.member == "PropertiesChanged":
                self.changed(message)
            return False
        if message.message_type != MessageType.METHOD_CALL or message.interface == "org.freedesktop.DBus.Peer":
            return False
        asyncio.get_running_loop().create_task(self.answer(message))
        return True

    async def answer(self, message):
        try:
            signature, body, fds = await self.perform(message) or ("", [], [])
            reply = Message.new_method_return(message, signature, body, fds)
        except Error as error:
            reply = Message.new_error(message, error.name, str(error))
        except Exception as error:
            reply = Message.new_error(message, "org.bluez.Error.Failed", repr(error))
            print("mock:", repr(error), flush=True)
        self.bus.send(reply)

    async def perform(self, message):
        path, interface, member, body = message.path, message.interface, message.member, message.body
        if (interface, member, path) == (OBJECTS, "GetManagedObjects", "/"):
            return "a{oa{sa{sv}}}", [self.objects], []
        if member == "Introspect":
            return "s", [self.introspected(path)], []
        if path not in self.objects:
            raise Error("org.freedesktop.DBus.Error.UnknownObject", f"no object {path}")
        if interface == PROPERTIES:
            properties = self.objects[path].get(body[0], {})
            if member == "GetAll":
                return "a{sv}", [properties], []
            if member == "Get":
                if body[1] not in properties:
                    raise Error("org.freedesktop.DBus.Error.InvalidArgs", f"no property {body[1]}")
                return "v", [properties[body[1]]], []
            if body[1] == "Powered" and self.options.off:
                raise Error("Blocked" if body[2].value else "Failed", "Blocked through rfkill")
            self.change(path, body[0], **{body[1]: body[2]})
            return None
        if interface not in self.objects[path]:
            raise Error("org.freedesktop.DBus.Error.UnknownMethod", f"no interface {interface} at {path}")
        method = getattr(self, f"{interface.rsplit('.')[-1]}_{member}", None)
        if method is None:
            raise Error("org.freedesktop.DBus.Error.UnknownMethod", f"{interface}.{member}")
        return await method(message)

    def introspected(self, path):
        inside = {one.removeprefix(path.rstrip("/") + "/").split("/")[0] for one in self.objects if one.startswith(path.rstrip("/") + "/")}
        nodes = "".join(f"<node name={quoteattr(name)}/>" for name in sorted(inside))
        own = "".join(f"<interface name={quoteattr(name)}/>" for name in self.objects.get(path, {}))
        return f"<node>{own}{nodes}</node>"

    # ---- the air ----

    @staticmethod
    def device(address, name, services):
        return {
            "Address": Variant("s", address), "AddressType": Variant("s", "random"), "Alias": Variant("s", name),
            "Name": Variant("s", name), "Paired": Variant("b", False), "Bonded": Variant("b", False), "Trusted": Variant("b", False),
            "Blocked": Variant("b", False), "LegacyPairing": Variant("b", False), "Connected": Variant("b", False),
            "ServicesResolved": Variant("b", False), "UUIDs": Variant("as", services), "Adapter": Variant("o", HCI),
        }

    @property
    def is_on_air(self):
        return self.advertised is not None and not self.is_away and not self.is_connected

    async def hearing(self):
        while True:
            await asyncio.sleep(0.1)
            self.hear()

    def hear(self):
        """What a scan of a tenth of a second brings."""
        if self.scanning and self.is_on_air:
            name, services = self.advertised
            if self.peer not in self.objects:
                self.add(self.peer, DEVICE, self.device(self.address, name, services) | {"RSSI": Variant("n", -42)})
            else:
                self.change(self.peer, DEVICE, RSSI=Variant("n", -42 - os.urandom(1)[0] % 9))
                if self.options.twin and TWIN not in self.objects:
                    self.add(TWIN, DEVICE, self.device(TWIN_ADDRESS, name, services) | {"RSSI": Variant("n", -70)})

    def gone(self):
        """The connection is over, whoever ended it."""
        if self.is_connected:
            self.is_connected = False
            for end in self.sockets:
                asyncio.get_running_loop().remove_reader(end)
                end.close()
            self.sockets.clear()
            self.firmware.disconnected()
            self.notifying.clear()
            while not self.outgoing.empty():
                self.outgoing.get_nowait()
            self.remove(self.characteristic)
            self.remove(self.service)
            self.change(self.peer, DEVICE, Connected=Variant("b", False), ServicesResolved=Variant("b", False))

    def vanish(self):
        """The device is off the air for a while."""
        self.is_away = True
        had = self.is_connected
        self.gone()
        if self.peer in self.objects:
            self.change(self.peer, DEVICE, RSSI=None)
            if self.options.forget:
                self.remove(self.peer)
        if self.options.moves:
            self.move(ADDRESSES[1])
        print("vanished", had, flush=True)
        asyncio.get_running_loop().call_later(self.options.away, self.back)

    def back(self):
        self.is_away = False
        print("back", flush=True)

    def left(self, client):
        """A client of the bus is gone: what it had asked for ends, but for connections."""
        self.scanning.discard(client)
        if client in self.notifying:
            self.notifying.discard(client)
        if isinstance(self.firmware, Application) and client == self.firmware.owner:
            self.gone()
            self.firmware = self.advertised = None

    def respond(self, message):
        """Pieces of a message, as the device would notify them."""
        limit = min(self.options.cut or 512, self.options.mtu - 3)
        for start in range(0, len(message), limit):
            self.outgoing.put_nowait(message[start : start + limit])

    async def notifying_forever(self):
        count = 0
        while True:
            value = bytes(await self.outgoing.get())[: self.options.mtu - 3]
            for end in self.sockets:
                if end.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_SEQPACKET:
                    end.send(value)
            if self.notifying and self.characteristic in self.objects:
                self.change(self.characteristic, GATT_CHARACTERISTIC, Value=Variant("ay", value))
            count += 1
            if count % 32 == 0:
                # dbus-fast gives up where the buffer of its socket is full: so the bus has to have read all of it.
                await self.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId")

    async def send(self, value):
        if not self.is_connected:
            raise Error("NotConnected", "Not Connected")
        if len(value) > self.options.mtu - 3:
            raise Error("Failed", "Failed to initiate write")
        self.written += len(value)
        if self.drops and self.written > self.options.drop_after:
            self.drops -= 1
            self.vanish()
            return
        await self.firmware.write(value)

    # ---- org.bluez.Adapter1 ----

    async def Adapter1_SetDiscoveryFilter(self, message):
        pass

    async def Adapter1_StartDiscovery(self, message):
        if not self.objects[HCI][ADAPTER]["Powered"].value:
            raise Error("NotReady", "Resource Not Ready")
        if message.sender in self.scanning:
            raise Error("InProgress", "Operation already in progress")
        self.scanning.add(message.sender)
        self.change(HCI, ADAPTER, Discovering=Variant("b", True))

    async def Adapter1_StopDiscovery(self, message):
        if message.sender not in self.scanning:
            raise Error("Failed", "No discovery started")
        self.scanning.discard(message.sender)
        if not self.scanning:
            self.change(HCI, ADAPTER, Discovering=Variant("b", False))
            if self.peer in self.objects:
                self.change(self.peer, DEVICE, RSSI=None)

    async def Adapter1_RemoveDevice(self, message):
        self.gone()
        self.remove(message.body[0])

    # ---- org.bluez.Device1 ----

    async def Device1_Connect(self, message):
        if self.is_connected:
            return
        if not self.is_on_air:
            await asyncio.sleep(0.3)
            raise Error("Failed", "le-connection-abort-by-local")
        if self.options.busy and not self.writes:
            self.writes = 1
            raise Error("Failed", "le-connection-abort-by-local")
        await self.firmware.connected()
        self.is_connected = True
        self.change(self.peer, DEVICE, Connected=Variant("b", True), RSSI=None)
        asyncio.get_running_loop().call_later(0.05, self.resolved)

    def resolved(self):
        if not self.is_connected:
            return
        self.add(self.service, GATT_SERVICE, {
            "UUID": Variant("s", SERVICE), "Device": Variant("o", self.peer), "Primary": Variant("b", True), "Includes": Variant("ao", []),
        })
        if not self.options.no_characteristic:
            self.add(self.characteristic, GATT_CHARACTERISTIC, {
                "UUID": Variant("s", CHARACTERISTIC), "Service": Variant("o", self.service), "Value": Variant("ay", b""),
                "Notifying": Variant("b", False), "Flags": Variant("as", ["write-without-response", "notify"]),
                "WriteAcquired": Variant("b", False), "NotifyAcquired": Variant("b", False),
                "MTU": Variant("q", self.options.mtu),
            })
        self.change(self.peer, DEVICE, ServicesResolved=Variant("b", True))

    async def Device1_Disconnect(self, message):
        # The central hangs up on the device, or the device on its central: the same connection.
        self.gone()

    # ---- org.bluez.GattCharacteristic1 ----

    async def GattCharacteristic1_WriteValue(self, message):
        value, options = message.body
        if options.get("type", Variant("s", "command")).value != "command":
            raise Error("NotSupported", "Operation is not supported")
        self.writes += 1
        if self.options.busy and self.writes % 3 == 0:
            raise Error("InProgress", "In Progress")
        await self.send(value)

    async def GattCharacteristic1_StartNotify(self, message):
        if self.options.unpaired:
            raise Error("NotPermitted", "Not paired")
        if message.sender in self.notifying:
            raise Error("InProgress", "In Progress")
        self.notifying.add(message.sender)
        if len(self.notifying) == 1:
            await self.firmware.subscribed(True)
        self.change(self.characteristic, GATT_CHARACTERISTIC, Notifying=Variant("b", True))

    async def GattCharacteristic1_StopNotify(self, message):
        if message.sender not in self.notifying:
            raise Error("Failed", "No notify session started")
        self.notifying.discard(message.sender)
        if not self.notifying:
            await self.firmware.subscribed(False)
            self.change(self.characteristic, GATT_CHARACTERISTIC, Notifying=Variant("b", False))

    def acquired(self, kind):
        ours, theirs = socket.socketpair(socket.AF_UNIX, kind | socket.SOCK_NONBLOCK)
        self.sockets.append(ours)
        return ours, ("hq", [0, self.options.mtu], [theirs.detach()])

    async def GattCharacteristic1_AcquireWrite(self, message):
        # A stream of packets too, but one that nobody is notified through.
        ours, answer = self.acquired(socket.SOCK_DGRAM)

        def written():
            value = ours.recv(512)
            if value:
                asyncio.get_running_loop().create_task(self.send(value))
            else:
                asyncio.get_running_loop().remove_reader(ours)

        asyncio.get_running_loop().add_reader(ours, written)
        return answer

    async def GattCharacteristic1_AcquireNotify(self, message):
        _, answer = self.acquired(socket.SOCK_SEQPACKET)
        await self.firmware.subscribed(True)
        return answer

    # ---- org.bluez.GattManager1, org.bluez.LEAdvertisingManager1 ----

    async def GattManager1_RegisterApplication(self, message):
        [objects] = await self.call(message.sender, message.body[0], OBJECTS, "GetManagedObjects")
        services = {path: one[GATT_SERVICE] for path, one in objects.items() if GATT_SERVICE in one}
        characteristics = {path: one[GATT_CHARACTERISTIC] for path, one in objects.items() if GATT_CHARACTERISTIC in one}
        for path, one in characteristics.items():
            service = services.get(one["Service"].value)
            if service is None or not path.startswith(one["Service"].value + "/"):
                raise Error("Failed", "a characteristic without its service")
            if (service["UUID"].value.lower(), one["UUID"].value.lower()) == (SERVICE, CHARACTERISTIC):
                if not service["Primary"].value or set(one["Flags"].value) != {"write-without-response", "notify"}:
                    raise Error("Failed", f"not SMP: {one['Flags'].value}")
                self.firmware = Application(self, message.sender, path)
                print("registered", message.sender, path, flush=True)
                return
        raise Error("Failed", "No object received")

    async def GattManager1_UnregisterApplication(self, message):
        self.left(message.sender)

    async def LEAdvertisingManager1_RegisterAdvertisement(self, message):
        [all_] = await self.call(message.sender, message.body[0], PROPERTIES, "GetAll", "s", [ADVERTISEMENT])
        if all_["Type"].value != "peripheral":
            raise Error("InvalidArguments", "Invalid arguments in method call")
        if self.advertisement is not None:
            raise Error("AlreadyExists", "Already Exists")
        self.advertisement = message.body[0]
        self.advertised = (all_["LocalName"].value, [uuid.lower() for uuid in all_["ServiceUUIDs"].value])
        print("advertised", flush=True)

    async def LEAdvertisingManager1_UnregisterAdvertisement(self, message):
        if message.body[0] != self.advertisement:
            raise Error("DoesNotExist", "Does Not Exist")
        self.advertised = self.advertisement = None
        if self.peer in self.objects:
            self.change(self.peer, DEVICE, RSSI=None)

    def changed(self, message):
        """The application has a new value: notified, cut off at the MTU, to whoever has asked."""
        firmware = self.firmware
        if isinstance(firmware, Application) and (message.sender, message.path) == (firmware.owner, firmware.path):
            if value := message.body[1].get("Value"):
                self.outgoing.put_nowait(value.value)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tcp", help="HOST:PORT of smp-device; without it, an application registers")
    parser.add_argument("--name", default="Greenhouse")
    parser.add_argument("--mtu", type=int, default=247)
    parser.add_argument("--cut", type=int, help="notifications have at most as many bytes")
    parser.add_argument("--drop-after", type=int, default=0, help="vanish once, after as many written bytes")
    parser.add_argument("--away", type=float, default=0.6, help="seconds for which a device stays away")
    parser.add_argument("--forget", action="store_true", help="forget a device that goes")
    parser.add_argument("--busy", action="store_true", help="refuse the first connection, and each third write, for the moment")
    parser.add_argument("--no-adapter", action="store_true")
    parser.add_argument("--no-characteristic", action="store_true")
    parser.add_argument("--off", action="store_true", help="the adapter cannot be switched on")
    parser.add_argument("--asleep", action="store_true", help="the adapter is not switched on")
    parser.add_argument("--moves", action="store_true", help="have another address after a reset")
    parser.add_argument("--twin", action="store_true", help="there is another device with the same name, heard a little later")
    parser.add_argument("--mute-reset", action="store_true", help="go without the response to a reset")
    parser.add_argument("--unpaired", action="store_true", help="notifications want pairing")
    asyncio.run(Bluez(parser.parse_args()).run())


main()
