"""The nodes of the matrix; a module of its own, for a worker process imports it."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import Counter
from typing import Any

from nodeloom import Context, Field, Graph, Node, Params, Route, Secret, node

CALLS: Counter[str] = Counter()
"""What was called in this process, since a test cleared it."""

TICK = threading.Event()
"""Never set: to wait for on a thread."""


class Shout(Node):
    """An async class."""

    async def work(self, inputs: Any) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"text": inputs["text"].upper()}


class Plain(Node):
    """A plain class: on a thread."""

    def work(self, inputs: Any) -> dict[str, Any]:
        return {"text": inputs["text"].upper()}


class Inline(Plain):
    """A plain class, on the loop."""

    isolation = "inline"


@node
async def shouted(inputs: Any) -> dict[str, Any]:
    return {"text": inputs["text"].upper()}


@node
def plainly(state: Any) -> dict[str, Any]:
    return {"text": state["text"].upper()}


@node
async def chunks(inputs: Any, ctx: Context) -> Any:
    for done, letter in enumerate(inputs["text"], 1):
        ctx.progress(done, len(inputs["text"]))
        yield {"text": letter.upper()}
    yield {"text": inputs["text"].upper()}


@node
def plain_chunks(inputs: Any) -> Any:
    for letter in inputs["text"]:
        yield {"text": letter.upper()}
    yield {"text": inputs["text"].upper()}


class Hooked(Node):
    """Its hooks are counted."""

    def __init__(self, fails: str = "", **settings: Any) -> None:
        super().__init__(**settings)
        self.fails = fails

    async def on_start(self, ctx: Context) -> None:
        CALLS["on_start"] += 1
        if self.fails == "on_start":
            raise RuntimeError("cannot start")

    async def work(self, inputs: Any) -> dict[str, Any]:
        CALLS["work"] += 1
        if self.fails == "work":
            raise ValueError("no good")
        return {"text": inputs["text"].upper()}

    async def on_finish(self, result: Any) -> None:
        CALLS["on_finish"] += 1
        if self.fails == "on_finish":
            raise RuntimeError("cannot finish")

    async def on_error(self, error: BaseException) -> None:
        CALLS["on_error"] += 1

    async def on_stop(self) -> None:
        CALLS["on_stop"] += 1


class PlainHooked(Hooked):
    """Plain work and plain hooks."""

    def work(self, inputs: Any) -> dict[str, Any]:  # type: ignore[override]
        CALLS["work"] += 1
        if self.fails == "work":
            raise ValueError("no good")
        return {"text": inputs["text"].upper()}

    def on_finish(self, result: Any) -> None:  # type: ignore[override]
        CALLS["on_finish"] += 1
        if self.fails == "on_finish":
            raise RuntimeError("cannot finish")

    def on_error(self, error: BaseException) -> None:  # type: ignore[override]
        CALLS["on_error"] += 1


class Carried(Node):
    """The other spelling."""

    async def execute(self, state: Any, config: Any, runtime: Any) -> dict[str, Any]:
        runtime.stream.send({"seen": state.text})
        self.log("shouting", text=state.text)
        return {"text": state.text.upper() + config.get("end", "")}


class Greeting(Params):
    greeting: str
    name: str = Field("{{ inputs.text }}")
    times: int = Field(1, ge=1, le=3)


class Greet(Node):
    async def work(self, params: Greeting) -> dict[str, Any]:
        return {"text": " ".join([f"{params.greeting} {params.name}"] * params.times)}


class PlainGreet(Node):
    def work(self, params: Greeting) -> dict[str, Any]:
        return {"text": " ".join([f"{params.greeting} {params.name}"] * params.times)}


FALSY: dict[str, Any] = {"none": None, "zero": 0, "text": "", "list": [], "mapping": {}, "false": False}


@node
async def falsy() -> dict[str, Any]:
    return dict(FALSY)


@node
async def nothing() -> None:
    return None


@node
def plain_nothing() -> None:
    return None


@node
async def empty() -> dict[str, Any]:
    return {}


@node
async def routed(inputs: Any) -> Any:
    return Route({"text": inputs["text"].upper()}, to=[])


@node
async def routed_nowhere() -> Any:
    return Route({}, to="elsewhere")


@node
async def breaks() -> None:
    raise ValueError("no good")


@node
def plain_breaks() -> None:
    raise ValueError("no good")


@node
def breaks_in_the_middle() -> Any:
    yield {"part": 1}
    raise ValueError("no good")


@node
def hangs() -> None:
    TICK.wait()


@node
async def own_timeout() -> None:
    raise TimeoutError("the node's own")


@node
async def cancels_itself() -> None:
    raise asyncio.CancelledError


@node
async def exits() -> None:
    sys.exit(3)


@node
def plain_exits() -> None:
    sys.exit(3)


@node
async def seven() -> Any:
    return 7


@node
def plain_seven() -> Any:
    return 7


@node
async def no_last_chunk() -> Any:
    yield "text"


@node
async def wants_memory(ctx: Context) -> dict[str, Any]:
    return dict(ctx.memory)


@node
async def writes_to_inputs(inputs: Any) -> None:
    inputs["text"] = "other"


class SecretParams(Params):
    token: Secret
    url: str = ""


class Leaks(Node):
    """Says its secret aloud."""

    async def work(self, params: SecretParams) -> None:
        raise ValueError(f"refused {params.token.reveal()}")


@node(memory=True)
async def counts(ctx: Context) -> dict[str, Any]:
    ctx.memory["n"] = ctx.memory.get("n", 0) + 1
    return {"n": ctx.memory["n"]}


@node(memory=True)
def plain_counts(ctx: Context) -> dict[str, Any]:
    ctx.memory["n"] = ctx.memory.get("n", 0) + 1
    return {"n": ctx.memory["n"]}


@node(memory=["n"])
async def keeps(ctx: Context) -> dict[str, Any]:
    ctx.memory["n"] = ctx.memory.get("n", 0) + 1
    return {"n": ctx.memory["n"]}


@node(memory=True)
async def counts_every_second(ctx: Context) -> dict[str, Any]:
    """Fails at each second step, after it has counted."""
    ctx.memory["n"] = ctx.memory.get("n", 0) + 1
    CALLS["work"] += 1
    if CALLS["work"] % 2 == 0:
        raise ValueError("no good")
    return {"n": ctx.memory["n"]}


@node
async def context_of_it(ctx: Context) -> dict[str, Any]:
    return seen_of(ctx)


@node
def plain_context_of_it(ctx: Context) -> dict[str, Any]:
    return seen_of(ctx)


def seen_of(ctx: Context) -> dict[str, Any]:
    return {
        "inputs": dict(ctx.inputs),
        "run_inputs": dict(ctx.run_inputs),
        "state": dict(ctx.state),
        "outputs": dict(ctx.outputs),
        "attempt": ctx.attempt,
        "node_id": ctx.node_id,
        "params": ctx.params,
        "error": ctx.error,
        "cancelled": ctx.cancelled,
        "metadata": dict(ctx.metadata),
        "named": bool(ctx.run_id and ctx.step_id and ctx.trace_id and ctx.span_id),
        "graph": ctx.graph is not None,
        "live": ctx.live.home is not None,
    }


@node
async def logs(ctx: Context) -> dict[str, Any]:
    ctx.log.warning("hello", extra={"more": 1})
    return {"node": ctx.node_id, "run": ctx.run_id, "step": ctx.step_id}


@node
def plain_logs(ctx: Context) -> dict[str, Any]:
    ctx.log.warning("hello", extra={"more": 1})
    return {"node": ctx.node_id, "run": ctx.run_id, "step": ctx.step_id}


@node
async def offloads(ctx: Context, inputs: Any) -> dict[str, Any]:
    return {"text": await ctx.offload(str.upper, inputs["text"])}


def inner() -> Node:
    """A graph that is a node."""
    return Graph([shouted.copy(id="first")], name="inner").as_node(id="inner")
