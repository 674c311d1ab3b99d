from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.connection import wait

import pytest
import torch

from asclf.data.parcels import receive, send
from asclf.protocols import Batch

Ends = tuple[socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_batch_comes_out_as_it_went_in(ends: Ends) -> None:
    batch = Batch(torch.randn(3, 70_001), torch.tensor([5, 70_001, 9]), torch.eye(3), ("a", "ü"))
    send(ends[0], batch)
    send(ends[0], "second")
    received = receive(ends[1], 5)
    assert torch.equal(received.waveform, batch.waveform)
    assert torch.equal(received.lengths, batch.lengths)
    assert torch.equal(received.targets, batch.targets)
    assert (received.clip_ids, received.skipped) == (batch.clip_ids, ())
    received.waveform.add_(1)  # it is the receiver's own
    assert receive(ends[1], 5) == "second"


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (2, 0), (), (1,)])
def test_tensors_of_every_shape_pass(ends: Ends, shape: tuple[int, ...]) -> None:
    tensor = torch.full(shape, 2.0)
    send(ends[0], (tensor, tensor.to(torch.int16), tensor.numpy()))
    for received in receive(ends[1], 5):
        assert tuple(received.shape) == shape
        assert torch.equal(torch.as_tensor(received).float(), tensor)


def test_tensors_lie_where_torch_would_have_put_them(ends: Ends) -> None:
    send(ends[0], [torch.randn(size) for size in (1, 3, 17)])
    assert [tensor.data_ptr() % 64 for tensor in receive(ends[1], 5)] == [0, 0, 0]


def test_a_silent_sender_is_waited_for_as_long_as_was_said(ends: Ends) -> None:
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        receive(ends[1], 0.2)
    assert 0.2 <= time.monotonic() - start < 2


def test_a_sender_that_has_gone_is_told_from_a_silent_one(ends: Ends) -> None:
    ends[0].close()
    with pytest.raises(EOFError):
        receive(ends[1], 5)


@pytest.mark.fault
@pytest.mark.parametrize("fate", [signal.SIGSTOP, signal.SIGKILL])
def test_what_was_sent_arrives_without_its_sender(ends: Ends, fate: signal.Signals) -> None:
    def work() -> None:
        send(ends[0], torch.arange(100_000))
        time.sleep(60)

    sender = get_context("fork").Process(target=work)
    sender.start()
    assert wait([ends[1]], 30)
    os.kill(sender.pid, fate)
    try:
        assert torch.equal(receive(ends[1], 5), torch.arange(100_000))
    finally:
        sender.kill()
        sender.join()
