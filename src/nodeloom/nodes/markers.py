"""What stands beside a type in `Annotated[...]` of a declared state: a reducer, what pydantic reads, or a mistake."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_origin

from ..errors import DefinitionError
from ..model.reducers import NAMED, Reducer, as_reducer

__all__ = ["check_own_markers", "reducer_of"]

_READ_BY_PYDANTIC = ("__get_pydantic_core_schema__", "__get_pydantic_json_schema__", "__prepare_pydantic_annotations__")
_EXPORTED = {name: name for name in (*NAMED, "minimum", "maximum")} | {"min": "minimum", "max": "maximum"}
_AROUND_A_KEY = (typing.Annotated, typing.Required, typing.NotRequired, typing.Union, types.UnionType)
_AT_HOME = frozenset({"annotated_types", "pydantic", "pydantic_core", "typing", "typing_extensions"})


def reducer_of(declared: type, key: str, hint: Any) -> Reducer | None:
    """The reducer that a key of a state class is annotated with; None for none.

    Args:
        declared: the class. key: the field. hint: its annotation, with what is in `Annotated`.

    Raises:
        DefinitionError: two reducers, or something beside the type that nobody would read.
    """
    outer = get_origin(hint)
    annotated = hint if outer is typing.Annotated else _inner(hint)
    if annotated is None:
        return None
    markers = get_args(annotated)[1:]
    if outer in _AROUND_A_KEY:  # what stands in the type of a list or a dict is about an item
        _check(declared, key, markers)
    found = [reducer for marker in markers if (reducer := as_reducer(marker)) is not None]
    if len(found) > 1:
        raise DefinitionError(f"{hint} names two reducers; a key has one")
    return found[0] if found else None


def check_own_markers(declared: type) -> None:
    """Look at what a class just made annotates its keys with; texts and what comes later wait for its graph.

    Raises:
        DefinitionError: as of `reducer_of`.
    """
    try:
        own: Mapping[str, Any] = inspect.get_annotations(declared)
    except NameError:  # Python 3.14 reads annotations when asked, and this names what is not there yet
        return
    for key, hint in own.items():
        if not key.startswith("_") and hint is not typing.ClassVar and get_origin(hint) is not typing.ClassVar:
            reducer_of(declared, key, hint)


def _inner(hint: Any) -> Any:
    return next((arg for arg in get_args(hint) if get_origin(arg) is typing.Annotated), None)


def _check(declared: type, key: str, markers: Iterable[Any]) -> None:
    for marker in markers:
        if as_reducer(marker) is None and not _is_known(marker):
            raise DefinitionError(_refusal(declared, key, marker))


def _is_known(marker: Any) -> bool:
    """Whether it is a constraint, or anything else that pydantic or a type checker reads."""
    if any(hasattr(marker, name) for name in _READ_BY_PYDANTIC):
        return True
    kinds = marker.__mro__ if isinstance(marker, type) else type(marker).__mro__
    return any(kind.__module__.partition(".")[0] in _AT_HOME for kind in kinds)


def _refusal(declared: type, key: str, marker: Any) -> str:
    where = f"{declared.__qualname__}.{key}: {marker!r} in Annotated is no reducer"
    if marker is vars(declared).get(key, dataclasses.MISSING) or isinstance(marker, dataclasses.Field):
        example = _EXPORTED.get(key, "append")
        return (
            f"{where}, but the default of the field itself: the field has the name of its reducer, and Python binds "
            f"`{key} = ...` before it evaluates the annotation. Write `Annotated[list, nodeloom.{example}]` after "
            f"`import nodeloom`, or import the reducer under another name"
        )
    near = difflib.get_close_matches(marker, NAMED, 1) if isinstance(marker, str) else []
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return (
        f"{where}{hint}, and nobody would read it: give one of {', '.join(NAMED)}, a function of (value, update), "
        f"or a constraint that pydantic knows"
    )
