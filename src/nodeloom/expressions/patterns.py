r"""Regular expressions for `matches`, with a bound on backtracking.

Python's `re` cannot be interrupted, so what it may do is known before it runs (`backtracking.py`): for each
pattern, how many ways a search may have to try in a text of n characters. What is bounded, exactly:

- a pattern has at most 1,000 characters, and at most 10 sets with ranges past U+00FF, which are slow to compile;
- a pattern that could not be searched in 64 characters is refused when it is compiled: its ways grow exponentially,
  as those of `(a+)+` or `(a|ab)*`, or nearly so, as those of `(.*a){12}`;
- a text is refused when its ways pass the 20,000,000 units of an evaluation. Those of most patterns in use grow
  with the text, as of `^\d+(,\d+)*$`: it may have some millions of characters. Those of `error.*failed` grow with
  its square: some thousand characters, in each line where the pattern stays within a line.

A way costs from one to some twenty nanoseconds, so the worst search that is let through takes about 0.4 seconds.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nodeloom.errors import ExpressionLimit, ExpressionSyntaxError, ExpressionTypeError
from nodeloom.expressions.limits import MAX_PATTERN, MAX_WORK

if TYPE_CHECKING:
    from nodeloom.expressions.backtracking import Ways

# The parser of `re` is what knows the grammar; it has no public name and no types.
_grammar: Any = importlib.import_module("re._parser")

BOTH_TEXTS: Final = "`matches` looks for a pattern in a text, and both must be texts"

_LEAST_TEXT: Final = 64
_WIDE_SETS: Final = 10
_QUICK: Final = 500
"""Units that are not worth charging."""


class Pattern(NamedTuple):
    """A compiled regular expression, and how long its search may take.

    Attributes: `find` searches a text. `ways` it may have to try. `short` a text of so many characters is searched in
    no time. `by_line` no match goes past a line break. `effort` units of work that compiling it took.
    """

    find: Callable[[str], object]
    ways: Ways
    short: int
    by_line: bool
    effort: int

    def cost(self, text: str) -> int:
        """The units of work to search a text.

        Raises:
            ExpressionLimit: more than one evaluation may do.
        """
        units = self.ways.within(len(text))
        if units > MAX_WORK and self.by_line:
            line = max(map(len, text.split("\n"))) + 1
            units = self.ways.within(line) * (len(text) // line + 1)
        if units > MAX_WORK:
            lines = " (more where its lines are short)" if self.by_line else ""
            raise ExpressionLimit(
                f"this pattern is searched in at most {self.longest():,} characters{lines}, and the text has"
                f" {len(text):,}; fewer `*` and `+`, bounds such as {{1,50}}, or a `^` allow more"
            )
        return units

    def longest(self) -> int:
        """The most characters that it is searched in."""
        low, high = 0, MAX_WORK
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.ways.within(middle) <= MAX_WORK else (low, middle - 1)
        return low


@lru_cache(maxsize=512)
def compile_pattern(text: str) -> Pattern:
    """Compile a regular expression, or say why it cannot be one.

    Args:
        text: in the syntax of Python's `re`.

    Raises:
        ExpressionSyntaxError: it is no regular expression.
        ExpressionLimit: it is too long, or its search could take exponential time.
    """
    if len(text) > MAX_PATTERN:
        raise ExpressionLimit(f"a pattern has at most {MAX_PATTERN:,} characters, and this one {len(text):,}")
    try:
        return _compile(text)
    except (re.error, OverflowError, Warning) as error:
        raise ExpressionSyntaxError(f"this is no regular expression: {error}") from None
    except RecursionError:
        raise ExpressionLimit("this pattern is nested too deep") from None


def _compile(text: str) -> Pattern:
    from nodeloom.expressions.backtracking import ENDLESS, judge_pattern

    parsed = _grammar.parse(text)
    flags = int(parsed.state.flags)
    anchored = _is_anchored(parsed, flags)
    ways, by_line, steps, wide = judge_pattern(parsed, flags, anchored=anchored)
    if wide > _WIDE_SETS:
        raise ExpressionLimit(f"a pattern has at most {_WIDE_SETS} sets of characters past U+00FF")
    if ways is ENDLESS or ways.within(_LEAST_TEXT) > MAX_WORK:
        raise ExpressionLimit(
            f"this pattern could take exponential time on a text of {_LEAST_TEXT} characters: it repeats what can"
            " itself match in several ways, as `(a+)+` does, or has many `*` and `+` that may end at several places;"
            " write one repetition, as `a+`, or bounds such as {1,50}"
        )
    effort = 20_000 + 500 * len(text) + 20 * steps + 150_000 * wide
    compiled = re.compile(text)
    find = compiled.match if anchored else compiled.search
    return Pattern(find, ways, _short(ways), by_line, effort)


def matches(subject: Any, pattern: Any) -> bool:
    """`subject matches pattern`: whether the regular expression is found in the text.

    Args:
        subject: the text to look in.
        pattern: a regular expression.

    Raises:
        ExpressionTypeError: one of them is no text.
        ExpressionSyntaxError: the pattern is no regular expression.
        ExpressionLimit: the search could take too long.
    """
    if not isinstance(subject, str) or not isinstance(pattern, str):
        raise ExpressionTypeError(BOTH_TEXTS)
    compiled = compile_pattern(pattern)
    compiled.cost(subject)
    return compiled.find(subject) is not None


def pattern_cost(subject: Any, pattern: Any) -> int:
    """The units of work of `subject matches pattern`, where the pattern is a value.

    Args:
        subject, pattern: any values.

    Raises:
        ExpressionError: as `matches`, but for values that are no texts.
    """
    if not isinstance(subject, str) or not isinstance(pattern, str):
        return 1
    compiled = compile_pattern(pattern)
    return compiled.effort + compiled.cost(subject)


def _short(ways: Ways) -> int:
    size = 1
    while size < MAX_WORK and ways.within(2 * size) <= _QUICK:
        size *= 2
    return size if ways.within(size) <= _QUICK else 0


def _is_anchored(parsed: Any, flags: int) -> bool:
    first = next(iter(parsed), None)
    if first is None or str(first[0]) != "AT":
        return False
    place = str(first[1])
    return place == "AT_BEGINNING_STRING" or (place == "AT_BEGINNING" and not flags & re.MULTILINE)
