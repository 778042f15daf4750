"""Hooks observe; only a failing `on_start` fails a run (6.1)."""

import asyncio
import logging
from typing import Any

import pytest

from nodeloom import Context, Engine, Graph, Node, RunFailed, node
from nodeloom.errors import NodeloomError, SignatureError


class Recording(Node):
    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.calls: list[Any] = []

    async def work(self, inputs):
        if "fail" in inputs:
            raise ValueError(inputs["fail"])
        self.calls.append("work")
        return {"n": 1}


class Async(Recording):
    async def on_start(self, ctx):
        self.calls.append(("start", type(ctx)))

    async def on_finish(self, result):
        self.calls.append(("finish", dict(result)))

    async def on_error(self, error):
        self.calls.append(("error", str(error)))

    async def on_stop(self):
        self.calls.append("stop")


class Plain(Recording):
    def on_start(self, ctx):
        self.calls.append(("start", type(ctx)))

    def on_finish(self, result):
        self.calls.append(("finish", dict(result)))

    def on_error(self, error):
        self.calls.append(("error", str(error)))

    def on_stop(self):
        self.calls.append("stop")


@pytest.mark.parametrize("kind", [Async, Plain])
async def test_hooks_are_called_around_each_step_sync_or_async(kind: type[Recording]) -> None:
    """6.1."""
    step = kind()
    async with Engine() as engine:
        graph = Graph(step)
        await engine.run(graph)
        await engine.run(graph, {"fail": "no"}, check=False)
    assert step.calls == [("start", Context), "work", ("finish", {"n": 1}), ("error", "no"), "stop"]


@pytest.mark.parametrize("kind", [Async, Plain])
async def test_hooks_are_called_in_a_direct_call_too(kind: type[Recording]) -> None:
    """6.1."""
    step = kind()
    async with Engine() as engine:
        await engine.call(step)
    assert step.calls == [("start", Context), "work", ("finish", {"n": 1}), "stop"]


async def test_on_start_is_called_once_however_many_first_steps_there_are() -> None:
    """6.1: and all of them wait for it."""
    order: list[str] = []
    free = asyncio.Event()

    class Slow(Node):
        async def on_start(self, ctx):
            order.append("start")
            await free.wait()
            order.append("started")

        async def work(self):
            order.append("work")

    graph = Graph(Slow())
    async with Engine() as engine:
        runs = [asyncio.create_task(engine.run(graph)) for _ in range(20)]
        for _ in range(10):
            await asyncio.sleep(0)
        assert order == ["start"]
        free.set()
        await asyncio.gather(*runs)
    assert order == ["start", "started", *["work"] * 20]


async def test_on_start_is_called_once_for_each_engine() -> None:
    """6.1."""
    step = Async()
    graph = Graph(step)
    for _ in range(2):
        async with Engine() as engine:
            await engine.run(graph)
            await engine.run(graph)
    assert [call for call in step.calls if call == "stop" or call[0] == "start"] == [("start", Context), "stop"] * 2


@pytest.mark.parametrize("plain", [False, True])
async def test_a_failing_on_start_fails_the_run_whatever_edges_there_are(plain: bool) -> None:
    """6.1: and the next run tries again."""
    tries: list[int] = []

    def start_it(self, ctx):
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("not there yet")

    async def start_later(self, ctx):
        start_it(self, ctx)

    async def work(self):
        return {"worked": True}

    made: Any = type("Fragile", (Node,), {"on_start": start_it if plain else start_later, "work": work})
    fragile = made()

    @node
    async def never():
        return {}

    fragile.on_error() >> never
    graph = Graph(fragile)
    async with Engine() as engine:
        for _ in range(2):
            with pytest.raises(RunFailed, match="not there yet") as caught:
                await engine.run(graph)
            assert isinstance(caught.value.__cause__, ConnectionError)
        assert (await engine.run(graph)).output == {"worked": True}
    assert len(tries) == 3


async def test_a_node_that_was_not_started_is_not_stopped() -> None:
    """6.1."""

    class Never(Async):
        async def on_start(self, ctx):
            raise ConnectionError("no")

    idle, failing = Async(), Never()
    async with Engine() as engine:
        Graph(idle)
        await engine.run(Graph(failing), check=False)
    assert idle.calls == []
    assert "stop" not in failing.calls


