"""Fields whose options or values a function gives: asked as soon as what they depend on is known."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from ..errors import Problem
from ..model.values import owned
from .field import NOTHING, FormField
from .form import Form
from .option import Page
from .resolving import Resolver
from .state import FieldState
from .verdicts import chosen, not_offered, why

__all__ = ["Problems", "Resolved", "Work"]

Work = Coroutine[Any, Any, None]
Problems = tuple[Problem, ...]
Use = Callable[[FormField, Any, Problems, Any, Mapping[str, Any]], Work | None]


class Resolved:
    """What is known of a form's fields, and how functions add to it; the rest is the `Evaluator`'s."""

    form: Form
    states: dict[str, FieldState]
    _resolver: Resolver
    _values: dict[str, Any]
    _changed: dict[str, FieldState]
    _path: str

    def _set(self, field: FormField, **known: Any) -> None:
        path = self._path_of(field)
        self.states[field.name] = self._changed[path] = FieldState(field.name, path, sealed=field.sealed, **known)

    def _path_of(self, field: FormField) -> str:
        return f"{self._path}.{field.name}" if self._path else field.name

    def _problem(self, field: FormField, code: str, message: str) -> Problems:
        return (Problem(code, message, field=self._path_of(field)),)

    def _resolve(self, field: FormField, value: Any, problems: Problems, use: Use) -> Work | None:
        """Ask a field's function, and `use` its answer; or say what it waits for."""
        asking = field.asks
        assert asking is not None
        missing = tuple(name for name in asking.parents if not self.states[name].is_valid)
        if missing:
            self._wait(field, value, problems, missing)
            return None
        parents = {name: owned(self.states[name].value) for name in asking.depends_on if self.states[name].is_valid}
        known = self._resolver.known(field, parents)
        if known is not NOTHING:
            return use(field, value, problems, known, parents)
        self._set(field, value=value, status="waiting", problems=problems)
        return self._ask_and(field, value, problems, parents, use)

    def _wait(self, field: FormField, value: Any, problems: Problems, missing: tuple[str, ...]) -> None:
        """Say what a field waits for; a value of it cannot be judged before."""
        later = all(self.states[name].deferred for name in missing)
        if field.derived is not None:
            value = field.default
        elif field.name in self._values and value is not None and not later and not problems:
            names = " and ".join(self.form.by_name[name].label for name in missing)
            problems = self._problem(field, "waiting", f"cannot be judged before {names} can")
        self._set(field, value=value, status="waiting", waiting_for=missing, problems=problems)

    async def _ask_and(
        self, field: FormField, value: Any, problems: Problems, parents: Mapping[str, Any], use: Use
    ) -> None:
        try:
            answer = await self._resolver.ask(field, parents)
            work = use(field, value, problems, answer, parents)
            if work is not None:
                await work
        except Exception as error:  # whatever an author's function raises is the field's
            self._fail(field, value, problems, why(error, self._resolver.asker.timeout))

    def _fail(self, field: FormField, value: Any, problems: Problems, reason: str) -> None:
        derived = field.derived is not None
        what = "cannot be derived" if derived else "its options cannot be had"
        problems = (*problems, *self._problem(field, "derived" if derived else "options", f"{what}: {reason}"))
        self._set(field, value=value, status="error", error=reason, problems=problems)

    def _derive(
        self, field: FormField, value: Any, problems: Problems, answer: Any, parents: Mapping[str, Any]
    ) -> Work | None:
        self._set(field, value=owned(answer), problems=problems)
        return None

    def _offer(
        self, field: FormField, value: Any, problems: Problems, answer: Page, parents: Mapping[str, Any]
    ) -> Work | None:
        known: dict[str, Any] = {"value": value, "options": answer.options, "cursor": answer.cursor}
        missing = () if problems else [each for each in chosen(field, value) if not answer.offers(each)]
        takes = field.options.runtime if field.options is not None else ()
        unset = bool(missing) and field.name not in self._values
        if missing and not unset and (answer.cursor is not None or "query" in takes):
            return self._look_further(field, missing, parents, known)
        if missing and not unset:
            problems = self._problem(field, "not_offered", not_offered(missing[0], answer, more=False))
        self._set(field, **known, problems=problems, unset=unset)
        return None

    async def _look_further(
        self, field: FormField, missing: Sequence[Any], parents: Mapping[str, Any], known: dict[str, Any]
    ) -> None:
        """The first options are not all there are: look whether a value is among the others."""
        problems: Problems = ()
        for each in missing:
            if not problems and not await self._resolver.offers(field, parents, each):
                problems = self._problem(field, "not_offered", not_offered(each, Page(known["options"]), more=True))
        self._set(field, **known, problems=problems)
