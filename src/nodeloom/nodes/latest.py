"""What a step is shown of its work in the background (semantics 7.3)."""

from __future__ import annotations

from typing import Protocol, TypeVar

__all__ = ["Latest"]

T_co = TypeVar("T_co", covariant=True)


class Latest(Protocol[T_co]):
    """What `ctx.background(key, function)` gives; it goes on being true.

    Attributes:
        value: the latest good result; None before the first. age: seconds since it was there, or None.
        error: why the last attempt failed; None when it did not. running: whether an attempt is under way.
        count: how many attempts have ended.
    """

    @property
    def value(self) -> T_co | None: ...

    @property
    def age(self) -> float | None: ...

    @property
    def error(self) -> Exception | None: ...

    @property
    def running(self) -> bool: ...

    @property
    def count(self) -> int: ...

    def read(self) -> tuple[T_co | None, float | None]:
        """The value and its age, of one and the same result, for code on a thread."""
        ...

    async def next(self) -> T_co:
        """Wait for the first attempt that ends after this was given; its value, or what it failed with."""
        ...
