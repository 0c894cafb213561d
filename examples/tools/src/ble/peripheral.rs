//! The device's side, by BlueZ: an application with SMP's service, and an advertisement.
