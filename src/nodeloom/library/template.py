"""`template.render`: a text made of a template, by minijinja, which is sandboxed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, cast
from uuid import UUID

from nodeloom import Context, Field, Node, Params
from nodeloom.errors import LimitExceeded, ParamsError, Problem, StepError

from .files import PATH
from .places import locate, read_bytes
from .texts import as_text

if TYPE_CHECKING:
    import minijinja

__all__ = ["TemplateFailed", "TemplateRender"]

MAX_TEMPLATE = 1_000_000
CAUSE = re.compile(r"^caused by: (.*) \(in (.+):([0-9]+)\)$", re.MULTILINE)  # as minijinja tells the whole of it
HTML = (".html", ".htm", ".xhtml", ".xml", ".svg")


class TemplateFailed(StepError):
    """A template that cannot be parsed or rendered; the message names its line."""

    code = "template"


class RenderParams(Params):
    template: str | None = Field(
        None,
        literal=True,
        label="Template",
        placeholder="Dear {{ name }}, ...",
        description="Its {{ }} and {% %} are minijinja's own, over the names in `values`.",
    )
    path: str | None = Field(None, label="Template file", placeholder="templates/letter.html", description=PATH)
    values: dict[str, Any] = Field(default_factory=dict, label="Values", description="The template's names.")
    escape: Literal["auto", "html", "none"] = Field(
        "auto", label="Escape", description="`auto` escapes values for HTML in files named as .html, .xml, .svg."
    )
    max_characters: int = Field(1_000_000, ge=0, label="Longest text", description="In characters; more fails.")
    fuel: int = Field(
        1_000_000, ge=1, le=100_000_000, label="Fuel", description="Instructions it may take: loops end here."
    )


class TemplateRender(Node):
    """Make a text of a template and values.

    A template sees only plain copies of its values: texts, numbers, lists, mappings; a date is its ISO text. A name
    that is not among them is an error. It may include and extend others below the allowed folders, relative to its
    own. Raises: TemplateFailed naming the line; LimitExceeded; PathNotAllowed; ParamsError for other values.
    """

    identifier = "template.render"
    display_name = "Render a template"
    icon = "file-code"
    category = "Data"

    class Outputs(Params):
        text: str

    def work(self, params: RenderParams, ctx: Context) -> dict[str, Any]:
        if (params.template is None) == (params.path is None):
            raise _refused("params.template", "give a template, or the path of one")
        roots = ctx.setting("file_roots")
        name, source = _source(params, roots)
        values = {key: plain(params.values[key], key) for key in params.values}
        text = _render(_environment(params, roots), source, name, values)
        if len(text) > params.max_characters:
            raise LimitExceeded(f"{name} made more than {params.max_characters:,} characters (max_characters)")
        return {"text": text}


def plain(value: Any, where: str, depth: int = 0) -> Any:
    """A copy made of plain values alone, so that a template finds no method to call on the original.

    Raises:
        ParamsError: naming the part that has no plain form.
    """
    if depth > 100:
        raise _refused(f"params.values.{where}", "it is nested too deep, or holds itself")
    if value is None or isinstance(value, bool):
        return value
    for kind in (str, int, float):
        if isinstance(value, kind):
            return _PLAIN[kind](value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, Mapping):
        mapping = cast("Mapping[object, Any]", value)
        return {str(key): plain(mapping[key], f"{where}.{key}", depth + 1) for key in mapping}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(cast("list[Any]", value))]
    message = f"a template takes texts, numbers, lists, mappings and dates, not a {type(value).__name__}"
    raise _refused(f"params.values.{where}", message)


# Of a subclass, what the built-in type makes of it.
_PLAIN: dict[type, Callable[[Any], Any]] = {str: str.__str__, int: int.__int__, float: float.__float__}


def _source(params: RenderParams, roots: Sequence[Path]) -> tuple[str, str]:
    """What the template is called, and its text."""
    if params.path is None:
        return "the template", params.template or ""
    return params.path, as_text(read_bytes(locate(params.path, roots), MAX_TEMPLATE), "utf-8", params.path)


def _environment(params: RenderParams, roots: Sequence[Path]) -> minijinja.Environment:
    import minijinja

    def load(name: str) -> str | None:
        try:
            return as_text(read_bytes(locate(name, roots), MAX_TEMPLATE), "utf-8", name)
        except FileNotFoundError:
            return None

    def beside(name: str, parent: str) -> str:
        return str(PurePosixPath(parent).parent / name) if params.path is not None else name

    def escaped(name: str) -> bool:
        return params.escape == "html" or (params.escape == "auto" and name.lower().endswith(HTML))

    environment = minijinja.Environment(
        loader=load,
        path_join_callback=beside,
        auto_escape_callback=escaped,
        undefined_behavior="strict",
        fuel=params.fuel,
        keep_trailing_newline=True,
        pycompat=False,
    )
    environment.remove_global("debug")
    return environment


def _render(environment: minijinja.Environment, source: str, name: str, values: Mapping[str, Any]) -> str:
    import minijinja

    try:
        return environment.render_str(source, name, **values)
    except minijinja.TemplateError as error:
        if isinstance(error.__cause__, OSError | StepError):  # a file that may not, or cannot, be read
            raise error.__cause__ from None
        raise TemplateFailed(_said(error, name)) from None


def _said(error: minijinja.TemplateError, name: str) -> str:
    """Where it failed and why: in the innermost of the files that include or extend one another."""
    causes = CAUSE.findall(str(error))
    if causes:
        reason, file, line = causes[-1]
        return f"{file}, line {line}: {reason}"
    where = f"{error.name or name}, line {error.line}" if error.line else name
    return f"{where}: {error.detail or error.message}"


def _refused(field: str, message: str) -> ParamsError:
    return ParamsError(f"template.render: {field}: {message}", [Problem("params", message, field=field)])
