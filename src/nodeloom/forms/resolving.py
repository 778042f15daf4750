"""Asking the functions of a form's author: with what is known, remembered for a while, and further pages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pydantic
from pydantic_core import to_json

from ..errors import FormError, NotStorable
from ..model.codec import encode_value
from ..model.masks import in_short
from .asking import Asker, Question
from .field import NOTHING, FormField
from .form import Form
from .option import Page, as_page

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

        def read(given: Any) -> Any:
            return _derived(field, given) if field.derived is not None else as_page(given, field.name)

        async def call() -> Any:
            try:
                return await asking.ask(parents, question._replace(ctx=self.asker.ctx), self.asker, read)
            except (asyncio.CancelledError, GeneratorExit, SystemExit) as error:
                if isinstance(error, asyncio.CancelledError) and cast("Any", asyncio.current_task()).cancelling():
                    raise
                raise FormError(f"its function raised {type(error).__name__}, which nobody asked for") from None

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
            return field.name, _digest(parents), question.query, question.cursor, service
        except (ValueError, RecursionError):
            return None


def _digest(parents: Mapping[str, Any]) -> bytes:
    """The values as bytes that tell them from others; models, enums and paths as JSON, with their types.

    Raises:
        ValueError: that cannot be said of them.
    """
    try:
        return encode_value(dict(parents))
    except NotStorable:
        types = [f"{type(value).__module__}.{type(value).__qualname__}" for value in parents.values()]
        return to_json([types, dict(parents)])


def _derived(field: FormField, given: Any) -> Any:
    try:
        return field.read(given)
    except pydantic.ValidationError as error:
        raise FormError(f"its function gave {in_short(given)}: {error.errors(include_url=False)[0]['msg']}") from None
