"""Writes the embeddings of audio files: what the backbone makes of them, before the head.

With any backbone, from a checkpoint or a bundle. One row a file, in the order of the files; a
folder stands for every audio file below it. A file that cannot be read has no row and is one line
on stderr, and the exit status is 2.

--out names a CSV file (columns clip, e0, e1, …) or a .npy file, float32 (files, D), beside which
NAME.clips.csv lists the files. Without it the CSV goes to stdout.

Examples:
  asclf embed dog.wav --model exp/esc10/bundle
  asclf embed recordings/ --model exp/esc10/fold1 --out embeddings.npy
  asclf embed recordings/ more.flac --model exp/esc10/bundle --out embeddings.csv
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asclf.bundle.prediction import Classifier
from asclf.cli.predict import USER_ERROR, audio_files, newest_bundle
from asclf.edge.embeddings import Row, write_csv, write_embeddings
from asclf.errors import AudioError


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE|DIR", help="what to embed")
    parser.add_argument(
        "--model",
        type=Path,
        help="a bundle, a run folder or a checkpoint (default: the bundle exported last)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help=".npy or .csv (default: stdout)")


def run(options: Namespace) -> int:
    """Runs the verb."""
    from asclf.api import load

    files = list(audio_files(options.paths))
    classifier = load(options.model or newest_bundle(Path.cwd()))
    rows = _embed(classifier, files)
    count = write_embeddings(options.out, rows) if options.out else write_csv(sys.stdout, rows)
    if options.out:
        print(f"{options.out}: {count} embeddings")
    if count < len(files):
        print(f"{len(files) - count} of {len(files)} files could not be read", file=sys.stderr)
    return USER_ERROR if count < len(files) else 0


def _embed(classifier: Classifier, files: Sequence[Path]) -> Iterator[Row]:
    """Each file with its embedding; one that cannot be read is passed over."""
    for file in files:
        embedding = _embedding(classifier, file)
        if embedding is not None:
            yield str(file), embedding


def _embedding(classifier: Classifier, file: Path) -> NDArray[np.float32] | None:
    """A file's embedding; nothing where it cannot be read, which is said."""
    try:
        return classifier.embed(file)
    except AudioError as error:
        print(error, file=sys.stderr)
        return None
