//! The slots alone, with a constant configuration.
#![no_std]
#![no_main]

footprint::slots!(footprint::groups::Board, footprint::groups::Board);
