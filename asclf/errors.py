"""The exception tree: every error says where, what was got, what was expected, and what to do.

The library raises; only `asclf.cli` prints (one line) and exits with status 2.
"""

from __future__ import annotations

from collections.abc import Sequence


class AsclfError(Exception):
    """An error that the user can act on, kept as fields and shown as one line.

    Args:
        what: What was got, as a short sentence without a full stop.
        where: File, `file:line:column` or clip id that the error is about.
        expected: What would have been right.
        hint: What to do about it.
    """

    def __init__(
        self, what: str, *, where: object = None, expected: str = "", hint: str = ""
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = None if where is None else str(where)
        self.expected = expected
        self.hint = hint

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        tail = [f"expected {self.expected}"] if self.expected else []
        return "; ".join([head, *tail, *([self.hint] if self.hint else [])])


class UsageError(AsclfError):
    """A command line that cannot be read: unknown verb or option, missing or wrong argument."""


class ConfigError(AsclfError):
    """A configuration that cannot be used: unknown key, wrong type, value out of bounds."""


class ConfigErrors(ConfigError):  # noqa: N818 (several errors)
    """All the errors of one configuration at once, one a line."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = tuple(errors)


class UnknownComponentError(ConfigError):
    """A component name that no registry entry or plugin has; `matches` holds the nearest names."""

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        expected: str = "",
        hint: str = "",
        matches: Sequence[str] = (),
    ) -> None:
        super().__init__(what, where=where, expected=expected, hint=hint)
        self.matches = tuple(matches)


class RegistryError(AsclfError):
    """A component that cannot be registered or loaded: a name taken twice, a broken plugin."""


class DataError(AsclfError):
    """Data that cannot be used: a missing, broken or foreign file, shard, manifest or label."""


class AudioError(DataError):
    """An audio file that cannot be decoded to finite samples."""


class CheckpointError(AsclfError):
    """A checkpoint that is missing, half-written, or belongs to another model or label set."""


class BundleError(AsclfError):
    """An exported bundle that is missing a file, or whose files do not match its manifest."""


class ExportError(AsclfError):
    """A model that cannot be exported, or whose export does not give the same logits."""


class TrainError(AsclfError):
    """A training run that cannot start or go on."""


class MissingExtraError(AsclfError):
    """A verb that needs an optional dependency; names the extra that brings it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"this needs the package {package!r}, which is not installed",
            hint=f"install it with: pip install 'asclf[{extra}]'",
        )
        self.package = package
        self.extra = extra
