"""What a form's functions may use of an engine: they are asked outside of any run."""

from __future__ import annotations

import logging
from typing import Any, ParamSpec, Protocol, TypeVar

__all__ = ["FormContext"]

P = ParamSpec("P")
T = TypeVar("T")


class FormServices(Protocol):
    """What a form's functions ask of an engine."""

    def resource(self, name: str) -> Any: ...


class FormContext:
    """What a function for options or a derived value is given when it asks for `ctx`.

    Args:
        services: the engine's.

    Attributes:
        log: a logger.
    """

    log = logging.getLogger("nodeloom.forms")

    def __init__(self, services: FormServices) -> None:
        self._services = services

    @property
    def http(self) -> Any:
        """The engine's HTTP client."""
        return self._services.resource("http")

    def resource(self, name: str) -> Any:
        """The engine's shared resource of that name: `db = await ctx.resource("db")`; opened on first use."""
        return self._services.resource(name)
