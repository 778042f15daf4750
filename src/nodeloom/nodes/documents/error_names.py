"""The names of errors in a document: whether one is misspelt, which would never be met."""

from __future__ import annotations

import builtins
import difflib
import sys
from collections.abc import Iterable
from functools import cached_property
from types import ModuleType
from typing import Any

from ... import errors as nodeloom_errors
from ..wiring import error_name
from .entries import Entry
from .findings import Findings
from .places import Path, is_list, is_mapping

__all__ = ["ErrorNames", "check_policies"]

NEAR = 0.9
"""How alike two names are, as `difflib` counts, of which one is the other misspelt."""
LONGEST = 100
SETTINGS = (("retry", "retry_on"), ("retry", "give_up_on"), ("circuit_breaker", "counts"))


class ErrorNames:
    """The error classes that a document's author may mean, by their names.

    Args:
        entries: the nodes, in whose modules there are some.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._kinds = {entry.kind for entry in entries if entry.kind is not None}

    @cached_property
    def _near(self) -> dict[str, str]:
        """Of those that are looked for near names, the name by what it is without capitals."""
        modules = [sys.modules.get(kind.__module__) for kind in self._kinds]
        found = [_errors_in(each) for each in (*modules, nodeloom_errors, builtins) if each is not None]
        return {name.casefold(): name for names in found for name in names}

    @cached_property
    def _loaded(self) -> set[str]:
        """Every exception class of this process: what is in it may be raised."""
        todo: list[type[BaseException]] = [BaseException]
        seen: set[type[BaseException]] = set()
        while todo:
            kind = todo.pop()
            if kind not in seen:
                seen.add(kind)
                todo += type.__subclasses__(kind)
        return {kind.__name__ for kind in seen}

    def misspelt(self, name: str) -> str | None:
        """What is wrong with a name that is near to one that there is, and none itself; else None."""
        if len(name) > LONGEST:
            return None
        module, _, last = name.rpartition(".")
        meant = self._in_module(sys.modules.get(module), last) if module else self._plain(name)
        if meant in (None, name):
            return None
        return f"no error is called {name!r} unless you define one; did you mean {meant!r}?"

    def _plain(self, name: str) -> str | None:
        near = self._near
        if near.get(name.casefold()) == name or name in self._loaded:
            return name
        return near.get(name.casefold()) or _nearest(name, near)

    def _in_module(self, module: ModuleType | None, name: str) -> str | None:
        """The full name of the class that is meant by one in a module that is loaded."""
        if module is None:
            return None
        known = _errors_in(module)
        found = known.get(name) or known.get(_nearest(name, {each.casefold(): each for each in known}) or "")
        return error_name(found) if found is not None else None


def check_policies(entries: Iterable[Entry], names: ErrorNames, findings: Findings) -> None:
    """Tell the misspelt names of errors in the policies of nodes."""
    for entry in entries:
        node: Any = findings.data["nodes"][entry.id]
        policies: Any = node.get("policies") if is_mapping(node) else None
        for policy, setting in SETTINGS:
            settings = policies.get(policy) if is_mapping(policies) else None
            if is_mapping(settings):
                path: Path = (*entry.path, "policies", policy, setting)
                given = settings.get(setting)
                for each in given if is_list(given) else [given]:
                    what = names.misspelt(each) if isinstance(each, str) else None
                    if what is not None:
                        findings.add("unknown_error", what, path, severity="warning")


def _errors_in(module: ModuleType) -> dict[str, type[Exception]]:
    """The exception classes that a module has, by their names there."""
    return {
        name: kind
        for name, kind in list(vars(module).items())
        if isinstance(kind, type) and issubclass(kind, Exception) and not name.startswith("_")
    }


def _nearest(name: str, known: dict[str, str]) -> str | None:
    some = [each for each in known if abs(len(each) - len(name)) <= 1]  # MyTimeoutError is one of the author's
    near = difflib.get_close_matches(name.casefold(), some, 1, NEAR)
    return known[near[0]] if near else None
