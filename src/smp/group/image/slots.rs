//! Command 6 of group 1: the slots of a device and their sizes.

use crate::cbor::List;
use crate::smp::{Group, Op, Request, payload};

/// Asks for the sizes of the slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SlotInfo {}

payload!(request SlotInfo {});

/// The slots of all images.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct SlotInfoResponse<'b> {
    /// One entry per image.
    pub images: List<'b, ImageSlots<'b>>,
}

payload!(response SlotInfoResponse<'b> { images: List<'b, ImageSlots<'b>> = "images" });

/// The slots of one image.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ImageSlots<'b> {
    /// The number of the image, from 0.
    pub image: u32,
    /// The slots of the image: two, or one.
    pub slots: List<'b, Slot>,
    /// The largest image that can be swapped, in bytes.
    pub max_image_size: Option<u64>,
}

payload!(response ImageSlots<'b> {
    image: u32 = "image",
    slots: List<'b, Slot> = "slots",
    max_image_size: "max_image_size",
});

/// The size of one slot, and the number for uploads to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Slot {
    /// 0 primary, 1 secondary.
    pub slot: u32,
    /// The size of the slot in bytes; missing if the device could not open it.
    pub size: Option<u64>,
    /// The `image` of an upload to this slot; missing if there is none.
    pub upload_image_id: Option<u32>,
    /// The reason why the slot could not be opened: a number of the device's own.
    pub rc: Option<i32>,
}

payload!(response Slot {
    slot: u32 = "slot",
    size: "size",
    upload_image_id: "upload_image_id",
    rc: "rc",
});

impl Request for SlotInfo {
    const OP: Op = Op::Read;
    const GROUP: Group = Group::IMAGE;
    const COMMAND: u8 = 6;
    type Kind = Self;
    type Response<'m> = SlotInfoResponse<'m>;
}
