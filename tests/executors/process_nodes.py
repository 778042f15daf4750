"""Nodes that the tests of processes run elsewhere; a module of its own, for a worker imports it."""

import asyncio
import datetime as dt
import enum
import logging
import os
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import pydantic

from nodeloom import Field, Node, Params, Route, node
from nodeloom.errors import RetryAfter


@node
def where():
    return {"pid": os.getpid(), "main": threading.current_thread() is threading.main_thread()}


@node
async def where_async():
    return {"pid": os.getpid()}


@node
def echo(inputs):
    return dict(inputs)


@node
def nothing():
    return None


@node
def seven():
    return 7


@node
def unsendable():
    return {"lock": threading.Lock()}


@node
def spin():
    while True:
        pass


@node
def leave():
    os._exit(4)


@node
def look(ctx):
    """Everything a context shows, as far as it is plain."""
    return {
        "inputs": dict(ctx.inputs),
        "run_inputs": dict(ctx.run_inputs),
        "state": dict(ctx.state),
        "outputs": dict(ctx.outputs),
        "ids": [ctx.run_id, ctx.step_id, ctx.node_id, ctx.trace_id, ctx.span_id, ctx.parent_span_id],
        "attempt": ctx.attempt,
        "metadata": dict(ctx.metadata),
        "config": dict(ctx.config),
        "error": None if ctx.error is None else dict(ctx.error),
        "cancelled": ctx.cancelled,
        "key": ctx.state.word,
    }


@node
def read_state_only(state):
    return {"got": state["word"]}


@node
def read_the_outputs(ctx):
    return {"got": ctx.outputs["before"]["text"]}


@node
def read_the_item(ctx):
    return {"item": ctx.item, "index": ctx.index}


@node
def use_http(ctx):
    return ctx.http


@node
def use_a_resource(ctx):
    return ctx.resource("db")


@node
def use_resources(ctx):
    return ctx.resources.db


@node
def use_shared(ctx):
    return ctx.shared.transaction()


@node
def use_a_setting(ctx):
    return ctx.setting("file_roots")


@node
async def offload(ctx):
    def thread() -> str:
        return threading.current_thread().name

    return {"thread": await ctx.offload(thread)}


@node
def generate():
    for number in range(3):
        yield {"number": number}


@node
async def generate_async(ctx):
    ctx.progress(1, 2, "half")
    for number in range(3):
        yield {"number": number}
        await asyncio.sleep(0)


@node
def stream_a_lock(ctx):
    ctx.stream(threading.Lock())


@node
def end_badly():
    yield 1


@node
def log_something(ctx):
    ctx.log.warning("%d words", 3, extra={"colour": "red", "lock": threading.Lock()})
    logging.getLogger("quiet").debug("nobody wants to know")
    try:
        raise ValueError("deep")
    except ValueError:
        logging.getLogger("elsewhere").exception("it failed")


@node
def route(inputs):
    return Route({"n": 1}, to=["left", ("right", {"m": 2})])


@node(memory=True)
def count(ctx):
    ctx.memory["n"] = ctx.memory.get("n", 0) + 1
    ctx.memory.setdefault("seen", []).append(ctx.memory["n"])
    ctx.memory.pop("old", None)
    if ctx.inputs.get("fail"):
        raise ValueError("after writing")
    return {"n": ctx.memory["n"]}


class OwnError(Exception):
    """With a constructor that takes something else than its arguments."""

    code = "own"

    def __init__(self, *, what: str, lock: Any = None) -> None:
        super().__init__(f"own {what}")
        self.what = what
        self.lock = lock


class Unmade(OwnError):
    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if not kwargs:
            raise TypeError("not without knowing what")
        return super().__new__(cls)


class Colour(enum.Enum):
    RED = "red"


class Settings(Params):
    path: Path = Path()
    colour: Colour = Colour.RED
    on: dt.date | None = None
    price: Decimal = Decimal(0)
    secret: pydantic.SecretStr = pydantic.SecretStr("")
    words: list[str] = Field([])
    text: str = ""

    @pydantic.field_validator("words", mode="before")
    @classmethod
    def split(cls, value: Any) -> Any:
        return value.split(",") if isinstance(value, str) else value


