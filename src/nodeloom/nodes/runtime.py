"""What `execute(state, config, runtime)` is handed as its runtime, for node classes that carry over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Runtime"]


class Runtime:
    """`runtime.stream.send(chunk)` reaches whoever watches the run, if anyone does."""

    __slots__ = ("context", "stream")

    def __init__(self, context: Any, stream: Callable[[Any], None]) -> None:
        self.context = context
        self.stream = _Sender(stream)


class _Sender:
    __slots__ = ("_stream",)

    def __init__(self, stream: Callable[[Any], None]) -> None:
        self._stream = stream

    def send(self, chunk: Any) -> _Sent:
        self._stream(chunk)
        return _Sent()

    __call__ = send


class _Sent:
    """Already sent: awaiting it is allowed, and gives None at once."""

    def __await__(self) -> Any:
        return iter(())
