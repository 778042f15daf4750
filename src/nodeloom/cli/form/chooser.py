"""Choosing among the options of a field: by number, by search, page by page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ...expressions import has_template
from ...forms import NOTHING, FieldState, FormField, Option, Page
from .answers import Misread
from .screen import Screen
from .session import CannotAnswer, Session
from .wording import shown

__all__ = ["Chooser", "named"]

ROOM = 20
"""How many options are shown at a time."""


class Chooser:
    """Shows the options of a field, numbered, until the person has chosen.

    Args:
        screen: where. session: what is asked for more of them. values: of the whole form. field: whose options.
        state: what is known of the field.
    """

    def __init__(
        self, screen: Screen, session: Session, values: dict[str, Any], field: FormField, state: FieldState
    ) -> None:
        self._screen = screen
        self._session = session
        self._values = values
        self._field = field
        self._path = state.path
        self._all = Page(state.options or (), state.cursor)
        self._query = ""
        self._show(self._all)

    @property
    def _takes(self) -> Sequence[str]:
        return self._field.options.runtime if self._field.options is not None else ()

    def ask(self) -> Any:
        """What the person chooses; `NOTHING` for no answer.

        Raises:
            Back: one question back.
        """
        self._more()
        while True:
            text = self._screen.ask()
            if not text and not self._query:
                return NOTHING
            try:
                chosen = self._chosen(text) if text else None
                chosen = self._turn(text) if chosen is None else chosen
                if chosen is not None:
                    return chosen
            except (Misread, CannotAnswer) as error:
                self._screen.problems([str(error)])

    def _show(self, page: Page) -> None:
        """Begin with the first of these options."""
        self._options = list(page.options)
        self._cursor = page.cursor
        self._seen = 0

    def _turn(self, text: str) -> Any:
        """Go to what was asked for: the next page, all of them again, or what a search finds.

        Returns:
            The value that the search was for, where it is exactly one's value or label; else None.
        """
        if text.lower() == "n" and self._has_more:
            self._next()
        else:
            self._search(text)
            found = self._exact(text)
            if found is not None:
                return self._value_of(found)
        self._more()
        return None

    # --- choosing

    def _chosen(self, text: str) -> Any:
        if has_template(text) and not self._field.literal:
            return text
        if self._field.type == "multiselect" and re.fullmatch(r"[\d\s,]+", text):
            parts = re.split(r"[\s,]+", text.strip(" ,"))
            return [(self._exact(part) or self._numbered(part)).value for part in parts]
        found = self._exact(text)
        if found is None and text.isdecimal() and (int(text) <= self._seen or "query" not in self._takes):
            found = self._numbered(text)
        return None if found is None else self._value_of(found)

    def _exact(self, text: str) -> Option | None:
        """The option whose value, or else whose label, the text is; before any place in the list."""
        by_value = (each for each in self._options if text == str(each.value))
        by_label = (each for each in self._options if text == each.label)
        return next(by_value, None) or next(by_label, None)

    def _value_of(self, option: Option) -> Any:
        return [option.value] if self._field.type == "multiselect" else option.value

    def _numbered(self, text: str) -> Option:
        number = int(text)
        if not 1 <= number <= self._seen:
            raise Misread(f"there is no number {text}" + (f": choose from 1 to {self._seen}" if self._seen else ""))
        return self._options[number - 1]

    # --- showing

    @property
    def _has_more(self) -> bool:
        return self._seen < len(self._options) or self._cursor is not None

    def _next(self) -> None:
        if self._seen == len(self._options):
            page = self._session.options(self._path, self._values, self._query, self._cursor)
            self._options += page.options
            self._cursor = page.cursor

    def _search(self, text: str) -> None:
        if not text:
            found = self._all
        elif "query" in self._takes:
            found = self._session.options(self._path, self._values, text, None)
        else:
            found = Page(tuple(each for each in self._all.options if text.lower() in _words(each)))
        self._query = text
        self._show(found)
        if text and not found.options:
            self._screen.problems([f"nothing is found for {text!r}; Enter shows all of them again"])

    def _more(self) -> None:
        """Show the next few."""
        end = min(self._seen + ROOM, len(self._options))
        group = self._options[self._seen - 1].group if self._seen else ""
        for number in range(self._seen, end):
            option = self._options[number]
            if option.group != group:
                group = option.group
                self._screen.say(f"  {group}")
            self._screen.say(f"  {number + 1:>3}  {_line(option)}")
        self._seen = end
        hints = ["n for more"] * self._has_more + ["words to search"] * ("query" in self._takes)
        if hints:
            self._screen.say(f"  a number, {' or '.join(hints)}")
        if not self._options and not self._query:
            self._screen.problems(["there is nothing to choose from"])


def named(state: FieldState) -> str:
    """The value of a field on one line; with the label that it is offered under, where it is."""
    option = next((each for each in state.options or () if each.value == state.value), None)
    return shown(state.value) if option is None else _line(option)


def _line(option: Option) -> str:
    code = f" ({option.value})" if str(option.value) != option.label else ""
    return f"{option.label}{code}" + (f": {option.description}" if option.description else "")


def _words(option: Option) -> str:
    return f"{option.label} {option.value} {option.description}".lower()
