"""One experiment as a typed configuration: what `asclf train --config FILE key=value …` reads."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from asclf.config.bind import Binder
from asclf.config.component import Component, component_config
from asclf.config.merge import load_layers
from asclf.config.yaml import Mark, Node, dump_yaml
from asclf.errors import AsclfError, ConfigError
from asclf.registry import (
    AUGMENTERS,
    BACKBONES,
    FRONTENDS,
    HEADS,
    LOSSES,
    OBJECTIVES,
    OPTIMIZERS,
    SCHEDULERS,
)

SplitProtocol = Literal["official", "nested", "test_selected"]


@component_config
class DataConfig:
    """Where the clips are, which of them are trained on, and how they become batches."""

    shards: str | None = None
    """Folder that `asclf shard` wrote, or its http or https address."""
    shard_cache: str | None = None
    """Folder that keeps the shards fetched from an address, for all runs; `null` takes
    `asclf/shards` in the user's cache."""
    test_fold: NonNegativeInt | None = None
    """The fold that is left out of training and scored; `null` trains on every clip."""
    protocol: SplitProtocol = "official"
    """What is left out beside it. `official`: nothing. `nested`: the next fold there is, which is
    validated on. `test_selected`: nothing, and the scored clips themselves are validated on, for
    comparison with figures that were made so. A split `validation` is always what it says."""
    crop_s: PositiveFloat | None = None
    """Length of a training crop in seconds; `null` takes whole clips."""
    crop_at: Literal["anywhere", "sound"] = "anywhere"
    """Where a crop may lie. `sound`: where there is at least a tenth of the energy of the loudest
    place, so that a short sound in a long clip is not missed."""
    batch_size: PositiveInt = 16
    """Clips in a training batch, over all processes together: n processes take 1/n of it each, so
    that training on more of them is the same recipe."""
    balance: bool = False
    """Draw the clips of an epoch so that every class occurs equally often; of a clip's labels the
    rarest decides. An epoch stays as long as it was."""
    score_batch_size: PositiveInt = 8
    """Clips in a batch when scoring; only clips of equal length share one."""
    num_workers: NonNegativeInt = 1
    """Processes that decode and augment; the batches do not depend on it."""
    worker_timeout_s: PositiveFloat = 120.0
    """Longest wait for a data worker; one that makes nothing for so long ends the run."""
    shuffle_buffer: PositiveInt = 1000
    """Clips that are held, undecoded, to be drawn from at random."""
    cache: Literal["none", "memory"] = "none"
    """`memory` decodes a small training set once, into 2 bytes a sample for each process that
    trains; the batches are the same."""


@component_config
class TrainConfig:
    """How long to train, and what to keep."""

    engine: Literal["torch", "ddp", "deepspeed"] = "torch"
    """What runs the steps: one process; several that average their gradients; or several that
    divide optimizer, gradients and weights among them. Several are started by torchrun."""
    deepspeed: Literal[0, 1, 2, 3] | str = 1
    """For the engine deepspeed: the ZeRO stage, or a JSON file of DeepSpeed's options, seen from
    the current folder. 1 divides the optimizer's moments, 2 the gradients too, 3 also the
    weights."""
    epochs: PositiveInt = 60
    """Passes over the training folds; fewer only where `patience` ends them."""
    average_last: PositiveInt = 5
    """The final weights are the mean of those of this many last epochs."""
    average_best: PositiveInt | None = None
    """In place of that, of this many epochs that were best on the validation clips."""
    patience: PositiveInt | None = None
    """Stop after so many epochs in a row that were not the best on the validation clips."""
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Keep a moving average of the weights, which holds on to this part of itself in each step, and
    validate, save and score that. 0.999 is usual; a run of fewer than 1000 steps wants less."""
    freeze: Literal["none", "backbone"] = "none"
    """`backbone` trains the head alone, on embeddings that do not change (a probe)."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The learning rate of a block is this times that of the block after it, and the last block's
    this times the head's: below 1 the first blocks of pre-trained weights move least."""
    grad_clip: Annotated[float, Field(ge=0)] = 5.0
    """Largest norm of the gradient; 0 leaves it as it is."""
    micro_batch: PositiveInt | None = None
    """Clips that go through the network at once, gradients adding up to the whole batch (gradient
    accumulation), for less memory; batch norm sees these alone. `null` takes the batch whole."""
    precision: Literal["float32", "bf16", "fp16"] = "float32"
    """What the network computes in; its weights, the features and the loss stay float32. fp16
    scales the loss, so that small gradients survive."""
    stop_after_nonfinite: PositiveInt = 20
    """A step with a loss or a gradient that is not finite changes no weight, and its clips are
    named; after so many in a row the run stops."""
    compile: bool = False
    """Let torch.compile make kernels of the network, which takes minutes at the start; on a CPU it
    needs a C++ compiler, and gains small networks little. A resumed run is then the same up to
    rounding."""
    channels_last: bool = True
    """Keep images as NHWC: on a CPU convolutions then train 2 to 5 times faster."""
    num_threads: NonNegativeInt = 0
    """Threads for the network; 0 leaves the choice to torch."""
    tensorboard: bool = True
    """Write event files for TensorBoard, where that is installed (the extra `logs`)."""


