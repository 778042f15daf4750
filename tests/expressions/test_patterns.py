"""Regular expressions after `matches`: which are let through, and that those end soon (12.1)."""

from __future__ import annotations

import contextlib
import importlib
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeloom.errors import ExpressionLimit
from nodeloom.expressions import parse
from nodeloom.expressions.limits import MAX_WORK
from nodeloom.expressions.patterns import Pattern, compile_pattern

grammar: Any = importlib.import_module("re._parser")

HARMLESS = r"""
^\d+(,\d+)*$
^[\w.+-]+@[\w-]+\.[\w.]+$
^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}$
^\S+@\S+\.\S+$
^\d{4}-\d{2}-\d{2}$
^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$
^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:?\d{2})?$
^([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d)?$
^(\d{1,3}\.){3}\d{1,3}$
^((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$
^([0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}$
^[a-z0-9]+(-[a-z0-9]+)*$
^[a-z0-9]+(?:_[a-z0-9]+)*$
^v?(\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$
^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?$
^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$
^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$
^(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*$
^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$
^(/[^/\0]+)+/?$
^(/[\w.-]+)*/?$
^([A-Za-z]:)?(\\[^\\]+)+$
^\w+=\w+(&\w+=\w+)*$
^\w+=[^;]*(;\w+=[^;]*)*$
^[^,]*(,[^,]*)*$
^("[^"]*"|[^,"]*)(,("[^"]*"|[^,"]*))*$
^https?://[^/]+/.*$
^https?://([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}(:\d+)?(/\S*)?(\?\S*)?$
^\$?\d{1,3}(,\d{3})*(\.\d{2})?$
^-?\d+(\.\d+)?([eE][+-]?\d+)?$
^[A-Z]{2}\d{2}[A-Z0-9]{4}\d{7}([A-Z0-9]?){0,16}$
^M{0,4}(CM|CD|D?C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})$
^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$
^#?([a-f0-9]{6}|[a-f0-9]{3})$
(?i)\b(error|fail(ed|ure)?|fatal|exception)\b
(?i)^(yes|no|true|false)$
^(?=.*[a-z])(?=.*[A-Z])(?=.*\d).{8,}$
error.*timeout
(foo|bar)+
^\[(\w+)\] .*$
^(\w+\s)*\w+$
^\w+(\s+\w+)*$
^(\s*\w+\s*,)*\s*\w+\s*$
"([^"\\]|\\.)*"
<([a-z]+)(\s+[a-z]+="[^"]*")*\s*/?>
^(GET|POST|PUT|DELETE) /[^ ]* HTTP/\d\.\d$
^(\([^()]*\)|[^()])*$
^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$
^(-?\d+(\.\d+)?)(;(-?\d+(\.\d+)?))*$
^[一-龥]+(,[一-龥]+)*$
^\s+|\s+$
(\w+)\s+\1
(?m)^\s*def \w+\(.*\):$
""".strip().split("\n")

CATASTROPHIC = r"""
(a+)+$
(a*)*b
(a|a)*
(a|aa)+
(?:a+|b)*
(a|(?:a))+z
(a{1,9})*
(a?b?b?)*c
((a?){10})*
(.*a){12}
(.*a){50}
(x+x+)+y
(\w+\s?)*$
^(\w+(-\w+)*\s?)+$
^(\w+\d?)+$
^(\s*\w*\s*)*$
(\d+|\d+\.)*$
^(([a-z])+.)+[A-Z]([a-z])+$
^\s*\w+\s*=\s*[^;]*(;\s*\w+\s*=\s*[^;]*)*$
^\+?\d{1,3}[-. ]?\(?\d{1,4}\)?([-. ]?\d{1,4})+$
^(a?){25}a{25}$
(a?b?){3}(a?b?){40}c
(?i:ab|AB)*c
(?i)^(ka|Ka)*$
(?i)^(sa|ſa)+$
(?i)^(µa|μa)+$
([α-ω]x|ςx)*
(\dx|[०-९]x)*y
([\u2fff-\u3001]a|\sa)*x
(.|\s)*x
([^a]|\W)*x
(?P<x>a+)+
(?=(a|a)*b)x
(?i:(?=(?:ab|Ab)*x)y)
(a.|b.|[ab].)*c
.*.*.*.*.*.*x
""".strip().split("\n")


