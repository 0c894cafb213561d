//! The slots alone, with a configuration that may be a different one at each start.
#![no_std]
#![no_main]

use anysmp::mcuboot::slots::{Config, Setup as _};

footprint::slots!(Config, *footprint::groups::Board.config());
