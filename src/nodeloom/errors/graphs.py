"""A graph or document that cannot be compiled; each carries every problem."""

from __future__ import annotations

from collections.abc import Sequence

from .definitions import NodeloomError
from .problems import Problem

__all__ = ["DocumentError", "GraphError"]


class GraphError(NodeloomError):
    """A graph that cannot be compiled. `problems` holds every reason at once."""

    code = "graph"

    def __init__(self, problems: Sequence[Problem], subject: str = "graph") -> None:
        self.problems = tuple(problems)
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__(f"{subject}: {count}{lines}")


class DocumentError(GraphError):
    """A document that cannot be read as a graph. Its problems carry lines."""

    code = "document"