@component_config
class InitConfig:
    """Weights to start from; what does not come from a file is drawn at random."""

    checkpoint: str | None = None
    """A checkpoint or a run folder of asclf; `asclf import-weights` makes one of other projects'
    files. `null` draws every weight."""
    strict: bool = True
    """Refuse a checkpoint in which anything is missing, unknown or of another shape, `drop` apart;
    otherwise such tensors are passed over and named in the log."""
    drop: tuple[str, ...] = ()
    """Tensors to leave out, by the beginning of their names: `head`, `head.output`, …"""


@dataclass(frozen=True)
class ExperimentConfig:
    """Everything that decides a run; the data and the output folder are given beside it."""

    seed: int
    sample_rate: int
    plugins: tuple[str, ...]
    data: DataConfig
    init: InitConfig
    frontend: Component
    augmenters: tuple[Component, ...]
    backbone: Component
    head: Component
    loss: Component
    objective: Component
    optimizer: Component
    scheduler: Component
    train: TrainConfig

    @property
    def multi_label(self) -> bool:
        """Whether a clip may have several labels or none: its scores are then σ(logits).

        The loss says so (`multi_label` of `asclf.protocols.Loss`). Otherwise the labels exclude one
        another, and scores are the softmax of the logits.
        """
        return bool(getattr(self.loss.entry.factory, "multi_label", False))

    def as_dict(self) -> dict[str, Any]:
        """The configuration as plain values, every option written out."""
        return {
            "seed": self.seed,
            "sample_rate": self.sample_rate,
            "plugins": list(self.plugins),
            "data": asdict(self.data),
            "init": asdict(self.init),
            "frontend": self.frontend.as_dict(),
            "augmenters": [augmenter.as_dict() for augmenter in self.augmenters],
            "backbone": self.backbone.as_dict(),
            "head": self.head.as_dict(),
            "loss": self.loss.as_dict(),
            "objective": self.objective.as_dict(),
            "optimizer": self.optimizer.as_dict(),
            "scheduler": self.scheduler.as_dict(),
            "train": asdict(self.train),
        }

    def canonical(self) -> ExperimentConfig:
        """The same experiment, with fixed values for what says where and how fast to compute it.

        Two configurations with equal canonical forms ask for the same weights, given the same files
        to start from: of those only the name is here, since a folder that was moved is the same.
        Which bytes they are is a fact of the run, `init_sha256`, and has to be compared as well.
        """
        places = replace(self.data, shards=None, shard_cache=None, cache="none")
        data = replace(places, num_workers=0, worker_timeout_s=1.0, score_batch_size=1)
        start = self.init.checkpoint
        init = replace(self.init, checkpoint=Path(start).name if start else None)
        train = replace(self.train, num_threads=0, tensorboard=True)
        return replace(self, data=data, init=init, train=train)

    def to_yaml(self) -> str:
        """The resolved configuration as YAML; reading it gives this configuration again."""
        return dump_yaml(self.as_dict())


