"""Tokens to a syntax tree: a Pratt parser.

Operators, from the loosest to the tightest::

    a if c else b
    or
    and
    not a
    == != < <= > >=  in  not in  matches  not matches      (chained as in Python)
    + -
    * / // %
    -a
    ??                       so `n ?? 0 > 3` reads `(n ?? 0) > 3`, and `n ?? 0 + 1` reads `(n ?? 0) + 1`
    a.b  a[b]  a exists
"""

from __future__ import annotations

from typing import Final, NoReturn

from nodeloom.errors import ExpressionError, ExpressionLimit, UnknownName
from nodeloom.expressions.cursor import Cursor
from nodeloom.expressions.functions import FUNCTIONS, MANY
from nodeloom.expressions.limits import MAX_DEPTH
from nodeloom.expressions.patterns import compile_pattern
from nodeloom.expressions.scanner import Token
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
from nodeloom.expressions.wording import nearest

CHOICE, OR, AND, NOT, COMPARISON, SUM, PRODUCT, NEGATION, COALESCE = range(1, 10)

POWERS: Final = {
    "if": CHOICE,
    "or": OR,
    "and": AND,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in", "not", "matches"), COMPARISON),
    **dict.fromkeys(("+", "-"), SUM),
    **dict.fromkeys(("*", "/", "//", "%"), PRODUCT),
    "??": COALESCE,
}


def parse_tree(text: str) -> Node:
    """The syntax tree of an expression.

    Args:
        text: the author's text.

    Raises:
        ExpressionSyntaxError: it is no expression; says what was found and what would be right.
        UnknownName: a function that does not exist.
        ExpressionLimit: it is too long or too deep.
    """
    parser = _Parser(text)
    try:
        return parser.whole()
    except RecursionError:
        raise ExpressionLimit("this expression is nested too deep", text, 0) from None


