"""What authors and callers do that nobody would: functions that cancel, mutate or never end, values that cannot be."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import date
from enum import Enum
from typing import Annotated, Any

import pydantic
import pytest

from nodeloom import Field, Graph, Node, Params, RunFailed, Secret
from nodeloom.errors import DefinitionError, FormError, ParamsError
from nodeloom.forms import Asker, Evaluator, form_of
from nodeloom.forms.checking import checked
from nodeloom.nodes.migration import migrated

NAMES = ("inputs", "state", "outputs", "run", "error")


async def inline(function: Any, *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


INLINE = Asker(inline)


async def problems(model: Any, values: Any, **how: Any) -> list[tuple[str | None, str]]:
    return [(each.field, each.code) for each in (await checked(form_of(model), values, INLINE, **how)).problems]


def model(**fields: Any) -> Any:
    return type(
        "Given",
        (Params,),
        {
            "__annotations__": {name: kind for name, (kind, _) in fields.items()},
            **{name: default for name, (_, default) in fields.items() if default is not ...},
        },
    )


class Dependent(Params):
    a: int
    b: int = Field(derived=lambda a: a * 2)


# --- secrets


@pytest.mark.parametrize("kind", [dict[str, Secret], Secret | int, list[list[Secret]], tuple[Secret, int], Secret])
async def test_what_was_given_for_a_field_with_secrets_is_in_no_problem_and_no_state(kind: Any) -> None:
    form = form_of(model(key=(kind, ...)))
    evaluator = Evaluator(form, INLINE)
    for value in ("hunter2", ["hunter2"], {"$secret": "hunter2 "}):
        await evaluator.update({"key": value})
        told = json.dumps([state.as_mapping() for state in evaluator.all_states()])
        told += str((await checked(form, {"key": value}, INLINE)).problems)
        assert "hunter2" not in told


async def test_a_secret_is_no_template() -> None:
    assert await problems(model(key=(Secret, ...)), {"key": "{{ state.key }}"}, names=NAMES) == [("key", "params")]


# --- what no form can ask for is refused where it is written


@pytest.mark.parametrize("kind", [dict[str, Dependent], list[list[Dependent]], Dependent | int, tuple[Dependent, int]])
def test_fields_that_depend_on_one_another_stand_where_a_form_can_ask_for_them(kind: Any) -> None:
    with pytest.raises(DefinitionError, match="where no form can ask for them"):
        model(inside=(kind, ...))


# --- functions


@pytest.mark.parametrize("error", [asyncio.CancelledError, GeneratorExit, SystemExit])
async def test_a_function_that_ends_like_nobody_asked_for_is_its_fields_error(error: type[BaseException]) -> None:
    async def wrong(a: str) -> Any:
        raise error

    given = model(a=(str, "x"), b=(str, Field("y", options=wrong)), c=(str | None, Field(None, derived=wrong)))
    assert await problems(given, {"b": "z"}) == [("b", "options"), ("c", "derived")]


async def test_what_functions_do_to_their_arguments_and_answers_stays_theirs() -> None:
    answer = {"list": [1]}

    def change(tags: list[str]) -> Any:
        tags.append("injected")
        return answer

    given = model(tags=(list[str], ["x"]), d=(dict[str, Any], Field(derived=change)))
    evaluator = Evaluator(form_of(given), INLINE)
    await evaluator.update({})
    evaluator.values["d"]["list"].append(9)
    again = Evaluator(form_of(given), INLINE)
    await again.update({})
    assert again.values == {"tags": ["x"], "d": {"list": [1]}}
    assert given().tags == ["x"]


async def test_a_plain_generator_of_options_is_read_off_the_loop() -> None:
    where: list[bool] = []

    def options(a: str) -> Iterator[str]:
        where.append(threading.current_thread() is threading.main_thread())
        yield "y"

    evaluator = Evaluator(form_of(model(a=(str, "x"), b=(str, Field("y", options=options)))))
    await evaluator.update({"b": "y"})
    assert (where, evaluator.problems) == ([False], [])


async def test_a_cancelled_update_leaves_nothing_that_waits_for_ever() -> None:
    gate = asyncio.Event()

    async def options(a: str) -> list[str]:
        await gate.wait()
        return ["y"]

    given = model(a=(str, "x"), b=(str, Field("y", options=options)), c=(str, Field("", derived=lambda b: b)))
    evaluator = Evaluator(form_of(given), INLINE)
    update = asyncio.create_task(evaluator.update({"b": "bad"}))
    await asyncio.sleep(0)
    update.cancel()
    with pytest.raises(asyncio.CancelledError):
        await update
    gate.set()
    await evaluator.update({"b": "bad"})
    assert [problem.code for problem in evaluator.problems] == ["not_offered"]
    await evaluator.update({"b": "y"})
    assert (evaluator.problems, evaluator.values["c"]) == ([], "y")


async def test_parents_that_are_no_plain_data_are_told_apart_too() -> None:
    class Kind(Enum):
        A = "a"
        B = "b"

    asked: list[Any] = []

    def options(kind: Kind) -> list[str]:
        asked.append(kind)
        return [kind.value]

    form = form_of(model(kind=(Kind, ...), b=(str, Field(options=options))))
    for _ in range(3):
        for kind in "ab":
            assert (await checked(form, {"kind": kind, "b": kind}, INLINE)).problems == []
    assert asked == [Kind.A, Kind.B]


# --- values


async def test_a_default_that_nobody_chose_is_none_in_a_run_either() -> None:
    class Chooses(Node):
        class Params(Params):  # type: ignore[misc, unused-ignore]
            country: str = "IN"
            bank: str = Field("", options=lambda country: ["a"])

        async def work(self, params: Any) -> Any:
            return {"bank": params.bank}

    assert await Chooses.check({}) == []
    assert await Chooses()() == {"bank": ""}
    with pytest.raises(ParamsError, match="'b' is none of its options"):
        await Chooses(bank="b")()


async def test_a_value_is_read_once_for_a_check_and_once_for_a_node() -> None:
    given = model(
        c=(Annotated[str, pydantic.AfterValidator(lambda v: f"x{v}")], ...), d=(str, Field(derived=lambda c: c))
    )

    class Reads(Node):
        Params = given

        async def work(self, params: Any) -> Any:
            return {"c": params.c, "d": params.d}

    assert await Reads(c="1")() == {"c": "x1", "d": "x1"}
    assert (await checked(form_of(given), {"c": "1"}, INLINE)).values == {"c": "x1", "d": "x1"}


async def test_a_validator_that_raises_anything_is_a_problem_of_its_field() -> None:
    given = model(
        c=(Annotated[int, pydantic.BeforeValidator(lambda v: int(v, 16))], ...), d=(int, Field(derived=lambda c: c))
    )
    assert await problems(given, {"c": 5}) == [("c", "params")]


async def test_factories_that_need_values_or_fail_are_the_classes_own() -> None:
    def fails() -> int:
        raise ZeroDivisionError

    given = model(
        a=(int, 1), b=(int, Field(default_factory=lambda data: data["a"] + 1)), c=(int, Field(default_factory=fails))
    )
    assert await problems(given, {"c": 1}) == []
    assert given(c=1).b == 2


async def test_a_template_in_one_row_hides_nothing_of_the_others() -> None:
    row = model(c=(str, ...), b=(str, Field(options=lambda c: [c])))
    given = model(rows=(list[row], ...))  # type: ignore[valid-type]
    values = {"rows": [{"c": "{{ state.c }}", "b": "q"}, {"c": "x", "b": "bad"}, {"c": "x", "b": "x", "zz": 1}]}
    assert await problems(given, values, names=NAMES) == [("rows.2.zz", "unknown"), ("rows.1.b", "not_offered")]


async def test_what_a_template_shows_is_known_when_it_runs() -> None:
    given = model(c=(str, ...), h=(str, Field(visible_when="c != 'a'")), n=(str, Field("", visible_when="c > 5")))
    assert await problems(given, {"c": "{{ state.c }}"}, names=NAMES) == []
    assert await problems(given, {"c": "b"}) == [("h", "required"), ("n", "visible")]


async def test_a_derived_value_of_a_template_is_none_yet_and_no_problem() -> None:
    class Doubles(Node):
        class Params(Params):  # type: ignore[misc, unused-ignore]
            a: int
            b: int = Field(derived=lambda a: a * 2)

        async def work(self, params: Any) -> Any:
            return {"b": params.b}

    assert await Doubles.check({"a": "{{ state.a }}"}) == []
    assert (await Graph(Doubles(a="{{ state.a }}"), name="g").run({"a": 4})).output == {"b": 8}
    with pytest.raises(RunFailed):
        await Graph(Doubles(a="{{ state.a }}"), name="g").run({"a": "x"})


async def test_options_are_asked_for_no_template() -> None:
    class Chooses(Node):
        class Params(Params):  # type: ignore[misc, unused-ignore]
            a: str
            b: str = Field(options=lambda a: [a])

        async def work(self) -> None: ...

    assert await Chooses.get_dependent_options("b", {"a": "{{ state.a }}"}) is None
    for values in (None, 5, "x"):
        with pytest.raises(FormError, match="values of Params are a mapping"):
            await Chooses.get_dependent_options("b", values)  # type: ignore[arg-type]


async def test_hostile_values_are_problems() -> None:
    deep: Any = []
    for _ in range(2_000):
        deep = [deep]
    round_trip: list[Any] = []
    round_trip.append(round_trip)
    given = model(a=(str, "x"), b=(str, Field("y", options=lambda a: ["y"])), c=(list[Any], []), n=(int, 1))
    assert await problems(given, {"a": "\ud800", "b": "y"}) == []
    for value in (deep, round_trip):
        assert await problems(given, {"c": value}, names=NAMES) == [("", "params")]
    assert await problems(given, {"n": [2**70_000]}) == [("n", "params")]


async def test_values_that_differ_in_type_alone_or_were_changed_in_place_have_changed() -> None:
    form = form_of(model(a=(list[Any], ...), b=(str, Field(derived=lambda a: repr(a)))))
    evaluator = Evaluator(form, INLINE)
    value: list[Any] = [1]
    for change in (lambda: None, lambda: value.__setitem__(0, True), lambda: value.append(2)):
        change()
        await evaluator.update({"a": value})
        assert evaluator.values["b"] == repr(value)


async def test_a_number_and_a_day_are_among_options_written_otherwise() -> None:
    given = model(
        n=(float, Field(options=[1, 2])), d=(date, Field(options=["2024-01-01"])), t=(bool, Field(options=[True]))
    )
    assert await problems(given, {"n": 1, "d": "2024-01-01", "t": True}) == []
    assert await problems(given, {"n": 3, "d": "2024-01-02", "t": False}) == [(name, "not_offered") for name in "ndt"]


def test_a_migration_that_changes_what_it_is_given_changes_nothing_else() -> None:
    class Moved(Node):
        version = 2

        @classmethod
        def migrate(cls, params: dict[str, Any], from_version: int) -> Any:
            params["o"]["new"] = 1
            return params

        async def work(self) -> None: ...

    given = {"o": {"old": 0}}
    found = migrated(Moved, given, 1)
    assert given == {"o": {"old": 0}}
    assert found.changes == ("o: {'old': 0} is now {'old': 0, 'new': 1}",)
