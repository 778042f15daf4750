"""Log records know the step they were made in (semantics 13.2), and show no secret (12.3)."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from ..model.masks import MASKS
from .context import current_context, log_fields
from .scrubbing import masked_twin

__all__ = ["StepFilter", "mask_records", "masked_fields"]


class StepFilter(logging.Filter):
    """Gives every log record the fields `node`, `run` and `step` of the step it was made in.

    What else an author has put on it (`extra`) is masked, as its message is wherever it goes.

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
        if MASKS.any:
            record.__dict__.update(masked_fields(record))
        return True


def masked_fields(record: logging.LogRecord) -> dict[str, Any]:
    """What a record holds, without secrets."""
    return {name: MASKS.data(value) for name, value in vars(record).items()}


def mask_records() -> None:
    """Mask the secrets in every log record of this process from now on; again, it does nothing.

    Records are masked where they are made: a logger's filters see none of its children's, a handler's only what that
    handler is given, and a library that a node calls logs under names of its own.
    """
    factory = logging.getLogRecordFactory()
    if not isinstance(factory, _Masking):
        logging.setLogRecordFactory(_Masking(factory))


class _Masking:
    """Makes records as before, and masks their messages and exceptions."""

    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self._make = make
        functools.update_wrapper(self, make, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self._make(*args, **kwargs)
        if MASKS.any:
            _mask(record)
        return record


def _mask(record: logging.LogRecord) -> None:
    try:
        message = record.getMessage()
    except Exception:  # the handler says that they do not fit, and shows them
        record.msg, record.args = MASKS.text(str(record.msg)), MASKS.data(record.args)
    else:
        if (masked := MASKS.text(message)) != message:
            record.msg, record.args = masked, None
    if record.exc_info and record.exc_info[1] is not None:
        kind, error, trace = record.exc_info
        record.exc_info = (kind, masked_twin(error), trace)
