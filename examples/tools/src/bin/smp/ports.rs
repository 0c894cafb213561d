//! The serial ports of this computer.

use anysmp_tools::outln as println;
use anysmp_tools::port::Serial;
use serde_json::{Value, json};
use serialport::{SerialPortInfo, SerialPortType};

use crate::failure::Failure;
use crate::output::{Output, table};

/// Lists the ports, and opens each for a moment to see whether it can be.
pub fn list(output: Output, baud: u32) -> Result<(), Failure> {
    let mut ports = serialport::available_ports().map_err(|error| Failure::Port(error.into()))?;
    ports.sort_by(|a, b| a.port_name.cmp(&b.port_name));
    let rows: Vec<[String; 3]> = ports.iter().map(|port| row(port, baud)).collect();
    let object = |[port, description, state]: &[String; 3]| {
        let description = Some(description).filter(|description| *description != NONE);
        json!({ "port": port, "description": description, "opens": state == OPENS, "state": state })
    };
    let all: Vec<Value> = rows.iter().map(object).collect();
    output.result(&json!({ "ports": all }), || {
        if rows.is_empty() {
            println!("no serial ports");
        } else {
            table(["PORT", "DESCRIPTION", "STATE"], &rows);
        }
    });
    Ok(())
}

/// Lists the Bluetooth devices with SMP within range; with a name or an address, only the devices
/// that have it.
#[cfg(feature = "ble")]
pub fn near(output: Output, wanted: &str) -> Result<(), Failure> {
    /// A device that saves energy advertises itself every second or two.
    const SCAN: std::time::Duration = std::time::Duration::from_secs(4);
    let scanned = anysmp_tools::ble::central::scan(SCAN);
    let mut devices =
        scanned.map_err(|error| Failure::Port(anysmp_tools::ble::Trouble::during(&error, "cannot scan")))?;
    devices.retain(|device| wanted.is_empty() || device.name == wanted || device.address.eq_ignore_ascii_case(wanted));
    let all: Vec<Value> = devices
        .iter()
        .map(|device| json!({ "name": device.name, "address": device.address, "rssi": device.rssi }))
        .collect();
    output.result(&json!({ "devices": all }), || {
        if devices.is_empty() {
            println!("no Bluetooth devices with SMP in reach");
            return;
        }
        let rows: Vec<[String; 3]> = devices
            .iter()
            .map(|device| {
                let signal = device.rssi.map_or_else(|| NONE.to_owned(), |rssi| format!("{rssi} dBm"));
                [device.name.clone(), device.address.clone(), signal]
            })
            .collect();
        table(["NAME", "ADDRESS", "SIGNAL"], &rows);
    });
    Ok(())
}

const OPENS: &str = "can be opened";
/// Shown for an unknown value.
const NONE: &str = "-";

fn row(port: &SerialPortInfo, baud: u32) -> [String; 3] {
    let state = match Serial::open(&port.port_name, baud) {
        Ok(_) => OPENS.to_owned(),
        Err(error) => error.to_string(),
    };
    [port.port_name.clone(), description(&port.port_type), state]
}

fn description(kind: &SerialPortType) -> String {
    match kind {
        SerialPortType::UsbPort(usb) => {
            let names = [&usb.manufacturer, &usb.product, &usb.serial_number];
            let names: Vec<&str> = names.into_iter().filter_map(|name| name.as_deref()).collect();
            format!("USB {:04x}:{:04x} {}", usb.vid, usb.pid, names.join(", ")).trim_end().to_owned()
        }
        SerialPortType::PciPort => "built in".to_owned(),
        SerialPortType::BluetoothPort => "Bluetooth".to_owned(),
        SerialPortType::Unknown => NONE.to_owned(),
    }
}
