"""Starts a run from the weights of a checkpoint, and accounts for every tensor of either side."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from asclf.checkpoint import CheckpointMeta, find_checkpoint, load_tensors
from asclf.config.experiment import ExperimentConfig, InitConfig
from asclf.config.yaml import parse_yaml
from asclf.errors import CheckpointError, ConfigError
from asclf.files import sha256_of
from asclf.model import AudioClassifier

DROPPED = "named in init.drop"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class InitReport:
    """What became of the weights of a checkpoint.

    Attributes:
        checkpoint: The file, as the configuration names it.
        loaded: Tensors that the model took.
        not_loaded: Tensors of the model that stay as they were drawn, each with its reason.
        unused: Tensors of the checkpoint that the model has not, each with its reason.
    """

    checkpoint: str
    loaded: int
    not_loaded: Mapping[str, str]
    unused: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values."""
        return asdict(self)


def init_file(config: InitConfig) -> Path | None:
    """The file that a run starts from, if any.

    Raises:
        CheckpointError: It is not there.
    """
    if config.checkpoint is None:
        return None
    path = Path(config.checkpoint)
    if not path.exists():
        raise CheckpointError(
            "there is no checkpoint to start from",
            where=path,
            expected="what `init.checkpoint` names, seen from the current folder",
            hint="asclf import-weights makes one of other projects' weights",
        )
    return find_checkpoint(path)


def init_facts(config: InitConfig) -> dict[str, str]:
    """What a run remembers of the file that it starts from; nothing where there is none."""
    path = init_file(config)
    return {} if path is None else {"init_sha256": sha256_of(path)}


def initialise(model: AudioClassifier, config: ExperimentConfig) -> InitReport | None:
    """Lays a checkpoint's weights over freshly drawn ones; `None` where none is configured.

    Raises:
        CheckpointError: It cannot be read, nothing of it fits, or with `init.strict` not all.
        ConfigError: `init.drop` names nothing.
    """
    path = init_file(config.init)
    if path is None:
        return None
    tensors, meta = load_tensors(path)
    own = model.state_dict()
    _check_drop(config.init.drop, {*own, *tensors})
    not_loaded = _not_loaded(own, tensors, config.init.drop)
    unused = dict.fromkeys(sorted({*tensors} - {*own}), "not in the model")
    fitting = {name: tensors[name] for name in own if name not in not_loaded}
    report = InitReport(str(config.init.checkpoint), len(fitting), not_loaded, unused)
    _check_enough(report, config.init, path)
    model.load_state_dict(fitting, strict=False)
    _tell(report, len(own))
    _compare_features(meta, config, path)
    return report


def _not_loaded(
    own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], drop: Sequence[str]
) -> dict[str, str]:
    reasons = {}
    for name, value in own.items():
        if any(_is_below(name, prefix) for prefix in drop):
            reasons[name] = DROPPED
        elif name not in tensors:
            reasons[name] = "not in the checkpoint"
        elif tensors[name].shape != value.shape:
            there, here = tuple(tensors[name].shape), tuple(value.shape)
            reasons[name] = f"{there} in the checkpoint and {here} in the model"
    return reasons


def _is_below(name: str, prefix: str) -> bool:
    return f"{name}.".startswith(f"{prefix}.")


def _check_drop(drop: Sequence[str], names: Iterable[str]) -> None:
    known = sorted({name[:end] for name in names for end in _ends(name)})
    for prefix in drop:
        if prefix not in known:
            near = difflib.get_close_matches(prefix, known, n=1)
            raise ConfigError(
                f"`init.drop` names {prefix!r}, which no tensor's name begins with",
                hint=f"did you mean {near[0]!r}?" if near else "say, `head` or `head.output`",
            )


def _ends(name: str) -> list[int]:
    """Where a name may be cut: after each of its parts."""
    return [i for i, letter in enumerate(f"{name}.") if letter == "."]


def _check_enough(report: InitReport, config: InitConfig, path: Path) -> None:
    if not report.loaded:
        raise CheckpointError(
            "not one of its tensors fits the model", where=path, hint="is it of another backbone?"
        )
    wrong = {name: why for name, why in report.not_loaded.items() if why != DROPPED}
    wrong |= {
        name: why
        for name, why in report.unused.items()
        if not any(_is_below(name, prefix) for prefix in config.drop)
    }
    if config.strict and wrong:
        name, why = next(iter(wrong.items()))
        raise CheckpointError(
            f"{len(wrong)} tensors do not fit the model, the first {name!r}: {why}",
            where=path,
            hint="name them in init.drop, or set init.strict to false to pass over them",
        )


def _tell(report: InitReport, total: int) -> None:
    logger.info("starts from %s: %d of %d tensors loaded", report.checkpoint, report.loaded, total)
    for title, reasons in (("not loaded", report.not_loaded), ("unused", report.unused)):
        for why in dict.fromkeys(reasons.values()):
            names = ", ".join(name for name, reason in reasons.items() if reason == why)
            logger.info("%s, being %s: %s", title, why, names)


def _compare_features(meta: CheckpointMeta, config: ExperimentConfig, path: Path) -> None:
    """Warns where the weights were trained on other features than they will get."""
    theirs = parse_yaml(meta.config, f"{path} (its configuration)").plain()
    own = config.as_dict()
    for key in ("sample_rate", "frontend"):
        if theirs.get(key) != own[key]:
            logger.warning(
                "the weights of %s were trained with %s = %s, here it is %s",
                path,
                key,
                theirs.get(key),
                own[key],
            )
