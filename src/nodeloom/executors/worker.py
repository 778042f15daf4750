"""A worker process: performs calls, one after the other, until it is asked to end (semantics 7.2).

It is started by a pool, in `resources/processes.py`; a keeper stands between them. The author's code runs in the main
thread, coroutines on one loop that stays.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import socket
import sys
from collections.abc import Awaitable, Coroutine, Mapping
from typing import Any, NamedTuple, cast

from ..errors import DefinitionError, NotStorable, OutputError
from ..model.codec import decode_value, encode_value
from ..model.edge import Route
from ..model.masks import in_short
from ..model.values import Values
from ..nodes.context import Walk
from ..nodes.memory import Memory
from ..nodes.node import Node
from ..nodes.own import own_params
from ..resources.frames import FrameSocket
from ..resources.processes import ProcessPool
from ..resources.threads import ThreadPool
from .calls import Call, call_of
from .failures import tell
from .parcel import unfit, unpack
from .sealed import sealed_fields, unsealed
from .worker_context import LogForwarder, Sent, WorkerContext, make_context

__all__ = ["main"]


def main(data: int) -> None:
    """Perform what comes in by a socket, until nothing does.

    Args:
        data: the number of the socket.
    """
    sys.argv[1:] = []
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a killed worker flushes nothing
    link = FrameSocket(socket.socket(fileno=data))
    with asyncio.Runner() as runner:
        worker = Worker(link, runner)
        while message := link.receive():
            link.send(b"A" + worker.answer(decode_value(message)))
        worker.stop()


class Bound(NamedTuple):
    """A definition that was sent, made into a node.

    Attributes:
        call: performs its work. waits: it does so on a loop.
    """

    node: Node
    call: Call
    waits: bool


class Worker:
    """What a worker process is, between two calls.

    Args:
        link: to the process it works for. runner: its loop.
    """

    def __init__(self, link: FrameSocket, runner: asyncio.Runner) -> None:
        self._link = link
        self._runner = runner
        self._bound: dict[bytes, Bound] = {}
        self._started: dict[bytes, Node] = {}
        self._ticket = 0
        logging.getLogger().addHandler(LogForwarder(self._tell_record))

    def answer(self, call: dict[str, Any]) -> bytes:
        """Perform a call; the answer, as it is sent."""
        sent = Sent(call, self._link)
        self._ticket = call["ticket"]
        logging.getLogger().setLevel(call["level"])
        try:
            answer = self._prepare(call, sent) if "definition" in call else self._perform(call, sent)
        except NotStartedError as error:
            answer = {"error": tell(error.reason, call["node"]), "at_start": True}
        except BaseException as error:
            answer = {"error": tell(error, call["node"])}
        finally:
            sent.close()
            _flush()
        self._ticket = 0
        return _encoded(answer, call["node"])

    def stop(self) -> None:
        """Call `on_stop` of the nodes that were started here."""
        for node in self._started.values():
            try:
                self._finish(node.on_stop())
            except Exception:  # one failing end must not keep the others from being called
                logging.getLogger(node.identifier).exception("on_stop of node %s failed in a worker process", node.id)
        _flush()

    def _prepare(self, call: dict[str, Any], sent: Sent) -> dict[str, Any]:
        """Make the node of a definition, and call its `on_start`, once in this process (6.1)."""
        for key in call["forget"]:
            if key not in self._started:
                self._bound.pop(key, None)
        key = call["key"]
        if key not in self._bound:
            self._bound[key] = _bound(call)
        node = self._bound[key].node
        hooked = type(node).on_start is not Node.on_start or type(node).on_stop is not Node.on_stop
        if hooked and key not in self._started:
            ctx = make_context(sent, node, _params_of(node, call), None)
            with Walk(ctx.live, ctx):
                try:
                    self._finish(node.on_start(ctx))
                except Exception as error:  # the run fails by it, whatever it is
                    raise NotStartedError(error) from error
            self._started[key] = node
        return {}

    def _perform(self, call: dict[str, Any], sent: Sent) -> dict[str, Any]:
        bound = self._bound[call["key"]]
        memory = Memory(call["memory"]) if "memory" in call else None
        ctx = make_context(sent, bound.node, _params_of(bound.node, call), memory)
        with Walk(ctx.live, ctx):
            work = bound.call(ctx)
            result = self._finish(work) if bound.waits else _driven(work)
        answer = _answer_of(result, ctx)
        if memory is not None:
            memory.commit()
            answer["memory"] = call["memory"]
        return answer

    def _finish(self, value: Any) -> Any:
        """What a hook or a coroutine comes to."""
        if not inspect.isawaitable(value):
            return value
        return self._runner.run(_alone(value), context=contextvars.copy_context())

    def _tell_record(self, fields: dict[str, Any]) -> None:
        if self._ticket:
            self._link.send(b"T" + encode_value(("log", self._ticket, fields)))
        else:
            sys.stderr.write(f"{fields['levelname']} {fields['name']}: {fields['msg']}\n")


def _bound(call: dict[str, Any]) -> Bound:
    node = unpack(call["definition"])
    node.id = call["node"]
    node.isolation = "inline"  # it is where it should be
    waits = node.signature is not None and node.signature.shape in ("coroutine", "async_generator")
    return Bound(node, call_of(node, _NoPools(), node.id), waits)


class NotStartedError(Exception):
    """`on_start` failed."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


