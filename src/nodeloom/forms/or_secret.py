"""A value that may be a secret, too: `Annotated[str | Secret, OrSecret()]` (semantics 12.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Union, cast, get_args

from .secret import REFERENCE, Secret, read_secret
from .secret_places import with_references

__all__ = ["OrSecret", "revealed"]


class OrSecret:
    """Says of `X | Secret` that a reference is a secret, and anything else an X: each is refused in its own words.

    Without it, what is neither is refused twice over, and where X is `Any`, a reference in a document is a mapping.
    In a list that is an X, references are secrets as well.

    Example:
        >>> from typing import Annotated
        >>> class CallParams(Params):
        ...     headers: dict[str, Annotated[str | Secret, OrSecret()]] = {}
        >>> CallParams(headers={"Accept": "text/plain", "X-Key": {"$secret": "key"}}).headers["X-Key"]
        Secret('key')
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        others = tuple(each for each in get_args(source) if each is not Secret)
        return core_schema.no_info_wrap_validator_function(
            _either,
            handler.generate_schema(cast("Any", Union)[others]),
            serialization=core_schema.plain_serializer_function_ser_schema(_written, when_used="json"),
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        other = handler(schema)
        return {"anyOf": [other, Secret.__get_pydantic_json_schema__(None, None)]} if other else {}


def revealed(value: Any) -> Any:
    """A value with what its secrets are in their places, in mappings and lists too; only while a step runs.

    Args:
        value: of a param. What holds no secret is given as it is.

    Raises:
        SecretError: a secret in it is not resolved, as anywhere outside of a step.
    """
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Mapping):
        pairs: Mapping[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return {key: revealed(item) for key, item in pairs.items()}
    return list(map(revealed, cast("list[Any]", value))) if isinstance(value, list | tuple) else value


def _either(value: Any, plain: Callable[[Any], Any]) -> Any:
    if isinstance(value, Secret) or (isinstance(value, Mapping) and REFERENCE in value):
        return read_secret(value)
    return plain(with_references(value, []) if isinstance(value, list | tuple) else value)


def _written(value: Any) -> Any:
    return value.as_reference() if isinstance(value, Secret) else value
