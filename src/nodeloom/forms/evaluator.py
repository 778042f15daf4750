"""A form and its values: what each field is, kept up to date as values change."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

import pydantic

from ..errors import ExpressionError, Problem
from ..expressions import MISSING, template_problems
from ..model.values import WHOLE, kind_of, owned
from .asking import Asker
from .field import NOTHING, FormField
from .form import Form
from .option import Page
from .resolved import Problems, Resolved, Work
from .resolving import Resolver
from .state import FieldState
from .telling import holds_template, no_such_field, shown_in, told
from .verdicts import as_text, not_among, why

__all__ = ["Evaluator"]


class Evaluator(Resolved):
    """A form with values: it computes what every field is, its options, its value, whether it is shown, its problems.

    Of a change it computes anew only what depends on it. A function is asked once for the same values of its parents,
    however many evaluators ask, and a late answer to an old question is dropped.

    Args:
        form: the form. asker: how functions of the author's are asked.
        names: what templates in the values may use; None where a text with braces is a value like any other.
        path: where this form stands in another one. as_read: the values are of a model, and were read before.

    Attributes:
        states: what is known of each field, by its name.

    Example:
        >>> from nodeloom import Field, Params
        >>> def list_towns(country):
        ...     return {"FR": ["Lyon", "Nantes"], "IT": ["Bari"]}[country]
        >>> class Trip(Params):
        ...     country: str
        ...     town: str = Field(options=list_towns)
        >>> import asyncio
        >>> from nodeloom.forms import Evaluator, form_of
        >>> async def main():
        ...     evaluator = Evaluator(form_of(Trip))
        ...     await evaluator.update({})
        ...     print(evaluator.states["town"].status, evaluator.states["town"].waiting_for)
        ...     await evaluator.update({"country": "FR", "town": "Bari"})
        ...     print(evaluator.problems[0].message)
        >>> asyncio.run(main())
        waiting ('country',)
        'Bari' is none of its options: Lyon, Nantes
    """

    def __init__(
        self,
        form: Form,
        asker: Asker | None = None,
        *,
        names: Collection[str] | None = None,
        path: str = "",
        as_read: bool = False,
    ) -> None:
        self.form = form
        self.states: dict[str, FieldState] = {}
        self._resolver = Resolver(form, asker or Asker())
        self._names = names
        self._as_read = as_read
        self._path = path
        self._values: dict[str, Any] = {}
        self._inner: dict[str, list[Evaluator]] = {}
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self._changed: dict[str, FieldState] = {}
        self._given_up: set[str] = set()
        self._updates = 0

    async def update(self, values: Mapping[str, Any]) -> dict[str, FieldState]:
        """Take these values, all there are, and compute what they change.

        A newer update wins over one that still waits. Cancelling this cancels the functions that nobody else waits for.

        Returns:
            The fields that were computed anew, by path.
        """
        changed: dict[str, FieldState] = {}
        self._changed = changed
        self._updates = update = self._updates + 1
        jobs = self.begin(values, changed)
        try:
            while jobs := [job for job in jobs if not job.done()] or self._pending():
                await asyncio.wait(jobs)
        except BaseException:
            if self._updates == update:
                self.close()
            raise
        return changed

    async def change(self, **values: Any) -> dict[str, FieldState]:
        """Take these values beside those there are already; as `update`."""
        return await self.update({**self._values, **values})

    @property
    def values(self) -> dict[str, Any]:
        """The values as they are read, defaults and derived ones among them; what is not shown is left out."""
        return {
            state.name: state.value for state in self.states.values() if state.visible and state.value is not NOTHING
        }

    @property
    def problems(self) -> list[Problem]:
        """Everything that is wrong, in the order of the fields."""
        return [problem for state in self.all_states() for problem in state.problems]

    @property
    def unknown(self) -> list[Problem]:
        """A problem for each name that was given and is no field."""
        known, before = self.form.by_name, f"{self._path}." if self._path else ""
        wrong = [str(name) for name in self._values if name not in known]
        return [Problem("unknown", no_such_field(name, known), field=f"{before}{name}") for name in wrong]

    def all_states(self) -> list[FieldState]:
        """The states of all fields in the order of the form, those inside of objects and rows after their own."""
        found: list[FieldState] = []
        for field in self.form.fields:
            if field.name in self.states:
                found.append(self.states[field.name])
            for inner in self._inner.get(field.name, ()):
                found += inner.all_states()
        return found

    def close(self) -> None:
        """Give up what is still asked."""
        for name, job in self._jobs.items():
            if not job.done():
                job.cancel()
                self._given_up.add(name)
        for inner in self._inner.values():
            for each in inner:
                each.close()

    def _pending(self) -> list[asyncio.Task[None]]:
        return [job for job in self._jobs.values() if not job.done()]

    # --- an update

    def begin(self, values: Mapping[str, Any], changed: dict[str, FieldState]) -> list[asyncio.Task[None]]:
        """Take values, compute what needs no waiting, and give what does.

        Args:
            values: all there are. changed: is told of each field that is computed anew, by path.
        """
        before, self._values = self._values, {name: owned(values[name]) for name in values}
        self._changed = changed
        touched = [
            name for name in self.form.by_name if not _same(before.get(name, NOTHING), self._values.get(name, NOTHING))
        ]
        touched += self._given_up
        self._given_up = set()
        affected = set(touched).union(*(self.form.followers[name] for name in touched))
        affected.update(name for name in self.form.by_name if name not in self.states)
        for name in affected:
            if name in self._jobs:
                self._jobs.pop(name).cancel()
        for field in self.form.order:
            if field.name in affected:
                self._compute(field)
        return self._pending()

    def _compute(self, field: FormField) -> None:
        """Bring a field up to date, now or as soon as those that it depends on are."""
        needed = [self._jobs[name] for name in self._needs(field) if name in self._jobs and not self._jobs[name].done()]
        work = self._after(field, needed) if needed else self._settle(field)
        if work is not None:
            self._jobs[field.name] = asyncio.create_task(work)

    def _needs(self, field: FormField) -> Sequence[str]:
        return (*field.depends_on, *shown_by(field))

    async def _after(self, field: FormField, needed: list[asyncio.Task[None]]) -> None:
        await asyncio.wait(needed)
        work = self._settle(field)
        if work is not None:
            await work

    def _settle(self, field: FormField) -> Work | None:
        """What a field is; what has to be waited for, where something has."""
        shown = self._is_shown(field)
        if shown is not True:
            self._hide(field, shown or "")
            return None
        if field.derived is not None:
            return self._resolve(field, NOTHING, (), self._derive)
        value, problems, deferred = self._read(field)
        if field.form is not None and not deferred and not problems and value is not NOTHING and value is not None:
            return self._descend(field, value)
        self._inner.pop(field.name, None)
        if field.options is None or deferred:
            judged = field.listed and not problems and not deferred
            wrong = not_among(field, value, Page(field.choices or ())) if judged else None
            unset = wrong is not None and field.name not in self._values
            if wrong is not None and not unset:
                problems = self._problem(field, "not_offered", wrong)
            self._set(field, value=value, options=field.choices, problems=problems, deferred=deferred, unset=unset)
            return None
        return self._resolve(field, value, problems, self._offer)

    def _hide(self, field: FormField, error: str) -> None:
        """A field is not shown, or it cannot be told whether it is; what it was given is kept."""
        self._inner.pop(field.name, None)
        value = self._values.get(field.name, NOTHING)
        if error:
            self._set(field, value=value, status="error", error=error, problems=self._problem(field, "visible", error))
        else:
            self._set(field, value=value, visible=False)

    # --- what a field is by itself

    def _is_shown(self, field: FormField) -> bool | str:
        """Whether a field is shown; why that cannot be told."""
        if field.visible is None or self._is_shown_later(field):
            return True
        try:
            return field.visible.test({name: self._known(name) for name in shown_by(field)})
        except ExpressionError as error:
            return f"whether it is shown cannot be told: {error}"

    def _is_shown_later(self, field: FormField) -> bool:
        """Whether it is shown is known when a run has made the values that it goes by."""
        return any(self.states[name].deferred for name in shown_by(field))

    def _known(self, name: str) -> Any:
        state = self.states[name]
        return as_text(state.value) if state.visible and state.value is not NOTHING else MISSING

    def _read(self, field: FormField) -> tuple[Any, Problems, bool]:
        """The value of a field, what is wrong with it, and whether it is a template, whose value a run makes."""
        given = self._values.get(field.name, NOTHING)
        if given is NOTHING:
            missing = field.required and field.default is NOTHING
            missing = missing and not self._is_shown_later(field)
            return owned(field.default), self._problem(field, "required", "is required") if missing else (), False
        inside = field.form is not None and isinstance(cast("object", given), Mapping | list | tuple)
        may_be_template = self._names is not None and not field.literal and not inside and field.type != "secret"
        if may_be_template and holds_template(given):
            return given, self._template_problems(field, given), True
        if self._as_read:
            return given, (), False
        if field.form is not None and not field.rows and isinstance(given, Mapping):
            return cast("Any", given), (), False  # its own fields are looked at one by one
        if field.form is not None and field.rows and isinstance(given, list | tuple):
            return cast("Any", given), (), False
        try:
            return field.read(given), (), False
        except pydantic.ValidationError as error:
            return given, tuple(told(error, self._path_of(field), shown=shown_in(field))), False
        except RecursionError:
            raise
        except Exception as error:  # a validator of the author's own may raise anything
            return given, self._problem(field, "params", f"cannot be read: {why(error, None)}"), False

    def _template_problems(self, field: FormField, value: Any) -> Problems:
        found = template_problems(value, self._names or (), self._path_of(field))
        return tuple(Problem("template", str(error), field=place) for place, error in found)

    # --- objects, and lists of objects

    def _descend(self, field: FormField, value: Any) -> Work | None:
        """Look at the fields of an object, or of each row."""
        rows = list(cast("Sequence[Any]", value)) if field.rows else [value]
        wrong = [place for place, row in enumerate(rows) if not isinstance(row, Mapping | pydantic.BaseModel)]
        if wrong:
            where = f"row {wrong[0]} is" if field.rows else "is"
            self._inner.pop(field.name, None)
            self._set(
                field, value=value, problems=self._problem(field, "params", f"{where} no object, with names and values")
            )
            return None
        inner = self._inner.setdefault(field.name, [])
        for gone in inner[len(rows) :]:
            gone.close()
        del inner[len(rows) :]
        for place in range(len(inner), len(rows)):
            path = f"{self._path_of(field)}.{place}" if field.rows else self._path_of(field)
            form, asker = cast("Form", field.form), self._resolver.asker
            inner.append(Evaluator(form, asker, names=self._names, path=path, as_read=self._as_read))
        jobs = [job for each, row in zip(inner, rows, strict=True) for job in each.begin(values_of(row), self._changed)]
        if jobs:
            return self._when_inside_is_done(field, value, jobs)
        self._set_outside(field, value)
        return None

    async def _when_inside_is_done(self, field: FormField, value: Any, jobs: list[asyncio.Task[None]]) -> None:
        await asyncio.wait(jobs)
        self._set_outside(field, value)

    def _set_outside(self, field: FormField, value: Any) -> None:
        inner = self._inner[field.name]
        unknown = [problem for each in inner for problem in each.unknown]
        problems = any(each.problems for each in inner)
        read = value
        if not problems and not unknown:
            found, read_problems = self._read_whole(field, [each.values for each in inner])
            unknown += read_problems
            read = value if read_problems else found
        status: Any = "error" if problems else "ready"
        self._set(field, value=read, problems=tuple(unknown), status=status, deferred=self._is_deferred(field))

    def _is_deferred(self, field: FormField) -> bool:
        return any(state.deferred for each in self._inner[field.name] for state in each.all_states())

    def _with_derived(self, field: FormField, inside: list[dict[str, Any]]) -> Any:
        """Objects that were read before, with what is derived in them."""
        given = self._values.get(field.name, field.default)
        rows = list(given) if field.rows else [given]
        names = [each.name for each in cast("Form", field.form).computed]
        made = [
            kind_of(row).model_copy(row, update={name: values[name] for name in names if name in values})
            for row, values in zip(rows, inside, strict=True)
        ]
        return made if field.rows else made[0]

    def _read_whole(self, field: FormField, inside: list[dict[str, Any]]) -> tuple[Any, list[Problem]]:
        """An object as its own class has it, whose author may look at several of its fields together."""
        if self._is_deferred(field):
            return inside if field.rows else inside[0], []
        if self._as_read:
            return self._with_derived(field, inside), []
        try:
            return field.read(inside if field.rows else inside[0]), []
        except pydantic.ValidationError as error:
            return None, told(error, self._path_of(field), shown=shown_in(field))


def shown_by(field: FormField) -> tuple[str, ...]:
    """The fields that say whether one is shown."""
    return () if field.visible is None else tuple(str(path.parts[0]) for path in field.visible.paths)


def values_of(given: Any) -> Mapping[str, Any]:
    """An object's values: of a mapping, or of a model, whose defaults nobody gave."""
    if isinstance(given, pydantic.BaseModel):
        return {name: getattr(given, name) for name in type(given).model_fields if name in given.model_fields_set}
    return cast("Mapping[str, Any]", given)


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    try:  # 1 is not True, wherever they stand
        return type(one) is type(other) and bool(one == other) and (type(one) in WHOLE or repr(one) == repr(other))
    except Exception:  # values that cannot be compared, as arrays, have changed for all we know
        return False
