"""Templates: structures whose texts hold `{{ expression }}` (rule 12.1).

- A text that is exactly one `{{ expression }}` keeps the type of the value.
- In mixed text a value stands as JSON would write it (`true`, `0.0`, `null`), a text as it is.
- In a text that holds `{{`, `{{{{` is a literal `{{` and `}}}}` a literal `}}`. A text without `{{` is no
  template, and stays as it is to the character.
- The keys of maps are never rendered, and a value that was put in is never parsed again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from nodeloom.errors import ExpressionError, ExpressionLimit, ExpressionSyntaxError
from nodeloom.expressions.expression import Expression, parse
from nodeloom.expressions.limits import MAX_OUTPUT, MAX_STRUCTURE_DEPTH
from nodeloom.expressions.lookups import Path, Scope, path_text
from nodeloom.expressions.meter import ALONE, Metered, WorkLimit, foreseen
from nodeloom.expressions.rendering import as_text
from nodeloom.expressions.scanner import closing
from nodeloom.expressions.shapes import is_list, is_map

_OPEN: Final = "{{"
_LITERAL_OPEN: Final = "{{{{"
_LITERAL_CLOSE: Final = "}}}}"


class _Budget:
    """How many characters one rendering may still make."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    def text(self, value: Any) -> str:
        text = value if type(value) is str and len(value) <= self.left else as_text(value, self.left)
        self.left -= len(text)
        return text


_Renderer: TypeAlias = Callable[[Scope, _Budget], Any]


@dataclass(frozen=True, slots=True)
class _Hole:
    """An expression in a text, and where it begins there."""

    expression: Expression
    offset: int
    text: str
    where: str

    def value(self, scope: Scope) -> Any:
        try:
            return self.expression.require(scope)
        except ExpressionError as error:
            raise _placed(_shifted(error, self.text, self.offset), self.where) from None

    def insert(self, scope: Scope, budget: _Budget) -> str:
        value = self.value(scope)
        try:
            return budget.text(value)
        except ExpressionError as error:
            raise _placed(type(error)(error.reason, self.text, self.offset), self.where) from None

    def paths(self) -> tuple[Path, ...]:
        found = self.expression.paths
        return tuple(replace(path, position=path.position + self.offset, where=self.where) for path in found)


class Template:
    """A structure that is rendered with a scope. Made by `compile_template`.

    Attributes: `source` the structure as it was given; `where` its place, as `params`; `paths` every path
    that its expressions use, with positions in their texts and with the place of each text; `limit` the most
    characters of mixed text that one rendering may make.
    """

    __slots__ = ("_renderer", "_shared", "limit", "paths", "source", "where")

    def __init__(self, source: Any, where: str, builder: _Builder, renderer: _Renderer, limit: int) -> None:
        self.source = source
        self.where = where
        self.paths = tuple(builder.paths)
        self.limit = limit
        self._renderer = renderer
        self._shared = builder.costly > ALONE

    def render(self, scope: Scope) -> Any:
        """The structure with its expressions replaced by their values; lists and maps of it are new.

        Args:
            scope: the root names and their values.

        Raises:
            UnknownName: a value is missing; says where, which key, what exists and what is nearest.
            ExpressionTypeError: values that do not fit an operator, or have no JSON form in mixed text.
            ExpressionLimit: more than `limit` characters of mixed text, or too much work in all.

        Example:
            `compile_template("n={{ state.n }}").render({"state": {"n": 1}})` is `n=1`.
        """
        return self._renderer(Metered(scope) if self._shared else scope, _Budget(self.limit))

    def never_renders(self) -> ExpressionError | None:
        """Why it fails whatever it is rendered with, where it uses no name and that can be told at once."""
        if self.paths:
            return None
        try:
            foreseen(lambda scope: self._renderer(scope, _Budget(self.limit)))
        except WorkLimit:
            return None
        except ExpressionError as error:
            return error
        return None

    def __repr__(self) -> str:
        return f"Template({self.source!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.source, self.where, self.limit)


def has_template(text: str) -> bool:
    """Whether a text holds an expression, or an escape such as `{{{{`.

    Args:
        text: any text.
    """
    return _OPEN in text


def compile_template(
    value: Any, names: Collection[str] | None = None, where: str = "", *, limit: int = MAX_OUTPUT
) -> Template | None:
    """Compile a structure, or None when there is nothing to render in it.

    A structure that holds only escapes (`{{{{`) is a template too, since they have to be replaced.

    Args:
        value: texts, lists, tuples, maps and scalars; any other object stays as it is.
        names: the root names that exist; None does not check them.
        where: what the value is, as `params`; errors say `params.headers[0].value`.
        limit: the most characters of mixed text that one rendering may make.

    Raises:
        ExpressionError: the first problem of those that `template_problems` lists.

    Example:
        `compile_template({"url": "{{ state.url }}", "n": 1})`
    """
    builder = _Builder(names)
    renderer = builder.build(value, where, 0)
    if builder.problems:
        place, error = builder.problems[0]
        raise _placed(error, place)
    if renderer is None:
        return None
    return Template(value, where, builder, renderer, limit)


def template_problems(
    value: Any, names: Collection[str] | None = None, where: str = ""
) -> list[tuple[str, ExpressionError]]:
    """Everything that is wrong with the expressions of a structure, each with its place.

    Args:
        value: as for `compile_template`.
        names: the root names that exist; None does not check them.
        where: what the value is, as `params`.

    Example:
        `template_problems({"url": "{{ 1 + }}"}, where="params")` has one entry, at `params.url`.
    """
    builder = _Builder(names)
    builder.build(value, where, 0)
    return builder.problems


