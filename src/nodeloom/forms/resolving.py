"""Asking the functions of a form's author: with what is known, remembered for a while, and further pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pydantic

from ..errors import FormError, NotStorable
from ..model.codec import encode_value
from .asking import Asker, Question
from .field import NOTHING, FormField
from .form import Form
from .option import Page, as_page
from .verdicts import short

__all__ = ["Resolver"]

PAGES = 1_000
"""How many pages of options are looked through for a value."""

FIRST = Question()


class Resolver:
    """Asks the functions of one form.

    Args:
        form: whose functions. asker: how they are asked.
    """

    __slots__ = ("_form", "asker")

    def __init__(self, form: Form, asker: Asker) -> None:
        self._form = form
        self.asker = asker

    def known(self, field: FormField, parents: Mapping[str, Any]) -> Any:
        """An answer that is remembered, or `NOTHING`."""
        key = self._key(field, parents, FIRST)
        return NOTHING if key is None else self._form.answers.known(key)

    async def ask(self, field: FormField, parents: Mapping[str, Any], question: Question = FIRST) -> Any:
        """A function's answer: of options a `Page`, of a derived field its value as it is read.

        Args:
            field: whose function. parents: the values it depends on. question: what else it is asked with.

        Raises:
            FormError: the answer makes no sense. TimeoutError: it took too long. Whatever the function raises.
        """
        asking = field.asks
        assert asking is not None

        async def call() -> Any:
            given = await asking.ask(parents, question._replace(ctx=self.asker.ctx), self.asker)
            return _derived(field, given) if field.derived is not None else as_page(given, field.name)

        return await self._form.answers.ask(self._key(field, parents, question), field.ttl, call)

    async def offers(self, field: FormField, parents: Mapping[str, Any], value: Any) -> bool:
        """Whether a value is among the options, where the first ones are not all: found by its text, or on a page."""
        takes = field.asks.runtime if field.asks is not None else ()
        query = str(value) if "query" in takes else ""
        cursor: str | None = None
        for _ in range(PAGES):
            page: Page = await self.ask(field, parents, Question(query, cursor))
            if page.offers(value):
                return True
            cursor = page.cursor
            if cursor is None or "cursor" not in takes:
                return False
        return False

    def _key(self, field: FormField, parents: Mapping[str, Any], question: Question) -> Any:
        """What tells a question from others; None where that cannot be said."""
        service = id(self.asker.ctx) if field.asks is not None and "ctx" in field.asks.runtime else 0
        try:
            return field.name, encode_value(dict(parents)), question.query, question.cursor, service
        except NotStorable:
            return None


def _derived(field: FormField, given: Any) -> Any:
    try:
        return field.read(given)
    except pydantic.ValidationError as error:
        raise FormError(f"its function gave {short(given)}: {error.errors(include_url=False)[0]['msg']}") from None