@component_config
class _TopConfig:
    """The keys of the file that stand alone."""

    seed: NonNegativeInt = 0
    """Decides initial weights, the order of clips, and every random draw."""
    sample_rate: Annotated[int, Field(ge=1000, le=384_000)] = 16_000
    """Sample rate of the model in Hz; shards are written at it."""
    plugins: tuple[str, ...] = ()
    """Modules to import before names are looked up, for a component without an entry point."""


TOP_KEYS = ("seed", "sample_rate", "plugins")
COMPONENT_KEYS = (
    "frontend",
    "augmenters",
    "backbone",
    "head",
    "loss",
    "objective",
    "optimizer",
    "scheduler",
)
KEYS = (*TOP_KEYS, "data", "init", *COMPONENT_KEYS, "train")


def load_experiment(path: Path, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Reads an experiment file with its bases and the command line's `key.path=value`.

    Raises:
        ConfigError: The file cannot be read or used; every error has its `file:line:column`.
    """
    return bind_experiment(load_layers(path, overrides))


def bind_experiment(root: Node) -> ExperimentConfig:
    """Binds a tree of values; raises all errors at once."""
    _import_plugins(root.at(["plugins"]))
    binder = Binder(root)
    binder.keys(KEYS)
    top = binder.subset(TOP_KEYS, _TopConfig)
    config = ExperimentConfig(
        seed=top.seed,
        sample_rate=top.sample_rate,
        plugins=top.plugins,
        data=binder.section("data", DataConfig),
        init=binder.section("init", InitConfig),
        frontend=binder.component("frontend", FRONTENDS, "fbank"),
        augmenters=binder.components("augmenters", AUGMENTERS),
        backbone=binder.component("backbone", BACKBONES, None),
        head=binder.component("head", HEADS, "linear"),
        loss=binder.component("loss", LOSSES, "cross_entropy"),
        objective=binder.component("objective", OBJECTIVES, "supervised"),
        optimizer=binder.component("optimizer", OPTIMIZERS, "adamw"),
        scheduler=binder.component("scheduler", SCHEDULERS, "warmup_cosine"),
        train=binder.section("train", TrainConfig),
    )
    binder.finish()
    return config


def _import_plugins(node: Node) -> None:
    names = node.value if isinstance(node.value, list) else ()  # binding refuses what is no list
    for name in names:
        if isinstance(name.value, str):
            _import_plugin(name.value, name.mark)


def _import_plugin(name: str, where: Mark) -> None:
    try:
        importlib.import_module(name)
    except AsclfError:
        raise
    except Exception as error:  # whatever a plugin's import raises is its user's problem
        raise ConfigError(
            f"the plugin {name!r} cannot be imported: {type(error).__name__}: {error}",
            where=where,
            hint="is it installed, or on PYTHONPATH?",
        ) from error


def origins(config: ExperimentConfig, root: Node) -> list[tuple[str, Any, str]]:
    """Every value of a configuration as `(key.path, value, origin)`; origin may be `default`."""
    return list(_origins(config.as_dict(), root, ()))


def _origins(value: Any, node: Node | None, path: tuple[str, ...]) -> Any:
    below = node.value if node is not None else None
    if isinstance(value, dict):
        for key, item in value.items():
            child = below.get(key) if isinstance(below, dict) else None
            yield from _origins(item, child, (*path, key))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for i, item in enumerate(value):
            child = below[i] if isinstance(below, list) and i < len(below) else None
            yield from _origins(item, child, (*path, str(i)))
    else:
        yield ".".join(path), value, str(node.mark) if node is not None else "default"
