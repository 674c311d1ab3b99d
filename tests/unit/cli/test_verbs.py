"""The verbs that hand over to the library: what they pass on, print and write."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from asclf.bundle import BundleManifest, read_bundle
from asclf.checkpoint import FINAL
from asclf.cli._extras import core, extra_of, extras
from asclf.cli.doctor import PURPOSES
from asclf.cli.export import choose_run
from asclf.cli.main import main
from asclf.data.manifest import Clip, read_manifest, write_manifest
from asclf.edge.bench import BenchResult
from asclf.errors import CheckpointError
from asclf.registry import BACKBONES, REGISTRIES
from asclf.score.ledger import read_results
from asclf.score.report import Report

Capture = pytest.CaptureFixture[str]

TRAINABLE = """
frontend: {type: fbank, num_mel_bins: 20}
backbone:
  {type: ecapa_tdnn, channels: 8, aggregated_channels: 8, bottleneck_channels: 4, embed_dim: 4}
data: {batch_size: 3, num_workers: 0, crop_s: 0.2}
train: {epochs: 1, average_last: 1}
"""


def test_shard_says_what_it_wrote_and_left_out(
    tiny_shards: Path, tmp_path: Path, capsys: Capture
) -> None:
    manifest = tiny_shards.parent / "manifest.jsonl"
    out = tmp_path / "shards"
    assert main(["shard", "--clips-per-shard", "4", str(manifest), str(out)]) == 0
    line = capsys.readouterr().out
    assert line.startswith(f"{out}: 18 clips (")
    assert line.endswith("3 labels, folds 1, 2) in 6 shards; 1 left out\n")


def test_shard_without_another_dataset_says_how_much_that_left_out(
    tiny_shards: Path, tmp_path: Path, capsys: Capture
) -> None:
    clips = [
        replace(clip, source_id=f"recording {clip.fold}")
        for clip in read_manifest(tiny_shards.parent / "manifest.jsonl")
    ]
    manifest, target, out = (tmp_path / name for name in ("m.jsonl", "target.jsonl", "pretrain"))
    write_manifest(manifest, clips)
    write_manifest(target, [clip for clip in clips if clip.fold == 2])
    assert main(["shard", str(manifest), str(out), "--without", str(target)]) == 0
    told, line = capsys.readouterr().out.splitlines()
    rest = tmp_path / "pretrain.jsonl"
    left_out = f"10 clips of 1 recordings that {target} has as well are left out"
    assert told == f"{rest}: {left_out}"
    assert line.endswith("3 labels, folds 1) in 1 shards; 0 left out")


def test_shard_of_an_absent_manifest_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    assert main(["shard", str(tmp_path / "m.jsonl"), str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{tmp_path / 'm.jsonl'}: the manifest cannot be read")


def test_train_resume_and_score(tiny_shards: Path, tmp_path: Path, capsys: Capture) -> None:
    config, exp = tmp_path / "tiny.yaml", tmp_path / "exp" / "tiny"
    config.write_text(TRAINABLE, encoding="utf-8")
    train = ["train", f"data.shards={tiny_shards}", "--config", str(config), "--exp", str(exp)]
    assert main([*train, "--folds", "1 2", "seed=3"]) == 0
    assert capsys.readouterr().out == f"trained: {exp}/fold1\ntrained: {exp}/fold2\n"
    assert main(["train", "seed=3", *train[1:], "--folds=1,2", "--resume"]) == 0
    assert main(["score", str(exp), "--official-folds", "3"]) == 0
    assert "folds 1, 2 of 1–3" in capsys.readouterr().out


def test_bench_prints_a_table_and_writes_json(
    tiny_bundle: Path, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "sub" / "bench.json"
    assert main(["bench", "--threads=1", str(tiny_bundle), "--runs", "2", "--json", str(path)]) == 0
    assert BenchResult.from_json(path.read_text(encoding="utf-8")).runs == 2
    shown = capsys.readouterr().out
    assert re.search(r"^whole +\d+\.\d\d +\d+\.\d\d", shown, re.MULTILINE)
    assert "tiny: " in shown


def test_export_hands_over_the_run_and_the_folder(
    tiny_experiment: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    calls: list[tuple[Path, Path, dict[str, str]]] = []

    def export_bundle(run: Path, out: Path, **options: str) -> BundleManifest:
        calls.append((run, out, options))
        return read_bundle(tiny_bundle)

    monkeypatch.setattr("asclf.export.onnx.export_bundle", export_bundle)
    exp = tiny_experiment
    arguments = ["--fold", "2", "--name", "bells", "--data-licence", "CC BY 4.0"]
    assert main(["export", *arguments, str(exp), "--onnx"]) == 0
    assert main(["export", str(exp / "fold1" / FINAL), "--onnx"]) == 0
    assert main(["export", str(exp), "--onnx", "--out", str(exp / "elsewhere")]) == 0
    assert calls == [
        (exp / "fold2", exp / "bundle", {"name": "bells", "data_licence": "CC BY 4.0"}),
        (exp / "fold1" / FINAL, exp / "fold1" / "bundle", {"name": None, "data_licence": None}),
        (exp / "fold1", exp / "elsewhere", {"name": None, "data_licence": None}),
    ]
    assert f"{exp}/bundle: {exp}/fold2 in " in capsys.readouterr().out


def test_score_writes_every_part_and_prints_the_line(
    tiny_experiment: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "recipe"
    recipe.mkdir()
    monkeypatch.setenv("ASCLF_COMMAND", f"bash egs/x/run.sh --data-dir {tmp_path}/d")
    monkeypatch.setenv("ASCLF_DATA", str(tmp_path))
    assert main(["score", str(tiny_experiment), "--results", str(recipe)]) == 0
    written = {path.name for path in tiny_experiment.iterdir() if path.is_file()}
    pictures = {"confusion.png", "reliability.png"}
    assert written == {"report.json", "report.md", "scores.npz", *pictures}
    report = Report.read(tiny_experiment / "report.json")
    assert report.command == 'bash egs/x/run.sh --data-dir "$ASCLF_DATA"/d'
    assert f"tiny: {report.line}" in capsys.readouterr().out
    assert [result.weights_sha256 for result in read_results(recipe)] == [report.weights_sha256]


def test_score_without_matplotlib_leaves_the_picture_out(
    tiny_experiment: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.delenv("ASCLF_COMMAND", raising=False)
    assert main(["score", str(tiny_experiment), "--folds", "2"]) == 0
    assert not (tiny_experiment / "confusion.png").exists()
    assert "asclf[plots]" in caplog.text
    report = Report.read(tiny_experiment / "report.json")
    assert report.command.startswith("asclf score ")
    assert report.command.endswith(" --folds 2")


def test_export_names_its_format(tiny_experiment: Path, capsys: Capture) -> None:
    assert main(["export", str(tiny_experiment)]) == 2
    assert capsys.readouterr().err == "asclf export: no format is named; expected --onnx\n"


def test_export_takes_the_run_on_all_clips_before_the_first_fold(tiny_experiment: Path) -> None:
    assert choose_run(tiny_experiment, None) == tiny_experiment / "fold1"
    assert choose_run(tiny_experiment, 2) == tiny_experiment / "fold2"
    assert choose_run(tiny_experiment / "fold2", None) == tiny_experiment / "fold2"
    weights = tiny_experiment / "fold2" / FINAL
    assert choose_run(weights, None) == weights
    (tiny_experiment / "all").mkdir()
    (tiny_experiment / "all" / FINAL).touch()
    assert choose_run(tiny_experiment, None) == tiny_experiment / "all"
    with pytest.raises(CheckpointError, match="no finished run of this fold"):
        choose_run(tiny_experiment, 3)


def test_list_names_every_component_of_every_kind(capsys: Capture) -> None:
    assert main(["list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {kind: [row["name"] for row in rows] for kind, rows in found.items()} == {
        kind: list(registry.names()) for kind, registry in REGISTRIES.items()
    }
    assert not [row for rows in found.values() for row in rows if "error" in row]
    for row in found["backbones"]:
        assert row["parameters"] > 0
        assert row["macs"] > 0
        assert row["paper"]


def test_list_of_one_kind_is_a_table(capsys: Capture) -> None:
    assert main(["list", "heads"]) == 0
    shown = capsys.readouterr().out
    assert "linear" in shown
    assert "backbones" not in shown


def test_broken_plugin_is_a_row_and_not_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    names = BACKBONES.names()
    monkeypatch.setattr(type(BACKBONES), "names", lambda _: ("absent_plugin", *names))
    assert main(["list", "backbones", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["backbones"]}
    assert "unknown backbone 'absent_plugin'" in rows["absent_plugin"]["error"]
    assert rows["ecapa_tdnn"]["parameters"] > 0


def test_unknown_kind_names_the_nearest(capsys: Capture) -> None:
    assert main(["list", "backbone"]) == 2
    assert "unknown kind 'backbone'; did you mean 'backbones'?" in capsys.readouterr().err
    assert main(["list", "xyz"]) == 2
    assert "unknown kind 'xyz'; one of frontends, augmenters" in capsys.readouterr().err


def test_config_show_gives_every_value_with_its_origin(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("seed: 3\nbackbone: {type: ecapa_tdnn}\n", encoding="utf-8")
    assert main(["config", "show", str(path), "train.epochs=5"]) == 0
    rows = [re.split(r" {2,}", line) for line in capsys.readouterr().out.splitlines()]
    shown = {key: (value, origin) for key, value, origin in rows}
    assert shown["seed"] == ("3", f"{path}:1:7")
    assert shown["train.epochs"] == ("5", "override 'train.epochs=5'")
    assert shown["train.average_last"][1] == "default"


def test_config_errors_come_all_at_once_with_their_places(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("sed: 3\nbackbone: {type: ecapa_tdn}\n", encoding="utf-8")
    assert main(["config", "show", str(path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"{path}:") for line in lines)
    assert any("did you mean 'seed'" in line for line in lines)


def test_doctor_shows_what_there_is(capsys: Capture) -> None:
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    rows = dict(line.split(maxsplit=1) for line in shown.splitlines())
    assert {"asclf", "machine", "accelerator", "decoders", "core", *extras()} == set(rows)
    assert "absent" not in rows["core"]


def test_doctor_says_what_an_absent_or_broken_extra_would_add(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["doctor"]) == 0
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert "(broken: " in rows["export"]
    assert rows["export"].endswith("would add: export to ONNX (pip install 'asclf[export]')")
    assert rows["accelerator"] == "unknown: torch is not usable here"


def test_extras_are_those_of_the_package_and_each_has_a_purpose() -> None:
    assert set(PURPOSES) == set(extras())
    assert (extra_of("torch"), extra_of("matplotlib"), extra_of("numpy")) == (
        "train",
        "plots",
        None,
    )
    assert "numpy" in core()
    assert "torch" not in core()


def test_manifest_with_an_odd_label_reaches_the_report_of_shard(
    tiny_shards: Path, tmp_path: Path, capsys: Capture
) -> None:
    clips = read_manifest(tiny_shards.parent / "manifest.jsonl")[:3]
    clips += [Clip("x", tmp_path / "absent.wav", ("no",), fold=1)]
    write_manifest(tmp_path / "m.jsonl", clips)
    assert main(["shard", str(tmp_path / "m.jsonl"), str(tmp_path / "out")]) == 0
    assert "4 labels, folds 1) in 1 shards; 1 left out" in capsys.readouterr().out