@pytest.mark.parametrize("hook", ["on_finish", "on_error"])
@pytest.mark.parametrize("plain", [False, True])
async def test_a_failing_observer_is_recorded_and_changes_nothing(
    hook: str, plain: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """6.1: it neither hides nor undoes the outcome."""

    def plainly(self, value):
        raise RuntimeError("the hook itself")

    async def later(self, value):
        raise RuntimeError("the hook itself")

    made: Any = type("Hooked", (Recording,), {hook: plainly if plain else later})
    graph = Graph(made(), name="g")
    inputs = {"fail": "the work"} if hook == "on_error" else {}
    with caplog.at_level(logging.ERROR):
        events = [event async for event in graph.stream(inputs)]
    failed = next(event for event in events if event.type == "hook_failed")
    assert (failed["hook"], failed["error"], failed.node) == (hook, "the hook itself", "hooked")
    assert any(hook in record.getMessage() and record.exc_info for record in caplog.records)
    if hook == "on_error":
        assert events[-1]["error"]["message"] == "the work"
        with pytest.raises(RunFailed, match="the work"):
            await graph.run(inputs)
    else:
        assert events[-1]["output"] == {"n": 1}
        assert (await graph.run(inputs)).output == {"n": 1}


async def test_a_failing_on_stop_keeps_no_other_from_being_called(caplog: pytest.LogCaptureFixture) -> None:
    """6.1."""

    class Bad(Recording):
        async def on_stop(self):
            raise RuntimeError("will not stop")

    bad, good = Bad(), Async()
    engine = Engine()
    await engine.call(bad)
    await engine.call(good)
    with caplog.at_level(logging.ERROR):
        await engine.close()
    assert good.calls[-1] == "stop"
    assert "bad" in caplog.text
    assert "will not stop" in caplog.text


async def test_an_error_hook_stands_beside_error_edges() -> None:
    """6.1: a subclass's `on_error(self, error)` and `a.on_error(X) >> b` are two things of one name."""
    step = Async()

    @node
    async def sorry(ctx):
        return {"because": ctx.error["message"]}

    step.on_error(ValueError) >> sorry
    graph = Graph(step)
    assert (await graph.run({"fail": "no"})).output == {"because": "no"}
    assert step.calls[-1] == ("error", "no")


async def test_an_error_hook_may_call_that_of_its_base() -> None:
    """6.1: through two classes and a mixin, down to the one every node has."""
    calls: list[str] = []

    class Mixin:
        async def on_error(self, error):
            calls.append("mixin")
            await super().on_error(error)  # type: ignore[misc]

    class Base(Mixin, Recording):
        async def on_error(self, error):
            calls.append("base")
            await super().on_error(error)

    class Top(Base):
        async def on_error(self, error):
            calls.append("top")
            await super().on_error(error)

    top = Top()
    with pytest.raises(ValueError, match="no"):
        await top({"fail": "no"})
    assert calls == ["top", "base", "mixin"]


async def test_an_error_hook_may_come_from_a_mixin_and_leaves_the_wiring_free() -> None:
    """6.1."""

    class Mixin:
        async def on_error(self, error):
            self.calls.append(("mixed", str(error)))  # type: ignore[attr-defined]

    class Mixed(Mixin, Recording):
        pass

    mixed = Mixed()

    @node
    async def sorry():
        return {"sorry": True}

    mixed.on_error(ValueError) >> sorry
    assert (await Graph(mixed).run({"fail": "no"})).output == {"sorry": True}
    assert mixed.calls == [("mixed", "no")]


async def test_an_inherited_error_hook_is_called() -> None:
    """6.1."""

    class Child(Async):
        pass

    child = Child()
    with pytest.raises(ValueError, match="no"):
        await child({"fail": "no"})
    assert child.calls[-1] == ("error", "no")


async def test_an_on_start_that_nobody_waits_for_any_more_ends_with_the_engine() -> None:
    """6.1, 6.2: closing leaves no task."""
    ended = asyncio.Event()
    begun = asyncio.Event()

    class Slow(Node):
        async def on_start(self, ctx):
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        async def work(self):
            return None

    engine = Engine()
    run = await engine.start(Graph(Slow()))
    await begun.wait()
    await run.cancel()
    await engine.close()
    assert ended.is_set()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_on_start_sees_the_engines_resources() -> None:
    """6.1, 7.4."""

    class Opens(Node):
        async def on_start(self, ctx):
            assert ctx.http is ctx.resource("http")
            with pytest.raises(NodeloomError):
                ctx.resource("sql")

        async def work(self):
            return {}

    await Opens()()


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("on_start", lambda self: None, "def on_start(self, ctx)"),
        ("on_start", lambda self, *, ctx: None, "def on_start(self, ctx)"),
        ("on_finish", lambda self: None, "def on_finish(self, result)"),
        ("on_finish", lambda self, ctx, result: None, "def on_finish(self, result)"),
        ("on_error", lambda self: None, "def on_error(self, error)"),
        ("on_stop", lambda self, ctx: None, "def on_stop(self)"),
        ("safe_state", lambda self, ctx: None, "def safe_state(self)"),
        ("on_start", staticmethod(lambda: None), "def on_start(self, ctx)"),
        ("on_start", 3, "def on_start(self, ctx)"),
    ],
)
def test_a_hook_that_cannot_be_called_is_refused_when_its_class_is_defined(name: str, wrong: Any, right: str) -> None:
    """6.1: and not in a run."""
    with pytest.raises(SignatureError) as caught:
        type("Opens", (Recording,), {name: wrong})
    assert str(caught.value).startswith(f"{name} of Opens ")
    assert right in str(caught.value)
    with pytest.raises(SignatureError):
        type("Opens", (type("Mixin", (), {name: wrong}), Recording), {})


@pytest.mark.parametrize(
    "hook",
    [
        lambda self, context: None,
        lambda self, ctx, more=1: None,
        lambda *all: None,
        staticmethod(lambda ctx: None),
        classmethod(lambda cls, ctx: None),
    ],
)
async def test_a_hook_may_be_written_in_any_way_that_can_be_called(hook: Any) -> None:
    """6.1."""
    opens: Any = type("Opens", (Recording,), {"on_start": hook})
    assert (await Graph(opens()).run()).output == {"n": 1}
