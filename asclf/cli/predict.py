"""Classifies audio files: one line each, with the label and its probability.

A folder stands for every audio file below it. A file that cannot be read is one line on stderr;
the others are classified all the same, and the exit status is 2.

Without --model it takes the bundle that was exported last, below exp/ or egs/*/exp/ in the current
folder, and says which.

Examples:
  asclf predict dog.wav
  asclf predict dog.wav --model exp/esc10/bundle
  asclf predict recordings/ more.flac --model exp/esc10/fold1 --top-k 3
  asclf predict recordings/ --model exp/esc10/bundle --json > predictions.jsonl
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

from asclf.audio.folder import find_recordings
from asclf.bundle.folder import MANIFEST
from asclf.bundle.prediction import Classifier
from asclf.cli._parser import positive_int
from asclf.errors import AudioError, BundleError

USER_ERROR = 2

Best = Sequence[tuple[str, float]]


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE|DIR", help="what to classify")
    parser.add_argument(
        "--model",
        type=Path,
        help="a bundle, a run folder or a checkpoint (default: the bundle exported last)",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object for each file")
    parser.add_argument(
        "--top-k", type=positive_int, default=1, metavar="K", help="labels to print (default: 1)"
    )


def run(options: Namespace) -> int:
    """Runs the verb."""
    from asclf.api import load

    files = list(audio_files(options.paths))
    classifier = load(options.model or newest_bundle(Path.cwd()))
    shown = _as_json if options.json else _as_text
    failed = 0
    for file in files:
        best = _classify(classifier, file, options.top_k)
        if best:
            print(shown(file, best), flush=True)
        else:
            failed += 1
    if failed:
        print(f"{failed} of {len(files)} files could not be classified", file=sys.stderr)
    return USER_ERROR if failed else 0


def newest_bundle(folder: Path) -> Path:
    """The bundle that was exported last into an experiment below a folder.

    Raises:
        BundleError: There is none.
    """
    found = [
        manifest.parent
        for pattern in (f"exp/*/*/{MANIFEST}", f"egs/*/exp/*/*/{MANIFEST}")
        for manifest in folder.glob(pattern)
    ]
    if not found:
        raise BundleError(
            "there is no exported model below this folder",
            where=folder,
            expected="exp/NAME/bundle",
            hint="name one with --model, or make one: asclf export",
        )
    newest = max(found, key=lambda bundle: (bundle / MANIFEST).stat().st_mtime)
    print(f"model: {newest}", file=sys.stderr)
    return newest


def audio_files(paths: Sequence[Path]) -> Iterator[Path]:
    """The files that are named, and those with an audio suffix in the folders that are named.

    Raises:
        DataError: There is no audio file in a folder.
    """
    for path in paths:
        if path.is_dir():
            yield from find_recordings(path)
        else:
            yield path


def _classify(classifier: Classifier, file: Path, top_k: int) -> Best:
    """The best labels with their scores; nothing where the file cannot be read, which is said."""
    try:
        return classifier.predict(file).top(top_k)
    except AudioError as error:
        print(error, file=sys.stderr)
        return []


def _as_text(file: Path, best: Best) -> str:
    return f"{file}: {', '.join(f'{label} {score:.3f}' for label, score in best)}"


def _as_json(file: Path, best: Best) -> str:
    label, score = best[0]
    top = [{"label": name, "score": value} for name, value in best]
    return json.dumps({"clip": str(file), "label": label, "score": score, "top": top})
