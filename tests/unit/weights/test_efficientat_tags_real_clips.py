"""The published AudioSet network, untouched, on ESC-50 clips of classes that AudioSet has too."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from asclf.audio.io import load_audio
from asclf.checkpoint import Checkpoint, load_checkpoint
from asclf.weights.convert import import_weights

pytestmark = pytest.mark.slow

TWINS = {
    "cat": ("Cat", 81),
    "church_bells": ("Church bell", 201),
    "clapping": ("Clapping", 63),
    "coughing": ("Cough", 47),
    "crow": ("Crow", 117),
    "crying_baby": ("Baby cry, infant cry", 23),
    "dog": ("Dog", 74),
    "frog": ("Frog", 132),
    "laughing": ("Laughter", 16),
    "rain": ("Rain", 289),
    "siren": ("Siren", 396),
    "sneezing": ("Sneeze", 49),
    "snoring": ("Snoring", 43),
    "toilet_flush": ("Toilet flush", 374),
}
"""Category of ESC-50: AudioSet's class, and its index in AudioSet's `class_labels_indices.csv`."""
TOP = 3
WANTED_SHARE = 0.7


@pytest.fixture(scope="module")
def published(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """The published weights, imported as a user would."""
    weights = real_data / "weights" / "mn04_as_mAP_432.pt"
    if not weights.is_file():
        pytest.skip(f"{weights} is not there")
    out = tmp_path_factory.mktemp("weights") / "mn04_as.safetensors"
    imported = import_weights(weights, "efficientat_mn04", out)
    assert (imported.parameters, imported.left_out, len(imported.labels)) == (983_599, 0, 527)
    return load_checkpoint(out)


def clips_by_category(real_data: Path) -> Mapping[str, list[Path]]:
    audio = real_data / "ESC-50" / "audio"
    files = {path.stem: path for path in audio.iterdir()}
    found: dict[str, list[Path]] = {category: [] for category in TWINS}
    with (real_data / "ESC-50" / "meta" / "esc50.csv").open(newline="") as table:
        for row in csv.DictReader(table):
            path = files.get(Path(row["filename"]).stem)
            if row["category"] in TWINS and path is not None:
                found[row["category"]].append(path)
    return found


@torch.inference_mode()
def count_hits(checkpoint: Checkpoint, paths: list[Path], index: int) -> int:
    """Clips that have the class among their three best."""
    waveforms = [load_audio(path, checkpoint.config.sample_rate) for path in paths]
    best = [
        checkpoint.model(torch.from_numpy(waveform)[None])[0].topk(TOP).indices
        for waveform in waveforms
    ]
    return sum(index in indices for indices in best)


def test_class_of_the_clip_is_among_the_three_best(published: Checkpoint, real_data: Path) -> None:
    clips = clips_by_category(real_data)
    hits = {
        category: count_hits(published, clips[category], index)
        for category, (_, index) in TWINS.items()
    }
    print(f"\n{'ESC-50':14}{'AudioSet':22}in top {TOP}")
    for category, (name, _) in TWINS.items():
        print(f"{category:14}{name:22}{hits[category]:3} of {len(clips[category])}")
    total = sum(map(len, clips.values()))
    share = sum(hits.values()) / total
    print(f"{'all':36}{sum(hits.values()):3} of {total}: {share:.1%}")
    assert all(clips.values())
    assert share >= WANTED_SHARE
