from __future__ import annotations

import pytest
import torch

from asclf.device import best_device, threads


def test_best_device_is_the_accelerator_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for is_there, kind in ((False, "cpu"), (True, "cuda")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda is_there=is_there: is_there)
        assert best_device().type == kind


@pytest.mark.parametrize("count", [0, 1, 3])
def test_threads_are_put_back_after_an_error(count: int) -> None:
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError), threads(count):
        assert torch.get_num_threads() == (count or before)
        raise RuntimeError
    assert torch.get_num_threads() == before
