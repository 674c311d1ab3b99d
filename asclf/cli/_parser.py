"""The argument parser of a verb: arguments in any order, errors that name the nearest option."""

from __future__ import annotations

import argparse
import difflib
import math
from collections.abc import Iterable, Sequence
from typing import NoReturn

from asclf.errors import UsageError


class VerbParser(argparse.ArgumentParser):
    """Parses the arguments of one verb.

    Args:
        verb: Its name.
        text: What it does, with examples; printed by `--help` as it stands.
    """

    def __init__(self, verb: str, text: str) -> None:
        super().__init__(
            prog=f"asclf {verb}",
            description=text,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.add_argument("--debug", action="store_true", help="show the traceback of an error")

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parses arguments in which options and other words may stand in any order.

        Raises:
            UsageError: An unknown option, or a missing or wrong argument.
        """
        self._refuse_unknown_options(arguments)
        return self.parse_intermixed_args(arguments)

    def error(self, message: str) -> NoReturn:
        """Raises what argparse would print."""
        raise UsageError(message, where=self.prog, hint=f"see {self.prog} --help")

    def _refuse_unknown_options(self, arguments: Sequence[str]) -> None:
        """Before anything else, so that a mistyped option is not reported as a missing one."""
        known = [option for action in self._actions for option in action.option_strings]
        for argument in arguments:
            option = argument.partition("=")[0]
            if argument == "--":
                return
            if option.startswith("--") and option not in known:
                hint = nearest(option, known) or f"see {self.prog} --help"
                raise UsageError(f"unknown option {option!r}", where=self.prog, hint=hint)


def nearest(word: str, known: Iterable[str]) -> str:
    """`did you mean …?` with the nearest known word, or nothing where none is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else ""


def fold_list(text: str) -> list[int]:
    """Reads `"1 2"` or `1,2` as folds."""
    words = text.replace(",", " ").split()
    if not words or not all(word.isdecimal() for word in words):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of folds; expected, say, '1 2'")
    return [int(word) for word in words]


def folds_or_all(text: str) -> list[int] | str:
    """Reads `all`, or a list of folds."""
    return text if text == "all" else fold_list(text)


def positive_int(text: str) -> int:
    """Reads a whole number above 0."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def share(text: str) -> float:
    """Reads a number from 0 to 1, neither of them included."""
    value = number(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number between 0 and 1")
    return value


def number(text: str) -> float:
    """Reads a finite number of at least 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 0")
    return value
