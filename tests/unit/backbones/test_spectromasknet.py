from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from asclf.backbones.spectromasknet import (
    GlobalWeights,
    LocalAttention,
    SpectroMaskNet,
    SpectroMaskNetConfig,
)
from asclf.complexity import complexity_of_backbone
from asclf.config import load_experiment
from asclf.config.experiment import bind_experiment
from asclf.config.yaml import parse_yaml
from asclf.edge.network import OnnxNetwork
from asclf.errors import AsclfError
from asclf.export.graph import write_onnx
from asclf.registry import BACKBONES
from asclf.sweep.spec import load_sweep
from asclf.testing import backbone as contract

CONF = Path(__file__).parents[3]
TINY = {"channels": (8, 8, 8, 8), "depths": (1, 1, 1, 1)}
VARIANTS: dict[str, dict[str, Any]] = {
    "group_norm": {"norm": "group"},
    "norm_before": {"norm": "group", "local_norm": "before", "activation": "gelu"},
    "full_resolution": {"module_strides": (1, 1, 1, 1), "local_kernels": (7, 7, 5, 3)},
    "attention_alone": {"global_convs": ("none", "none", "none", "none"), "activation": "silu"},
    "full_entries": {"separable_entry": False, "global_entry_kernels": (7, 7, 7, 7)},
    "wide": {"attention_hidden": (4, 0, 4, 0), "expansions": (1, 2, 3, 4)},
    "swapped": {"masked_branch": "global", "mask": {"strategy": "learnable"}},
    "per_channel": {"fusion": "per_channel", "activation": "hardswish"},
    "concat": {"fusion": "concat", "local_attention": "global", "global_attention": "local"},
    "squeezed": {"global_attention": "se", "local_attention": "none"},
    "unmasked": {"mask": None, "strides": (2, 1, 2, 2)},
}


def configured(**options: Any) -> SpectroMaskNetConfig:
    """Through YAML's own door, so that what it accepts is what is tested."""
    text = parse_yaml("backbone: {type: spectromasknet_small}", "x")
    config = bind_experiment(text).backbone.config
    mask = options.get("mask")
    if isinstance(mask, dict):
        bound = bind_experiment(
            parse_yaml(f"backbone: {{type: spectromasknet_small, mask: {mask}}}", "x")
        )
        options = {**options, "mask": bound.backbone.config.mask}
    return replace(config, **{**TINY, **options})


def build(**options: Any) -> SpectroMaskNet:
    torch.manual_seed(0)
    return SpectroMaskNet(configured(**options), feat_dim=20)


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS.keys())
@pytest.mark.parametrize("check", contract.CHECKS)
def test_every_variant_keeps_the_contract_of_backbones(
    options: dict[str, Any], check: Callable[[Any], None]
) -> None:
    entry = BACKBONES.get("spectromasknet_small")
    fields = vars(configured(**options))
    check(replace(entry, defaults=fields))


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_runs_in_onnxruntime_as_in_torch(name: str, tmp_path: Path) -> None:
    network = build(**VARIANTS[name]).eval()
    write_onnx(network, tmp_path / "x.onnx", example=torch.randn(2, 40, 20), metadata={})
    session = OnnxNetwork(tmp_path / "x.onnx")
    for frames in (1, 37, 64, 501):  # odd sizes are cut after they are repeated
        feats = torch.randn(2, frames, 20)
        with torch.inference_mode():
            expected = network(feats)
        found = torch.from_numpy(session.logits(feats.numpy()))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_presets_have_the_sizes_that_they_promise() -> None:
    sizes = {
        name: complexity_of_backbone(f"spectromasknet{name}").parameters
        for name in ("", "_small", "_tiny")
    }
    assert sizes[""] == pytest.approx(2.7e6, rel=0.03)
    assert sizes["_small"] == pytest.approx(0.5e6, rel=0.1)
    assert sizes["_tiny"] <= 0.5e6


@pytest.mark.parametrize("name", ["spectromasknet", "spectromasknet_small"])
def test_channels_depths_and_strides_are_the_papers(name: str) -> None:
    config = BACKBONES.get(name).configure()
    assert config.channels == (16, 32, 48, 64)
    assert config.depths == (2, 3, 3, 2)
    assert config.strides == (1, 2, 2, 1)


def test_stages_keep_their_resolution_whatever_the_modules_stride() -> None:
    shapes: list[tuple[int, ...]] = []
    for strides in ((1, 1, 1, 1), (2, 2, 2, 2)):
        network = build(module_strides=strides).eval()
        for modules in network.local_branch.stages:
            modules[-1].register_forward_hook(lambda *call: shapes.append(tuple(call[2].shape)))
        network(torch.randn(1, 51, 20))
    assert shapes == 2 * [(1, 8, 51, 20), (1, 8, 26, 10), (1, 8, 13, 5), (1, 8, 13, 5)]


def test_attention_lets_half_of_the_signal_through_at_the_start() -> None:
    torch.manual_seed(0)
    for stage, hidden in enumerate((0, 0, 20, 40)):
        weights = GlobalWeights(SpectroMaskNetConfig(), stage)
        y = torch.rand(4, SpectroMaskNetConfig().channels[stage], 30, 20)
        passed = (weights(y, None) / y).mean().item()
        assert passed == pytest.approx(0.5, abs=0.1), hidden


