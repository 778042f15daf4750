"""Policies on nodes of graphs: what a run, its watchers and the nodes after see of them."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from nodeloom import (
    CircuitBreaker,
    Concurrency,
    Context,
    Deadline,
    DefinitionError,
    Engine,
    Fallback,
    Field,
    Graph,
    GraphError,
    Node,
    Params,
    Policy,
    RateLimit,
    Retry,
    RetryAfter,
    RunFailed,
    Timeout,
    node,
)
from nodeloom.errors import ConcurrencyConflict, DeadlineExceeded, RateLimitConflict, StepTimeout
from nodeloom.testing import run_virtual


class Fails(Node):
    """Fails so many times, and then gives how many tries it took."""

    def __init__(self, times: int, error: Exception, **settings: Any) -> None:
        super().__init__(**settings)
        self.times = times
        self.error = error

    async def work(self, ctx: Context) -> dict[str, Any]:
        ctx.stream({"chunk": ctx.attempt})
        if ctx.attempt <= self.times:
            raise self.error
        return {"tries": ctx.attempt}


class Hosted(Params):
    host: str = ""


@node
async def sleepy(inputs: Any) -> dict[str, Any]:
    await asyncio.sleep(inputs["seconds"])
    return {"slept": inputs["seconds"]}


@node
async def after(state: Any) -> dict[str, Any]:
    return {"seen": dict(state)}


def test_a_node_is_retried_until_it_succeeds():
    """5.3"""
    graph = Graph(Fails(2, OSError("away"), id="fails", policies=[Retry(3)]), name="retried")
    result = run_virtual(graph.run())
    assert (result.output, result.steps) == ({"tries": 3}, 1)


def test_a_retry_is_announced_to_watchers_and_chunks_carry_their_attempt():
    """1.7"""

    async def main():
        graph = Graph(Fails(2, RetryAfter(7, "busy"), id="fails", policies=[Retry(3)]), name="retried")
        return [event async for event in graph.stream()]

    told = [
        (event.type, event.attempt, event.data.get("wait", event.data.get("chunk")))
        for event in run_virtual(main())
        if event.type in ("chunk", "step_retried")
    ]
    assert told == [
        ("chunk", 1, {"chunk": 1}),
        ("step_retried", 2, 7),
        ("chunk", 2, {"chunk": 2}),
        ("step_retried", 3, 7),
        ("chunk", 3, {"chunk": 3}),
    ]


def test_when_attempts_are_used_up_the_run_fails_with_the_last_error():
    """5.3"""
    graph = Graph(Fails(9, OSError("away"), policies=[Retry(3)]), name="failing")
    with pytest.raises(RunFailed, match="away"):
        run_virtual(graph.run())


def test_a_failed_attempt_leaves_no_trace():
    """4.7"""

    @node(memory=True, policies=[Retry(3)])
    async def careless(ctx: Context, inputs: Any, state: Any) -> dict[str, Any]:
        ctx.memory["tries"] = ctx.memory.get("tries", 0) + 1
        inputs["hits"].append(ctx.attempt)
        state["hits"].append(ctx.attempt)
        if ctx.attempt < 3:
            raise OSError
        return {"tries": ctx.memory["tries"], "hits": inputs["hits"]}

    careless >> after.copy()
    result = run_virtual(Graph(careless, name="careless").run({"hits": []}))
    assert result.outputs["careless"] == {"tries": 1, "hits": [3]}


@pytest.mark.parametrize(("policy", "kind"), [(Timeout(5), StepTimeout), (Deadline(5), DeadlineExceeded)])
def test_an_error_edge_for_timeouts_catches_both_kinds(policy, kind):
    """5.4, 2.5"""

    @node
    async def sorry(ctx: Context) -> dict[str, Any]:
        return {"error": dict(ctx.error or {})}

    slow = sleepy.copy(policies=[policy])
    slow.on_error(TimeoutError) >> sorry
    result = run_virtual(Graph(slow, name="slow").run({"seconds": 60}))
    assert result.output["error"]["type"] == kind.__name__


def test_what_follows_goes_on_with_the_fallback():
    """5.9"""
    first = Fails(9, OSError(), id="first", policies=[Fallback({"n": [1]})])
    first >> after.copy()
    result = run_virtual(Graph(first, name="fallback").run({"x": 1}))
    assert result.output == {"seen": {"x": 1, "n": [1]}}


def test_another_node_falls_in_with_the_steps_inputs():
    """5.9"""

    @node
    async def other(inputs: Any) -> dict[str, Any]:
        inputs["tags"].append("other")
        return {"tags": inputs["tags"]}

    first = Fails(9, OSError(), id="first", policies=[Fallback(node=other)])
    first >> after.copy()
    result = run_virtual(Graph(first, name="fallback").run({"tags": ["a"]}))
    assert result.output == {"seen": {"tags": ["a", "other"]}}


def test_a_run_tells_when_it_used_the_last_good_answer():
    """5.9"""
    failing = False

    @node(policies=[Fallback(last_good=60)])
    async def quote() -> dict[str, Any]:
        if failing:
            raise OSError("away")
        return {"price": 7}

    async def main():
        nonlocal failing
        async with Engine() as engine:
            graph = Graph(quote, name="quotes")
            await engine.run(graph)
            failing = True
            await asyncio.sleep(10)
            return [event async for event in engine.stream(graph)]

    events = {event.type: event for event in run_virtual(main())}
    assert events["fallback_used"]["age"] == pytest.approx(10)
    assert events["step_completed"]["outputs"] == {"price": 7}


def test_limits_are_shared_by_the_runs_of_an_engine():
    """5.1"""
    running = most = 0

    @node(policies=[Concurrency(2), Timeout(5)])
    async def busy() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(1)
        running -= 1

    async def main():
        graph = Graph(busy, name="busy")
        async with Engine() as engine:
            await asyncio.gather(*(engine.run(graph) for _ in range(6)))
            return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 3
    assert most == 2


def test_cancelling_a_run_ends_its_wait_for_the_next_attempt():
    """2.6, 5.3"""

    async def main():
        graph = Graph(Fails(9, RetryAfter(3600), policies=[Retry(3)]), name="waiting")
        async with Engine() as engine:
            handle = await engine.start(graph)
            await asyncio.sleep(5)
            await handle.cancel()
            return (await handle.result(check=False)).status, asyncio.get_running_loop().time()

    assert run_virtual(main()) == ("cancelled", 5)


async def test_code_on_a_thread_that_times_out_ends_its_step_at_once_and_holds_its_slot():
    """5.4"""
    let_go, begun = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    @node(policies=[Timeout(0.05), Concurrency(1, key="thread")])
    def stuck() -> dict[str, Any]:
        loop.call_soon_threadsafe(begun.set)
        let_go.wait(30)
        return {"late": True}

    @node(policies=[Concurrency(1, key="thread"), Timeout(30)])
    async def quick() -> dict[str, Any]:
        return {"late": False}

    async with Engine() as engine:
        with pytest.raises(RunFailed, match=r"took longer than its 0\.05 s"):
            await engine.run(Graph(stuck, name="stuck"))
        assert begun.is_set()
        waiting = asyncio.create_task(engine.run(Graph(quick, name="quick")))
        await asyncio.sleep(0.05)
        assert not waiting.done(), "the thread still has the slot"
        let_go.set()
        assert (await waiting).output == {"late": False}


async def test_a_node_by_itself_has_its_policies():
    """5.2"""
    assert await Fails(2, OSError(), policies=[Retry(3, wait=0)])({}) == {"tries": 3}


async def test_a_copy_has_the_same_policies():
    """1.1"""
    original = Fails(2, OSError(), policies=[Retry(3, wait=0)])
    assert await original.copy(id="again")({}) == {"tries": 3}


async def test_a_graph_as_a_node_has_policies_too():
    """2.7"""
    inner = Graph(sleepy.copy(), name="inner")
    outer = Graph(inner.as_node(id="inner").copy(policies=[Timeout(0.01), Fallback({"n": 0})]), name="outer")
    assert (await outer.run({"seconds": 60})).output == {"n": 0}


async def test_an_own_policy_sees_what_goes_in_and_out():
    """5.1"""

    class Polite(Policy):
        async def apply(self, call: Any, ctx: Context) -> Any:
            return {**await call(ctx), "thanks": ctx.inputs["name"]}

    polite = sleepy.copy(policies=[Polite()])
    assert await polite({"seconds": 0, "name": "Ada"}) == {"slept": 0, "thanks": "Ada"}


async def test_keys_use_the_rendered_params():
    """5.6, 12.1"""
    seen: list[str] = []

    class Seen(Policy):
        layer = "work"

        def around(self, call: Any, place: Any) -> Any:
            from nodeloom.policies.keys import Key

            key = Key("{{ params.host }}")

            async def handle(ctx: Context) -> Any:
                seen.append(key.of(ctx))
                return await call(ctx)

            return handle

    @node("tests.hosted", policies=[Seen(), Concurrency(1, key="{{ params.host }}"), RateLimit(99, key="{{ run.id }}")])
    async def hosted(params: Hosted) -> None:
        return None

    await Graph(hosted.copy(host="{{ inputs.host }}"), name="hosts").run({"host": "a.example"})
    assert seen == ["a.example"]


async def test_all_of_them_together_let_work_through():
    """5.1"""
    policies = [
        Retry(3),
        Timeout(5),
        Deadline(30),
        RateLimit(1000, burst=10),
        CircuitBreaker(3),
        Concurrency(2),
        Fallback({}),
    ]
    calm = sleepy.copy(policies=policies)
    assert await calm({"seconds": 0}) == {"slept": 0}


# --- what is refused


@pytest.mark.parametrize("policies", [Retry(3), [Retry], ["retry"], 3])
def test_what_is_no_list_of_policies_is_refused_where_it_is_written(policies):
    with pytest.raises(DefinitionError, match="policies"):
        Fails(1, OSError(), policies=policies)


def test_two_of_a_kind_are_refused_where_they_are_written():
    """5.1"""
    with pytest.raises(DefinitionError, match=r"policies of node .* are both retry"):
        Fails(1, OSError(), id="twice", policies=[Retry(3), Retry(4)])


@pytest.mark.parametrize("kind", [Concurrency, RateLimit])
@pytest.mark.parametrize("check", [True, False])
async def test_two_limits_under_one_key_of_two_graphs_are_refused_before_anything_runs(kind: Any, check: bool) -> None:
    """5.6: within an engine the key is one, whichever graph its nodes are in."""
    one, two = (
        Graph(sleepy.copy(id=f"n{limit}", policies=[kind(limit, key="gpu")]), name=f"g{limit}") for limit in (2, 3)
    )
    async with Engine() as engine:
        await engine.run(one, {"seconds": 0})
        with pytest.raises(GraphError, match=r"(?s)graph g3 on this engine.*node n3.*share the key 'gpu'") as caught:
            await engine.run(two, {"seconds": 0}, check=check)
    assert isinstance(caught.value.__cause__, ConcurrencyConflict | RateLimitConflict)


async def test_what_is_told_of_a_step_names_its_last_attempt() -> None:
    """1.7: chunks, and what became of a step, carry the attempt they belong to."""

    @node(policies=[Retry(3, wait=0.0)])
    async def third_time(ctx):
        if ctx.attempt < 3:
            raise OSError("not yet")
        return {}

    seen = [(event.type, event.attempt) async for event in Graph(third_time, name="told").stream({})]
    assert ("step_completed", 3) in seen
    assert [attempt for kind, attempt in seen if kind == "step_retried"] == [2, 3]


@pytest.mark.parametrize("kind", [Concurrency, RateLimit])
def test_two_limits_on_one_key_are_refused_when_the_graph_is_built(kind) -> None:
    """5.6: at build, where the key is constant; the node is named."""

    @node
    async def call():
        return {}

    one, two = (call.copy(id=f"n{limit}", policies=[kind(limit, key="api")]) for limit in (2, 3))
    with pytest.raises(GraphError) as refused:
        Graph([one, two], name="clash")
    assert [problem.node for problem in refused.value.problems] == ["n3"]
    Graph([call.copy(id=f"m{number}", policies=[kind(2, key="api")]) for number in range(2)], name="alike")


class Listed(Params):
    values: list[int] = Field(default_factory=list)


@pytest.mark.parametrize("given", [{"values": [0]}, {"values": "{{ inputs.values }}"}])
def test_an_attempt_sees_no_change_that_a_failed_one_made_in_its_params(given: dict[str, Any]) -> None:
    """4.7, also of rendered params."""
    seen: list[list[int]] = []

    class Changes(Node):
        async def work(self, params: Listed, ctx: Context) -> dict[str, Any]:
            seen.append(list(params.values))
            params.values.append(1)
            if ctx.attempt < 3:
                raise OSError
            return {}

    run_virtual(Graph(Changes(given, policies=[Retry(3, wait=0.0)]), name="g").run({"values": [0]}))
    assert seen == [[0]] * 3


@pytest.mark.parametrize("within", ["graph", "graph in a graph", "fallback"])
@pytest.mark.parametrize(
    ("one", "two"),
    [(RateLimit(1, key="a"), RateLimit(2, key="a")), (Concurrency(1, key="a"), Concurrency(2, key="a"))],
)
def test_two_limits_on_one_constant_key_are_refused_wherever_they_stand(within: str, one: Policy, two: Policy) -> None:
    """5.6: also in a graph as a node, and on the node of a Fallback."""
    inner, first = sleepy.copy(id="inner", policies=[two]), sleepy.copy(id="first", policies=[one])
    if within == "fallback":
        second: Node = sleepy.copy(id="second", policies=[Fallback(node=inner)])
    else:
        second = Graph(inner, name="sub").as_node(id="second")
        second = Graph(second, name="around").as_node(id="second") if " in " in within else second
    first >> second
    with pytest.raises(GraphError, match=r"second.*node inner of graph .*share the key") as caught:
        Graph(first, name="g")
    assert len(caught.value.problems) == 1
