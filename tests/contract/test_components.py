"""Every registered component keeps the promises of its kind."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from asclf import testing
from asclf.checkpoint import CheckpointMeta, save_checkpoint
from asclf.config.experiment import bind_experiment
from asclf.config.yaml import parse_yaml
from asclf.model import build_classifier
from asclf.registry import BACKBONES, REGISTRIES, Registry
from asclf.testing import Check, checks, checks_of
from asclf.testing.objective import LABELS

SLOW = {"check_exports_to_onnx"}
CASES = [
    pytest.param(
        registry,
        name,
        check,
        id=f"{registry.kind}-{name}-{check.__name__}",
        marks=[pytest.mark.slow] if check.__name__ in SLOW else [],
    )
    for registry in REGISTRIES.values()
    for name in registry.names()
    for check in checks_of(registry.get(name))
]


@pytest.fixture(scope="module")
def needed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The options without which a component cannot do what it is for."""
    folder = tmp_path_factory.mktemp("noise")
    noise = 0.1 * np.random.default_rng(0).standard_normal(4000)
    soundfile.write(folder / "noise.wav", noise, 8000)
    return {
        "background_noise": {"folder": str(folder)},
        "distill": {"teacher": str(_teacher(folder / "teacher.safetensors")), "logits": "live"},
    }


def _teacher(path: Path) -> Path:
    text = "sample_rate: 8000\nbackbone: {type: bc_resnet_1}"
    model = build_classifier(bind_experiment(parse_yaml(text, "teacher.yaml")), num_classes=3)
    save_checkpoint(path, model, CheckpointMeta(text, LABELS.names, epoch=1))
    return path


@pytest.mark.parametrize(("registry", "name", "check"), CASES)
def test_contract(
    registry: Registry, name: str, check: Check, needed: dict[str, dict[str, Any]]
) -> None:
    entry = registry.get(name)
    check(replace(entry, defaults={**entry.defaults, **needed.get(name, {})}))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            "frontends",
            {"efficientat_mel", "fbank", "mel_spectrogram", "mfcc", "spectrogram", "waveform"},
        ),
        (
            "augmenters",
            {
                "background_noise",
                "block_mask",
                "cutmix",
                "filter_augment",
                "freq_mask",
                "freq_mixstyle",
                "gain",
                "gaussian_noise",
                "mixup",
                "reverb",
                "roll",
                "spec_augment",
                "speed",
                "time_mask",
                "time_shift",
            },
        ),
        (
            "backbones",
            {
                "ast_base",
                "ast_small",
                "ast_tiny",
                "bc_resnet_1",
                "bc_resnet_1_5",
                "bc_resnet_2",
                "bc_resnet_3",
                "bc_resnet_6",
                "bc_resnet_8",
                "campplus",
                "ecapa_tdnn",
                "efficientat_mn04",
                "efficientat_mn05",
                "efficientat_mn10",
                "efficientat_mn20",
                "efficientat_mn30",
                "efficientat_mn40",
                "eres2net",
                "eres2netv2",
                "matchboxnet",
                "panns_cnn10",
                "panns_cnn14",
                "panns_cnn6",
                "res2net",
                "resnet_se",
                "spectromasknet",
                "spectromasknet_small",
                "spectromasknet_tiny",
                "tdnn",
            },
        ),
        ("heads", {"cosine", "linear", "mlp"}),
        ("losses", {"aam_softmax", "bce", "cross_entropy", "focal"}),
        ("optimizers", {"adam", "adamw", "sgd"}),
        (
            "schedulers",
            {"constant", "multistep", "one_cycle", "warmup_cosine", "warmup_linear"},
        ),
        ("objectives", {"distill", "supervised"}),
    ],
)
def test_every_kind_has_its_built_in_components_under_test(kind: str, expected: set[str]) -> None:
    registry = REGISTRIES[kind]
    tested = {case.values[1] for case in CASES if case.values[0] is registry}
    assert expected <= tested


def test_no_kind_and_no_check_is_left_out() -> None:
    assert {registry.kind for registry in REGISTRIES.values()} == set(testing.BY_KIND)
    for module in (*map(vars(testing).get, testing.BY_KIND), testing.config):
        written = [
            function
            for name, function in inspect.getmembers(module, inspect.isfunction)
            if name.startswith("check_")
        ]
        assert len(written) >= 2
        assert set(written) == set(module.CHECKS)


def test_one_size_of_each_backbone_passes_every_check() -> None:
    whole = [
        entry.factory
        for entry in map(BACKBONES.get, BACKBONES.names())
        if checks_of(entry) == checks("backbone")
    ]
    assert len(whole) == len(set(whole))
    assert set(whole) == {BACKBONES.get(name).factory for name in BACKBONES.names()}
