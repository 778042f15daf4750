"""The mappings a node is handed: read-only, with keys as attributes.

`Values` is a `dict`, so JSON encoders and `isinstance(x, dict)` see one; only the runtime writes to it.
`Lent` is the same for a mapping that several branches hold: what they could change in place (a dict, a list,
a set) is copied when it is first read, so that no branch sees what a sibling did to it.
"""

from __future__ import annotations

import copy
import difflib
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn

from ..errors import OutputError

__all__ = [
    "EMPTY",
    "WHOLE",
    "Gathered",
    "Lent",
    "Returned",
    "Values",
    "as_values",
    "freeze",
    "handed",
    "kept",
    "lend",
    "looked_at",
    "merge",
    "owned",
    "put",
    "put_all",
    "sealed",
    "shadows",
    "sort_from",
    "writable",
]

_Plain = dict[str, Any]
_type: Any = type  # of which a type checker concludes nothing: `type(x) is dict` would make x a dict of unknowns
_get = _Plain.__getitem__
_set = _Plain.__setitem__
_has = _Plain.__contains__
_keys = _Plain.keys
_items = _Plain.items
_update = _Plain.update
put: Any = _set
put_all: Any = _update
_pop = _Plain.pop
_become = object.__setattr__


class Values(dict[str, Any]):
    """A read-only mapping with its keys as attributes: `state["k"]` and `state.k` alike.

    A key wins over a method of the same name: with a key `items`, `state.items` is its value.

    Raises:
        TypeError: on any attempt to change it.
        AttributeError: for a key that is not there, naming the nearest that is.
    """

    __slots__ = ("_lent",)  # of Lent: with one layout, values can change their class

    def __getattr__(self, name: str) -> Any:
        if _has(self, name):
            return self[name]
        known = [str(key) for key in _keys(self)]
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(known)}"
        raise AttributeError(f"no key {name!r} here{hint if self else ' (it is empty)'}")

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(
            "inputs, state and outputs are read-only: return what you want to change from work, "
            "or make a copy of your own with dict(...)"
        )

    __setattr__ = __delattr__ = _refuse
    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse  # pyright: ignore[reportAssignmentType]

    def copy(self) -> dict[str, Any]:
        """A plain dict of one's own (shallow)."""
        return dict(self)

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return {key: copy.deepcopy(self[key], memo) for key in _keys(self)}

    def __reduce__(self) -> tuple[Any, ...]:
        return Values, (dict(self),)


class Shadowing(Values):
    """Values with a key that is also the name of a method of dict: as an attribute, the key wins.

    A class of its own, because asking for the key first costs every attribute something.
    """

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        if _has(self, name) and name[:2] != "__" and not _called_by_json():
            return self[name]
        return _Plain.__getattribute__(self, name)


class Lent(Shadowing):
    """Values that other branches hold too: a dict, list or set in it is copied when it is first read."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        value = _get(self, key)
        lent = _lent_of(self)
        if key not in lent:
            return value
        lent.discard(key)
        own = owned(value)
        _set(self, key, own)
        return own

    # An __iter__ of its own makes dict(x) and {**x} read through __getitem__, instead of past it.
    def __iter__(self) -> Iterator[str]:
        return _Plain.__iter__(self)

    def get(self, key: str, default: Any = None) -> Any:
        return Lent.__getitem__(self, key) if _has(self, key) else default

    def values(self) -> Any:
        _take_all(self)
        return _Plain.values(self)

    def items(self) -> Any:
        _take_all(self)
        return _items(self)

    def copy(self) -> dict[str, Any]:
        _take_all(self)
        return dict(_items(self))

    __copy__ = copy

    def __or__(self, other: Any) -> Any:
        return Lent.copy(self) | other

    def __ror__(self, other: Any) -> Any:
        return other | Lent.copy(self)


def _on_look(name: str) -> Any:
    def method(self: Returned, *given: Any) -> Any:
        return getattr(looked_at(self), name)(*given)

    return method


class Returned(Values):
    """What nodes returned, by node id, as the runtime keeps it: the first look at any of it makes Values of it."""

    __slots__ = ()

    __getitem__ = _on_look("__getitem__")
    get, values, items, copy = (_on_look(name) for name in ("get", "values", "items", "copy"))
    __iter__, __or__, __ror__, __reduce__ = (_on_look(f"__{name}__") for name in ("iter", "or", "ror", "reduce"))
    __copy__ = copy


class Gathered(list[Any]):
    """A list the runtime made while reducing, so it may be added to in place."""

    __slots__ = ()


EMPTY = Values()
WHOLE = frozenset({int, str, float, bool, type(None)})
"""Kinds of values of which nothing can be changed."""

_CONTAINERS = frozenset({dict, list, set, tuple, Values, Shadowing, Lent, Gathered})


def freeze(values: Mapping[str, Any]) -> Values:
    """Read-only values of what a node returned or a caller gave; the top level is copied, nothing below it.

    A state or outputs view found at the top is a snapshot from here on, for the view itself moves with its run.

    Raises:
        OutputError: a key is no text.
    """
    if _type(values) is not dict:
        values = dict(values)
    for key in values:
        if type(key) is not str or key in _METHODS or type(values[key]) in _VIEWS:
            return _snapshot(Values(values))
    return Values(values)


def kept(values: dict[str, Any]) -> Values | dict[str, Any]:
    """What a node returned, as the runtime keeps it: what `freeze` gives, but for most a plain copy.

    Nobody is handed that: `as_values` makes it read-only first. Of most steps nobody asks, and a plain dict is made in
    a third of the time. Raises `OutputError` as `freeze` does.
    """
    for key in values:  # noqa: PLC0206 # quicker where they are few
        if type(key) is not str or key in _METHODS or type(values[key]) in _VIEWS:
            return _snapshot(Values(values))
    return {**values}


def as_values(values: Values | dict[str, Any]) -> Values:
    """What `kept` gave, for those who look at it."""
    return Values(values) if type(values) is dict else values  # type: ignore[return-value]


def looked_at(values: Values) -> Values:
    """What nodes returned, for who looks at it: the same object, with each of its outputs read-only."""
    if type(values) is Returned:
        for node, outputs in _items(values):
            if type(outputs) is dict:
                _set(values, node, Values(outputs))  # pyright: ignore[reportUnknownArgumentType]
        _become(values, "__class__", Shadowing if shadows(_keys(values)) else Values)
    return values


def _snapshot(frozen: Values) -> Values:
    for key, value in _items(frozen):
        if type(key) is not str and not isinstance(key, str):
            raise OutputError(f"the names of inputs and outputs are texts, not {key!r} ({type(key).__name__})")
        kind = _type(value)
        if kind in _VIEWS:
            _set(frozen, key, list(value) if kind is Gathered else writable(value))
    if not _METHODS.isdisjoint(frozen):
        _become(frozen, "__class__", Shadowing)
    return frozen


def handed(values: Mapping[str, Any]) -> Values:
    """Read-only values of a caller's mapping: plain containers are copied, for the caller keeps its own (4.8)."""
    if _type(values) is dict:
        for key, value in values.items():
            if _type(value) not in WHOLE or _type(key) is not str or key in _METHODS:
                break
        else:
            return Values(values)
    frozen = freeze(values)
    for key, value in _items(frozen):
        if _type(value) in _CONTAINERS:
            _set(frozen, key, owned(value))
    return frozen


