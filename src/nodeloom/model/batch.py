"""A batch as data: its settings, a slot for each item, and what they come to (semantics 8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from operator import add, itemgetter
from typing import Any, Final, Literal, cast

import msgspec

from .batch_settings import DEFAULTS, PARALLEL, SPELLINGS, BatchSettingsError, batch_problems, unknown_setting
from .values import Values, freeze

__all__ = [
    "Batch",
    "BatchOutputs",
    "BatchResult",
    "ItemError",
    "Record",
    "Slot",
    "SlotStatus",
    "spelt_twice",
]

SlotStatus = Literal["ok", "failed", "cancelled", "skipped"]
"""What became of an item: it gave outputs; it failed; it was running when the batch ended, and was cancelled; it was
never begun."""

# A batch may have a hundred thousand items: what is looked up in each of them is looked up by these.
_STATUS, _OUTPUT, _STARTED, _SECONDS = map(itemgetter, ("status", "output", "started", "seconds"))

INHERITED: Final = ("as_", "max_retries", "retry_wait", "item_timeout", "error_handling")
"""What a call of `map` takes from the node's own batch, besides how many items run at once."""


@dataclass(frozen=True)
class Batch:
    """A node's work done for each of many items: `Resize(size="{{ item.size }}", batch=Batch(items=...))`.

    Policies stand around each item, but for a Deadline, which bounds the whole step. A node with memory does its
    items one at a time.

    Args:
        items: an expression, as `"{{ outputs.scan.files }}"`; a list; anything else that can be iterated, also
            asynchronously; or a function without parameters that gives one, for each step anew.
        as_: the item's name in expressions; `index` is its place, from 0.
        parallel: several items run at once. False, the default, is the same as `max_concurrent=1`.
        max_concurrent: how many at most, from 1 to 10,000; 10 with `parallel` alone. More than 1 implies `parallel`.
        max_retries: attempts for each item, the first one included, from 1 to 10, as of a Retry.
        retry_wait: seconds before the second attempt, as of a Retry.
        item_timeout: seconds for one attempt at an item, as of a Timeout.
        error_handling: `"fail_fast"` ends the batch at the first failure; `"continue"` does all items, and fails only
            when all of them do.
        reduce: a function of the list of slots that gives the step's outputs; without it they are `slots`, `results`,
            `errors`, `count`, `success_count`, `error_count` and `timing`.

    Raises:
        DefinitionError: settings that cannot work, all of them at once.

    Example:
        >>> Batch(items=["a", "b"], max_concurrent=20).parallel
        True
    """

    items: Any = None
    _: KW_ONLY
    as_: str = "item"
    parallel: bool | None = None
    max_concurrent: int | None = None
    max_retries: int = 1
    retry_wait: float = 0.0
    item_timeout: float | None = None
    error_handling: Literal["fail_fast", "continue"] = "fail_fast"
    reduce: Callable[[list[Slot]], Any] | None = None

    def __post_init__(self) -> None:
        problems = batch_problems(self._spelt())
        if problems:
            raise BatchSettingsError(problems)
        is_parallel = self.parallel or (self.parallel is None and (self.max_concurrent or 1) > 1)
        object.__setattr__(self, "parallel", is_parallel)
        object.__setattr__(self, "max_concurrent", self.max_concurrent or PARALLEL)

    @property
    def at_once(self) -> int:
        """How many items may run at once."""
        return (self.max_concurrent or PARALLEL) if self.parallel else 1

    @property
    def templates(self) -> Any:
        """The items, where they may hold expressions; else None."""
        if isinstance(self.items, str):
            return self.items.strip()
        return cast("Any", self.items) if isinstance(self.items, list | tuple) else None

    @property
    def names(self) -> tuple[str, str]:
        """What expressions may use besides what they have in every step."""
        return self.as_, "index"

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Batch:
        """The settings that a document, or a caller, gives.

        Raises:
            DefinitionError: with every problem; a setting that there is not is one.
        """
        problems = {name: unknown_setting(name) for name in settings if name not in SPELLINGS}
        try:
            batch = cls(**{SPELLINGS[name]: value for name, value in settings.items() if name in SPELLINGS})
        except BatchSettingsError as error:
            raise BatchSettingsError({**problems, **error.problems}) from None
        if problems:
            raise BatchSettingsError(problems)
        return batch

    def mapped(self, settings: Mapping[str, Any]) -> Batch:
        """These settings for a call of `map`, which brings its own items, with what that call says itself.

        Raises:
            DefinitionError: with every problem.
        """
        if "reduce" in settings:
            raise BatchSettingsError(
                {"reduce": "map gives all the slots, for its caller to reduce; it takes no reduce"}
            )
        said = {name: value for name, value in settings.items() if value is not None or name not in SPELLINGS}
        kept = {name: getattr(self, name) for name in INHERITED}
        if said.get("max_retries") == 1:
            del kept["retry_wait"]
        if "max_concurrent" not in said and said.get("parallel", self.parallel):
            kept |= {"parallel": True, "max_concurrent": self.max_concurrent}
        return Batch.of({**kept, **said, "items": ()})

    def settings(self) -> dict[str, Any]:
        """What a document says of it: all that is not the default."""
        said = {name: value for name, value in self._spelt().items() if value != DEFAULTS[name]}
        if "max_concurrent" in said:
            said.pop("parallel", None)
        return said

    def _spelt(self) -> dict[str, Any]:
        return {name: getattr(self, SPELLINGS[name]) for name in DEFAULTS}


