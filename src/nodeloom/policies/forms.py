"""The settings of policies as forms, which refuse what a document and Python refuse, in the same words."""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

from ..forms.field import NOTHING, FormField
from ..forms.form import Form
from ..nodes.wiring import error_name
from .settings import HOME_OF, NOT_WRITTEN, class_of, read_policies

__all__ = ["policy_form", "policy_forms"]


def policy_forms() -> dict[str, Form]:
    """The form of each policy, by its name in a document."""
    return {name: policy_form(name) for name in HOME_OF}


@functools.cache
def policy_form(name: str) -> Form:
    """The form of a policy's settings: those that a document may say.

    Args:
        name: as a document spells it: `retry`, `rate_limit`, ...

    Raises:
        KeyError: there is no such policy.

    Example:
        >>> [(field.name, field.type, field.required) for field in policy_form("concurrency").fields]
        [('limit', 'integer', True), ('key', 'text', False)]
    """
    kind: Any = class_of(name)
    said = _arguments(kind.__doc__ or "")
    given = [each for each in fields(kind) if each.init and each.compare and each.name not in NOT_WRITTEN]
    needed = {each.name: 1 for each in given if each.default is MISSING}
    return Form(
        name,
        [
            FormField(
                name=each.name,
                label=each.name.replace("_", " ").capitalize(),
                type=_type(each),
                read=_reader(name, each.name, needed),
                required=each.name in needed,
                default=_default(each),
                item="text" if _type(each) == "list" else "",
                description=said.get(each.name, ""),
            )
            for each in given
        ],
    )


def _default(setting: Field[Any]) -> Any:
    """The value without one that is given, as a document writes it."""
    if setting.default is MISSING:
        return NOTHING
    default: Any = setting.default
    if isinstance(default, tuple):
        return [error_name(each) for each in default]  # pyright: ignore[reportUnknownVariableType]
    return NOTHING if isinstance(default, enum.Enum) else default


_TYPES = (
    ("Mapping", "json"),
    ("ErrorsLike", "list"),
    ("KeyLike", "text"),
    ("str", "text"),
    ("bool", "boolean"),
    ("float", "number"),
)


def _type(setting: Field[Any]) -> str:
    """The type of the field; what only Python can say, as a function, a form does not ask for."""
    words = re.findall(r"\w+", str(setting.type))
    known = next((kind for word, kind in _TYPES if word in words), "")
    return known or ("integer" if "int" in words else "json")


def _reader(policy: str, setting: str, needed: Mapping[str, Any]) -> Callable[[Any], Any]:
    """Reads a setting as a document would."""
    where = f"policies.{policy}.{setting}"

    def read(value: Any) -> Any:
        _, problems = read_policies({policy: {**needed, setting: value}})
        wrong = [problem.message for problem in problems if problem.field == where]
        if wrong:
            raise ValueError(wrong[0])
        return value

    return read


def _arguments(text: str) -> dict[str, str]:
    """What a docstring says of each argument."""
    _, _, after = text.partition("Args:")
    said = re.split(r"\n\s*\n", after, maxsplit=1)[0]
    parts = re.split(r"(?:^|(?<=[.\n])\s*)(\w+): ", " ".join(said.split()))
    return {name: words.strip() for name, words in zip(parts[1::2], parts[2::2], strict=False)}
