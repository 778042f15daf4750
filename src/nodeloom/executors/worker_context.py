"""What a step sees in a worker process: its context without anything that is alive elsewhere (semantics 7.2)."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, ParamSpec, TypeVar, cast

from ..errors import NotStorable, StepError
from ..model.codec import decode_value, encode_value
from ..model.masks import MASKS
from ..model.plan import Plan
from ..model.run import Run, Step
from ..model.values import EMPTY, Values
from ..nodes.context import Context, Live, Own, Walk
from ..nodes.event import EventType
from ..nodes.memory import Memory
from ..nodes.node import Node
from ..resources.frames import FrameSocket
from .parcel import is_plain, unfit

__all__ = ["LogForwarder", "Sent", "WorkerContext", "make_context"]

P = ParamSpec("P")
T = TypeVar("T")
NOWHERE = (b"", 0, 0)
log = logging.getLogger("nodeloom.processes")


class Sent:
    """One call as it was sent, and the way back to who sent it.

    Args:
        call: its parts, by name. link: the socket.
    """

    def __init__(self, call: dict[str, Any], link: FrameSocket) -> None:
        self.parts = call
        self._link = link
        self._open = True
        self._lock = threading.Lock()

    def value(self, name: str) -> Any:
        """A part of the call; one that was not sent with it is asked for.

        Raises:
            StepError: it cannot be sent, or the call is over.
        """
        with self._lock:
            if name not in self.parts:
                if not self._open:
                    raise StepError(
                        f"the step of node {self.parts['node']} is over: ctx.{name} cannot be read any more"
                    )
                self._tell("read", name)
                verdict, value = decode_value(self._link.receive() or encode_value(("refused", "nobody answers")))
                if verdict == "refused":
                    raise StepError(str(value))
                self.parts[name] = value
            return self.parts[name]

    def event(self, type: EventType, data: dict[str, Any]) -> None:
        """Hand an event on to who watches the run; one that cannot be sent is lost, for watchers change nothing."""
        try:
            self._tell("event", type, data)
        except (NotStorable, ValueError) as error:
            log.warning("%s", unfit(self.parts["node"], f"its {type}", error))

    def close(self) -> None:
        """The call is over: nothing is asked for any more."""
        with self._lock:
            self._open = False

    def _tell(self, kind: str, *parts: Any) -> None:
        self._link.send(b"T" + encode_value((kind, self.parts["ticket"], *parts)))


class WorkerLive(Live):
    """What is alive about a run, in another process.

    Attributes:
        sent: the call.
    """

    __slots__ = ("sent",)
    sent: Sent

    def emit(self, type: EventType, ctx: object = None, **data: Any) -> None:
        """Tell whoever watches, if anybody does."""
        if self.sent.parts["watched"]:
            self.sent.event(type, MASKS.data(data))


class WorkerContext(Context, frozen=True):
    """One attempt's view of its run, from a worker process.

    Attributes:
        sent: the call.
    """

    sent: Any = None

    @property
    def inputs(self) -> Values:
        return cast("Values", self.sent.value("inputs"))

    @property
    def run_inputs(self) -> Values:
        return cast("Values", self.sent.value("run_inputs"))

    @property
    def state(self) -> Values:
        return cast("Values", self.sent.value("state"))

    @property
    def outputs(self) -> Values:
        return cast("Values", self.sent.value("outputs"))

    @property
    def metadata(self) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", self.sent.value("metadata"))

    @property
    def config(self) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", self.sent.value("config"))

    @property
    def item(self) -> Any:
        if self.own is None or self.own.index is None:
            raise self.no_batch("item")
        return self.sent.value("item")

    @property
    def node_id(self) -> str:
        return str(self.sent.parts["node"])

    @property
    def step_id(self) -> str:
        return str(self.sent.parts["step"])


def make_context(sent: Sent, node: Node, params: Any, memory: Memory | None) -> WorkerContext:
    """The context of a call.

    Args:
        sent: the call. node: its definition. params: as they are for this step. memory: what it may change.
    """
    call = sent.parts
    live = WorkerLive(None, cast("Plan", None), Run(call["run"], EMPTY), NoServices(call["node"]))
    live.trace_id, live.parent_span_id = call["trace"], call["parent_span"]
    live.sent = sent
    walk = Walk(live)
    step = Step(0, 0, 0, NOWHERE, EMPTY, call["error"])
    own = Own(index=call["index"]) if call["index"] is not None else None  # the item is sent when it is read
    walk.context = ctx = WorkerContext(step, walk, node, params, call["attempt"], memory, own, sent=sent)
    return ctx


class NoServices:
    """What an engine offers its steps, of which nothing is here."""

    def __init__(self, node_id: str) -> None:
        self._node_id = node_id

    @property
    def shared(self) -> Any:
        self._refuse("ctx.shared")

    def resource(self, name: str, loop: Any = None) -> Any:
        """There is none."""
        self._refuse(f"ctx.resource({name!r})" if name != "http" else "ctx.http")

    def background(self, ctx: Any, key: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> NoReturn:
        """The engine is elsewhere."""
        self._refuse("ctx.background")

    def topic_of(self, ctx: Any, name: str) -> NoReturn:
        """The engine is elsewhere."""
        self._refuse(f"ctx.topic({name!r})")

    def setting(self, name: str) -> Any:
        """There is none."""
        self._refuse(f"ctx.setting({name!r})")

    async def run_inner(self, graph: Any, inputs: Mapping[str, Any], ctx: Context) -> Values:
        """The engine is elsewhere."""
        self._refuse("ctx.run_inner")

    async def call(self, node: Any, inputs: Any = None) -> Values:
        """The engine is elsewhere."""
        self._refuse("another node")

    async def offload(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking function on a thread of this process."""
        return await asyncio.to_thread(function, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        self._refuse(f"ctx.{name}")

    def _refuse(self, what: str) -> NoReturn:
        raise StepError(
            f"node {self._node_id} runs in a worker process (isolation='process'), whose context has no live "
            f"resources: {what} cannot be used there. Open what it needs in the node itself, or use isolation='thread'"
        )


class LogForwarder(logging.Handler):
    """Hands log records on to the process that a worker works for, where loggers are set up.

    Args:
        tell: sends the fields of one.
    """

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record."""
        try:
            self._tell(_fields_of(record, self.formatter or logging.Formatter()))
        except Exception:  # as every handler: a record that cannot be written is no reason to fail
            self.handleError(record)


def _fields_of(record: logging.LogRecord, formatter: logging.Formatter) -> dict[str, Any]:
    """A record as plain data; what is not is told by its representation."""
    fields = {name: value if is_plain(value) else repr(value) for name, value in vars(record).items()}
    error = formatter.formatException(record.exc_info) if record.exc_info else record.exc_text
    plain = {**fields, "msg": record.getMessage(), "args": None, "exc_info": None, "exc_text": error}
    masked: dict[str, Any] = MASKS.data(plain)
    return masked
