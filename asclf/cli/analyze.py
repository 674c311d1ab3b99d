"""Draws figures of an experiment, each as PNG with the numbers behind it as CSV.

EXP is the folder of an experiment. Drawn are: λ and learned masks over training; where the network
looks in a clip, and a test of that; durations by class; features and masks of the clip; the
confusion matrix; accuracy against cost. What an experiment cannot have is left out, with the
reason. docs/analysis.md says how to read each.

Examples:
  asclf analyze exp/esc10
  asclf analyze exp/esc10 --out figures --fold 2 --clip dog.wav --clips 20
  asclf analyze exp/esc10 --results egs/esc50 --models docs/measured/models.json
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from asclf.cli._parser import positive_int


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("exp", type=Path, metavar="EXP", help="the experiment's folder")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where figures go (default: EXP/analysis)"
    )
    parser.add_argument(
        "--clip",
        metavar="FILE|CLIP_ID",
        help="the clip to look at (default: the first that the run never saw)",
    )
    parser.add_argument(
        "--clips",
        type=positive_int,
        default=0,
        metavar="N",
        help="test relevance on N clips that the run never saw; seconds a clip (default: none)",
    )
    parser.add_argument(
        "--fold", type=int, metavar="N", help="the fold whose run is looked at (default: the first)"
    )
    parser.add_argument(
        "--results",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a recipe's folder with stored scores, for accuracy against cost; may be repeated",
    )
    parser.add_argument(
        "--models", type=Path, metavar="FILE", help="JSON with size and latency of models"
    )


def run(options: Namespace) -> int:
    """Runs the verb."""
    from asclf.analysis.analyze import PAGE, analyze
    from asclf.analysis.study import Study

    study = Study(
        exp=options.exp,
        out=options.out or options.exp / "analysis",
        fold=options.fold,
        clip=options.clip,
        recipes=tuple(options.results),
        models=options.models,
        clips=options.clips,
    )
    found = analyze(study)
    for drawn in found.drawn:
        print(f"{study.out / drawn.name}.png: {drawn.title}")
    for name, reason in found.left_out.items():
        print(f"left out: {name}: {reason}")
    print(f"see {study.out / PAGE}")
    return 0