@pytest.mark.parametrize("text", HARMLESS)
def test_a_pattern_that_people_write_is_let_through(text: str) -> None:
    """12.1: a bound on time is no reason to refuse what is harmless."""
    assert compile_pattern(text).ways.within(200) <= MAX_WORK


@pytest.mark.parametrize("text", [*CATASTROPHIC, "a?" * 60 + "a" * 60])
def test_a_pattern_that_could_go_on_for_ever_is_refused_when_parsing(text: str) -> None:
    """12.1"""
    with pytest.raises(ExpressionLimit, match="exponential time"):
        parse(f"x matches {text!r}" if "'" not in text else f'x matches "{text}"')


ATTACKS = (
    "a",
    "1",
    "ab",
    "a1",
    "aA",
    "x ",
    "a.",
    "a-",
    "a,",
    "1,",
    "/a",
    "a=b&",
    "a=b;",
    '"a',
    "\\a",
    "((",
    "a b",
    "ſ",
    "\n",
)


def attacks(pattern: Pattern) -> Iterator[str]:
    """Texts of the length that is permitted, or of some thousands, with an end at which most patterns fail."""
    for unit in ATTACKS:
        for end in ("", "!", "\n", "\0"):
            size = min(pattern.longest(), 3_000)
            yield (unit * size)[: size - len(end)] + end


@pytest.mark.parametrize("text", HARMLESS)
def test_a_pattern_that_is_let_through_ends_soon_on_texts_made_against_it(text: str) -> None:
    """12.1"""
    pattern = compile_pattern(text)
    for attack in attacks(pattern):
        assert pattern.cost(attack) <= MAX_WORK
        started = time.process_time()
        pattern.find(attack)
        assert time.process_time() - started < 2, attack[:20]


