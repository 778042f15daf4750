"""Policies as a document writes them: `{retry: 3, timeout: 10, rate_limit: {rate: 10, per: 1}}`."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, Final, cast

from ..errors import DefinitionError, Problem
from ..expressions.shapes import is_map
from ..expressions.wording import listing, nearest
from ..model.masks import in_short
from ..nodes.wiring import error_name
from .chain import check_policies, ordered
from .checks import SettingsError
from .keys import Key
from .policy import Policy

__all__ = ["HOME_OF", "NOT_WRITTEN", "class_of", "policies_from", "read_policies", "settings_of"]

HOME_OF: Final = {
    "fallback": ("fallback", "Fallback"),
    "deadline": ("timeout", "Deadline"),
    "idempotency": ("idempotency", "Idempotency"),
    "retry": ("retry", "Retry"),
    "batching": ("batching", "Batching"),
    "circuit_breaker": ("circuit_breaker", "CircuitBreaker"),
    "rate_limit": ("rate_limit", "RateLimit"),
    "concurrency": ("concurrency", "Concurrency"),
    "timeout": ("timeout", "Timeout"),
}
"""By its name in a document, a policy's module and class."""

NOT_WRITTEN: Final = {"node": "a node is given in Python, as Fallback(node=other)"}
"""Settings that a document cannot say."""


def policies_from(mapping: Any, where: str = "policies") -> list[Policy]:
    """The policies that a document describes.

    Args:
        mapping: name to settings: a number for the first one, or a mapping of them by name.
        where: what problems call the mapping.

    Raises:
        DefinitionError: with every problem, each with its place.

    Example:
        >>> policies_from({"timeout": 10, "concurrency": {"limit": 4, "key": "gpu"}})
        [Timeout(seconds=10), Concurrency(limit=4, key='gpu')]
    """
    policies, problems = read_policies(mapping, where)
    if problems:
        raise DefinitionError("\n".join(str(problem) for problem in problems))
    return policies


def read_policies(mapping: Any, where: str = "policies") -> tuple[list[Policy], list[Problem]]:
    """The policies that a document describes, and everything that is wrong with them, each with its field.

    Args:
        mapping, where: as for `policies_from`.
    """
    if not is_map(mapping):
        message = f"policies are a mapping, as `policies: {{retry: 3, timeout: 10}}`, not {_shown(mapping)}"
        return [], [Problem("bad_policies", message, field=where)]
    problems: list[Problem] = []
    policies = [_Entry(name, where, problems).read(mapping[name]) for name in mapping]
    return [policy for policy in policies if policy is not None], problems


def settings_of(policies: Iterable[Policy]) -> dict[str, Any]:
    """What a document says of policies: what `policies_from` reads.

    Args:
        policies: those of one node.

    Raises:
        DefinitionError: a policy of an author's own, or a setting that only Python can say, as a function.

    Example:
        >>> settings_of(policies_from({"timeout": 10, "retry": {"attempts": 5, "wait": 1.5}}))
        {'retry': {'attempts': 5, 'wait': 1.5}, 'timeout': 10}
    """
    written: dict[str, Any] = {}
    for policy in ordered(check_policies(policies, "to be saved")):
        kind = type(policy)
        if policy.layer not in HOME_OF or kind is not class_of(policy.layer):
            raise DefinitionError(f"{policy!r} is a policy of an author's own; a document knows {listing(HOME_OF)}")
        settings = {name: _written(policy, name, value) for name, value in policy.settings().items()}
        first = next(iter(_settings_of(kind)))
        is_short = list(settings) == [first] and _is_number(settings[first])
        written[policy.layer] = settings[first] if is_short else settings
    return written


