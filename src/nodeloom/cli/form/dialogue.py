"""A form asked field by field: what comes next follows from what was answered."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, cast

from ...errors import Problem
from ...forms import NOTHING, FieldState, Form, FormField
from .answers import Misread, answer_of
from .chooser import Chooser
from .screen import Back, Screen
from .session import Session
from .wording import details, heading, shown

__all__ = ["Dialogue", "Unanswerable"]

Path: TypeAlias = tuple[str | int, ...]


class Unanswerable(Exception):
    """Something is wrong that no question is about."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__()
        self.problems = problems


class Asked(NamedTuple):
    """A field whose turn it is."""

    path: Path
    field: FormField
    state: FieldState


class Before(NamedTuple):
    """How it was before a question."""

    values: dict[str, Any]
    answered: set[Path]
    told: dict[Path, Any]


class Dialogue:
    """Asks for the values of a form.

    Args:
        session: the form. screen: where. given: values that are not asked for, as long as they fit.
    """

    def __init__(self, session: Session, screen: Screen, given: Mapping[str, Any]) -> None:
        self._session = session
        self._screen = screen
        self._history: list[Before] = []
        self._told: dict[Path, Any] = {}
        self.values: dict[str, Any] = copy.deepcopy(dict(given))
        self._answered: set[Path] = set(_inside(self.values, ()))

    def run(self) -> dict[str, Any]:
        """The values, all of which fit.

        Raises:
            Unanswerable: they do not, and asking again would not help.
        """
        self._judge_given()
        while True:
            self._session.update(self.values)
            while (asked := next(self._turns(self._session.form, ()), None)) is not None:
                self._take(asked)
            problems = self._session.check(self.values)
            if not problems:
                return self.values
            self._again(problems)

    def _judge_given(self) -> None:
        """What was given and does not fit is told before anything is asked, and then asked for."""
        if not self._answered:
            return
        self._session.update(self.values)
        problems = [problem for problem in self._session.check(self.values) if problem.code != "waiting"]
        wrong = [problem for problem in problems if self._about(problem)[0] in self._answered]
        if wrong:
            self._again(wrong)

    # --- whose turn it is

    def _turns(self, form: Form, path: Path) -> Iterator[Asked]:
        for field in form.order:
            state = self._session.states.get(_text((*path, field.name)))
            if state is None or not state.visible:
                continue
            yield from self._turns_of(Asked((*path, field.name), field, state))

    def _turns_of(self, asked: Asked) -> Iterator[Asked]:
        path, field, state = asked
        if field.derived is not None:
            if state.status == "error" or (state.status == "ready" and self._told.get(path, NOTHING) != state.value):
                yield asked
            return
        if self._waits(state, path):
            return
        if field.form is not None:
            value = self._value(path)
            inner = [(*path, place) for place in range(len(value))] if isinstance(value, list) else []  # pyright: ignore[reportUnknownArgumentType]
            inner = [path] if isinstance(value, dict) else inner
            for each in inner:
                yield from self._turns(cast("Form", field.form), each)
        if path not in self._answered:
            yield asked

    def _waits(self, state: FieldState, path: Path) -> bool:
        """It waits for a field that has no value; where that has a template, any value may be right."""
        states = [self._session.states[_text((*path[:-1], name))] for name in state.waiting_for]
        return any(not each.deferred for each in states)

    # --- a question

    def _take(self, asked: Asked) -> None:
        if asked.field.derived is not None:
            self._tell(asked)
            return
        if _has_to_be(asked.field):
            self._set(asked.path, {})
            return
        self._history.append(Before(copy.deepcopy(self.values), set(self._answered), dict(self._told)))
        try:
            if asked.field.form is None:
                self._ask(asked)
            elif asked.field.rows:
                self._ask_rows(asked)
            else:
                self._ask_object(asked)
        except Back:
            self._back()

    def _back(self) -> None:
        before = self._history.pop()
        if self._history:
            before = self._history.pop()
        else:
            self._screen.say("  this is the first question")
        self.values, self._answered, self._told = before
        self._session.update(self.values)

    def _tell(self, asked: Asked) -> None:
        """A derived field is shown; one that cannot be derived sends back to what it comes from."""
        path, field, state = asked
        if state.status == "ready":
            self._told[path] = state.value
            if state.value is not NOTHING and state.value is not None:
                self._screen.say("", f"{heading(field, path)}: {shown(state.value)}")
            return
        self._screen.problems([f"{field.label}: {state.error}"])
        if not self._forget([(*path[:-1], name) for name in reversed(field.depends_on)]):
            raise Unanswerable(state.problems)

    def _ask(self, asked: Asked) -> None:
        path, field, _ = asked
        self._screen.say("", heading(field, path), *details(field))
        while True:
            try:
                value = self._answer(asked)
            except Misread as error:
                self._screen.problems([str(error)])
                continue
            self._set(path, value)
            problems = self._session.states[_text(path)].problems
            if not problems:
                return
            self._screen.problems(problem.message for problem in problems)
            self._set(path, NOTHING)

    def _answer(self, asked: Asked) -> Any:
        state = self._session.states[_text(asked.path)]
        while state.status == "error" and state.options is None:
            self._screen.problems([f"its options cannot be had: {state.error}"])
            self._screen.ask("  Enter asks again > ")
            self._session.update(self.values, anew=True)
            state = self._session.states[_text(asked.path)]
        if state.options is None:
            return answer_of(asked.field, self._screen)
        return Chooser(self._screen, self._session, self.values, asked.field, state).ask()

    def _ask_object(self, asked: Asked) -> None:
        path, field, _ = asked
        self._screen.say("", heading(field, path), *details(field))
        if self._screen.agree(f"Fill in {field.label}?"):
            self._set(path, {})
        self._answered.add(path)

    def _ask_rows(self, asked: Asked) -> None:
        path, field, _ = asked
        rows = self._value(path) or []  # pyright: ignore[reportUnknownVariableType]
        if not rows:
            self._screen.say("", heading(field, path), *details(field))
        if self._screen.agree(f"Add another to {field.label}?" if rows else f"Add one to {field.label}?"):
            self._set(path, [*rows, {}])
            self._answered.discard(path)
        elif not rows and field.required:
            self._set(path, [])
        else:
            self._answered.add(path)

    # --- what went wrong

    def _again(self, problems: Sequence[Problem]) -> None:
        """Say everything that is wrong, and ask once more for what it is about."""
        self._screen.say("", "There is something wrong:")
        self._screen.problems(map(str, problems))
        asked = [self._forget(self._about(problem)) for problem in problems]
        if not any(asked):
            raise Unanswerable(problems)

    def _about(self, problem: Problem) -> list[Path]:
        """What may be answered differently: a field, what is around it, or what it depends on."""
        parts = (problem.field or "").split(".")
        path: Path = tuple(int(part) if part.isdecimal() else part for part in parts)
        field = self._session.form.by_name.get(str(path[0]))
        around = [path[:end] for end in range(len(path), 0, -1)]
        return [*around, *((name,) for name in reversed(field.depends_on if field is not None else ()))]

    def _forget(self, paths: Sequence[Path]) -> bool:
        """Have the first of these that was answered asked anew."""
        path = next((each for each in paths if each in self._answered), None)
        if path is None:
            return False
        if not isinstance(self._value(path), list | dict):
            self._set(path, NOTHING)
        self._answered.discard(path)
        return True

    # --- values

    def _value(self, path: Path) -> Any:
        value: Any = self.values
        for part in path:
            if isinstance(value, dict):
                value = cast("dict[str, Any]", value).get(str(part))
            else:
                value = value[int(part)] if isinstance(value, list) else None  # pyright: ignore[reportUnknownVariableType]
        return value  # pyright: ignore[reportUnknownVariableType]

    def _set(self, path: Path, value: Any) -> None:
        """Set a value, or none, and bring the form up to date."""
        place: Any = self._value(path[:-1])
        if value is NOTHING:
            place.pop(path[-1], None)
        else:
            place[path[-1]] = value
        self._answered.add(path)
        self._session.update(self.values)


def _text(path: Path) -> str:
    return ".".join(map(str, path))


def _has_to_be(field: FormField) -> bool:
    """An object that has to be there is no question: its fields are."""
    return field.form is not None and not field.rows and field.required


def _inside(value: Any, path: Path) -> Iterator[Path]:
    """The paths of all that is in a value."""
    places: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType, reportUnknownMemberType]
    for place, each in places:
        yield (*path, place)
        yield from _inside(each, (*path, place))
