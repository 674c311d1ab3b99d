"""Classifies audio files: one line each, with the label and its score.

A folder stands for every audio file below it. A file that cannot be read is one line on stderr;
the others are classified all the same, and the exit status is 2.

Without --model it takes the bundle that was exported last, below exp/ or egs/*/exp/ in the current
folder, and says which. A bundle with a threshold (`asclf calibrate`) answers `unknown` below it. A
model of labels that may be heard together gives all that reach --threshold.

--long is for recordings of minutes and hours: windows slide over them, and what is detected is
printed and written as CSV, as a label track for Audacity (.txt) and as JSON. Memory does not grow
with their length. A detection begins where the mean score of the windows over a place reaches --on,
and ends where it falls below --off.

Examples:
  asclf predict dog.wav
  asclf predict dog.wav --model exp/esc10/bundle
  asclf predict recordings/ more.flac --model exp/esc10/fold1 --top-k 3
  asclf predict recordings/ --model exp/esc10/bundle --json > predictions.jsonl
  asclf predict --long night.flac --model exp/birds/bundle --out detections
  asclf predict --long night.flac --window-s 2 --hop-s 0.5 --on 0.7 --off 0.4 --merge-gap-s 1
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from asclf.audio.folder import find_recordings
from asclf.bundle.folder import MANIFEST
from asclf.bundle.prediction import Classifier, Prediction
from asclf.bundle.unknown import UNKNOWN
from asclf.cli._long import add_long_arguments, is_long, tell_detections
from asclf.cli._parser import positive_int, share
from asclf.errors import AudioError, BundleError

USER_ERROR = 2
THRESHOLD = 0.5

Best = Sequence[tuple[str, float]]
Tell = Callable[[Classifier, Path, Namespace], None]


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE|DIR", help="what to classify")
    parser.add_argument(
        "--model",
        type=Path,
        help="a bundle, a run folder or a checkpoint (default: the bundle exported last)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON objects, one a line")
    parser.add_argument("--top-k", type=positive_int, metavar="K", help="most labels to print")
    parser.add_argument(
        "--threshold",
        type=share,
        default=THRESHOLD,
        metavar="SCORE",
        help="least score of a label that is printed, where several may be (default: 0.5)",
    )
    add_long_arguments(parser)


def run(options: Namespace) -> int:
    """Runs the verb."""
    from asclf.api import load

    files = list(audio_files(options.paths))
    tell = tell_detections if is_long(options, files) else _tell
    options.model = options.model or newest_bundle(Path.cwd())
    classifier = load(options.model)
    failed = sum(not _survives(tell, classifier, file, options) for file in files)
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


def _survives(tell: Tell, classifier: Classifier, file: Path, options: Namespace) -> bool:
    """Classifies a file and tells what it is; `False` where it cannot be read, which is said."""
    try:
        tell(classifier, file, options)
    except AudioError as error:
        print(error, file=sys.stderr)
        return False
    return True


def _tell(classifier: Classifier, file: Path, options: Namespace) -> None:
    prediction = classifier.predict(file)
    best = _best(prediction, classifier, options)
    print((_as_json if options.json else _as_text)(prediction, best), flush=True)


def _best(prediction: Prediction, classifier: Classifier, options: Namespace) -> Best:
    """What is printed: the best labels, or where several may be heard, all that are likely."""
    if classifier.activation == "softmax":
        return prediction.top(options.top_k or 1)
    return prediction.above(options.threshold)[: options.top_k]


def _as_text(prediction: Prediction, best: Best) -> str:
    said = ", ".join(f"{label} {score:.3f}" for label, score in best)
    if prediction.label == UNKNOWN:
        return f"{prediction.clip}: {UNKNOWN}{f' (nearest: {said})' if said else ''}"
    return f"{prediction.clip}: {said or 'nothing'}"


def _as_json(prediction: Prediction, best: Best) -> str:
    top = [{"label": name, "score": value} for name, value in best]
    head = {"clip": prediction.clip, "label": prediction.label, "score": prediction.score}
    return json.dumps({**head, "top": top})
