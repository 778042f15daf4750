"""A form with values, asked on an event loop of its own, so that a person can be waited for in between."""

from __future__ import annotations

import asyncio
import copy
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from io import StringIO
from types import TracebackType
from typing import Any, Self

from ...errors import Problem
from ...forms import Evaluator, FieldState, Form, Page
from ...forms.choosing import options_for
from ...forms.verdicts import why
from ...nodes.forms import form_of_node
from ...nodes.host import current_host
from ...nodes.node import Node
from ...nodes.settings import PARAM_NAMES

__all__ = ["CannotAnswer", "Session"]


class CannotAnswer(Exception):
    """A function of the author's failed; the message is in its author's words."""


class Session:
    """The form of a node type, and the values it has so far.

    Args:
        kind: the node type.

    Attributes:
        form: its form. states: what is known of each field, by path.
    """

    def __init__(self, kind: type[Node]) -> None:
        self.kind = kind
        self.form: Form = form_of_node(kind)
        self.states: dict[str, FieldState] = {}
        self._runner = asyncio.Runner()
        self._evaluator: Evaluator | None = None

    def __enter__(self) -> Self:
        self._runner.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._runner.__exit__(kind, error, at)

    def update(self, values: Mapping[str, Any], *, anew: bool = False) -> None:
        """Take these values. `anew`: functions that failed are asked again."""
        self._run(self._update(values, anew))

    def options(self, path: str, values: Mapping[str, Any], query: str, cursor: str | None) -> Page:
        """A page of what there is to choose from.

        Raises:
            CannotAnswer: its function failed.
        """
        page: Page = self._run(self._options(path, values, query, cursor))
        return page

    def check(self, values: Mapping[str, Any]) -> list[Problem]:
        """Everything that is wrong."""
        problems: list[Problem] = self._run(self._check(values))
        return problems

    def _run(self, work: Any) -> Any:
        with redirect_stdout(_Aside()):
            return self._runner.run(work)

    async def _update(self, values: Mapping[str, Any], anew: bool) -> None:
        if self._evaluator is None or anew:
            self._evaluator = Evaluator(self.form, current_host().asker, names=PARAM_NAMES)
        await self._evaluator.update(copy.deepcopy(dict(values)))  # a change inside of a value is one
        self.states = {state.path: state for state in self._evaluator.all_states()}

    async def _options(self, path: str, values: Mapping[str, Any], query: str, cursor: str | None) -> Page:
        asker = current_host().asker
        try:
            page = await options_for(self.form, path, values, asker, query=query, cursor=cursor)
        except Exception as error:  # whatever an author's function raises is told
            raise CannotAnswer(f"its options cannot be had: {why(error, asker.timeout)}") from error
        return page or Page()

    async def _check(self, values: Mapping[str, Any]) -> list[Problem]:
        return await self.kind.check(values)


class _Aside(StringIO):
    """What an author's function prints goes beside the output."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)
