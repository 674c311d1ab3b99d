from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from asclf.backbones.ast import Ast, fit_grid
from asclf.complexity import Network
from asclf.config.bind import bind
from asclf.config.yaml import parse_yaml
from asclf.edge.network import OnnxNetwork
from asclf.errors import ConfigError, ConfigErrors
from asclf.export.graph import write_onnx
from asclf.registry import BACKBONES, HEADS

ENTRY = BACKBONES.get("ast_tiny")


def small(feat_dim: int = 40, **options: Any) -> Ast:
    sizes = {"embed_dim": 12, "num_heads": 2, "depth": 1, "num_frames": 60}
    ast: Ast = ENTRY.build(ENTRY.configure(**{**sizes, **options}), feat_dim=feat_dim)
    return ast.eval()


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("ast_tiny", (5_506_378, 5_511_203, 5_514_098)),
        ("ast_small", (21_629_578, 21_639_203, 21_644_978)),
        ("ast_base", (85_726_474, 85_745_699, 85_757_234)),
    ],
)
def test_parameters_are_those_of_the_paper(name: str, params: tuple[int, ...]) -> None:
    for num_classes, expected in zip((10, 35, 50), params, strict=True):
        with torch.device("meta"):
            backbone = BACKBONES.get(name).build(feat_dim=128)
            head = HEADS.get("linear").build(embed_dim=backbone.embed_dim, num_classes=num_classes)
        assert sum(p.numel() for p in Network(backbone, head).parameters()) == expected


def test_the_size_of_audio_set_is_the_papers() -> None:
    entry = BACKBONES.get("ast_base")
    with torch.device("meta"):
        backbone = entry.build(entry.configure(num_frames=1024), feat_dim=128)
    assert (backbone.grid, backbone.positions.shape) == ((12, 101), (1, 1214, 768))


def positions_as_grid(height: int, width: int) -> torch.Tensor:
    """(1, 2, H, W): each place says its row and its column."""
    rows, columns = torch.arange(float(height)), torch.arange(float(width))
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij")).unsqueeze(0)


@pytest.mark.parametrize(
    ("stored", "wanted", "first"),
    [((12, 101), (12, 50), (0, 25)), ((24, 24), (12, 11), (6, 7)), ((5, 4), (2, 3), (1, 1))],
)
def test_the_middle_of_longer_positions_is_cut_out(
    stored: tuple[int, int], wanted: tuple[int, int], first: tuple[int, int]
) -> None:
    found = fit_grid(positions_as_grid(*stored), wanted)
    offsets = torch.tensor(first, dtype=torch.float32).reshape(1, 2, 1, 1)
    torch.testing.assert_close(found, positions_as_grid(*wanted) + offsets)


def test_shorter_positions_are_interpolated_and_each_axis_for_itself() -> None:
    found = fit_grid(positions_as_grid(6, 4), (2, 8))[0]
    assert found[0, :, 0].tolist() == [2.0, 3.0]
    assert found[1, 0].tolist() == [0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0]


def test_positions_for_another_length_and_other_bins_serve_the_patches() -> None:
    stored = small(feat_dim=60, num_frames=100)
    fitted = small(feat_dim=40, position_bins=60, position_frames=100)
    fitted.load_state_dict(stored.state_dict())
    assert (stored.grid, fitted.grid) == ((5, 9), (3, 5))
    grid = stored.positions[:, 2:].unflatten(1, (5, 9))[:, 1:4, 2:7].flatten(1, 2)
    own = small()
    own.load_state_dict(
        {**stored.state_dict(), "positions": torch.cat([stored.positions[:, :2], grid], dim=1)}
    )
    feats = torch.randn(2, 60, 40)
    torch.testing.assert_close(fitted(feats), own(feats))


def test_every_position_gets_a_gradient_where_they_are_interpolated() -> None:
    ast = small(position_frames=30)
    ast(torch.randn(2, 60, 40)).square().sum().backward()
    assert ast.positions.grad is not None
    assert (ast.positions.grad.abs().sum(2) > 0).all()


def test_feats_are_normed_by_the_mean_and_twice_the_deviation() -> None:
    plain, norming = small(), small(feats_mean_std=(-4.0, 3.0))
    norming.load_state_dict(plain.state_dict())
    feats = torch.randn(2, 60, 40)
    torch.testing.assert_close(norming(6 * feats - 4), plain(feats))


@pytest.mark.parametrize(
    "options", [{}, {"position_frames": 120, "position_bins": 30, "feats_mean_std": (-4.0, 3.0)}]
)
def test_clips_of_any_length_give_the_same_in_onnxruntime(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    ast = small(**options)
    for module in ast.modules():
        if isinstance(module, nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
    path = tmp_path / "model.onnx"
    write_onnx(ast, path, example=torch.randn(2, 50, 40), metadata={})
    for clips, frames in ((1, 1), (3, 17), (2, 59), (1, 60), (4, 61), (1, 200)):
        feats = torch.randn(clips, frames, 40)
        with torch.inference_mode():
            expected = ast(feats)
        found = torch.from_numpy(OnnxNetwork(path).logits(feats.numpy()))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_feats_smaller_than_a_patch_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"feats of 13 bins have no room for a patch.*at least 16"
    ):
        small(feat_dim=13)


def test_heads_that_do_not_share_out_the_width_are_refused() -> None:
    with pytest.raises(ConfigErrors, match="an embed_dim that is a multiple of num_heads"):
        bind(parse_yaml("num_heads: 5", "exp.yaml"), ENTRY.config_type)
