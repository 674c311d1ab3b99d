"""Looks for leakage before a run trains, and keeps what was found in its folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from asclf.checkpoint import load_meta
from asclf.config.experiment import DataConfig, ExperimentConfig, InitConfig, bind_experiment
from asclf.config.yaml import parse_yaml
from asclf.data.leakage import Finding, TraitReader, check_before_training
from asclf.data.shard_facts import read_facts
from asclf.data.shard_index import ShardIndex
from asclf.data.shard_web import shards_at
from asclf.data.splits import Parts, part_shards
from asclf.errors import AsclfError
from asclf.files import write_whole
from asclf.score.protocol import protocol_of
from asclf.train.folder import RunFolder
from asclf.train.init import init_file

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LeakageCheck:
    """How a command looks for leakage.

    Attributes:
        reader: Reads each shard once, however many folds are left out in turn.
        allow: Report what is found, and refuse nothing.
    """

    reader: TraitReader
    allow: bool

    def findings(self, config: ExperimentConfig, index: ShardIndex, parts: Parts) -> list[Finding]:
        """What training, and pre-training, have in common with the test clips of a run.

        Raises:
            DataError: More than the few clips that official folds may share, and it is not allowed.
        """
        absent = [s.name for s in parts.test if not index.url and not index.path(s).exists()]
        if absent:
            logger.warning("%s is not there: leakage cannot be looked for", absent[0])
        if absent or not parts.test:
            return []
        return check_before_training(
            self.reader,
            parts.train,
            parts.test,
            pretraining_sources=pretraining_sources(config.init),
            official=not protocol_of(config, index).startswith("leaky"),
            allow_leakage=self.allow,
        )


def keep_findings(folder: RunFolder, findings: Sequence[Finding]) -> None:
    """Writes what was found into a run's folder."""
    found = [
        {
            "name": finding.name,
            "train_clips": finding.train_clips,
            "test_clips": finding.test_clips,
            "leaked": sorted(finding.leaked),
            "share": finding.share,
            "summary": str(finding),
        }
        for finding in findings
    ]
    write_whole(folder.leakage, json.dumps(found, indent=2, ensure_ascii=False) + "\n")


def pretraining_sources(config: InitConfig) -> frozenset[str]:
    """The sources of the clips that the weights to start from were trained on, where known.

    A checkpoint says which shards it was trained on, and from which other checkpoint, and so on. Of
    what is not there any more, and of weights that asclf did not train, nothing is known; the log
    says so of the former.
    """
    path = init_file(config)
    if path is None:
        return frozenset()
    try:
        before = bind_experiment(parse_yaml(load_meta(path).config, str(path)))
        return pretraining_sources(before.init) | _sources(before.data)
    except AsclfError as error:
        logger.warning(
            "what %s was trained on cannot be compared with the test clips: %s", path, error
        )
        return frozenset()


def _sources(data: DataConfig) -> frozenset[str]:
    if data.shards is None:
        return frozenset()
    index = shards_at(data.shards, cache=data.shard_cache)
    train = part_shards(index, data.test_fold, data.protocol).train
    facts = (facts for shard in train for facts in read_facts(index, shard))
    return frozenset(each.source_id for each in facts if each.source_id is not None)