def spelt_twice(batch: Batch | None, policies: Iterable[Any]) -> str | None:
    """What is wrong with a batch that says what a policy beside it says too (8.1)."""
    if batch is None:
        return None
    layers = {policy.layer: policy for policy in policies}
    if "retry" in layers and (batch.max_retries != 1 or batch.retry_wait):
        return f"max_retries and retry_wait of its batch are a Retry, and there is {layers['retry']!r} too; keep one"
    if "timeout" in layers and batch.item_timeout is not None:
        return f"item_timeout of its batch is a Timeout, and there is {layers['timeout']!r} too; keep one"
    return None


class ItemError(msgspec.Struct, frozen=True):
    """What failed an item.

    Attributes:
        index: the item's place, from 0. type: the class name. message: for people. attempts: how many were made.
        code: a stable word for programs. retryable: whether trying again may help.
    """

    index: int
    type: str
    message: str
    attempts: int = 1
    code: str = ""
    retryable: bool = False


class Slot(msgspec.Struct, frozen=True):
    """One item of a batch: what became of it.

    Attributes:
        index: its place among the items, from 0. status: `ok`, `failed`, `cancelled` or `skipped` (never begun).
        output: what `work` returned for it, where it is ok. error: what failed it, where it failed.
        attempts: how many were made. started: seconds from the beginning of the batch until its own, None where it
            was never begun. seconds: how long it took.
    """

    index: int
    status: SlotStatus
    output: Values | None = None
    error: ItemError | None = None
    attempts: int = 0
    started: float | None = None
    seconds: float = 0.0

    def as_record(self) -> Record:
        """The same as plain data."""
        return msgspec.to_builtins(self)  # type: ignore[no-any-return]

    @classmethod
    def of(cls, record: Record) -> Slot:
        """The slot that this record of one is."""
        output, error = record["output"], record["error"]
        made: dict[str, Any] = {
            "output": freeze(output) if output is not None else None,
            "error": ItemError(**error) if error else None,
        }
        return cls(**{**record, **made})


Record = dict[str, Any]
"""A slot as plain data, with the same names: what a batch keeps, and what its step gives."""


@dataclass(frozen=True, repr=False)
class BatchResult:
    """What a batch came to; everything follows from its slots.

    Attributes:
        begun: the slots of the items that were begun, as plain data, in the order of the items. count: how many items
            there are.
    """

    begun: Sequence[Record]
    count: int

    @cached_property
    def records(self) -> Sequence[Record]:
        """All slots as plain data, in the order of the items."""
        if len(self.begun) == self.count:
            return self.begun
        known = {record["index"]: record for record in self.begun}
        return [known.get(index) or Slot(index, "skipped").as_record() for index in range(self.count)]

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """One for each item, in the order of the items."""
        return tuple([Slot.of(record) for record in self.records])

    @cached_property
    def results(self) -> list[Values | None]:
        """For each item what `work` returned for it; None where it is not ok."""
        return [slot.output for slot in self.slots]

    @cached_property
    def errors(self) -> list[ItemError]:
        """What failed, in the order of the items; what was cancelled has not failed."""
        return [slot.error for slot in self.slots if slot.error is not None]

    @property
    def success_count(self) -> int:
        """How many are ok."""
        return self._statuses.count("ok")

    @property
    def error_count(self) -> int:
        """How many failed."""
        return self._statuses.count("failed")

    @property
    def degraded(self) -> bool:
        """Whether some failed, and some did not."""
        return 0 < self.error_count < self.count

    @cached_property
    def timing(self) -> dict[str, float]:
        """Seconds: from the beginning until the last item ended, and what an item took in the mean and at most."""
        started, took = [*map(_STARTED, self.begun)], [*map(_SECONDS, self.begun)]
        return {
            "seconds": max(map(add, started, took), default=0.0),
            "mean": sum(took) / len(took) if took else 0.0,
            "slowest": max(took, default=0.0),
        }

    @cached_property
    def _statuses(self) -> list[str]:
        return [*map(_STATUS, self.begun)]

    def as_values(self) -> dict[str, Any]:
        """All of it as plain data: the outputs of a step whose batch has no `reduce`."""
        failed = self.error_count
        return {
            "slots": [*self.records],
            "results": [*map(_OUTPUT, self.records)],
            "errors": [record["error"] for record in self.records if record["error"] is not None] if failed else [],
            "count": self.count,
            "success_count": self.success_count,
            "error_count": failed,
            "timing": self.timing,
        }

    def __repr__(self) -> str:
        return f"<BatchResult: {self.count} items, {self.success_count} ok, {self.error_count} failed>"


class BatchOutputs(msgspec.Struct, frozen=True):
    """What a batch gives its step: outputs, and whether some of the items failed."""

    outputs: Values
    degraded: bool = False
