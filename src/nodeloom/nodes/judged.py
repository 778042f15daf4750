"""What is wrong with the templates and ports of a graph's nodes, before anything runs (semantics 12.2)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..errors import Problem
from ..expressions import compile_template, template_problems
from ..model.batch import Batch
from ..model.compile import Declaration, nearest, output_problem, path_problem
from .host import policies
from .node import Node
from .settings import PARAM_NAMES

__all__ = ["OUTPUT_NAMES", "PARAM_NAMES", "node_problems", "output_problems", "port_problems", "rendered_params"]

OUTPUT_NAMES = ("outputs", "state", "run")


def node_problems(nodes: Sequence[Node], declaration: Declaration, call: Batch | None = None) -> list[Problem]:
    """Policies that cannot work; templates in params and batches that cannot be parsed, or name what does not exist.

    Args:
        nodes, declaration: of the graph. call: the settings of a call of `map`, whose items the caller brings.
    """
    names = PARAM_NAMES if call is None else (*PARAM_NAMES, *call.names)
    lines = {spec.id: spec.line for spec in declaration.nodes}
    produced = {spec.id: spec.outputs for spec in declaration.nodes}
    guarded = [node for node in nodes if node.policies or hasattr(node, "graph")]
    problems = policies().judge_policies(guarded, declaration.name, names)

    def add(node: Node, value: Any, names: tuple[str, ...], where: str) -> None:
        for place, message in _template_problems(value, names, where, produced, declaration):
            problems.append(Problem("template", message, node.id, place, line=lines[node.id]))

    for node in nodes:
        lacking = getattr(type(node), "lacking", None)
        if lacking is not None and lacking[0] is node:
            problems += [_lacking(problem, node, lines[node.id]) for problem in lacking[1].problems]
        batch = node.batch if call is None else None
        add(node, rendered_params(node), names if batch is None else (*names, *batch.names), "params")
        if batch is not None:
            add(node, batch.templates, PARAM_NAMES, "batch.items")
    return problems


def _lacking(problem: Problem, node: Node, line: int | None) -> Problem:
    """A param that the node of a function was defined without."""
    name = (problem.field or "").removeprefix("params.")
    message = f"{problem.message}: give it, as {node.id}.copy({name}=...)"
    return Problem(problem.code, message, node=node.id, field=problem.field, line=line)


def _template_problems(
    value: Any,
    names: tuple[str, ...],
    where: str,
    produced: Mapping[str, Collection[str] | None],
    declaration: Declaration,
) -> list[tuple[str, str]]:
    """What is wrong with the templates of a node, each with its place."""
    problems = [(place, str(error)) for place, error in template_problems(value, names, where)]
    template = None if problems else compile_template(value, names, where)
    for path in template.paths if template is not None else ():
        reason = path_problem(path, produced, declaration.state) or output_problem(path, produced)
        if reason:
            problems.append((where, reason))
    return problems


def rendered_params(node: Node) -> dict[str, Any]:
    """The params of a node that are read as templates: all but the literal fields."""
    if node.params_model is None:
        return dict(node.given)
    from ..forms.validating import is_literal

    fields = node.params_model.model_fields
    return {key: value for key, value in node.given.items() if key in fields and not is_literal(fields[key])}


def output_problems(outputs: Mapping[str, Any] | None, declaration: Declaration) -> list[Problem]:
    """Templates in a graph's outputs that cannot be parsed, or name what does not exist."""
    if not outputs:
        return []
    problems = [
        Problem("template", str(error), field=where)
        for where, error in template_problems(dict(outputs), OUTPUT_NAMES, "outputs")
    ]
    if problems:
        return problems
    template = compile_template(dict(outputs), OUTPUT_NAMES, "outputs")
    produced = {node.id: node.outputs for node in declaration.nodes}
    for path in template.paths if template is not None else ():
        reason = path_problem(path, produced, declaration.state) or output_problem(path, produced)
        if reason:
            problems.append(Problem("template", reason, field="outputs"))
    return problems


def port_problems(declaration: Declaration, nodes: Mapping[str, Node]) -> list[Problem]:
    """Typed ports that do not fit: an input nobody before the node gives."""
    incoming: dict[str, list[str]] = {}
    for edge in declaration.edges:
        if edge.kind != "error":
            incoming.setdefault(edge.target, []).append(edge.source)
    problems: list[Problem] = []
    for node in nodes.values():
        wanted = getattr(type(node), "Inputs", None)
        sources = incoming.get(node.id, [])
        if wanted is None or not sources or node.id in declaration.starts:
            continue
        known = [getattr(type(nodes[source]), "Outputs", None) for source in sources if source in nodes]
        if any(ports is None for ports in known):
            continue
        given = {name for ports in known for name in ports.model_fields}  # type: ignore[union-attr]
        for name, field in wanted.model_fields.items():
            if field.is_required() and name not in given:
                what = f"takes an input {name!r}, which none of {', '.join(sources)} gives{nearest(name, given)}"
                problems.append(Problem("port", what, node=node.id, field=f"inputs.{name}"))
    return problems
