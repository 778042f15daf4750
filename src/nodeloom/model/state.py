"""The flowing state: its declared keys, and what a step's updates do to it (semantics 4.1, 4.2)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import ReducerFailed
from .masks import in_short
from .reducers import Reducer
from .values import Gathered, Values, freeze, merge, put_all

__all__ = ["Log", "StateSchema", "apply", "apply_all", "apply_log", "concat", "log", "start_values"]

Log = dict[str, Any]
"""What a branch wrote: a replaced key's last value; a reduced key's updates, in a `list` of their own."""


class StateSchema:
    """What is known of the state's keys when a graph is compiled.

    Args:
        keys: the declared keys, or None when nothing is declared and every output flows.
        defaults: key to a factory of its first value.
        reducers: key to how its updates are merged; other keys are replaced.
        validate: checks the run's inputs at the border and gives them back, or raises `ParamsError`.
        types: key to its declared type in words, for documents and messages.
    """

    __slots__ = ("defaults", "keys", "plain", "reducers", "replaced", "types", "validate")

    def __init__(
        self,
        keys: frozenset[str] | None = None,
        defaults: Mapping[str, Callable[[], Any]] | None = None,
        reducers: Mapping[str, Reducer] | None = None,
        validate: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
        types: Mapping[str, str] | None = None,
    ) -> None:
        self.keys = keys
        self.defaults = dict(defaults or {})
        self.reducers = dict(reducers or {})
        self.validate = validate
        self.types = dict(types or {})
        # Nothing declared: updates are written as they come, which is the common case and the quick one.
        self.plain = keys is None and not self.reducers
        # Where a state is declared, the keys over which branches can disagree (4.5).
        self.replaced = frozenset[str]() if keys is None else keys - self.reducers.keys()

    @property
    def declared(self) -> bool:
        """True when the graph declares a state: other keys then stay in the outputs."""
        return self.keys is not None

    def select(self, outputs: Values) -> Mapping[str, Any]:
        """The outputs that update the state."""
        if self.keys is None:
            return outputs
        return {key: outputs[key] for key in outputs if key in self.keys}


def start_values(schema: StateSchema, inputs: Mapping[str, Any]) -> Values:
    """The state a run begins with: its inputs, on top of the defaults."""
    keys = schema.keys
    if keys is None and not schema.defaults and type(inputs) is Values:
        return Values(inputs)
    values = {key: make() for key, make in schema.defaults.items()}
    values.update(inputs if keys is None else {key: inputs[key] for key in inputs if key in keys})
    return freeze(values)


def apply(values: Values, updates: Mapping[str, Any], schema: StateSchema) -> None:
    """Merge one step's updates into values the caller owns."""
    if not schema.reducers:
        merge(values, updates)
        return
    for key in updates:
        reducer = schema.reducers.get(key)
        new = updates[key] if reducer is None else _reduced(values, key, [updates[key]], reducer, schema)
        merge(values, {key: new})


def apply_all(values: Values, updates: Iterable[Values], schema: StateSchema) -> None:
    """Merge several steps' outputs, in order."""
    if schema.plain and type(values) is Values:
        for each in updates:
            put_all(values, each)
    else:
        written: Log = {}
        for each in updates:
            for key in (chosen := schema.select(each)):
                if key in schema.reducers:
                    written.setdefault(key, []).append(chosen[key])
                else:
                    written[key] = chosen[key]
        apply_log(values, written, schema)


def apply_log(values: Values, written: Log, schema: StateSchema) -> None:
    """Merge what a branch wrote into values the caller owns."""
    if not schema.reducers:
        merge(values, written)
        return
    for key, value in written.items():
        reducer = schema.reducers.get(key)
        merge(values, {key: value if reducer is None else _reduced(values, key, value, reducer, schema)})


def log(written: Log, updates: Mapping[str, Any], schema: StateSchema) -> None:
    """Add one step's updates to what a branch wrote."""
    if not schema.reducers:
        written.update(updates)
        return
    for key in updates:
        reducer = schema.reducers.get(key)
        if reducer is None:
            written[key] = updates[key]
        else:
            _gather(written, key, [updates[key]], reducer)


def concat(written: Log, later: Log, schema: StateSchema) -> Log:
    """What was written, and then what was written after it; both are given up, at the cost of the smaller."""
    if len(written) < len(later):
        for key, value in written.items():
            if key not in later:
                later[key] = value
            elif key in schema.reducers:
                later[key] = _combined(value, later[key], schema.reducers[key])
        return later
    for key, value in later.items():
        both = key in written and key in schema.reducers
        written[key] = _combined(written[key], value, schema.reducers[key]) if both else value
    return written


def _gather(written: Log, key: str, updates: list[Any], reducer: Reducer) -> None:
    written[key] = _combined(written[key], updates, reducer) if key in written else updates


def _combined(updates: list[Any], later: list[Any], reducer: Reducer) -> list[Any]:
    if reducer.combine is not None:
        return _folded(reducer.combine, [*updates, *later])
    if len(updates) < len(later):
        later[:0] = updates
        return later
    updates.extend(later)
    return updates


def _folded(combine: Callable[[Any, Any], Any], updates: list[Any]) -> list[Any]:
    """The updates, neighbours made one where the reducer can: the order of folding must not show (4.4)."""
    folded = updates[:1]
    for update in updates[1:]:
        both = combine(folded[-1], update)
        if both is NotImplemented:
            folded.append(update)
        else:
            folded[-1] = both
    return folded


def _reduced(values: Values, key: str, updates: list[Any], reducer: Reducer, schema: StateSchema) -> Any:
    if key in values:
        value = values[key]
    elif key in schema.defaults:
        value = schema.defaults[key]()
    elif reducer.empty is not None:
        value = reducer.empty()
    else:
        value, *updates = updates
    for update in updates:
        try:
            value = reducer(value, update)
        except (Exception, SystemExit) as error:
            raise _failed(key, reducer, value, update, error) from error
    return value


def _failed(key: str, reducer: Reducer, value: Any, update: Any, error: BaseException) -> ReducerFailed:
    return ReducerFailed(
        f"state key {key!r}: its reducer {_name_of(reducer)} failed to merge {type(update).__name__} "
        f"{in_short(update)} into {type(value).__name__} {in_short(value)}: {type(error).__name__}: {error}",
        key,
    )


def _name_of(reducer: Reducer) -> str:
    return reducer.name or str(getattr(reducer.reduce, "__name__", reducer))


def fresh(value: Any) -> Callable[[], Any]:
    """A factory of equal values that share nothing."""
    if value is None or isinstance(value, str | int | float | bool):
        return lambda: value
    return lambda: copy.deepcopy(value)


def plain(value: Any) -> Any:
    """The value as a caller may keep it: a gathered list becomes a list."""
    return list(value) if type(value) is Gathered else value
