"""What the documents show exists, and what they tell to type can be typed."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from asclf import __version__
from asclf.cli.main import VERBS
from asclf.config.experiment import KEYS, bind_experiment
from asclf.config.merge import load_layers
from asclf.registry import REGISTRIES
from asclf.sweep.spec import load_sweep

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
]
PLUGINS = {"frame_net"}  # of docs/add_a_backbone.md


def blocks(language: str) -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for text in re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            yield page, text


def test_pages_are_found() -> None:
    names = {page.relative_to(ROOT).as_posix() for page in PAGES}
    assert names >= {"README.md", "docs/architecture.md", "egs/esc50/README.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_into_the_tree_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        if target not in ("RESULTS.md", "EXPERIMENTS.md"):  # written with the first score
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_experiments_in_the_documents_load(tmp_path: Path) -> None:
    shown = [text for _, text in blocks("yaml")]
    assert len(shown) >= 3
    for text in shown:
        if "\nrows:" in text:
            continue
        file = tmp_path / "shown.yaml"
        file.write_text(re.sub(r"\.\./\.\./conf", f"{ROOT}/conf", text), encoding="utf-8")
        root = load_layers(file)
        if root.at(["backbone", "type"]).plain() not in PLUGINS:
            bind_experiment(root)


def test_sweeps_in_the_documents_load(tmp_path: Path) -> None:
    shown = [text for _, text in blocks("yaml") if "\nrows:" in text]
    assert shown
    for text in shown:
        file = tmp_path / "shown.yaml"
        file.write_text(text.replace("config: ..", f"config: {ROOT}/egs/esc50/conf"), "utf-8")
        assert len(load_sweep(file).rows) >= 3


def test_python_in_the_documents_is_python() -> None:
    shown = list(blocks("python"))
    assert len(shown) >= 3
    for _, text in shown:
        ast.parse(text)


def test_every_verb_in_the_documents_exists_and_none_is_left_out() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert set(re.findall(r"`asclf ([a-z-]+)", readme)) == set(VERBS)
    for page in PAGES:
        typed = re.findall(r"^asclf ([a-z-]+)", page.read_text("utf-8"), re.MULTILINE)
        assert set(typed) <= set(VERBS), page


def test_every_key_of_an_experiment_is_documented() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    assert [key for key in KEYS if f"`{key}`" not in text] == []


def test_every_layer_is_in_the_picture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    modules = {path.stem for path in (ROOT / "asclf").iterdir() if path.suffix == ".py"}
    packages = {path.parent.name for path in (ROOT / "asclf").glob("*/__init__.py")}
    rooms = (modules | packages) - {"__init__"}
    assert [room for room in sorted(rooms) if f"`{room}`" not in text] == []


def test_changelog_names_every_component_of_the_four_parts() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    for kind in ("frontends", "augmenters", "backbones"):
        assert [name for name in REGISTRIES[kind].names() if f"`{name}`" not in text] == []


def test_citation_can_be_read_and_names_the_authors() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["title"] == "asclf"
    assert citation["authors"] == [{"name": "The asclf authors"}]
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
