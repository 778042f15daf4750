"""Texts as plain data: what YAML 1.2 and JSON say, with places, and never more than can be borne."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.documents.types import REGISTRY

from nodeloom.errors import DocumentError
from nodeloom.nodes.documents.building import MAX_SIZE, MAX_VALUES
from nodeloom.nodes.documents.loading import check_document, from_document, load_text
from nodeloom.nodes.documents.reading import read_file, read_mapping, read_text
from nodeloom.nodes.documents.yaml_writing import dump_yaml

SECONDS = 5.0
"""What reading may take here; about one where nothing else runs."""

M = MAX_SIZE
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(20)
)
HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "ten megabytes": ("a: " + "x" * 10 * M, "too_large"),
    "ten megabytes of bytes": (b"\xff" * 10 * M, "too_large"),
    "deep flow": ("[" * 100_000, "too_deep"),
    "deep JSON": ('{"a":' * 100_000, "too_deep"),
    "deep dashes": ("- " * 100_000, "too_deep"),
    "deep indentation": ("\n".join(" " * n + "a:" for n in range(1_000)), "too_deep"),
    "alias bomb": (BOMB, "too_many_values"),
    "large alias often": ("a: &a " + "x" * (M // 2) + "\nb: [" + "*a," * 1_000 + "]", "too_large"),
    "alias in itself": ("a: &a [*a]", "alias"),
    "alias in itself, deeper": ("a: &a {b: [{c: *a}]}", "alias"),
    "alias of nothing": ("a: *b", "alias"),
    "values in YAML": ("- 1\n" * (M // 4), "too_many_values"),
    "values in JSON": ("[[" + "1," * (M // 2 - 9) + "1]]", "too_many_values"),
    "anchors": ("[" + "&a x," * (M // 6), "too_many_values"),
    "long tag": ("!" + "a" * (M - 1), "tag"),
    "tag directives": ("".join(f"%TAG !a{n}! tag:x\n" for n in range(M // 20)), "syntax"),
    "long number": ("a: " + "9" * (M - 3), "bad_number"),
    "long number in JSON": ('{"a": ' + "9" * (M - 9) + "}", "bad_number"),
    "long hexadecimal": ("a: 0x" + "f" * (M - 5), "bad_number"),
    "too large a number": ("a: 1e999", "bad_number"),
    "NaN in JSON": ('{"a": NaN}', "syntax"),
    "infinity": ("a: .inf", "bad_number"),
    "NUL": ("a: \0", "encoding"),
    "binary": (bytes(range(256)), "encoding"),
    "UTF-16": ("a: b".encode("utf-16"), "encoding"),
    "half a pair": ('{"a": "\\ud800"}', "bad_text"),
    "half a pair in YAML": ('a: "\\ud800"', "bad_text"),
    "empty": ("", "not_a_mapping"),
    "only a comment": ("# nothing\n", "not_a_mapping"),
    "a tag": ("!!binary aGVsbG8=", "tag"),
    "a key that is a list": ("? [a]\n: b", "bad_key"),
    "never closed": ("a: '" + "x\n" * (M // 3), "syntax"),
    "separators": ("--- " * (M // 4), "syntax"),
    "spaces": (" " * M, "not_a_mapping"),
    "words": ("- " + "x " * (M // 2 - 1), "not_a_mapping"),
    "duplicates": ("{" + "a: 1," * 20_000 + "}", "duplicate_key"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_refused_soon_with_its_reason(name: str) -> None:
    text, code = HOSTILE[name]
    started = time.perf_counter()
    try:
        problems = [problem for _, problem in read_text(text).faults]
    except DocumentError as error:
        problems = list(error.problems)
    assert time.perf_counter() - started < SECONDS
    assert problems[0].code == code
    assert all(len(problem.message) < 400 for problem in problems)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_never_loads(name: str) -> None:
    with pytest.raises(DocumentError) as raised:
        load_text(HOSTILE[name][0], registry=REGISTRY)
    assert len(str(raised.value)) < 50_000


def test_a_file_is_refused_by_its_size_before_it_is_read(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    with large.open("wb") as file:
        file.truncate(10_000_000_000)
    started = time.perf_counter()
    assert [problem.code for problem in check_document(large)] == ["too_large"]
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("path", ["no/such.yaml", "", "a" * 3_000, "a\0b", "nodeloom: 1\nnodes: {}", Path("/")])
def test_a_path_that_leads_to_no_file_is_one_problem(path: Any) -> None:
    with pytest.raises(DocumentError) as raised:
        read_file(path)
    assert [problem.code for problem in raised.value.problems] == ["no_file"]


def test_what_is_no_document_at_all_is_one_problem() -> None:
    wrong: list[Any] = [None, 3, [], b"nodeloom: 1"]
    for nothing in wrong:
        with pytest.raises(DocumentError, match="a mapping or the path of a file"):
            from_document(nothing)


def test_plain_texts_are_read_by_yaml_1_2() -> None:
    read = read_text(
        "texts: [no, yes, on, off, y, 12:30, 2024-02-29, 1_000, 0b1, 0o9, nan, -, 1.2.3, =, 'null', \"1\", !!str 1]\n"
        "others: [~, null, Null, true, FALSE, 1, -1, +1, 0o17, 0x1F, 1.5, .5, 1., 1e3, -1.5E-3, 007]\n"
    ).data
    assert all(isinstance(text, str) for text in read["texts"])
    others = [None, None, None, True, False, 1, -1, 1, 15, 31, 1.5, 0.5, 1.0, 1000.0, -0.0015, 7]
    assert read["others"] == others
    assert list(map(type, read["others"])) == list(map(type, others))


def test_keys_are_texts_as_they_are_written() -> None:
    assert read_text("1: a\nyes: b\n2024-02-29: c\ntrue: d\n1.50: e\n").data == {
        "1": "a",
        "yes": "b",
        "2024-02-29": "c",
        "true": "d",
        "1.50": "e",
    }


def test_aliases_stand_for_copies() -> None:
    source = read_text("a: &x {b: [1]}\nc: *x\nd: [*x, *x]\n")
    assert source.data == {"a": {"b": [1]}, "c": {"b": [1]}, "d": [{"b": [1]}, {"b": [1]}]}
    assert source.data["a"] is not source.data["c"]
    assert source.places.of(("c", "b", 0)) == (2, 4)


def test_places_are_those_of_the_text() -> None:
    yaml = read_text("a:\n  - b: 1\n    c: [x,\n        yy]\n").places
    assert yaml.of(("a", 0, "c"), key=True) == (3, 5)
    assert yaml.of(("a", 0, "c", 1)) == (4, 9)
    assert yaml.of(("a", 0, "none", "at", "all")) == (2, 5)
    json_places = read_text('{"a": [1,\n {"b": "x"}]}').places
    assert json_places.of(("a", 1, "b")) == (2, 8)
    assert json_places.of(("a", 1, "b"), key=True) == (2, 3)


def test_the_first_of_two_keys_stands_and_both_lines_are_named() -> None:
    for text in ("a: 1\nb: 2\na: {c: 3}\n", '{"a": 1,\n"b": 2,\n"a": {"c": 3}}'):
        source = read_text(text)
        assert source.data == {"a": 1, "b": 2}
        [(path, problem)] = source.faults
        assert (path, problem.code, problem.line) == (("a",), "duplicate_key", 3)
        assert "line 1" in problem.message


def test_a_mapping_is_copied_and_must_be_plain() -> None:
    given: dict[str, Any] = {"a": [1, (2, 3)], "b": {"c": None}}
    source = read_mapping(given)
    assert source.data == {"a": [1, [2, 3]], "b": {"c": None}}
    given["a"].append(4)
    assert source.data["a"] == [1, [2, 3]]
    wrong: dict[Any, Any] = {"a": object(), 1: 2, "b": [b"x"], "c": float("nan"), "d": {"e": {1, 2}}}
    bad = read_mapping(wrong)
    assert [(path, problem.code) for path, problem in bad.faults] == [
        (("a",), "bad_value"),
        ((), "bad_key"),
        (("b", 0), "bad_value"),
        (("c",), "bad_number"),
        (("d", "e"), "bad_value"),
    ]


def test_a_mapping_has_the_bounds_of_a_text() -> None:
    around: dict[str, Any] = {}
    around["around"] = around
    for document, code in (
        (around, "too_deep"),
        ({"a": list(range(MAX_VALUES))}, "too_many_values"),
        ({"a": "x" * 2 * M}, "too_large"),
        ({"x" * 2 * M: 1}, "too_large"),
    ):
        assert [problem.code for problem in check_document(document)] == [code]


@pytest.mark.parametrize("text", ['{"nodeloom": 1, "nodes": {}}', " \n[1]", "{nodeloom: 1}", "{a: b, c}"])
def test_json_is_known_by_how_it_begins(text: str) -> None:
    assert [problem.code for problem in check_text(text)] != ["syntax"]


def check_text(text: str | bytes, name: str = "document") -> list[Any]:
    try:
        load_text(text, name, REGISTRY)
    except DocumentError as error:
        return list(error.problems)
    return []


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
MAPPINGS = st.dictionaries(st.text(), PLAIN, max_size=5)


@given(MAPPINGS, st.sampled_from([None, 1, "\t"]))
def test_json_is_read_as_python_reads_it(value: dict[str, Any], indent: Any) -> None:
    for ascii_only in (True, False):
        text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
        source = read_text(text, "x.json")
        assert source.data == value
        assert not source.faults


@given(MAPPINGS)
def test_what_is_written_as_yaml_reads_back_as_it_was(value: dict[str, Any]) -> None:
    source = read_text(dump_yaml(value), "x.yaml") if value else read_text("{}", "x.yaml")
    assert source.data == value
    assert json.dumps(source.data) == json.dumps(value)
    assert not source.faults


KEYS = ("nodeloom", "nodes", "edges", "params", "type", "from", "to", "when", "on_error", "join", "state", "document")
WORDS = st.sampled_from([*KEYS, "a", "b", "a -> b", "[a, b] -> c", "text.shout", "subgraph", "{{ state.a }}", "{{ "])
DOCUMENTS = st.recursive(
    WORDS | PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=6), max_leaves=30
)


@settings(max_examples=150, deadline=5_000)
@given(st.dictionaries(WORDS, DOCUMENTS, max_size=8), st.booleans())
def test_any_mapping_is_a_graph_or_has_problems(document: dict[str, Any], is_ours: bool) -> None:
    if is_ours:
        document["nodeloom"] = 1
    problems = check_document(document, REGISTRY)
    assert all(problem.message for problem in problems)


@settings(max_examples=150, deadline=5_000)
@given(st.text() | st.binary() | st.text(alphabet="{}[]:,-&*!|>'\"%@`#?\n\t ab1~<").map(lambda text: text))
def test_any_text_is_a_graph_or_has_problems(text: str | bytes) -> None:
    for name in ("x.yaml", "x.json", "x"):
        assert check_text(text, name)


GOOD = (Path(__file__).parent / "good" / "triage.yaml").read_text(encoding="utf-8")


@settings(max_examples=150, deadline=5_000)
@given(st.integers(0, len(GOOD)), st.integers(0, 30), st.text(alphabet="{}[]:,-&*!|>'\" \n\tabx1~#", max_size=3))
def test_a_good_text_that_was_hurt_is_a_graph_or_has_problems(at: int, cut: int, put: str) -> None:
    for problem in check_text(GOOD[:at] + put + GOOD[at + cut :]):
        assert problem.line is None or 1 <= problem.line <= GOOD.count("\n") + 5
