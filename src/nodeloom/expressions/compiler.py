"""A syntax tree to Python closures: parsed once, then evaluated at about the speed of hand-written Python.

A closure takes the scope and returns a value. What can be decided once, such as which operator it is,
whether an operand is a constant or how long a path is, is decided here and not while it runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nodeloom.errors import ExpressionError, ExpressionLimit, ExpressionTypeError
from nodeloom.expressions.closures import (
    Fault,
    coalesce,
    compare,
    compare_chain,
    compare_literal,
    constant,
    many_keys,
    one_key,
    read_name,
)
from nodeloom.expressions.functions import FUNCTIONS
from nodeloom.expressions.lookups import Evaluator, Scope, explain_missing, look_up
from nodeloom.expressions.missing import MISSING
from nodeloom.expressions.operations import ARITHMETIC, RELATIONS, Operation, failure, negate, truth
from nodeloom.expressions.patterns import compile_pattern
from nodeloom.expressions.syntax import (
    Arithmetic,
    Both,
    Call,
    Choice,
    Coalesce,
    Compare,
    Constant,
    Either,
    Exists,
    ListDisplay,
    Lookup,
    MapDisplay,
    Name,
    Negate,
    Node,
    Not,
    Step,
)


class Compiler:
    """Compiles the tree of one text.

    Args:
        text: the author's text, for the errors of the closures.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def build(self, node: Node) -> Evaluator:
        """The closure of a tree.

        Args:
            node: the tree.
        """
        match node:
            case Constant(value):
                return constant(value)
            case Name(name):
                return read_name(name)
            case Lookup():
                return self.lookup(node)
            case ListDisplay() | MapDisplay():
                return self.display(node)
            case Compare(first, steps):
                return self.comparison(first, steps)
            case Arithmetic(first, steps):
                return self.arithmetic(first, steps)
            case Call():
                return self.call(node)
            case Negate():
                return self.negation(node)
            case _:
                return self.logic(node)

    def logic(self, node: Not | Both | Either | Coalesce | Exists | Choice) -> Evaluator:
        match node:
            case Not(operand):
                return self.inversion(operand)
            case Both(operands):
                return self.fold(operands, until=False)
            case Either(operands):
                return self.fold(operands, until=True)
            case Coalesce(operands):
                return coalesce([self.build(operand) for operand in operands])
            case Exists(operand):
                inner = self.build(operand)
                return lambda scope: inner(scope) is not MISSING
            case Choice():
                return self.choice(node)

    # Errors

    def at(self, error: ExpressionError, position: int) -> ExpressionError:
        """The error with the text and the place."""
        return type(error)(error.reason, self.text, position)

    def missing(self, node: Node, scope: Scope) -> ExpressionError:
        """Why this node is missing in this scope."""
        return explain_missing(node, scope, self.text, lambda part: self.build(part)(scope))

    def failed(self, error: Exception, step: Step, left: Any, right: Any) -> ExpressionError:
        return self.at(failure(error, step.operator, left, right), step.position)

    def true(self, value: Any, node: Node) -> bool:
        try:
            return truth(value)
        except ExpressionTypeError as error:
            raise self.at(error, node.position) from None

    # Paths

    def lookup(self, node: Lookup) -> Evaluator:
        target = self.build(node.target)
        if not all(isinstance(key, Constant) for key in node.keys):
            return self.dynamic_lookup(target, node.keys)
        keys = [key.value for key in node.keys if isinstance(key, Constant)]
        if len(keys) == 1 and isinstance(node.target, Name):
            return one_key(node.target.name, keys[0])
        return many_keys(target, keys)

    def dynamic_lookup(self, target: Evaluator, keys: tuple[Node, ...]) -> Evaluator:
        compiled = [(self.build(key), key.position) for key in keys]

        def follow(scope: Scope) -> Any:
            value = target(scope)
            for key, position in compiled:
                found = key(scope)
                try:
                    value = MISSING if found is MISSING else look_up(value, found)
                except ExpressionTypeError as error:
                    raise self.at(error, position) from None
            return value

        return follow

    # Logic

    def fold(self, operands: tuple[Node, ...], until: bool) -> Evaluator:
        """`and` and `or`, with Python's values: the first operand that decides, or else the last one."""
        first = [(self.build(operand), operand) for operand in operands[:-1]]
        final = self.build(operands[-1])

        def decide(scope: Scope) -> Any:
            for evaluate, node in first:
                value = evaluate(scope)
                if value is until or (value is not (not until) and self.true(value, node) is until):
                    return value
            return final(scope)

        return decide

    def inversion(self, operand: Node) -> Evaluator:
        inner = self.build(operand)
        return lambda scope: not self.true(inner(scope), operand)

    def choice(self, node: Choice) -> Evaluator:
        condition, chosen, other = self.build(node.condition), self.build(node.chosen), self.build(node.other)

        def choose(scope: Scope) -> Any:
            return chosen(scope) if self.true(condition(scope), node.condition) else other(scope)

        return choose

    # Operators

    def comparison(self, first: Node, steps: tuple[Step, ...]) -> Evaluator:
        left = self.build(first)
        links = [self.link(step) for step in steps]
        if len(links) > 1:
            return compare_chain(left, links)
        literal = _literal_operand(steps[0])
        if literal is not None:
            relation, fixed = literal
            return compare_literal(left, relation, fixed, links[0][2])
        return compare(left, *links[0])

    def link(self, step: Step) -> tuple[Operation, Evaluator, Fault]:
        def fault(error: Exception, left: Any, right: Any) -> ExpressionError:
            return self.failed(error, step, left, right)

        return RELATIONS[step.operator], self.build(step.operand), fault

    def arithmetic(self, first: Node, steps: tuple[Step, ...]) -> Evaluator:
        start = self.build(first)
        links = [(ARITHMETIC[step.operator], self.build(step.operand), step) for step in steps]

        def compute(scope: Scope) -> Any:
            value = start(scope)
            for operation, operand, step in links:
                right = operand(scope)
                try:
                    value = operation(value, right)
                except Exception as error:
                    if value is MISSING or right is MISSING:
                        absent = first if value is MISSING else step.operand
                        raise self.missing(absent, scope) from None
                    raise self.failed(error, step, value, right) from None
            return value

        return compute

    def negation(self, node: Negate) -> Evaluator:
        inner = self.build(node.operand)

        def compute(scope: Scope) -> Any:
            value = inner(scope)
            if value is MISSING:
                raise self.missing(node.operand, scope)
            try:
                return negate(value)
            except Exception as error:
                raise self.at(failure(error, "-", 0, value), node.position) from None

        return compute

    # Displays and calls

    def present(self, nodes: Sequence[Node]) -> list[Evaluator]:
        """Closures that raise `UnknownName` in place of a missing value: no list or map may hold one."""
        return [self.require(node) for node in nodes]

    def require(self, node: Node) -> Evaluator:
        """A closure that raises `UnknownName` where the value is missing.

        Args:
            node: the tree.
        """
        inner = self.build(node)
        if isinstance(node, Constant | ListDisplay | MapDisplay):
            return inner

        def evaluate(scope: Scope) -> Any:
            value = inner(scope)
            if value is MISSING:
                raise self.missing(node, scope)
            return value

        return evaluate

    def display(self, node: ListDisplay | MapDisplay) -> Evaluator:
        if isinstance(node, ListDisplay):
            items = self.present(node.items)
            return lambda scope: [item(scope) for item in items]
        keys = [key for key, _ in node.entries]
        values = self.present([value for _, value in node.entries])
        return lambda scope: {key: value(scope) for key, value in zip(keys, values, strict=True)}

    def call(self, node: Call) -> Evaluator:
        function = FUNCTIONS[node.name].call
        arguments = self.present(node.arguments)

        def evaluate(scope: Scope) -> Any:
            values = [argument(scope) for argument in arguments]
            try:
                return function(*values)
            except Exception as error:
                raise self.at(_call_failure(error, node.name), node.position) from None

        return evaluate


def _literal_operand(step: Step) -> tuple[Operation, Any] | None:
    """The relation and its right side, where that is written out as a literal."""
    operand = step.operand
    if isinstance(operand, ListDisplay) and all(isinstance(item, Constant) for item in operand.items):
        return RELATIONS[step.operator], [item.value for item in operand.items if isinstance(item, Constant)]
    if not isinstance(operand, Constant):
        return None
    if step.operator == "matches" and isinstance(operand.value, str):
        pattern = compile_pattern(operand.value)
        return lambda subject, _: pattern.search(_subject(subject)), operand.value
    return RELATIONS[step.operator], operand.value


def _subject(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _call_failure(error: Exception, name: str) -> ExpressionError:
    if isinstance(error, ExpressionError):
        return type(error)(f"`{name}`: {error.reason}")
    if isinstance(error, RecursionError | OverflowError):
        return ExpressionLimit(f"`{name}`: this value is too large or nested too deep")
    return ExpressionTypeError(f"`{name}`: cannot work with this value")
