"""Rows of evidence as the state file has them."""

BLOCK = 2  # store::EvidenceKind::kBlock.


def number(value):
    """Seven bits a byte, the lowest first."""
    out = b""
    while value >= 128:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def numbers(packed):
    out, value, shift = [], 0, 0
    for byte in packed:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            out.append(value)
            value = shift = 0
    return out
