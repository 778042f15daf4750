"""Typed params: a pydantic model whose fields carry what a form needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import pydantic
from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema

from ..errors import DefinitionError
from .form import form_of
from .secret_places import marked
from .shown import Shown, depends, models_in, shown_of

__all__ = ["Field", "Params"]


_OF_PYDANTIC = {"model_extra", "model_fields_set"}
_DEPENDENT = {"options", "derived", "visible_when", "depends_on"}


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
        extra="forbid",
        frozen=True,
        arbitrary_types_allowed=True,
        protected_namespaces=(),
        hide_input_in_errors=True,  # what is refused may be the value of a secret, or hold one
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return marked(handler.resolve_ref_schema(handler(schema)))

    __depends__: ClassVar[bool] = False

    @classmethod
    def __pydantic_init_subclass__(cls, **keywords: Any) -> None:
        """What depends on one another is judged where it is written."""
        super().__pydantic_init_subclass__(**keywords)
        if taken := _OF_PYDANTIC & cls.model_fields.keys():
            raise DefinitionError(
                f"{cls.__qualname__} has a field {min(taken)!r}, which pydantic keeps for its own: the value could not "
                f"be read; call the field something else"
            )
        fields = cls.model_fields.values()
        inside = (depends(kind) for field in fields for kind in models_in(field.annotation))
        cls.__depends__ = any(_DEPENDENT & shown_of(field).keys() for field in fields) or any(inside)
        if cls.__depends__ and cls.__pydantic_complete__:
            form_of(cls)


def Field(  # noqa: N802, PLR0913 - spelled like pydantic's, which it extends
    default: Any = ...,
    *,
    label: str | None = None,
    placeholder: str | None = None,
    group: str | None = None,
    order: float | None = None,
    widget: str | None = None,
    options: Callable[..., Any] | Iterable[Any] | None = None,
    derived: Callable[..., Any] | None = None,
    ttl: float | None = None,
    depends_on: Sequence[str] = (),
    visible_when: str | None = None,
    literal: bool = False,
    **rules: Any,
) -> Any:
    """One field of a node's params.

    Args:
        default: the value when none is given; without it the field is required.
        label: what a form calls it; the name in words by default.
        placeholder: what an empty form field shows.
        group: the section of a form it stands in. order: where in the form; by default, as it is written.
        widget: how a text is edited: `textarea`, `code`, `file`; or a word for an editor of one's own.
        options: what there is to choose from: a list, or a function, plain or async, whose parameters name the fields
            it depends on. A parameter with a default is a field it can do without. Keyword-only `query` (a search
            text), `cursor` (where a page begins; then it gives a `Page`) and `ctx` (the engine's services) are the
            runtime's.
        derived: a function of other fields in the same way, which gives the value; nobody else does.
        ttl: seconds for which options, or a derived value, are remembered for the same values; 60 by default.
        depends_on: the fields it depends on, where the node's own `get_dependent_options` says what there is.
        visible_when: an expression over the other fields; while it does not hold, the field is not shown, and need
            not be given.
        literal: its text is never read as a template, whatever braces it holds.
        **rules: pydantic's own, as `description`, `ge`, `le`, `min_length`, `pattern`, `default_factory`.

    Raises:
        TypeError: for a rule pydantic does not know.

    Example:
        >>> def list_towns(country: str, *, query: str = "") -> list[str]:
        ...     towns = {"FR": ["Lyon", "Nantes"], "IT": ["Bari"]}[country]
        ...     return [town for town in towns if query.lower() in town.lower()]
        >>> class Trip(Params):
        ...     country: str
        ...     town: str = Field(options=list_towns)
        ...     visa: str = Field("", visible_when="country == 'IT'")
    """
    shown = {
        "label": label,
        "placeholder": placeholder,
        "group": group,
        "order": order,
        "widget": widget,
        "options": options,
        "derived": derived,
        "ttl": ttl,
        "depends_on": tuple(depends_on) or None,
        "visible_when": visible_when,
        "literal": literal or None,
    }
    words = {key: value for key, value in shown.items() if value is not None}
    extra: Any = Shown(words, rules.pop("json_schema_extra", None) or {})
    if default is ... and "default_factory" not in rules and (visible_when is not None or derived is not None):
        default = None  # pydantic is not to ask for what a form may not show; the form does, when it is shown
        words["required"] = derived is None
    if "default_factory" in rules and default is ...:
        return pydantic.Field(json_schema_extra=extra, **rules)
    return pydantic.Field(default, json_schema_extra=extra, **rules)
