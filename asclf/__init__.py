"""asclf: a plugin-based toolkit for classifying sounds with small models.

Importing this package loads no torch; `asclf.load` brings in what the model at hand needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["AsclfError", "__version__", "load"]

if TYPE_CHECKING:
    from asclf.api import load
    from asclf.errors import AsclfError


def __getattr__(name: str) -> Any:
    if name == "load":
        from asclf.api import load

        return load
    if name == "AsclfError":
        from asclf.errors import AsclfError

        return AsclfError
    raise AttributeError(f"module 'asclf' has no attribute {name!r}")
