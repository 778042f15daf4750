"""A node's own memory, and the store that steps coordinate through (4.1, 4.7)."""

import asyncio
import threading
from typing import Any

import pytest

from nodeloom import Engine, Graph, Node, RunFailed, node
from nodeloom.errors import DefinitionError


@node(memory=True)
async def count(ctx):
    ctx.memory["n"] = ctx.memory.get("n", 0) + 1
    return {"n": ctx.memory["n"]}


@node(memory=["kept"])
async def both(ctx):
    for key in ("kept", "passing"):
        ctx.memory[key] = ctx.memory.get(key, 0) + 1
    return dict(ctx.memory)


def looped(step: Node, times: int) -> Graph:
    again = step.copy(id="again")
    again.on(f"output.n < {times}") >> again
    return Graph(again, name="looped")


async def test_memory_exists_only_where_it_is_declared() -> None:
    """4.1."""

    @node
    async def ask(ctx):
        return {"n": ctx.memory.get("n")}

    with pytest.raises(DefinitionError, match="node ask has no memory: declare it"):
        await ask()


async def test_memory_is_kept_within_a_run_and_not_between_runs() -> None:
    """4.1: memory=True."""
    graph = looped(count, 3)
    for _ in range(2):
        result = await graph.run()
        assert (result.output["n"], result.steps) == (3, 3)


async def test_named_keys_outlive_the_run_and_the_others_do_not() -> None:
    """4.1: memory=[keys]."""
    async with Engine() as engine:
        graph = Graph(both.copy(id="both"), name="g")
        seen = [(await engine.run(graph)).output for _ in range(3)]
        assert seen == [{"kept": 1, "passing": 1}, {"kept": 2, "passing": 1}, {"kept": 3, "passing": 1}]
    async with Engine() as other:
        assert (await other.run(graph)).output == {"kept": 1, "passing": 1}


@pytest.mark.parametrize("keys", [["kept"], ("kept",)])
async def test_memory_may_be_declared_on_the_class(keys: Any) -> None:
    """4.1: as a list or a tuple of keys."""

    class Both(Node):
        memory = keys

        async def work(self, ctx):
            ctx.memory.kept = ctx.memory.get("kept", 0) + 1
            return dict(ctx.memory)

    graph = Graph(Both(), name="g")
    async with Engine() as engine:
        await engine.run(graph)
        assert (await engine.run(graph)).output == {"kept": 2}


async def test_two_places_have_memories_of_their_own() -> None:
    """4.1: it is the node's own."""
    one, two = count.copy(id="one"), count.copy(id="two")
    one >> two
    assert (await Graph(one).run()).output == {"n": 1}


async def test_it_can_be_reset() -> None:
    """4.1."""
    graph = Graph(both.copy(id="both"), name="g")
    async with Engine() as engine:
        await engine.run(graph)
        engine.reset_memory(graph, "both")
        assert (await engine.run(graph)).output["kept"] == 1
        engine.reset_memory("g", "both")
        assert (await engine.run(graph)).output["kept"] == 1


@pytest.mark.parametrize("memory", [True, ["n"]])
async def test_a_node_with_memory_takes_its_steps_one_at_a_time(memory: Any) -> None:
    """4.1: within a run, and where keys outlive it among runs."""
    inside: list[int] = []
    most = 0

    @node(memory=memory, join="any")
    async def slow(ctx):
        nonlocal most
        inside.append(1)
        most = max(most, len(inside))
        before = ctx.memory.get("n", 0)
        for _ in range(3):
            await asyncio.sleep(0)
        ctx.memory["n"] = before + 1
        inside.pop()
        return {"n": ctx.memory["n"]}

    @node
    async def start():
        return {}

    middle = [start.copy(id=f"middle{n}") for n in range(10)]
    start >> middle >> slow
    graph = Graph(start, name="g")
    async with Engine() as engine:
        if memory is True:
            result = await engine.run(graph)
            assert result.state["n"] == 10
        else:
            results = await asyncio.gather(*(engine.run(graph) for _ in range(10)))
            assert max(result.state["n"] for result in results) == 100
    assert most == 1


async def test_runs_with_memory_of_their_own_do_not_wait_for_one_another() -> None:
    """4.1: memory=True is each run's."""
    all_in = asyncio.Barrier(3)

    @node(memory=True)
    async def meet(ctx):
        await all_in.wait()
        return {}

    graph = Graph(meet)
    await asyncio.wait_for(asyncio.gather(*(graph.run() for _ in range(3))), 5)


@pytest.mark.parametrize("change", ["set", "in place", "delete"])
async def test_a_failed_attempt_leaves_no_trace_in_memory(change: str) -> None:
    """4.7."""

    @node(memory=["list", "n"])
    async def work(ctx, inputs):
        memory = ctx.memory
        if inputs["fail"]:
            if change == "set":
                memory["n"] = 99
                memory["new"] = 1
            elif change == "in place":
                memory["list"].append(99)
                memory["list"][0]["deep"].append(99)
            else:
                del memory["n"]
                del memory.list
            raise ValueError("after the change")
        memory.setdefault("n", 1)
        memory.setdefault("list", [{"deep": []}])
        return {"memory": dict(memory)}

    graph = Graph(work, name="g")
    async with Engine() as engine:
        first = await engine.run(graph, {"fail": False})
        await engine.run(graph, {"fail": True}, check=False)
        assert (
            (await engine.run(graph, {"fail": False})).output
            == first.output
            == {"memory": {"n": 1, "list": [{"deep": []}]}}
        )


