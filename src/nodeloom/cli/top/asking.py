"""Asking other processes how they are doing, over the sockets at which they can be seen."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from ...runners.readings import Ask, Reading
from ...runners.sockets import Place, places

__all__ = ["Gone", "Mute", "Strange", "by_process", "reading_of"]

PATIENCE: Final = 2.0
"""Seconds within which a process answers whose loop is not blocked."""
LONGEST: Final = 4 * 1024 * 1024
"""Of an answer, in bytes: more is no reading."""


class Gone(Exception):
    """Nobody is there any more."""


class Mute(Exception):
    """Somebody is there, and does not answer."""


class Strange(Exception):
    """What is answered is no reading."""


def by_process() -> dict[int, list[Place]]:
    """The processes that can be seen, each with its sockets: one for each engine that is."""
    found: dict[int, list[Place]] = {}
    for place in places():
        found.setdefault(place.pid, []).append(place)
    return found


async def reading_of(found: Sequence[Place], ask: Ask) -> Reading:
    """A reading of one process, of all its engines.

    Raises:
        Gone, Mute, Strange: there is none.
    """
    if not found:
        raise Gone
    readings = await asyncio.gather(*[_answer(each, ask) for each in found], return_exceptions=True)
    good = [each for each in readings if isinstance(each, Reading)]
    if not good:
        raise next(each for each in readings if isinstance(each, BaseException))
    views = tuple(view for each in good for view in each.views)
    return msgspec.structs.replace(good[0], views=views, hidden=sum(each.hidden for each in good))


async def _answer(place: Place, ask: Ask) -> Reading:
    try:
        async with asyncio.timeout(PATIENCE):
            line = await _line(place, ask)
    except TimeoutError:
        raise Mute from None
    except asyncio.IncompleteReadError as error:
        raise (Strange if error.partial else Mute) from None  # turned away, where others look already
    except asyncio.LimitOverrunError:
        raise Strange from None
    except (ConnectionRefusedError, FileNotFoundError):
        raise Gone from None
    except OSError:
        raise Mute from None
    try:
        reading = msgspec.json.decode(line, type=Reading)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Strange from None
    if reading.pid != place.pid:
        raise Strange
    return reading


async def _line(place: Place, ask: Ask) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(place.path), limit=LONGEST)
    try:
        writer.write(msgspec.json.encode(ask) + b"\n")
        return await reader.readuntil()
    finally:
        writer.close()
