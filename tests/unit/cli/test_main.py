from __future__ import annotations

import errno
import importlib
import os
import re
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from asclf.cli import doctor, main
from asclf.cli._parser import VerbParser
from asclf.errors import DataError, UsageError


def raising(error: BaseException) -> object:
    """Stands for the body of a verb."""

    def run(_: Namespace) -> int:
        raise error

    return run


def test_help_lists_every_verb_and_every_verb_has_a_module(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.main(["--help"]) == 0
    shown = capsys.readouterr().out
    modules = {path.stem for path in Path(main.__file__).parent.glob("[a-z]*.py")} - {"main"}
    assert modules == {verb.replace("-", "_") for verb in main.VERBS}
    assert all(f"\n  {verb} " in shown for verb in main.VERBS)


@pytest.mark.parametrize("verb", main.VERBS)
def test_help_of_a_verb_shows_examples_that_its_parser_takes(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main.main([verb, "--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    commands = re.findall(rf"^  asclf {verb}\b(.*)$", shown, re.MULTILINE)
    assert commands
    module = importlib.import_module(f"asclf.cli.{verb.replace('-', '_')}")
    for command in commands:
        parser = VerbParser(verb, "")
        module.add_arguments(parser)
        words = re.split(r" [|>] ", command)[0]
        parser.read([word.strip('"') for word in re.findall(r'"[^"]*"|\S+', words)])


def test_help_is_quick_and_loads_neither_torch_nor_numpy() -> None:
    code = (
        "import sys; from asclf.cli.main import main; main(['--help']); "
        "sys.exit(bool({'torch', 'numpy', 'rich', 'pydantic'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_without_a_verb_the_help_is_shown_as_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([]) == 2
    assert "verbs:" in capsys.readouterr().out


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    from asclf import __version__

    assert main.main(["--version"]) == 0
    assert capsys.readouterr().out == f"asclf {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["trian"], "asclf: unknown verb 'trian'; did you mean 'train'?"),
        (["xyzzy"], "asclf: unknown verb 'xyzzy'; see asclf --help"),
        (["--versoin"], "asclf: unknown option '--versoin'; did you mean '--version'?"),
        (
            ["predict", "x.wav", "--modle", "m"],
            "asclf predict: unknown option '--modle'; did you mean '--model'?",
        ),
        (
            ["bench", "--thread=2", "b"],
            "asclf bench: unknown option '--thread'; did you mean '--threads'?",
        ),
        (
            ["export", "--onnx"],
            "asclf export: the following arguments are required: EXP; see asclf export --help",
        ),
        (
            ["bench", "b", "--threads", "0"],
            "asclf bench: argument --threads: '0' is no whole number above 0; "
            "see asclf bench --help",
        ),
        (
            ["score", "exp/x", "--folds", "one"],
            "asclf score: argument --folds: 'one' is no list of folds; expected, say, '1 2'; "
            "see asclf score --help",
        ),
    ],
)
def test_wrong_command_line_is_one_line_and_status_2(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(arguments) == 2
    assert capsys.readouterr() == ("", f"{line}\n")


def test_error_of_the_user_is_one_line_without_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = DataError("it is empty", where="a.jsonl", expected="a clip", hint="run stage 1")
    monkeypatch.setattr(doctor, "run", raising(error))
    assert main.main(["doctor"]) == 2
    assert capsys.readouterr().err == "a.jsonl: it is empty; expected a clip; run stage 1\n"


def test_debug_shows_the_traceback_wherever_it_stands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "run", raising(DataError("it is empty")))
    for arguments in (["--debug", "doctor"], ["doctor", "--debug"]):
        assert main.main(arguments) == 2
        assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_error_of_the_system_names_the_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out.tar")
    monkeypatch.setattr(doctor, "run", raising(full))
    assert main.main(["doctor"]) == 2
    assert capsys.readouterr().err == "out.tar: No space left on device\n"


def test_interrupt_is_status_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "run", raising(KeyboardInterrupt()))
    assert main.main(["doctor"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_absent_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = ModuleNotFoundError("No module named 'onnx'", name="onnx.helper")
    monkeypatch.setattr(doctor, "run", raising(absent))
    assert main.main(["doctor"]) == 2
    assert "'onnx', which is not installed" in (err := capsys.readouterr().err)
    assert "pip install 'asclf[export]'" in err


@pytest.mark.parametrize(
    "fault", [ModuleNotFoundError("gone", name="asclf.gone"), ZeroDivisionError("bug")]
)
def test_fault_of_asclf_is_not_hidden(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "run", raising(fault))
    with pytest.raises(type(fault)):
        main.main(["doctor"])


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_reader_that_leaves_early_is_no_error(unbuffered: str) -> None:
    program = f"{sys.executable} -m asclf.cli.main"
    command = f"(sleep 0.2; {program} --help) | true; exit ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(
        ["bash", "-c", command], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_options_and_words_stand_in_any_order() -> None:
    module = importlib.import_module("asclf.cli.config")
    parser = VerbParser("config", "")
    module.add_arguments(parser)
    parser.add_argument("--flag", action="store_true")
    parser.add_argument("--value")
    orders = [
        ["show", "x.yaml", "a=1", "b.c=-2", "--flag", "--value", "v"],
        ["--value", "v", "show", "--flag", "x.yaml", "a=1", "b.c=-2"],
        ["show", "--flag", "x.yaml", "a=1", "--value=v", "b.c=-2"],
    ]
    for words in orders:
        options = parser.read(words)
        assert (options.file, options.overrides) == (Path("x.yaml"), ["a=1", "b.c=-2"])
        assert (options.flag, options.value) == (True, "v")


def test_options_are_not_abbreviated() -> None:
    parser = VerbParser("bench", "")
    parser.add_argument("--threads")
    with pytest.raises(UsageError, match=r"'--thr'"):
        parser.read(["--thr", "2"])
