"""Random draws, every one of them from the generator that is handed in."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import AfterValidator, Field
from torch import Generator, Tensor


def in_order(bounds: tuple[float, float]) -> tuple[float, float]:
    """Refuses bounds of which the first is larger, in the words of a configuration error."""
    if bounds[0] > bounds[1]:
        raise ValueError("[smallest, largest]")
    return bounds


Probability = Annotated[float, Field(ge=0, le=1)]
Range = Annotated[tuple[float, float], AfterValidator(in_order)]


def happens(prob: float, generator: Generator) -> bool:
    """Whether an event of probability `prob` happens; draws once, whatever `prob` is."""
    return torch.rand((), generator=generator).item() < prob


def clips_that_happen(num_clips: int, prob: float, generator: Generator) -> Tensor:
    """(B,) bool on the CPU: for each clip, whether an event of probability `prob` happens."""
    return torch.rand(num_clips, generator=generator) < prob


def uniform(bounds: tuple[float, float], generator: Generator) -> float:
    """A number between two bounds."""
    low, high = bounds
    return low + (high - low) * torch.rand((), generator=generator).item()


def whole_number(low: int, high: int, generator: Generator) -> int:
    """A whole number from `low` to `high`, both included."""
    return int(torch.randint(low, high + 1, (), generator=generator))