async def test_a_cancelled_attempt_leaves_no_trace_in_memory() -> None:
    """4.7."""
    changed = asyncio.Event()

    @node(memory=["n"])
    async def work(ctx, inputs):
        ctx.memory["n"] = ctx.memory.get("n", 0) + 1
        if inputs.get("wait"):
            changed.set()
            await asyncio.Event().wait()
        return {"n": ctx.memory["n"]}

    graph = Graph(work, name="g")
    async with Engine() as engine:
        run = await engine.start(graph, {"wait": True})
        await changed.wait()
        await run.cancel()
        assert (await engine.run(graph)).output == {"n": 1}


async def test_what_a_node_handed_on_cannot_change_its_memory() -> None:
    """4.1, 4.8: the next node owns what it receives, the memory keeps its own."""

    @node(memory=["seen"])
    async def remember(ctx, inputs):
        seen = ctx.memory.setdefault("seen", [])
        seen.append(inputs["n"])
        return {"seen": seen}

    @node
    async def spoil(inputs):
        inputs["seen"].append("spoilt")

    remember >> spoil
    graph = Graph(remember, name="g")
    async with Engine() as engine:
        results = [await engine.run(graph, {"n": n}) for n in (1, 2, 3)]
        assert results[-1].outputs["remember"]["seen"] == [1, 2, 3, "spoilt"]


async def test_a_state_view_put_into_memory_stays_as_it_was() -> None:
    """4.1: the view moves with its run, what was remembered does not."""

    @node(memory=True)
    async def remember(ctx, state):
        before = ctx.memory.get("last")
        ctx.memory["last"] = state
        return {"n": state.get("n", 0) + 1, "before": None if before is None else before.get("n", 0)}

    remember.on("output.n < 3") >> remember
    assert (await Graph(remember).run()).output == {"n": 3, "before": 1}


def test_memory_behaves_as_a_mapping() -> None:
    """4.1: keys read as attributes too."""
    from nodeloom.nodes.memory import Memory

    kept = {"a": 1, "b": [1]}
    memory = Memory(kept)
    assert (memory.a, memory["b"], len(memory), list(memory)) == (1, [1], 2, ["a", "b"])
    memory.c = 3
    del memory["a"]
    assert "a" not in memory
    memory["a"] = 5
    del memory.b
    with pytest.raises(KeyError):
        del memory["b"]
    with pytest.raises(AttributeError, match="no key 'b'"):
        _ = memory.b
    assert dict(memory) == {"a": 5, "c": 3}
    assert repr(memory) == "Memory({'c': 3, 'a': 5})"
    assert kept == {"a": 1, "b": [1]}
    memory.commit()
    assert kept == {"a": 5, "c": 3}


# --- shared


def booking() -> Graph:
    @node
    async def book(ctx, inputs):
        async with ctx.shared.transaction() as t:
            seats = t.get("seats", 10)
            await asyncio.sleep(0)
            t["seats"] = seats - 1
            t["log"] = [*t.get("log", []), inputs["n"]]
            if inputs["n"] % 2:
                raise ValueError("changed my mind")
        return {"left": seats - 1}

    return Graph(book, name="g")


async def test_transactions_are_whole_under_concurrency_and_failures() -> None:
    """4.1: commits whole or not at all."""
    graph = booking()
    async with Engine() as engine:
        await asyncio.gather(*(engine.run(graph, {"n": n}, check=False) for n in range(20)))
        async with engine.shared.transaction() as t:
            assert t["seats"] == 0
            assert t["log"] == list(range(0, 20, 2))


async def test_a_transaction_that_fails_undoes_what_it_changed_in_place() -> None:
    """4.1."""
    async with Engine() as engine:
        async with engine.shared.transaction() as t:
            t["list"] = [1]
        with pytest.raises(ValueError, match="no"):
            async with engine.shared.transaction() as t:
                t["list"].append(2)
                raise ValueError("no")
        async with engine.shared.transaction() as t:
            assert t["list"] == [1]


async def test_what_was_written_cannot_be_changed_outside_a_transaction() -> None:
    """4.1."""
    mine = [1]
    async with Engine() as engine:
        async with engine.shared.transaction() as t:
            t["list"] = mine
            read = t["list"]
        mine.append(2)
        read.append(3)
        async with engine.shared.transaction() as t:
            assert t["list"] == [1]


async def test_a_cancelled_transaction_leaves_the_store_free_and_unchanged() -> None:
    """4.1."""
    inside = asyncio.Event()

    @node
    async def hold(ctx):
        async with ctx.shared.transaction() as t:
            t["n"] = 1
            inside.set()
            await asyncio.Event().wait()

    async with Engine() as engine:
        run = await engine.start(Graph(hold))
        await inside.wait()
        await run.cancel()
        async with asyncio.timeout(5), engine.shared.transaction() as t:
            assert dict(t) == {}