async def _alone(work: Awaitable[Any]) -> Any:
    """Await work, and leave no asyncio task of it behind: until the next call, nothing would run."""
    try:
        return await work
    finally:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def _driven(work: Awaitable[Any]) -> Any:
    """Work that never waits, outside of a loop, so that it may have one of its own."""
    coroutine = cast("Coroutine[Any, Any, Any]", work)
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("plain work waited for something")


def _params_of(node: Node, call: dict[str, Any]) -> Any:
    """The params of this step, their secrets resolved in this process (12.3)."""
    params = _own_params(node, call)
    if "secrets" not in call:
        return params
    from ..resources.secrets import Secrets

    return unsealed(params, sealed_fields(node), Secrets.received(call["secrets"]))


def _own_params(node: Node, call: dict[str, Any]) -> Any:
    """The params as they were sent; containers are the step's own, for the node is used again (1.1)."""
    if "params" in call:
        if node.params_model is None:
            return Values(call["params"])
        from ..forms.validating import validate

        return validate(node.params_model, call["params"], subject=call["node"], computed=True)
    return own_params(node.params)


def _answer_of(result: Any, ctx: WorkerContext) -> dict[str, Any]:
    """What `work` returned, as plain data."""
    sends = None
    if isinstance(result, Route):
        sends = [(target, None if inputs is None else dict(inputs)) for target, inputs in result.sends()]
        result = result.outputs
    if result is not None and not isinstance(result, Mapping):
        raise OutputError(
            f"work of node {ctx.node_id} returned {type(result).__name__} {in_short(result, 80)}; "
            f"it returns a mapping of outputs, None, or a Route"
        )
    outputs = None if result is None else dict(cast("Mapping[str, Any]", result))
    return {"outputs": outputs} if sends is None else {"outputs": outputs, "sends": sends}


def _encoded(answer: dict[str, Any], node_id: str) -> bytes:
    try:
        return encode_value(answer)
    except (NotStorable, ValueError) as error:
        refused = OutputError(unfit(node_id, "what it gives", error))
        return encode_value({"error": tell(refused, node_id)})


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


class _NoPools:
    """What a worker has of the engine's pools: nothing, for it is one itself."""

    def pool(self, name: str) -> ThreadPool:
        raise DefinitionError(f"there is no pool {name!r} in a worker process")

    def processes(self, name: str) -> ProcessPool:
        raise DefinitionError(f"there is no pool {name!r} in a worker process")
