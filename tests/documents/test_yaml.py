"""Two parsers stand behind documents: whatever both read is the same data, and the quick one is the usual one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeloom.errors import DocumentError
from nodeloom.nodes.documents import yaml_text
from nodeloom.nodes.documents.building import Builder
from nodeloom.nodes.documents.reading import read_text

PIECES = [
    "a: 1\n",
    "b: x y  # c\n",
    "c:\n  d: 'q''r'\n  e: \"t\\n\\u00e9\\/\"\n",
    "- a: b\n  c: d\n",
    "- - 1\n  - [2, {k: v}]\n",
    "f: {a: 1,\n  b: [c, d]}\n",
    "g: |\n  text\n   more\n\n  end\n",
    "h: >-\n  fold\n  ed\n\n  x\n",
    "i: &x 5\n",
    "j: *x\n",
    "k: a#b\n",
    "m: 'multi\n  line'\n",
    "n: plain\n  multi\n",
    "o: {{ x }}\n",
    'p: "{{ x }}"\n',
    "q: http://x:80/y\n",
    "? r\n: s\n",
    "t: !!str 5\n",
    "---\n",
    "\n",
    "v: no\n",
    "w: 12:30\n",
    "x: .5\n",
    "é: ü\n",
    "gg: |2\n   x\n",
    "jj: [a: b]\n",
    "mm: {a, b: }\n",
    "<<: *x\n",
]


def data(events: Any, text: str) -> Any:
    builder = Builder("it")
    try:
        yaml_text._Reader(builder).read(events(text))
    except (DocumentError, yaml_text.Stopped):
        return None
    return [builder.root]


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=5), st.sampled_from(" -:,[]{}#&*'|\n"), st.integers(0, 200)
)
def test_what_both_parsers_read_is_the_same(pieces: list[str], odd: str, place: int) -> None:
    whole = "".join(pieces)
    for text in (whole, whole[:place] + odd + whole[place:]):
        quick = data(yaml_text._quick_events, text)
        slow = data(lambda text: yaml_text._events(text, "it"), text)
        assert quick is None or slow is None or repr(quick) == repr(slow)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: b\u2028c\n", {"a": "b\u2028c"}),
        ("a:\tb\n", {"a": "b"}),
        ("{'a':b}\n", {"a": "b"}),
        ("--- {a: 1}\n", {"a": 1}),
        ("a: &b:c 1\nd: *b:c\n", {"a": 1, "d": 1}),
        (
            "a: no\nb: 12:30\nc: 2024-02-29\nd: 0o17\ne: 017\n",
            {"a": "no", "b": "12:30", "c": "2024-02-29", "d": 15, "e": 17},
        ),
    ],
)
def test_a_document_is_yaml_1_2(text: str, value: Any) -> None:
    builder = yaml_text.read_yaml(text, "it")
    assert (builder.root, builder.faults) == (value, [])


def test_without_libyaml_the_other_parser_reads_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yaml.__with_libyaml__", False)
    assert read_text("a: [1, {b: c}]\n").data == {"a": [1, {"b": "c"}]}
