"""Keys and paths: how a value is looked up, and what to say when nothing is there (rules 2.3, 12.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from nodeloom.errors import ExpressionTypeError, UnknownName
from nodeloom.expressions.literals import quoted
from nodeloom.expressions.missing import MISSING
from nodeloom.expressions.shapes import is_list, is_map
from nodeloom.expressions.syntax import Both, Call, Choice, Coalesce, Constant, Either, Lookup, Name, Node
from nodeloom.expressions.wording import kind, listing, nearest

Scope: TypeAlias = Mapping[str, Any]
Evaluator: TypeAlias = Callable[[Scope], Any]

_SIMPLE_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Path:
    """A path that an expression uses, as far as it is written out.

    Args:
        parts: the root name, then keys and indices: `("outputs", "fetch", "body")`.
        position: where it stands in the text (of the template, for one in a template).
        optional: it stands left of `??` or under `exists`, so that it may well be missing.
        where: the place of the template in its structure, as `params.url`; else empty.
    """

    parts: tuple[str | int, ...]
    position: int
    optional: bool = False
    where: str = ""

    def __str__(self) -> str:
        return path_text(self.parts)


def path_text(parts: tuple[str | int, ...]) -> str:
    """A path as it is written: `x.a`, `x['a-b']`, `x[0]`.

    Args:
        parts: the root name, then keys and indices.
    """
    return str(parts[0]) + "".join(map(_key_text, parts[1:])) if parts else ""


def look_up(value: Any, key: Any) -> Any:
    """The value under a key of a map, or at an index of a list or text; `MISSING` where there is none.

    Never an attribute: what is neither a map, a list nor a text has no keys (rule 12.1).

    Args:
        value: where to look.
        key: a key or an index.

    Raises:
        ExpressionTypeError: the key is of a kind that no map can have.
    """
    if is_map(value):
        try:
            # First `in`: reading a missing key of a defaultdict would create it, and `get` is an attribute.
            return value[key] if key in value else MISSING  # noqa: SIM401
        except KeyError:
            return MISSING
        except TypeError:
            raise ExpressionTypeError(f"{kind(key)} cannot be a key") from None
    if type(key) is int and (isinstance(value, str) or is_list(value)):
        try:
            return value[key]
        except IndexError:
            return MISSING
    return MISSING


def static_parts(node: Node) -> tuple[tuple[str | int, ...], bool]:
    """The parts of a path that are written out, and whether that is all of it.

    Args:
        node: a tree; no path is `((), False)`.
    """
    if isinstance(node, Name):
        return (node.name,), True
    if not isinstance(node, Lookup) or not isinstance(node.target, Name):
        return (), False
    parts: list[str | int] = [node.target.name]
    for key in node.keys:
        if not isinstance(key, Constant) or type(key.value) not in (str, int):
            return tuple(parts), False
        parts.append(key.value)
    return tuple(parts), True


def explain_missing(node: Node, scope: Scope, text: str, evaluate: Callable[[Node], Any]) -> UnknownName:
    """Why an expression is missing: the first key that is not there, what is, and what is nearest.

    Args:
        node: the tree whose value is missing.
        scope: the root names and their values.
        text: the whole text, for the error.
        evaluate: computes a part of the tree in this scope.
    """
    match node:
        case Name(name, position):
            hint = f"the names are {listing(scope)}{nearest(name, scope)}"
            return UnknownName(f"there is no name `{name}`; {hint}", text, position)
        case Lookup(target, keys) if evaluate(target) is MISSING:
            return explain_missing(target, scope, text, evaluate)
        case Lookup(target, keys):
            return _explain_keys(target, keys, text, evaluate)
        case Coalesce(operands) | Either(operands):
            return explain_missing(operands[-1], scope, text, evaluate)
        case Both(operands):
            decided = next(part for part in operands if evaluate(part) is MISSING)
            return explain_missing(decided, scope, text, evaluate)
        case Choice(condition, chosen, other):
            taken = chosen if evaluate(condition) else other
            return explain_missing(taken, scope, text, evaluate)
        case Call(name, _, position):
            return UnknownName(f"`{name}` of an empty list is missing", text, position)
        case _:
            return UnknownName("this value is missing", text, node.position)


def _explain_keys(target: Node, keys: tuple[Node, ...], text: str, evaluate: Callable[[Node], Any]) -> UnknownName:
    value = evaluate(target)
    parts, known = static_parts(target)
    written = path_text(parts) if known else "this value"
    for key_node in keys:
        key = evaluate(key_node)
        if key is MISSING:
            return UnknownName("the key itself is missing", text, key_node.position)
        below = look_up(value, key)
        if below is MISSING:
            return UnknownName(f"`{written}` {_what_there_is(value, key)}", text, key_node.position)
        value, written = below, f"{written}{_key_text(key)}"
    return UnknownName(f"`{written}` is missing", text, target.position)


def _what_there_is(value: Any, key: Any) -> str:
    shown = key if isinstance(key, str) and _SIMPLE_KEY.fullmatch(key) else _key_text(key)
    if is_map(value):
        hint = nearest(key, value) if isinstance(key, str) else ""
        return f"has no `{shown}`; " + (f"it has {listing(value)}{hint}" if value else "it is empty")
    if isinstance(value, str) or is_list(value):
        return f"is {kind(value)} of {len(value)}, and has no `{shown}`"
    return f"is {kind(value)}, and has no keys; asked for `{shown}`"


def _key_text(key: Any) -> str:
    if isinstance(key, str):
        return f".{key}" if _SIMPLE_KEY.fullmatch(key) else f"[{quoted(key)}]"
    return f"[{key}]" if type(key) is int else "[…]"
