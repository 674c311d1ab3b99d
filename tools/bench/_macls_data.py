"""Makes training batches with the PyPI package `macls`, in that package's own environment.

    python _macls_data.py LIST SAMPLE_RATE SECONDS BATCH_SIZE

LIST has `path<TAB>label` lines. For each line on standard input, all of LIST becomes batches once,
and their number of clips is answered on standard output.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import redirect_stdout

import torch
from macls.data_utils.collate_fn import collate_fn
from macls.data_utils.featurizer import AudioFeaturizer
from macls.data_utils.reader import MAClsDataset


def main() -> None:
    """Answers until standard input ends."""
    torch.set_num_threads(1)
    path, sample_rate, seconds, batch_size = sys.argv[1], *map(int, sys.argv[2:])
    answers = sys.stdout
    with redirect_stdout(sys.stderr):  # whatever the package prints is no answer
        options = {"sample_frequency": sample_rate, "num_mel_bins": 80}
        featurizer = AudioFeaturizer("Fbank", method_args=options)
        dataset = MAClsDataset(path, featurizer, max_duration=seconds, sample_rate=sample_rate)
        for _ in sys.stdin:
            count = sum(len(labels) for _, labels, _ in batches(dataset, batch_size))
            print(count, file=answers, flush=True)


def batches(dataset: MAClsDataset, size: int) -> Iterator[tuple[torch.Tensor, ...]]:
    """What the package's loader does without workers: items in turn, then its own `collate_fn`."""
    for start in range(0, len(dataset), size):
        end = min(start + size, len(dataset))
        yield collate_fn([dataset[i] for i in range(start, end)])


if __name__ == "__main__":
    main()
