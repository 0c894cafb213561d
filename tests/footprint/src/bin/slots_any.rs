//! The slots alone, with a configuration that could be another one at each start.
#![no_std]
#![no_main]

use anysmp::mcuboot::slots::{Config, Setup as _};

footprint::slots!(Config, *footprint::groups::Board.config());