def sealed(value: Any) -> Any:
    """A copy of plain containers in which nothing can be changed: lists are tuples in it, sets are frozen."""
    kind = _type(value)
    if kind is dict or kind in _VALUES:
        own = Values({key: sealed(item) for key, item in value.items()})
        if shadows(own):
            _become(own, "__class__", Shadowing)
        return own
    if kind in (list, tuple, Gathered):
        return tuple(sealed(item) for item in value)
    return frozenset(value) if kind is set else value


def shadows(keys: Iterable[str]) -> bool:
    """Whether a key is also the name of a method of dict."""
    return not _METHODS.isdisjoint(keys)


def writable(values: Mapping[str, Any]) -> Values:
    """Values of the runtime's own, to write to; what lies below the top is still lent."""
    view = lend(values) if isinstance(values, Values) else freeze(values)
    if type(view) is Values:
        return Values(view)
    return view if type(view) is Lent else freeze(view)


def lend(values: Values) -> Values:
    """The same values for one of several holders."""
    if type(values) is Lent:
        lent = {key for key, value in _items(values) if type(value) in _CONTAINERS}
        plain = _Plain.copy(values)
    else:
        lent = {key for key, value in _items(values) if type(value) in _CONTAINERS}
        if not lent:
            return values
        plain = values
    view = Lent(plain)
    _become(view, "_lent", lent)
    if "keys" in values:
        _own_all(view)
    return view


def merge(values: Values, updates: Mapping[str, Any]) -> None:
    """Write updates into values: for the runtime only, which owns what it writes to."""
    _update(values, updates)
    kind = type(values)
    if kind is Values and type(updates) is not Values and shadows(updates):
        _become(values, "__class__", Shadowing)
    elif kind is Lent:
        _lent_of(values).difference_update(updates)
        if "keys" in updates:
            _own_all(values)


def sort_from(values: Values, first: int) -> None:
    """Put the keys from a place on in the order of their names: for the runtime only."""
    for key in sorted(list(_keys(values))[first:]):
        _set(values, key, _pop(values, key))


def owned(value: Any) -> Any:
    """A copy of plain containers, all the way down; arrays, models and other objects are shared."""
    kind = _type(value)
    return _own(value, kind, {}) if kind in _CONTAINERS else value


def _own(value: Any, kind: Any, copied: dict[int, Any]) -> Any:
    """The copy of a container; of one that is met again, the same."""
    number = id(value)
    if number in copied:
        return copied[number]
    if kind in _VALUES:
        copied[number] = writable(value)
    elif kind is set or _CONTAINERS.isdisjoint(map(type, value.values() if kind is dict else value)):
        copied[number] = kind(value)
    elif kind is dict:
        own: dict[Any, Any] = {}
        copied[number] = own
        for key, item in value.items():
            own[key] = _own(item, _type(item), copied) if type(item) in _CONTAINERS else item
    else:
        items: list[Any] = Gathered() if kind is Gathered else []
        if kind is not tuple:
            copied[number] = items
        items += [_own(item, _type(item), copied) if type(item) in _CONTAINERS else item for item in value]
        copied.setdefault(number, tuple(items) if kind is tuple else items)
    return copied[number]


_VALUES = frozenset({Values, Shadowing, Lent})
_VIEWS = _VALUES | {Gathered}
_METHODS = frozenset(name for name in dir(dict) if not name.startswith("_"))
_lent_of = Values.__dict__["_lent"].__get__


def _own_all(values: Values) -> None:
    """Copy at once what is lent: `dict(x)` asks a mapping that is read on demand for its method `keys`."""
    _take_all(values)
    _become(values, "__class__", Shadowing)


def _take_all(values: Values) -> None:
    for key in tuple(_lent_of(values)):
        _set(values, key, owned(_get(values, key)))
    _lent_of(values).clear()


def _called_by_json() -> bool:
    # json's encoder asks a dict subclass for `items()` by name; with a key "items" it would get the key's value.
    return str(sys._getframe(2).f_globals.get("__name__", "")).startswith("json.")  # pyright: ignore[reportPrivateUsage]
