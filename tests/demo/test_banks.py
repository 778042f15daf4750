"""A form of a bank account, of typed params and written by hand: it is the same on every face."""

from __future__ import annotations

import csv
import io
from datetime import date
from importlib.resources import files
from typing import Any

import pytest
from tests.cli.persons import Person

from nodeloom import Graph, Node, Registry
from nodeloom.cli import main
from nodeloom.demo.banks import BankVerification, BankVerificationByHand, directory
from nodeloom.errors import ParamsError, RunFailed
from nodeloom.forms import Evaluator
from nodeloom.forms.choosing import options_for
from nodeloom.nodes.documents.reading import read_text
from nodeloom.nodes.documents.saving import dump_yaml
from nodeloom.nodes.forms import form_of_node
from nodeloom.nodes.host import current_host

FOLDER = files("nodeloom.demo.banks")
KINDS = [BankVerification, BankVerificationByHand]
RIGHT = {"country": "IN", "bank": "HDFC", "branch": "000020", "account": "000123456789"}
BRITISH = {"country": "GB", "bank": "BARC", "branch": "22XXX", "account": "00912345"}
both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


async def states_of(kind: type[Node], values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    evaluator = Evaluator(form_of_node(kind), current_host().asker)
    await evaluator.update(values)
    return {state.name: state.as_mapping() for state in evaluator.all_states()}


async def messages(kind: type[Node], values: dict[str, Any]) -> list[tuple[str | None, str]]:
    return [(problem.field, problem.message) for problem in await kind.check(values)]


# --- the directory


def test_the_directory_is_small_and_its_source_and_licences_are_said() -> None:
    text = FOLDER.joinpath("banks.csv").read_text(encoding="utf-8")
    said = FOLDER.joinpath("SOURCES.md").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(text.encode()) <= 60_000
    banks = {country: {row["bank"] for row in rows if row["country"] == country} for country in ("IN", "GB")}
    assert f"{len(rows)} branches of {sum(map(len, banks.values()))} banks" in said
    for country, codes in banks.items():
        assert f"{sum(row['country'] == country for row in rows)} of {len(codes)} banks" in said
    for notice in ("Copyright (c) 2020 Razorpay", "Copyright (c) 2021 Martin Domke"):
        assert notice in said
    assert said.count("The above copyright notice and this permission notice shall be included") == 2


def test_a_branch_is_known_by_a_code_made_of_its_parts() -> None:
    for row in directory.rows():
        middle = "0" if row.country == "IN" else "GB"
        assert row.code == f"{row.bank}{middle}{row.branch}"
        assert len(row.branch) == (6 if row.country == "IN" else 5)
    assert len({(row.country, row.bank, row.branch) for row in directory.rows()}) == len(directory.rows())


# --- the form


def test_both_say_the_same_of_every_field() -> None:
    typed, by_hand = ([field.as_mapping() for field in form_of_node(kind).fields] for kind in KINDS)
    assert typed == by_hand
    assert [field["name"] for field in typed if field["dependsOn"]] == ["bank", "branch", "bank_info"]
    assert [kind.schema()["fields"] for kind in KINDS] == [typed, by_hand]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"country": "IN"},
        RIGHT,
        {**RIGHT, "country": "GB"},
        {**RIGHT, "branch": "999999"},
        {**RIGHT, "account": "12345678"},
        {**BRITISH, "note": "by post", "valid_on": "2026-01-31"},
        {**BRITISH, "account": "0091234a", "valid_on": "2026-13-31", "nothing": 1},
    ],
)
async def test_both_are_in_the_same_state_for_the_same_values(values: dict[str, Any]) -> None:
    typed, by_hand = [await states_of(kind, values) for kind in KINDS]
    assert typed == by_hand
    assert await messages(BankVerification, values) == await messages(BankVerificationByHand, values)


@both
async def test_a_country_that_there_is_not_is_the_only_thing_that_can_be_said(kind: type[Node]) -> None:
    states = await states_of(kind, {**RIGHT, "country": "FR"})
    assert [problem["field"] for problem in states["country"]["problems"]] == ["country"]
    assert states["bank"]["waiting_for"] == ["country"]
    assert (await messages(kind, {**RIGHT, "country": "FR"}))[1] == ("bank", "cannot be judged before Country can")


@both
async def test_options_wait_for_their_parents_and_follow_them(kind: type[Node]) -> None:
    assert await kind.get_dependent_options("bank", {}) is None
    assert await kind.get_dependent_options("branch", {"country": "IN"}) is None
    indian = await kind.get_dependent_options("bank", {"country": "IN"})
    british = await kind.get_dependent_options("bank", {"country": "GB"})
    assert indian is not None
    assert british is not None
    assert "HDFC Bank" in [option.label for option in indian]
    assert not {option.label for option in indian} & {option.label for option in british}


@both
async def test_banks_are_searched_and_branches_are_turned_page_by_page(kind: type[Node]) -> None:
    found = await kind.get_dependent_options("bank", {"country": "GB"}, query="nationwide")
    assert found is not None
    assert all("NATIONWIDE" in option.label for option in found)
    form, asker, seen, cursor = form_of_node(kind), current_host().asker, [], None
    for _ in range(3):
        page = await options_for(form, "branch", {"country": "IN", "bank": "HDFC"}, asker, cursor=cursor)
        assert page is not None
        seen += [option.value for option in page.options]
        cursor = page.cursor
    assert (len(seen), len(set(seen)), cursor) == (40, 40, None)


