"""Objects from one process to another, none of which waits for the other's help.

The bytes go into a file in memory, and its descriptor goes through a socket: what has been sent is
whole, whatever becomes of the sender. torch's own queues, as they share tensors on Linux, send a
ticket in place of the descriptor, and the receiver asks the sender for that when it takes the
message (`rebuild_storage_fd`): of one that has been stopped by then it waits for the answer without
end, since a queue's timeout covers no more than the message's coming.
"""

from __future__ import annotations

import mmap
import os
import pickle
import socket
import struct
import sys
import tempfile
from io import BytesIO
from multiprocessing.connection import wait
from typing import Any, BinaryIO

import torch
from torch import Tensor

ALIGNMENT = 64
"""In bytes, as torch's own allocator has it: a sum's last bits may depend on it."""
SLICE_S = 1.0

_COUNT = struct.Struct("<Q")


def send(channel: socket.socket, item: object) -> None:
    """Sends an object that can be pickled; the bytes of its tensors are copied once.

    Raises:
        OSError: The receiver has gone, or there is no memory left.
    """
    buffers: list[pickle.PickleBuffer] = []
    pickled = BytesIO()
    _Pickler(pickled, protocol=5, buffer_callback=buffers.append).dump(item)
    parts = [pickled.getbuffer(), *(buffer.raw() for buffer in buffers)]
    with _memory_file() as file:
        file.write(struct.pack(f"<{len(parts)}Q", *(part.nbytes for part in parts)))
        for part in parts:
            file.seek(_aligned(file.tell()))
            file.write(part)
        file.flush()
        socket.send_fds(channel, [_COUNT.pack(len(parts))], [file.fileno()])


def receive(channel: socket.socket, timeout_s: float) -> Any:
    """Takes the next object; its tensors lie in the file that was sent.

    Args:
        channel: The other end of the socket that is sent through.
        timeout_s: Longest wait. It is counted in slices, so that a pause of the whole program, as
            by Ctrl-Z, does not count.

    Raises:
        TimeoutError: Nothing came.
        EOFError: The sender has gone.
    """
    _wait(channel, timeout_s)
    try:
        message, descriptors, _, _ = socket.recv_fds(channel, _COUNT.size, 1)
    except ConnectionResetError:
        message, descriptors = b"", []
    if not message:
        raise EOFError
    with os.fdopen(descriptors[0], "rb") as file:
        content = memoryview(mmap.mmap(file.fileno(), 0))
    (count,) = _COUNT.unpack(message)
    sizes, start = struct.unpack_from(f"<{count}Q", content), _COUNT.size * count
    parts = []
    for size in sizes:
        start = _aligned(start)
        parts.append(content[start : start + size])
        start += size
    return pickle.loads(parts[0], buffers=parts[1:])


def _wait(channel: socket.socket, timeout_s: float) -> None:
    left_s = timeout_s
    while not wait([channel], min(left_s, SLICE_S)):
        left_s -= SLICE_S
        if left_s <= 0:
            raise TimeoutError


def _aligned(place: int) -> int:
    return -(-place // ALIGNMENT) * ALIGNMENT


def _memory_file() -> BinaryIO:
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("asclf"), "w+b")
    return tempfile.TemporaryFile()


class _Pickler(pickle.Pickler):
    def reducer_override(self, item: object) -> Any:
        """Makes an array of a tensor: pickle leaves its bytes to `buffer_callback`."""
        if type(item) is not Tensor:
            return NotImplemented
        return torch.from_numpy, (item.detach().contiguous().numpy(),)
