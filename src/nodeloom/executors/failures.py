"""An exception, told to another process and made anew there.

Only classes that are known already are used: nothing is imported on the word of whoever tells.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import RemoteError, RunCancelled, RunFailed
from ..model.masks import MASKS
from ..model.result import says_retryable
from ..model.run import RunResult
from ..model.values import EMPTY
from .origin import home_module
from .parcel import is_plain
from .step_failure import as_failure

__all__ = ["rebuild", "tell"]

Names = tuple[tuple[str, str], ...]
_log = logging.getLogger("nodeloom.processes")


def tell(error: BaseException, node_id: str) -> dict[str, Any]:
    """An exception as plain data: its classes, message, arguments, attributes, notes and traceback, secrets masked."""
    if isinstance(error, asyncio.CancelledError):
        error = asyncio.CancelledError(*error.args).with_traceback(error.__traceback__)
    elif not isinstance(error, Exception):
        error = as_failure(error, node_id)
    told: dict[str, Any] = {
        "names": tuple((home_module(kind.__module__), kind.__qualname__) for kind in type(error).__mro__[:-1]),
        "message": _text_of(error),
        "code": getattr(error, "code", None),
        "retryable": says_retryable(error),
        "args": error.args,
        "made_of": _made_of(error),
        "attributes": {name: value for name, value in vars(error).items() if name != "__notes__"},
        "notes": [str(note) for note in getattr(error, "__notes__", ())],
        "traceback": "".join(traceback.format_exception(error)),
    }
    told["attributes"] = {name: value for name, value in told["attributes"].items() if is_plain(value)}
    if isinstance(error, RunFailed | RunCancelled):
        result = error.result
        told["run"] = (result.run_id, result.status, result.steps, result.error, result.errors)
    told = MASKS.data(told)
    return {name: value for name, value in told.items() if is_plain(value)}


def rebuild(told: Mapping[str, Any]) -> BaseException:
    """The exception that was told, as near to what it was as can be had here."""
    names: Names = told["names"]
    attributes: dict[str, Any] = told["attributes"]
    if "run" in told:
        run_id, status, steps, first, errors = told["run"]
        attributes["result"] = RunResult(run_id, status, EMPTY, EMPTY, EMPTY, steps, first, errors)
    kind = _known(*names[0])
    error = _as_it_was(kind, told) if kind is not None else None
    if error is None:
        error = _stand_in(names, told["message"])
        known = {name: told[name] for name in ("code", "retryable") if told.get(name) is not None}
        error.__dict__.update(known, **attributes)
    for note in [*told["notes"], f"In the worker process:\n\n{told['traceback'].rstrip()}"]:
        error.add_note(note)
    return error


def _made_of(error: BaseException) -> tuple[Any, ...]:
    """What its class is called with to make another like it."""
    try:
        reduced: Any = error.__reduce__()
    except Exception:  # of an author's, who may not want it to be copied
        return error.args
    parts: tuple[Any, ...] = reduced if isinstance(reduced, tuple) else ()  # pyright: ignore[reportUnknownVariableType]
    return parts[1] if len(parts) > 1 and parts[0] is type(error) else error.args


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # of an author's __str__
        return f"<{type(error).__name__} without a message: its __str__ raised {type(broken).__name__}>"


def _known(module: str, qualname: str) -> type[BaseException] | None:
    """An exception class that this process has imported already."""
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def _as_it_was(kind: type[BaseException], told: Mapping[str, Any]) -> BaseException | None:
    """An exception of its own class; None where it does not come out as it was."""
    if "args" not in told or "made_of" not in told:
        return None
    # By its constructor, or without, where that takes something else than what is kept as its arguments.
    return _made(kind, told) or _made(functools.partial(kind.__new__, kind), told)


def _made(make: Callable[..., BaseException], told: Mapping[str, Any]) -> BaseException | None:
    try:
        error = make(*told["made_of"])
        error.__dict__.update(told["attributes"])
        same = error.args == told["args"] and str(error) == told["message"]
    except Exception:  # whatever an author's constructor raises, it is no way to make one
        return None
    return error if same else None


def _stand_in(names: Names, message: str) -> RemoteError:
    """An exception of the same names, and of those classes of it that are known and do not resist."""
    known = [kind for name in names if (kind := _known(*name)) is not None and issubclass(kind, Exception)]
    for bases in (known, [kind for kind in known if kind.__module__ == "builtins"]):
        try:
            return _class(names, tuple(bases))(message)
        except Exception as error:  # classes that cannot be had together, or be made of a message
            _log.debug("no %s is made of %s: %s", names[0][1], bases, error)
    return _class(names, ())(message)


@functools.lru_cache(maxsize=256)
def _class(names: Names, bases: tuple[type[Exception], ...]) -> type[RemoteError]:
    """A class of the first name, below these bases; those of the others that are not known are made up as well."""
    made = type("Told", (RemoteError, *_foremost(bases)), {})
    unknown = [name for name in names if _known(*name) not in bases] or [names[0]]
    for module, qualname in reversed(unknown):
        made = type(qualname.rpartition(".")[2], (made,), {"__module__": module, "__qualname__": qualname})
    return made


def _foremost(kinds: tuple[type[Exception], ...]) -> list[type[Exception]]:
    """Those that no other of them is derived from, and that a remote error is not already."""
    others = [kind for kind in kinds if not issubclass(RemoteError, kind)]
    return [kind for kind in others if not any(each is not kind and issubclass(each, kind) for each in others)]
