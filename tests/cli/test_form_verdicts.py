"""The terminal refuses what a check refuses, and nothing else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodeloom import Field, Node, Params, Registry
from nodeloom.cli import main

OFFERED = {"post": ["red", "green"], "fetch": ["blue"]}


class Line(Params):
    number: int = Field(ge=0, le=9)
    note: str = Field(visible_when="number > 5", max_length=4)


class Order(Node):
    """Has fields of many kinds."""

    identifier = "tests.verdicts"

    class Params(Params):  # type: ignore[misc, unused-ignore]
        kind: Literal["post", "fetch"]
        colour: str = Field(options=lambda kind: OFFERED[kind])
        size: int = Field(1, ge=1, multiple_of=3)
        tags: list[str] = Field([], max_length=2)
        lines: list[Line] = []
        sign: str | None = Field(None, derived=lambda kind, colour: f"{kind}/{colour}")

    async def work(self) -> None: ...


JSON = (
    st.none()
    | st.booleans()
    | st.integers(-3, 12)
    | st.text("abre{}", max_size=4)
    | st.lists(st.integers(0, 9), max_size=3)
)
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["post", "fetch"]) | JSON,
        "colour": st.sampled_from(["red", "blue"]) | JSON,
        "size": st.sampled_from([3, 6]) | JSON,
        "tags": st.lists(st.text("ab", max_size=3), max_size=3) | JSON,
        "lines": st.lists(st.fixed_dictionaries({}, optional={"number": JSON, "note": JSON}), max_size=2) | JSON,
        "sign": JSON,
        "more": JSON,
    },
)


@pytest.fixture(scope="module", autouse=True)
def registered() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nodeloom.nodes.documents.catalogue.default_registry", lambda: Registry(Order))
        yield


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=VALUES)
def test_the_terminal_and_a_check_give_the_same_verdict(
    values: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "values.json"
    file.write_text(json.dumps(values), encoding="utf-8")
    code = main(["form", "tests.verdicts", "--inputs", str(file), "--json"])
    told = json.loads(capsys.readouterr().out)
    problems = asyncio.run(Order.check(values))
    assert (code == 0, told["valid"]) == (not problems, not problems)
    assert sorted(each["field"] for each in told["problems"]) == sorted(str(problem.field) for problem in problems)