def _written(policy: Policy, setting: str, value: Any) -> Any:
    """A setting as a document writes it."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, Any]", value)
        return {key: _written(policy, setting, entries[key]) for key in entries}
    if isinstance(value, list | tuple):
        return [_written(policy, setting, each) for each in cast("list[Any]", value)]
    if isinstance(value, type) and issubclass(value, Exception) and "<locals>" not in value.__qualname__:
        return error_name(value)
    why = NOT_WRITTEN.get(setting, "only Python can say that: a class within a function, a function, an object")
    raise DefinitionError(f"{setting}={value!r} of {type(policy).__name__} cannot be written to a document: {why}")


def class_of(name: str) -> type[Policy]:
    """The class of a policy, by its name in a document."""
    module, kind = HOME_OF[name]
    found: type[Policy] = getattr(importlib.import_module(f"{__package__}.{module}"), kind)
    return found


def _settings_of(kind: Any) -> dict[str, bool]:
    """The settings of a policy that make it what it is, and whether each must be given."""
    settings = [each for each in fields(kind) if each.init and each.compare]
    return {each.name: each.default is MISSING and each.default_factory is MISSING for each in settings}


class _Entry:
    """One policy of a document."""

    def __init__(self, name: Any, where: str, problems: list[Problem]) -> None:
        self.name = name
        self.where = f"{where}.{name}"
        self.problems = problems
        self.is_sound = True
        self.places: dict[Any, str] = {}

    def read(self, given: Any) -> Policy | None:
        """The policy, or None when something is wrong with it."""
        if self.name not in HOME_OF:
            names = f"the policies are {listing(HOME_OF)}{nearest(str(self.name), HOME_OF)}"
            self.refuse("unknown_policy", f"there is no policy {_shown(self.name)}; {names}")
            return None
        kind = class_of(self.name)
        known = _settings_of(kind)
        first = next(iter(known))
        if _is_number(given):
            self.places[first] = self.where
            return self.make(kind, known, {first: given})
        if isinstance(given, str) and first == "key":
            self.places[first] = self.where
            return self.make(kind, known, {first: given})
        if not is_map(given):
            short = "text" if first == "key" else "number"
            right = f"a {short} ({first}) or a mapping of its settings ({listing(known)}; {{}} for the defaults)"
            self.refuse("bad_policy", f"{self.name} is {right}, not {_shown(given)}")
            return None
        return self.make(kind, known, {setting: given[setting] for setting in given if self.knows(setting, known)})

    def knows(self, setting: Any, known: Mapping[str, bool]) -> bool:
        """Whether a document may say this of the policy."""
        self.places[setting] = f"{self.where}.{setting}"
        if setting in NOT_WRITTEN and setting in known:
            self.refuse("bad_setting", NOT_WRITTEN[setting], setting)
        elif setting not in known:
            names = [name for name in known if name not in NOT_WRITTEN]
            message = f"{self.name} has no setting {_shown(setting)}; it has {listing(names)}"
            self.refuse("unknown_setting", f"{message}{nearest(str(setting), names)}", setting)
        return setting in known and setting not in NOT_WRITTEN

    def make(self, kind: type[Policy], known: Mapping[str, bool], settings: dict[str, Any]) -> Policy | None:
        """The policy with these settings; what is missing is stood in for, to hear of all that is wrong."""
        missing = [name for name, is_needed in known.items() if is_needed and name not in settings]
        if missing:
            self.refuse("missing_setting", f"{self.name} needs {listing(missing)}")
        try:
            policy = kind(**{**dict.fromkeys(missing, 1), **settings})
        except SettingsError as error:
            for setting, problem in {**_key_problem(kind, settings), **error.problems}.items():
                self.refuse("bad_setting", problem, setting)
            return None
        return policy if self.is_sound else None

    def refuse(self, code: str, message: str, setting: Any = None) -> None:
        """Add a problem, at the setting's place."""
        self.is_sound = False
        self.problems.append(Problem(code, message, field=self.places.get(setting, self.where)))


def _key_problem(kind: type[Policy], settings: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with the key, which a policy makes only when its other settings are right."""
    try:
        Key(settings.get("key"), kind.__name__)
    except SettingsError as error:
        return error.problems
    return {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    """A value as a document shows it."""
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    return in_short(value)
