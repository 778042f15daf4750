"""What to say of values that do not fit, and of those that are templates."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import pydantic

from ..errors import ParamsError, Problem
from ..expressions import has_template
from ..model.masks import in_short

if TYPE_CHECKING:
    from .field import FormField

__all__ = ["holds_template", "no_such_field", "refused", "shown_in", "told"]


def holds_template(value: Any) -> bool:
    """Whether there is an expression in a value, however deep."""
    if isinstance(value, str):
        return has_template(value)
    if isinstance(value, Mapping):
        return any(holds_template(value[key]) for key in list[Any](value))  # pyright: ignore[reportUnknownArgumentType]
    return isinstance(value, list | tuple) and any(holds_template(item) for item in cast("list[Any]", value))


def told(
    error: pydantic.ValidationError, path: str, names: Collection[str] = (), shown: Collection[str] | None = None
) -> list[Problem]:
    """Each of pydantic's errors as a problem.

    Args:
        error: of a value that does not fit. path: of the value; those of its fields are behind it.
        names: of the fields there are, for who gave others.
        shown: the fields of which it is shown what they were given, where others may hold secrets; all by default.
    """
    return [_told(item, path, names, shown) for item in error.errors(include_url=False)]


def shown_in(field: FormField) -> Collection[str] | None:
    """What may be shown of what a field was given, as of `told`: nothing, where there are secrets in it."""
    inner = field.form.fields if field.form is not None else ()
    secret = field.sealed or field.type == "secret" or any(shown_in(each) is not None for each in inner)
    return () if secret else None


def _told(item: Any, path: str, names: Collection[str], shown: Collection[str] | None) -> Problem:
    code, message = "params", item["msg"]
    if item["type"] == "extra_forbidden":
        code, message = "unknown", no_such_field(str(item["loc"][-1]), names if len(item["loc"]) == 1 else ())
    elif item["type"] == "missing":
        code = "required"
    elif item["type"] != "secret" and (shown is None or (item["loc"] and item["loc"][0] in shown)):
        message = f"{message}, not {in_short(item.get('input'))}"
    return Problem(code, message, field=".".join(filter(None, [path, *map(str, item["loc"])])))


def no_such_field(name: str, names: Collection[str]) -> str:
    """What to say of a field that there is not, beside those there are."""
    near = difflib.get_close_matches(name, list(names), 1)
    known = f" (fields: {', '.join(names) or 'none'})" if names else ""
    return f"no such field{f'; did you mean {near[0]!r}?' if near else ''}{known}"


def refused(subject: str, problems: Sequence[Problem]) -> ParamsError:
    """The error that tells what is wrong with somebody's params."""
    lines = "".join(f"\n  - {problem}" for problem in problems)
    return ParamsError(f"params of {subject} do not fit{lines}", problems)
