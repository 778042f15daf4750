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
    Link,
    coalesce,
    compare,
    compare_chain,
    compare_costly,
    compare_literal,
    constant,
    key_equals,
    many_keys,
    match_literal,
    one_key,
    read_name,
)
from nodeloom.expressions.costs import cost_of, is_literal, size, weight_of
from nodeloom.expressions.functions import FUNCTIONS
from nodeloom.expressions.lookups import Evaluator, Scope, explain_missing, look_up
from nodeloom.expressions.meter import FREE, HEAVY, charge
from nodeloom.expressions.missing import MISSING
from nodeloom.expressions.operations import ARITHMETIC, RELATIONS, failure, negate, truth
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

    Attributes: `costly` the weight of the costly operations that were compiled so far.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.costly = 0

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
        step, *further = steps
        if further:
            lefts = (first, *(step.operand for step in steps))
            return compare_chain(left, [self.link(one, step) for one, step in zip(lefts, steps, strict=False)])
        if step.operator.endswith("matches") and isinstance(step.operand, Constant):
            return self.literal_match(left, step, step.operand.value)
        relation, operand, fault, cost = self.link(first, step)
        if cost is not None:
            return compare_costly(left, relation, operand, fault, cost)
        if not is_literal(step.operand):
            return compare(left, relation, operand, fault)
        if step.operator == "==" and isinstance(first, Lookup) and isinstance(first.target, Name):
            (key, *others) = first.keys
            if not others and isinstance(key, Constant):
                return key_equals(first.target.name, key.value, operand({}), fault)
        return compare_literal(left, relation, operand({}), fault)

    def literal_match(self, left: Evaluator, step: Step, pattern: Any) -> Evaluator:
        """`x matches 'a+'`: the pattern is compiled once, and a short text costs no more than its search."""
        self.costly += HEAVY
        compiled = compile_pattern(pattern) if isinstance(pattern, str) else None
        return match_literal(left, compiled, step.operator == "matches", self.fault(step), pattern)

    def fault(self, step: Step) -> Fault:
        return lambda error, left, right: self.failed(error, step, left, right)

    def link(self, left: Node, step: Step) -> Link:
        cost = cost_of(left, step)
        self.costly += weight_of(cost)
        return RELATIONS[step.operator], self.build(step.operand), self.fault(step), cost

    def arithmetic(self, first: Node, steps: tuple[Step, ...]) -> Evaluator:
        start = self.build(first)
        lefts = (first, *[None] * (len(steps) - 1))
        costs = [cost_of(left, step) for left, step in zip(lefts, steps, strict=True)]
        self.costly += sum(map(weight_of, costs))
        links = [
            (ARITHMETIC[step.operator], self.build(step.operand), step, cost)
            for step, cost in zip(steps, costs, strict=True)
        ]

        def compute(scope: Scope) -> Any:
            value = start(scope)
            for operation, operand, step, cost in links:
                right = operand(scope)
                try:
                    if cost is not None and (units := cost(value, right)) > FREE:
                        charge(scope, units)
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

    def all_present(self, nodes: Sequence[Node]) -> list[Evaluator]:
        """Closures that raise `UnknownName` in place of a missing value: no list or map may hold one."""
        return [self.present(self.build(node), node) for node in nodes]

    def present(self, inner: Evaluator, node: Node) -> Evaluator:
        """The closure of a tree, but raising `UnknownName` where the value is missing.

        Args:
            inner: the closure. node: the tree.
        """
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
            items = self.all_present(node.items)
            return lambda scope: [item(scope) for item in items]
        keys = [key for key, _ in node.entries]
        values = self.all_present([value for _, value in node.entries])
        return lambda scope: {key: value(scope) for key, value in zip(keys, values, strict=True)}

    def call(self, node: Call) -> Evaluator:
        called = FUNCTIONS[node.name]
        function, cost = called.call, called.cost
        self.costly += weight_of(cost)
        arguments = self.all_present(node.arguments)

        def evaluate(scope: Scope) -> Any:
            values = [argument(scope) for argument in arguments]
            try:
                if cost is None:
                    return function(*values)
                if (units := cost(*values)) > FREE:
                    charge(scope, units)
                result = function(*values)
                if (units := size(result)) > FREE:
                    charge(scope, units)
            except Exception as error:
                raise self.at(_call_failure(error, node.name), node.position) from None
            return result

        return evaluate


def _call_failure(error: Exception, name: str) -> ExpressionError:
    if isinstance(error, ExpressionError):
        return type(error)(f"`{name}`: {error.reason}")
    if isinstance(error, RecursionError | OverflowError):
        return ExpressionLimit(f"`{name}`: this value is too large or nested too deep")
    return ExpressionTypeError(f"`{name}`: cannot work with this value")
