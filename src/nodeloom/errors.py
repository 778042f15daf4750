"""Every error nodeloom raises, in one tree.

::

    NodeloomError
    ├── DefinitionError            what an author wrote cannot work (TypeError)
    │   ├── SignatureError         `work` asks for a parameter that does not exist
    │   └── FrozenDefinition       a compiled definition was changed
    ├── ParamsError                params that do not validate (ValueError)
    ├── RegistryError              the catalogue of node types
    │   ├── UnknownNodeType        no such identifier, or no such version (LookupError)
    │   └── DuplicateNodeType      two node types under one identifier and version
    ├── ExpressionError            the expression language; carries text and position
    │   ├── ExpressionSyntaxError  it cannot be parsed
    │   ├── UnknownName            it names something that does not exist
    │   ├── ExpressionTypeError    an operation on values that do not fit
    │   └── ExpressionLimit        it went past a bound on size, depth or work
    ├── GraphError                 a graph that cannot be compiled; carries every problem
    │   └── DocumentError          the same, for a document
    ├── StepError                  what can fail a step or its run
    │   ├── OutputError            `work` returned what is no output (TypeError)
    │   ├── RoutingError           a condition or a Route failed while running
    │   ├── StateConflict          two branches replaced one key
    │   ├── QuorumNotReached       a quorum that can no longer be met
    │   ├── MaxStepsExceeded       a runaway loop
    │   ├── PoolExhausted          no thread is left for a step
    │   ├── PathNotAllowed         a file outside the allowed roots
    │   ├── LimitExceeded          a size or count limit of a node was passed
    │   └── CommandFailed          a command ended with a status that is no success
    ├── NotStorable                a value that no store can keep (TypeError)
    ├── RunFailed                  `graph.run` of a run that failed; carries the result
    ├── RunCancelled               `graph.run` of a run that was cancelled by its engine
    └── EngineClosed               work was given to an engine that is closed
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "CommandFailed",
    "DefinitionError",
    "DocumentError",
    "DuplicateNodeType",
    "EngineClosed",
    "ExpressionError",
    "ExpressionLimit",
    "ExpressionSyntaxError",
    "ExpressionTypeError",
    "FrozenDefinition",
    "GraphError",
    "LimitExceeded",
    "MaxStepsExceeded",
    "NodeloomError",
    "NotStorable",
    "OutputError",
    "ParamsError",
    "PathNotAllowed",
    "PoolExhausted",
    "Problem",
    "QuorumNotReached",
    "RegistryError",
    "RoutingError",
    "RunCancelled",
    "RunFailed",
    "SignatureError",
    "StateConflict",
    "StepError",
    "UnknownName",
    "UnknownNodeType",
]


class NodeloomError(Exception):
    """The root of the tree: `except NodeloomError` catches whatever nodeloom itself raises."""

    code = "nodeloom"
    retryable = False


class DefinitionError(NodeloomError, TypeError):
    """What an author wrote cannot work; raised where it is written, never in the middle of a run."""

    code = "definition"


class SignatureError(DefinitionError):
    """`work` asks for a parameter that does not exist; the message names those that do."""

    code = "signature"


class FrozenDefinition(DefinitionError):
    """A definition was changed after a graph was compiled from it."""

    code = "frozen_definition"


class ParamsError(NodeloomError, ValueError):
    """Params that do not validate. `problems` holds one entry a field."""

    code = "params"

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class RegistryError(NodeloomError):
    """The catalogue of node types."""

    code = "registry"


class UnknownNodeType(RegistryError, LookupError):
    """No node type of this identifier, or none of this version."""

    code = "unknown_node_type"


class DuplicateNodeType(RegistryError):
    """Two node types under one identifier and version."""

    code = "duplicate_node_type"


class ExpressionError(NodeloomError):
    """Something is wrong with an expression.

    Attributes: `reason` the plain words, `text` the author's text, `position` the offset in it
    (0-based, in characters).
    """

    code = "expression"

    def __init__(self, reason: str, text: str = "", position: int | None = None) -> None:
        self.reason = reason
        self.text = text
        self.position = position
        super().__init__(reason if position is None else _pointed(reason, text, position))


class ExpressionSyntaxError(ExpressionError):
    """The text cannot be parsed."""

    code = "expression_syntax"


class UnknownName(ExpressionError):
    """The text names something that does not exist; the message names what does."""

    code = "unknown_name"


class ExpressionTypeError(ExpressionError):
    """An operation met values that do not fit it, as a text compared with a number."""

    code = "expression_type"


class ExpressionLimit(ExpressionError):
    """The text, its value or the work it asks for went past a bound."""

    code = "expression_limit"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a graph, a document or a form.

    Args:
        code: a stable word for programs, as `unknown_node`.
        message: what is wrong and what would be right, for people.
        node: the node id, where the problem is in one.
        field: the path of the field, as `params.url`.
        edge: the edge, as `fetch -> count`.
        line: the line in a document, from 1; `column` likewise.
        severity: `error`, or `warning` for what does not stop a run.
    """

    code: str
    message: str
    node: str | None = None
    field: str | None = None
    edge: str | None = None
    line: int | None = None
    column: int | None = None
    severity: str = "error"

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message

    @property
    def where(self) -> str:
        """The place in words: line, node, edge and field, as far as they are known."""
        parts = [
            f"line {self.line}" if self.line else "",
            f"node {self.node}" if self.node else "",
            f"edge {self.edge}" if self.edge else "",
            self.field or "",
        ]
        return ", ".join(part for part in parts if part)


