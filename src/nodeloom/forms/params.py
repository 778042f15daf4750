"""Typed params: a pydantic model whose fields carry what a form needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pydantic
from pydantic.fields import FieldInfo

from ..errors import ParamsError, Problem

__all__ = ["Field", "Params", "is_literal", "problems_from", "validate"]


class Params(pydantic.BaseModel):
    """The params of a node: declare fields with types, defaults and `Field(...)`.

    Unknown names are refused, with the nearest known one.

    Example:
        >>> class FetchParams(Params):
        ...     url: str = Field(label="URL", placeholder="https://")
        ...     attempts: int = Field(3, ge=1, le=10)
        >>> FetchParams(url="https://example.org").attempts
        3
    """

    model_config = pydantic.ConfigDict(
        extra="forbid", frozen=True, arbitrary_types_allowed=True, protected_namespaces=()
    )


def Field(  # noqa: N802 - spelled like pydantic's, which it extends
    default: Any = ...,
    *,
    label: str | None = None,
    placeholder: str | None = None,
    group: str | None = None,
    literal: bool = False,
    **rules: Any,
) -> Any:
    """One field of a node's params.

    Args:
        default: the value when none is given; without it the field is required.
        label: what a form calls it; the name in words by default.
        placeholder: what an empty form field shows.
        group: the section of a form it stands in.
        literal: its text is never read as a template, whatever braces it holds.
        **rules: pydantic's own, as `description`, `ge`, `le`, `min_length`, `pattern`, `default_factory`.

    Raises:
        TypeError: for a rule pydantic does not know.
    """
    shown = {"label": label, "placeholder": placeholder, "group": group, "literal": literal or None}
    extra = dict(rules.pop("json_schema_extra", None) or {})
    extra["x-ui"] = {key: value for key, value in shown.items() if value is not None}
    if "default_factory" in rules and default is ...:
        return pydantic.Field(json_schema_extra=extra, **rules)
    return pydantic.Field(default, json_schema_extra=extra, **rules)


def is_literal(field: FieldInfo) -> bool:
    """Whether the field's text is never rendered."""
    extra: Any = field.json_schema_extra
    return isinstance(extra, dict) and bool(cast("dict[str, Any]", extra).get("x-ui", {}).get("literal"))


def validate(
    model: type[pydantic.BaseModel],
    values: Mapping[str, Any],
    *,
    subject: str,
    skip: frozenset[str] = frozenset(),
) -> pydantic.BaseModel | None:
    """The values as a model.

    Args:
        model: the params class. values: by field name. subject: whose params these are, for the message.
        skip: fields whose values are not known yet (templates); only what is wrong elsewhere counts then.

    Returns:
        The model; None when only skipped fields stand in the way.

    Raises:
        ParamsError: with every problem, each with its field.
    """
    try:
        made = model.model_validate(dict(values))
    except pydantic.ValidationError as error:
        problems = problems_from(error, model, subject, skip)
        if problems:
            lines = "".join(f"\n  - {problem}" for problem in problems)
            raise ParamsError(f"params of {subject} do not fit{lines}", problems) from None
        return None
    return None if skip else made


def problems_from(
    error: pydantic.ValidationError, model: type[pydantic.BaseModel], subject: str, skip: frozenset[str]
) -> list[Problem]:
    """Each of pydantic's errors as a problem with its field path."""
    import difflib

    problems: list[Problem] = []
    for item in error.errors(include_url=False, include_context=False):
        place = item["loc"]
        if skip and (not place or str(place[0]) in skip):
            continue
        message = item["msg"]
        if item["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(place[-1]), list(model.model_fields), 1)
            known = ", ".join(model.model_fields) or "none"
            message = f"no such field{f'; did you mean {near[0]!r}?' if near else ''} (fields: {known})"
        elif item["type"] != "missing":
            message = f"{message}, not {_shown(item.get('input'))}"
        problems.append(Problem("params", message, node=subject, field=".".join(["params", *map(str, place)])))
    return problems


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
