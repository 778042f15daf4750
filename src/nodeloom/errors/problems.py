"""One thing that is wrong, and where."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a graph, a document or a form.

    Args:
        code: a stable word for programs, as `unknown_node`.
        message: what is wrong and what would be right, for people.
        node: the node id, where the problem is in one.
        field: the path of the field, as `params.url`.
        edge: the edge, as `fetch -> count`.
        line: the line in a document, from 1; `column` likewise.
        severity: `error`, or `warning` for what does not stop a run.
        file: the document it is in, where that is another one than was asked about: one that it names.
    """

    code: str
    message: str
    node: str | None = None
    field: str | None = None
    edge: str | None = None
    line: int | None = None
    column: int | None = None
    severity: str = "error"
    file: str | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message

    @property
    def where(self) -> str:
        """The place in words: file, line, node, edge and field, as far as they are known."""
        parts = [
            self.file or "",
            f"line {self.line}" if self.line else "",
            f"node {self.node}" if self.node else "",
            f"edge {self.edge}" if self.edge else "",
            self.field or "",
        ]
        return ", ".join(part for part in parts if part)
