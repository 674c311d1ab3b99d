"""What a survey is turned into: a manifest, a configuration, and a script that trains with them."""

from __future__ import annotations

import shlex
from pathlib import Path
from string import Template

import numpy as np

from asclf.data.inspect_report import as_json, as_markdown, printable
from asclf.data.inspect_survey import Survey
from asclf.data.manifest import write_manifest
from asclf.errors import DataError
from asclf.files import whole_folder

LOWEST_RATE, USUAL_RATE = 8_000, 16_000
LONGEST_CROP_S, SHORTEST_CROP_S = 5.0, 0.5
CLIPS_TO_SEE = 160_000
"""Clips that training sees over all epochs, within the bounds below."""
FEWEST_EPOCHS, MOST_EPOCHS = 15, 100

CONFIG = Template("""\
# A small network for the $num_classes classes of $title.
# Written by `asclf init` from $num_clips recordings; every value may be changed.
# `asclf config show config.yaml` prints all the others, `asclf list` what else could stand here.

# The model's sample rate in Hz; after a change, delete shards/ and run run.sh again.
sample_rate: $sample_rate

# No gain, and a floor that makes the level of a recording irrelevant.
frontend: {type: fbank, num_mel_bins: 80, low_freq_hz: 20, high_freq_hz: -400, floor_db: 50}

# Training hears every clip a little different each time.
augmenters:
  - {type: time_shift, max_shift_s: $max_shift_s}
  - {type: speed, factors: [0.9, 1.0, 1.1]}
  - {type: gain, gain_db: [-6, 6]}
  - {type: mixup, prob: 0.5, alpha: 0.3}
  - {type: spec_augment}

backbone: {type: spectromasknet_small, strides: [2, 2, 2, 1]}
loss: {type: cross_entropy, label_smoothing: 0.1}
optimizer: {type: adamw, lr: 2e-3, weight_decay: 0.02}
scheduler: {type: warmup_cosine, warmup_epochs: 5}

# A training crop in seconds: three quarters of the recordings are no longer, or it is the longest
# that trains fast. Scoring and prediction hear the whole clip.
data: {crop_s: $crop_s, batch_size: 16}

# Fixed, so that no test fold is looked at to choose. Fewer recordings, more passes over them.
train: {epochs: $epochs, average_last: 5}
""")

SCRIPT = Template("""\
#!/usr/bin/env bash
# Trains, scores, exports and tries a classifier for the recordings in manifest.jsonl.
# What is done is not done again, and what was cut off goes on.
#
#   bash run.sh
#   EXP=exp/longer bash run.sh train.epochs=200      # other values, in a folder of their own
#
# Written by `asclf init`; it calls nothing but asclf.
set -euo pipefail
cd "$$(dirname "$$0")"
exp=$${EXP:-exp/model}

asclf shard manifest.jsonl shards --sample-rate $sample_rate
$training
asclf export "$$exp" --onnx --name $name
asclf bench "$$exp/bundle" --json "$$exp/bench.json"
asclf predict $example --model "$$exp/bundle" --top-k 3
""")
TRAIN = 'asclf train --config config.yaml --exp "$exp" --resume data.shards=shards "$@"'


def write_project(survey: Survey, out: Path, title: str) -> None:
    """Writes manifest.jsonl, config.yaml, run.sh, report.json and report.md into a new folder.

    Args:
        survey: What was found.
        out: The folder; must be new or empty.
        title: What the recordings are called.

    Raises:
        DataError: The folder holds something already.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(
            "there is something already",
            where=out,
            expected="a new folder",
            hint="delete it, or name another one with --out",
        )
    out = out.absolute()
    with whole_folder(out) as part:
        texts = {
            "config.yaml": config_text(survey, title),
            "run.sh": script_text(survey, title),
            "report.json": as_json(survey),
            "report.md": as_markdown(survey, title),
        }
        for name, text in texts.items():
            (part / name).write_text(text, encoding="utf-8")
        write_manifest(part / "manifest.jsonl", survey.manifest())


def config_text(survey: Survey, title: str) -> str:
    """The experiment: a small network, with crop and epochs by what there is to train on."""
    crop_s = _crop_s(survey)
    epochs = int(np.clip(CLIPS_TO_SEE // len(survey.clips), FEWEST_EPOCHS, MOST_EPOCHS))
    return CONFIG.substitute(
        num_classes=len(survey.labels),
        num_clips=len(survey.clips),
        title=printable(" ".join(title.split())),
        sample_rate=_sample_rate(survey),
        crop_s=crop_s,
        max_shift_s=round(crop_s / 2, 2),
        epochs=epochs,
    )


def script_text(survey: Survey, title: str) -> str:
    """The script: every step from the manifest to a prediction."""
    return SCRIPT.substitute(
        sample_rate=_sample_rate(survey),
        training="\n".join(_training(survey)),
        name=shlex.quote(printable(" ".join(title.split()))),
        example=shlex.quote(str(survey.clips[0].entry.path.absolute())),
    )


def _training(survey: Survey) -> list[str]:
    if survey.splits:
        return [TRAIN, *(['asclf score "$exp"'] if "test" in survey.splits else [])]
    whole = ["# The model to use has heard every recording; the score above says what it is worth."]
    if not survey.folds:
        return ["# No class can be both trained on and tested: there is no score.", TRAIN]
    folds = " ".join(map(str, survey.folds))
    return [f'{TRAIN} --folds "{folds}"', 'asclf score "$exp"', *whole, TRAIN]


def _crop_s(survey: Survey) -> float:
    lengths = [clip.recording.duration_s for clip in survey.clips]
    usual = float(np.clip(np.quantile(lengths, 0.75), SHORTEST_CROP_S, LONGEST_CROP_S))
    return round(usual, 2)


def _sample_rate(survey: Survey) -> int:
    """The usual rate, or that of the recordings where all are below it."""
    highest = max(clip.recording.sample_rate for clip in survey.clips)
    return int(np.clip(highest, LOWEST_RATE, USUAL_RATE))