class GraphError(NodeloomError):
    """A graph that cannot be compiled. `problems` holds every reason at once."""

    code = "graph"

    def __init__(self, problems: Sequence[Problem], subject: str = "graph") -> None:
        self.problems = tuple(problems)
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__(f"{subject}: {count}{lines}")


class DocumentError(GraphError):
    """A document that cannot be read as a graph. Its problems carry lines."""

    code = "document"


class StepError(NodeloomError):
    """What can fail a step, or the run it is part of."""

    code = "step"


class OutputError(StepError, TypeError):
    """`work` returned something that is neither a mapping, None, a Route nor a generator of mappings."""

    code = "output"


class RoutingError(StepError):
    """A condition failed while the run was routing, or a Route names a node without an edge."""

    code = "routing"


class StateConflict(StepError):
    """Two branches replaced one key of a declared state, and neither had seen the other's write."""

    code = "state_conflict"


class QuorumNotReached(StepError):
    """Fewer branches can still arrive than the quorum asks for."""

    code = "quorum_not_reached"


class MaxStepsExceeded(StepError):
    """The run took more steps than its graph allows."""

    code = "max_steps"


class PoolExhausted(StepError):
    """Every thread of a pool is held by work that was given up on."""

    code = "pool_exhausted"
    retryable = True


class PathNotAllowed(StepError):
    """A path outside the roots that the engine allows."""

    code = "path_not_allowed"


class LimitExceeded(StepError):
    """A body, a file or an output larger than its limit."""

    code = "limit_exceeded"


class CommandFailed(StepError):
    """A command ended with a status that is no success, or could not be started."""

    code = "command_failed"


class NotStorable(NodeloomError, TypeError):
    """A value that no store can keep; the message says where it is and what it is."""

    code = "not_storable"


class RunFailed(NodeloomError):
    """A run that failed. `result` is its `RunResult`: the error, and what was done before it."""

    code = "run_failed"

    def __init__(self, message: str, result: Any) -> None:
        super().__init__(message)
        self.result = result


class RunCancelled(NodeloomError):
    """A run that was cancelled by its engine. `result` is its `RunResult`."""

    code = "run_cancelled"

    def __init__(self, message: str, result: Any) -> None:
        super().__init__(message)
        self.result = result


class EngineClosed(NodeloomError):
    """Work was given to an engine that is closed."""

    code = "engine_closed"


def _pointed(reason: str, text: str, position: int) -> str:
    """The reason with the line it is about and a caret under the place."""
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    line = text[start : end if end >= 0 else len(text)]
    left = max(0, position - start - 60)
    shown = line[left : left + 120]
    return f"{reason} (at character {position + 1})\n    {shown}\n    {' ' * (position - start - left)}^"
