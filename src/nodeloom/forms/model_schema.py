"""The JSON Schema of a params class, whatever types its fields are of."""

from __future__ import annotations

from typing import Any

import pydantic
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

__all__ = ["schema_of"]


class _Schema(GenerateJsonSchema):
    """Says nothing of a type that JSON Schema has no word for."""

    def handle_invalid_for_json_schema(  # pyright: ignore[reportIncompatibleMethodOverride] - that one never returns
        self, schema: core_schema.CoreSchema, error_info: str
    ) -> JsonSchemaValue:
        return {}

    def encode_default(self, dft: Any) -> Any:
        try:
            return super().encode_default(dft)
        except Exception:
            return str(dft)


def schema_of(model: type[pydantic.BaseModel]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a params class."""
    return model.model_json_schema(schema_generator=_Schema)
