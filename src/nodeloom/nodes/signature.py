"""The signature of `work`, read once when the class or function is defined (semantics 1.5)."""

from __future__ import annotations

import difflib
import inspect
import types
import typing
from collections.abc import Callable
from typing import Any, Literal

from ..errors import SignatureError

__all__ = ["ASKABLE", "EXECUTE_ASKABLE", "Shape", "Signature", "read_signature"]

ASKABLE = ("ctx", "inputs", "state", "params")
EXECUTE_ASKABLE = ("state", "config", "runtime")

Shape = Literal["coroutine", "plain", "async_generator", "generator"]
Invoke = Callable[[Any], Any]


class Signature:
    """What `work` asks for, and how it runs.

    Attributes:
        names: the parameters, in order. keywords: those that can only be given by name.
        shape: what calling it gives: a coroutine, a value, an async generator or a generator.
        params: the model its `params` parameter is annotated with, if any.
    """

    __slots__ = ("keywords", "names", "params", "shape")

    def __init__(self, names: tuple[str, ...], keywords: tuple[str, ...], shape: Shape, params: Any) -> None:
        self.names = names
        self.keywords = keywords
        self.shape: Shape = shape
        self.params = params

    def bind(self, work: Callable[..., Any]) -> Invoke:
        """A function of the context alone that calls `work` with what it asks for."""
        if self.keywords:
            return _by_name(work, self.names, self.keywords)
        if len(self.names) <= 1:
            return _SINGLE[self.names](work)
        return _by_place(work, self.names)


def read_signature(work: Callable[..., Any], what: str, *, spelling: str = "work", bound: bool = False) -> Signature:
    """Read what a `work` or `execute` asks for.

    Args:
        work: the function. what: whose it is, for messages. spelling: `work` or `execute`.
        bound: it takes no `self`: a function, or a method looked up on an instance.

    Raises:
        SignatureError: an unknown parameter, naming the ones that exist; a method without `self`.
    """
    askable = ASKABLE if spelling == "work" else EXECUTE_ASKABLE
    try:
        found = list(inspect.signature(work).parameters.values())
    except ValueError:  # of a class or a function in C
        raise SignatureError(
            f"nobody can tell what {spelling} of {what} asks for: write a function around it, with any of "
            f"{', '.join(askable)}"
        ) from None
    if not bound and hasattr(type(work), "__get__"):  # what has none is no method, and is handed no node
        found = _behind_self(found, what, spelling)
    names: list[str] = []
    keywords: list[str] = []
    by_place = True
    for parameter in found:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise SignatureError(
                f"{spelling} of {what} takes {parameter}: it is called by name, with any of {', '.join(askable)}"
            )
        if parameter.name not in askable:
            if parameter.default is not parameter.empty:
                by_place = False  # the author's own default stands, so what follows it is given by name
                continue
            raise SignatureError(_unknown(parameter.name, what, spelling, askable))
        by_place = by_place and parameter.kind is not parameter.KEYWORD_ONLY
        (names if by_place else keywords).append(parameter.name)
    return Signature(tuple(names), tuple(keywords), _shape(work), _params_annotation(work))


def _behind_self(found: list[inspect.Parameter], what: str, spelling: str) -> list[inspect.Parameter]:
    """What a method asks for behind the node itself."""
    words = [parameter.name for parameter in found]
    if not found or found[0].kind is found[0].KEYWORD_ONLY or words[0] in (*ASKABLE, *EXECUTE_ASKABLE):
        right = f"def {spelling}({', '.join(['self', *words])})"
        raise SignatureError(f"{spelling} of {what} takes no self, and would be handed the node instead: write {right}")
    return found[1:]


def _unknown(name: str, what: str, spelling: str, askable: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, askable, 1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return (
        f"{spelling} of {what} asks for {name!r}, which does not exist{hint}; "
        f"it may ask for any of: {', '.join(askable)}"
    )


def _shape(work: Callable[..., Any]) -> Shape:
    """How it runs: what the outermost function is; a plain one that wraps another passes on what that gives."""
    function: Any = work
    while (shape := _own_shape(function)) == "plain" and hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return shape


def _own_shape(function: Any) -> Shape:
    callee = inspect.getattr_static(function, "__call__", function)
    for each in (function, callee):
        if inspect.isasyncgenfunction(each):
            return "async_generator"
        if inspect.iscoroutinefunction(each):
            return "coroutine"
        if inspect.isgeneratorfunction(each):
            return "generator"
    return "plain"


def _params_annotation(work: Callable[..., Any]) -> Any:
    """The class `params` is annotated with; None for none, or for a plain mapping or Any."""
    parameter = inspect.signature(work).parameters.get("params")
    if parameter is None or parameter.annotation is parameter.empty:
        return None
    known = getattr(inspect.unwrap(work), "__globals__", {})
    alone = types.SimpleNamespace(__annotations__={"params": parameter.annotation})
    try:  # of this one alone: the others may name what only a type checker knows
        annotation = typing.get_type_hints(alone, known)["params"]
    except Exception as error:  # whatever evaluating it raises, it is no model to validate with
        raise SignatureError(f"the annotation of params on {work!r} cannot be resolved: {error}") from error
    is_model = isinstance(annotation, type) and hasattr(annotation, "model_validate")
    return annotation if is_model else None


_SINGLE: dict[tuple[str, ...], Callable[[Callable[..., Any]], Invoke]] = {
    (): lambda work: lambda ctx: work(),
    ("ctx",): lambda work: work,
    ("inputs",): lambda work: lambda ctx: work(ctx.inputs),
    ("state",): lambda work: lambda ctx: work(ctx.state),
    ("params",): lambda work: lambda ctx: work(ctx.params),
    ("config",): lambda work: lambda ctx: work(ctx.config),
    ("runtime",): lambda work: lambda ctx: work(ctx.runtime),
}


def _by_place(work: Callable[..., Any], names: tuple[str, ...]) -> Invoke:
    asked = tuple(None if name == "ctx" else name for name in names)
    return lambda ctx: work(*[ctx if name is None else getattr(ctx, name) for name in asked])


def _by_name(work: Callable[..., Any], names: tuple[str, ...], keywords: tuple[str, ...]) -> Invoke:
    def value(ctx: Any, name: str) -> Any:
        return ctx if name == "ctx" else getattr(ctx, name)

    return lambda ctx: work(*[value(ctx, name) for name in names], **{name: value(ctx, name) for name in keywords})
