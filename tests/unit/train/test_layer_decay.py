"""Learning rates by depth: which block is how deep, and that nothing else changes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from asclf.config.experiment import bind_experiment
from asclf.config.yaml import parse_yaml
from asclf.model import AudioClassifier, build_classifier
from asclf.registry import OPTIMIZERS
from asclf.train.layer_decay import apply_layer_decay, layers, lr_scales

ECAPA = "{type: ecapa_tdnn, channels: 8, aggregated_channels: 12, bottleneck_channels: 4}"
SPECTROMASKNET = "{type: spectromasknet_small, channels: [4, 4, 4, 4], depths: [1, 1, 1, 1]}"


def build(backbone: str) -> AudioClassifier:
    return build_classifier(bind_experiment(parse_yaml(f"backbone: {backbone}", "x")), 3)


def depths(model: AudioClassifier) -> dict[str, int]:
    depth_of = {id(p): depth for depth, block in enumerate(layers(model)) for p in block}
    return {name: depth_of[id(parameter)] for name, parameter in model.named_parameters()}


def test_blocks_count_one_by_one_and_norms_go_with_what_they_follow() -> None:
    found = depths(build(ECAPA))
    parts = ("stem", "blocks.0", "blocks.1", "blocks.2", "aggregate", "pool", "project")
    for depth, part in enumerate(parts):
        assert {found[name] for name in found if name.startswith(f"backbone.{part}.")} == {depth}
    assert found["backbone.norm.weight"] == found["backbone.norm.bias"] == parts.index("pool")
    assert found["head.output.weight"] == len(parts)


def test_branches_that_lie_side_by_side_are_equally_deep() -> None:
    found = depths(build(SPECTROMASKNET))
    for branch in ("global", "local"):
        for stage in range(4):
            names = [f"backbone.{branch}_branch.{part}.{stage}." for part in ("entries", "stages")]
            assert {found[name] for name in found if name.startswith(tuple(names))} == {stage}
    assert found["backbone.fusion.logit"] == 3
    assert found["head.output.weight"] == 4


@pytest.mark.parametrize("name", ["ast_tiny", "efficientat_mn04", "panns_cnn6", "resnet_se"])
def test_every_weight_of_every_backbone_is_in_one_place(name: str) -> None:
    with torch.device("meta"):
        model = build(f"{{type: {name}}}")
    placed = [id(parameter) for block in layers(model) for parameter in block]
    assert sorted(placed) == sorted(id(parameter) for parameter in model.parameters())
    assert len(layers(model)) >= 4


def test_rates_fall_from_the_head_down_and_weight_decay_stays() -> None:
    model = build(ECAPA)
    optimizer = OPTIMIZERS.get("adamw").build(model=model)
    rule = {p: g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    apply_layer_decay(optimizer, model, 0.5)
    rates = {p: g["lr"] for g in optimizer.param_groups for p in g["params"]}
    assert rates == {p: pytest.approx(1e-3 * s) for p, s in lr_scales(model, 0.5).items()}
    assert {p: g["weight_decay"] for g in optimizer.param_groups for p in g["params"]} == rule
    assert optimizer.param_groups[0]["lr"] == 1e-3
    assert sorted({*rates.values()}) == pytest.approx([1e-3 * 0.5**k for k in range(7, -1, -1)])


def test_without_decay_the_groups_stay_as_they_were() -> None:
    model = build(ECAPA)
    optimizer = OPTIMIZERS.get("sgd").build(model=model)
    before = [dict(group) for group in optimizer.param_groups]
    apply_layer_decay(optimizer, model, 1.0)
    assert optimizer.param_groups == before


def test_frozen_weights_stay_out() -> None:
    model = build(ECAPA)
    model.get_submodule("backbone").requires_grad_(False)
    optimizer = OPTIMIZERS.get("adamw").build(model=model)
    apply_layer_decay(optimizer, model, 0.5)
    found = [p for group in optimizer.param_groups for p in group["params"]]
    assert {id(p) for p in found} == {id(p) for p in nn.ModuleList([model.head]).parameters()}
