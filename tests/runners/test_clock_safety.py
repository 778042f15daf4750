"""What a clock says of a node that is in trouble: its safe state, its rate, its log lines (semantics 10.4, 10.5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from nodeloom import Clock, Node
from nodeloom.testing import pass_time, run_virtual


class Slow(Node):
    """Each of its ticks takes 0.3 s, or as long as it is told."""

    lasts = 0.3

    def work(self) -> None:
        pass_time(self.lasts)


def run(clock: Clock, duration: float) -> Any:
    async def main() -> Any:
        return await clock.run(duration)

    return run_virtual(main())


class Unsafe(Slow):
    """Its brakes fail, by an error for each call that is to fail."""

    def __init__(self, *errors: Exception, **settings: Any) -> None:
        super().__init__(on_miss="safe_state", id="arm", **settings)
        self.errors = list(errors)
        self.called: list[float] = []

    def safe_state(self) -> Any:
        self.called.append(asyncio.get_running_loop().time())
        if self.errors:
            raise self.errors.pop(0)


class UnsafeLater(Unsafe):
    async def safe_state(self) -> None:
        await asyncio.sleep(0.01)
        super().safe_state()


@pytest.mark.parametrize("kind", [Unsafe, UnsafeLater])
def test_a_safe_state_that_fails_is_told_and_no_safe_state(kind: Callable[..., Unsafe]) -> None:
    """10.4: it has its own event, and the figures say that the node fails, and by what."""
    told: list[tuple[str, dict[str, Any]]] = []
    clock = Clock([kind(OSError("no brakes"), rate=1, deadline=0.1)], watch=lambda e: told.append((e.type, e.data)))
    report = run(clock, 1.0)
    assert [kind for kind, _ in told] == ["missed", "safe_state_failed", "stopped"]
    assert told[1][1] == {"error": "OSError: no brakes"}
    assert (report["arm"].health, report["arm"].reason) == ("failing", "safe_state failed: OSError: no brakes")


@pytest.mark.parametrize(("limit", "lasts"), [("deadline", 0.3), ("watchdog", 10.0)])
def test_a_safe_state_that_failed_is_tried_again_until_it_is_done(
    limit: str, lasts: float, caplog: pytest.LogCaptureFixture
) -> None:
    """10.4: at each miss or expiry, and logged once for each error."""
    errors = [OSError("no brakes"), OSError("no brakes"), OSError("no power")]
    arm = Unsafe(*errors, rate=1, **{limit: 0.2})
    arm.lasts = lasts
    run(Clock([arm]), 5.0)
    assert len(arm.called) == 4, "three times in vain"
    logged = [text for record in caplog.records if "safe_state of" in (text := record.getMessage())]
    assert logged == [
        "safe_state of node arm failed: OSError: no brakes",
        "safe_state of node arm failed: OSError: no power",
    ]


def test_a_safe_state_that_takes_a_while_is_called_once_and_is_none_before_it_is_done() -> None:
    """10.4"""
    seen: list[str] = []

    calls: list[str] = []

    class Brakes(Slow):
        async def safe_state(self) -> None:
            calls.append("brakes")
            await asyncio.sleep(1.0)

    class Looks(Node):
        def work(self) -> None:
            seen.append(clock.stats()["brakes"].health)

    brakes = Brakes(rate=2, deadline=0.1, on_miss="safe_state")
    clock = Clock([brakes, Looks(rate=1)], phases={"looks": 0.45})
    run(clock, 2.0)
    assert (len(calls), seen) == (1, ["late", "safe_state"])
