"""An expression: parsed and compiled once, evaluated often."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Any, Final

from nodeloom.errors import ExpressionError, ExpressionLimit, ExpressionSyntaxError, UnknownName
from nodeloom.expressions.compiler import Compiler
from nodeloom.expressions.lookups import Evaluator, Path, Scope, static_parts
from nodeloom.expressions.meter import ALONE, foreseen, metered
from nodeloom.expressions.missing import NOT_CONSTANT
from nodeloom.expressions.operations import truth
from nodeloom.expressions.parser import parse_tree
from nodeloom.expressions.syntax import Choice, Coalesce, Exists, Lookup, Name, Node, children
from nodeloom.expressions.wording import listing, nearest


class Expression:
    """A parsed expression of the one language for conditions, templates and derived values (rule 12.1).

    It is immutable, can be shared between threads, and equals every other expression of the same text.
    Made by `parse`.

    Attributes: `text` the author's text; `tree` its syntax tree; `paths` every path it uses; `costly` the
    weight of its operations that can be costly.
    """

    __slots__ = ("_evaluate", "_require", "costly", "paths", "text", "tree")

    text: str
    costly: int
    tree: Node
    paths: tuple[Path, ...]

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = parse_tree(text)
        try:
            self._compile()
        except RecursionError:
            raise ExpressionLimit("this expression is nested too deep", text, 0) from None

    def evaluate(self, scope: Scope) -> Any:
        """The value in a scope; `MISSING` when it is a path that leads nowhere.

        Args:
            scope: the root names (`state`, `outputs`, ...) and their values.

        Raises:
            UnknownName: a missing value was added, negated, listed or given to a function.
            ExpressionTypeError: values that do not fit an operator, as a text compared with a number.
            ExpressionLimit: the result would be too large.

        Example:
            `parse("state.n + 1").evaluate({"state": {"n": 1}})` is `2`.
        """
        try:
            return self._evaluate(scope)
        except RecursionError:
            raise self._too_deep() from None

    def require(self, scope: Scope) -> Any:
        """The value in a scope, which must not be missing.

        Args:
            scope: the root names and their values.

        Raises:
            UnknownName: it is missing; says which key, what exists there, and what is nearest.
            ExpressionError: as `evaluate`.
        """
        try:
            return self._require(scope)
        except RecursionError:
            raise self._too_deep() from None

    def test(self, scope: Scope) -> bool:
        """Whether it holds as a condition; a missing value does not.

        Args:
            scope: the root names and their values.

        Raises:
            ExpressionError: as `evaluate`; a condition that fails is never quietly false (rule 2.3).

        Example:
            `parse("state.n > 1").test({"state": {}})` is `False`.
        """
        try:
            value = self._evaluate(scope)
        except RecursionError:
            raise self._too_deep() from None
        if value is True or value is False:
            return value
        try:
            return truth(value)
        except ExpressionError as error:
            raise type(error)(error.reason, self.text, 0) from None

    @property
    def evaluator(self) -> Evaluator:
        """What `test` asks first, for who asks often: True and False are its verdict, all else is for `test`."""
        return self._evaluate

    @property
    def constant(self) -> Any:
        """The value if it depends on no name, else `NOT_CONSTANT`; also that when it is not computed at once."""
        if self.paths:
            return NOT_CONSTANT
        try:
            return foreseen(self._evaluate)
        except (ExpressionError, RecursionError):
            return NOT_CONSTANT

    def __eq__(self, other: object) -> bool:
        return self.text == other.text if isinstance(other, Expression) else NotImplemented

    def __hash__(self) -> int:
        return hash((Expression, self.text))

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[Any, ...]:
        # Closures cannot be pickled; the text says everything.
        return parse, (self.text,)

    def _compile(self) -> None:
        compiler = Compiler(self.text)
        evaluate = compiler.build(self.tree)
        require = compiler.present(evaluate, self.tree)
        self.costly = compiler.costly
        shared = self.costly > ALONE
        self._evaluate: Evaluator = metered(evaluate) if shared else evaluate
        self._require: Evaluator = metered(require) if shared else require
        paths: list[Path] = []
        _paths(self.tree, False, paths)
        self.paths = tuple(sorted(paths, key=lambda path: path.position))

    def _too_deep(self) -> ExpressionLimit:
        return ExpressionLimit("these values are nested too deep", self.text, 0)


def parse(text: str, names: Collection[str] | None = None) -> Expression:
    """Parse and compile an expression. Texts that were parsed before are remembered.

    Args:
        text: the author's text; never a value that came from elsewhere.
        names: the root names that exist; None does not check them.

    Raises:
        ExpressionSyntaxError: it is no expression.
        UnknownName: a root name that is not among `names`, or an unknown function (rule 2.3).
        ExpressionLimit: it is too long or nested too deep.

    Example:
        `parse("state.score > 0.8 and inputs.kind in ['x', 'y']", {"state", "inputs"})`
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ExpressionSyntaxError(f"an expression is a text, and this is a {type(text).__name__}")
    expression = _parsed(text) if len(text) <= _SHORT else _parsed_long(text)
    for path in expression.paths if names is not None else ():
        reason = name_problem(path, names or ())
        if reason is not None:
            raise UnknownName(reason, text, path.position)
    return expression


def name_problem(path: Path, names: Collection[str]) -> str | None:
    """What is wrong with the root name of a path, in words.

    Args:
        path: of an expression. names: the root names that exist.
    """
    root = str(path.parts[0])
    if root in names:
        return None
    return f"there is no name `{root[:60]}`; the names are {listing(names)}{nearest(root, names)}"


_SHORT: Final = 200
"""Characters of an expression of which very many are remembered; a long one takes up to a megabyte."""


@lru_cache(maxsize=16_384)
def _parsed(text: str) -> Expression:
    return Expression(text)


@lru_cache(maxsize=64)
def _parsed_long(text: str) -> Expression:
    return Expression(text)


def _paths(node: Node, optional: bool, found: list[Path]) -> None:
    """Add every path below a node, the keys of dynamic look-ups included."""
    match node:
        case Name() | Lookup(target=Name()):
            parts, whole = static_parts(node)
            found.append(Path(parts, node.position, optional))
            for key in () if whole else children(node)[1:]:
                _paths(key, False, found)
        case Coalesce(operands):
            for operand in operands[:-1]:
                _paths(operand, True, found)
            _paths(operands[-1], optional, found)
        case Exists(operand):
            _paths(operand, True, found)
        case Choice(condition, chosen, other):
            _paths(condition, False, found)
            _paths(chosen, optional, found)
            _paths(other, optional, found)
        case Lookup(target, keys):
            _paths(target, optional, found)
            for key in keys:
                _paths(key, False, found)
        case _:
            for child in children(node):
                _paths(child, False, found)
