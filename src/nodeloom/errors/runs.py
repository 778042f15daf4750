"""What a caller of a run is told."""

from __future__ import annotations

from typing import Any

from .definitions import NodeloomError

__all__ = ["ClockStopped", "EngineClosed", "RunCancelled", "RunFailed"]


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


class ClockStopped(NodeloomError):
    """A clock that stopped before its time. `report` is its `Report`, `reason` why it stopped."""

    code = "clock_stopped"

    def __init__(self, message: str, report: Any, reason: str) -> None:
        super().__init__(message)
        self.report = report
        self.reason = reason


class EngineClosed(NodeloomError):
    """Work was given to an engine that is closed."""

    code = "engine_closed"
