"""The contract suite: what every component promises, as checks that a plugin's author runs as well.

    import pytest
    from asclf.registry import BACKBONES
    from asclf.testing import Check, checks

    @pytest.mark.parametrize("check", checks("backbone"), ids=lambda check: check.__name__)
    def test_my_net(check: Check) -> None:
        check(BACKBONES.get("my_net"))

A check takes a registry entry, builds it with its default configuration, and raises AssertionError
where a promise is broken. Each seeds torch for itself and leaves torch's generator as it was. What
cannot be built with its defaults is checked with others: `replace(entry, defaults={"folder": …})`
of `dataclasses`.

Of a network with many sizes, `checks_of` gives all checks for the smallest, and for each larger one
those that need neither time nor memory:

    CASES = [
        (entry, check)
        for entry in map(BACKBONES.get, ("my_net", "my_net_large"))
        for check in checks_of(entry)
    ]
"""

from __future__ import annotations

from asclf.errors import RegistryError
from asclf.registry import Entry
from asclf.testing import (
    augmenter,
    backbone,
    config,
    frontend,
    head,
    loss,
    objective,
    optimizer,
    scheduler,
)
from asclf.testing._tools import Check

__all__ = ["Check", "checks", "checks_of"]

BY_KIND = {
    "augmenter": augmenter.CHECKS,
    "backbone": backbone.CHECKS,
    "frontend": frontend.CHECKS,
    "head": head.CHECKS,
    "loss": loss.CHECKS,
    "objective": objective.CHECKS,
    "optimizer": optimizer.CHECKS,
    "scheduler": scheduler.CHECKS,
}


def checks(kind: str) -> tuple[Check, ...]:
    """The checks of one kind of component (`backbone`, `frontend`, …), those of its config first.

    Raises:
        RegistryError: There is no such kind.
    """
    if kind not in BY_KIND:
        raise RegistryError(f"no kind {kind!r}", expected=f"one of {', '.join(sorted(BY_KIND))}")
    return (*config.CHECKS, *BY_KIND[kind])


def checks_of(entry: Entry) -> tuple[Check, ...]:
    """The checks of one registered name beside the others of its class.

    They are all checks of its kind, but for a backbone with a smaller registered variant: sizes of
    one class run the same code, so a larger one is built, counted and run on the meta device alone.
    """
    if entry.kind == "backbone" and backbone.has_smaller_variant(entry):
        return (*config.CHECKS, *backbone.CHECKS_OF_LARGER_VARIANTS)
    return checks(entry.kind)
