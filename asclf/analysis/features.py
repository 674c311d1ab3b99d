"""What networks are shown of a clip: its features, and the same with blocks of them masked."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from asclf.analysis.figure import FREQUENCY_AXES, Drawn, Map, save, show_map, write_map
from asclf.analysis.study import Study, Subject
from asclf.masks import BlockMaskOptions, block_keep_mask
from asclf.registry import FRONTENDS
from asclf.score.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEATURES = ("fbank", "mel_spectrogram", "spectrogram", "mfcc")
ENERGY = ("ln energy − mean of the bin", "neither")
UNITS = {"mfcc": ("cepstrum of dB", "both")}
"""What colours mean, and whether values go beyond them."""
STRATEGIES = ("random", "grid", "high_energy")


def draw_features(study: Study) -> Drawn:
    """Draws four features of the clip (the SpectroMaskNet paper's Fig. 8).

    Raises:
        DataError: There is no clip to look at.
    """
    clip = study.subject
    figure = new_figure(9.0, 5.4)
    figure.suptitle(clip.title, fontsize=10, x=0.01, ha="left")
    tables = []
    for axes, kind in zip(figure.subplots(2, 2, sharex=True).flat, FEATURES, strict=True):
        values = features_of(clip, kind)
        top = clip.sample_rate / 2 if kind == "spectrogram" else None
        low, high = colour_limits(values, kind)
        image = show_map(
            axes, values, clip.duration_s, top=top, cmap="cividis", vmin=low, vmax=high
        )
        name_axes(axes, kind)
        axes.set_title(kind, fontsize=10, loc="left")
        unit, extend = UNITS.get(kind, ENERGY)
        figure.colorbar(image, ax=axes, label=unit, fraction=0.05, extend=extend)
        tables.append(write_map(study.out / f"features_{kind}.csv", values, clip.duration_s))
    save(figure, study.out / "features.png")
    text = f"Each as asclf computes it by default, of {clip.title}: the mean of each bin is off."
    return Drawn("features", "Four features of one clip", text, tuple(tables))


def draw_strategies(study: Study) -> Drawn:
    """Draws the experiment's features of the clip under each strategy of masking (Fig. 9).

    Raises:
        DataError: There is no clip to look at.
    """
    clip, checkpoint = study.subject, study.run.checkpoint
    waveform = torch.from_numpy(clip.waveform).unsqueeze(0)
    feats, _ = checkpoint.model.frontend(waveform)  # (1, T, F)
    figure = new_figure(9.0, 5.0)
    figure.suptitle(clip.title, fontsize=10, x=0.01, ha="left")
    panels = figure.subplots(2, 2, sharex=True, sharey=True).flat
    _draw_masked(next(panels), study, feats, torch.ones_like(feats), "not masked")
    tables, shares = [], []
    for axes, strategy in zip(panels, STRATEGIES, strict=True):
        keep = mask_of(feats, mask_options(checkpoint.config.backbone.config, strategy))
        share = 1 - float(keep.float().mean())
        _draw_masked(axes, study, feats, keep, f"{strategy}: {share:.0%} masked")
        path = study.out / f"strategies_{strategy}.csv"
        tables.append(write_map(path, keep[0].int().numpy(), clip.duration_s))
        shares.append(f"{strategy} {share:.1%}")
    save(figure, study.out / "strategies.png")
    text = f"White is masked, 1 in the tables is kept. Masked of {clip.title}: {', '.join(shares)}."
    return Drawn("strategies", "Masking strategies", text, tuple(tables))


def features_of(clip: Subject, kind: str) -> Map:
    """The features (T, F) of a clip by a front end of default options."""
    entry = FRONTENDS.get(kind)
    frontend = entry.build(entry.configure(), sample_rate=clip.sample_rate)
    feats, _ = frontend(torch.from_numpy(clip.waveform).unsqueeze(0))
    values: Map = feats[0].numpy()  # (1, T, F) → (T, F)
    return values


def colour_limits(values: Map, kind: str) -> tuple[float, float]:
    """Between which values colours differ; of cepstra the 0th coefficient would hide all others."""
    share = 0.02 if kind == "mfcc" else 0.0
    low, high = np.quantile(values, (share, 1 - share))
    return float(low), float(high)


def mask_options(backbone: Any, strategy: str) -> BlockMaskOptions:
    """The backbone's own block size and ratio, where it has a fixed mask, by another strategy."""
    own = getattr(backbone, "mask", None)
    known = asdict(own) if isinstance(own, BlockMaskOptions) else {}
    return BlockMaskOptions(**{**known, "strategy": strategy})


def mask_of(feats: Tensor, options: BlockMaskOptions) -> Tensor:
    """The keep_mask (1, T, F) of feats, the same at every call."""
    return block_keep_mask(feats, None, options, torch.Generator().manual_seed(0))


def name_axes(axes: Axes, kind: str) -> None:
    """Names both axes of a plane of features; the lower one only where no other stands below."""
    axes.set_ylabel(FREQUENCY_AXES.get(kind, "bin"))
    place = axes.get_subplotspec()
    if place is not None and place.is_last_row():
        axes.set_xlabel("time (s)")


def _draw_masked(axes: Axes, study: Study, feats: Tensor, keep: Tensor, title: str) -> None:
    values = feats.masked_fill(keep == 0, math.nan)[0].numpy()  # (T, F)
    low, high = float(feats.min()), float(feats.max())
    show_map(axes, values, study.subject.duration_s, cmap="cividis", vmin=low, vmax=high)
    name_axes(axes, study.run.checkpoint.config.frontend.entry.name)
    axes.set_title(title, fontsize=10, loc="left")
