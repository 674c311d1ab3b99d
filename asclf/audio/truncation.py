"""Finds files that are shorter than they say, which libsndfile decodes without complaint.

A WAV or AIFF file whose samples are cut is read up to the cut, and so is an Ogg stream: an
interrupted download would pass for a shorter clip. Each container says in its own way how long it
is, so the bytes that are present can be compared with those that are declared.

A program that writes to a pipe cannot go back to fill in the size. Such a WAV or AIFF file declares
nearly 2 or 4 GiB (SoX, FFmpeg, arecord); it is read to its end, and a cut in it cannot be seen.
A size of 0 before samples means a recording that was never finished; that is refused, since
decoders differ in what they make of it. FLAC needs no help: its decoder reports a cut by itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, Literal

from asclf.audio.mpeg import find_mpeg_fault

ByteOrder = Literal["little", "big"]

UNKNOWN_SIZE = 0x7F00_0000
"""A 32-bit size from here on stands for "not known when the header was written"."""
LONGEST_OGG_PAGE = 27 + 255 + 255 * 255


def find_fault(stream: BinaryIO) -> str | None:
    """Says how the file falls short of what it declares, or `None`; rewinds the stream."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    magic = stream.read(12)
    fault = _find_fault(stream, size, magic[:4], magic[8:12])
    stream.seek(0)
    return fault


def _find_fault(stream: BinaryIO, size: int, container: bytes, form: bytes) -> str | None:
    if container in (b"RIFF", b"RIFX", b"RF64") and form == b"WAVE":
        return _find_wav_fault(stream, size, "big" if container == b"RIFX" else "little")
    if container == b"FORM" and form in (b"AIFF", b"AIFC"):
        return _find_aiff_fault(stream, size)
    if container == b"OggS":
        return _find_ogg_fault(stream, size)
    if container[:3] == b"ID3" or container[:1] == b"\xff":
        return find_mpeg_fault(stream, size)
    return None


def _find_wav_fault(stream: BinaryIO, size: int, order: ByteOrder) -> str | None:
    long_size = None
    for name, start, declared in _chunks(stream, order):
        if name == b"ds64":  # RF64 keeps sizes above 4 GiB here
            long_size = int.from_bytes(stream.read(16)[8:], "little")
        if name == b"data":
            if declared == 0xFFFF_FFFF and long_size is not None:
                return _compare(long_size, size - start)
            if declared == 0 and start < size and not _is_closed(stream, size, order):
                return f"its header declares no samples, {size - start} bytes of them are there"
            return _compare_unless_unknown(declared, size - start)
    return None


def _find_aiff_fault(stream: BinaryIO, size: int) -> str | None:
    for name, start, declared in _chunks(stream, "big"):
        if name == b"SSND":
            return _compare_unless_unknown(declared, size - start)
    return None


def _find_ogg_fault(stream: BinaryIO, size: int) -> str | None:
    """The last page must be whole and carry the end-of-stream flag (RFC 3533, section 6)."""
    stream.seek(max(0, size - LONGEST_OGG_PAGE))
    tail = stream.read()
    start = tail.rfind(b"OggS")
    page = tail[start:]
    if start < 0 or len(page) < 27 or len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]]):
        return "it ends within an Ogg page"
    return None if page[5] & 0x04 else "its last Ogg page is not the end of the stream"


def _chunks(stream: BinaryIO, order: ByteOrder) -> Iterator[tuple[bytes, int, int]]:
    """Yields name, start of the content and declared length of each IFF or RIFF chunk."""
    position = 12
    while True:
        stream.seek(position)
        head = stream.read(8)
        if len(head) < 8:
            return
        length = int.from_bytes(head[4:], order)
        yield head[:4], position + 8, length
        position += 8 + length + length % 2


def _is_closed(stream: BinaryIO, size: int, order: ByteOrder) -> bool:
    """Whether the size of the whole was filled in, as it is when a writer ends in order."""
    stream.seek(4)
    return int.from_bytes(stream.read(4), order) + 8 == size


def _compare_unless_unknown(declared: int, present: int) -> str | None:
    return None if declared >= UNKNOWN_SIZE else _compare(declared, present)


def _compare(declared: int, present: int) -> str | None:
    if declared <= present:
        return None
    return f"its header declares {declared} bytes of samples, {present} are there"