class _Builder:
    """Walks a structure and builds its renderers, collecting problems and paths on the way."""

    def __init__(self, names: Collection[str] | None) -> None:
        self.names = names
        self.problems: list[tuple[str, ExpressionError]] = []
        self.paths: list[Path] = []
        self.costly = 0

    def build(self, value: Any, where: str, depth: int) -> _Renderer | None:
        """The renderer of a value, or None when nothing in it is to be rendered."""
        if isinstance(value, str):
            return self.text(value, where) if _OPEN in value else None
        if depth > MAX_STRUCTURE_DEPTH and (is_map(value) or is_list(value)):
            error = ExpressionLimit(f"a structure has at most {MAX_STRUCTURE_DEPTH} levels")
            self.problems.append((where, error))
            return None
        if is_map(value):
            return self.mapping(value, where, depth)
        return self.sequence(value, where, depth) if is_list(value) else None

    def child(self, value: Any, where: str, key: Any, depth: int) -> _Renderer | None:
        # A long list of numbers should not cost a place in words for each of them.
        if is_map(value) or is_list(value) or (isinstance(value, str) and _OPEN in value):
            return self.build(value, _below(where, key), depth + 1)
        return None

    def mapping(self, value: Mapping[Any, Any], where: str, depth: int) -> _Renderer | None:
        built = {key: self.child(value[key], where, key, depth) for key in value}
        if not any(built.values()):
            return None
        entries = [(key, renderer or _copied(value[key], depth + 1)) for key, renderer in built.items()]
        return lambda scope, budget: {key: renderer(scope, budget) for key, renderer in entries}

    def sequence(self, value: list[Any] | tuple[Any, ...], where: str, depth: int) -> _Renderer | None:
        built = [self.child(item, where, index, depth) for index, item in enumerate(value)]
        if not any(built):
            return None
        items = [renderer or _copied(item, depth + 1) for item, renderer in zip(value, built, strict=True)]
        if isinstance(value, tuple):
            return lambda scope, budget: tuple([item(scope, budget) for item in items])
        return lambda scope, budget: [item(scope, budget) for item in items]

    def text(self, text: str, where: str) -> _Renderer | None:
        parts = self.parts(text, where)
        if len(parts) == 1 and isinstance(parts[0], _Hole):
            only = parts[0]
            return lambda scope, budget: only.value(scope)
        if not any(isinstance(part, _Hole) for part in parts):
            whole = "".join(str(part) for part in parts)
            return lambda scope, budget: whole
        return lambda scope, budget: "".join(
            [part.insert(scope, budget) if isinstance(part, _Hole) else budget.text(part) for part in parts]
        )

    def parts(self, text: str, where: str) -> list[str | _Hole]:
        """Literal texts and expressions, in turn."""
        parts: list[str | _Hole] = []
        position = 0
        while (start := text.find(_OPEN, position)) >= 0:
            _add(parts, text[position:start].replace(_LITERAL_CLOSE, "}}"))
            if text.startswith(_LITERAL_OPEN, start):
                _add(parts, _OPEN)
                position = start + len(_LITERAL_OPEN)
                continue
            end = closing(text, start + len(_OPEN))
            if end < 0:
                reason = "this `{{` is not closed by `}}`; a literal `{{` is written `{{{{`"
                self.problems.append((where, ExpressionSyntaxError(reason, text, start)))
                return parts
            self.hole(parts, text, start + len(_OPEN), end, where)
            position = end + 2
        _add(parts, text[position:].replace(_LITERAL_CLOSE, "}}"))
        return parts

    def hole(self, parts: list[str | _Hole], text: str, start: int, end: int, where: str) -> None:
        try:
            hole = _Hole(parse(text[start:end], self.names), start, text, where)
        except ExpressionError as error:
            self.problems.append((where, _shifted(error, text, start)))
            return
        parts.append(hole)
        self.costly += hole.expression.costly
        self.paths.extend(hole.paths())


def _add(parts: list[str | _Hole], text: str) -> None:
    """Add a literal text, to the one before it if there is one."""
    if text and parts and isinstance(parts[-1], str):
        parts[-1] += text
    elif text:
        parts.append(text)


def _copied(value: Any, depth: int) -> _Renderer:
    """A renderer of a part without expressions.

    Lists and maps are copied, so that no two renderings share one that a node might change.
    """
    if is_map(value) and depth <= MAX_STRUCTURE_DEPTH:
        entries = [(key, _copied(value[key], depth + 1)) for key in value]
        return lambda scope, budget: {key: copied(scope, budget) for key, copied in entries}
    if is_list(value) and not isinstance(value, tuple) and depth <= MAX_STRUCTURE_DEPTH:
        items = [_copied(item, depth + 1) for item in value]
        return lambda scope, budget: [copied(scope, budget) for copied in items]
    return lambda scope, budget: value


def _below(where: str, key: Any) -> str:
    below = path_text((where, key if isinstance(key, str | int) else str(type(key).__name__)))
    return below if where else below.removeprefix(".")


def _shifted(error: ExpressionError, text: str, offset: int) -> ExpressionError:
    """The error with its position in the whole text instead of in the expression."""
    return type(error)(error.reason, text, offset + (error.position or 0))


def _placed(error: ExpressionError, where: str) -> ExpressionError:
    reason = f"{where}: {error.reason}" if where else error.reason
    return type(error)(reason, error.text, error.position)


def _again(source: Any, where: str, limit: int) -> Template | None:
    return compile_template(source, None, where, limit=limit)
