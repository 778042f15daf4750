"""Values as params: what types say of them, and what can be told without asking anybody."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import pydantic
from pydantic.fields import FieldInfo

from ..errors import Problem
from .secret_places import secret_fields
from .shown import depends, shown_of
from .telling import refused, told

__all__ = ["is_literal", "problems_from", "validate"]


def is_literal(field: FieldInfo) -> bool:
    """Whether the field's text is never rendered."""
    return bool(shown_of(field).get("literal"))


def validate(
    model: type[pydantic.BaseModel],
    values: Mapping[str, Any],
    *,
    subject: str,
    skip: frozenset[str] = frozenset(),
    computed: bool = False,
) -> pydantic.BaseModel | None:
    """The values as a model.

    Args:
        model: the params class. values: by field name. subject: whose params these are, for the message.
        skip: fields whose values are not known yet (templates); only what is wrong elsewhere counts then.
        computed: values of derived fields are among them; else those are nobody's to give, and are left out.

    Returns:
        The model; None when only skipped fields stand in the way.

    Raises:
        ParamsError: with every problem, each with its field.
    """
    dependent = depends(model)
    derived = _derived(model) if dependent and not computed else ()
    given = {name: values[name] for name in values if name not in derived}
    made: pydantic.BaseModel | None = None
    try:
        made = model.model_validate(given, by_alias=True, by_name=True)
        problems: list[Problem] = []
    except pydantic.ValidationError as error:
        problems = problems_from(error, model, subject, skip)
    if dependent and not problems:
        problems = _standing(model, made or given, subject, skip)
    if problems:
        raise refused(subject, problems)
    return None if skip else made


def _derived(model: type[pydantic.BaseModel]) -> set[str]:
    return {name for name, field in model.model_fields.items() if "derived" in shown_of(field)}


def _standing(model: type[pydantic.BaseModel], values: Any, subject: str, skip: Collection[str]) -> list[Problem]:
    from .checking import standing_problems  # most params need none of this
    from .form import form_of

    found = standing_problems(form_of(model), values, "params", skip)
    return [replace(problem, code="params", node=subject) for problem in found]


def problems_from(
    error: pydantic.ValidationError, model: type[pydantic.BaseModel], subject: str, skip: frozenset[str]
) -> list[Problem]:
    """Each of pydantic's errors as a problem with its field path; of a field with secrets, without what was given."""
    secret = secret_fields(model)
    shown = frozenset(model.model_fields) - secret if secret else None
    problems: list[Problem] = []
    for problem, (kind, place) in zip(told(error, "params", model.model_fields, shown), _places(error), strict=True):
        final = kind == "secret"  # no template gives one, so it is wrong whatever the others will be (12.1)
        if skip and not final and (not place or str(place[0]) in skip):
            continue
        problems.append(replace(problem, code="params", node=subject))
    return problems


def _places(error: pydantic.ValidationError) -> list[tuple[str, tuple[int | str, ...]]]:
    return [
        (item["type"], item["loc"])
        for item in error.errors(include_url=False, include_context=False, include_input=False)
    ]
