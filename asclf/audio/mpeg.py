"""The frames of an MP3 file, counted, since its length stands nowhere reliable.

libmpg123 takes the length from the Info (Xing) or VBRI header of the first frame. Without one it
guesses from the first frame's bit rate: of a variable-rate file less than half may then be read,
without a word. ISO/IEC 11172-3, section 2.4; the Info header as LAME and FFmpeg write it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

V1_KBPS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
V2_KBPS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
V1_RATES_HZ = (44_100, 48_000, 32_000)
RATE_DIVISORS = {0b11: 1, 0b10: 2, 0b00: 4}  # MPEG 1, 2 and 2.5
LAYER_III = 0b01


def find_mpeg_fault(stream: BinaryIO, size: int) -> str | None:
    """Says what is wrong with the length of an MP3 stream of `size` bytes, or `None`.

    What cannot be judged (other layers, free format, foreign bytes between frames) passes.
    """
    count, end, first = 0, 0, (0, 0)
    rates_kbps: set[int] = set()
    for start, length, kbps in _frames(stream):  # not kept: there are 140 000 in an hour
        first = first if count else (start, length)
        count, end = count + 1, start + length
        rates_kbps.add(kbps)
    if not count:
        return None
    if end > size:
        return f"it ends {end - size} bytes before its last frame does"
    declared = _declared_frames(stream, *first)
    if declared is None:
        return _fault_without_header(rates_kbps)
    if declared > count:  # some encoders count the frame of the header, some do not
        return f"its header declares {declared} frames, {count - 1} are there"
    return None


def _fault_without_header(rates_kbps: set[int]) -> str | None:
    if len(rates_kbps) == 1:
        return None
    return "it has a variable bit rate and no Info header, so that its length cannot be told"


def _frames(stream: BinaryIO) -> Iterator[tuple[int, int, int]]:
    """Yields start, length (bytes) and bit rate (kbit/s) of each frame until one is no frame."""
    position = _id3_length(stream)
    while True:
        stream.seek(position)
        header = _parse_header(stream.read(4))
        if header is None:
            return
        yield position, *header
        position += header[0]


def _id3_length(stream: BinaryIO) -> int:
    stream.seek(0)
    head = stream.read(10)
    if len(head) < 10 or head[:3] != b"ID3":
        return 0
    bits = head[6:10]  # 7 bits a byte
    return 10 + (bits[0] << 21 | bits[1] << 14 | bits[2] << 7 | bits[3])


def _parse_header(head: bytes) -> tuple[int, int] | None:
    """The length of a Layer III frame in bytes and its bit rate in kbit/s."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 0b11, head[1] >> 1 & 0b11
    rate_index, bit_rate_index = head[2] >> 2 & 0b11, head[2] >> 4
    if version not in RATE_DIVISORS or layer != LAYER_III:
        return None
    if rate_index == 0b11 or bit_rate_index in (0, 0b1111):
        return None
    kbps = (V1_KBPS if version == 0b11 else V2_KBPS)[bit_rate_index]
    rate_hz = V1_RATES_HZ[rate_index] // RATE_DIVISORS[version]
    slots = 144_000 if version == 0b11 else 72_000
    padding = head[2] >> 1 & 1
    return slots * kbps // rate_hz + padding, kbps


def _declared_frames(stream: BinaryIO, start: int, length: int) -> int | None:
    """The count in the Info, Xing or VBRI header of the first frame; `None` without one."""
    stream.seek(start)
    frame = stream.read(length)
    for tag, offset in ((b"Info", 8), (b"Xing", 8), (b"VBRI", 14)):
        at = frame.find(tag, 0, 64)
        if at >= 0 and (tag == b"VBRI" or frame[at + 7] & 1):
            return int.from_bytes(frame[at + offset : at + offset + 4], "big")
    return None
