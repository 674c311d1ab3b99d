"""`asclf.load`: any trained model, ready to predict."""

from __future__ import annotations

from pathlib import Path

from asclf.bundle.folder import MANIFEST
from asclf.bundle.prediction import Classifier
from asclf.errors import AsclfError, CheckpointError, MissingExtraError


def load(path: str | Path) -> Classifier:
    """Loads a bundle (without torch) or a checkpoint (with it).

    Args:
        path: A bundle's folder, a `.safetensors` checkpoint, or a run folder with final weights.

    Raises:
        BundleError: The bundle is broken.
        CheckpointError: There is nothing to load, or the checkpoint is broken.
        MissingExtraError: A checkpoint, and torch is not installed.
    """
    path = Path(path)
    if path.name == MANIFEST:
        path = path.parent
    if (path / MANIFEST).is_file():
        from asclf.edge.runtime import BundleClassifier

        return BundleClassifier(path)
    if not _may_hold_checkpoint(path):
        raise _nothing_to_load(path)
    try:
        from asclf.score.classifier import CheckpointClassifier
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("asclf"):
            raise
        raise MissingExtraError(error.name, "train") from error
    return CheckpointClassifier(path)


def _may_hold_checkpoint(path: Path) -> bool:
    if path.is_file():
        return path.suffix == ".safetensors"
    return any(path.glob("*.safetensors"))


def _nothing_to_load(path: Path) -> AsclfError:
    models = [file.parent for file in path.glob(f"*/{MANIFEST}")]
    models += sorted({file.parent for file in path.glob("*/*.safetensors")})
    found = (
        "a file" if path.is_file() else "a folder without a model" if path.is_dir() else "nothing"
    )
    return CheckpointError(
        f"there is {found} here",
        where=path,
        expected=f"a bundle (a folder with {MANIFEST}), a .safetensors file, or a run folder",
        hint=f"found: {', '.join(map(str, models))}" if models else "",
    )
