"""What the settings of policies may be; every problem of one policy is told at once."""

from __future__ import annotations

from dataclasses import fields
from math import isfinite
from typing import Any

from ..errors import DefinitionError
from ..model.masks import in_short

__all__ = ["SettingsError", "as_written", "check", "count", "differing", "number", "seconds", "share", "switch"]


class SettingsError(DefinitionError):
    """Settings of a policy that cannot work.

    Attributes:
        problems: setting to what is wrong with it and what would be right.
    """

    def __init__(self, policy: str, problems: dict[str, str]) -> None:
        super().__init__(f"{policy}: {'; '.join(problems.values())}")
        self.problems = problems


def check(policy: object, **problems: str | None) -> None:
    """Refuse settings.

    Args:
        policy: the policy, or its name. **problems: setting to what is wrong with it, or None.

    Raises:
        SettingsError: something is wrong with one of them; carries all that is.

    Example:
        `check(self, attempts=count("attempts", self.attempts), wait=seconds("wait", self.wait, least=0))`
    """
    found = {setting: problem for setting, problem in problems.items() if problem is not None}
    if found:
        raise SettingsError(policy if isinstance(policy, str) else type(policy).__name__, found)


def count(name: str, value: Any, least: int = 1) -> str | None:
    """What is wrong with a whole number."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return None
    return f"{name}={in_short(value)} is not a whole number from {least}"


def number(name: str, value: Any, *, least: float | None = None, what: str = "a number") -> str | None:
    """What is wrong with a finite number above zero, or from `least` on."""
    if not isinstance(value, bool) and isinstance(value, int | float) and _is_within(value, least):
        return None
    return f"{name}={in_short(value)} is not {what} {'above 0' if least is None else f'from {least:g}'}"


def seconds(name: str, value: Any, *, least: float | None = None) -> str | None:
    """What is wrong with a number of seconds above zero, or from `least` on."""
    return number(name, value, least=least, what="a number of seconds")


def share(name: str, value: Any) -> str | None:
    """What is wrong with a share, above 0 and up to 1."""
    if not isinstance(value, bool) and isinstance(value, int | float) and 0 < value <= 1:
        return None
    return f"{name}={in_short(value)} is not a share above 0 and up to 1, as 0.5"


def switch(name: str, value: Any) -> str | None:
    """What is wrong with what is either on or off."""
    return None if isinstance(value, bool) else f"{name}={in_short(value)} is neither true nor false"


def differing(policy: Any) -> dict[str, Any]:
    """The settings of a policy that are not the default, and its first one if that is a number."""
    settings = [each for each in fields(policy) if each.init and each.compare]
    given = {each.name: getattr(policy, each.name) for each in settings}
    first = settings[0].name
    return {
        each.name: given[each.name]
        for each in settings
        if given[each.name] != each.default or (each.name == first and isinstance(given[first], int | float))
    }


def as_written(policy: Any) -> str:
    """A policy as an author would write it: without what is the default."""
    settings = ", ".join(f"{name}={value!r}" for name, value in differing(policy).items())
    return f"{type(policy).__name__}({settings})"


def _is_within(value: float, least: float | None) -> bool:
    try:
        return isfinite(value) and (value > 0 if least is None else value >= least)
    except OverflowError:  # a whole number too large to be a float
        return False
