"""The keys under which policies share their state: a text, a template over the step, or a function of the context."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..errors import ExpressionError, PolicyError, UnknownName
from ..expressions import Path, Template, compile_template, template_problems
from ..expressions.limits import MAX_OUTPUT
from ..expressions.rendering import as_text
from ..expressions.shapes import is_map
from ..expressions.wording import listing, nearest
from ..model.masks import in_short
from ..nodes.own import pairs_of
from .checks import SettingsError

if TYPE_CHECKING:
    from ..nodes.context import Context
    from .policy import Place

__all__ = ["Key", "KeyLike"]

KeyLike: TypeAlias = "str | Callable[[Context], Any] | None"
"""What an author gives as a key: a text that may hold `{{ expressions }}`, a function of the context, or nothing."""


def _params(ctx: Context) -> Mapping[str, Any]:
    params = ctx.params
    if params is None:
        return {}
    if is_map(params):
        return params
    # What an expression can do nothing to need not be copied, which costs a model more than the rest of the key.
    fields: dict[str, Any] = pairs_of(params) if params.model_extra else params.__dict__
    return fields


_MADE_OF_STEP: Final[dict[str, Callable[[Context], Any]]] = {
    "params": _params,
    "inputs": lambda ctx: ctx.inputs,
    "state": lambda ctx: ctx.state,
}
"""Names that need not make the others: most keys use params alone."""


class Key:
    """A key, compiled once.

    Args:
        given: a text, which may hold expressions over `params`, `inputs`, `state`, `outputs`, `run`, and `item` and
            `index` in a batch; a function of the context; or None, for the node's place in its graph.
        policy: what messages call its policy.

    Attributes:
        given: as it was given. constant: the key, when it is the same for every step.
        paths: what its expressions use.

    Raises:
        DefinitionError: it is none of these, or its expressions cannot be parsed.

    Example:
        >>> Key("gpu").constant
        'gpu'
        >>> Key("{{ params.hots }}").problems({"inputs", "param"})[0].splitlines()[0]
        'key: there is no name `params`; the names are inputs, param; did you mean `param`? (at character 4)'
    """

    __slots__ = ("_make", "constant", "given", "paths", "policy")

    def __init__(self, given: KeyLike, policy: str = "policy") -> None:
        self.given = given
        self.policy = policy
        self.constant: str | None = None
        self.paths: tuple[Path, ...] = ()
        self._make: Callable[[Context], Any]
        if given is None:
            self._make = _place_of
        elif isinstance(given, str):
            self._compile(given)
        else:
            self._make = _function(given, policy)

    def _compile(self, text: str) -> None:
        try:
            template = compile_template(text, where="key")
        except ExpressionError as error:
            raise SettingsError(self.policy, {"key": f"{error}"}) from None
        if template is None or not template.paths:
            self._fix(text if template is None else self._constant(template))
            return
        self.paths = template.paths
        roots = {str(path.parts[0]) for path in template.paths}
        if roots <= _MADE_OF_STEP.keys():
            makers = [(name, _MADE_OF_STEP[name]) for name in sorted(roots)]
            self._make = lambda ctx: template.render({name: make(ctx) for name, make in makers})
        else:
            self._make = lambda ctx: template.render({**ctx.scope(), "params": _params(ctx)})

    def _constant(self, template: Template) -> str:
        """What it gives every step, which has to be a key."""
        try:
            return _as_key(template.render({}))
        except (ExpressionError, ValueError) as error:
            problem = str(error).removeprefix("key: ")
            raise SettingsError(self.policy, {"key": f"key={in_short(self.given)} is never a key: {problem}"}) from None

    def _fix(self, value: Any) -> None:
        if value == "":
            problem = f"key={self.given!r}: it is empty; leave the key out for the one that is meant by default"
            raise SettingsError(self.policy, {"key": problem})
        self.constant = constant = _as_key(value)
        self._make = lambda ctx: constant

    def at(self, place: Place) -> Key:
        """This key where a chain is built: without one of the author's, the place itself, which is constant."""
        if self.given is not None:
            return self
        key = Key(None, self.policy)
        key._fix(place.key)
        return key

    def of(self, ctx: Context) -> str:
        """The key of a step.

        Raises:
            PolicyError: it cannot be made, for a name is missing, its value is null or has no text, or the
                function failed; names the policy and the node.
        """
        if self.constant is not None:
            return self.constant
        try:
            return _as_key(self._make(ctx))
        except PolicyError:
            raise
        except Exception as error:
            reason = str(error) if isinstance(error, ExpressionError) else f"{type(error).__name__}: {error}"
            raise PolicyError(f"{self.policy} of node {ctx.node_id}: key: {reason.removeprefix('key: ')}") from error

    def problems(self, names: Collection[str]) -> list[str]:
        """What is wrong with it where only these names are known, each with its position and the nearest name.

        Args:
            names: as `inputs`. With `params.host` among them, `params` has what is named so, and nothing else.
        """
        if not isinstance(self.given, str):
            return []
        roots = {name for name in names if "." not in name}
        found = [error for _, error in template_problems(self.given, roots, "key")]
        found += [error for path in self.paths if (error := _unknown_key(path, names, self.given)) is not None]
        return [f"key: {error}" for error in found]

    def __eq__(self, other: object) -> bool:
        return self.given == other.given if isinstance(other, Key) else NotImplemented

    def __hash__(self) -> int:
        return hash((Key, self.given))

    def __repr__(self) -> str:
        return f"Key({self.given!r})"


def _function(given: Any, policy: str) -> Callable[[Context], Any]:
    if not callable(given):
        right = "a key is a text, as 'gpu' or '{{ params.host }}', or a function of the context"
        raise SettingsError(policy, {"key": f"key={given!r}: {right}, not {type(given).__name__}"})
    if inspect.iscoroutinefunction(given):
        raise SettingsError(policy, {"key": f"key={given!r}: the function of a key must not be async: it may not wait"})
    function: Callable[[Context], Any] = given
    return function


def _place_of(ctx: Context) -> str:
    return f"{ctx.graph.name if ctx.graph is not None else ''}/{ctx.node_id}"


def _as_key(value: Any) -> str:
    if type(value) is str:
        return value
    if value is None:
        raise ValueError("it is null, and all the steps without a value would share one key")
    return as_text(value, MAX_OUTPUT)


def _unknown_key(path: Path, names: Collection[str], text: str) -> ExpressionError | None:
    """What is wrong with the key after a root whose keys are known."""
    root, key = (*path.parts, None)[:2]
    known = [name.removeprefix(f"{root}.") for name in names if name.startswith(f"{root}.")]
    if path.optional or not known or not isinstance(key, str) or key in known:
        return None
    reason = f"`{root}` has no `{key}`; it has {listing(known)}{nearest(key, known)}"
    return UnknownName(reason, text, path.position)
