"""Nodes with forms that a worker process can import."""

from __future__ import annotations

from typing import Any

from nodeloom import Field, Node, Params


class MeasuredParams(Params):
    text: str
    length: int = Field(derived=lambda text: len(text))


class Measured(Node):
    """Measures a text."""

    isolation = "process"

    def work(self, params: MeasuredParams) -> Any:
        return {"text": params.text, "length": params.length}
