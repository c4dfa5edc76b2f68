"""Pictures too large to be a texture, told by their first bytes: a kilobyte can unpack to gigabytes."""

MOST_PIXELS = 89_000_000  # what PIL opens without a warning


def too_large(data: bytes) -> bool:
    """Tell whether a PNG or JPEG picture unpacks to more pixels than any texture needs.

    Example:
        >>> too_large(b"\\x89PNG\\r\\n\\x1a\\n....IHDR" + (20_000).to_bytes(4, "big") * 2)
        True
    """
    width, height = _size(data)
    return width * height > MOST_PIXELS


def _size(data: bytes) -> tuple[int, int]:
    if data[:4] == b"\x89PNG":
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if data[:2] != b"\xff\xd8":
        return 0, 0
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 2 + length if kind != 0xFF else 1
    return 0, 0
