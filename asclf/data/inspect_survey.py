"""A folder of recordings, surveyed: what belongs together, in which folds, and what to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median_low

from asclf.data.fingerprint_search import find_matches
from asclf.data.grouping import deal_folds, groups_by_class, join, pairs_of_equal
from asclf.data.inspect import Recording, Unreadable, inspect_recording
from asclf.data.inspect_jobs import Progress, map_in_processes
from asclf.data.inspect_sources import Entry, Listing
from asclf.data.manifest import Clip, Split
from asclf.errors import DataError

MOST_FOLDS = 5


@dataclass(frozen=True, eq=False)
class SurveyedClip:
    """A recording that can be used.

    Attributes:
        entry: What the folder or the table says of it.
        recording: What was found in it.
        group: Clips of one number have a source or a sound in common.
        fold: Where it is tested; `None` where there are no folds.
    """

    entry: Entry
    recording: Recording
    group: int
    fold: int | None


@dataclass(frozen=True)
class Alike:
    """Two clips with one sound.

    Attributes:
        first: Number of the one among the clips.
        second: Number of the other.
        overlap_s: How long the common sound is.
        errors: Share of the fingerprints' bits that differ.
        same_bytes: Whether the files are equal.
    """

    first: int
    second: int
    overlap_s: float
    errors: float
    same_bytes: bool


@dataclass(frozen=True, eq=False)
class Survey:
    """All that was found in a folder of recordings.

    Attributes:
        listing: What the folder or the table says is there.
        clips: The recordings that can be used.
        unreadable: Those that cannot.
        alike: Pairs with one sound; a chain of copies has each link, not every pair.
    """

    listing: Listing
    clips: tuple[SurveyedClip, ...]
    unreadable: tuple[Unreadable, ...]
    alike: tuple[Alike, ...]

    @cached_property
    def labels(self) -> Counter[str]:
        """The classes, sorted, and how many clips each has."""
        return Counter(sorted(clip.entry.label for clip in self.clips))

    @cached_property
    def folds(self) -> tuple[int, ...]:
        """The folds, sorted; none where there are splits, or nothing to test on."""
        return tuple(sorted({clip.fold for clip in self.clips if clip.fold is not None}))

    @cached_property
    def splits(self) -> frozenset[Split]:
        """The splits that the table gives; none where it does not."""
        return frozenset(clip.entry.split for clip in self.clips if clip.entry.split is not None)

    @property
    def has_own_folds(self) -> bool:
        """Whether the folds are the table's."""
        return self.clips[0].entry.fold is not None

    @cached_property
    def groups_by_class(self) -> dict[str, int]:
        """How many groups each class has clips in."""
        return groups_by_class([c.group for c in self.clips], [c.entry.label for c in self.clips])

    def manifest(self) -> Iterator[Clip]:
        """The clips as a manifest has them.

        A clip without a known source that sounds like another has that one's source, or where none
        of their group is known, the group's name, so that every later check, and every interval,
        knows that they are not independent.
        """
        sizes, sources = Counter(clip.group for clip in self.clips), dict[int, str]()
        for clip in self.clips:
            if clip.entry.source_id is not None:
                sources.setdefault(clip.group, clip.entry.source_id)
        for clip in self.clips:
            entry, name = clip.entry, f"like {self.clips[clip.group].entry.clip_id}"
            group = sources.get(clip.group, name) if sizes[clip.group] > 1 else None
            yield Clip(
                clip_id=entry.clip_id,
                path=entry.path,
                labels=(entry.label,),
                fold=clip.fold,
                source_id=entry.source_id or group,
                split=entry.split,
            )


def survey(
    listing: Listing,
    *,
    num_folds: int | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Survey:
    """Inspects the recordings of a listing, finds what belongs together, and deals folds.

    Args:
        listing: The recordings and their classes.
        num_folds: Folds to deal; `None` takes 5, or fewer where half of the classes have fewer
            groups. Of no account where the listing has folds or splits.
        jobs: Processes that decode.
        progress: Called after each file with the files done and the files that there are.

    Raises:
        DataError: Recordings of fewer than two classes can be used, or a process was killed.
    """
    paths = [entry.path for entry in listing.entries]
    found = map_in_processes(inspect_recording, paths, jobs=jobs, progress=progress)
    pairs = zip(listing.entries, found, strict=True)
    usable = [(entry, result) for entry, result in pairs if isinstance(result, Recording)]
    unreadable = tuple(result for result in found if isinstance(result, Unreadable))
    entries = [entry for entry, _ in usable]
    _check_classes(entries, unreadable)
    alike = find_alike([recording for _, recording in usable])
    sources = pairs_of_equal([entry.source_id for entry in entries])
    groups = join(len(usable), [*sources, *((pair.first, pair.second) for pair in alike)])
    folds = _choose_folds(entries, groups, num_folds)
    clips = (SurveyedClip(*usable[i], groups[i], folds[i]) for i in range(len(usable)))
    return Survey(listing, tuple(clips), unreadable, tuple(alike))


def find_alike(recordings: Sequence[Recording]) -> list[Alike]:
    """The pairs of recordings with the same bytes, or the same sound."""
    hashes = [recording.sha256 for recording in recordings]
    equal = [
        Alike(one, other, recordings[one].duration_s, 0.0, same_bytes=True)
        for one, other in pairs_of_equal(hashes)
    ]
    similar = [
        Alike(match.first, match.second, match.overlap_s, match.errors, same_bytes=False)
        for match in find_matches([recording.fingerprint for recording in recordings])
        if hashes[match.first] != hashes[match.second]
    ]
    return equal + similar


def _check_classes(entries: Sequence[Entry], unreadable: Sequence[Unreadable]) -> None:
    labels = sorted({entry.label for entry in entries})
    if len(labels) < 2:
        few = f"there is one class only, {labels[0]!r}" if labels else "no recording can be used"
        more = f"; {len(unreadable)} files cannot be read" if unreadable else ""
        raise DataError(
            f"{few}{more}",
            where=unreadable[0].path if unreadable else None,
            expected="recordings of two classes at least",
            hint=unreadable[0].reason if unreadable else "record what is not of this class as well",
        )


def _choose_folds(
    entries: Sequence[Entry], groups: Sequence[int], wanted: int | None
) -> list[int | None]:
    """The fold of each recording: as told, or dealt so that no group is parted."""
    if entries[0].fold is not None or entries[0].split is not None:
        return [entry.fold for entry in entries]
    labels = [entry.label for entry in entries]
    counts = groups_by_class(groups, labels)
    if max(counts.values()) < 2:
        return [None] * len(entries)
    fitting = max(2, min(MOST_FOLDS, median_low(counts.values())))
    return [*deal_folds(groups, labels, wanted or fitting)]