ATOMS = st.sampled_from(["a", "b", "ab", "[ab]", "[^a]", ".", "a?", "b*", "[ab]+", "(?:)"])


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    repeat = st.sampled_from(["*", "+", "?", "{0,3}", "{2}", "{1,4}", "{2,}", "*?"])
    return st.one_of(
        st.lists(inner, min_size=2, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        st.tuples(inner, repeat).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
    )


PATTERNS = st.tuples(
    st.sampled_from(["", "^"]), st.recursive(ATOMS, compound, max_leaves=8), st.sampled_from(["", "$", "x"])
)
TEXTS = st.one_of(
    st.text("abx", max_size=12),
    st.tuples(st.text("ab", min_size=1, max_size=3), st.integers(1, 12)).map(lambda pair: pair[0] * pair[1]),
)


class Tried:
    """Searches as `re` does, in the plainest way, and counts the characters that fit on all ways it tries."""

    def __init__(self, text: str, most: int) -> None:
        self.text = text
        self.count = 0
        self.most = most

    def row(self, items: Any, at: int) -> Iterator[int]:
        if not items:
            yield at
            return
        operation, argument = items[0]
        for end in self.item(operation, argument, at):
            yield from self.row(items[1:], end)

    def item(self, operation: Any, argument: Any, at: int) -> Iterator[int]:
        match str(operation):
            case "SUBPATTERN":
                yield from self.row(list(argument[3]), at)
            case "BRANCH":
                for items in argument[1]:
                    yield from self.row(list(items), at)
            case "MAX_REPEAT" | "MIN_REPEAT":
                yield from self.repeat(int(argument[0]), int(argument[1]), list(argument[2]), at)
            case "AT":
                if at == (0 if "BEGINNING" in str(argument) else len(self.text)):
                    yield at
            case name:
                if at < len(self.text) and fits(name, argument, self.text[at]):
                    self.count += 1
                    if self.count > self.most:
                        raise OverflowError
                    yield at + 1

    def repeat(self, least: int, most: int, body: Any, at: int, done: int = 0) -> Iterator[int]:
        if done < most:
            for end in self.row(body, at):
                if end > at or done < least:
                    yield from self.repeat(least, most, body, end, done + 1)
                elif done >= least:
                    yield end  # after an empty round there is none
        if done >= least:
            yield at


def fits(operation: str, argument: Any, character: str) -> bool:
    if operation == "IN":
        negated = str(argument[0][0]) == "NEGATE"
        return any(int(part) == ord(character) for kind, part in argument if str(kind) == "LITERAL") is not negated
    if operation == "NOT_LITERAL":
        return int(argument) != ord(character)
    return operation == "ANY" or int(argument) == ord(character)


@settings(max_examples=400, deadline=None)
@given(PATTERNS, TEXTS)
def test_no_text_makes_a_pattern_try_more_ways_than_was_foreseen(parts: tuple[str, str, str], text: str) -> None:
    """12.1: what is let through is bounded by what was known of it before it ran."""
    written = "".join(parts)
    try:
        pattern = compile_pattern(written)
    except ExpressionLimit:
        return
    foreseen = pattern.ways.within(len(text))
    tried = Tried(text, 2 * foreseen + 20)
    starts = [0] if parts[0] == "^" else range(len(text) + 1)
    for start in starts:
        for _ in tried.row(list(grammar.parse(written)), start):
            pass
    assert tried.count <= tried.most


@settings(max_examples=200, deadline=None)
@given(PATTERNS, TEXTS)
def test_a_pattern_finds_what_re_finds(parts: tuple[str, str, str], text: str) -> None:
    written = "".join(parts)
    try:
        pattern = compile_pattern(written)
    except ExpressionLimit:
        return
    assert (pattern.find(text) is None) is (re.search(written, text) is None)
    assert parse(f"x matches '{written}'").test({"x": text}) is (re.search(written, text) is not None)
    assert parse(f"x not matches '{written}'").test({"x": text}) is (re.search(written, text) is None)


def test_a_pattern_that_stays_within_a_line_is_searched_line_by_line() -> None:
    log = "\n".join(f"line {number}: error after a timeout of {number} s" for number in range(4_000))
    assert parse("x matches 'error.*timeout'").test({"x": log})
    with pytest.raises(ExpressionLimit, match=r"at most [\d,]+ characters \(more where"):
        parse("x matches 'error.*timeout'").test({"x": log.replace("\n", " ")})
    with pytest.raises(ExpressionLimit, match=r"at most [\d,]+ characters, and"):
        parse(r"x matches 'error[^z]*timeout'").test({"x": log})


def test_a_linear_pattern_is_searched_in_a_million_characters() -> None:
    assert parse(r"x matches '^\\d+(,\\d+)*$'").test({"x": "1," * 500_000 + "1"})


@pytest.mark.parametrize(
    "text", ["(?i)" + "[\x01-\U0010fffe]" * 100, "[a\u0100-\u8000]" * 80, "[^\u0100-\u0200\u0300-\u9000]" * 50]
)
def test_sets_that_are_slow_to_compile_are_refused_before(text: str) -> None:
    started = time.process_time()
    with pytest.raises(ExpressionLimit, match="sets of characters"):
        compile_pattern(text)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "text",
    [
        "(" * 400 + ")" * 400,
        "(?:" * 300 + "a" + ")*" * 300,
        "((){100}){100}" * 40,
        "(?:(?:(?:){400}){400}){400}" * 30,
        "((a?){400}){400}",
    ],
)
def test_a_pattern_takes_no_time_to_judge(text: str) -> None:
    started = time.process_time()
    with contextlib.suppress(ExpressionLimit):
        compile_pattern(text)
    assert time.process_time() - started < 1
