"""Writes the clips of a manifest into shards: tar files of FLAC at the model's sample rate.

Every shard holds clips of one fold; an index of counts and checksums is written last. A run that
was cut off is continued by the same command. Clips that cannot be read are named and left out.

Examples:
  asclf shard data/esc50/manifest.jsonl shards/esc50
  asclf shard manifest.jsonl shards/32k --sample-rate 32000 --clips-per-shard 100
  asclf shard us8k.jsonl shards/pretrain --without esc50.jsonl
  asclf shard manifest.jsonl shards/leaky --random-folds 5
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from asclf.cli._parser import positive_int
from asclf.cli._progress import bar

DEFAULT_SAMPLE_RATE = 16_000
DEFAULT_CLIPS_PER_SHARD = 250


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="clips as JSON lines")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the shards")
    parser.add_argument(
        "--sample-rate",
        type=positive_int,
        default=DEFAULT_SAMPLE_RATE,
        metavar="HZ",
        help=f"the model's sample rate (default: {DEFAULT_SAMPLE_RATE})",
    )
    parser.add_argument(
        "--clips-per-shard",
        type=positive_int,
        default=DEFAULT_CLIPS_PER_SHARD,
        metavar="N",
        help=f"most clips in a shard (default: {DEFAULT_CLIPS_PER_SHARD})",
    )
    parser.add_argument(
        "--without",
        type=Path,
        action="append",
        metavar="TARGET",
        help="leave out clips whose recording (source_id) is in this manifest as well, so that a "
        "model can be pre-trained on the rest, which OUT.jsonl lists; may be repeated",
    )
    parser.add_argument(
        "--random-folds",
        type=positive_int,
        metavar="N",
        help="deal the clips to N folds at random, whatever recordings they were cut from, as many "
        "published figures were made; every score on such shards is marked as too high",
    )


def run(options: Namespace) -> int:
    """Runs the verb."""
    from asclf.data.dealing import Dealing
    from asclf.data.shards import write_shards

    manifest = _without(options) if options.without else options.manifest
    with bar("sharding", "clips") as show:
        index = write_shards(
            manifest,
            options.out,
            sample_rate=options.sample_rate,
            clips_per_shard=options.clips_per_shard,
            dealing=Dealing(options.random_folds) if options.random_folds else None,
            progress=show,
        )
    clips = sum(shard.clips for shard in index.shards)
    hours = sum(shard.samples for shard in index.shards) / index.sample_rate / 3600
    folds = ", ".join(map(str, index.folds)) or "none"
    print(
        f"{options.out}: {clips} clips ({hours:.2f} h, {len(index.labels)} labels, folds {folds}) "
        f"in {len(index.shards)} shards; {len(index.skipped)} left out"
    )
    return 0


def _without(options: Namespace) -> Path:
    """The manifest of what `--without` leaves, written beside the shards."""
    from asclf.data.overlap import write_without

    rest: Path = options.out.with_name(f"{options.out.name}.jsonl")
    clips, recordings = write_without(options.manifest, options.without, rest)
    targets = " or ".join(map(str, options.without))
    print(
        f"{rest}: {clips} clips of {recordings} recordings that {targets} has as well are left out"
    )
    return rest