class Configured(Node):
    async def work(self, params: Settings):
        params.words.append("added")
        return {
            "path": str(params.path),
            "types": [type(getattr(params, name)).__name__ for name in ("path", "colour", "on", "price")],
            "secret": params.secret.get_secret_value(),
            "words": params.words,
            "text": params.text,
        }


class CarriedOver(Node):
    """With a constructor of its own, and the older spelling."""

    def __init__(self, factor: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    async def execute(self, state, config, runtime):
        self.log("working", on="it")
        await runtime.stream.send({"chunk": 1})
        return {"n": state["n"] * self.factor, "config": dict(config)}


class Loose(Node):
    """With a constructor of its own, and no model of its params."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def work(self, params):
        return dict(params)


def fail_with(error: BaseException) -> NoReturn:
    raise error


@node
def fail(inputs):
    kind = inputs["kind"]
    if kind == "imported here only":
        import tabnanny

        hidden = type("HiddenError", (ZeroDivisionError,), {"__module__": "hidden.place", "code": "hidden"})
        deeper = type("DeeperError", (hidden, LookupError), {"__module__": "hidden.place", "retryable": True})
        fail_with(deeper(f"{tabnanny.__name__} is known", 3))
    errors: dict[str, BaseException] = {
        "builtin": FileNotFoundError(2, "No such file", "page.html"),
        "key": KeyError("missing"),
        "own": OwnError(what="goal"),
        "own with a lock": OwnError(what="goal", lock=threading.Lock()),
        "unmade": Unmade(what="goal"),
        "retry": RetryAfter(20),
        "exit": SystemExit(3),
        "interrupt": KeyboardInterrupt(),
        "cancelled": asyncio.CancelledError(),
        "unicode": UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
        "group": ExceptionGroup("several", [ValueError("one")]),
    }
    errors["builtin"].add_note("noted")
    fail_with(errors[kind])


@node
async def run_a_graph():
    from nodeloom import Graph

    return (await Graph(echo.copy(), name="inner").run({"x": 1})).output


@node
async def run_a_failing_graph():
    from nodeloom import Graph

    inner = fail.copy()
    await Graph(inner, name="inner").run({"kind": "key"})


@node
def use_a_loop_of_ones_own():
    async def main() -> int:
        await asyncio.sleep(0)
        return 3

    return {"n": asyncio.run(main())}


ended: list[str] = []


@node
async def leave_a_task():
    async def linger() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("cancelled")

    task = asyncio.create_task(linger())
    await asyncio.sleep(0)
    return {"done": task.done()}


@node
def what_ended():
    return {"ended": ended}


@node
def stream_later(ctx):
    """A thread that goes on when the step is over, and knows the step's context."""

    def late() -> None:
        go.wait(30)
        ctx.stream("late")
        try:
            late_reads.append(str(ctx.outputs))
        except Exception as error:
            late_reads.append(str(error))
        done.set()

    threading.Thread(target=late).start()


go, done, late_reads = threading.Event(), threading.Event(), list[str]()


@node
def let_it_go(ctx):
    ctx.stream("mine")
    go.set()
    done.wait(30)
    return {"late_reads": late_reads}


class Starting(Node):
    """Counts what happens to it in its process."""

    happened: ClassVar[list[str]] = []

    async def on_start(self, ctx):
        if ctx.inputs.get("broken"):
            raise ConnectionError("no model")
        self.happened.append("started")

    async def on_stop(self):
        with open(os.environ["NOTE_THE_STOP"], "a") as note:
            note.write("stopped\n")

    async def work(self, inputs):
        return {"happened": self.happened}


class Made(Node):
    """Counts how often it was made in its process."""

    made: ClassVar[list[int]] = []
    started: ClassVar[list[int]] = []

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.made.append(1)

    def work(self):
        return {"made": len(self.made), "started": len(self.started)}


class Counted(Made):
    async def on_start(self, ctx):
        self.started.append(1)


class SlowToStart(Node):
    started: ClassVar[list[int]] = []

    async def on_start(self, ctx):
        await asyncio.sleep(0.4)
        self.started.append(1)

    async def work(self, inputs):
        await asyncio.sleep(inputs["wait"])
        return {"started": len(self.started)}


another_name = node(lambda: {"n": 1})
again = echo.copy(id="again")
