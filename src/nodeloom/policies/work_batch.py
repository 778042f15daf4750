"""How a node's `work_batch` is called: with what it asks for, on the loop or on a thread (semantics 5.8)."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ..errors import DefinitionError, SignatureError
from ..model.values import Values
from ..nodes.context import Walk

if TYPE_CHECKING:
    from ..nodes.context import Context

__all__ = ["WorkBatch", "work_batch_of"]

WorkBatch = Callable[["Context", list[Values]], Awaitable[Any]]
"""Of the gathered call's context and the items, what `work_batch` returned."""
ASKABLE = ("items", "params", "ctx")


def work_batch_of(node: Any) -> WorkBatch:
    """How `work_batch` of a node is called; its signature is read here, once.

    Raises:
        DefinitionError: it has none. SignatureError: it asks for what does not exist, or not for `items`.
    """
    who = type(node).__qualname__
    function = getattr(node, "work_batch", None)
    if not callable(function):
        raise DefinitionError(
            f"{who} has Batching, but no work_batch: write `async def work_batch(self, items): ...`, which returns "
            f"as many outputs as it is given items"
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise SignatureError(f"work_batch of {who} yields; it returns a list, one outputs mapping an item")
    names = _asked_for(function, who)

    def given(ctx: Context, items: list[Values]) -> dict[str, Any]:
        known = {"items": items, "params": ctx.params, "ctx": ctx}
        return {name: known[name] for name in names}

    return _called(function, given, inline=node.isolation == "inline")


def _called(function: Callable[..., Any], given: Callable[..., dict[str, Any]], inline: bool) -> WorkBatch:
    """Awaited on the loop, called on it, or called on a thread."""

    async def on_loop(ctx: Context, items: list[Values]) -> Any:
        return await function(**given(ctx, items))

    async def at_once(ctx: Context, items: list[Values]) -> Any:
        return function(**given(ctx, items))

    async def offloaded(ctx: Context, items: list[Values]) -> Any:
        def work_batch() -> Any:
            with Walk(ctx.live, ctx):  # the thread may outlive the call; what it logs is the call's all the same
                return function(**given(ctx, items))

        return await ctx.offload(work_batch)

    if inspect.iscoroutinefunction(function):
        return on_loop
    return at_once if inline else offloaded


def _asked_for(function: Callable[..., Any], who: str) -> list[str]:
    names: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in ASKABLE and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            names.append(parameter.name)
        elif parameter.default is parameter.empty:
            raise SignatureError(
                f"work_batch of {who} asks for {str(parameter)!r}; it is called by name, with `items` and, if it asks "
                f"for them, `params` and `ctx`"
            )
    if "items" not in names:
        raise SignatureError(f"work_batch of {who} asks for no `items`: write `async def work_batch(self, items): ...`")
    return names
