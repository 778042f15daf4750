"""What a caller of a run is told."""

from __future__ import annotations

from typing import Any

from .definitions import NodeloomError

__all__ = ["EngineClosed", "RunCancelled", "RunFailed"]


class RunFailed(NodeloomError):
    """A run that failed. `result` is its `RunResult`: the error, and what was done before it."""

    code = "run_failed"

    def __init__(self, message: str, result: Any) -> None:
        super().__init__(message)
        self.result = result


class RunCancelled(NodeloomError):
    """A run that was cancelled by its engine. `result` is its `RunResult`."""

    code = "run_cancelled"

    def __init__(self, message: str, result: Any) -> None:
        super().__init__(message)
        self.result = result


class EngineClosed(NodeloomError):
    """Work was given to an engine that is closed."""

    code = "engine_closed"
