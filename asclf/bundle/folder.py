"""A bundle as a folder: `model.onnx`, `golden.npz`, `bundle.json` and `MODEL_CARD.md`.

The manifest lists size and SHA-256 of the model and the golden vectors. The model card is not among
them: it is text that the model's owner may extend.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from asclf.bundle.card import model_card
from asclf.bundle.golden import Golden, save_golden
from asclf.bundle.manifest import BundleManifest, FileInfo, parse_manifest
from asclf.bundle.unknown import UNKNOWN, UnknownRule
from asclf.errors import BundleError
from asclf.files import sha256_of, write_whole

MANIFEST = "bundle.json"
MODEL = "model.onnx"
GOLDEN = "golden.npz"
CARD = "MODEL_CARD.md"


def write_bundle(
    folder: Path, manifest: BundleManifest, goldens: Mapping[str, Golden]
) -> BundleManifest:
    """Completes a folder that holds `model.onnx` to a bundle; the manifest is written last.

    Returns:
        The manifest as written, with the facts of the files.
    """
    save_golden(folder / GOLDEN, goldens)
    manifest = replace(
        manifest, files={name: _file_info(folder / name) for name in (MODEL, GOLDEN)}
    )
    write_whole(folder / CARD, model_card(manifest))
    write_whole(folder / MANIFEST, manifest.to_json())
    return manifest


def read_bundle(folder: Path) -> BundleManifest:
    """Reads the manifest of a bundle; its files are not looked at.

    Raises:
        BundleError: No manifest, or one that cannot be used.
    """
    path = folder / MANIFEST
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BundleError(
            f"{MANIFEST} cannot be read: {reason}",
            where=folder,
            expected="a folder that `asclf export` wrote",
        ) from error
    return parse_manifest(text, path)


def store_unknown(folder: Path, rule: UnknownRule) -> BundleManifest:
    """Gives a bundle its threshold for `unknown`, in place of one that it may have.

    Raises:
        BundleError: It is no whole bundle, or one of its classes has the name of that answer.
    """
    manifest = replace(verify_bundle(folder), unknown=rule)
    if UNKNOWN in manifest.labels:
        raise BundleError(
            f"one of its classes is called {UNKNOWN!r}, as the answer would be",
            where=folder / MANIFEST,
            hint="give that class another name, and train and export again",
        )
    write_whole(folder / MANIFEST, manifest.to_json())
    return manifest


def verify_bundle(folder: Path) -> BundleManifest:
    """Reads the manifest and compares every file with it, to the byte.

    Raises:
        BundleError: A file is missing, or differs from what was exported.
    """
    manifest = read_bundle(folder)
    for name in (MODEL, GOLDEN):
        if name not in manifest.files:
            raise BundleError(f"`files` does not list {name}", where=folder / MANIFEST)
    for name, expected in manifest.files.items():
        _verify_file(folder, name, expected)
    return manifest


def _verify_file(folder: Path, name: str, expected: FileInfo) -> None:
    path = folder / name
    if Path(name).name != name or not path.is_file():
        raise BundleError(
            f"the bundle has no file {name}",
            where=folder,
            expected=f"a file of {expected.bytes} bytes beside {MANIFEST}",
            hint="copy the whole folder again",
        )
    found = _file_info(path)
    if found != expected:
        raise BundleError(
            f"it has changed since it was exported: {found.bytes} bytes, SHA-256 {found.sha256}",
            where=path,
            expected=f"{expected.bytes} bytes, SHA-256 {expected.sha256}",
            hint="copy it again, or export it again",
        )


def _file_info(path: Path) -> FileInfo:
    return FileInfo(bytes=path.stat().st_size, sha256=sha256_of(path))
