"""Draws every figure that an experiment can have, and a page of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from asclf.analysis.cam_figure import draw_cam
from asclf.analysis.confusion import draw_confusion_of
from asclf.analysis.curves import draw_lambda, draw_masks
from asclf.analysis.durations import draw_durations
from asclf.analysis.features import draw_features, draw_strategies
from asclf.analysis.figure import Drawn
from asclf.analysis.gains import draw_relevance
from asclf.analysis.pareto import draw_pareto
from asclf.analysis.study import Study
from asclf.errors import AsclfError, DataError, MissingExtraError
from asclf.files import write_whole
from asclf.score.figures import new_figure
from asclf.score.markdown import section

FIGURES: Mapping[str, Callable[[Study], Drawn]] = {
    "lambda": draw_lambda,
    "masks": draw_masks,
    "cam": draw_cam,
    "relevance": draw_relevance,
    "durations": draw_durations,
    "features": draw_features,
    "strategies": draw_strategies,
    "confusion": draw_confusion_of,
    "pareto": draw_pareto,
}
PAGE = "index.md"


@dataclass(frozen=True)
class Analysis:
    """What became of the figures.

    Attributes:
        drawn: Those that were drawn, in order.
        left_out: Those that the experiment cannot have, each with the reason.
    """

    drawn: tuple[Drawn, ...]
    left_out: Mapping[str, str]


def analyze(study: Study) -> Analysis:
    """Draws what can be drawn into `study.out`, with `index.md`.

    Raises:
        CheckpointError: The fold that was asked for is not finished.
        DataError: There is no such experiment, or no such clip as was asked for.
        MissingExtraError: matplotlib is not installed (extra `plots`).
    """
    _check(study)
    drawn, left_out = [], {}
    for name, draw in FIGURES.items():
        outcome = _attempt(draw, study)
        if isinstance(outcome, Drawn):
            drawn.append(outcome)
        else:
            left_out[name] = outcome
    found = Analysis(tuple(drawn), left_out)
    write_whole(study.out / PAGE, page(found, study))
    return found


def page(found: Analysis, study: Study) -> str:
    """The text of `index.md`."""
    return "\n".join([f"# Figures of {study.exp.resolve().name}\n", *_sections(found)])


def _attempt(draw: Callable[[Study], Drawn], study: Study) -> Drawn | str:
    """A figure, or the reason why there is none."""
    try:
        return draw(study)
    except MissingExtraError:
        raise
    except AsclfError as error:
        return str(error)


def _check(study: Study) -> None:
    """What was asked for by name must be there, and what draws as well, before any work is done."""
    new_figure(1.0, 1.0)
    if not study.exp.is_dir():
        raise DataError("there is no such experiment", where=study.exp, expected="its folder")
    if study.fold is not None:
        study.run  # noqa: B018
    if study.clip is not None:
        study.subject  # noqa: B018


def _sections(found: Analysis) -> Iterator[str]:
    for drawn in found.drawn:
        tables = ", ".join(f"[{name}]({name})" for name in drawn.tables)
        text = f"![{drawn.title}]({drawn.name}.png)\n\n{drawn.text}\n\nNumbers: {tables}."
        yield section(drawn.title, text)
    if found.left_out:
        lines = (f"- `{name}`: {reason}" for name, reason in found.left_out.items())
        yield section("Left out", "\n".join(lines))