def test_fusion_starts_at_the_mean_of_both_branches() -> None:
    network = build(mask=None).eval()
    feats = torch.randn(2, 30, 20)
    branches = network.global_branch, network.local_branch
    whole, local = (branch(feats.unsqueeze(1), None) for branch in branches)
    torch.testing.assert_close(network(feats), (whole + local) / 2)
    with torch.no_grad():
        network.fusion.logit.fill_(3.0)
    weight = torch.sigmoid(torch.tensor(3.0))
    torch.testing.assert_close(network(feats), weight * whole + (1 - weight) * local)
    assert network.monitored() == {"lambda": pytest.approx(float(weight))}


def test_penalty_pulls_lambda_to_one_half() -> None:
    network = build(fusion_penalty=0.5)
    with torch.no_grad():
        network.fusion.logit.fill_(2.0)
    weight = torch.sigmoid(torch.tensor(2.0))
    assert network.penalty().item() == pytest.approx(0.5 * (weight.item() - 0.5) ** 2)
    network.penalty().backward()
    assert network.fusion.logit.grad > 0
    assert build().penalty() == 0
    assert build(fusion="concat").penalty() == 0


def test_each_channel_can_have_a_lambda_of_its_own() -> None:
    network = build(fusion="per_channel", mask=None).eval()
    feats = torch.randn(2, 30, 20)
    with torch.no_grad():
        network.fusion.logit[:4] = 30.0
        network.fusion.logit[4:] = -30.0
    whole = network.global_branch(feats.unsqueeze(1), None)
    local = network.local_branch(feats.unsqueeze(1), None)
    torch.testing.assert_close(network(feats), torch.cat([whole[:, :4], local[:, 4:]], 1))
    assert network.monitored()["lambda"] == pytest.approx(0.5)


@pytest.mark.parametrize("masked", ["global", "local"])
@pytest.mark.parametrize("strategy", ["random", "grid", "high_energy", "learnable"])
def test_one_branch_alone_sees_the_mask_and_in_training_alone(masked: str, strategy: str) -> None:
    network = build(masked_branch=masked, mask={"strategy": strategy})
    seen: dict[str, Tensor] = {}
    for name in ("global", "local"):
        branch: nn.Module = getattr(network, f"{name}_branch")
        branch.register_forward_pre_hook(lambda _, args, name=name: seen.update({name: args[0]}))
    feats = torch.rand(2, 60, 20) + 1
    other = "local" if masked == "global" else "global"
    network.train()(feats)
    assert torch.equal(seen[other], feats.unsqueeze(1))
    hidden = seen[masked] == 0
    assert 0.02 < hidden.float().mean() < 0.98
    assert torch.equal(seen[masked][~hidden], feats.unsqueeze(1)[~hidden])
    network.eval()(feats)
    assert torch.equal(seen[masked], feats.unsqueeze(1))


def test_the_learned_masks_parameters_train_and_are_logged() -> None:
    network = build(mask={"strategy": "learnable"}).train()
    before = network.monitored()
    assert before.keys() == {"lambda", "mask_ratio", "mask_block_size"}
    optimizer = torch.optim.Adam(network.parameters(), lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        network(torch.randn(4, 60, 20)).square().sum().backward()
        optimizer.step()
    after = network.monitored()
    assert all(after[key] != before[key] for key in before)


def test_the_sweep_of_table_4_has_its_four_rows() -> None:
    sweep = load_sweep(CONF / "egs" / "esc50" / "conf" / "sweeps" / "table4.yaml")
    rows = {}
    for row in sweep.rows:
        config = load_experiment(sweep.config, row.overrides).backbone.config
        clean = "local" if config.masked_branch == "global" else "global"
        attention = {"global": config.global_attention, "local": config.local_attention}
        rows[row.name] = (attention[clean], attention[config.masked_branch])
    assert rows == {
        "global / local": ("global", "local"),
        "local / global": ("local", "global"),
        "SE / SE": ("se", "se"),
        "none / none": ("none", "none"),
    }


def test_the_papers_larger_choices_are_a_file() -> None:
    config = load_experiment(CONF / "egs" / "esc50" / "conf" / "paper.yaml").backbone.config
    network = SpectroMaskNet(config, feat_dim=80)
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(2.7e6, rel=0.03)
    kinds = {type(m) for m in network.modules() if "Norm" in type(m).__name__}
    assert {kind.__name__ for kind in kinds} == {"GroupNorm"}
    assert {m.norm.num_groups for m in network.modules() if isinstance(m, LocalAttention)} == {1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("mask: {strategy: learnable, ratio: 0.5}", "unknown key 'ratio'"),
        ("mask: {strategy: randon}", "'random', 'grid' or 'high_energy'"),
        ("mask: {strategy: learnable, ratio_bounds: [0.9, 0.1]}", "lower bound"),
        ("module_strides: [1, 2, 3, 1]", "1 or 2"),
        ("channels: [16, 32]", "channels"),
    ],
)
def test_a_wrong_option_is_named(options: str, message: str) -> None:
    text = f"backbone: {{type: spectromasknet_small, {options}}}"
    with pytest.raises(AsclfError) as caught:
        bind_experiment(parse_yaml(text, "exp.yaml"))
    assert message in str(caught.value)
    assert "exp.yaml:1:" in str(caught.value)
