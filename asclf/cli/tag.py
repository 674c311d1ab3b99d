"""Writes manifests anew, each clip with the labels that a model hears in it.

So clips whose own labels are of no use, or that have none worth the name, can be learnt from: a
smaller network is trained on them by the same model as its teacher (`objective.type=distill`),
before it is fine-tuned on the labels that matter. Several manifests become one. Folds and splits
are left out, since the list is for pre-training; `asclf shard --without` leaves out what another
dataset has as well.

Examples:
  asclf tag esc50.jsonl us8k.jsonl --model weights/mn04_as.safetensors --out tagged.jsonl
  asclf tag unlabelled.jsonl --model exp/birds/bundle --out tagged.jsonl --threshold 0.3 --most 3
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from asclf.cli._parser import positive_int, share
from asclf.cli._progress import bar

THRESHOLD = 0.1
MOST = 5


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument(
        "manifests", nargs="+", type=Path, metavar="MANIFEST", help="clips as JSON lines"
    )
    parser.add_argument(
        "--model", required=True, type=Path, help="a bundle, a run folder or a checkpoint"
    )
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FILE", help="the manifest to write"
    )
    parser.add_argument(
        "--threshold",
        type=share,
        default=THRESHOLD,
        metavar="SCORE",
        help="least score of a label; the best is kept whatever its score (default: 0.1)",
    )
    parser.add_argument(
        "--most", type=positive_int, default=MOST, metavar="N", help="labels of a clip (default: 5)"
    )


def run(options: Namespace) -> int:
    """Runs the verb."""
    from asclf.api import load
    from asclf.data.manifest import write_manifest
    from asclf.data.tagging import read_manifests, tag_clips

    clips = read_manifests(options.manifests)
    with bar("tagging", "clips") as show:
        tagged = list(
            tag_clips(
                clips,
                load(options.model),
                threshold=options.threshold,
                most=options.most,
                on_clip=show,
            )
        )
    write_manifest(options.out, tagged)
    labels = {label for clip in tagged for label in clip.labels}
    left_out = len(clips) - len(tagged)
    print(f"{options.out}: {len(tagged)} clips, {len(labels)} labels; {left_out} left out")
    return 0
