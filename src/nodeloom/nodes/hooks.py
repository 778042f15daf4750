"""The hooks of a node: what each is called with, told when a class is defined instead of in a run (semantics 6.1)."""

from __future__ import annotations

import inspect
from typing import Any, Final

from ..errors import SignatureError
from ..model.values import kind_of

__all__ = ["HOOKS", "check_hooks"]

HOOKS: Final[dict[str, tuple[str, ...]]] = {
    "on_start": ("ctx",),
    "on_finish": ("result",),
    "on_error": ("error",),
    "on_stop": (),
    "safe_state": (),
}
"""Each hook, and what it is called with beside the node."""


def check_hooks(kind: type, base: type) -> None:
    """Look at the hooks that a class brings, its own or those of its mixins.

    Args:
        kind: the class. base: the class of nodes; what comes from one of its subclasses was looked at before.

    Raises:
        SignatureError: a hook that cannot be called as it will be, with what would be right.
    """
    seen: set[str] = set()
    for each in kind.__mro__:
        if each is not kind and issubclass(each, base):
            return
        for name in HOOKS.keys() & each.__dict__.keys() - seen:
            seen.add(name)
            _check(kind, name, each.__dict__[name])


def _check(kind: type, name: str, hook: Any) -> None:
    if not callable(hook) and hasattr(kind_of(hook), "__get__") and not hasattr(hook, "__func__"):
        return  # what it gives an instance, as a `partialmethod` does, nobody can tell here
    if not callable(hook) and not hasattr(hook, "__func__"):
        raise SignatureError(f"{name} of {kind.__qualname__} is a method, as {_right(name)}, not {hook!r}")
    function: Any = getattr(hook, "__func__", hook)
    # A static method, and what is no function and binds to nothing, are handed no node.
    alone = issubclass(kind_of(hook), staticmethod) or not hasattr(kind_of(hook), "__get__")
    given = HOOKS[name] if alone else ("self", *HOOKS[name])
    try:
        signature = inspect.signature(function)
    except ValueError:  # of a function in C, nobody can tell
        return
    try:
        signature.bind(*given)
    except TypeError as error:
        called = f"{name}({', '.join(HOOKS[name])})"
        raise SignatureError(
            f"{name} of {kind.__qualname__} takes {signature}, and is called as {called}: write {_right(name)}"
        ) from error


def _right(name: str) -> str:
    return f"def {name}({', '.join(('self', *HOOKS[name]))})"
