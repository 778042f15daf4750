"""Templates and conditions of a document: whether they can be read, and whether what they name exists."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ...errors import ExpressionError
from ...expressions import Expression, compile_template, has_template, never_holds, parse, template_problems
from ...expressions import Path as Named
from ...model.compile import CONDITION_NAMES, path_problem
from ...model.state import StateSchema
from .edges import Arrow
from .entries import Entry
from .findings import COMPARED, Findings, hint
from .places import Path, is_list, is_mapping

__all__ = ["Known", "check_condition", "check_templates", "rendered"]


@dataclass(frozen=True)
class Known:
    """What texts may name: node ids and the state's keys."""

    ids: Collection[str]
    state: StateSchema

    def problem(self, path: Named) -> str | None:
        """What is wrong with a path, in words; quick however many nodes there are."""
        parts = path.parts
        ids: Collection[str] = self.ids
        if len(ids) > COMPARED and len(parts) > 1 and parts[0] == "outputs" and parts[1] not in ids:
            ids = [*islice(ids, COMPARED)]
        return path_problem(path, ids, self.state)


def rendered(entry: Entry) -> dict[str, Any]:
    """The params of an entry that are read as templates: all but the literal fields."""
    params = entry.params or {}
    model = entry.kind.params_model if entry.kind is not None else None
    if model is None:
        return params
    from ...forms.params import is_literal

    fields = model.model_fields
    return {key: value for key, value in params.items() if key in fields and not is_literal(fields[key])}


def check_templates(value: Any, path: Path, names: Collection[str], known: Known, findings: Findings) -> None:
    """Report every template in a structure that cannot be parsed, or names what does not exist."""
    for at, text in _texts(value, path):
        if findings.is_full:
            return
        problems = template_problems(text, names)
        for _, error in problems:
            findings.add("template", str(error), at)
        template = None if problems else compile_template(text, names)
        for named in template.paths if template is not None else ():
            reason = known.problem(named)
            if reason:
                findings.add("template", str(ExpressionError(reason, text, named.position)), at)


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


def check_condition(
    arrow: Arrow, produced: frozenset[str] | None, known: Known, findings: Findings
) -> Expression | None:
    """The condition of an edge, or None when it has none that can be used; what is wrong with it is reported."""
    text = arrow.edge.when
    if not isinstance(text, str) or findings.is_full:
        return None
    path: Path = (*arrow.path, "when")
    try:
        condition = parse(text, CONDITION_NAMES)
    except ExpressionError as error:
        findings.add("condition", str(error), path, edge=str(arrow.edge))
        return None
    before = len(findings.found)
    for named in condition.paths:
        reason = known.problem(named) or _output_problem(named, arrow.edge.source, produced)
        if reason:
            what = str(ExpressionError(reason, condition.text, named.position))
            findings.add("condition", what, path, edge=str(arrow.edge))
    never = never_holds(condition)
    if never:
        findings.add("condition", f"the condition can never hold: {never}", path, edge=str(arrow.edge))
    return condition if len(findings.found) == before else None


def _output_problem(path: Named, source: str, produced: frozenset[str] | None) -> str | None:
    parts = path.parts
    if produced is None or path.optional or parts[0] != "output" or len(parts) < 2 or parts[1] in produced:
        return None
    return f"output.{parts[1]}: {source} declares no such output{hint(parts[1], produced, 'outputs')}"
