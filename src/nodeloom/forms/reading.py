"""From a field of a params class to a field of its form."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Annotated, Any, cast

import pydantic
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ..errors import DefinitionError, ExpressionError
from ..expressions import Expression, parse
from .asking import Asking
from .field import NOTHING, TYPES, FormField, InnerForm
from .kinds import Kind, kind_of
from .option import Option, as_page
from .secret_places import holds_secret
from .shown import depends, models_in, shown_of

__all__ = ["LIMITS", "field_of"]

LIMITS = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "minItems",
    "maxItems",
    "uniqueItems",
)


def field_of(
    model: type[pydantic.BaseModel], name: str, form_of: Callable[[type[pydantic.BaseModel]], InnerForm | None]
) -> FormField:
    """A field of a params class as one of a form.

    Args:
        model: the params class. name: the field's. form_of: the form of a nested params class, if it can have one.

    Raises:
        DefinitionError: what `Field` says of it does not fit.
    """
    info = model.model_fields[name]
    shown, kind = shown_of(info), kind_of(info.annotation)
    what = f"{name} of {model.__name__}"
    options, choices = _options(shown.get("options"), kind, what)
    derived = Asking(shown["derived"], f"derived of {what}") if "derived" in shown else None
    if options is not None and derived is not None:
        raise DefinitionError(
            f"field {what} has options, which a person chooses from, and is derived: it is one of them"
        )
    asks = derived or options
    form = None if derived is not None or kind.model is None else form_of(kind.model)
    if form is None and derived is None and any(map(depends, models_in(info.annotation))):
        raise DefinitionError(
            f"field {what} holds params whose fields depend on one another where no form can ask for them: as "
            f"X, X | None or list[X], and not inside of themselves"
        )
    return FormField(
        name=name,
        label=shown.get("label") or info.title or _in_words(name),
        type=_type(shown.get("widget", ""), kind, options is not None or choices is not None, derived is not None),
        read=_Reader(model, info),
        required=derived is None and (info.is_required() or bool(shown.get("required"))),
        default=_default(info, shown),
        item=kind.item,
        description=info.description or "",
        placeholder=shown.get("placeholder") or "",
        group=shown.get("group") or "",
        order=shown.get("order") or 0,
        widget=shown.get("widget") or "",
        visible=_visible(shown.get("visible_when"), what),
        limits=_limits(model, name),
        examples=tuple(info.examples or ()),
        choices=choices,
        listed=choices is not None and choices is not kind.choices,
        options=options,
        ttl=shown.get("ttl", 60.0),
        derived=derived,
        depends_on=tuple(dict.fromkeys((*shown.get("depends_on", ()), *(asks.depends_on if asks is not None else ())))),
        form=form,
        rows=kind.rows and derived is None,
        literal=bool(shown.get("literal")),
        sealed=holds_secret(info.annotation),
    )


def _options(given: Any, kind: Kind, what: str) -> tuple[Asking | None, tuple[Option, ...] | None]:
    """A function that gives options, or those there always are."""
    if given is None:
        return None, kind.choices
    if callable(given) and not isinstance(given, type):
        return Asking(given, f"options of {what}"), None
    return None, as_page(given, what).options


def _type(widget: str, kind: Kind, offers: bool, derived: bool) -> str:
    if derived:
        return "derived"
    if offers:
        return "multiselect" if kind.type in ("list", "multiselect") else "select"
    return widget if kind.type in ("text", "json") and widget in TYPES else kind.type


def _default(info: FieldInfo, shown: Mapping[str, Any]) -> Any:
    if info.default_factory is not None:
        return _made_default(info)
    return NOTHING if info.default is PydanticUndefined or shown.get("required") else info.default


def _made_default(info: FieldInfo) -> Any:
    """What a factory gives; nothing can be shown of one that needs the other values, or fails."""
    if info.default_factory_takes_validated_data:
        return NOTHING
    try:
        return info.get_default(call_default_factory=True)
    except Exception:  # whatever the author's factory raises is told when a node is made
        return NOTHING


def _visible(text: str | None, what: str) -> Expression | None:
    if text is None:
        return None
    try:
        return parse(text)
    except ExpressionError as error:
        raise DefinitionError(f"visible_when of field {what}: {error}") from None


def _limits(model: type[pydantic.BaseModel], name: str) -> dict[str, Any]:
    words = _properties(model).get(name, {})
    for each in (words, *words.get("anyOf", ())):
        found = {limit: each[limit] for limit in LIMITS if limit in each}
        if found:
            return found
    return {}


@functools.lru_cache(maxsize=512)
def _properties(model: type[pydantic.BaseModel]) -> dict[str, Any]:
    from .model_schema import schema_of

    properties: dict[str, Any] = schema_of(model).get("properties", {})
    return properties


def _in_words(name: str) -> str:
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


class _Reader:
    """Reads one field's values; made when the first of them comes.

    Args:
        model: the params class. info: the field's.
    """

    __slots__ = ("_adapter", "_info", "_model")

    def __init__(self, model: type[pydantic.BaseModel], info: FieldInfo) -> None:
        self._model = model
        self._info = info
        self._adapter: pydantic.TypeAdapter[Any] | None = None

    def __call__(self, value: Any) -> Any:
        if self._adapter is None:
            self._adapter = self._made()
        return self._adapter.validate_python(value)

    def _made(self) -> pydantic.TypeAdapter[Any]:
        info, config = self._info, self._model.model_config
        annotated: Any = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
        try:
            return pydantic.TypeAdapter(annotated, config=cast("pydantic.ConfigDict", {**config, "extra": "ignore"}))
        except pydantic.PydanticUserError:  # a model or dataclass has a config of its own
            return pydantic.TypeAdapter(annotated)
