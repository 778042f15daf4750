"""Whether values fit a form: every problem at once, the same wherever values come from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, cast

import pydantic

from ..errors import ExpressionError, Problem
from ..expressions import MISSING
from .asking import Asker
from .evaluator import Evaluator, values_of
from .field import NOTHING, FormField
from .form import Form
from .option import Page
from .telling import holds_template, no_such_field, refused, shown_in, told
from .verdicts import as_text, not_among

__all__ = ["Checked", "checked", "read_values", "standing_problems"]


class Checked(NamedTuple):
    """Values that were checked.

    Attributes:
        values: as they are read, with defaults and what is derived. problems: everything that is wrong.
    """

    values: dict[str, Any]
    problems: list[Problem]


async def checked(
    form: Form, values: Any, asker: Asker | None = None, *, names: Collection[str] | None = None
) -> Checked:
    """Check values with all that a form says of them, its functions among it.

    Args:
        form: what they are to fit. values: what was given; of a derived field, nothing is taken.
        asker: how functions are asked. names: what templates in the values may use; None where there are none.
    """
    if not isinstance(values, Mapping | pydantic.BaseModel):
        return Checked({}, [Problem("params", f"values are a mapping, not {type(values).__name__}", field="")])
    is_model = isinstance(values, pydantic.BaseModel)
    evaluator = Evaluator(form, asker, names=names, as_read=is_model)
    given = values_of(values)
    try:
        await evaluator.update(given)
        problems = [*evaluator.unknown, *evaluator.problems]
        return Checked(evaluator.values, problems or ([] if is_model else _as_a_whole(form, evaluator, given)))
    except RecursionError:
        return Checked({}, [Problem("params", "these values are nested too deep, or hold themselves", field="")])


def _as_a_whole(form: Form, evaluator: Evaluator, given: Mapping[str, Any]) -> list[Problem]:
    """What an author's class says of all values together, as they were given: reading twice may not be right."""
    if form.model is None:
        return []
    values = {name: given[name] for name in evaluator.values if name in given}
    values |= {name: evaluator.values[name] for name in evaluator.values if form.by_name[name] in form.computed}
    states = evaluator.states.values()
    later = {state.name for state in states if state.deferred or state.status == "waiting" or not state.visible}
    try:
        form.model.model_validate(values, by_name=True)
    except pydantic.ValidationError as error:
        shown = [field.name for field in form.fields if shown_in(field) is None]
        found = told(error, "", form.by_name, shown if len(shown) < len(form.fields) else None)
        return [problem for problem in found if (problem.field or "").partition(".")[0] not in later]
    return []


def standing_problems(form: Form, given: Any, path: str, later: Collection[str] = ()) -> list[Problem]:
    """What can be told without asking anybody, of values whose types fit.

    Args:
        form: what they are to fit. given: a mapping or a model. path: where the form stands in another one.
        later: fields whose values are not known yet.
    """
    values = dict(values_of(given))
    named = given.model_fields_set if isinstance(given, pydantic.BaseModel) else values
    chosen = {name for name in named if name in form.by_name and form.by_name[name].listed}
    problems: list[Problem] = []
    for field in form.order:
        name = field.name
        if name in later or any(str(part.parts[0]) in later for part in _paths(field)):
            continue
        at = f"{path}.{name}" if path else name
        value = values.get(name, field.default)
        if not _is_shown(field, values):
            values.pop(name, None)
        elif field.required and field.default is NOTHING and (value is NOTHING or value is None):
            problems.append(Problem("required", "is required", field=at))
        elif name in chosen and (wrong := not_among(field, value, Page(field.choices or ()))) is not None:
            problems.append(Problem("not_offered", wrong, field=at))
        elif field.form is not None and value:
            problems += _inside(field, value, at)
    return problems


def read_values(form: Form, given: Mapping[str, Any], subject: str) -> dict[str, Any]:
    """Values of a form that no params class stands behind, as they are read, with defaults; templates as they are.

    Raises:
        ParamsError: with every problem that can be told without asking anybody.
    """
    values = {field.name: field.default for field in form.fields if field.default is not NOTHING}
    problems = [
        Problem("unknown", no_such_field(str(n), form.by_name), field=str(n)) for n in given if n not in form.by_name
    ]
    later = {name for name in given if holds_template(given[name])}
    for name in [name for name in given if name in form.by_name]:
        try:
            values[name] = given[name] if name in later else form.by_name[name].read(given[name])
        except pydantic.ValidationError as error:
            problems += told(error, name, shown=shown_in(form.by_name[name]))
    later |= {str(problem.field) for problem in problems}
    problems += standing_problems(form, values, "", later)
    if problems:
        raise refused(subject, [replace(p, code="params", node=subject, field=f"params.{p.field}") for p in problems])
    return values


def _paths(field: FormField) -> tuple[Any, ...]:
    return field.visible.paths if field.visible is not None else ()


def _is_shown(field: FormField, values: Mapping[str, Any]) -> bool:
    if field.visible is None:
        return True
    names = [str(part.parts[0]) for part in _paths(field)]
    try:
        return field.visible.test({name: as_text(values.get(name, MISSING)) for name in names})
    except ExpressionError:  # the values that it cannot compare are told by who asks for all problems
        return True


def _inside(field: FormField, value: Any, at: str) -> list[Problem]:
    form = cast("Form", field.form)
    if not field.rows:
        return standing_problems(form, value, at)
    return [p for place, row in enumerate(value) for p in standing_problems(form, row, f"{at}.{place}")]
