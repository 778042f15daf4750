"""Log records know the step they were made in (semantics 13.2)."""

from __future__ import annotations

import logging

from .context import current_context, log_fields

__all__ = ["StepFilter"]


class StepFilter(logging.Filter):
    """Gives every log record the fields `node`, `run` and `step` of the step it was made in.

    Example:
        `handler.addFilter(StepFilter())`
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Fill in what the record does not have yet."""
        ctx = current_context()
        fields = log_fields(ctx) if ctx is not None else {"node": None, "run": None, "step": None}
        for key, value in fields.items():
            if not hasattr(record, key):
                setattr(record, key, value)
        return True
