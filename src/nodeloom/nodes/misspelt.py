"""Words that no rule of a graph knows and that are nearly right: in the metadata of edges, in the names of topics.

Metadata may hold whatever its author likes, and any thread may publish to a topic: so only what is one slip away from
a word that would mean something is worth a warning.
"""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from ..errors import Problem
from ..model.edge import Edge
from .node import Node
from .settings import READINGS

__all__ = ["MetadataProblem", "is_slip", "metadata_problems", "reading_problems", "topic_problems"]

READ = "read"
HOW = '"latest" for the newest, again and again, "queue" for each once, in order, or "sample" for the newest, once'
SHORT = 2
"""Letters of a part of a name that may well be all there is between two topics, as in `wheel_l` and `wheel_r`."""
Named = tuple[str, bool]
"""A topic that some code names, and whether it is only read there."""
_CALLS = ("PRECALL", "CALL", "CACHE")
_READS = ("latest", "take", "age")
_BETWEEN = re.compile(r"[\W_]+")
_NO_DIGIT = re.compile(r"\D+")


# --- the metadata of edges


class MetadataProblem(NamedTuple):
    """What is wrong with one word of an edge's metadata."""

    word: str
    message: str
    severity: str


def metadata_problems(metadata: Mapping[str, Any] | None) -> Iterator[MetadataProblem]:
    """What is wrong with the metadata of an edge to a node that has a rate, which is read as its `read` says."""
    if not metadata:
        return
    declared = metadata.get(READ)
    if declared is not None:
        if not isinstance(declared, str) or declared not in READINGS:
            what = f"is read as {declared!r}, which is none of {', '.join(READINGS)}; write {HOW}"
            yield MetadataProblem(READ, what, "error")
        return
    for word, value in metadata.items():
        if _is_meant_as_read(word, value):
            what = f"nothing reads {word!r}; did you mean 'read'? It says how a tick reads what came: {HOW}"
            yield MetadataProblem(word, what, "warning")


def _is_meant_as_read(word: str, value: Any) -> bool:
    """It is `read` but for its letters' order or case; or roughly, and what it says is roughly how to read."""
    folded = word.casefold()
    if folded == READ or (sorted(folded) == sorted(READ) and is_slip(folded, READ)):
        return True
    says_how = isinstance(value, str) and difflib.get_close_matches(value.casefold(), READINGS, 1)
    return bool(says_how and difflib.get_close_matches(folded, (READ,), 1))


def reading_problems(edges: Collection[Edge], nodes: Mapping[str, Node]) -> list[Problem]:
    """What is wrong with the metadata of edges to nodes that have a rate."""
    return [
        Problem("reading", found.message, None, f"metadata.{found.word}", str(edge), edge.line, None, found.severity)
        for edge in edges
        if edge.metadata is not None and edge.target in nodes and nodes[edge.target].rate is not None
        for found in metadata_problems(edge.metadata)
    ]


# --- the names of topics


def topic_problems(nodes: Mapping[str, Node]) -> list[Problem]:
    """Topics that a node reads and no node of its graph publishes, while one does whose name is a slip away."""
    if len(nodes) < 2:
        return []
    known = {node_id: _topics_of(node) for node_id, node in nodes.items()}
    published = {name: node_id for node_id, found in known.items() for name, is_read in found if not is_read}
    problems: list[Problem] = []
    for node_id, found in known.items():
        for name in sorted(name for name, is_read in found if is_read and name not in published):
            near = [each for each in published if is_slip(name, each) and not _are_two(name, each)]
            if near:
                what = (
                    f"reads topic {name!r}, which no node of this graph publishes; did you mean {near[0]!r}, which "
                    f"{published[near[0]]} does?"
                )
                problems.append(Problem("topic", what, node_id, severity="warning"))
    return problems


def _topics_of(node: Node) -> set[Named]:
    """The topics that it names, as far as its code says so in plain words: `ctx.publish("heading", ...)`."""
    found = set[Named]()
    inner: Any = getattr(node, "graph", None)
    for each in inner.nodes.values() if inner is not None else ():
        found |= _topics_of(each)
    for kind in type(node).__mro__:
        if issubclass(kind, Node) and not str(kind.__module__).startswith("nodeloom."):
            for value in vars(kind).values():
                function: Any = value.__func__ if isinstance(value, staticmethod | classmethod) else value
                if isinstance(function, types.FunctionType):
                    found.update(_named_in(function.__code__))
    return found


def _named_in(code: types.CodeType) -> Iterator[Named]:
    words = {"publish", "latest", "topic"}.intersection(code.co_names)
    if words:
        import dis

        said = [(each.opname, each.argval) for each in dis.get_instructions(code) if each.opname not in _CALLS]
        for (_, whose), (_, word), (kind, name), (_, then) in zip(said, said[1:], said[2:], said[3:], strict=False):
            if word in words and _is_ctx(whose) and isinstance(name, str) and "CONST" in kind:
                yield name, word == "latest" or (word == "topic" and then in _READS)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _named_in(inner)


def _is_ctx(loaded: Any) -> bool:
    """Whether what was loaded last is `ctx`; newer Pythons load two names at once."""
    last: Any = loaded[-1] if isinstance(loaded, tuple) and loaded else loaded
    return isinstance(last, str) and last == "ctx"


def _are_two(name: str, other: str) -> bool:
    """Names that differ in a number, or in nothing but a short part, are most likely two."""
    if _NO_DIGIT.sub("", name) != _NO_DIGIT.sub("", other):
        return True
    parts, others = _BETWEEN.split(name.casefold()), _BETWEEN.split(other.casefold())
    differing = [(one, two) for one, two in zip(parts, others, strict=False) if one != two]
    return len(parts) == len(others) and bool(differing) and all(max(map(len, each)) <= SHORT for each in differing)


def is_slip(one: str, two: str) -> bool:
    """Whether two words differ by one letter, by two that changed places, by case, or by what stands between parts."""
    one, two = (_BETWEEN.sub("_", each.casefold()) for each in (one, two))
    start = 0
    while start < min(len(one), len(two)) and one[start] == two[start]:
        start += 1
    one, two = one[start:], two[start:]
    while one and two and one[-1] == two[-1]:
        one, two = one[:-1], two[:-1]
    return max(len(one), len(two)) <= 1 or (len(one) == 2 and one == two[::-1])
