"""Before Python 3.13 a TaskGroup of a step leaves a cancelling behind that nobody asked for; here it takes it back.

When a child fails while its parent waits for the end of the group, the group cancels the parent, and 3.11 and 3.12
never call `uncancel`: the task looks cancelled from then on, to us and to every timeout around it. 3.13 does call it.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable
from typing import Any

from ..nodes.context import current_context

__all__ = ["balanced", "mend"]

_LAST_UNBALANCED = (3, 12)


def mend() -> None:
    """Have groups inside of steps take their cancelling back, where Python does not; once in a process."""
    leave: Any = asyncio.TaskGroup.__aexit__
    if sys.version_info[:2] <= _LAST_UNBALANCED and not hasattr(leave, "__wrapped__"):
        asyncio.TaskGroup.__aexit__ = balanced(leave)  # type: ignore[method-assign]


def balanced(leave: Callable[..., Any]) -> Any:
    """A group's `__aexit__` that takes back what the group asked for while it waited.

    Args:
        leave: the `__aexit__` as Python has it.
    """

    @functools.wraps(leave)
    async def leave_balanced(self: Any, *raised: Any) -> Any:
        taken_back = self._parent_cancel_requested  # asked for before: Python itself takes that back
        try:
            return await leave(self, *raised)
        finally:
            if self._parent_cancel_requested and not taken_back and current_context() is not None:
                self._parent_task.uncancel()

    return leave_balanced
