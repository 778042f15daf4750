"""The form of a node: what is asked for, what there is to choose from, and whether values fit."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, cast

from ..errors import Problem
from .host import current_host
from .settings import PARAM_NAMES

if TYPE_CHECKING:
    import pydantic

    from ..forms.field import FormField
    from ..forms.form import Form
    from ..forms.option import Option

__all__ = ["HANDWRITTEN", "HasForm", "check_params", "form_of_node", "handwritten", "is_handwritten"]

HANDWRITTEN = frozenset({"schema", "get_dependent_options"})


class HasForm:
    """What a node type says of its params, to a person or a program.

    `schema` and `get_dependent_options` may be written by hand instead, for a node without typed params.
    """

    __slots__ = ()

    identifier: ClassVar[str]
    display_name: ClassVar[str]
    description: ClassVar[str]
    icon: ClassVar[str]
    category: ClassVar[str]
    version: ClassVar[int]
    params_model: ClassVar[type[pydantic.BaseModel] | None]

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """What a form shows: who the node is, its `fields`, and the same as `json_schema` (2020-12, with `x-ui`).

        Example:
            >>> from nodeloom import Field, Node, Params
            >>> class FetchParams(Params):
            ...     url: str = Field(label="URL")
            >>> class Fetch(Node):
            ...     async def work(self, params: FetchParams):
            ...         return {}
            >>> [(field["name"], field["label"]) for field in Fetch.schema()["fields"]]
            [('url', 'URL')]
        """
        from ..forms.json_schema import form_schema

        form = form_of_node(cls)
        return {
            "identifier": cls.identifier,
            "display_name": cls.display_name,
            "description": cls.description,
            "icon": cls.icon,
            "category": cls.category,
            "version": cls.version,
            "fields": form.as_list(),
            "json_schema": form_schema(form),
        }

    @classmethod
    async def get_dependent_options(
        cls, field: str, values: Mapping[str, Any], *, query: str = "", cursor: str | None = None
    ) -> list[Option] | None:
        """What there is to choose from in a field, for the values of the others.

        Args:
            field: its name; of a field in an object or a row, its path, as `accounts.0.bank`.
            values: of the whole form. query: a search text. cursor: where a page begins.

        Returns:
            The options; None until every field that it depends on has a valid value.

        Raises:
            FormError: there is no such field. Whatever the function of its author raises.
        """
        from ..forms.choosing import options_for

        page = await options_for(form_of_node(cls), field, values, current_host().asker, query=query, cursor=cursor)
        return None if page is None else list(page.options)

    @classmethod
    async def check(cls, values: Mapping[str, Any], *, templates: bool = True) -> list[Problem]:
        """Everything that is wrong with values for this node's params, each with its field.

        Types and limits, what is required, what is not among the options, templates that cannot be parsed.

        Args:
            values: by the fields' names; those of derived fields are not looked at, but computed.
            templates: a text with `{{ }}` is a template, as in a document; else it is a value like any other.
        """
        from ..forms.checking import checked

        names = PARAM_NAMES if templates else None
        return (await checked(form_of_node(cls), values, current_host().asker, names=names)).problems


async def check_params(node: Any) -> list[Problem]:
    """What the functions of a node's form say of its params; of a graph as a node, those of its nodes."""
    inner = getattr(node, "graph", None)
    if inner is not None and hasattr(inner, "check"):
        wrong = [each for each in await inner.check() if each.severity == "error"]
        return [replace(each, node=f"{node.id}/{each.node}") for each in wrong]
    kind: type[HasForm] = type(node)  # pyright: ignore[reportUnknownVariableType]
    form = form_of_node(kind)
    if not form.asks:
        return []
    from ..forms.checking import checked

    problems = (await checked(form, node.given, current_host().asker, names=PARAM_NAMES)).problems
    return [replace(each, code="params", node=node.id, field=f"params.{each.field}") for each in problems]


_forms: weakref.WeakKeyDictionary[type, Form] = weakref.WeakKeyDictionary()


def form_of_node(kind: type[HasForm]) -> Form:
    """The form of a node type, made once: of its schema, where its author wrote one, else of its params.

    Raises:
        DefinitionError: what its author wrote cannot be a form.
    """
    known = _forms.get(kind)
    if known is None:
        known = _forms[kind] = _made(kind)
    return known


def _made(kind: type[HasForm]) -> Form:
    from ..forms.form import Form, form_of
    from ..forms.written import form_written

    asked = _asked_by_hand(kind) if is_handwritten(kind, "get_dependent_options") else None
    if is_handwritten(kind, "schema"):
        return form_written(kind.__name__, cast("Any", kind).schema(), asked)
    if kind.params_model is None:
        return Form(kind.__name__, ())
    form = form_of(kind.params_model)
    if asked is None:
        return form
    return Form(form.name, [_asking(field, asked) for field in form.fields], form.model)


def is_handwritten(kind: type[HasForm], method: str) -> bool:
    """Whether an author wrote the method, instead of what it is by default."""
    return inspect.getattr_static(kind, method) is not HasForm.__dict__[method]


def _asked_by_hand(kind: type[HasForm]) -> Callable[..., Awaitable[Any]]:
    """An author's own method, asked on a thread where it is plain."""
    method: Any = kind.get_dependent_options
    is_async = inspect.iscoroutinefunction(getattr(method, "__wrapped__", method))

    @wraps(method)  # for its keyword-only parameters say what else it is to be asked with
    async def asked(field: str, values: Mapping[str, Any], **more: Any) -> Any:
        if is_async:
            return await method(field, values, **more)
        given = await current_host().asker.offload(method, field, values, **more)
        return await given if inspect.isawaitable(given) else given

    return asked


def _asking(field: FormField, asked: Callable[..., Awaitable[Any]]) -> FormField:
    """A field that depends on others, and says by no function what there is to choose from."""
    from msgspec.structs import replace

    from ..forms.asking import AskedByName

    if field.asks is not None or field.choices is not None or not field.depends_on:
        return field
    return replace(field, type="select", options=AskedByName(asked, field.name, field.depends_on))


def handwritten(method: Any) -> Any:
    """A method of an author's about the form of its type, so that it can be called on the type, too."""
    return OnEither(method) if inspect.isfunction(method) else method


class OnEither:
    """A method called on a type as well as on a node.

    Args:
        function: as it was written in the class, with `self`.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.__wrapped__ = function
        self.__doc__ = function.__doc__

    def __get__(self, node: Any, kind: type[Any]) -> Any:
        method: Any = self.__wrapped__
        return method.__get__(node if node is not None else object.__new__(kind), kind)
