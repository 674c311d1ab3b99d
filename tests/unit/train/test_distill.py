"""Learning from a teacher: which one, what it hears, and what its pupil makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor

from asclf.augmenters.cutmix import CutMix, CutMixConfig
from asclf.augmenters.mixup import Mixup, MixupConfig
from asclf.checkpoint import CheckpointMeta, load_tensors, save_checkpoint
from asclf.config.experiment import bind_experiment
from asclf.config.yaml import parse_yaml
from asclf.data.labels import LabelMap
from asclf.data.shard_index import ShardIndex
from asclf.data.training_set import TrainingSet
from asclf.errors import CheckpointError, ConfigError, DataError
from asclf.model import build_classifier
from asclf.protocols import Batch
from asclf.registry import LOSSES
from asclf.train.objectives.distill import Distill, DistillConfig
from asclf.train.stored_logits import teach
from asclf.train.teacher import BundleTeacher, ask, find_teacher, load_teacher

Train = Callable[..., Path]

LABELS = ("high", "low", "mid")


def make_teacher(
    path: Path,
    *,
    sample_rate: int = 8000,
    test_fold: int | None = 1,
    labels: tuple[str, ...] = LABELS,
) -> Path:
    text = (
        f"{{sample_rate: {sample_rate}, frontend: {{type: fbank, num_mel_bins: 20}}, "
        f"backbone: {{type: tdnn, channels: 8, embed_dim: 6}}, "
        f"data: {{test_fold: {'null' if test_fold is None else test_fold}}}}}"
    )
    torch.manual_seed(0)
    model = build_classifier(bind_experiment(parse_yaml(text, "teacher.yaml")), len(labels))
    path.parent.mkdir(exist_ok=True, parents=True)
    save_checkpoint(path, model, CheckpointMeta(text, labels, epoch=1))
    return path


@pytest.fixture
def data(own_shards: Path) -> TrainingSet:
    index = ShardIndex.load(own_shards)
    return TrainingSet(index, index.select([2]), test_fold=1)


def make_distill(
    data: TrainingSet, teacher: Path, loss: str = "cross_entropy", **options: object
) -> Distill:
    config = DistillConfig(teacher=str(teacher), **options)
    return Distill(config, loss=LOSSES.get(loss).build(num_classes=3), data=data)


def make_batch(samples: int = 2400, lengths: Tensor | None = None) -> Batch:
    waveform = 0.1 * torch.randn(2, samples, generator=Generator().manual_seed(0))
    return Batch(waveform, lengths, torch.eye(3)[:2], ("2-0", "2-1"))


# The loss -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["cross_entropy", "bce"])
def test_a_pupil_that_agrees_with_its_teacher_has_nothing_to_learn(
    data: TrainingSet, tmp_path: Path, loss: str
) -> None:
    path = make_teacher(tmp_path / "t.safetensors")
    distill = make_distill(data, path, loss, logits="live", weight=1.0)
    said = ask(load_teacher(path, data.labels), make_batch().waveform, 8000, data.labels)
    logits = said.clone().requires_grad_()
    value = distill(logits, make_batch())
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-6)
    assert logits.grad.abs().max() < 1e-6
    assert distill(said.roll(1, dims=1), make_batch()) > 1e-4


def test_weight_shares_the_loss_between_teacher_and_labels(
    data: TrainingSet, tmp_path: Path
) -> None:
    path = make_teacher(tmp_path / "t.safetensors")
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.0, 1.0]])
    alone, together, none = (
        make_distill(data, path, logits="live", weight=weight)(logits, make_batch())
        for weight in (1.0, 0.25, 0.0)
    )
    torch.testing.assert_close(together, 0.25 * alone + 0.75 * none)
    expected = LOSSES.get("cross_entropy").build(num_classes=3)(logits, torch.eye(3)[:2])
    torch.testing.assert_close(none, expected)


def test_the_divergence_is_that_of_the_definition(data: TrainingSet, tmp_path: Path) -> None:
    path = make_teacher(tmp_path / "t.safetensors")
    distill = make_distill(data, path, logits="live", weight=1.0, temperature=3.0)
    said = ask(load_teacher(path, data.labels), make_batch().waveform, 8000, data.labels)
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.0, 1.0]])
    p, q = (said / 3).softmax(1), (logits / 3).softmax(1)
    expected = 9 * (p * (p / q).log()).sum(1).mean()
    torch.testing.assert_close(distill(logits, make_batch()), expected)


def test_soft_targets_are_mixed_as_targets_are() -> None:
    batch = Batch(torch.randn(9, 80), None, torch.eye(9), tuple("abcdefghi"))
    batch = replace(batch, soft_targets=2 * batch.targets)
    for augmenter in (
        Mixup(MixupConfig(prob=1.0), sample_rate=80),
        CutMix(CutMixConfig(prob=1.0), sample_rate=80),
    ):
        mixed = augmenter.augment_batch(batch, Generator())
        assert not torch.equal(mixed.targets, batch.targets)
        torch.testing.assert_close(mixed.soft_targets, 2 * mixed.targets)


def test_a_batch_gets_its_clips_stored_soft_targets(data: TrainingSet, tmp_path: Path) -> None:
    path = make_teacher(tmp_path / "t.safetensors")
    stored = teach(path, data.labels, data.index, data.shards)
    batch = make_distill(data, path, temperature=3.0).prepare(make_batch())
    torch.testing.assert_close(batch.soft_targets, (stored.of(["2-0", "2-1"]) / 3).softmax(1))


# What a teacher hears -----------------------------------------------------------------------------


def test_a_teacher_hears_clips_at_its_own_rate_and_padded_ones_alone(
    data: TrainingSet, tmp_path: Path
) -> None:
    distill = make_distill(
        data, make_teacher(tmp_path / "t.safetensors", sample_rate=4000), logits="live"
    )
    padded = make_batch(2400, lengths=torch.tensor([2400, 1600]))
    short = Batch(padded.waveform[1:, :1600], None, torch.eye(3)[1:2], ("2-1",))
    torch.testing.assert_close(distill._listen(padded)[1:], distill._listen(short))


def test_a_teacher_of_more_classes_is_asked_for_its_pupils(
    data: TrainingSet, tmp_path: Path
) -> None:
    more = make_teacher(tmp_path / "t.safetensors", labels=("mid", "other", "low", "high"))
    teacher = load_teacher(more, data.labels)
    said = ask(teacher, make_batch().waveform, 8000, data.labels)
    assert torch.equal(said, teacher.logits(make_batch().waveform)[:, [3, 2, 0]])
    with pytest.raises(CheckpointError, match="does not know 1 of the classes, 'new'"):
        load_teacher(more, LabelMap(("low", "new")))


def test_logits_are_stored_once_beside_the_shards(data: TrainingSet, tmp_path: Path) -> None:
    path = make_teacher(tmp_path / "t.safetensors")
    stored = teach(path, data.labels, data.index, data.shards)
    (file,) = (data.index.folder / "teachers").iterdir()
    written = file.stat().st_mtime_ns
    again = teach(path, data.labels, data.index, data.shards)
    assert file.stat().st_mtime_ns == written
    assert torch.equal(stored.of(["2-3", "2-0"]), again.of(["2-3", "2-0"]))
    with pytest.raises(DataError, match="1-0: the teacher never heard this clip"):
        stored.of(["1-0"])  # of the fold that is left out


# Which teacher ------------------------------------------------------------------------------------


def test_of_an_experiment_the_run_is_taken_that_leaves_out_the_same_fold(tmp_path: Path) -> None:
    for fold in (1, 2):
        make_teacher(tmp_path / f"exp/fold{fold}/final.safetensors", test_fold=fold)
    assert find_teacher(tmp_path / "exp", 2) == tmp_path / "exp/fold2/final.safetensors"
    with pytest.raises(CheckpointError, match="there is no checkpoint here"):
        find_teacher(tmp_path / "exp", 3)


@pytest.mark.parametrize("test_fold", [2, None])
def test_a_teacher_that_heard_the_fold_left_out_is_refused(
    data: TrainingSet, tmp_path: Path, test_fold: int | None
) -> None:
    path = make_teacher(tmp_path / "t.safetensors", test_fold=test_fold)
    with pytest.raises(CheckpointError, match="this teacher may have heard fold 1"):
        make_distill(data, path)
    make_distill(data, path, independent=True)


def test_a_teacher_must_be_named(data: TrainingSet) -> None:
    with pytest.raises(ConfigError, match=r"`objective\.teacher` is not set"):
        Distill(DistillConfig(), loss=LOSSES.get("bce").build(num_classes=3), data=data)


# Whole runs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("logits", ["stored", "live"])
def test_a_run_learns_from_a_teacher_and_remembers_which(
    train: Train, own_shards: Path, tmp_path: Path, logits: str
) -> None:
    path = make_teacher(tmp_path / "t.safetensors")
    options = (
        f"data.shards={own_shards}",
        "objective.type=distill",
        f"objective.teacher={path}",
        f"objective.logits={logits}",
        "train.epochs=2",
    )
    run = train("pupil", *options)
    assert "teacher_sha256" in json.loads((run / "data.json").read_text())
    taught, untaught = (
        load_tensors(r / "final.safetensors")[0] for r in (run, train("alone", "train.epochs=2"))
    )
    assert taught.keys() == untaught.keys()  # no teacher in the pupil's checkpoint
    assert any(not torch.equal(taught[name], untaught[name]) for name in taught)


def test_a_bundle_teaches_what_its_checkpoint_does(tiny_run: Path, tiny_bundle: Path) -> None:
    labels = LabelMap(load_tensors(tiny_run / "final.safetensors")[1].labels)
    waveform = 0.1 * torch.randn(2, 16_000, generator=Generator().manual_seed(0))
    checkpoint, bundle = (
        load_teacher(find_teacher(path, None), labels) for path in (tiny_run, tiny_bundle)
    )
    assert isinstance(bundle, BundleTeacher)
    assert bundle.test_fold is None
    expected, found = (ask(teacher, waveform, 16_000, labels) for teacher in (checkpoint, bundle))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    assert expected.std() > 1e-3
