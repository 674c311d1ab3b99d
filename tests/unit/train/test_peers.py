from __future__ import annotations

import pytest

from asclf.errors import ConfigError, TrainError
from asclf.train.peers import LAUNCHED_BY, Peers, join_peers


class Pair(Peers):
    """Two processes, of which the other says what it is told to."""

    world_size = 2

    def __init__(self, rank: int, other: object) -> None:
        self.rank = rank
        self.other = other

    def gather(self, value: object) -> list[object]:  # type: ignore[override]
        return [self.other, value] if self.rank else [value, self.other]


def test_a_process_that_nobody_launched_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LAUNCHED_BY:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "4")  # of something else
    with join_peers() as peers:
        assert (peers.rank, peers.local_rank, peers.world_size, peers.leads) == (0, 0, 1, True)
        assert peers.totals([1, 2.5]) == [1, 2.5]
        assert peers.agree("word") == "word"


def test_all_take_the_word_of_rank_0() -> None:
    assert Pair(0, "theirs").agree("own") == "own"
    assert Pair(1, "theirs").agree("own") == "theirs"
    assert not Pair(1, "").leads


def test_a_block_fails_with_its_own_error_also_where_others_failed() -> None:
    with pytest.raises(ConfigError, match="of mine"), Pair(1, "of theirs").as_one():
        raise ConfigError("of mine")


def test_a_block_fails_where_only_another_process_did() -> None:
    theirs = Pair(1, "no such fold")
    with pytest.raises(TrainError, match="process 0 cannot go on: no such fold"), theirs.as_one():
        pass
    with Pair(1, None).as_one():
        pass


def test_a_fault_is_not_taken_for_an_error_of_the_users() -> None:
    with pytest.raises(ZeroDivisionError), Peers().as_one():
        _ = 1 // 0
