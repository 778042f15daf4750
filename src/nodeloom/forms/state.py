"""What a form knows of one of its fields, for the values it has."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from ..errors import Problem
from .field import NOTHING, plain
from .option import Option

__all__ = ["FieldState"]


class FieldState(msgspec.Struct, frozen=True):
    """What is known of a field.

    Attributes:
        name: the field's. path: where it stands in the form, as `accounts.0.bank`.
        status: `ready`; `waiting` for other fields; `error` when its function failed.
        waiting_for: the fields it waits for. error: what its function said.
        visible: it is shown. value: as it is read, its default or what it is derived as; `NOTHING` without one.
        options: what there is to choose from. cursor: where the next page of that begins, if there is one.
        problems: what is wrong with it. deferred: it is a template, whose value a run makes.
        sealed: there may be secrets in it, so no face shows its value.
        unset: nothing was chosen, and its default is none of its options.
    """

    name: str
    path: str
    status: Literal["ready", "waiting", "error"] = "ready"
    waiting_for: tuple[str, ...] = ()
    error: str = ""
    visible: bool = True
    value: Any = NOTHING
    options: tuple[Option, ...] | None = None
    cursor: str | None = None
    problems: tuple[Problem, ...] = ()
    deferred: bool = False
    unset: bool = False
    sealed: bool = False

    @property
    def is_valid(self) -> bool:
        """Other fields can go by its value."""
        has_value = self.value is not NOTHING and self.value is not None
        settled = self.status == "ready" and not self.problems and not self.deferred and not self.unset
        return self.visible and has_value and settled

    def as_mapping(self) -> dict[str, Any]:
        """The state as plain data, for a form drawn elsewhere."""
        return {
            "name": self.name,
            "path": self.path,
            "status": self.status,
            "waiting_for": list(self.waiting_for),
            "error": self.error,
            "visible": self.visible,
            "value": None if self.value is NOTHING or self.sealed else plain(self.value),
            "options": None if self.options is None else [option.as_mapping() for option in self.options],
            "cursor": self.cursor,
            "problems": [{"code": each.code, "field": each.field, "message": each.message} for each in self.problems],
        }
