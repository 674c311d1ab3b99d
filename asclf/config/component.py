"""The decorator for a component's configuration, and the component as it stands in YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar, cast

import pydantic
import pydantic.dataclasses
from typing_extensions import dataclass_transform

from asclf.registry import Entry

C = TypeVar("C")

STRICT = pydantic.ConfigDict(
    strict=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(pydantic.Field,))
def component_config(cls: type[C]) -> type[C]:
    """Makes a class a frozen, strictly typed configuration that refuses unknown keys.

    Every field has a type, a default, and a doc string below it; bounds are written as
    `Annotated[float, pydantic.Field(ge=0, le=1)]` or with pydantic's `PositiveInt` and the like.
    """
    decorate = pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=STRICT)
    return cast(type[C], decorate(cls))


def field_docs(config_type: type) -> dict[str, str]:
    """The doc string below each field of a `@component_config` class, inherited fields too."""
    fields = [
        item
        for base in reversed(config_type.__mro__)
        for item in vars(base).get("__pydantic_fields__", {}).items()
    ]
    return {name: info.description for name, info in fields if info.description}


@dataclass(frozen=True)
class Component:
    """A component chosen in YAML: its registry entry and its bound configuration."""

    entry: Entry
    config: Any

    def build(self, **context: Any) -> Any:
        """Builds the component; `context` is what YAML cannot know (`feat_dim`, …)."""
        return self.entry.build(self.config, **context)

    def as_dict(self) -> Mapping[str, Any]:
        """The component as a plain mapping, `type` first, every option written out."""
        return {"type": self.entry.name, **asdict(self.config)}
