"""nodeloom: write a node once, and run it as a step of a graph, under one model of steps and outcomes.

The names below are loaded when they are first used, so `import nodeloom` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import engine as _engine  # announces itself to the definitions

if TYPE_CHECKING:
    from .engine import Engine, close
    from .errors import (
        DefinitionError,
        DocumentError,
        GraphError,
        NodeloomError,
        ParamsError,
        Problem,
        RunCancelled,
        RunFailed,
    )
    from .forms.params import Field, Params
    from .model.edge import EdgeCondition, Quorum, Route
    from .model.reducers import Reducer, add, append, extend, maximum, messages, minimum, union
    from .model.run import RunResult
    from .nodes.context import Context, StepFilter
    from .nodes.declared import State
    from .nodes.event import Event
    from .nodes.function import node
    from .nodes.graph import Graph
    from .nodes.node import Node
    from .nodes.registry import Registry

__version__ = "0.1.0"

_HOMES = {
    "engine": ("Engine", "close"),
    "errors": (
        "DefinitionError",
        "DocumentError",
        "GraphError",
        "NodeloomError",
        "ParamsError",
        "Problem",
        "RunCancelled",
        "RunFailed",
    ),
    "forms.params": ("Field", "Params"),
    "model.edge": ("EdgeCondition", "Quorum", "Route"),
    "model.reducers": ("Reducer", "add", "append", "extend", "maximum", "messages", "minimum", "union"),
    "model.run": ("RunResult",),
    "nodes.context": ("Context", "StepFilter"),
    "nodes.declared": ("State",),
    "nodes.event": ("Event",),
    "nodes.function": ("node",),
    "nodes.graph": ("Graph",),
    "nodes.node": ("Node",),
    "nodes.registry": ("Registry",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [  # noqa: PLE0604 - the names of the table above
    *_HOME_OF,
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'nodeloom' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"nodeloom.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME_OF])


del _engine
