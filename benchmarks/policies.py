"""policies: a call that succeeds, with retry, rate limit, circuit breaker and timeout around it; µs a call.

Once with work that is ready at once, and once with work that waits for one turn of the loop. The chain is what an
engine builds around a node's work, called without a step: on this path no policy looks at one.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from benchmarks.harness import Case, Contender, Target, Workload, timed

CALLS = 1000
RATE = 1_000_000
ANSWER = {"n": 1}
Call = Callable[[Any], Awaitable[Any]]


async def ready(ctx: Any) -> dict[str, int]:
    return ANSWER


async def waiting(ctx: Any) -> dict[str, int]:
    await asyncio.sleep(0)
    return ANSWER


def calling(make: Callable[[Call], Call], work: Call) -> Callable[[], Case]:
    """A case of many calls of the work with what `make` puts around it."""

    def case() -> Case:
        call = make(work)

        async def once() -> object:
            result: object = None
            for _ in range(CALLS):
                result = await call(None)
            return result

        return Case(once, ANSWER)

    return case


def bare(work: Call) -> Call:
    return work


def by_hand(work: Call) -> Call:
    """All four, written into one function: what they cost without a framework."""
    tokens, filled, failures, open_until = float(RATE), time.monotonic(), 0, 0.0

    async def call(step: Any) -> Any:
        nonlocal tokens, filled, failures
        for attempt in range(3):
            now = time.monotonic()
            if now < open_until:
                raise RuntimeError("open")
            tokens, filled = min(RATE, tokens + (now - filled) * RATE), now
            if tokens < 1:
                await asyncio.sleep((1 - tokens) / RATE)
            tokens -= 1
            try:
                async with asyncio.timeout(5):
                    result = await work(step)
                failures = 0
                return result
            except Exception:
                failures += 1
                if attempt == 2:
                    raise
        return None

    return call


def chained(*names: str) -> Callable[[Call], Call]:
    """A chain of nodeloom's policies."""

    def make(work: Call) -> Call:
        from nodeloom import node
        from nodeloom.policies import CircuitBreaker, Concurrency, Deadline, Fallback, RateLimit, Retry, Timeout
        from nodeloom.policies.chain import chain
        from nodeloom.policies.limits import MemoryLimits
        from nodeloom.policies.policy import Place

        policies = {
            "retry": Retry(3),
            "limit": RateLimit(RATE, burst=RATE),
            "breaker": CircuitBreaker(5),
            "timeout": Timeout(5),
            "deadline": Deadline(30),
            "concurrency": Concurrency(4),
            "fallback": Fallback({}),
        }
        place = Place(node(ready), "ready", "bench", MemoryLimits(), frozenset())
        return chain([policies[name] for name in names], work, place)

    return make


def timeout_by_asyncio(work: Call) -> Call:
    async def call(step: Any) -> Any:
        async with asyncio.timeout(5):
            return await work(step)

    return call


def tenacity(work: Call) -> Call:
    from tenacity import retry, stop_after_attempt, wait_random_exponential

    return retry(stop=stop_after_attempt(3), wait=wait_random_exponential(), reraise=True)(work)


def tenacity_with_timeout(work: Call) -> Call:
    return tenacity(timeout_by_asyncio(work))


def stamina(work: Call) -> Call:
    from stamina import retry

    return retry(on=Exception, attempts=3)(work)


ALL = ("retry", "limit", "breaker", "timeout")
SINGLE = (*ALL, "deadline", "concurrency", "fallback")


def workloads(quick: bool) -> list[Workload]:
    def contend(name: str, make: Callable[[Call], Call], work: Call, role: Any = "peer") -> Contender:
        return Contender(name, timed(calling(make, work), per=CALLS), role)

    def together(name: str, work: Call, target: float) -> Workload:
        contenders = [
            contend("limit: by hand, asyncio.timeout", by_hand, work, "limit"),
            contend("nodeloom", chained(*ALL), work, "nodeloom"),
            contend("tenacity (retry alone)", tenacity, work),
            contend("tenacity, asyncio.timeout", tenacity_with_timeout, work),
            contend("stamina (retry alone)", stamina, work),
            contend("bare await", bare, work, "variant"),
        ]
        return Workload(name, "µs a call", contenders, [Target("value", target)])

    def each(name: str, work: Call, policies: Sequence[str]) -> Workload:
        contenders = [contend("bare await", bare, work, "limit")]
        contenders += [contend(f"nodeloom: {policy}", chained(policy), work, "variant") for policy in policies]
        contenders += [contend("asyncio.timeout", timeout_by_asyncio, work)]
        return Workload(name, "µs a call", contenders)

    found = [together("policies, ready", ready, 3.0), together("policies, one wait", waiting, 8.0)]
    return (
        found
        if quick
        else [*found, each("one policy, ready", ready, SINGLE), each("one policy, one wait", waiting, SINGLE)]
    )