async def test_the_store_is_the_engines() -> None:
    """4.1, 13.1."""

    @node
    async def write(ctx):
        async with ctx.shared.transaction() as t:
            t["n"] = t.get("n", 0) + 1
        return {"n": t["n"]}

    one, two = Engine(), Engine()
    graph = Graph(write)
    assert [(await one.run(graph)).output["n"] for _ in range(2)] == [1, 2]
    assert (await two.run(graph)).output["n"] == 1
    await one.close()
    await two.close()


async def test_a_failure_of_the_run_leaves_what_was_committed() -> None:
    """4.1, 4.7: a transaction is an effect of its own."""

    @node
    async def write(ctx):
        async with ctx.shared.transaction() as t:
            t["n"] = 1
        raise ValueError("later")

    async with Engine() as engine:
        with pytest.raises(RunFailed):
            await engine.run(Graph(write))
        async with engine.shared.transaction() as t:
            assert t["n"] == 1


def count_up(name: str, **settings: Any) -> Any:
    @node(id=name, **settings)
    def count_up(ctx):
        with ctx.shared.transaction() as t:
            seen = t.get("n", 0)
            threading.Event().wait(0.001)  # others would come between, if they could
            t["n"] = seen + 1
        return {"n": seen + 1}

    return count_up


async def test_plain_nodes_on_threads_take_turns_with_those_on_the_loop() -> None:
    """4.1: `with` on a thread, `async with` on the loop; each sees and changes the store alone."""

    @node
    async def on_the_loop(ctx):
        async with ctx.shared.transaction() as t:
            seen = t.get("n", 0)
            await asyncio.sleep(0.001)
            t["n"] = seen + 1
        return {"n": seen + 1}

    graphs = [Graph(count_up("on_a_thread")), Graph(on_the_loop)]
    async with Engine(pools={"default": 4}) as engine:
        results = await asyncio.gather(*(engine.run(graphs[n % 2]) for n in range(40)))
        assert sorted(result.output["n"] for result in results) == list(range(1, 41))


async def test_a_transaction_on_a_thread_undoes_what_fails_inside_and_goes_on_with_the_next() -> None:
    """4.1."""

    @node
    def fail(ctx):
        with ctx.shared.transaction() as t:
            t["n"] = 5
            raise ValueError("no")

    async with Engine() as engine:
        assert (await engine.run(Graph(fail), check=False)).status == "failed"
        assert (await engine.run(Graph(count_up("on_a_thread")))).output == {"n": 1}


async def test_a_step_that_holds_a_transaction_cannot_wait_for_itself() -> None:
    """4.1: neither in its own task nor on a thread that it waits for, nor twice on a thread; it is told so."""

    def inner(ctx):
        with ctx.shared.transaction():
            return {}

    @node
    async def on_the_loop(ctx):
        async with ctx.shared.transaction(), ctx.shared.transaction():
            return {}

    @node
    async def through_a_thread(ctx):
        async with ctx.shared.transaction():
            return await ctx.offload(inner, ctx)

    @node
    def on_a_thread(ctx):
        with ctx.shared.transaction():
            return inner(ctx)

    async with Engine() as engine:
        for each in (on_the_loop, through_a_thread, on_a_thread):
            async with asyncio.timeout(5):
                result = await engine.run(Graph(each), check=False)
            assert result.error is not None
            assert "is open in this step already" in result.error.message
        assert (await engine.run(Graph(count_up("free")))).output == {"n": 1}


async def test_a_run_that_was_started_inside_a_transaction_waits_for_its_end() -> None:
    """4.1: it is another one, which inherits nothing."""
    async with Engine() as engine:
        async with engine.shared.transaction() as t:
            run = await engine.start(Graph(count_up("on_a_thread")))
            await asyncio.sleep(0.01)
            t["n"] = 7
        assert (await run.result()).output == {"n": 8}


async def test_a_plain_transaction_on_the_loop_is_refused() -> None:
    """4.1: it would block everybody, and the one it waits for."""
    async with Engine() as engine:
        result = await engine.run(Graph(count_up("inline", isolation="inline")), check=False)
        assert result.error is not None
        assert "write `async with`" in result.error.message


async def test_who_stops_waiting_for_a_transaction_does_not_keep_the_others_waiting() -> None:
    """4.1: cancelled while it waits, or at the moment when its turn comes."""
    async with Engine() as engine:

        async def enter() -> None:
            async with engine.shared.transaction() as t:
                t["n"] = t.get("n", 0) + 1

        async with engine.shared.transaction():
            waiting = [asyncio.create_task(enter()) for _ in range(3)]
            await asyncio.sleep(0)
            waiting[0].cancel()
        waiting[1].cancel()  # its turn has come, and it does not know yet
        await asyncio.wait(waiting)
        assert [each.cancelled() for each in waiting] == [True, True, False]
        async with asyncio.timeout(5), engine.shared.transaction() as t:
            assert t["n"] == 1
