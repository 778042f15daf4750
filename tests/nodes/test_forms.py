"""The form of a node: `schema`, `get_dependent_options` and `check`, typed or written by hand; and in runs."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from typing import Any, Literal

import pytest

from nodeloom import Batch, Engine, Field, Graph, Node, Option, Params, ParamsError, RunFailed, node
from nodeloom.errors import DefinitionError, FormError
from nodeloom.forms import form_of
from nodeloom.forms.checking import checked
from nodeloom.policies import Deadline, Fallback, Idempotency, Retry, Timeout
from nodeloom.testing import run_virtual

BANKS = {"IN": ["SBIN", "HDFC"], "GB": ["BARC", "LOYD", "MIDL"]}
asked: list[Any] = []


def list_banks(country: str, *, query: str = "") -> list[Option]:
    asked.append((country, query))
    return [Option(code, code.title()) for code in BANKS[country] if query.upper() in code]


async def bank_info(country: str, bank: str, account: str) -> dict[str, Any]:
    return {"bank": bank, "of": country, "digits": len(account)}


class VerificationParams(Params):
    country: Literal["IN", "GB", "XX"]
    bank: str = Field(options=list_banks, ttl=0)
    account: str = Field(label="Account number", placeholder="00912345")
    valid_on: date | None = None
    note: str = Field("", visible_when="country == 'GB'")
    bank_info: dict[str, Any] | None = Field(None, derived=bank_info)


class Row(Params):
    country: Literal["IN", "GB"]
    bank: str = Field(options=list_banks)


class Verification(Node):
    """Look a bank up."""

    identifier = "test.verification"
    version = 2

    async def work(self, params: VerificationParams) -> Any:
        return {"info": params.bank_info, "bank": params.bank}


class ByHand(Node):
    """The same, written by hand."""

    def schema(self) -> Any:  # type: ignore[override]
        return {
            "fields": [
                {"name": "country", "type": "select", "options": ["IN", "GB", "XX"], "required": True},
                {"name": "bank", "type": "select", "dependsOn": ["country"], "required": True, "own": "word"},
                {"name": "account", "label": "Account number", "required": True},
                {"name": "times", "type": "integer", "default": 3},
            ]
        }

    async def get_dependent_options(self, field: str, values: Any) -> Any:  # type: ignore[override]
        return BANKS[values["country"]]

    async def work(self, params: Any) -> Any:
        return {"bank": params["bank"], "times": params["times"]}


class Plainly(ByHand):
    """Its options come from a plain method."""

    def get_dependent_options(self, field: str, values: Any) -> Any:  # type: ignore[override]
        return BANKS[values["country"]]


HAND = [ByHand, Plainly]
GOOD: dict[str, Any] = {"country": "IN", "bank": "SBIN", "account": "5"}


def fields(found: Any) -> list[tuple[str, str]]:
    return [(problem.field, problem.code) for problem in found]


def test_a_schema_says_who_the_node_is_and_what_it_asks() -> None:
    schema = Verification.schema()
    assert json.loads(json.dumps(schema)) == schema
    assert {key: schema[key] for key in ("identifier", "display_name", "description", "icon", "version")} == {
        "identifier": "test.verification",
        "display_name": "Verification",
        "description": "Look a bank up.",
        "icon": "box",
        "version": 2,
    }
    assert [(field["name"], field["type"], field["dependsOn"]) for field in schema["fields"]] == [
        ("country", "select", []),
        ("bank", "select", ["country"]),
        ("account", "text", []),
        ("valid_on", "date", []),
        ("note", "text", []),
        ("bank_info", "derived", ["country", "bank", "account"]),
    ]
    assert schema["json_schema"]["properties"]["account"]["x-ui"]["placeholder"] == "00912345"


async def test_options_are_none_until_every_parent_has_a_value() -> None:
    assert await Verification.get_dependent_options("bank", {}) is None
    assert await Verification.get_dependent_options("bank", {"country": "FR"}) is None
    assert await Verification.get_dependent_options("bank", {"country": "IN", "account": 5}) == [
        Option("SBIN", "Sbin"),
        Option("HDFC", "Hdfc"),
    ]
    assert [o.value for o in await Verification.get_dependent_options("bank", {"country": "GB"}, query="l") or ()] == [
        "LOYD",
        "MIDL",
    ]
    assert await Verification.get_dependent_options("country", {}) == [Option("IN"), Option("GB"), Option("XX")]


async def test_what_a_function_raises_is_its_callers() -> None:
    with pytest.raises(KeyError):
        await Verification.get_dependent_options("bank", {"country": "XX"})


async def test_a_field_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(FormError, match="did you mean 'bank'"):
        await Verification.get_dependent_options("bnak", {})
    with pytest.raises(FormError, match="leads to no field"):
        await Verification.get_dependent_options("bank.x", {})


async def test_options_in_a_row_depend_on_the_row() -> None:
    class Many(Node):
        class Params(Params):  # type: ignore[misc, unused-ignore]
            main: Row | None = None
            rows: list[Row] = []

        async def work(self) -> None: ...

    values = {"rows": [{"country": "IN"}, {"country": "GB"}], "main": {"country": "IN"}}
    for path, code in (("rows.0.bank", "SBIN"), ("rows.1.bank", "BARC"), ("main.bank", "SBIN")):
        assert (await Many.get_dependent_options(path, values) or [])[0].value == code
    assert await Many.get_dependent_options("rows.2.bank", values) is None


async def test_a_check_tells_all_that_is_wrong() -> None:
    assert fields(await Verification.check({"country": "IN"})) == [("bank", "required"), ("account", "required")]
    assert fields(await Verification.check({**GOOD, "bank": "BARC", "valid_on": "x", "zz": 1})) == [
        ("zz", "unknown"),
        ("bank", "not_offered"),
        ("valid_on", "params"),
    ]
    assert fields(await Verification.check({**GOOD, "bank_info": {"forged": True}})) == []
    assert fields(await Verification.check({**GOOD, "country": "XX"})) == [("bank", "options")]


async def test_a_template_in_values_of_a_caller_is_a_value() -> None:
    assert fields(await Verification.check({**GOOD, "bank": "{{ state.bank }}"})) == []
    assert fields(await Verification.check({**GOOD, "bank": "{{ sta.bank }}"})) == [("bank", "template")]
    assert fields(await Verification.check({**GOOD, "bank": "{{ state.bank }}"}, templates=False)) == [
        ("bank", "not_offered")
    ]


async def test_a_run_computes_what_is_derived_and_takes_it_from_nobody() -> None:
    info = {"bank": "SBIN", "of": "IN", "digits": 1}
    assert (await Verification(**GOOD)())["info"] == info
    assert (await Verification(**GOOD, bank_info={"forged": True})())["info"] == info


async def test_a_run_checks_what_templates_became() -> None:
    graph = Graph(Verification(**{**GOOD, "bank": "{{ state.bank }}"}, id="v"), name="g")
    assert (await graph.run({"bank": "HDFC"})).output["info"]["bank"] == "HDFC"
    with pytest.raises(RunFailed, match="'BARC' is none of its options: SBIN, HDFC"):
        await graph.run({"bank": "BARC"})


async def test_items_of_a_batch_are_checked_each() -> None:
    items = [{"bank": "SBIN"}, {"bank": "NONE"}, {"bank": "HDFC"}]
    verify = Verification(
        **{**GOOD, "bank": "{{ item.bank }}"}, batch=Batch(items=items, error_handling="continue"), policies=[Retry(2)]
    )
    outputs = await verify()
    assert [slot["status"] for slot in outputs["slots"]] == ["ok", "failed", "ok"]


async def test_in_a_worker_process_a_derived_value_is_there_too() -> None:
    from tests.nodes.form_nodes import Measured

    async with Engine(workers={"default": 1}) as engine:
        assert await engine.call(Measured(text="abc")) == {"text": "abc", "length": 3}


async def test_a_node_that_asks_nobody_pays_nothing() -> None:
    @node
    async def plain(params: VerificationLess) -> Any:
        return {"a": params.a}

    asked.clear()
    assert await plain() == {"a": 1}
    assert asked == []


class VerificationLess(Params):
    a: int = 1


async def test_a_graph_checks_the_forms_of_its_nodes() -> None:
    inner = Graph(Verification(**{**GOOD, "bank": "BARC"}, id="in_there"), name="inner")
    start = Verification(**{**GOOD, "bank": "NONE"}, id="start")
    start >> inner.as_node(id="inside")
    graph = Graph(start, name="g")
    assert graph.validate() == []
    assert [(problem.node, problem.field) for problem in await graph.check()] == [
        ("start", "params.bank"),
        ("inside/in_there", "params.bank"),
    ]


# --- written by hand


@pytest.mark.parametrize("kind", HAND)
async def test_a_form_written_by_hand_is_one_on_every_face(kind: Any) -> None:
    assert kind.schema() == kind(**GOOD).schema()
    assert kind.schema()["fields"][1]["own"] == "word"
    assert fields(await kind.check({})) == [("country", "required"), ("bank", "required"), ("account", "required")]
    assert fields(await kind.check({**GOOD, "bank": "BARC", "times": "x"})) == [
        ("bank", "not_offered"),
        ("times", "params"),
    ]
    assert fields(await kind.check({**GOOD, "country": "XX"})) == [("bank", "options")]
    assert fields(await kind.check({**GOOD, "country": "FR"})) == [("country", "not_offered"), ("bank", "waiting")]
    assert await kind(**GOOD)() == {"bank": "SBIN", "times": 3}
    graph = Graph(kind(**{**GOOD, "bank": "{{ state.bank }}"}), name="g")
    assert (await graph.run({"bank": "HDFC"})).output["bank"] == "HDFC"
    with pytest.raises(RunFailed, match="'BARC' is none of its options"):
        await graph.run({"bank": "BARC"})


@pytest.mark.parametrize("kind", HAND)
def test_a_node_with_a_form_by_hand_refuses_what_does_not_fit_it(kind: Any) -> None:
    with pytest.raises(ParamsError) as refused:
        kind(country="FR", times="x", zz=1)
    assert [problem.field for problem in refused.value.problems] == [
        "params.zz",
        "params.times",
        "params.country",
        "params.bank",
        "params.account",
    ]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (5, "returns a mapping with `fields`"),
        ({"fields": 5}, "returns a mapping with `fields`"),
        ({"fields": [5]}, "is a mapping with a name"),
        ({"fields": [{"name": "a", "type": "no"}]}, "is of type 'no', which is none of"),
        ({"fields": [{"name": "a", "dependsOn": ["b"]}]}, "depends on 'b', which is no field"),
        ({"fields": [{"name": "a", "visible_when": "1 +"}]}, "visible_when of field a"),
    ],
)
async def test_a_schema_that_is_none_is_refused_with_the_reason(schema: Any, words: str) -> None:
    class Wrong(Node):
        def schema(self) -> Any:  # type: ignore[override]
            return schema

        async def work(self) -> None: ...

    with pytest.raises(DefinitionError) as refused:
        await Wrong.check({})
    assert words in str(refused.value)


async def test_only_the_options_may_be_written_by_hand() -> None:
    class Half(Node):
        class Params(Params):  # type: ignore[misc, unused-ignore]
            country: Literal["IN", "GB"]
            bank: str = Field(depends_on=["country"])

        @classmethod
        async def get_dependent_options(cls, field: str, values: Any) -> Any:  # type: ignore[override]
            return [f"{field}:{values['country']}"]

        async def work(self, params: Any) -> Any:
            return {"bank": params.bank}

    assert fields(await Half.check({"country": "IN", "bank": "x"})) == [("bank", "not_offered")]
    assert await Half(country="IN", bank="bank:IN")() == {"bank": "bank:IN"}


async def test_a_function_may_ask_for_the_engine_and_its_resources() -> None:
    import contextlib

    @contextlib.asynccontextmanager
    async def directory(*_: Any) -> Any:
        yield {"IN": ["A"]}

    async def list_codes(country: str, *, ctx: Any) -> list[str]:
        return (await ctx.resource("directory"))[country]

    class WithResource(Node):
        class Params(Params):  # type: ignore[misc, unused-ignore]
            country: str
            code: str = Field(options=list_codes)

        async def work(self, params: Any) -> Any:
            return {"code": params.code}

    async with Engine(resources={"directory": directory}) as engine:
        assert await engine.call(WithResource(country="IN", code="A")) == {"code": "A"}
        with pytest.raises(ParamsError, match="'B' is none of its options: A"):
            await engine.call(WithResource(country="IN", code="B"))


async def test_a_plain_function_that_hangs_is_given_up_in_its_time() -> None:
    import threading

    gate = threading.Event()

    def hangs(a: str) -> list[str]:
        gate.wait(30)
        return ["y"]

    class Chooses(Params):
        a: str = "x"
        b: str = Field("y", options=hangs)

    try:
        async with Engine(grace=60) as engine:  # which is no time to be waited for on top
            asker = engine.asker._replace(timeout=0.01)
            found = await asyncio.wait_for(checked(form_of(Chooses), {"b": "bad"}, asker), 20)
            gate.set()
    finally:
        gate.set()
    assert [problem.message for problem in found.problems] == ["its options cannot be had: it took longer than 0.01 s"]


# --- a step's Deadline and its form (5.4)


async def after_4_s(a: str) -> list[str]:
    return await asyncio.sleep(4, ["x", "y"])


async def together(a: str, b: str) -> str:
    return a + b


class Slow(Node):
    """Its options come after 4 s, its work takes 3, and what is derived is a key of a policy."""

    class Params(Params):  # type: ignore[misc, unused-ignore]
        a: str
        b: str = Field(options=after_4_s, ttl=0)
        both: str = Field("", derived=together)

    async def work(self, params: Any) -> Any:
        await asyncio.sleep(3)
        return {"both": params.both}


def run_slow(*policies: Any) -> tuple[Any, float]:
    """What a run gives, or fails with, and the virtual time it takes."""

    async def main() -> tuple[Any, float]:
        graph = Graph(Slow(b="x", a="{{ inputs.a }}", policies=list(policies)))
        run = await graph.run({"a": "1"}, check=False)
        return run.error.type if run.error is not None else run.output, asyncio.get_running_loop().time()

    return run_virtual(main())


def test_a_deadline_bounds_what_the_form_asks() -> None:
    """5.4: the whole step, with its form."""
    assert run_slow(Deadline(1)) == ("DeadlineExceeded", 1)


def test_a_deadline_is_of_the_form_and_the_work_together() -> None:
    """5.4: and not of each."""
    assert run_slow(Deadline(6), Retry(3)) == ("DeadlineExceeded", 6)
    assert run_slow(Deadline(8), Idempotency(key="of {{ params.both }}")) == ({"both": "1x"}, 7)


def test_a_timeout_is_of_an_attempt_which_the_form_is_not() -> None:
    """5.4."""
    assert run_slow(Timeout(3.5)) == ({"both": "1x"}, 7)


def test_a_fallback_stands_outside_of_a_deadline_that_the_form_missed() -> None:
    """5.1, 5.9."""
    assert run_slow(Fallback(value={"both": "?"}), Deadline(1)) == ({"both": "?"}, 1)


async def test_a_deadline_does_not_wait_for_a_plain_function_on_its_thread() -> None:
    """5.4."""
    import threading

    gate = threading.Event()

    def hangs(a: str) -> list[str]:
        gate.wait(60)
        return ["x"]

    class Chooses(Node):
        class Params(Params):  # type: ignore[misc, unused-ignore]
            a: str
            b: str = Field(options=hangs)

        async def work(self, params: Any) -> Any:
            return {}

    graph = Graph(Chooses(b="x", a="{{ inputs.a }}", policies=[Deadline(0.01)]))
    async with Engine() as engine:
        engine._asker = engine.asker._replace(timeout=60)  # pyright: ignore[reportPrivateUsage]
        run = await asyncio.wait_for(engine.run(graph, {"a": "1"}, check=False), 20)
        gate.set()
    assert run.error is not None
    assert run.error.code == "deadline_exceeded"
