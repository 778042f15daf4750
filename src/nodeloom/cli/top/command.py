"""`nodeloom top`: the actors and clocks of another process, as they live."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from ...runners.readings import Ask, Reading
from ...runners.sockets import Place, can_be_seen
from ..options import TopOptions
from ..report import FAILED, WRONG, UsageError, fail
from ..tally import one_line, seconds_text
from .asking import Gone, Mute, Strange, by_process, reading_of
from .display import JsonLines, Lines, Moving, Show, is_terminal

__all__ = ["top_command"]

HOW = (
    "a process can be seen that runs `nodeloom run FILE --as actor` or `--as tick`, and one of your own within "
    "`async with engine.seen():`"
)


def top_command(pid: int | None, options: TopOptions) -> int:
    """Show a process until it ends; gives the exit code."""
    _check(options)
    with suppress(KeyboardInterrupt):  # how one leaves it
        return asyncio.run(_top(pid, options))
    return 0


def _check(options: TopOptions) -> None:
    if not can_be_seen:
        raise UsageError("top needs sockets of a kind that this system does not have")
    if not options.every > 0:
        raise UsageError(f"--every {options.every:g}: give seconds, above 0")
    for word, value in (("limit", options.limit), ("count", options.count)):
        if value is not None and value < 1:
            raise UsageError(f"--{word} {value}: give a whole number from 1")


async def _top(pid: int | None, options: TopOptions) -> int:
    found = by_process()
    if pid is None and len(found) == 1:
        pid = next(iter(found))
    if pid is not None and pid in found:
        return await Watch(pid, options).run()
    if not found:
        who = "no process can be seen" if pid is None else f"process {pid} cannot be seen, and no other"
        return fail(f"{who}: {HOW}", FAILED)
    said = "several processes can be seen: say which" if pid is None else f"process {pid} cannot be seen; there is"
    return fail("\n  ".join([said, *await _described(found)]), WRONG)


async def _described(found: Mapping[int, Sequence[Place]]) -> list[str]:
    answers = await asyncio.gather(
        *[reading_of(places, Ask(limit=1)) for places in found.values()], return_exceptions=True
    )
    return [f"nodeloom top {pid}   {_words(answer)}".rstrip() for pid, answer in zip(found, answers, strict=True)]


def _words(answer: Reading | BaseException) -> str:
    if not isinstance(answer, Reading):
        return "(it does not answer)"
    systems = [f"{view.kind} {one_line(view.name)} ({view.count:,})" for view in answer.views[:5]]
    return f"{one_line(answer.program)}: {', '.join(systems) or 'nothing lives there at the moment'}"


class Watch:
    """Looks at one process again and again.

    Args:
        pid, options: which, and how.
    """

    def __init__(self, pid: int, options: TopOptions) -> None:
        self._pid = pid
        self._options = options
        self._show = _show_for(options)
        self._last: tuple[float, Reading] | None = None

    async def run(self) -> int:
        """Until the process ends, or as often as was asked for; gives the exit code."""
        self._show.start()
        try:
            return await self._looks()
        except Gone:
            ended = f"process {self._pid} has ended"
        except Strange:
            return fail(
                f"process {self._pid} answers with what is no reading: is its nodeloom another version?", FAILED
            )
        finally:
            self._show.stop()
        print(f"nodeloom: {ended}", file=sys.stderr)
        return 0

    async def _looks(self) -> int:
        loop = asyncio.get_running_loop()
        due = loop.time()
        looks = 0
        while True:
            await self._look()
            looks += 1
            if looks == self._options.count:
                return 0
            due = max(due + self._options.every, loop.time())
            await asyncio.sleep(due - loop.time())

    async def _look(self) -> None:
        ask = Ask(self._options.sort, self._show.rows)
        try:
            reading = await reading_of(by_process().get(self._pid, ()), ask)
        except Mute:
            self._without_an_answer()
            return
        self._last = time.monotonic(), reading
        self._show.show(reading)

    def _without_an_answer(self) -> None:
        """The figures of before, and for how long there have been none: that is what a blocked loop looks like."""
        since, reading = self._last or (time.monotonic(), Reading(self._pid, "", time.time()))
        for_long = f" for {seconds_text(time.monotonic() - since)}" if self._last else ""
        self._show.show(reading, f"process {self._pid} has not answered{for_long}: something blocks its event loop")


def _show_for(options: TopOptions) -> Show:
    if options.json:
        return JsonLines(sys.stdout, options.limit or 100)
    if is_terminal(sys.stdout):
        return Moving(sys.stdout, options.limit)
    return Lines(sys.stdout, options.limit or 50)
