"""Words in the metadata of edges that no rule knows and that are nearly right.

Metadata may hold whatever its author likes: so only what is one slip away from a word that would mean something is
worth a warning.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from ..errors import Problem
from ..model.edge import Edge
from .node import Node
from .settings import READINGS

__all__ = ["MetadataProblem", "is_slip", "metadata_problems", "reading_problems"]

READ = "read"
HOW = '"latest" for the newest, again and again, "queue" for each once, in order, or "sample" for the newest, once'
_BETWEEN = re.compile(r"[\W_]+")


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
