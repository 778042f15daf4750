"""The closures that need neither the text nor the tree: literals, paths, `??` and comparisons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from nodeloom.errors import ExpressionError, ExpressionTypeError
from nodeloom.expressions.costs import Cost
from nodeloom.expressions.lookups import Evaluator, Scope, look_up
from nodeloom.expressions.meter import FREE, charge
from nodeloom.expressions.missing import MISSING
from nodeloom.expressions.operations import Operation
from nodeloom.expressions.patterns import BOTH_TEXTS, Pattern

Fault: TypeAlias = Callable[[Exception, Any, Any], ExpressionError]
Link: TypeAlias = tuple[Operation, Evaluator, Fault, Cost | None]


def constant(value: Any) -> Evaluator:
    """A literal."""
    return lambda _: value


def read_name(name: str) -> Evaluator:
    """A root name."""

    def read(scope: Scope) -> Any:
        try:
            return scope[name]
        except KeyError:
            return MISSING

    return read


def one_key(name: str, key: Any) -> Evaluator:
    """`state.score`: the most frequent path by far, in one closure."""

    def read(scope: Scope) -> Any:
        try:
            value = scope[name]
        except KeyError:
            return MISSING
        # The fast way, for nearly every value; by subscript, since `get` may be a key of a mapping's own.
        if isinstance(value, dict):
            return value[key] if key in value else MISSING  # noqa: SIM401 # pyright: ignore[reportUnknownVariableType]
        return look_up(value, key)

    return read


def many_keys(target: Evaluator, keys: list[Any]) -> Evaluator:
    """A path of any length whose keys are all literals."""

    def read(scope: Scope) -> Any:
        value = target(scope)
        for key in keys:
            value = look_up(value, key)
        return value

    return read


def coalesce(operands: list[Evaluator]) -> Evaluator:
    """`a ?? b`: the first value that is not missing, and null is one."""

    def choose(scope: Scope) -> Any:
        value: Any = MISSING
        for operand in operands:
            value = operand(scope)
            if value is not MISSING:
                break
        return value

    return choose


def compare(left: Evaluator, relation: Operation, right: Evaluator, fault: Fault) -> Evaluator:
    """One comparison."""

    def evaluate(scope: Scope) -> bool:
        one, other = left(scope), right(scope)
        # Rule 2.3: any comparison with a missing value is false, `!=` and `not in` too.
        if one is MISSING or other is MISSING:
            return False
        # Whatever a value's own operator raises, the run is told in the words of the language.
        try:
            return bool(relation(one, other))
        except Exception as error:
            raise fault(error, one, other) from None

    return evaluate


def compare_costly(left: Evaluator, relation: Operation, right: Evaluator, fault: Fault, cost: Cost) -> Evaluator:
    """One comparison that may be costly: it is charged first."""

    def evaluate(scope: Scope) -> bool:
        one, other = left(scope), right(scope)
        if one is MISSING or other is MISSING:
            return False
        try:
            if (units := cost(one, other)) > FREE:
                charge(scope, units)
            return bool(relation(one, other))
        except Exception as error:
            raise fault(error, one, other) from None

    return evaluate


def match_literal(left: Evaluator, pattern: Pattern | None, wanted: bool, fault: Fault, written: Any) -> Evaluator:
    """`x matches '...'` with the pattern compiled; None for what is no text."""

    def evaluate(scope: Scope) -> bool:
        one = left(scope)
        if one is MISSING:
            return False
        try:
            if pattern is None or not isinstance(one, str):
                raise ExpressionTypeError(BOTH_TEXTS)
            if len(one) > pattern.short:
                charge(scope, pattern.cost(one))
            return (pattern.find(one) is not None) is wanted
        except Exception as error:
            raise fault(error, one, written) from None

    return evaluate


def compare_literal(left: Evaluator, relation: Operation, fixed: Any, fault: Fault) -> Evaluator:
    """A comparison with a literal, which is what most conditions are."""

    def evaluate(scope: Scope) -> bool:
        one = left(scope)
        if one is MISSING:
            return False
        try:
            return bool(relation(one, fixed))
        except Exception as error:
            raise fault(error, one, fixed) from None

    return evaluate


def key_equals(name: str, key: Any, fixed: Any, fault: Fault) -> Evaluator:
    """`output.status == 'ok'`: the most frequent condition by far, in one closure."""
    read = one_key(name, key)

    def evaluate(scope: Scope) -> bool:
        held: Any = scope[name] if name in scope else None  # noqa: SIM401 # as in `look_up`
        # The fast way, as in `one_key`.
        found: Any = held[key] if isinstance(held, dict) and key in held else read(scope)  # pyright: ignore[reportUnknownVariableType]
        if found is MISSING:
            return False
        try:
            return bool(found == fixed)  # pyright: ignore[reportUnknownArgumentType]
        except Exception as error:
            raise fault(error, found, fixed) from None

    return evaluate


def compare_chain(first: Evaluator, links: list[Link]) -> Evaluator:
    """`1 < x < 5`: every operand is computed once, and none after a link that does not hold."""

    def evaluate(scope: Scope) -> bool:
        left = first(scope)
        for relation, operand, fault, cost in links:
            right = operand(scope)
            if left is MISSING or right is MISSING:
                return False
            try:
                if cost is not None and (units := cost(left, right)) > FREE:
                    charge(scope, units)
                if not relation(left, right):
                    return False
            except Exception as error:
                raise fault(error, left, right) from None
            left = right
        return True

    return evaluate
