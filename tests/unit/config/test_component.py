from __future__ import annotations

import dataclasses

import pydantic
import pytest

from asclf.config import component_config


@component_config
class Cup:
    """Holds something."""

    volume_ml: int = 250
    """How much."""


def test_configuration_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Cup().volume_ml = 3  # type: ignore[misc]


def test_configuration_takes_keywords_only() -> None:
    with pytest.raises(pydantic.ValidationError):
        Cup(3)  # type: ignore[misc]


@pytest.mark.parametrize("wrong", [{"volume_ml": True}, {"volume_ml": "3"}, {"volume": 3}])
def test_wrong_type_or_name_is_refused_in_python_too(wrong: dict[str, object]) -> None:
    with pytest.raises(pydantic.ValidationError):
        Cup(**wrong)  # type: ignore[arg-type]


def test_doc_string_of_a_field_is_its_description() -> None:
    schema = pydantic.TypeAdapter(Cup).json_schema()
    assert schema["properties"]["volume_ml"]["description"] == "How much."
