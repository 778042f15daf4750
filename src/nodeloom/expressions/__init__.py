"""The one language for templates, conditions, visibility and derived values (rules 2.3, 12.1, 12.2).

`parse("state.score > 0.8 and inputs.kind in ['x', 'y']").test(scope)` asks a condition;
`compile_template({"url": "{{ run.inputs.url }}"}).render(scope)` fills in values. It has paths (a dot is a
key look-up, never an attribute or a method), comparison, `and or not in matches exists`, `??`, arithmetic,
`a if c else b` and a few pure functions; no assignment, no loop, no method, no import. It is parsed from the
author's text only, and is bounded in text, depth, work and output (`limits.py`).

A path that leads nowhere is `MISSING`, which is not None: any comparison with it is false, `!=`, `not in`
and `not matches` included; `not` negates that; only `exists` and `??` ask about it. `??` gives its right
side for a missing value only, and not for null. `and` and `or` give the operand that decided, as in Python.
Adding, listing or passing on a missing value is an `UnknownName` error.

Precedence, from loose to tight: `if else`, `or`, `and`, `not`, comparison, `+ -`, `* / // %`, unary `-`,
`??`, and then `.` `[]` `exists`. So `state.n ?? 0 > 3` reads `(state.n ?? 0) > 3`.
"""

from __future__ import annotations

from nodeloom.expressions.contradictions import never_holds
from nodeloom.expressions.expression import Expression, name_problem, parse
from nodeloom.expressions.functions import FUNCTIONS, Function
from nodeloom.expressions.keywords import OPERATORS, from_keywords
from nodeloom.expressions.literals import literal
from nodeloom.expressions.lookups import Path, Scope, path_text
from nodeloom.expressions.missing import MISSING, NOT_CONSTANT, Missing, NotConstant
from nodeloom.expressions.templates import Template, compile_template, has_template, template_problems

__all__ = [
    "FUNCTIONS",
    "MISSING",
    "NOT_CONSTANT",
    "OPERATORS",
    "Expression",
    "Function",
    "Missing",
    "NotConstant",
    "Path",
    "Scope",
    "Template",
    "compile_template",
    "from_keywords",
    "has_template",
    "literal",
    "name_problem",
    "never_holds",
    "parse",
    "path_text",
    "template_problems",
]
