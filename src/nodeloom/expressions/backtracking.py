r"""How many ways a regular expression may have to try on a text of n characters, known before it runs.

A search by backtracking follows, for each beginning of the text, every way in which the pattern can stand there.
So the pattern is taken apart into the places of its single characters and what may follow each, with how often it
may, and all texts are walked at once, as far as they differ. Where no text ever leaves more than a few ways open,
the search takes a few steps for each character. `^\d+(,\d+)*$` is of that kind, and `^(a+)+$` is not.

A pattern that is not, as a whole, is cut into parts that are, as long as can be. Each such part may end anywhere,
so d parts in a row are some n**d / d! ways. Where even one item is not, its parts are judged and multiplied; a
repetition without an upper bound over what can match in several ways has no bound but an exponential one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import zip_longest
from math import comb
from typing import Any, Final, NamedTuple

from nodeloom.expressions.letters import named_ranges
from nodeloom.expressions.open_ways import LOOKS, REPEATS, SINGLE, UNBOUNDED, Items, Single, Walker, inside, singles

_SLOW: Final = 5
"""Units of one way where a group is repeated; of any other, one."""

_MOST: Final = 10**9
_HIGHEST: Final = 8
"""Degrees that are reckoned with: with more, a text of 64 characters has too many ways."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How many ways there are in n characters, at most: `terms[d] * comb(n + d, d)` for each degree d, in all.

    `ENDLESS` is what has no such bound.
    """

    terms: tuple[int, ...]

    def within(self, size: int) -> int:
        """The ways in a text of so many characters."""
        return sum(times * comb(size + degree, degree) for degree, times in enumerate(self.terms) if times)

    def __mul__(self, other: Ways) -> Ways:
        if self is ENDLESS or other is ENDLESS or len(self.terms) + len(other.terms) - 2 >= _HIGHEST:
            return ENDLESS
        if not self.terms or not other.terms:
            return NONE
        if max(self.terms) * max(other.terms) > _MOST:
            return ENDLESS
        terms = [0] * (len(self.terms) + len(other.terms) - 1)
        for degree, times in enumerate(self.terms):
            for further, factor in enumerate(other.terms):
                terms[degree + further] += times * factor
        return Ways(tuple(terms))

    def __add__(self, other: Ways) -> Ways:
        if self is ENDLESS or other is ENDLESS:
            return ENDLESS
        pairs = zip_longest(self.terms, other.terms, fillvalue=0)
        return Ways(tuple(one + more for one, more in pairs))


def each(times: int, *, anywhere: bool = False) -> Ways:
    """So many ways; or so many for each character."""
    return Ways((0, times) if anywhere else (times,))


NONE: Final = Ways(())
ONE: Final = Ways((1,))
ENDLESS: Final = Ways((-1,))


@dataclass(frozen=True, slots=True)
class Course:
    """What some items come to from one place: the ways `tried` in all, and those that come to their `ends`."""

    tried: Ways
    ends: Ways

    def then(self, other: Course) -> Course:
        """This, and then the other from every end."""
        return Course(self.tried + self.ends * other.tried, self.ends * other.ends)

    def either(self, other: Course) -> Course:
        """This, or else the other."""
        return Course(self.tried + other.tried, self.ends + other.ends)


EMPTY: Final = Course(NONE, ONE)


class Verdict(NamedTuple):
    """What a pattern comes to.

    Attributes: `ways` it may try. `by_line` each match stays within a line. `steps` it took to know. `wide` sets with
    ranges past U+00FF.
    """

    ways: Ways
    by_line: bool
    steps: int
    wide: int


def judge_pattern(parsed: Any, flags: int, *, anchored: bool) -> Verdict:
    """Judge a whole pattern, from all places it may begin at.

    Args:
        parsed, flags: as the parser of `re` gives them. anchored: it can only begin at the start of the text.
    """
    parts = [*singles(parsed, flags)]
    judge = Judge(parts)
    ways = judge.ways(parsed, flags, anchored=anchored) * each(_SLOW if _repeats_group(parsed) else 1)
    wide = sum(any(True for _ in named_ranges(name, argument)) for name, argument, _ in parts if name == "IN")
    return Verdict(ways, not judge.walker.crosses_lines, judge.walker.steps, wide)


class Judge:
    """Judges one pattern.

    Args:
        parts: what stands for one character in it, as `singles` gives it.

    Attributes: `walker` follows its parts.
    """

    def __init__(self, parts: Sequence[Single]) -> None:
        self.walker = Walker(parts)

    def ways(self, parsed: Items, flags: int, *, anchored: bool) -> Ways:
        """The ways of a whole pattern, from all places it may begin at.

        Args:
            parsed, flags: the pattern. anchored: it can only begin at the start of the text.
        """
        items = parsed
        course = EMPTY
        if not anchored:
            size, tries, ends = self.longest(items, flags, restarts=True)
            course = Course(each(tries, anywhere=True), each(ends, anywhere=True))
            items = items[size:]
        return self.looks(parsed, flags) * course.then(self.sequence(items, flags)).tried

    def sequence(self, items: Items, flags: int) -> Course:
        """What items in a row come to, cut into parts that are as long as can be."""
        course = EMPTY
        while items and course.tried is not ENDLESS:
            size, tries, ends = self.longest(items, flags, restarts=False)
            if size:
                width = _width(items[:size])
                lengths = each(1, anywhere=True) if width > UNBOUNDED else each(width + 1)
                course = course.then(Course(lengths * each(tries), lengths * each(ends)))
            else:
                course = course.then(self.item(*items[0], flags))
            items = items[size or 1 :]
        return course

    def longest(self, items: Items, flags: int, *, restarts: bool) -> tuple[int, int, int]:
        """How many of the first items leave only a few ways open, how many are tried, and how many end, at once."""
        low, high, middle, found = 0, len(items), len(items), (1, 1)
        while low < high:
            known = self.walker.open_ways(items[:middle], flags, restarts=restarts)
            if known is None:
                high = middle - 1
            else:
                low, found = middle, known
            middle = (low + high + 1) // 2
        return low, *found

    def item(self, operation: Any, argument: Any, flags: int) -> Course:
        """What one item comes to whose ways cannot be followed."""
        match str(operation):
            case "SUBPATTERN" | "ATOMIC_GROUP":
                [(items, inner_flags)] = inside(operation, argument, flags)
                return self.sequence(items, inner_flags)
            case "BRANCH" | "GROUPREF_EXISTS":
                courses = [self.sequence(items, flags) for items, _ in inside(operation, argument, flags)]
                return reduce(Course.either, courses)
            case "GROUPREF":
                return Course(each(1, anywhere=True), ONE)
            case name if name in REPEATS:
                least, most, body = argument
                if _is_single(body):
                    lengths = each(1, anywhere=True) if most > UNBOUNDED else each(most - least + 1)
                    return Course(lengths, lengths)
                return self.repeated(int(least), int(most), self.sequence(body, flags))
            case name if name in SINGLE:
                return Course(ONE, ONE)
            case _:
                return EMPTY

    def repeated(self, least: int, most: int, body: Course) -> Course:
        if body.ends is ENDLESS or most > UNBOUNDED or (body.ends != ONE and most > 16):
            return Course(ENDLESS, ENDLESS)
        course, ends = EMPTY, NONE
        for count in range(most + 1):
            ends += course.ends if count >= least else NONE
            course = course.then(body)
        return Course(course.tried, ends)

    def looks(self, items: Items, flags: int) -> Ways:
        """What looking ahead and behind takes at each place."""
        total = ONE
        for operation, argument in items:
            is_look = str(operation) in LOOKS
            for below, inner_flags in inside(operation, argument, flags):
                found = self.looks(below, inner_flags)
                if is_look:
                    found *= self.sequence(below, inner_flags).tried
                if is_look or found != ONE:
                    total += found
        return total


def _is_single(items: Items) -> bool:
    return len(items) == 1 and str(items[0][0]) in SINGLE


def _width(items: Any) -> int:
    return int(items.getwidth()[1])


def _repeats_group(items: Items) -> bool:
    """Whether more than single characters are repeated, which `re` is slower at."""
    return any(
        (str(operation) in REPEATS and not _is_single(argument[2]))
        or any(_repeats_group(below) for below, _ in inside(operation, argument, 0))
        for operation, argument in items
    )
