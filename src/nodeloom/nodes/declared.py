"""The state and the inputs a graph declares, by a class or a document; checked at the border (semantics 4.1, 4.2)."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from typing import Any, cast, get_args, get_origin, get_type_hints

from ..errors import DefinitionError, ParamsError, Problem
from ..model.compile import nearest
from ..model.reducers import NAMED, Reducer
from ..model.state import StateSchema, fresh
from ..model.values import owned
from .markers import check_own_markers, reducer_of

__all__ = ["State", "checked_inputs", "schema_from_class", "schema_from_document", "state_schema"]


class State:
    """A declared state: keys with types, defaults and, in `Annotated`, reducers.

    A class whose `Annotated` holds what is neither a reducer nor read by pydantic is a `DefinitionError` when it is
    made: above all a field with the name of its reducer, whose default Python binds before it reads the annotation.

    Example:
        >>> from typing import Annotated
        >>> from nodeloom import State, append
        >>> class Triage(State):
        ...     query: str = ""
        ...     hits: Annotated[list, append] = []
    """

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        check_own_markers(cls)


_JSON_TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "array": list,
    "object": dict,
    "any": Any,
}


def state_schema(declared: Any) -> StateSchema:
    """What `Graph(state=...)` was given, as a schema: None, a class, a document's mapping, or a schema."""
    if declared is None:
        return StateSchema()
    if isinstance(declared, StateSchema):
        return declared
    if isinstance(declared, Mapping):
        return schema_from_document(cast("Mapping[str, Any]", declared))
    if isinstance(declared, type):
        return schema_from_class(declared)
    raise DefinitionError(f"state is a class (State, dataclass, TypedDict, pydantic model), not {declared!r}")


def schema_from_class(declared: type) -> StateSchema:
    """The schema of a `State`, dataclass, TypedDict or pydantic model."""
    hints = get_type_hints(declared, include_extras=True)
    keys = {key: hint for key, hint in hints.items() if not key.startswith("_") and not _is_class_var(hint)}
    if not keys:
        raise DefinitionError(f"{declared.__qualname__} declares no keys; write them as `name: type`")
    reducers = {key: found for key, hint in keys.items() if (found := reducer_of(declared, key, hint)) is not None}
    plain = get_type_hints(declared)
    types = {key: plain[key] for key in keys}
    return StateSchema(
        frozenset(keys),
        _defaults(declared, keys),
        reducers,
        _validator({key: _constrained(hint) for key, hint in keys.items()}, reducers, declared.__qualname__),
        {key: _json_type(types[key]) for key in keys},
    )


def schema_from_document(declared: Mapping[str, Any]) -> StateSchema:
    """The schema of a document's `state:`, as `{hits: {type: array, reducer: append, default: []}}`."""
    types: dict[str, Any] = {}
    defaults: dict[str, Callable[[], Any]] = {}
    reducers: dict[str, Reducer] = {}
    for key, entry in declared.items():
        rules = {"type": entry} if isinstance(entry, str) else dict(entry or {})
        kind = rules.get("type", "any")
        if kind not in _JSON_TYPES:
            raise DefinitionError(f"state.{key}: no type {kind!r}; use one of {', '.join(_JSON_TYPES)}")
        types[key] = _JSON_TYPES[kind]
        if "default" in rules:
            defaults[key] = fresh(rules["default"])
        if "reducer" in rules:
            if rules["reducer"] not in NAMED:
                raise DefinitionError(f"state.{key}: no reducer {rules['reducer']!r}; use one of {', '.join(NAMED)}")
            reducers[key] = NAMED[rules["reducer"]]
    return StateSchema(
        frozenset(types),
        defaults,
        reducers,
        _validator(types, reducers, "the state", finite=True),
        {key: _json_type(kind) for key, kind in types.items()},
    )


