"""MCUboot images as far as the tests need them: make one, give one another version, find its hash."""

import hashlib
import struct

MAGIC, TLV_MAGIC, SHA256 = 0x96F3B83D, 0x6907, 0x10


def make_image(version, size):
    """A well-formed image without a signature; its body is a pattern that no shift leaves equal."""
    body = b"".join(hashlib.sha256(struct.pack("<I", i)).digest() for i in range(size // 32 + 1))[:size]
    header = struct.pack("<IIHHIIBBHII", MAGIC, 0, 512, 0, size, 0, *version, 0)
    signed = header.ljust(512, b"\0") + body
    digest = hashlib.sha256(signed).digest()
    return signed + struct.pack("<HHHH", TLV_MAGIC, 40, SHA256, 32) + digest


def _hash_at(image):
    header, protected, size = struct.unpack("<HHI", image[8:16])
    at = header + size + protected
    magic, total = struct.unpack("<HH", image[at : at + 4])
    assert magic == TLV_MAGIC, "no TLV area"
    end, tlv = at + total, at + 4
    while tlv < end:
        kind, length = struct.unpack("<HH", image[tlv : tlv + 4])
        if kind == SHA256:
            return at, tlv + 4
        tlv += 4 + length
    raise ValueError("no hash in the image")


def image_hash(image):
    _, at = _hash_at(image)
    return image[at : at + 32]


def with_version(image, version):
    """The same program under another version; these test images carry a hash and no signature."""
    changed = bytearray(image)
    changed[20:24] = struct.pack("<BBH", *version)
    end, at = _hash_at(changed)
    changed[at : at + 32] = hashlib.sha256(changed[:end]).digest()
    return bytes(changed)
