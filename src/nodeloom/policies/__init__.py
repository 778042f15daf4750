"""Policies: what is done around a node's work, in one fixed order (semantics 5).

Outermost first: fallback, deadline, idempotency, retry, batching, circuit breaker, rate limit, concurrency, timeout,
work. The order in which an author lists them does not matter. The names below are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .batching import Batching
    from .circuit_breaker import CircuitBreaker
    from .concurrency import Concurrency
    from .fallback import Fallback
    from .idempotency import Idempotency
    from .policy import Policy
    from .rate_limit import RateLimit
    from .retry import Retry
    from .timeout import Deadline, Timeout

__all__ = [
    "Batching",
    "CircuitBreaker",
    "Concurrency",
    "Deadline",
    "Fallback",
    "Idempotency",
    "Policy",
    "RateLimit",
    "Retry",
    "Timeout",
]

_HOME_OF = {
    "Batching": "batching",
    "CircuitBreaker": "circuit_breaker",
    "Concurrency": "concurrency",
    "Deadline": "timeout",
    "Fallback": "fallback",
    "Idempotency": "idempotency",
    "Policy": "policy",
    "RateLimit": "rate_limit",
    "Retry": "retry",
    "Timeout": "timeout",
}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'nodeloom.policies' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME_OF])
