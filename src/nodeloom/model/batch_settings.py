"""What the settings of a batch may be; every problem is told at once (semantics 8.1)."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import Any, Final

from ..errors import DefinitionError, ExpressionError
from ..expressions import FUNCTIONS, compile_template, has_template, parse
from ..expressions.wording import nearest
from .masks import in_short

__all__ = ["DEFAULTS", "PARALLEL", "SPELLINGS", "BatchSettingsError", "batch_problems", "unknown_setting"]

PARALLEL: Final = 10
"""How many items run at once where only `parallel` is said."""

DEFAULTS: Final[dict[str, Any]] = {
    "items": None,
    "as": "item",
    "parallel": False,
    "max_concurrent": PARALLEL,
    "max_retries": 1,
    "retry_wait": 0.0,
    "item_timeout": None,
    "error_handling": "fail_fast",
    "reduce": None,
}
"""The settings, as a document spells them."""

SPELLINGS: Final = {**{name: name for name in DEFAULTS}, "as": "as_", "as_": "as_"}
"""However a setting is spelt, its name in Python."""

TAKEN: Final = frozenset({"inputs", "state", "outputs", "run", "params", "error", "output", "index"})
"""The names that expressions have already: an item's alias may shadow none of them."""

MOST: Final = {"max_concurrent": 10_000, "max_retries": 10}


class BatchSettingsError(DefinitionError):
    """Settings of a batch that cannot work.

    Attributes:
        problems: setting, as a document spells it, to what is wrong with it and what would be right.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(f"batch: {'; '.join(problems.values())}")
        self.problems = dict(problems)


def batch_problems(settings: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with settings that are spelt as in a document, all of them given, by setting.

    Example:
        >>> from nodeloom.model.batch_settings import DEFAULTS
        >>> batch_problems({**DEFAULTS, "items": [1], "max_retries": 11})
        {'max_retries': 'max_retries=11 is not a whole number from 1 to 10'}
    """
    found = {name: find(settings[name]) for name, find in _PROBLEMS.items()}
    if found["parallel"] is None and settings["parallel"] is False:
        found["parallel"] = _contradiction(settings["max_concurrent"])
    if found["retry_wait"] is None and settings["retry_wait"] and settings["max_retries"] == 1:
        found["retry_wait"] = "retry_wait comes with max_retries, which is the attempts in all: 1 makes no second one"
    return {name: problem for name, problem in found.items() if problem is not None}


def unknown_setting(name: object) -> str:
    """What to say of a setting that there is not."""
    return f"there is no setting {name!r}{nearest(str(name), DEFAULTS)} (settings: {', '.join(DEFAULTS)})"


def _items_problem(items: Any) -> str | None:
    if items is None:
        return 'it needs items, as items="{{ outputs.scan.files }}"'
    if isinstance(items, str):
        return _expression_problem(items.strip())
    if isinstance(items, Mapping | bytes):
        return f"items is {'a mapping' if isinstance(items, Mapping) else 'bytes'}; give a list"
    if isinstance(items, Iterable | AsyncIterable) or (callable(items) and not isinstance(items, type)):
        return None
    return f"items={in_short(items)} cannot be iterated; give an expression, a list, an iterator or a function of one"


def _expression_problem(text: str) -> str | None:
    is_whole = text.startswith("{{") and text.endswith("}}") and not text.startswith("{{{{")
    if not (has_template(text) and is_whole):
        return f'items={in_short(text)} is a text; give an expression, as "{{{{ outputs.scan.files }}}}", or a list'
    try:
        template = compile_template(text, None, "items")
        constant: Any = template.render({}) if template is not None and not template.paths else []
    except ExpressionError as error:
        return str(error)
    if not _is_one_expression(text):
        return f"items={in_short(text)} are several expressions, which make a text; give one, or a list of them"
    if isinstance(constant, list):
        return None
    return f"items={in_short(text)} is always {in_short(constant)}, which is no list"


def _is_one_expression(text: str) -> bool:
    try:
        parse(text[2:-2])
    except ExpressionError:
        return False
    return True


def _name_problem(name: Any) -> str | None:
    if isinstance(name, str) and name in TAKEN:
        return f"as={name!r} would shadow the name {name!r} that expressions have already; choose another one"
    if isinstance(name, str) and name in FUNCTIONS:
        return f"as={name!r} would shadow the function of that name; choose another one"
    return None if _is_name(name) else f"as={in_short(name)} is no name that an expression can use, as item"


def _is_name(name: Any) -> bool:
    if not (isinstance(name, str) and name.isidentifier() and name.isascii()):
        return False
    try:
        return [path.parts for path in parse(name).paths] == [(name,)]
    except ExpressionError:
        return False


def _contradiction(max_concurrent: Any) -> str | None:
    if max_concurrent in (None, 1, PARALLEL):
        return None
    return f"parallel is false, which is one item at a time, but max_concurrent is {in_short(max_concurrent)}; keep one"


def _count_problem(name: str) -> Callable[[Any], str | None]:
    def find(value: Any) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST[name]:
            return None
        return f"{name}={in_short(value)} is not a whole number from 1 to {MOST[name]:,}"

    return find


def _wait_problem(value: Any) -> str | None:
    if _is_number(value) and 0 <= value < float("inf"):
        return None
    return f"retry_wait={in_short(value)} is not a number of seconds from 0"


def _timeout_problem(value: Any) -> str | None:
    if value is None or (_is_number(value) and 0 < value < float("inf")):
        return None
    return f"item_timeout={in_short(value)} is not a number of seconds above 0"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parallel_problem(value: Any) -> str | None:
    return None if value is None or isinstance(value, bool) else f"parallel={in_short(value)} is neither true nor false"


def _handling_problem(value: Any) -> str | None:
    if isinstance(value, str) and value in ("fail_fast", "continue"):
        return None
    return f"error_handling={in_short(value)} is neither 'fail_fast' nor 'continue'"


def _reduce_problem(value: Any) -> str | None:
    return None if value is None or callable(value) else f"reduce={in_short(value)} is no function of the slots"


def _unless_none(find: Callable[[Any], str | None]) -> Callable[[Any], str | None]:
    return lambda value: None if value is None else find(value)


_PROBLEMS: Final[dict[str, Callable[[Any], str | None]]] = {
    "items": _items_problem,
    "as": _name_problem,
    "parallel": _parallel_problem,
    "max_concurrent": _unless_none(_count_problem("max_concurrent")),
    "max_retries": _count_problem("max_retries"),
    "retry_wait": _wait_problem,
    "item_timeout": _timeout_problem,
    "error_handling": _handling_problem,
    "reduce": _reduce_problem,
}
