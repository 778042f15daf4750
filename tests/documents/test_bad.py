"""Every problem of a document at once, each with its line, code and field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.documents.types import REGISTRY

from nodeloom.errors import DocumentError, Problem
from nodeloom.nodes.documents.loading import check_document, from_document

BAD = sorted((Path(__file__).parent / "bad").iterdir())
EXPECTED = re.compile(r"#! (.*?)[\",}]*$")


def expected(path: Path) -> list[tuple[int, str, str]]:
    """What the comments of a file say is wrong in their lines: `#! code field; code field`."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        marked = EXPECTED.search(line)
        for entry in marked[1].split(";") if marked else []:
            code, field = entry.split()
            found.append((number, code, field))
    return sorted(found)


def told(problems: list[Problem]) -> list[tuple[int, str, str]]:
    return sorted((problem.line or 0, problem.code, problem.field or "-") for problem in problems)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.name)
def test_a_bad_document_has_exactly_its_problems(path: Path) -> None:
    """2.3, 12.2: every problem at once, with its place."""
    problems = check_document(path, REGISTRY)
    assert told(problems) == expected(path)
    for problem in problems:
        assert problem.column is not None
        assert problem.message
        assert len(problem.message) < 600


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.name)
def test_loading_raises_what_checking_finds(path: Path) -> None:
    problems = check_document(path, REGISTRY)
    if all(problem.severity == "warning" for problem in problems):
        assert from_document(path, REGISTRY).validate() == problems
        return
    with pytest.raises(DocumentError) as raised:
        from_document(path, REGISTRY)
    assert list(raised.value.problems) == problems
    assert path.name in str(raised.value)


def test_a_problem_names_node_edge_and_column() -> None:
    problems = check_document(BAD[[path.name for path in BAD].index("everything.yaml")], REGISTRY)
    by_field = {problem.field: problem for problem in problems}
    assert (by_field["params.attempts"].node, by_field["params.attempts"].column) == ("fetch", 17)
    assert (by_field["params.metod"].node, by_field["params.metod"].column) == ("fetch", 7)
    assert by_field["when"].edge == "fetch -> short"
    assert "did you mean 'method'?" in by_field["params.metod"].message
    assert "text.count" in by_field["type"].message


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("HttpStatusEror", "HttpStatusError"),
        ("CommandFaild", "CommandFailed"),
        ("valueerror", "ValueError"),
        ("nodeloom.errors.CommandFaild", "nodeloom.errors.CommandFailed"),
        ("nodeloom.library.HttpStatusError", "nodeloom.library.http_errors.HttpStatusError"),
        ("HttpStatusError", None),
        ("builtins.ValueError", None),
        ("my.own.ValueEror", None),
        ("MyTimeoutError", None),
        ("FetchRefused", None),  # of a module that is loaded, though no node of the document is from there
        ("FlightError", None),
        ("E" * 10_000, None),
    ],
)
def test_the_name_of_an_error_that_is_near_to_one_is_told(name: str, meant: str | None) -> None:
    """2.5: what names no error there is would never be met."""
    ask = {"type": "http.request", "params": {"url": "http://localhost"}}
    problems = check_document(
        {
            "nodeloom": 1,
            "nodes": {"a": {**ask, "policies": {"retry": {"retry_on": name}}}, "b": ask},
            "edges": [{"from": "a", "to": "b", "on_error": [name]}],
        }
    )
    assert [(problem.code, problem.severity) for problem in problems] == [("unknown_error", "warning")] * 2 * bool(
        meant
    )
    assert all(problem.message.endswith(f"did you mean {meant!r}?") for problem in problems)