def checked_inputs(declared: Any, given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The inputs as a Params class or a document's `inputs:` wants them."""
    if isinstance(declared, type) and hasattr(declared, "model_validate"):
        from ..forms.validating import validate

        model = validate(declared, given, subject=f"graph {name}")
        return type(model).model_dump(model) if model is not None else given
    rules: dict[str, dict[str, Any]] = {
        key: {"type": rule} if isinstance(rule, str) else dict(rule or {})
        for key, rule in cast("Mapping[str, Any]", declared).items()
    }
    problems = [
        Problem("inputs", f"no such input{nearest(key, rules, 'inputs')}", field=f"inputs.{key}")
        for key in given
        if key not in rules
    ]
    problems += [
        Problem("inputs", "is required: give it, as -i name=value or in --inputs", field=f"inputs.{key}")
        for key, rule in rules.items()
        if key not in given and "default" not in rule and rule.get("required", True)
    ]
    if problems:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        raise ParamsError(f"inputs of graph {name} do not fit{lines}", problems)
    defaults = {key: owned(rule["default"]) for key, rule in rules.items() if "default" in rule}
    validate_types = schema_from_document({key: rule.get("type", "any") for key, rule in rules.items()}).validate
    return validate_types({**defaults, **given}) if validate_types is not None else given


def _is_class_var(hint: Any) -> bool:
    return hint is typing.ClassVar or get_origin(hint) is typing.ClassVar


def _constrained(hint: Any) -> Any:
    """The type of a key with its constraints, which pydantic reads, and passes over a reducer among them."""
    while get_origin(hint) in (typing.Required, typing.NotRequired):
        (hint,) = get_args(hint)
    return hint


def _defaults(declared: type, keys: Mapping[str, Any]) -> dict[str, Callable[[], Any]]:
    if "__dataclass_fields__" in vars(declared):
        return _dataclass_defaults(declared)
    if hasattr(declared, "model_fields"):
        fields: Mapping[str, Any] = cast("Any", declared).model_fields
        return {key: _model_default(field) for key, field in fields.items() if not field.is_required()}
    own = [base.__dict__ for base in reversed(declared.__mro__) if base not in (object, dict)]
    return {key: fresh(names[key]) for names in own for key in keys if key in names}


def _model_default(field: Any) -> Callable[[], Any]:
    return lambda: field.get_default(call_default_factory=True)


def _dataclass_defaults(declared: Any) -> dict[str, Callable[[], Any]]:
    found: dict[str, Callable[[], Any]] = {}
    for field in dataclasses.fields(declared):
        if field.default is not dataclasses.MISSING:
            found[field.name] = fresh(field.default)
        elif field.default_factory is not dataclasses.MISSING:
            found[field.name] = field.default_factory
    return found


def _validator(
    types: Mapping[str, Any], reducers: Mapping[str, Reducer], subject: str, *, finite: bool = False
) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """A check of the inputs that name declared keys; a missing key is not an error, for nodes may write it.

    Args:
        types, reducers: by key. subject: what messages call it. finite: its numbers are those of JSON, which has
            neither NaN nor infinity.
    """
    adapters: dict[str, Any] = {}

    def check(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        import pydantic

        from ..forms.secret_places import holds_secret

        checked = dict(inputs)
        problems: list[Problem] = []
        for key in [key for key in inputs if key in types]:
            if key not in adapters:
                config = pydantic.ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=not finite)
                adapters[key] = _adapter(types[key], config)
            try:
                checked[key] = adapters[key].validate_python(inputs[key])
            except pydantic.ValidationError as error:
                first = error.errors(include_url=False)[0]
                reason = first["msg"] if holds_secret(types[key]) else f"{first['msg']}, not {inputs[key]!r}"
                problems.append(Problem("inputs", reason, field=".".join(["inputs", key, *map(str, first["loc"])])))
        if problems:
            lines = "".join(f"\n  - {problem}" for problem in problems)
            raise ParamsError(f"inputs do not fit {subject}{lines}", problems)
        return checked

    return check


def _adapter(kind: Any, config: Any) -> Any:
    import pydantic

    try:
        return pydantic.TypeAdapter(kind, config=config)
    except pydantic.PydanticUserError:  # a model or dataclass has a config of its own
        return pydantic.TypeAdapter(kind)


def _json_type(kind: Any) -> str:
    bare = get_origin(kind) or kind
    names = {str: "string", bool: "boolean", int: "integer", float: "number"}
    if bare in names:
        return names[bare]
    if isinstance(bare, type) and issubclass(bare, list | tuple | set | frozenset):
        return "array"
    return "object" if isinstance(bare, type) and issubclass(bare, dict) else "any"
