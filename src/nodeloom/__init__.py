"""nodeloom: write a node once, and run it as a step of a graph, under one model of steps and outcomes.

The names below are loaded when they are first used, so `import nodeloom` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import implicit as implicit  # it announces itself to the definitions

if TYPE_CHECKING:
    from .engine import Engine
    from .errors import (
        ClockStopped,
        DefinitionError,
        DocumentError,
        GraphError,
        NodeloomError,
        ParamsError,
        Problem,
        RetryAfter,
        RunCancelled,
        RunFailed,
    )
    from .forms.option import Option
    from .forms.params import Field, Params
    from .forms.secret import Secret
    from .implicit import close
    from .model.batch import Batch, BatchResult, Slot
    from .model.edge import EdgeCondition, Quorum, Route
    from .model.mailbox import Mailbox, Supervision
    from .model.reducers import Reducer, add, append, extend, maximum, messages, minimum, union
    from .model.run import RunResult
    from .nodes.context import Context
    from .nodes.declared import State
    from .nodes.event import Event
    from .nodes.function import node
    from .nodes.graph import Graph, actors
    from .nodes.logs import StepFilter
    from .nodes.node import Node
    from .nodes.registry import Registry
    from .policies import (
        Batching,
        CircuitBreaker,
        Concurrency,
        Deadline,
        Fallback,
        Idempotency,
        Policy,
        RateLimit,
        Retry,
        Timeout,
    )
    from .resources.topics import Topic
    from .runners.ticks.clock import Clock
    from .stores.redis_limits import RedisLimits

__version__ = "0.1.0"

__all__ = [
    "Batch",
    "BatchResult",
    "Batching",
    "CircuitBreaker",
    "Clock",
    "ClockStopped",
    "Concurrency",
    "Context",
    "Deadline",
    "DefinitionError",
    "DocumentError",
    "EdgeCondition",
    "Engine",
    "Event",
    "Fallback",
    "Field",
    "Graph",
    "GraphError",
    "Idempotency",
    "Mailbox",
    "Node",
    "NodeloomError",
    "Option",
    "Params",
    "ParamsError",
    "Policy",
    "Problem",
    "Quorum",
    "RateLimit",
    "RedisLimits",
    "Reducer",
    "Registry",
    "Retry",
    "RetryAfter",
    "Route",
    "RunCancelled",
    "RunFailed",
    "RunResult",
    "Secret",
    "Slot",
    "State",
    "StepFilter",
    "Supervision",
    "Timeout",
    "Topic",
    "actors",
    "add",
    "append",
    "close",
    "extend",
    "maximum",
    "messages",
    "minimum",
    "node",
    "union",
]

_HOME_OF = {
    "Engine": "engine",
    "close": "implicit",
    "ClockStopped": "errors",
    "DefinitionError": "errors",
    "DocumentError": "errors",
    "GraphError": "errors",
    "NodeloomError": "errors",
    "ParamsError": "errors",
    "Problem": "errors",
    "RetryAfter": "errors",
    "RunCancelled": "errors",
    "RunFailed": "errors",
    "Field": "forms.params",
    "Option": "forms.option",
    "Params": "forms.params",
    "Secret": "forms.secret",
    "Batch": "model.batch",
    "BatchResult": "model.batch",
    "Slot": "model.batch",
    "EdgeCondition": "model.edge",
    "Quorum": "model.edge",
    "Route": "model.edge",
    "Mailbox": "model.mailbox",
    "Supervision": "model.mailbox",
    "Reducer": "model.reducers",
    "add": "model.reducers",
    "append": "model.reducers",
    "extend": "model.reducers",
    "maximum": "model.reducers",
    "messages": "model.reducers",
    "minimum": "model.reducers",
    "union": "model.reducers",
    "RunResult": "model.run",
    "Context": "nodes.context",
    "StepFilter": "nodes.logs",
    "State": "nodes.declared",
    "Event": "nodes.event",
    "node": "nodes.function",
    "Graph": "nodes.graph",
    "actors": "nodes.graph",
    "Node": "nodes.node",
    "Registry": "nodes.registry",
    "Batching": "policies.batching",
    "CircuitBreaker": "policies.circuit_breaker",
    "Concurrency": "policies.concurrency",
    "Deadline": "policies.timeout",
    "Fallback": "policies.fallback",
    "Idempotency": "policies.idempotency",
    "Policy": "policies.policy",
    "RateLimit": "policies.rate_limit",
    "Topic": "resources.topics",
    "Clock": "runners.ticks.clock",
    "RedisLimits": "stores.redis_limits",
    "Retry": "policies.retry",
    "Timeout": "policies.timeout",
}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'nodeloom' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"nodeloom.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME_OF])
