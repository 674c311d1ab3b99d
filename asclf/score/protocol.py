"""By which protocol a model was trained and chosen, and what its score is then worth."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal, cast

from asclf.config import ExperimentConfig
from asclf.data.shard_index import ShardIndex

ProtocolName = Literal[
    "official",
    "nested",
    "test_selected",
    "leaky_random",
    "leaky_random, nested",
    "leaky_random, test_selected",
]

HONEST: Collection[ProtocolName] = ("official", "nested")
"""Those whose scored clips had no part in anything."""

WARNINGS = {"test_selected": "chosen on the test fold", "leaky_random": "split leaks sources"}
"""Why a score by one of the others is too high."""


def protocol_of(config: ExperimentConfig, index: ShardIndex) -> ProtocolName:
    """The protocol of a run on these shards; `leaky_random` where folds were dealt at random."""
    chosen = config.data.protocol
    if index.dealing is None:
        return chosen
    return cast(ProtocolName, "leaky_random" if chosen == "official" else f"leaky_random, {chosen}")


def warning_of(protocol: str) -> str:
    """What has to stand beside every score by a protocol, or by several, joined with a comma.

    Nothing beside an honest one's.
    """
    found = [WARNINGS[word] for word in protocol.split(", ") if word in WARNINGS]
    return f"too high: {', '.join(found)}" if found else ""


def weights_rule(config: ExperimentConfig, facts: Mapping[str, Any]) -> str:
    """By which rule the scored weights were made, in words.

    Args:
        config: Of the run.
        facts: Of its final checkpoint; `averaged` lists the epochs that the weights are the mean
            of.
    """
    looked_at = "the test fold" if config.data.protocol == "test_selected" else "validation clips"
    averaged = len(facts.get("averaged", ()))
    chosen = config.train.average_best is not None
    rule = "best" if chosen else "last"
    rule += f" epochs averaged: {averaged}" if averaged > 1 else " epoch"
    rule += f", chosen on {looked_at}" if chosen else ""
    if config.train.patience is not None:
        rule += f", stopped early on {looked_at}"
    ema = config.train.ema
    return rule if ema is None else f"{rule}, of a moving average ({ema})"
