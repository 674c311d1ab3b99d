"""Exports a run as a bundle: the network as ONNX with its front end, labels and golden vectors.

What the bundle gives is compared with what training gave; a bundle that differs is not written.
EXP is an experiment's folder, a run folder in it, or a checkpoint.

Examples:
  asclf export exp/esc10 --onnx
  asclf export exp/esc10 --onnx --fold 2 --out bundles/esc10_fold2
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from asclf.cli._parser import positive_int
from asclf.errors import UsageError


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("exp", type=Path, metavar="EXP", help="what to export")
    parser.add_argument("--onnx", action="store_true", help="the format; there is no other yet")
    parser.add_argument("--out", type=Path, metavar="DIR", help="(default: EXP/bundle)")
    parser.add_argument(
        "--fold",
        type=positive_int,
        metavar="N",
        help="the run that left this fold out (default: the run on all clips, or the first fold)",
    )
    parser.add_argument("--name", help="what to call the model (default: the backbone's name)")
    parser.add_argument(
        "--data-licence", metavar="TEXT", help="licence of the training data, for the model card"
    )


def run(options: Namespace) -> int:
    """Runs the verb."""
    if not options.onnx:
        raise UsageError("no format is named", where="asclf export", expected="--onnx")
    from asclf.export.onnx import export_bundle

    run_path = choose_run(options.exp, options.fold)
    out = options.out or (options.exp if options.exp.is_dir() else options.exp.parent) / "bundle"
    manifest = export_bundle(run_path, out, name=options.name, data_licence=options.data_licence)
    size = sum(file.bytes for file in manifest.files.values())
    print(
        f"{out}: {run_path} in {size / 1e6:.2f} MB; "
        f"logits differ from training by {manifest.parity.whole_max_error:.2g} at most"
    )
    return 0


def choose_run(exp: Path, fold: int | None) -> Path:
    """The run of a fold, or else EXP itself, its run on all clips, or its first fold.

    Raises:
        CheckpointError: There is no finished run.
    """
    from asclf.checkpoint import FINAL
    from asclf.score.runs import find_runs

    if fold is not None:
        return find_runs(exp, [fold])[0]
    if exp.is_file():
        return exp
    whole = [run for run in (exp, exp / "all") if (run / FINAL).is_file()]
    return whole[0] if whole else find_runs(exp, None)[0]
