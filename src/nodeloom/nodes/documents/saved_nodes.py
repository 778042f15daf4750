"""One node as an entry of a document: its type by a name it can be found under, and its params."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, cast

from ...errors import NodeloomError, Problem
from ...forms.secret_places import secret_fields, secrets_in
from ...model.values import kind_of
from ..node import RESERVED, Node
from ..registry import Registry
from .catalogue import loaded_type
from .values import NotPlain, plain

__all__ = ["save_node"]

_PLAIN_NODE = frozenset({"wires", "frozen", "given", "made_with", "params", *RESERVED})


def save_node(node: Node, registry: Registry | None, problems: list[Problem]) -> dict[str, Any]:
    """The entry of a node without its settings; what cannot be saved is added to the problems."""
    kind = type(node)
    reason = _unfindable(kind, registry)
    if reason is not None:
        problems.append(Problem("not_savable", reason, node=node.id, field="type"))
    entry: dict[str, Any] = {"type": kind.identifier, "version": kind.version}
    try:
        params = _params(node)
    except NotPlain as error:
        problems.append(Problem("not_savable", str(error), node=node.id, field=f"params{error.where}"))
        return entry
    return {**entry, "params": params} if params else entry


def _unfindable(kind: type[Node], registry: Registry | None) -> str | None:
    """Why nobody could find this type by its identifier, or None."""
    if registry is not None and _is_in(registry, kind):
        return None
    name = f"{kind.__module__}.{kind.__qualname__}"
    if kind.identifier != name.replace(".<locals>", ""):
        return None  # an identifier of its own: whoever loads the document registers the type under it
    if "<locals>" in name or "<lambda>" in name:
        what = f"{kind.__qualname__} is defined inside a function, where nothing can find it"
        return f"{what}: move it to the top of a module, or give it an `identifier` to register it under"
    found = loaded_type(kind.identifier)
    if found is kind or (found is None and kind.__module__ == "__main__"):
        return None
    other = "another node type" if found is not None else "nothing"
    return f"{name} names {other} by now: give the type an `identifier` to register it under"


def _is_in(catalogue: Registry, kind: type[Node]) -> bool:
    try:
        return catalogue.resolve(kind.identifier, kind.version) is kind
    except NodeloomError:
        return False


def _params(node: Node) -> dict[str, Any]:
    kind = type(node)
    if kind.__init__ is not Node.__init__:
        arguments = _arguments(node)
        _refuse_undeclared(arguments, node)
        return cast("dict[str, Any]", plain(arguments))
    for name in node.__dict__:
        if name not in _PLAIN_NODE:
            what = f"{name!r} was set on the node after it was made; a document keeps params and settings only"
            raise NotPlain(what, "")
    _refuse_undeclared(node.given, node)
    try:
        return cast("dict[str, Any]", plain(node.given))
    except NotPlain as error:
        return _dumped(node, error)


def _refuse_undeclared(given: Mapping[str, Any], node: Node) -> None:
    """A secret where none is declared: what a document holds of it would be read as a mapping."""
    declared = secret_fields(node.params_model)
    for name, value in given.items():
        if name not in declared and next(secrets_in(value), None) is not None:
            raise NotPlain("it holds a secret, which a document keeps in a param of type Secret only", f".{name}")


def _dumped(node: Node, error: NotPlain) -> dict[str, Any]:
    """Params that are no JSON, as pydantic writes them, if it reads the same again (a date, a path, an enum)."""
    from pydantic_core import PydanticSerializationError

    if node.params_model is None or node.params is None:
        raise error
    try:
        params = cast(
            "dict[str, Any]", plain(kind_of(node.params).model_dump(node.params, mode="json", exclude_unset=True))
        )
        again = type(node)(params, id=node.id)
    except (PydanticSerializationError, NodeloomError, NotPlain, ValueError):
        raise error from None
    if again.params != node.params:
        raise error
    return params


def _arguments(node: Node) -> dict[str, Any]:
    """What a constructor of the author's own was called with, by name, without the settings."""
    arguments, keywords = node.made_with
    signature = inspect.signature(type(node).__init__)
    bound = signature.bind(node, *arguments, **keywords)
    named: dict[str, Any] = {}
    for name, value in list(bound.arguments.items())[1:]:
        match signature.parameters[name].kind:
            case inspect.Parameter.VAR_KEYWORD:
                named.update(value)
            case inspect.Parameter.VAR_POSITIONAL | inspect.Parameter.POSITIONAL_ONLY:
                raise NotPlain(f"its constructor takes {name!r} by position only, so no document can name it", "")
            case _:
                named[name] = value
    params: Any = named.pop("params", None)
    named = {name: value for name, value in named.items() if name not in RESERVED}
    return {**named, **(cast("dict[str, Any]", params) if isinstance(params, Mapping) else {})}
