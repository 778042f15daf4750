"""Values of secrets are found in whatever is told, and only there (12.3)."""

import dataclasses
import json
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

import msgspec
import pydantic
import pytest

from nodeloom import Secret
from nodeloom.model.masks import KEPT, Masks
from nodeloom.model.values import Values, freeze

VALUE = 'k-"12\\34" &ü'


@pytest.fixture
def masks() -> Masks:
    made = Masks()
    made.remember("key", VALUE)
    return made


@pytest.mark.parametrize(
    "written", [str, repr, json.dumps, quote, quote_plus, lambda it: f"<<{it}>>", lambda it: f"{it}\n{it}"]
)
def test_a_value_is_found_as_it_is_and_as_it_is_quoted(masks: Masks, written: Any) -> None:
    masked = masks.text(f"begin {written(VALUE)} end")
    assert "12" not in masked
    assert masked.startswith("begin ")
    assert masked.endswith(" end")
    assert "[secret key]" in masked


def test_each_line_of_a_long_value_is_found() -> None:
    masks = Masks()
    masks.remember("pem", "-----BEGIN KEY-----\nMIIEabcdefgh\n-----END KEY-----\n")
    assert masks.text("  | MIIEabcdefgh\n") == "  | [secret pem]\n"


def test_a_value_of_three_characters_is_not_looked_for() -> None:
    masks = Masks()
    masks.remember("pin", "123")
    assert not masks.any
    masks.remember("pin", "1234")
    assert masks.text("1234 123") == "[secret pin] 123"


def test_the_longer_of_two_values_wins() -> None:
    masks = Masks()
    masks.remember("short", "abcd")
    masks.remember("long", "abcdefgh")
    assert masks.text("abcdefgh abcd") == "[secret long] [secret short]"


def test_so_many_values_of_one_secret_are_known_and_no_more() -> None:
    masks = Masks()
    for number in range(KEPT + 1):
        masks.remember("turning", f"value-{number:04}")
    assert masks.text("value-0000") == "value-0000"
    assert masks.text(f"value-0001 value-{KEPT:04}") == "[secret turning] [secret turning]"


class Model(pydantic.BaseModel):
    text: str
    more: Any = None


class Struct(msgspec.Struct, frozen=True):
    text: str


@dataclasses.dataclass(frozen=True)
class Data:
    text: str


class Named(NamedTuple):
    text: str


@pytest.mark.parametrize(
    "made",
    [
        lambda text: {"a": [text, 1]},
        lambda text: {text: 1},
        lambda text: [(text,), {text}, frozenset([text])],
        lambda text: freeze({"a": {"b": text}}),
        lambda text: text.encode(),
        lambda text: Model(text=text, more=[text]),
        lambda text: Struct(text),
        lambda text: Data(text),
        lambda text: [Named(text)],
    ],
)
def test_data_is_masked_in_a_copy_of_the_same_kind(masks: Masks, made: Any) -> None:
    value = made(f"is {VALUE}!")
    before = repr(value)
    masked = masks.data(value)
    assert masked == made("is [secret key]!")
    assert type(masked) is type(value)
    assert repr(value) == before


def test_what_holds_no_value_is_given_as_it_is(masks: Masks) -> None:
    value = {"a": [1, None, "text", b"bytes", Model(text="x"), Values(a=1), Secret("key").resolved(VALUE), object()]}
    assert masks.data(value) is value
    nothing = Masks()
    assert nothing.data(VALUE) is VALUE
    assert nothing.text(VALUE) is VALUE


def test_a_value_that_contains_itself_comes_to_an_end(masks: Masks) -> None:
    value: list[Any] = [VALUE]
    value += [value, value]
    assert masks.data(value) == ["[secret key]", "[...]", "[...]"]


def test_forgotten_values_are_not_masked(masks: Masks) -> None:
    masks.forget()
    assert masks.text(VALUE) == VALUE
