from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import get_args

import pytest

from asclf.config.experiment import bind_experiment
from asclf.config.yaml import parse_yaml
from asclf.score.protocol import HONEST, ProtocolName, protocol_of, warning_of, weights_rule
from asclf.score.report import Report
from asclf.score.report_page import to_markdown

DEALT, AS_THEY_ARE = SimpleNamespace(dealing="random"), SimpleNamespace(dealing=None)


def config(text: str = ""):  # type: ignore[no-untyped-def]
    return bind_experiment(parse_yaml(f"backbone: {{type: tdnn}}\n{text}", "x.yaml"))


def test_every_protocol_but_the_honest_ones_has_a_warning() -> None:
    assert {name for name in get_args(ProtocolName) if not warning_of(name)} == set(HONEST)
    assert warning_of("test_selected") == "too high: chosen on the test fold"
    assert warning_of("leaky_random") == "too high: split leaks sources"


def test_folds_that_were_dealt_at_random_leak_whatever_was_chosen_on() -> None:
    nested = config("data: {protocol: nested}")
    assert protocol_of(config(), AS_THEY_ARE) == "official"  # type: ignore[arg-type]
    assert protocol_of(nested, AS_THEY_ARE) == "nested"  # type: ignore[arg-type]
    assert protocol_of(config(), DEALT) == "leaky_random"  # type: ignore[arg-type]
    assert protocol_of(nested, DEALT) == "leaky_random, nested"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "epochs", "rule"),
    [
        ("", 5, "last epochs averaged: 5"),
        ("", 1, "last epoch"),
        (
            "{data: {protocol: nested}, train: {average_best: 3, patience: 9}}",
            3,
            "best epochs averaged: 3, chosen on validation clips, stopped early on validation "
            "clips",
        ),
        (
            "{data: {protocol: test_selected}, train: {average_best: 1}}",
            1,
            "best epoch, chosen on the test fold",
        ),
    ],
)
def test_rule_of_the_weights_says_what_was_looked_at(text: str, epochs: int, rule: str) -> None:
    keys = text.strip("{}").replace("}, train", "}\ntrain") + "}" * text.endswith("}}")
    assert weights_rule(config(keys), {"averaged": ["x"] * epochs}) == rule


@pytest.mark.parametrize("protocol", ["test_selected", "leaky_random"])
def test_the_warning_stands_wherever_the_figure_does(
    make_report: Callable[..., Report], protocol: ProtocolName
) -> None:
    report = replace(make_report(), protocol=protocol)
    assert report.line.endswith(f"; {report.warning})")
    assert f"**Warning: {report.warning}.**" in to_markdown(report)