class _Parser(Cursor):
    """One pass over the tokens of one text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0

    # Grammar

    def whole(self) -> Node:
        if self.ended():
            self.refuse("an expression is missing; write one, as `state.score > 0.8`", 0)
        node = self.expression()
        if not self.ended():
            self.refuse(f"expected an operator or the end, found {self.found()}")
        return node

    def expression(self, power: int = CHOICE) -> Node:
        """An expression whose operators bind at least as tight as `power`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpressionLimit(
                f"an expression has at most {MAX_DEPTH} levels of nesting", self.text, self.token.position
            )
        node = self.prefix(power)
        while (found := self.infix_power()) >= power:
            node = self.infix(node, found)
        self.depth -= 1
        return node

    def infix_power(self) -> int:
        token = self.token
        return POWERS.get(token.value, 0) if token.kind in ("symbol", "word") else 0

    def infix(self, left: Node, power: int) -> Node:
        match power:
            case 1:
                return self.choice(left)
            case 2:
                return Either(self.operands(left, "or", OR), left.position)
            case 3:
                return Both(self.operands(left, "and", AND), left.position)
            case 5:
                return self.comparison(left)
            case 9:
                return Coalesce(self.operands(left, "??", COALESCE), left.position)
            case _:
                return self.arithmetic(left, power)

    def operands(self, left: Node, operator: str, power: int) -> tuple[Node, ...]:
        operands = [left]
        while self.accept(operator):
            operands.append(self.expression(power + 1))
        return tuple(operands)

    def choice(self, chosen: Node) -> Node:
        self.advance()
        condition = self.expression(OR)
        self.expect("else", "after the condition of `if`")
        return Choice(condition, chosen, self.expression(CHOICE), chosen.position)

    def arithmetic(self, left: Node, power: int) -> Node:
        steps: list[Step] = []
        while self.infix_power() == power:
            operator = self.advance()
            steps.append(Step(operator.value, self.expression(power + 1), operator.position))
        return Arithmetic(left, tuple(steps), left.position)

    def comparison(self, left: Node) -> Node:
        steps: list[Step] = []
        while self.infix_power() == COMPARISON:
            operator = self.advance()
            spelling = str(operator.value)
            if spelling == "not":
                if self.at("exists"):
                    self.refuse("write `not x exists`")
                if not self.at("in", "matches"):
                    self.refuse(f"expected `in` or `matches` after `not`, found {self.found()}")
                spelling = f"not {self.advance().value}"
            operand = self.expression(SUM)
            if spelling.endswith("matches"):
                self.check_pattern(operand)
            steps.append(Step(spelling, operand, operator.position))
        return Compare(left, tuple(steps), left.position)

    def check_pattern(self, operand: Node) -> None:
        """A pattern that is written out is compiled now, so that a bad one is found before any run."""
        if isinstance(operand, Constant) and isinstance(operand.value, str):
            try:
                compile_pattern(operand.value)
            except ExpressionError as error:
                raise type(error)(error.reason, self.text, operand.position) from None

    def prefix(self, power: int) -> Node:
        token = self.advance()
        match token.kind, token.value:
            case "word", "not":
                return self.negation_of_truth(token, power)
            case "symbol", "-":
                return self.negation(token)
            case "word", "exists" if self.at("("):
                node: Node = Exists(self.single_argument(token), token.position)
            case "constant", value:
                node = Constant(value, token.position)
            case "name", str(name):
                node = self.call(token) if self.at("(") else Name(name, token.position)
            case "symbol", "(":
                node = self.expression()
                self.expect(")", "to close the parenthesis")
            case "symbol", "[":
                node = ListDisplay(tuple(self.sequence("]")), token.position)
            case "symbol", "{":
                node = self.map_display(token)
            case _:
                self.refuse(f"expected a value, found {self.found(token)}", token.position)
        return self.postfix(node)

    def negation_of_truth(self, token: Token, power: int) -> Node:
        if power > NOT:
            self.refuse("`not` binds looser than what is on its left; put it in parentheses", token.position)
        return Not(self.expression(NOT), token.position)

    def negation(self, token: Token) -> Node:
        operand = self.expression(NEGATION)
        if isinstance(operand, Constant) and type(operand.value) in (int, float):
            return Constant(-operand.value, token.position)
        return Negate(operand, token.position)

    def postfix(self, node: Node) -> Node:
        keys: list[Node] = []
        while True:
            if self.accept("."):
                keys.append(self.dotted_key())
            elif self.accept("["):
                keys.append(self.expression())
                self.expect("]", "to close the key")
            elif self.at("("):
                self.refuse_call(node, keys)
            else:
                break
        if keys and isinstance(node, Lookup):
            node = Lookup(node.target, (*node.keys, *keys), node.position)
        elif keys:
            node = Lookup(node, tuple(keys), node.position)
        return Exists(node, node.position) if self.accept("exists") else node

    def dotted_key(self) -> Node:
        token = self.token
        spelling = self.text[token.position : token.end]
        # Any word is a key after a dot, `x.in` and `x.null` too.
        if token.kind not in ("name", "word", "constant") or not (spelling[0].isalpha() or spelling[0] == "_"):
            self.refuse(f"expected a key after the dot, found {self.found()}; other keys are written x['a-b']")
        self.advance()
        return Constant(spelling, token.position)

    def refuse_call(self, node: Node, keys: list[Node]) -> NoReturn:
        if keys and isinstance(keys[-1], Constant) and isinstance(keys[-1].value, str):
            method, end = keys[-1].value, keys[-1].position
            target = self.text[node.position : end].rstrip().rstrip(".")
            hint = f"; write `{method}({target[:60]})`" if method in FUNCTIONS else nearest(method, FUNCTIONS)
            self.refuse(f"there are no methods, so `.{method[:40]}()` cannot be called{hint}", end)
        self.refuse("only a function can be called, as `len(state.hits)`")

    def sequence(self, close: str) -> list[Node]:
        """Expressions between commas up to a bracket; a last comma is allowed."""
        nodes: list[Node] = []
        while not self.accept(close):
            nodes.append(self.expression())
            if not self.at(close):
                self.expect(",", f"or `{close}`")
        return nodes

    def map_display(self, start: Token) -> Node:
        entries: list[tuple[str, Node]] = []
        while not self.accept("}"):
            key = self.token
            if not isinstance(key.value, str) or key.kind != "constant":
                self.refuse(f"expected a key in quotes, found {self.found()}")
            self.advance()
            self.expect(":", "after the key")
            entries.append((key.value, self.expression()))
            if not self.at("}"):
                self.expect(",", "or `}`")
        return MapDisplay(tuple(entries), start.position)

    # Calls

    def single_argument(self, token: Token) -> Node:
        self.advance()
        arguments = self.sequence(")")
        if len(arguments) != 1:
            self.refuse(f"`{token.value}` takes 1 argument, and has {len(arguments)}", token.position)
        return arguments[0]

    def call(self, token: Token) -> Node:
        name = str(token.value)
        function = FUNCTIONS.get(name)
        if function is None and name != "default":
            known = f"the functions are {', '.join(sorted((*FUNCTIONS, 'default', 'exists')))}"
            reason = f"there is no function `{name[:60]}`; {known}{nearest(name, FUNCTIONS)}"
            raise UnknownName(reason, self.text, token.position)
        self.advance()
        arguments = tuple(self.sequence(")"))
        least, most = (function.least, function.most) if function else (2, 2)
        if not least <= len(arguments) <= most:
            takes = f"{least}" if least == most else f"{least} to {most}"
            takes = f"at least {least}" if most == MANY else takes
            plural = "argument" if takes.endswith("1") else "arguments"
            self.refuse(f"`{name}` takes {takes} {plural}, and has {len(arguments)}", token.position)
        if function is None:
            return Coalesce(arguments, token.position)
        return Call(name, arguments, token.position)
