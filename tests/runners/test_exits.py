"""`sys.exit` outside of `work` ends nothing but what it was called in (semantics 6.1, 10.4)."""

from __future__ import annotations

import functools
import sys
from typing import Annotated, Any

from nodeloom import Clock, Graph, Node, State, node
from nodeloom.testing import pass_time, run_virtual


class Leaves(Node):
    """Ends the program when it is over; at least that is what it tries."""

    def work(self) -> dict[str, Any]:
        return {"done": True}

    def on_stop(self) -> None:  # type: ignore[override]
        sys.exit(1)


def test_a_node_that_exits_when_it_is_over_leaves_the_result_as_it_is() -> None:
    """6.1: hooks observe."""
    assert Graph(Leaves(), name="leaves").run_sync().output == {"done": True}


def leave(old: int, new: int) -> int:
    sys.exit(5)


class Left(State):
    key: Annotated[int, leave] = 0


def test_a_reducer_that_exits_fails_its_run() -> None:
    """4.2"""

    @node
    async def writes() -> dict[str, int]:
        return {"key": 1}

    result = Graph(writes, name="left", state=Left).run_sync(check=False)
    assert (result.status, result.error and result.error.type) == ("failed", "ReducerFailed")


class Arm(Node):
    """Too slow, and in no state to be safe."""

    def work(self) -> None:
        pass_time(0.08)

    def safe_state(self) -> None:
        sys.exit(3)


class AsyncArm(Arm):
    async def safe_state(self) -> None:  # type: ignore[override]
        sys.exit(3)


def test_a_safe_state_that_exits_has_failed_and_the_clock_goes_on() -> None:
    """10.4"""
    for kind in (Arm, AsyncArm):

        async def main(kind: type[Node] = kind) -> Any:
            clock = Clock([kind(rate=10, deadline=0.05, on_miss="safe_state", id="arm")])
            return await clock.run(0.6)

        report = run_virtual(main())
        assert report["arm"].ticks == 6
        assert (report["arm"].health, report["arm"].reason) == ("failing", "safe_state failed: SystemExit: 3")


class Bound(Node):
    """Its hook is bound by what is no function."""

    seen: list[tuple[int, Any]] = []

    def work(self) -> dict[str, int]:
        return {"a": 1}

    def _told(self, number: int, result: Any) -> None:
        self.seen.append((number, dict(result)))

    on_finish = functools.partialmethod(_told, 3)


def test_a_hook_may_be_whatever_gives_an_instance_a_function() -> None:
    """6.1"""
    assert Graph(Bound(), name="bound").run_sync().output == {"a": 1}
    assert Bound.seen == [(3, {"a": 1})]
