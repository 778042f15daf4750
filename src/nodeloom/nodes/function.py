"""`@node`: a function is a node too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, overload

from ..errors import DefinitionError, ParamsError
from .naming import in_words
from .node import Node
from .signature import read_signature

__all__ = ["FunctionNode", "node"]

REQUIRED = "Field required"
"""What pydantic says of a field that is not given."""


class FunctionNode(Node):
    """A node made of a function by `@node`.

    Attributes:
        defining: the node that stands for the function is being made; it may lack params that others give.
        lacking: that node and what it lacks, where it lacks any: it can be copied, and named in documents.
    """

    defining: ClassVar[bool] = False
    lacking: ClassVar[tuple[Node, ParamsError] | None] = None

    def _check_params(self) -> None:
        try:
            super()._check_params()
        except ParamsError as error:
            kind = type(self)
            if not kind.defining or any(problem.message != REQUIRED for problem in error.problems):
                raise
            kind.lacking = self, error

    def work(self) -> None:  # replaced in the class each function gets
        return None


@overload
def node(function: Callable[..., Any], /) -> FunctionNode: ...
@overload
def node(
    identifier: str | None = None,
    /,
    *,
    display_name: str | None = None,
    icon: str | None = None,
    version: int = 1,
    category: str = "",
    **settings: Any,
) -> Callable[[Callable[..., Any]], FunctionNode]: ...
def node(
    function: Any = None,
    /,
    *,
    display_name: str | None = None,
    icon: str | None = None,
    version: int = 1,
    category: str = "",
    **settings: Any,
) -> Any:
    """Make a node of a function.

    Args:
        function: the function; or the node's identifier, when used as `@node("text.count", ...)`.
        display_name, icon, version, category: as on a class.
        **settings: what a node's constructor takes: `id`, `isolation`, `memory`, `join`, `routing`, `pool`,
            and params when the function has `params: MyParams`. One whose required params are not given here is
            given them by `copy(...)`, or by a document.

    Returns:
        A node, an object to wire and to call; `copy(id=...)` gives the same definition in a second place.

    Raises:
        SignatureError: it asks for a parameter that does not exist.

    Example:
        >>> @node
        ... async def shout(inputs):
        ...     return {"text": inputs["text"].upper()}
        >>> shout.run_sync({"text": "hello"})
        {'text': 'HELLO'}
    """
    if callable(function):
        return _make(function, {}, settings)
    if function is not None and not isinstance(function, str):
        raise DefinitionError(f"@node takes a function or an identifier, not {function!r}")
    known = {
        "identifier": function,
        "display_name": display_name,
        "icon": icon,
        "version": version,
        "category": category,
    }
    given = {key: value for key, value in known.items() if value is not None}

    def decorate(decorated: Callable[..., Any]) -> FunctionNode:
        return _make(decorated, given, settings)

    return decorate


def _make(function: Callable[..., Any], given: dict[str, Any], settings: dict[str, Any]) -> FunctionNode:
    name = getattr(function, "__name__", "node")
    read_signature(function, name, bound=True)
    words = {
        "__module__": function.__module__,
        "__qualname__": getattr(function, "__qualname__", name),
        "__doc__": function.__doc__,
        "display_name": in_words(name),
        **given,
    }
    # On the class as well, so that a node made by its type alone, as in a document, has them too.
    kept = {word: value for word, value in settings.items() if word in ("isolation", "pool")}
    made: Any = type(name, (FunctionNode,), {**words, **kept, "work": staticmethod(function)})
    made.defining = True
    instance = made(**settings)
    made.defining = False
    if not isinstance(instance, FunctionNode):
        raise DefinitionError(f"@node could not make a node of {function!r}")
    return instance
