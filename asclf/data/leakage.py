"""Leakage: what training has in common with what a model is tested on.

A clip is known by its source, by the bytes of its file, and by its sound (fingerprints, see
`asclf.data.fingerprint`). Whatever is known on both sides makes a score better than the model is: a
random fifth of ESC-50 shares its sources with training for a third of its clips.
"""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from asclf.data.manifest import Clip
from asclf.data.shard_index import ShardIndex, ShardInfo
from asclf.errors import DataError

Kind = Literal["source", "bytes", "sound"]
KINDS: tuple[Kind, ...] = get_args(Kind)
WORDS: dict[Kind, str] = {"source": "source", "bytes": "equal file", "sound": "sound"}
FEW = 0.02
"""Share of a fold's test clips that official folds may leak: those of the public datasets leak
less, and figures on other folds would compare with nobody's."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Traits:
    """What a clip may be recognised by; `None` where that is not known.

    Attributes:
        clip_id: The clip.
        source: The recording it was cut from.
        bytes: Hash of its content.
        sound: Name of the sound that it and others have in common.
    """

    clip_id: str
    source: str | None = None
    bytes: str | None = None
    sound: str | None = None

    def get(self, kind: Kind) -> str | None:
        """The trait of one kind."""
        return {"source": self.source, "bytes": self.bytes, "sound": self.sound}[kind]


@dataclass(frozen=True)
class Overlap:
    """A trait that is on both sides, and the clips that have it."""

    kind: Kind
    trait: str
    train: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """What one test set has in common with its training set.

    Attributes:
        name: Which test set: `fold 1`, `split test`, …
        train_clips: Number of clips trained on.
        test_clips: Number of clips tested on.
        overlaps: Every trait in common.
        unknown: Number of clips, on both sides, without a trait of each kind.
    """

    name: str
    train_clips: int
    test_clips: int
    overlaps: tuple[Overlap, ...]
    unknown: dict[Kind, int]

    @cached_property
    def leaked(self) -> frozenset[str]:
        """The test clips that have something in common with training."""
        return frozenset(clip for overlap in self.overlaps for clip in overlap.test)

    @cached_property
    def origin(self) -> frozenset[str]:
        """The training clips that have something in common with test."""
        return frozenset(clip for overlap in self.overlaps for clip in overlap.train)

    @property
    def share(self) -> float:
        """The share of test clips that leak."""
        return len(self.leaked) / self.test_clips if self.test_clips else 0.0

    def count(self, kind: Kind) -> int:
        """How many traits of one kind are on both sides."""
        return sum(overlap.kind == kind for overlap in self.overlaps)

    def __str__(self) -> str:
        if not self.overlaps:
            return f"{self.name}: none of {self.test_clips} test clips has anything in common"
        counts = {WORDS[kind]: self.count(kind) for kind in KINDS}
        shared = [f"{n} {word}{'s' if n > 1 else ''}" for word, n in counts.items() if n]
        return (
            f"{self.name}: {len(self.leaked)} of {self.test_clips} test clips "
            f"({100 * self.share:.1f} %) and {len(self.origin)} of {self.train_clips} training "
            f"clips have {', '.join(shared)} in common"
        )


def compare(name: str, train: Sequence[Traits], test: Sequence[Traits]) -> Finding:
    """Finds what two sets of clips have in common."""
    overlaps = [overlap for kind in KINDS for overlap in _overlaps(kind, train, test)]
    both = [*train, *test]
    unknown = {kind: sum(traits.get(kind) is None for traits in both) for kind in KINDS}
    return Finding(name, len(train), len(test), tuple(overlaps), unknown)


def exclude_overlap(clips: Iterable[Clip], target: Iterable[Clip]) -> tuple[list[Clip], list[Clip]]:
    """Parts the clips of a pre-training set by whether the target's set has their source.

    Returns:
        Those to train on, and those to leave out.
    """
    sources = {clip.source_id for clip in target} - {None}
    kept: list[Clip] = []
    dropped: list[Clip] = []
    for clip in clips:
        (dropped if clip.source_id in sources else kept).append(clip)
    return kept, dropped


class TraitReader:
    """The traits of shards' clips, each shard read once.

    Args:
        index: The shards' index.
    """

    def __init__(self, index: ShardIndex) -> None:
        self.index = index
        self._read: dict[str, list[Traits]] = {}

    def of(self, shards: Iterable[ShardInfo]) -> list[Traits]:
        """Sources, and hashes of the audio, of all clips of some shards."""
        return [traits for shard in shards for traits in self._of(shard)]

    def _of(self, shard: ShardInfo) -> list[Traits]:
        if shard.name not in self._read:
            self._read[shard.name] = list(_read_traits(self.index, shard))
        return self._read[shard.name]


def check_before_training(
    reader: TraitReader,
    train: Iterable[ShardInfo],
    test: Iterable[ShardInfo],
    *,
    pretraining_sources: Collection[str] = (),
    official: bool = True,
    allow_leakage: bool = False,
) -> list[Finding]:
    """Compares what is to be trained on, and was pre-trained on, with what is to be tested.

    By source and by the bytes of the shards' audio; sounds take minutes, and are left to `asclf
    leakage`. What is found is logged.

    Args:
        reader: Of the shards.
        train: Shards to train on.
        test: Shards to test on.
        pretraining_sources: Sources of the clips that the weights to start from were trained on;
            those that are trained on again add nothing.
        official: Whether the dataset's own folds or splits part training from test: they may leak
            a few clips (`FEW`), since figures are comparable on no others.
        allow_leakage: Report, and refuse nothing.

    Returns:
        The findings: training against test, and pre-training against test where there is any.

    Raises:
        DataError: There is leakage, and it is not allowed.
    """
    trained, tested = reader.of(train), reader.of(test)
    findings = [compare("training", trained, tested)]
    refused = findings[0].share > (FEW if official else 0.0)
    heard = {*pretraining_sources} - {traits.source for traits in trained}  # those are compared
    if heard:
        seen = [Traits(source, source=source) for source in sorted(heard)]
        findings.append(compare("pre-training", seen, tested))
        refused |= bool(findings[1].overlaps)
    leaks = [str(finding) for finding in findings if finding.overlaps]
    if refused and not allow_leakage:
        raise DataError(
            "; ".join(leaks),
            where=reader.index.folder,
            expected="nothing of the test clips in what is trained on",
            hint="`asclf leakage MANIFEST` shows which; --allow-leakage trains all the same",
        )
    for leak in leaks:
        logger.warning("leakage: %s", leak)
    return findings


def _overlaps(kind: Kind, train: Sequence[Traits], test: Sequence[Traits]) -> Iterator[Overlap]:
    ours, theirs = _by_trait(kind, train), _by_trait(kind, test)
    for trait in sorted(ours.keys() & theirs.keys()):
        yield Overlap(kind, trait, tuple(ours[trait]), tuple(theirs[trait]))


def _by_trait(kind: Kind, clips: Sequence[Traits]) -> dict[str, list[str]]:
    members: dict[str, list[str]] = defaultdict(list)
    for traits in clips:
        trait = traits.get(kind)
        if trait is not None:
            members[trait].append(traits.clip_id)
    return members


def _read_traits(index: ShardIndex, shard: ShardInfo) -> Iterator[Traits]:
    from asclf.data.shard_reader import read_samples  # needs webdataset, which manifests do not

    for sample in read_samples(index, shard):
        digest = hashlib.sha256(sample.flac).hexdigest()
        yield Traits(sample.facts.clip_id, source=sample.facts.source_id, bytes=digest)
