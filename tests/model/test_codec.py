"""Runs, outcomes and values as bytes (semantics 1.2, 12.3)."""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from contextlib import suppress
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.model.drawn import build, drive, gives

from nodeloom.model.codec import (
    NotStorable,
    decode_outcome,
    decode_run,
    decode_value,
    encode_outcome,
    encode_run,
    encode_value,
)
from nodeloom.model.run import Cancelled, Completed, ErrorInfo, Failed, Outcome, Send, Step, Suspended
from nodeloom.model.values import Lent, Values, freeze, lend

ZONES = st.sampled_from([None, dt.UTC, dt.timezone(dt.timedelta(hours=5, minutes=30))])
KEYS = st.integers() | st.text(max_size=4) | st.dates() | st.booleans() | st.tuples(st.integers(), st.text(max_size=2))
WHOLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.binary(max_size=5).map(bytearray),
    st.datetimes(timezones=ZONES),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.uuids(),
    st.complex_numbers(allow_nan=False),
)
VALUES = st.recursive(
    WHOLE,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=3), inner, max_size=3),
        st.dictionaries(st.text(max_size=3), inner, max_size=3).map(freeze),
        st.dictionaries(KEYS, inner, max_size=3),
        st.sets(KEYS, max_size=3),
        st.frozensets(KEYS, max_size=3),
    ),
    max_leaves=12,
)


def same(one: Any, two: Any) -> bool:
    """Equal, and of the same types all the way down."""
    if type(one) is not type(two):
        return False
    if isinstance(one, dict):
        pairs = zip(one.items(), two.items(), strict=True)
        return all(same(key, other) and same(value, found) for (key, value), (other, found) in pairs)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(same(*pair) for pair in zip(one, two, strict=True))
    if isinstance(one, dt.datetime | dt.time):
        return (one, one.utcoffset(), one.fold) == (two, two.utcoffset(), two.fold)
    return bool(one == two)


@given(VALUES)
def test_values_come_back_as_they_were(value: Any) -> None:
    """1.8: equal, and of the same types."""
    assert same(decode_value(encode_value(value)), value)


def test_what_was_lent_comes_back_as_ones_own() -> None:
    """4.8: nobody else holds what has just been read."""
    mine = lend(freeze({"k": [1], "keys": 2, "values": 3}))
    back = decode_value(encode_value({"state": mine, "nothing": float("nan")}))["state"]
    assert type(back) is not Lent
    assert isinstance(back, Values)
    assert back == {"k": [1], "keys": 2, "values": 3}
    assert getattr(back, "values") == 3  # noqa: B009
    assert type(decode_value(encode_value(mine))) is not Lent


class Model:
    pass


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": {"b": [1, Model()]}}, "a.b.1 is a .*Model, which cannot be stored: return plain data"),
        ({"a": {2: {Model}}}, "a.2.0 is a builtins.type"),
        ({"f": len}, "f is a builtins.builtin_function_or_method"),
        ({"d": OrderedDict(a=1)}, "d is a collections.OrderedDict"),
        (Model(), "the value is a .*Model"),
        ({"e": ValueError("x")}, "e is a builtins.ValueError"),
    ],
)
def test_other_objects_are_refused_by_the_path_to_them(value: Any, words: str) -> None:
    """12.3: nothing is pickled, so what cannot be stored is said."""
    with pytest.raises(NotStorable, match=words):
        encode_value(value)


def test_what_contains_itself_is_refused() -> None:
    """12.3."""
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(NotStorable, match="contains itself"):
        encode_value({"k": endless})


def test_a_run_that_holds_something_else_says_where() -> None:
    """12.3: the key under which a node returned it."""
    driven = drive(build("a>b", {"a": gives(model=Model())}))
    with pytest.raises(NotStorable, match=r"branches\.1\.state\.model is a .*Model"):
        encode_run(driven.run)


@pytest.mark.parametrize("data", [b"", b"\xc1", b"nonsense", encode_value({"a": 1}), msgspec.msgpack.encode([7, {}])])
def test_bytes_that_are_no_run_are_refused(data: bytes) -> None:
    """12.3: by a ValueError that says what they are."""
    with pytest.raises(ValueError, match="these bytes are"):
        decode_run(data)


@given(st.binary(max_size=60))
def test_no_bytes_do_harm(data: bytes) -> None:
    """12.3."""
    with suppress(ValueError):
        decode_value(data)


@given(st.data())
def test_bytes_that_were_changed_are_read_or_refused(data: st.DataObject) -> None:
    """12.3."""
    good = bytearray(encode_run(drive(build("a>b a>c b>d c>d")).run))
    for _ in range(3):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ValueError):
        decode_run(bytes(good))


def test_outcomes_come_back_as_they_were() -> None:
    """1.4: for a journal."""
    seed = (b"0123456789abcdef", 1, 2)
    error = ErrorInfo("ValueError", "value_error", "no", "a", True, ("ValueError", "Exception"))
    step = Step(1, 2, 3, seed, freeze({"when": dt.date(2026, 1, 2), "id": UUID(int=7)}), error, (0, 4))
    outcomes: list[Outcome] = [
        Completed(step, freeze({"n": Decimal("1.20")}), (1, 2)),
        Completed(step, freeze({}), (), (Send(1, freeze({"i": 0})), Send(1))),
        Failed(step, error, (3,)),
        Failed(step, error, fatal=True),
        Cancelled(step),
        Suspended(step, "approval"),
    ]
    for outcome in outcomes:
        assert decode_outcome(encode_outcome(outcome)) == outcome
    with pytest.raises(ValueError, match="no outcome, but a Step"):
        decode_outcome(encode_value(step))
