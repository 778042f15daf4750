"""The process executor: a node's work in a worker process, which can be killed (semantics 7.2).

The node's type and params are sent, never the object. Of what a step brings with it, that is sent which its work asks
for by name; the rest follows when it is read from the context (`ctx.state`, `ctx.outputs`, ...).
"""

from __future__ import annotations

import contextvars
import itertools
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ..errors import NotStorable, StartFailed, StepError
from ..model.codec import decode_value, encode_value
from ..model.edge import Route
from ..nodes.context import Context
from ..nodes.memory import Memory
from ..nodes.node import Node
from ..resources.processes import ProcessPool
from ..resources.worker_process import Worker
from .failures import rebuild
from .parcel import Parcel, plain_params, unfit

if TYPE_CHECKING:
    from ..resources.secrets import Sent

__all__ = ["WorkerCall"]

READABLE = frozenset({"inputs", "run_inputs", "state", "outputs", "metadata", "config", "item"})
"""What a worker may ask for, when it is read from its context."""
KNOWN = 64
"""Of how many nodes a worker keeps what it was sent."""

Handler = Callable[[Context], Awaitable[Any]]
_tickets = itertools.count(1)
_held: contextvars.ContextVar[tuple[WorkerCall, Worker] | None] = contextvars.ContextVar("nodeloom_worker")


class WorkerCall:
    """How `work` is called in a worker process: `await call(ctx)`. Cancelling it kills the worker.

    Args:
        node: the definition. pool: the workers. node_id: its place. secrets: where a worker finds those in its params.

    Raises:
        DefinitionError: another process cannot import its type, or its params cannot be sent.
    """

    def __init__(self, node: Node, pool: ProcessPool, node_id: str, secrets: Sent | None = None) -> None:
        self._node = node
        self._more = {} if secrets is None else {"secrets": secrets}
        self._pool = pool
        self._node_id = node_id
        self._parcel = Parcel.of(node, node_id)

    async def __call__(self, ctx: Context) -> Any:
        """Call `work`, and give what it returned."""
        held = _held.get(None)
        if held is not None and held[0] is self and held[1].is_free:
            return await self._perform(held[1], ctx)
        async with self._pool.hold(self._node_id) as worker:
            await self._prepare(worker, ctx)
            return await self._perform(worker, ctx)

    def around(self, call: Handler) -> Handler:
        """A call that ends in this one, with a worker made ready before it.

        It belongs right outside of a Timeout, which then is not spent on waiting for a worker, starting it, importing
        the node's module there, or on `on_start`.
        """

        async def handle(ctx: Context) -> Any:
            async with self._pool.hold(self._node_id) as worker:
                await self._prepare(worker, ctx)
                token = _held.set((self, worker))
                try:
                    return await call(ctx)
                finally:
                    _held.reset(token)

        return handle

    async def _prepare(self, worker: Worker, ctx: Context) -> None:
        """Have a worker import the node's type, make the node, and call its `on_start`, if it has not done so."""
        key = self._parcel.key
        if key in worker.knows:
            return
        forgotten = list(worker.knows)[: max(0, len(worker.knows) - KNOWN + 1)]
        prepared = {"definition": self._parcel.definition, "forget": forgotten}
        await self._ask(worker, ctx, prepared)
        worker.knows[key] = None
        for each in forgotten:
            del worker.knows[each]

    async def _perform(self, worker: Worker, ctx: Context) -> Any:
        asked = {name: getattr(ctx, name) for name in self._parcel.asked()}
        if self._node.memory:
            asked["memory"] = dict(ctx.memory)
        answer = await self._ask(worker, ctx, asked)
        if self._node.memory:
            _keep(ctx.memory, answer["memory"])
        if "sends" not in answer:
            return answer["outputs"]
        targets = [target if inputs is None else (target, inputs) for target, inputs in answer["sends"]]
        return Route(answer["outputs"], targets)

    async def _ask(self, worker: Worker, ctx: Context, more: dict[str, Any]) -> dict[str, Any]:
        """Send a call, and give its answer.

        Raises:
            what went wrong there.
        """
        ticket = next(_tickets)
        message = {**_message(self._node, ctx), **self._more, **more, "key": self._parcel.key, "ticket": ticket}
        try:
            encoded = encode_value(message)
        except (NotStorable, ValueError) as error:
            raise StepError(unfit(self._node_id, "what it asks for", error)) from error
        answer: dict[str, Any] = decode_value(await worker.perform(encoded, _listener(ctx, ticket)))
        if "error" not in answer:
            return answer
        failure = rebuild(answer["error"])
        if "at_start" in answer:
            raise StartFailed(f"on_start of node {ctx.node_id} failed in a worker process: {failure}") from failure
        raise failure


def _message(node: Node, ctx: Context) -> dict[str, Any]:
    """What every call says, as plain data."""
    message: dict[str, Any] = {
        "node": ctx.node_id,
        "run": ctx.run_id,
        "step": ctx.step_id,
        "attempt": ctx.attempt,
        "index": ctx.own.index if ctx.own is not None else None,
        "trace": ctx.trace_id,
        "parent_span": ctx.parent_span_id,
        "error": ctx.step.error,
        "watched": ctx.live.watch is not None,
        "level": min(logging.getLogger(each).getEffectiveLevel() for each in (node.identifier, None)),
    }
    computed = node.params_model is None or getattr(node.params_model, "__depends__", False)
    rendered = node.params is None or (computed and ctx.params is not node.params)
    if rendered and ctx.params is not None:
        message["params"] = plain_params(ctx.params)
    return message


def _listener(ctx: Context, ticket: int) -> Callable[[bytes], bytes | None]:
    """What is done with what the worker says meanwhile."""

    def hear(told: bytes) -> bytes | None:
        kind, whose, *parts = decode_value(told)
        if kind == "log":
            _log(*parts)
        elif whose != ticket:
            return None  # of a thread that an earlier step has left behind
        elif kind == "event":
            ctx.live.emit(parts[0], ctx, **parts[1])
        elif kind == "read":
            return _read(ctx, parts[0])
        return None

    return hear


def _log(fields: dict[str, Any]) -> None:
    logger = logging.getLogger(fields["name"])
    if logger.isEnabledFor(fields["levelno"]):
        logger.handle(logging.makeLogRecord(fields))


def _read(ctx: Context, name: str) -> bytes:
    """What the worker asks for: the value, or why it cannot be sent."""
    value = getattr(ctx, name) if name in READABLE else None
    try:
        return encode_value(("value", value))
    except (NotStorable, ValueError) as error:
        return encode_value(("refused", unfit(ctx.node_id, f"its ctx.{name}", error)))


def _keep(memory: Memory, changed: dict[str, Any]) -> None:
    """What the attempt made of its memory; it is committed when the step completes."""
    for key in [key for key in memory if key not in changed]:
        del memory[key]
    for key, value in changed.items():
        memory[key] = value
