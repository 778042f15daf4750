"""Regular expressions for `matches`, with a bound on backtracking.

Python's `re` cannot be interrupted, so what it may do is estimated from the pattern before it runs.
From the parsed pattern comes an upper estimate of the number of ways to try a match from one place in a
text of n characters: a repetition of a variable count is up to n ways, what stands in a row multiplies, and
a search that is not anchored at the start multiplies by n. d such factors share the n characters, which
divides by d factorial. What is bounded, exactly:

- a pattern has at most 1,000 characters;
- a repetition without an upper bound over something that can itself match in more than one way, as `(a+)+`
  or `(a|ab)*`, is refused when the pattern is compiled, since its ways grow exponentially;
- a text is refused when the estimate for its length passes 100,000,000 ways: about 14,000 characters for
  one `.*`, 840 for two, 14,000 again for two behind a `^`. A pattern without repetitions is searched in
  texts of up to 1,000,000 characters.

The estimate counts ways and not seconds. A way costs from one to some twenty nanoseconds, so the worst
search that is let through takes about two seconds; it cannot be interrupted meanwhile.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from functools import lru_cache
from math import factorial
from typing import Any, Final

from nodeloom.errors import ExpressionLimit, ExpressionSyntaxError, ExpressionTypeError
from nodeloom.expressions.limits import MAX_CHARACTERS, MAX_PATTERN, MAX_PATTERN_WORK

# The parser of `re` is what knows the grammar; it has no public name and no types.
_grammar: Any = importlib.import_module("re._parser")

_ENDLESS: Final = 10**20
_REPEATS: Final = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled regular expression and its parsed form, from which its work is estimated."""

    compiled: re.Pattern[str]
    parsed: Any
    anchored: bool
    longest: int

    def search(self, subject: str) -> bool:
        """Whether the pattern is found anywhere in the subject.

        Args:
            subject: the text to look in.

        Raises:
            ExpressionLimit: the search could take too long; see the module's text.
        """
        if len(subject) > self.longest:
            raise ExpressionLimit(
                f"this pattern is searched in at most {self.longest:,} characters, and the text has"
                f" {len(subject):,}; fewer `*` and `+`, bounds such as {{1,50}}, or a `^` allow more"
            )
        return self.compiled.search(subject) is not None


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
        compiled = re.compile(text)
        parsed = _grammar.parse(text)
    except (re.error, OverflowError, Warning) as error:
        raise ExpressionSyntaxError(f"this is no regular expression: {error}") from None
    except RecursionError:
        raise ExpressionLimit("this pattern is nested too deep") from None
    anchored = _is_anchored(parsed, compiled.flags)
    if _work(parsed, 1, anchored) > MAX_PATTERN_WORK:
        raise ExpressionLimit(
            "this pattern repeats what can itself match in several ways, as `(a+)+` does, and a search"
            " could take exponential time; write one repetition, as `a+`"
        )
    return Pattern(compiled, parsed, anchored, _longest(parsed, anchored))


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
        raise ExpressionTypeError("`matches` looks for a pattern in a text, and both must be texts")
    return compile_pattern(pattern).search(subject)


def _longest(parsed: Any, anchored: bool) -> int:
    """The most characters for which the estimate stays within the bound, by bisection."""
    low, high = 0, MAX_CHARACTERS
    while low < high:
        middle = (low + high + 1) // 2
        if _work(parsed, middle, anchored) <= MAX_PATTERN_WORK:
            low = middle
        else:
            high = middle - 1
    return low


def _is_anchored(parsed: Any, flags: int) -> bool:
    first = next(iter(parsed), None)
    if first is None or str(first[0]) != "AT":
        return False
    place = str(first[1])
    return place == "AT_BEGINNING_STRING" or (place == "AT_BEGINNING" and not flags & re.MULTILINE)


def _work(parsed: Any, size: int, anchored: bool) -> int:
    degree = _degree(parsed) + (0 if anchored else 1)
    return _capped(_ways(parsed, size) * (1 if anchored else size)) // factorial(min(degree, 12))


def _degree(parsed: Any) -> int:
    """How many repetitions without an upper bound stand in a row, at least."""
    degree = 0
    for operation, argument in parsed:
        match str(operation):
            case "SUBPATTERN":
                degree += _degree(argument[-1])
            case "BRANCH":
                degree += min(map(_degree, argument[1]))
            case name if name in _REPEATS:
                degree += int(argument[1]) >= int(_grammar.MAXREPEAT)
            case _:
                pass
    return degree


def _ways(parsed: Any, size: int) -> int:
    """An upper estimate of the ways to match a sequence from one place."""
    total = 1
    for operation, argument in parsed:
        total = _capped(total * _ways_of_item(str(operation), argument, size))
    return total


def _ways_of_item(operation: str, argument: Any, size: int) -> int:
    if operation in _REPEATS:
        least, most, body = argument
        return _ways_of_repeat(int(least), int(most), body, size)
    if operation == "SUBPATTERN":
        return _ways(argument[-1], size)
    if operation == "BRANCH":
        # Alternatives are tried one after another, whatever they begin with.
        return _capped(sum(_ways(alternative, size) for alternative in argument[1]))
    if operation == "ATOMIC_GROUP":
        return _ways(argument, size)
    if operation in ("ASSERT", "ASSERT_NOT"):
        return _ways(argument[1], size)
    if operation == "GROUPREF":
        return max(size, 1)
    if operation == "GROUPREF_EXISTS":
        return _capped(sum(_ways(branch, size) for branch in argument[1:] if branch is not None))
    return 1


def _ways_of_repeat(least: int, most: int, body: Any, size: int) -> int:
    endless = most >= int(_grammar.MAXREPEAT)
    counts = size + 1 if endless else min(most - least, size) + 1
    inner = 1 if _chooses_by_first_letter(body) else _ways(body, max(size, 2))
    if inner == 1:
        return counts
    if endless:
        return _ENDLESS
    # Each of up to `most` rounds takes one of the inner ways; a power is cut off before it grows large.
    ways = counts
    for _ in range(min(most, 64)):
        ways = _capped(ways * inner)
    return _ENDLESS if most > 64 else ways


def _chooses_by_first_letter(body: Any) -> bool:
    """Whether a repeated body is one branch whose alternatives begin with different letters.

    Then the text decides which one is taken, and `(foo|bar)+` has no more ways than `x+`.
    """
    items: list[Any] = [*body]
    while len(items) == 1 and str(items[0][0]) == "SUBPATTERN" and not items[0][1][1]:
        items = [*items[0][1][-1]]
    if len(items) != 1 or str(items[0][0]) != "BRANCH":
        return False
    alternatives: list[Any] = [*items[0][1][1]]
    firsts: list[str] = []
    for alternative in alternatives:
        if not alternative or str(alternative[0][0]) != "LITERAL" or _ways(alternative, 2) != 1:
            return False
        firsts.append(chr(alternative[0][1]).casefold())
    return len(set(firsts)) == len(firsts) and "".join(firsts).isascii()


def _capped(number: int) -> int:
    return min(number, _ENDLESS)
