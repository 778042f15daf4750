"""The ways that are open while a text is read: followed through the places of a regular expression.

The places are those of its single characters, each with what may follow it and in how many ways. All texts are read
at once, as far as texts differ, and what is open after each is a count for each place. Where these counts come back to
what they were before, on every text, they are bounded; where there is no end of new ones, they are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from nodeloom.expressions.letters import LINE_BREAK, Letters, named_ranges

Items: TypeAlias = Sequence[tuple[Any, Any]]
Single: TypeAlias = tuple[str, Any, int]

UNBOUNDED: Final = 1_000
"""A repetition that may be longer is taken to have no upper bound."""

LOOKS: Final = ("ASSERT", "ASSERT_NOT")
REPEATS: Final = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")

_OPEN_WAYS: Final = 12
"""Ways that may be open at once; where there are more, they are taken to have no bound."""

_MAX_PLACES: Final = 400
_MAX_STEPS: Final = 4_000
_MAX_STEPS_IN_ALL: Final = 12_000
SINGLE: Final = ("LITERAL", "NOT_LITERAL", "ANY", "IN")


class _Unknown(Exception):
    """The ways cannot be followed: there are too many, or it takes a part that stands for no fixed characters."""


@dataclass(slots=True)
class _Part:
    """Some items as places: where they may begin and end, and in how many ways they are empty."""

    first: dict[int, int]
    last: dict[int, int]
    empty: int


class Walker:
    """Follows the ways of parts of one pattern.

    Args:
        parts: what stands for one character in the pattern, as `singles` gives it.

    Attributes: `steps` how many were taken so far; `crosses_lines` whether the pattern can match a line break.
    """

    def __init__(self, parts: Sequence[Single]) -> None:
        self.letters = Letters([found for name, argument, _ in parts for found in named_ranges(name, argument)])
        self.crosses_lines = any(self.letters.mask(*single) & LINE_BREAK for single in parts)
        self.steps = 0
        self.limit = 0
        self.masks: list[int] = []
        self.follow: list[dict[int, int]] = []
        self.known: dict[tuple[int, int], dict[int, int]] = {}

    def open_ways(self, items: Items, flags: int, *, restarts: bool) -> tuple[int, int] | None:
        """The most ways that any text has tried, or brought to an end, at once; None where that cannot be told.

        Args:
            items, flags: what is followed. restarts: it may begin at every character, and not only at the first.
        """
        self.masks, self.follow, self.known = [], [], {}
        self.limit = min(self.steps + _MAX_STEPS, _MAX_STEPS_IN_ALL)
        try:
            return self.walk(self.row(items, flags), restarts=restarts)
        except _Unknown:
            return None

    # The places

    def row(self, items: Items, flags: int) -> _Part:
        whole = _Part({}, {}, 1)
        for operation, argument in items:
            self.step(1)
            whole = self.joined(whole, self.part(str(operation), argument, flags))
        return whole

    def part(self, operation: str, argument: Any, flags: int) -> _Part:
        if operation in SINGLE:
            return self.place(operation, argument, flags)
        if operation in REPEATS:
            return self.repeat(int(argument[0]), int(argument[1]), argument[2], flags)
        if operation == "SUBPATTERN":
            return self.row(argument[3], (flags | argument[1]) & ~argument[2])
        if operation == "ATOMIC_GROUP":
            return self.row(argument, flags)
        if operation == "BRANCH":
            return _either([self.row(items, flags) for items in argument[1]])
        if operation == "AT" or operation in LOOKS:
            return _Part({}, {}, 1)
        raise _Unknown

    def place(self, operation: str, argument: Any, flags: int) -> _Part:
        if len(self.masks) >= _MAX_PLACES:
            raise _Unknown
        mask = self.letters.mask(operation, argument, flags)
        self.crosses_lines |= bool(mask & LINE_BREAK)
        self.masks.append(mask)
        self.follow.append({})
        place = {len(self.masks) - 1: 1}
        return _Part(place, place, 0)

    def joined(self, left: _Part, right: _Part) -> _Part:
        self.lead(left.last, right.first)
        first, last = dict(left.first), dict(right.last)
        _add(first, right.first, left.empty)
        _add(last, left.last, right.empty)
        return _Part(first, last, left.empty * right.empty)

    def repeat(self, least: int, most: int, body: Items, flags: int) -> _Part:
        endless = most > UNBOUNDED
        if least > _MAX_PLACES or (most > _MAX_PLACES and not endless):
            raise _Unknown
        whole = _Part({}, {}, 1)
        for _ in range(least - 1 if endless and least else least):
            self.step(1)
            whole = self.joined(whole, self.row(body, flags))
        if endless:
            return self.joined(whole, self.endless(body, flags, optional=not least))
        rest = _Part({}, {}, 1)
        for _ in range(most - least):
            self.step(1)
            part = self.row(body, flags)
            taken = self.joined(_Part(part.first, part.last, 0), rest)
            rest = _either([taken, _Part({}, {}, 1 + part.empty)])  # after an empty round there is none
        return self.joined(whole, rest)

    def endless(self, body: Items, flags: int, *, optional: bool) -> _Part:
        part = self.row(body, flags)
        self.lead(part.last, part.first)
        last: dict[int, int] = {}
        _add(last, part.last, 1 + part.empty)  # it ends after a round, or with one more that is empty
        return _Part(part.first, last, optional + part.empty)

    def lead(self, last: dict[int, int], first: dict[int, int]) -> None:
        """What may follow these places, in how many ways."""
        self.step(len(last) * len(first))
        for place, times in last.items():
            _add(self.follow[place], first, times)

    # The walk

    def walk(self, part: _Part, *, restarts: bool) -> tuple[int, int]:
        """Read every text, as far as texts differ; the most ways that are tried, and that end, at once.

        Args:
            part: what is read for. restarts: it may begin at every character of the text, and not only at its start.
        """
        groups = self.letters.classes(set(self.masks))
        fresh = [self.fitting(part.first, group) for group in groups]
        todo: list[dict[int, int]] = [{}] if restarts else [*fresh]
        seen: set[frozenset[tuple[int, int]]] = set()
        most, ends = 1, max(part.empty, 1)
        while todo:
            ways = todo.pop()
            most = max(most, self.tries(ways) + (len(part.first) // 8 + 1 if restarts else 0))
            ends = max(ends, sum(times * part.last.get(place, 0) for place, times in ways.items()) + part.empty)
            found: list[dict[int, int]] = []
            for group, beginning in zip(groups, fresh, strict=True):
                following = self.read(ways, group)
                if restarts:
                    _add(following, beginning)
                known = frozenset(following.items())
                if known not in seen:
                    seen.add(known)
                    found.append(following)
            # The one with the most ways comes next: where there is no bound, that is soon known.
            todo += sorted(found, key=lambda ways: sum(ways.values()))
        return most, ends

    def tries(self, ways: dict[int, int]) -> int:
        """How many ways are open, and something for those that the next character closes."""
        count = sum(ways.values())
        if count > _OPEN_WAYS:
            raise _Unknown
        return count + sum(len(self.follow[place]) * times for place, times in ways.items()) // 8

    def read(self, ways: dict[int, int], group: int) -> dict[int, int]:
        """The ways that are open after one more character."""
        following: dict[int, int] = {}
        self.step(len(ways))
        for place, times in ways.items():
            known = self.known.get((place, group))
            if known is None:
                self.step(len(self.follow[place]))
                known = self.known[place, group] = self.fitting(self.follow[place], group)
            if known:
                _add(following, known, times)
        return following

    def fitting(self, places: dict[int, int], group: int) -> dict[int, int]:
        return {place: times for place, times in places.items() if self.masks[place] & group}

    def step(self, count: int) -> None:
        self.steps += count + 1
        if self.steps > self.limit:
            raise _Unknown


def _add(ways: dict[int, int], more: dict[int, int], times: int = 1) -> None:
    if times:
        for place, count in more.items():
            ways[place] = ways.get(place, 0) + count * times


def _either(parts: Sequence[_Part]) -> _Part:
    either = _Part({}, {}, sum(part.empty for part in parts))
    for part in parts:
        _add(either.first, part.first)
        _add(either.last, part.last)
    return either


def inside(operation: Any, argument: Any, flags: int) -> Iterator[tuple[Items, int]]:
    """The items inside one, with the flags that hold there.

    Args:
        operation, argument: the item as `re` parses it. flags: those that hold around it.
    """
    match str(operation):
        case "SUBPATTERN":
            yield argument[3], (flags | argument[1]) & ~argument[2]
        case "ATOMIC_GROUP":
            yield argument, flags
        case "BRANCH":
            yield from ((items, flags) for items in argument[1])
        case "GROUPREF_EXISTS":
            yield from ((items, flags) for items in argument[1:] if items is not None)
        case name if name in LOOKS:
            yield argument[1], flags
        case name if name in REPEATS:
            yield argument[2], flags
        case _:
            pass


def singles(items: Items, flags: int) -> Iterator[Single]:
    """Everything in a pattern that stands for one character, and what may stand for any, with the flags there.

    Args:
        items, flags: the pattern.
    """
    for operation, argument in items:
        if str(operation) in SINGLE:
            yield str(operation), argument, flags
        elif str(operation) == "GROUPREF":
            yield "ANY", None, re.DOTALL
        for below, inner_flags in inside(operation, argument, flags):
            yield from singles(below, inner_flags)
