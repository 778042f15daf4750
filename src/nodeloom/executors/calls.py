"""How `work` is called: on the loop, inline, on a thread, or chunk by chunk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from ..errors import DefinitionError, OutputError
from ..model.masks import in_short
from ..model.values import Values
from ..nodes.context import Context, Walk
from ..nodes.node import Node
from ..nodes.signature import Shape, read_signature
from ..resources.threads import ThreadPool

if TYPE_CHECKING:
    from ..resources.processes import ProcessPool
    from ..resources.secrets import Sent

__all__ = ["Call", "Pools", "call_of", "inline_call", "of_state"]

T = TypeVar("T")
Call = Callable[[Context], Awaitable[Any]]


class Pools(Protocol):
    """Where work that does not run on the loop runs."""

    def pool(self, name: str) -> ThreadPool: ...

    def processes(self, name: str) -> ProcessPool: ...


def call_of(node: Node, pools: Pools, node_id: str, secrets: Sent | None = None) -> Call:
    """How `work` is called: directly, on the loop without a wait, on a thread, in a process, or chunk by chunk.

    Args:
        node: the definition. pools: the engine's. node_id: its place. secrets: where a process finds its secrets.
    """
    if node.isolation == "process":
        from .process import WorkerCall

        return WorkerCall(node, pools.processes(node.pool), node_id, secrets)
    shape, invoke = _invoked(node)
    if shape == "coroutine":
        return invoke
    if shape == "async_generator":
        return _streaming(invoke)
    run = _last_of(invoke) if shape == "generator" else invoke
    if node.isolation == "inline":
        return _inline(run)
    return _threaded(run, pools.pool(node.pool), node_id)


def inline_call(node: Node) -> Call | None:
    """How a plain `work` is called where its caller is, whoever that is; None of one that awaits, or runs elsewhere."""
    shape, invoke = _invoked(node)
    if node.isolation == "process" or shape not in ("plain", "generator"):
        return None
    return _inline(_last_of(invoke) if shape == "generator" else invoke)


def _invoked(node: Node) -> tuple[Shape, Callable[[Context], Any]]:
    """What calling `work` gives, and a function of the context alone that does."""
    work = getattr(node, node.spelling)
    signature = type(node).signature
    if node.spelling in node.__dict__:  # replaced on the instance, as a test does
        signature = read_signature(work, node.id, spelling=node.spelling, bound=True)
    if signature is None:
        raise DefinitionError(f"{type(node).__qualname__} has no work")
    return signature.shape, signature.bind(work)


def of_state(node: Node) -> Callable[[Values], Awaitable[Any]] | None:
    """`work` of the state alone, where it asks for nothing else and is run where its caller is."""
    work, signature = getattr(node, node.spelling), type(node).signature
    if node.spelling in node.__dict__ or signature is None or node.isolation == "process":
        return None
    if signature.names != ("state",) or signature.keywords:
        return None
    if signature.shape == "coroutine":
        return work  # type: ignore[no-any-return]
    return _inline(work) if signature.shape == "plain" and node.isolation == "inline" else None


def _streaming(invoke: Callable[[Context], Any]) -> Call:
    async def call(ctx: Context) -> Any:
        last: Any = _NOTHING
        chunks = invoke(ctx)
        try:
            async for last in chunks:
                ctx.stream(last)
        finally:
            await chunks.aclose()
        return _last_chunk(last, ctx)

    return call


def _last_of(invoke: Callable[[Context], Any]) -> Callable[[Context], Any]:
    def run(ctx: Context) -> Any:
        last: Any = _NOTHING
        chunks = iter(invoke(ctx))
        while True:
            try:
                last = next(chunks)
            except StopIteration as end:
                return _last_chunk(last, ctx, end.value)
            if ctx.cancelled:
                return None
            ctx.stream(last)

    return run


def _last_chunk(last: Any, ctx: Context, returned: Any = None) -> Any:
    """The output of a generator: what it yielded last; of one that yielded nothing, none."""
    if returned is not None:
        raise OutputError(
            f"work of node {ctx.node_id} yields, so its output is what it yields last, and what it returns besides "
            f"would be lost: yield {in_short(returned, 80)} instead"
        )
    if last is _NOTHING:
        return None
    if isinstance(last, Mapping):
        return cast("Any", last)
    raise OutputError(
        f"the last chunk that node {ctx.node_id} yields is its output and must be a mapping, "
        f"not {type(last).__name__} {in_short(last, 80)}; a node without outputs yields {{}} last"
    )


_NOTHING = object()


def _inline(run: Callable[[T], Any]) -> Callable[[T], Awaitable[Any]]:
    async def call(given: T) -> Any:
        return run(given)

    return call


def _threaded(run: Callable[[Context], Any], pool: ThreadPool, node_id: str) -> Call:
    async def call(ctx: Context) -> Any:
        walk = Walk(ctx.live)  # of its own: the thread may outlive the attempt, and is told of its end alone
        walk.context = own = ctx.having(walk=walk)

        def on_thread() -> Any:
            with walk:
                return run(own)

        return await pool.run(node_id, on_thread, walk.stop)

    return call
