from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from asclf.bundle.unknown import certainty
from asclf.edge.calibrate import (
    Aim,
    Certainties,
    Sound,
    auroc,
    auroc_interval,
    calibrate,
    measure_certainties,
    report,
    threshold_keeping,
)
from asclf.errors import DataError

RNG = np.random.default_rng(0)
KNOWN, UNKNOWN = RNG.normal(1.5, 1.0, 400).round(1), RNG.normal(0.0, 1.0, 300).round(1)  # with ties
few = st.lists(st.integers(-3, 3), min_size=2, max_size=12).map(lambda x: np.array(x, float))


@given(few, few)
def test_auroc_is_the_share_of_pairs_in_order(known: np.ndarray, unknown: np.ndarray) -> None:
    pairs = [np.sign(a - b) / 2 + 0.5 for a in known for b in unknown]
    assert auroc(known, unknown) == pytest.approx(np.mean(pairs))
    low, high = auroc_interval(known, unknown)
    assert 0 <= low <= auroc(known, unknown) + 1e-12
    assert auroc(known, unknown) <= high + 1e-12


def test_auroc_and_fpr_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    truth = np.repeat([1, 0], [len(KNOWN), len(UNKNOWN)])
    values = np.concatenate([KNOWN, UNKNOWN])
    assert auroc(KNOWN, UNKNOWN) == pytest.approx(metrics.roc_auc_score(truth, values))
    fpr, tpr, _ = metrics.roc_curve(truth, values, drop_intermediate=False)
    assert report(KNOWN, UNKNOWN, 0.0).fpr_at_95 == pytest.approx(fpr[tpr >= 0.95][0])


def test_interval_holds_the_true_area_about_as_often_as_it_says() -> None:
    truth = 0.8556  # Φ(1.5 / √2), two normal distributions 1.5 apart
    rng = np.random.default_rng(1)
    intervals = [auroc_interval(rng.normal(1.5, 1, 60), rng.normal(0, 1, 80)) for _ in range(300)]
    held = np.mean([low <= truth <= high for low, high in intervals])
    assert 0.90 <= held <= 0.99


@given(few, st.floats(0.01, 0.99))
def test_threshold_is_the_largest_that_keeps_enough(known: np.ndarray, share: float) -> None:
    threshold = threshold_keeping(known, share)
    assert np.mean(known >= threshold) >= share - 1e-9
    higher = known[known > threshold]
    assert not len(higher) or np.mean(known >= higher.min()) < share


@given(few, few, st.floats(0.01, 0.99))
def test_target_is_not_passed_by_more_clips(
    known: np.ndarray, unknown: np.ndarray, target: float
) -> None:
    threshold = Aim(target_fpr=target).threshold(known, unknown)
    assert np.mean(unknown >= threshold) <= target


def test_the_report_is_of_the_other_half() -> None:
    low, high = np.arange(10.0), np.arange(100.0, 120.0)
    rule = calibrate(Certainties(high, low), Certainties(low, high), method="energy")
    assert rule.threshold == 101.0
    assert (rule.known, rule.unknown) == (20, 10)
    assert (rule.report.known, rule.report.known_kept) == (10, 0)
    assert (rule.report.unknown, rule.report.unknown_kept) == (20, 19)
    assert (rule.report.auroc, rule.report.fpr_at_95) == (0.0, 1.0)
    assert rule.chosen_by == "keep 95 % of known clips"


@dataclass
class Echo:
    """Gives the first samples of a clip as its logits."""

    labels = ("a", "b")
    sample_rate = 8_000
    activation = "softmax"
    unknown = None

    def batch_logits(self, waveforms: np.ndarray) -> np.ndarray:
        return waveforms[:, :2]


@pytest.fixture
def sounds(tmp_path: Path) -> list[Sound]:
    """Thirty files of which no two are equal, and a copy of each."""
    made = []
    for i in range(30):
        for name in (f"{i}.wav", f"{i} again.wav"):
            soundfile.write(tmp_path / name, np.full(10, i / 100), 8_000, subtype="FLOAT")
            made.append(Sound(tmp_path / name))
    return made


def test_halves_are_decided_by_source_or_by_content(sounds: list[Sound]) -> None:
    halves = [sound.half for sound in sounds]
    assert halves[::2] == halves[1::2]
    assert 8 <= sum(halves[::2]) <= 22
    of_one_source = {Sound(sound.path, source_id="s").half for sound in sounds}
    assert len(of_one_source) == 1


def test_each_clip_counts_once_and_broken_ones_are_named(
    sounds: list[Sound], caplog: pytest.LogCaptureFixture
) -> None:
    broken = Sound(sounds[0].path.with_name("broken.wav"))
    broken.path.write_text("not audio")
    counted: list[int] = []
    found = measure_certainties(Echo(), [*sounds, broken], "energy", on_clip=counted.append)
    values = np.concatenate([found.chosen_on, found.reported_on])
    expected = [np.log(2) + i / 100 for i in range(30) for _ in range(2)]
    np.testing.assert_allclose(np.sort(values), expected, atol=1e-6)
    assert len(counted) == 61
    assert "broken.wav" in caplog.text


def test_too_few_clips_are_refused(sounds: list[Sound]) -> None:
    with pytest.raises(DataError, match="expected at least 5 in each half"):
        measure_certainties(Echo(), sounds[:6], "energy")


def test_certainty_is_what_the_papers_say() -> None:
    logits = np.log(np.array([[1.0, 2.0, 5.0], [1.0, 1.0, 1.0]]))
    energy = certainty(logits, "softmax", "energy")
    np.testing.assert_allclose(energy, np.log([8.0, 3.0]))
    np.testing.assert_allclose(certainty(logits, "softmax", "probability"), [0.625, 1 / 3])
    joint = [np.log(2) + np.log(3) + np.log(6), 3 * np.log(2)]
    np.testing.assert_allclose(certainty(logits, "sigmoid", "energy"), joint)
    np.testing.assert_allclose(certainty(logits, "sigmoid", "probability"), [5 / 6, 0.5])
