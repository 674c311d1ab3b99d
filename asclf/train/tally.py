"""What adds up: over the steps of an epoch, and over the epochs of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from asclf.train.engine import StepResult
from asclf.train.validation import Validation


@dataclass
class EpochTally:
    """Sums over the steps of one epoch.

    Attributes:
        batches: Batches taken from the stream, whatever became of them.
        seconds: Time spent.
        steps: Steps done.
        clips: Clips trained on.
        hits: Clips that had their target on top.
        loss: Sum over clips.
        grad_norm: Sum over steps.
        skipped: Clips that could not be decoded, each with its reason.
        nonfinite: Steps that were left out, since a number in them was not finite.
    """

    batches: int = 0
    seconds: float = 0.0
    steps: int = 0
    clips: int = 0
    hits: int = 0
    loss: float = 0.0
    grad_norm: float = 0.0
    skipped: tuple[str, ...] = ()
    nonfinite: int = 0

    def add(self, result: StepResult) -> None:
        """Adds a step."""
        self.steps += 1
        self.clips += result.clips
        self.hits += result.hits
        self.loss += result.loss * result.clips
        self.grad_norm += result.grad_norm

    def means(self) -> dict[str, float]:
        """Loss and accuracy of a clip, norm of the gradient of a step."""
        return {
            "loss": self.loss / self.clips,
            "accuracy": self.hits / self.clips,
            "grad_norm": self.grad_norm / self.steps,
        }


@dataclass
class RunTally:
    """Sums over the whole epochs of one run, and over what is done of the next.

    Attributes:
        epochs: Whole epochs done.
        steps: Steps done in them.
        clips: Clips trained on, each counted as often as it was seen.
        seconds: Time spent in them.
        skipped: Clips that could not be decoded in some epoch, each once, with its reason.
        nonfinite: Steps that were left out, since a number in them was not finite.
        commits: Commits of the code that trained, in order, where it ran from a checkout.
        validations: One for each whole epoch, where there are clips to validate on.
        current: The epoch at hand.
    """

    epochs: int = 0
    steps: int = 0
    clips: int = 0
    seconds: float = 0.0
    skipped: tuple[str, ...] = ()
    nonfinite: int = 0
    commits: tuple[str, ...] = ()
    validations: tuple[Validation, ...] = ()
    current: EpochTally = field(default_factory=EpochTally)

    def begin(self, commit: str | None) -> None:
        """Notes the code that trains from here on."""
        if commit is not None:
            self.commits = _each_once((*self.commits, commit))

    def end_epoch(self) -> EpochTally:
        """Adds the epoch at hand, which is whole now, and begins the next."""
        epoch, self.current = self.current, EpochTally()
        self.epochs += 1
        self.steps += epoch.steps
        self.clips += epoch.clips
        self.seconds += epoch.seconds
        self.nonfinite += epoch.nonfinite
        self.skipped = _each_once((*self.skipped, *epoch.skipped))
        return epoch


def _each_once(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))
