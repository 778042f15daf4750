"""Templates and conditions of a document: whether they can be read, and whether what they name exists."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from ...errors import ExpressionError
from ...expressions import (
    Expression,
    compile_template,
    has_template,
    name_problem,
    never_holds,
    parse,
    path_text,
    template_problems,
)
from ...expressions import Path as Named
from ...model.compile import CONDITION_NAMES, path_problem
from ...model.state import StateSchema
from .edges import Arrow
from .entries import Entry
from .findings import COMPARED, PATTERN, Findings, hint, shown
from .places import Path, is_list, is_mapping

__all__ = ["Known", "check_condition", "check_templates", "rendered"]


_WORD = re.compile(r"\w+|[^\w\s]")
ERROR_KEYS = ("type", "code", "message", "node", "retryable", "index")


@dataclass(frozen=True)
class Known:
    """What texts may name; None for names that nothing declares, so that there may be any.

    Attributes: `outputs` node ids with the names of their outputs. `state` with its keys. `inputs` the names of the
    inputs of a run; `received` those of a step. `produced` the names of its outputs, for a condition on them.
    """

    outputs: Mapping[str, Collection[str] | None]
    state: StateSchema
    inputs: Collection[str] | None = None
    received: Collection[str] | None = None
    produced: Collection[str] | None = None

    def problems(self, paths: Iterable[Named], text: str, names: Collection[str]) -> Iterator[str]:
        """What is wrong with the paths of a text, in words, each thing once.

        Args:
            paths, text: of a template or condition. names: the root names that exist there.
        """
        said: set[str] = set()
        for path in paths:
            reason = name_problem(path, names) or self.problem(path)
            if reason is not None and reason not in said:
                said.add(reason)
                yield str(ExpressionError(reason, text, path.position))

    def problem(self, path: Named) -> str | None:
        """What is wrong with a path, in words; quick however many nodes there are."""
        parts = path.parts
        ids: Collection[str] = self.outputs
        if len(ids) > COMPARED and len(parts) > 1 and parts[0] == "outputs" and parts[1] not in ids:
            ids = [*islice(ids, COMPARED)]
        reason = path_problem(path, ids, self.state)
        if reason or path.optional:
            return reason
        depth, declared, what, names = self._declared(parts)
        key = parts[depth] if len(parts) > depth else None
        if declared is None or not isinstance(key, str) or key in declared:
            return None
        return f"{path_text(parts[: depth + 1])}: {what} {shown(key)}{hint(key, declared, names)}"

    def _declared(self, parts: tuple[str | int, ...]) -> tuple[int, Collection[str] | None, str, str]:
        """Where in a path a name stands that is declared, which names are, and words for them."""
        match parts:
            case ("run", "inputs", *_):
                return 2, self.inputs, "the document declares no input", "inputs"
            case ("inputs", *_):
                return 1, self.received, "the document declares no input", "inputs"
            case ("output", *_):
                return 1, self.produced, "the node declares no output", "outputs"
            case ("outputs", str(id), *_):
                return 2, self.outputs.get(id), f"{id} declares no output", "outputs"
            case ("error", *_):
                return 1, ERROR_KEYS, "an error has no", "it has"
            case _:
                return 0, None, "", ""


def rendered(entry: Entry) -> dict[str, Any]:
    """The params of an entry that are read as templates: all but the literal fields."""
    params = entry.params or {}
    model = entry.kind.params_model if entry.kind is not None else None
    if model is None:
        return params
    from ...forms.validating import is_literal

    fields = model.model_fields
    return {key: value for key, value in params.items() if key in fields and not is_literal(fields[key])}


def check_templates(value: Any, path: Path, names: Collection[str], known: Known, findings: Findings) -> None:
    """Report every template in a structure that cannot be parsed, or names what does not exist."""
    for at, text in _texts(value, path):
        if findings.is_full or not findings.admits(_holes(text), at):
            return
        problems = template_problems(text)
        for _, error in problems:
            findings.add("template", str(error), at)
        template = None if problems else compile_template(text)
        for what in known.problems(template.paths if template is not None else (), text, names):
            findings.add("template", what, at)
        never = template.never_renders() if template is not None else None
        if never is not None:
            findings.add("template", f"it always fails: {never}", at)


def _holes(text: str) -> int:
    """About how many words and signs the expressions of a template hold, with their braces."""
    return sum(_words(hole.partition("}}")[0]) + 2 for hole in text.split("{{")[1:])


def _words(expression: str) -> int:
    return len(_WORD.findall(expression)) + PATTERN * expression.count("matches")


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        if has_template(value):
            yield path, value
    elif is_mapping(value):
        for key, below in value.items():
            yield from _texts(below, (*path, key))
    elif is_list(value):
        for index, below in enumerate(value):
            yield from _texts(below, (*path, index))


def check_condition(arrow: Arrow, known: Known, findings: Findings) -> Expression | None:
    """The condition of an edge, or None when it has none that can be used; what is wrong with it is reported."""
    text = arrow.edge.when
    if not isinstance(text, str) or findings.is_full:
        return None
    path: Path = (*arrow.path, "when")
    if not findings.admits(_words(text), path):
        return None
    try:
        condition = parse(text)
    except ExpressionError as error:
        findings.add("condition", str(error), path, edge=str(arrow.edge))
        return None
    before = len(findings.found)
    known = replace(known, produced=known.outputs.get(arrow.edge.source))
    for what in known.problems(condition.paths, text, CONDITION_NAMES):
        findings.add("condition", what, path, edge=str(arrow.edge))
    never = never_holds(condition)
    if never:
        findings.add("condition", f"the condition can never hold: {never}", path, edge=str(arrow.edge))
    return condition if len(findings.found) == before else None
