"""What a path that leads nowhere gives: `missing`, which is not `None` (rule 2.3)."""

from __future__ import annotations

from enum import Enum
from typing import Final, final

__all__ = ["MISSING", "NOT_CONSTANT", "Missing", "NotConstant"]


@final
class Missing:
    """The type of `MISSING`. It is false, and there is one of it, also after a copy or a pickle."""

    __slots__ = ()
    _only: Missing | None = None

    def __new__(cls) -> Missing:
        if cls._only is None:
            cls._only = super().__new__(cls)
        return cls._only

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "missing"

    def __reduce__(self) -> str:
        return "MISSING"


class NotConstant(Enum):
    """The type of `NOT_CONSTANT`."""

    NOT_CONSTANT = "not constant"


MISSING: Final = Missing()
"""The value of a path that leads nowhere."""

NOT_CONSTANT: Final = NotConstant.NOT_CONSTANT
"""What `Expression.constant` is when the value depends on a name, or cannot be computed."""