@both
async def test_a_country_that_changes_flags_the_bank_and_its_return_clears_it(kind: type[Node]) -> None:
    evaluator = Evaluator(form_of_node(kind), current_host().asker)
    await evaluator.update(RIGHT)
    assert evaluator.problems == []
    await evaluator.change(country="GB")
    assert evaluator.states["bank"].value == "HDFC"
    assert [problem.code for problem in evaluator.states["bank"].problems] == ["not_offered"]
    assert evaluator.states["branch"].waiting_for == ("bank",)
    assert evaluator.states["bank_info"].status == "waiting"
    await evaluator.change(country="IN")
    assert evaluator.problems == []


@both
async def test_a_directory_that_fails_is_told_in_its_own_words(
    kind: type[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed() -> Any:
        raise ConnectionError("the directory is closed on Sundays")

    monkeypatch.setattr(directory, "rows", closed)
    states = await states_of(kind, RIGHT)
    assert (states["bank"]["status"], states["bank"]["error"]) == ("error", "the directory is closed on Sundays")
    assert ("bank", "its options cannot be had: the directory is closed on Sundays") in await messages(kind, RIGHT)
    with pytest.raises(ConnectionError, match="closed on Sundays"):
        await kind.get_dependent_options("bank", {"country": "IN"})
    monkeypatch.undo()
    assert await messages(kind, RIGHT) == []  # a failure is not remembered


@both
async def test_an_account_is_checked_as_its_country_has_them(kind: type[Node]) -> None:
    assert await messages(kind, BRITISH) == []
    long = "cannot be derived: an account number in the United Kingdom has 8 digits, not '123456789'"
    assert await messages(kind, {**BRITISH, "account": "123456789"}) == [("bank_info", long)]
    short = "cannot be derived: an account number in India has 9 to 18 digits, not '00912345'"
    assert await messages(kind, {**RIGHT, "account": "00912345"}) == [("bank_info", short)]
    ((field, message),) = await messages(kind, {**RIGHT, "account": "12"})
    assert field == "account"
    assert "should match pattern" in message


@both
async def test_a_note_is_there_for_the_united_kingdom_alone(kind: type[Node]) -> None:
    shown = {country: (await states_of(kind, {"country": country}))["note"]["visible"] for country in ("GB", "IN")}
    assert shown == {"GB": True, "IN": False}


# --- runs and documents


@both
async def test_it_runs_in_a_graph_with_what_is_derived(kind: type[Node]) -> None:
    node = kind({**RIGHT, "bank_info": {"bank": "a lie"}, "valid_on": "2026-01-31"}, id="verify")
    output = (await Graph(node, name="verifying").run()).output
    assert output == {
        "bank": "HDFC Bank",
        "branch_code": "HDFC0000020",
        "account": "000123456789",
        "valid_on": "2026-01-31",
    }


@both
async def test_a_run_refuses_what_a_template_brought(kind: type[Node]) -> None:
    node = kind({**BRITISH, "bank": "{{ inputs.bank }}"}, id="verify")
    graph = Graph(node, name="verifying")
    assert (await graph.run({"bank": "BARC"})).output["branch_code"] == "BARCGB22XXX"
    with pytest.raises(RunFailed, match="'HDFC' is none of its options"):
        await graph.run({"bank": "HDFC"})


@both
def test_what_can_be_told_without_asking_is_told_when_the_node_is_made(kind: type[Node]) -> None:
    with pytest.raises(ParamsError) as caught:
        kind({"country": "FR", "account": "12"})
    assert {problem.field for problem in caught.value.problems} >= {"params.country", "params.account"}


@both
async def test_a_document_keeps_it(kind: type[Node]) -> None:
    registry = Registry(kind)
    graph = Graph(kind({**BRITISH, "note": "by post", "valid_on": "2026-01-31"}, id="verify"), name="verifying")
    text = dump_yaml(graph.to_document())
    again = Graph.from_document(read_text(text).data, registry)
    assert dump_yaml(again.to_document()) == text
    (node,) = again.nodes.values()
    assert node.params.valid_on == date(2026, 1, 31)
    assert (await again.run()).output == (await graph.run()).output


# --- the terminal


@both
def test_a_person_fills_it_in(kind: type[Node], tmp_path: Any) -> None:
    name = f"nodeloom.demo.banks.{kind.__name__}"
    with Person(tmp_path, "form", name, "--id", "verify", "--into", "flow.yaml") as person:
        person.reads("Country\n").reads("1  India (IN)").types("3").reads("no number 3").types("1")
        person.reads("Bank\n").reads("Search by name or code").types("hdfc").reads("1  HDFC Bank (HDFC)").types("1")
        person.reads("Branch\n").reads(" 15  ").types("n").reads(" 20  HDFC0000020 (000020)").types("20")
        person.reads("Account number").types("00912345").reads("! What is known of it: an account number in India")
        person.reads("Account number").types("000123456789").reads('"branch_code": "HDFC0000020"')
        person.reads("Valid on").types("2026-01-31").reads("everything fits").reads("HDFC Bank (HDFC)")
        assert person.end() == (0, "")
    assert "Note for the bank" not in person.seen
    params = {"country": "IN", "bank": "HDFC", "branch": "000020", "account": "000123456789", "valid_on": "2026-01-31"}
    document = read_text((tmp_path / "flow.yaml").read_text(encoding="utf-8")).data
    assert document["nodes"] == {"verify": {"type": name, "params": params}}


@both
def test_values_that_are_given_say_the_same(kind: type[Node], capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def form(values: dict[str, str]) -> int:
        given = [word for key, value in values.items() for word in ("-i", f"{key}={value}")]
        return main(["form", f"nodeloom.demo.banks.{kind.__name__}", "--id", "verify", *given])

    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert form({**BRITISH, "account": "123456789"}) == 2
    assert "bank_info: cannot be derived: an account number in the United Kingdom has 8" in capsys.readouterr().err
    assert form(BRITISH) == 0
    assert read_text(capsys.readouterr().out).data["verify"]["params"] == BRITISH
