"""The functions of an author's that options and derived values come from: what they ask for, and asking them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from ..clock import Alarm
from ..errors import DefinitionError

__all__ = ["RUNTIME", "AskedByName", "Asker", "Asking", "Offload", "Question", "runtime_of"]

RUNTIME = ("query", "cursor", "ctx")
"""Keyword-only parameters of these names are the runtime's: a search text, where a page begins, and services."""

Offload = Callable[..., Awaitable[Any]]
"""Runs a blocking function on a thread."""


class Question(NamedTuple):
    """What a function is asked with, beside the values of its parents.

    Attributes:
        query: a search text. cursor: where the page begins that is wanted. ctx: services of the engine.
    """

    query: str = ""
    cursor: str | None = None
    ctx: Any = None


class Asker(NamedTuple):
    """How functions are asked.

    Attributes:
        offload: runs one that blocks. timeout: seconds until it is given up. ctx: services for those that ask for it.
    """

    offload: Offload = asyncio.to_thread
    timeout: float | None = 5.0
    ctx: Any = None


class Asking:
    """A function of the author's whose parameters name the fields that it depends on.

    Args:
        function: plain or async. what: whose it is, for messages.

    Attributes:
        parents: the fields it cannot do without, in the order of its parameters. wished: those it has a default for.
        runtime: which of `query`, `cursor` and `ctx` it takes.

    Raises:
        DefinitionError: its parameters cannot be told, or can name no fields.
    """

    __slots__ = ("_blocks", "_function", "parents", "runtime", "wished")

    def __init__(self, function: Callable[..., Any], what: str) -> None:
        self._function = function
        self._blocks = not _is_async(function)
        self.parents, self.wished, self.runtime = _read(function, what)

    @property
    def depends_on(self) -> tuple[str, ...]:
        """Every field that it depends on."""
        return self.parents + self.wished

    async def ask(self, values: Mapping[str, Any], question: Question, asker: Asker, read: Callable[[Any], Any]) -> Any:
        """What the function gives for these values of its parents; those it only wishes for may be left out.

        Args:
            values: by name. question: what else it is asked with. asker: how. read: makes sense of what it gives, on
                its thread where it blocks, for there may be very much of it.

        Raises:
            TimeoutError: it took too long. Whatever the function raises.
        """
        asked = {name: getattr(question, name) for name in self.runtime}
        return await _within(asker.timeout, self._asked({**values, **asked}, asker, read))

    async def _asked(self, given: Mapping[str, Any], asker: Asker, read: Callable[[Any], Any]) -> Any:
        if not self._blocks:
            return read(await self._function(**given))

        def call() -> Any:
            answer = self._function(**given)
            return Later(answer) if inspect.isawaitable(answer) else read(answer)

        found = await asker.offload(call)
        return read(await found.given) if isinstance(found, Later) else found


async def _within(seconds: float | None, answer: Awaitable[Any]) -> Any:
    """What is awaited; given up after that time with the message that has a pool leave its thread at once.

    Raises:
        TimeoutError: it took longer. CancelledError: whoever asked was cancelled, which wins when both happen.
    """
    if seconds is None:
        return await answer
    alarm = Alarm("timeout")
    timer = asyncio.get_running_loop().call_later(seconds, alarm.ring)
    try:
        found = await answer
    except (Exception, asyncio.CancelledError) as error:
        if alarm.rang:
            raise alarm.outcome(TimeoutError) from error
        raise
    finally:
        timer.cancel()
    if alarm.rang:
        raise alarm.outcome(TimeoutError)
    return found


class Later(NamedTuple):
    """What a plain function gave, and is to be awaited."""

    given: Awaitable[Any]


def _is_async(function: Callable[..., Any]) -> bool:
    call = getattr(function, "func", function)  # of a partial
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(getattr(call, "__call__", None))  # noqa: B004


def _read(function: Callable[..., Any], what: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise DefinitionError(f"{what} is a function whose parameters name fields, not {function!r}") from error
    parents: list[str] = []
    wished: list[str] = []
    runtime: list[str] = []
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise DefinitionError(f"{what} takes {parameter}: each of its parameters names a field that it depends on")
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name in RUNTIME:
            runtime.append(parameter.name)
        else:
            (parents if parameter.default is parameter.empty else wished).append(parameter.name)
    return tuple(parents), tuple(wished), tuple(runtime)


def runtime_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """Which of the runtime's words a function takes by name only."""
    parameters = inspect.signature(function).parameters.values()
    return tuple(each.name for each in parameters if each.kind is each.KEYWORD_ONLY and each.name in RUNTIME)


class AskedByName:
    """One function for all fields, asked with a field's name and the values of what it depends on.

    Args:
        function: as `get_dependent_options(field, values)`. field: whose options, or whose value. parents: what it
            depends on.
    """

    __slots__ = ("_field", "_function", "parents", "runtime", "wished")

    def __init__(self, function: Callable[..., Awaitable[Any]], field: str, parents: tuple[str, ...]) -> None:
        self._function = function
        self._field = field
        self.parents = parents
        self.wished: tuple[str, ...] = ()
        self.runtime = runtime_of(function)

    @property
    def depends_on(self) -> tuple[str, ...]:
        """Every field that it depends on."""
        return self.parents

    async def ask(self, values: Mapping[str, Any], question: Question, asker: Asker, read: Callable[[Any], Any]) -> Any:
        """What the function gives for these values; as `Asking.ask`."""
        asked = {name: getattr(question, name) for name in self.runtime}
        return read(await _within(asker.timeout, self._function(self._field, dict(values), **asked)))
