"""A form and its values, kept up to date: what is ready, what waits for what, what is wrong."""

from __future__ import annotations

import asyncio
from datetime import date
from enum import Enum
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeloom import Field, Option, Params
from nodeloom.forms import NOTHING, Asker, Evaluator, Page, form_of
from nodeloom.testing import run_virtual

TOWNS = {"FR": ["Lyon", "Nantes"], "IT": ["Bari", "Lecce"]}


class Asked:
    """Keeps what it was asked; answers when it is let."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.gates: dict[Any, asyncio.Event] = {}

    async def towns(self, country: str) -> list[str]:
        self.calls.append(country)
        if country in self.gates:
            await self.gates[country].wait()
        return TOWNS[country]

    def gate(self, country: str) -> asyncio.Event:
        return self.gates.setdefault(country, asyncio.Event())


def trip(asked: Asked, **how: Any) -> Any:
    class Trip(Params):
        country: Literal["FR", "IT", "XX"]
        town: str = Field(options=asked.towns, **how)
        street: str = ""
        sign: str | None = Field(None, derived=lambda country, town: f"{country}-{town}")
        tax: str = Field(visible_when="country == 'IT'")

    return form_of(Trip)


async def inline(function: Any, *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


INLINE = Asker(inline)


def brief(evaluator: Evaluator) -> dict[str, tuple[Any, ...]]:
    return {
        state.path: (state.status, state.waiting_for, [problem.code for problem in state.problems])
        for state in evaluator.all_states()
    }


async def test_a_field_waits_until_its_parents_are_valid() -> None:
    asked = Asked()
    evaluator = Evaluator(trip(asked), INLINE)
    await evaluator.update({})
    assert brief(evaluator)["town"] == ("waiting", ("country",), ["required"])
    assert brief(evaluator)["sign"] == ("waiting", ("country", "town"), [])
    await evaluator.update({"country": "ZZ"})
    assert brief(evaluator)["town"] == ("waiting", ("country",), ["required"])
    assert asked.calls == []
    await evaluator.update({"country": "FR", "town": "Lyon"})
    assert brief(evaluator)["town"] == ("ready", (), [])
    assert evaluator.states["town"].options == (Option("Lyon"), Option("Nantes"))
    assert evaluator.values == {"country": "FR", "town": "Lyon", "street": "", "sign": "FR-Lyon"}


async def test_a_value_given_before_its_parents_cannot_be_judged() -> None:
    evaluator = Evaluator(trip(Asked()), INLINE)
    await evaluator.update({"town": "Lyon"})
    assert evaluator.states["town"].problems[0].message == "cannot be judged before Country can"


async def test_a_change_computes_only_what_depends_on_it() -> None:
    asked = Asked()
    evaluator = Evaluator(trip(asked), INLINE)
    await evaluator.update({"country": "FR", "town": "Lyon"})
    assert set(await evaluator.change(street="Rue")) == {"street"}
    assert set(await evaluator.change(town="Nantes")) == {"town", "sign"}
    assert asked.calls == ["FR"]
    assert set(await evaluator.change(country="IT")) == {"country", "town", "sign", "tax"}
    assert asked.calls == ["FR", "IT"]


async def test_a_value_no_longer_offered_is_kept_and_flagged_and_cleared_by_going_back() -> None:
    evaluator = Evaluator(trip(Asked()), INLINE)
    await evaluator.update({"country": "FR", "town": "Lyon"})
    await evaluator.change(country="IT", tax="1")
    state = evaluator.states["town"]
    assert (state.value, state.problems[0].message) == ("Lyon", "'Lyon' is none of its options: Bari, Lecce")
    assert brief(evaluator)["sign"] == ("waiting", ("town",), [])
    await evaluator.change(country="FR")
    assert evaluator.problems == []


async def test_what_is_hidden_need_not_be_given_and_is_not_told() -> None:
    evaluator = Evaluator(trip(Asked()), INLINE)
    await evaluator.update({"country": "FR", "town": "Lyon", "tax": "7"})
    assert (evaluator.states["tax"].visible, "tax" in evaluator.values) == (False, False)
    await evaluator.update({"country": "IT", "town": "Bari"})
    assert brief(evaluator)["tax"] == ("ready", (), ["required"])


async def test_nothing_is_taken_for_a_derived_field() -> None:
    evaluator = Evaluator(trip(Asked()), INLINE)
    await evaluator.update({"country": "FR", "town": "Lyon", "sign": "forged"})
    assert evaluator.values["sign"] == "FR-Lyon"


async def test_a_function_that_fails_makes_its_field_an_error_in_its_authors_words() -> None:
    evaluator = Evaluator(trip(Asked()), INLINE)
    await evaluator.update({"country": "XX", "town": "Lyon"})
    state = evaluator.states["town"]
    assert (state.status, state.error, state.value) == ("error", "KeyError: 'XX'", "Lyon")
    assert state.problems[0].message == "its options cannot be had: KeyError: 'XX'"
    assert brief(evaluator)["sign"] == ("waiting", ("town",), [])


@pytest.mark.parametrize("bad", [5, "text", [("a", "b", "c")], [{"no": 1}]])
async def test_an_answer_that_makes_no_sense_is_its_fields_error(bad: Any) -> None:
    class Form(Params):
        a: str = "x"
        b: str = Field("y", options=lambda a: bad)

    evaluator = Evaluator(form_of(Form), INLINE)
    await evaluator.update({})
    assert evaluator.states["b"].status == "error"


async def test_a_derived_value_of_the_wrong_type_is_an_error() -> None:
    class Form(Params):
        a: str = "x"
        b: int = Field(derived=lambda a: a)

    evaluator = Evaluator(form_of(Form), INLINE)
    await evaluator.update({})
    assert evaluator.states["b"].error.startswith("its function gave 'x': Input should be a valid integer")


async def test_a_late_answer_to_an_old_question_never_wins() -> None:
    asked = Asked()
    first, second = asked.gate("FR"), asked.gate("IT")
    evaluator = Evaluator(trip(asked), INLINE)
    old = asyncio.create_task(evaluator.update({"country": "FR", "town": "Lyon"}))
    await asyncio.sleep(0)
    new = asyncio.create_task(evaluator.update({"country": "IT", "town": "Bari", "tax": "1"}))
    await asyncio.sleep(0)
    second.set()
    await new
    first.set()
    await old
    assert [option.value for option in evaluator.states["town"].options or ()] == ["Bari", "Lecce"]
    assert evaluator.problems == []


async def test_an_update_beside_one_that_waits_leaves_it_what_it_waits_for() -> None:
    asked = Asked()
    gate = asked.gate("FR")
    evaluator = Evaluator(trip(asked), INLINE)
    old = asyncio.create_task(evaluator.update({"country": "FR", "town": "Lyon"}))
    await asyncio.sleep(0)
    new = asyncio.create_task(evaluator.update({"country": "FR", "town": "Lyon", "street": "Rue"}))
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(old, new)
    assert (evaluator.problems, asked.calls) == ([], ["FR"])


async def test_evaluators_share_a_question_under_way_and_its_answer() -> None:
    asked = Asked()
    gate, form = asked.gate("FR"), trip(asked)
    evaluators = [Evaluator(form, INLINE) for _ in range(20)]
    updates = [asyncio.create_task(each.update({"country": "FR", "town": "Lyon"})) for each in evaluators]
    await asyncio.sleep(0.0)
    await asyncio.sleep(0.0)
    gate.set()
    await asyncio.gather(*updates)
    await Evaluator(form, INLINE).update({"country": "FR"})
    assert asked.calls == ["FR"]
    assert all(each.problems == [] for each in evaluators)


async def test_who_leaves_does_not_cancel_a_question_that_others_wait_for_and_the_last_one_does() -> None:
    asked = Asked()
    gate, form = asked.gate("FR"), trip(asked)
    ended: list[str] = []

    async def towns(country: str) -> list[str]:
        try:
            return await asked.towns(country)
        except asyncio.CancelledError:
            ended.append(country)
            raise

    class Trip(Params):
        country: str
        town: str = Field(options=towns)

    form = form_of(Trip)
    tasks = [asyncio.create_task(Evaluator(form, INLINE).update({"country": "FR"})) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for task in tasks[:2]:
        task.cancel()
    await asyncio.gather(*tasks[:2], return_exceptions=True)
    assert ended == []
    tasks[2].cancel()
    await asyncio.gather(tasks[2], return_exceptions=True)
    await asyncio.sleep(0)
    assert ended == ["FR"]
    gate.set()
    again = Evaluator(form, INLINE)
    await again.update({"country": "FR"})
    assert again.states["town"].options == (Option("Lyon"), Option("Nantes"))


def test_an_answer_is_remembered_for_its_time_to_live() -> None:
    asked = Asked()
    form = trip(asked, ttl=10)

    async def main() -> None:
        for _ in range(2):
            await Evaluator(form, INLINE).update({"country": "FR"})
        await asyncio.sleep(10.5)
        await Evaluator(form, INLINE).update({"country": "FR"})

    run_virtual(main())
    assert asked.calls == ["FR", "FR"]


def test_without_a_time_to_live_each_form_asks_anew() -> None:
    asked = Asked()
    form = trip(asked, ttl=0)

    async def main() -> None:
        for _ in range(2):
            await Evaluator(form, INLINE).update({"country": "FR"})

    run_virtual(main())
    assert asked.calls == ["FR", "FR"]


def test_a_function_that_takes_too_long_is_given_up_and_delays_no_other_field() -> None:
    class Form(Params):
        a: str = "x"
        slow: str = Field("y", options=lambda a: asyncio.sleep(60))
        quick: str = Field("q", options=lambda a: ["q"])

    async def main() -> tuple[float, Evaluator]:
        evaluator = Evaluator(form_of(Form), Asker(inline, timeout=5.0))
        loop = asyncio.get_running_loop()
        update = asyncio.create_task(evaluator.update({}))
        await asyncio.sleep(0.01)
        assert evaluator.states["quick"].status == "ready"
        assert evaluator.states["slow"].status == "waiting"
        await update
        return loop.time(), evaluator

    _, evaluator = run_virtual(main())
    assert evaluator.states["slow"].error == "it took longer than 5 s"


async def test_a_plain_function_runs_off_the_loop() -> None:
    import threading

    where: list[bool] = []

    def towns(country: str) -> list[str]:
        where.append(threading.current_thread() is threading.main_thread())
        return TOWNS[country]

    class Trip(Params):
        country: str
        town: str = Field(options=towns)

    await Evaluator(form_of(Trip)).update({"country": "FR"})
    assert where == [False]


# --- several parents, chains, wishes, searches and pages


async def test_a_chain_settles_in_one_update() -> None:
    fields: dict[str, Any] = {"f0": "0"}
    for place in range(1, 30):
        space: dict[str, Any] = {}
        exec(f"def derive(f{place - 1}): return f{place - 1} + '.'", space)  # noqa: S102 - a parameter of that name
        fields[f"f{place}"] = Field("", derived=space["derive"])
    form = form_of(type("Chain", (Params,), {"__annotations__": dict.fromkeys(fields, str), **fields}))
    evaluator = Evaluator(form, INLINE)
    await evaluator.update({})
    assert evaluator.values["f29"] == "0" + "." * 29
    await evaluator.update({"f0": "1"})
    assert evaluator.values["f29"] == "1" + "." * 29


async def test_a_parameter_with_a_default_is_a_field_that_can_be_done_without() -> None:
    def towns(country: str, region: str = "all") -> list[str]:
        return [f"{country}/{region}"]

    class Trip(Params):
        country: str
        region: str | None = None
        town: str = Field(options=towns)

    evaluator = Evaluator(form_of(Trip), INLINE)
    await evaluator.update({"country": "FR"})
    assert evaluator.states["town"].options == (Option("FR/all"),)
    await evaluator.update({"country": "FR", "region": "South"})
    assert evaluator.states["town"].options == (Option("FR/South"),)


@pytest.mark.parametrize(("town", "wrong"), [("t7", False), ("t199", False), ("t200", True)])
async def test_a_value_is_looked_for_by_its_text_and_on_further_pages(town: str, wrong: bool) -> None:
    def by_page(country: str, *, cursor: str | None = None) -> Page:
        begin = int(cursor or 0)
        following = str(begin + 5) if begin < 195 else None
        return Page(tuple(Option(f"t{number}") for number in range(begin, begin + 5)), following)

    def by_text(country: str, *, query: str = "") -> list[str]:
        return [name for number in range(200) if query in (name := f"t{number}")][:5]

    class Trip(Params):
        country: str = "FR"
        paged: str = Field(options=by_page)
        searched: str = Field(options=by_text)

    evaluator = Evaluator(form_of(Trip), INLINE)
    await evaluator.update({"paged": town, "searched": town})
    assert [bool(evaluator.states[name].problems) for name in ("paged", "searched")] == [wrong, wrong]
    assert evaluator.states["paged"].cursor == "5"


async def test_of_several_chosen_values_each_is_looked_for() -> None:
    class Trip(Params):
        country: str
        towns: list[str] = Field(options=lambda country: TOWNS[country])

    evaluator = Evaluator(form_of(Trip), INLINE)
    await evaluator.update({"country": "FR", "towns": ["Lyon", "Bari"]})
    assert evaluator.form.by_name["towns"].type == "multiselect"
    assert evaluator.problems[0].message == "'Bari' is none of its options: Lyon, Nantes"


async def test_functions_are_given_values_as_they_are_read() -> None:
    seen: list[Any] = []

    class Form(Params):
        day: date
        b: str = Field("x", options=lambda day: [seen.append(day), "x"][1:])  # type: ignore[func-returns-value]

    await Evaluator(form_of(Form), INLINE).update({"day": "2024-02-29"})
    assert seen == [date(2024, 2, 29)]


async def test_a_default_that_is_no_option_means_that_nothing_was_chosen() -> None:
    class Trip(Params):
        country: str = Field("", options=["FR", "IT"])
        town: str = Field("", options=lambda country: TOWNS[country])

    evaluator = Evaluator(form_of(Trip), INLINE)
    await evaluator.update({})
    assert (evaluator.problems, brief(evaluator)["town"]) == ([], ("waiting", ("country",), []))
    await evaluator.update({"country": "FR"})
    assert (evaluator.problems, evaluator.states["town"].is_valid) == ([], False)
    await evaluator.update({"country": "FR", "town": ""})
    assert [problem.code for problem in evaluator.problems] == ["not_offered"]


async def test_an_expression_sees_a_choice_and_a_day_as_texts() -> None:
    class Kind(Enum):
        NEW = "new"

    class Form(Params):
        kind: Kind = Kind.NEW
        day: date = date(2024, 2, 29)
        a: str = Field("", visible_when="kind == 'new' and day > '2024-01-01'")
        b: str = Field("", visible_when="day > '2025-01-01'")

    evaluator = Evaluator(form_of(Form), INLINE)
    await evaluator.update({"kind": "new"})
    assert [evaluator.states[name].visible for name in ("a", "b")] == [True, False]


# --- objects and rows


class Account(Params):
    country: Literal["FR", "IT"]
    town: str = Field(options=lambda country: TOWNS[country])
    sign: str | None = Field(None, derived=lambda town: town.upper())


class Person(Params):
    name: str
    main: Account | None = None
    accounts: list[Account] = []
    count: int = Field(0, derived=lambda accounts: len(accounts))


async def test_dependencies_hold_inside_of_a_row() -> None:
    evaluator = Evaluator(form_of(Person), INLINE)
    rows = [{"country": "FR", "town": "Lyon"}, {"country": "IT", "town": "Lyon"}, {"town": "Bari", "x": 1}]
    await evaluator.update({"name": "n", "main": {"country": "IT", "town": "Bari"}, "accounts": rows})
    assert [(problem.field, problem.code) for problem in evaluator.problems] == [
        ("accounts.2.x", "unknown"),
        ("accounts.1.town", "not_offered"),
        ("accounts.2.country", "required"),
        ("accounts.2.town", "waiting"),
    ]
    assert brief(evaluator)["count"] == ("waiting", ("accounts",), [])
    await evaluator.change(accounts=rows[:1])
    assert evaluator.problems == []
    assert evaluator.values["count"] == 1
    assert evaluator.values["accounts"] == [Account(country="FR", town="Lyon").model_copy(update={"sign": "LYON"})]
    assert evaluator.values["main"].sign == "BARI"


async def test_a_change_in_a_row_leaves_the_others_alone() -> None:
    evaluator = Evaluator(form_of(Person), INLINE)
    rows = [{"country": "FR", "town": "Lyon"}, {"country": "IT", "town": "Bari"}]
    await evaluator.update({"name": "n", "accounts": rows})
    changed = await evaluator.change(accounts=[rows[0], {"country": "IT", "town": "Lecce"}])
    assert set(changed) == {"accounts", "accounts.1.town", "accounts.1.sign", "count"}


@pytest.mark.parametrize("rows", [5, "text", [1], {"a": 1}, None])
async def test_what_are_no_rows_is_one_problem(rows: Any) -> None:
    evaluator = Evaluator(form_of(Person), INLINE)
    await evaluator.update({"name": "n", "accounts": rows})
    assert [problem.field for problem in evaluator.problems] in (["accounts"], ["accounts.0"])


# --- whatever happens


class Chain(Params):
    a: Literal["1", "2"] = "1"
    b: str = Field("", options=lambda a: [f"{a}x", f"{a}y", ""])
    c: str = Field("", options=lambda b: [f"{b}.", ""], visible_when="a == '1'")
    d: str | None = Field(None, derived=lambda a, c: f"{a}:{c}")
    e: list[Account] = []


VALUES = st.fixed_dictionaries(
    {},
    optional={
        "a": st.sampled_from(["1", "2", "3", None]),
        "b": st.sampled_from(["1x", "2y", "", 5]),
        "c": st.sampled_from(["1x.", "", "z"]),
        "d": st.just("forged"),
        "e": st.lists(st.fixed_dictionaries({}, optional={"country": st.sampled_from(["FR", "IT", 1])}), max_size=2),
    },
)


@settings(max_examples=150, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=5))
def test_after_any_changes_all_is_as_if_the_last_values_had_come_first(several: list[dict[str, Any]]) -> None:
    async def main() -> None:
        changing = Evaluator(form_of(Chain), INLINE)
        for values in several:
            await changing.update(values)
        fresh = Evaluator(form_of(Chain), INLINE)
        await fresh.update(several[-1])
        assert changing.all_states() == fresh.all_states()
        assert changing.values == fresh.values

    run_virtual(main())


def test_nothing_is_told_of_a_value_that_is_not_there() -> None:
    assert (repr(NOTHING), bool(NOTHING)) == ("NOTHING", False)
