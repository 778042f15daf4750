"""The options of one field, for the values that the others have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pydantic

from ..errors import FormError
from .asking import Asker, Question
from .evaluator import Evaluator, values_of
from .form import Form
from .option import Page
from .resolving import Resolver
from .telling import no_such_field

__all__ = ["options_for"]


async def options_for(
    form: Form, path: str, values: Any, asker: Asker, *, query: str = "", cursor: str | None = None
) -> Page | None:
    """What there is to choose from in a field.

    Args:
        form: the form. path: the field's name; in an object or a row, its path, as `accounts.0.bank`.
        values: of the whole form. asker: how functions are asked. query: a search text. cursor: where a page begins.

    Returns:
        A page of options; None until every field that it depends on has a valid value.

    Raises:
        FormError: there is no such field. Whatever the field's function raises.
    """
    if not isinstance(values, Mapping | pydantic.BaseModel):
        raise FormError(f"values of {form.name} are a mapping, not {type(values).__name__}")
    form, name, values = _at(form, path, values)
    field = form.by_name[name]
    if field.options is None:
        return Page(field.choices or ())
    evaluator = Evaluator(form.only(*field.depends_on), asker, names=())  # of a template no value is known
    await evaluator.update({key: values[key] for key in values if key in evaluator.form.by_name})
    if not all(evaluator.states[parent].is_valid for parent in field.options.parents):
        return None
    states = evaluator.states
    parents = {parent: states[parent].value for parent in field.depends_on if states[parent].is_valid}
    page: Page = await Resolver(form, asker).ask(field, parents, Question(query, cursor))
    return page


def _at(form: Form, path: str, values: Any) -> tuple[Form, str, Mapping[str, Any]]:
    """The form that a path leads into, the name of its field, and that form's values."""
    name, _, rest = path.partition(".")
    if name not in form.by_name:
        raise FormError(f"{form.name}: {no_such_field(name, form.by_name)}")
    if not rest:
        return form, name, values_of(values)
    field = form.by_name[name]
    inner: Any = {**values_of(values)}.get(name)
    if field.rows:
        row, _, rest = rest.partition(".")
        place = int(row) if row.isdecimal() else -1
        rows: list[Any] = list(inner) if isinstance(inner, list | tuple) else []  # pyright: ignore[reportUnknownArgumentType]
        inner = rows[place] if 0 <= place < len(rows) else {}
    if field.form is None or not rest:
        raise FormError(f"{form.name}: {path!r} leads to no field: {name!r} has none inside")
    return _at(cast("Form", field.form), rest, inner if isinstance(inner, Mapping | pydantic.BaseModel) else {})
