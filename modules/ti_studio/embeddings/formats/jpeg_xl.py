"""How large a JPEG XL picture says it is. The plug-in that reads them unpacks all pixels before it tells.

The source is ISO/IEC 18181-1 (SizeHeader) and 18181-2 (the container's boxes).
"""

from collections.abc import Iterator

_BARE = b"\xff\x0a"
_CONTAINER = b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a"
_WHOLE, _PARTIAL = b"jxlc", b"jxlp"
_MOST_BYTES = 12
"""A SizeHeader has at most 69 bits."""
_WIDTHS = (9, 13, 18, 30)
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Width to height, by the number that stands for it, from 1 on."""


def is_jpeg_xl(content: bytes) -> bool:
    """Tells whether a file begins as one that the plug-in takes."""
    return content.startswith((_BARE, _CONTAINER)) or content[4:7] == b"JXL"


def size_of(content: bytes) -> tuple[int, int] | None:
    """Returns width and height in pixels; None where the file does not tell."""
    stream = content if content.startswith(_BARE) else next(_streams(content), b"")
    if not stream.startswith(_BARE):
        return None
    header = _Bits(stream[len(_BARE) : len(_BARE) + _MOST_BYTES])
    is_small = bool(header.take(1))
    height = header.side(is_small)
    ratio = header.take(3)
    if ratio:
        across, down = _RATIOS[ratio - 1]
        return height * across // down, height
    return header.side(is_small), height


def _streams(content: bytes) -> Iterator[bytes]:
    """Yields the beginning of each piece of the picture's own stream in a container."""
    start = 0
    while start + 8 <= len(content):
        size, kind = int.from_bytes(content[start : start + 4], "big"), content[start + 4 : start + 8]
        inside = start + 8
        if size == 1:
            size, inside = int.from_bytes(content[inside : inside + 8], "big"), inside + 8
        if kind in (_WHOLE, _PARTIAL):
            begin = inside + (4 if kind == _PARTIAL else 0)
            yield content[begin : begin + len(_BARE) + _MOST_BYTES]
        if size < inside - start:  # 0 reaches to the end; less than its own head is damage
            return
        start += size


class _Bits:
    """Numbers in a stream whose lowest bit comes first; behind its end there are zeros."""

    def __init__(self, data: bytes) -> None:
        self._left = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        """Returns the number in the next bits."""
        value = self._left & ((1 << count) - 1)
        self._left >>= count
        return value

    def side(self, is_small: bool) -> int:
        """Returns a side in pixels."""
        return (self.take(5) + 1) * 8 if is_small else 1 + self.take(_WIDTHS[self.take(2)])
