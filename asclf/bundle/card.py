"""The model card: what a bundle is, in words, made from its manifest alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from asclf.bundle.manifest import BundleManifest, NetworkFacts


def model_card(manifest: BundleManifest) -> str:
    """The text of `MODEL_CARD.md`."""
    sections = {
        "What it is": _about(manifest),
        "Use": _use(manifest),
        "Scores": _scores(manifest),
        "Front end": _table(manifest.frontend.items()),
        "Same as in training": _parity(manifest),
        "Labels": ", ".join(f"`{label}`" for label in manifest.labels),
        "Data": manifest.training.data_licence or "The licence of the training data is not stated.",
    }
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items())
    return f"# {manifest.name}\n\n{body}\n"


def _about(manifest: BundleManifest) -> str:
    network = manifest.network
    return (
        f"A classifier of sounds into {len(manifest.labels)} classes: backbone "
        f"`{network.backbone}`, {network.parameters:,} parameters, {network.macs / 1e6:,.0f} "
        f"million multiply-accumulates for {network.macs_duration_s:g} s of sound, "
        f"{manifest.files['model.onnx'].bytes:,} bytes. {_hears(network)} Exported by asclf "
        f"{manifest.asclf_version}."
    )


def _hears(network: NetworkFacts) -> str:
    if network.num_frames is None:
        return "It hears the whole of a clip."
    frames = f"{network.num_frames} frames of a clip"
    return f"It hears {frames}: the middle of a longer one, a shorter one repeated."


def _use(manifest: BundleManifest) -> str:
    return (
        "```python\n"
        "import asclf\n\n"
        'model = asclf.load("this/folder")\n'
        'print(model.predict("clip.wav").top(3))\n'
        "```\n\n"
        f"`model.onnx` takes `{manifest.input.name}` {_shape(manifest.input.shape)} and gives "
        f"`{manifest.output.name}` {_shape(manifest.output.shape)}, both float32. `golden.npz` "
        "holds a few waveforms with their feats and logits: a runtime of your own should give "
        "the same."
    )


def _scores(manifest: BundleManifest) -> str:
    training = manifest.training
    left_out = "no fold" if training.test_fold is None else f"fold {training.test_fold}"
    trained = f"Trained for {training.epochs} epochs; {left_out} was left out of training."
    return f"{trained} {training.score or 'No score has been recorded for these weights.'}"


def _parity(manifest: BundleManifest) -> str:
    parity = manifest.parity
    rows = [
        ("network, same feats", parity.network_max_error, parity.network_tolerance),
        ("from the waveform on", parity.whole_max_error, parity.whole_tolerance),
    ]
    lines = [f"| {path} | {error:.2g} | {tolerance} |" for path, error, tolerance in rows]
    durations = ", ".join(f"{duration:g}" for duration in parity.durations_s)
    return (
        f"Largest difference of a logit from training's, on clips of {durations} s:\n\n"
        "| path | difference | allowed |\n| --- | --- | --- |\n" + "\n".join(lines)
    )


def _table(rows: Iterable[tuple[str, Any]]) -> str:
    lines = [f"| `{key}` | {value} |" for key, value in rows]
    return "\n".join(["| option | value |", "| --- | --- |", *lines])


def _shape(shape: tuple[str | int, ...]) -> str:
    return f"({', '.join(map(str, shape))})"
