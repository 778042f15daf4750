"""A node: a definition of work, written once and run anywhere (semantics 1)."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from ..errors import DefinitionError, FrozenDefinition
from ..model.batch import Batch, spelt_twice
from ..model.edge import EdgeCondition, Quorum
from ..model.mailbox import Mailbox, Supervision
from ..model.masks import MASKS
from ..model.plan import NodeSpec
from ..model.values import Values
from .by_itself import RunsByItself
from .context import current_context, log_fields
from .forms import HANDWRITTEN, HasForm, form_of_node, handwritten, is_handwritten
from .hooks import check_hooks
from .known_outputs import known_outputs, outputs_of
from .naming import first_paragraph, in_words, module_name, snake_case
from .settings import LATER, RESERVED, setting
from .signature import Signature, read_signature
from .wiring import Group, Pending, Wirable, Wire, as_wirable, condition_of, connect, error_name, going

if TYPE_CHECKING:
    import pydantic

    from .context import Context

__all__ = ["LATER", "RESERVED", "Node"]

Isolation = Literal["thread", "process", "inline"]
_OWN = frozenset({"params", "id", "wires", "frozen", "given", "made_with"})


class Node(RunsByItself, HasForm, Wirable):
    """A definition of work: subclass it and write `work`; an instance is the node in one place of a graph.

    It holds nothing about any run. `work` may ask, by name, for any of `ctx`, `inputs`, `state`, `params`, or for
    nothing; it returns a mapping (outputs), None, a `Route`, or yields chunks of which the last is the output.

    Args:
        params: the params as a mapping; needed only for fields named like one of the words below.
        id: its place in a graph; the class name in snake case by default.
        join: `"all"`, `"any"` or `Quorum(n)`. routing: `"first"` takes only the first edge that holds.
        isolation: where a plain `def work` runs: `"thread"` (default) or `"inline"`.
        memory: True for a memory within a run, or the keys to keep between runs.
        pool: the engine's thread pool a plain `def work` runs on.
        policies: what is done around `work`, in any order: `[Retry(3), Timeout(10)]`.
        batch: its work is done for each of many items: `Batch(items="{{ outputs.scan.files }}", parallel=True)`.
        mailbox: as an actor, how many messages wait for it, and what happens to one more: `Mailbox(100, "reject")`.
        supervision: what the actor does after a message that failed for good: `Supervision("restart")`, or `"stop"`.
        rate: under a clock, ticks a second. order: of nodes due at one instant, the lowest comes first.
        deadline: seconds after it was due by which a tick is to be done. watchdog: seconds without a tick that is done.
        on_miss: what is done when one of these is missed: `"warn"`, `"skip"`, `"safe_state"`, `"restart"`, `"stop"`.
        on_overrun: what becomes of a tick that is due while the last one runs: `"skip"`, `"catch_up"`, `"coalesce"`.
        **values: the params by name. A text in them may hold `{{ expressions }}`.

    Raises:
        ParamsError: params that do not validate. DefinitionError: a definition that cannot work.

    Example:
        >>> class Shout(Node):
        ...     async def work(self, inputs):
        ...         return {"text": inputs["text"].upper()}
        >>> Shout().run_sync({"text": "hello"})
        {'text': 'HELLO'}
    """

    identifier: ClassVar[str]
    display_name: ClassVar[str]
    description: ClassVar[str]
    icon: ClassVar[str] = "box"
    category: ClassVar[str] = ""
    version: ClassVar[int] = 1

    isolation: Isolation = "thread"
    join: Literal["all", "any"] | Quorum | None = None
    routing: Literal["all", "first"] = "all"
    memory: bool | tuple[str, ...] = False
    pool: str = "default"
    policies: tuple[Any, ...] = ()
    batch: Batch | None = None
    mailbox: Mailbox | None = None
    supervision: Supervision | None = None
    rate: float | None = None
    order: int = 0
    deadline: float | None = None
    watchdog: float | None = None
    on_miss: Literal["warn", "skip", "safe_state", "restart", "stop"] = "warn"
    on_overrun: Literal["skip", "catch_up", "coalesce"] = "skip"

    params_model: ClassVar[type[pydantic.BaseModel] | None] = None
    signature: ClassVar[Signature | None] = None
    spelling: ClassVar[str] = "work"
    error_hook: ClassVar[Callable[[Any, BaseException], Any] | None] = None

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "identifier" not in cls.__dict__:
            cls.identifier = f"{module_name(cls)}.{cls.__qualname__}".replace(".<locals>", "")
        if "display_name" not in cls.__dict__:
            cls.display_name = in_words(cls.__name__)
        if "description" not in cls.__dict__:
            cls.description = first_paragraph(cls.__doc__)
        cls._check_words()
        for word in RESERVED[1:]:
            if word in cls.__dict__:
                setattr(cls, word, setting(word, cls.__dict__[word], cls.__qualname__))
        for method in HANDWRITTEN.intersection(cls.__dict__):
            setattr(cls, method, handwritten(cls.__dict__[method]))
        check_hooks(cls, Node)
        hook = cls.on_error
        if hook is not Node.on_error and not hasattr(hook, "hook"):
            cls.error_hook = hook
            cls.on_error = _hook_or_edge(hook)  # type: ignore[method-assign]
        cls._read_work()

    @classmethod
    def _check_words(cls) -> None:
        if "icon" in cls.__dict__ and not isinstance(cls.icon, str):
            raise DefinitionError(f"icon of {cls.__qualname__} is a name, as 'globe', not {cls.icon!r}")
        if not _is_version(cls.version):
            raise DefinitionError(f"version of {cls.__qualname__} is a whole number from 1, not {cls.version!r}")

    @classmethod
    def _read_work(cls) -> None:
        """Look at `work` (or `execute`) once, and find the params model."""
        own = cls.__dict__
        written = _written(cls)
        if written is not None:
            work: Any
            cls.spelling, work = written
            static = isinstance(work, staticmethod)  # a function node's
            function: Any = getattr(work, "__func__", work)
            cls.signature = read_signature(function, cls.__qualname__, spelling=cls.spelling, bound=static)
            if cls.signature.params is not None:
                cls.params_model = cls.signature.params
        if "Params" in own:
            cls.params_model = own["Params"]

    def __new__(cls, *args: Any, **keywords: Any) -> Self:
        node = super().__new__(cls)
        object.__setattr__(node, "wires", [])
        object.__setattr__(node, "frozen", False)
        object.__setattr__(node, "given", {})
        object.__setattr__(node, "made_with", (args, keywords))
        object.__setattr__(node, "params", None)
        object.__setattr__(node, "id", snake_case(cls.__name__))
        return node

    wires: list[Wire]
    frozen: bool
    given: dict[str, Any]
    made_with: tuple[tuple[Any, ...], dict[str, Any]]
    params: Any
    id: str

    def __init__(self, params: Mapping[str, Any] | None = None, **values: Any) -> None:
        if type(self).signature is None:
            raise DefinitionError(f"{type(self).__qualname__} has no work: write `async def work(self, inputs): ...`")
        fields = self.params_model.model_fields if self.params_model is not None else {}
        for word in [word for word in values if word in RESERVED]:
            self._reserve(word, values.pop(word))
        for word in values:
            if word in LATER and word not in fields:
                raise DefinitionError(f"{word}= comes with {LATER[word]}, which this version does not have yet")
        problem = spelt_twice(self.batch, self.policies)
        if problem is not None:
            raise DefinitionError(f"{type(self).__qualname__}: {problem}")
        self.given = {**values, **(params or {})}
        self._check_params()

    def _reserve(self, word: str, value: Any) -> None:
        value = setting(word, value, type(self).__qualname__)
        if value is not None or word == "join":
            setattr(self, word, value)

    def _check_params(self) -> None:
        if is_handwritten(type(self), "schema"):
            self._check_fields()
            return
        if self.params_model is None:
            if self.given and type(self).__init__ is Node.__init__:
                raise DefinitionError(
                    f"{type(self).__qualname__} takes no params, but got {', '.join(self.given)}; declare them: "
                    f"class Params(Params): ..., or params: MyParams on {self.spelling}"
                )
            object.__setattr__(self, "params", Values(self.given) if self.given else None)
            return
        from ..forms.telling import holds_template
        from ..forms.validating import is_literal, validate

        fields = self.params_model.model_fields
        templates = frozenset(
            name
            for name, value in self.given.items()
            if name in fields and not is_literal(fields[name]) and holds_template(value)
        )
        model = validate(self.params_model, self.given, subject=self.id, skip=templates)
        object.__setattr__(self, "params", model)

    def _check_fields(self) -> None:
        """Params of a node whose form was written by hand."""
        from ..forms.checking import read_values

        values = read_values(form_of_node(type(self)), self.given, self.id)
        object.__setattr__(self, "params", Values(values))

    def __setattr__(self, name: str, value: Any) -> None:
        self._stay_a_definition(f"{self.id}.{name} cannot be set")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        self._stay_a_definition(f"{self.id}.{name} cannot be deleted")
        object.__delattr__(self, name)

    def _stay_a_definition(self, problem: str) -> None:
        ctx = current_context()
        if self.frozen or (ctx is not None and ctx.node is self):
            raise FrozenDefinition(
                f"{problem}: a node is a definition, shared by every run. Return run data from "
                f"work (it flows in the state), or keep it in ctx.memory, which a node declares with memory=True"
            )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id!r}>"

    def output_names(self) -> Collection[str] | None:
        """The names of its outputs with these params, where they are known before a run: by default those of `Outputs`.

        `validate` holds `outputs.<id>.<name>` against them. An author may override it, and gives None for any.
        """
        return outputs_of(type(self))

    def spec(self) -> NodeSpec:
        """What a plan needs to know of this node."""
        names = known_outputs(self)
        return NodeSpec(self.id, f"{self.identifier}@{self.version}", self.join, self.routing, names)

    def shape(self) -> tuple[Any, ...]:
        """Everything set on this node, to tell whether it was changed since it was bound."""
        skip = ("wires", "frozen")
        return tuple((name, id(value)) for name, value in self.__dict__.items() if name not in skip)

    def copy(self, *, id: str | None = None, **changes: Any) -> Self:
        """The same definition in a second place, without its edges.

        Args:
            id: its node id; this one's by default. **changes: params or settings that differ.
        """
        args, keywords = _made_anew(type(self), *self.made_with, changes)
        twin = type(self)(*args, **{**keywords, "id": id or self.id})
        for name, value in self.__dict__.items():
            if name not in _OWN and name not in changes and not (changes and name in twin.__dict__):
                object.__setattr__(twin, name, value)
        return twin

    # --- wiring

    def sources(self) -> list[Pending]:
        """This node, as the beginning of an edge."""
        return [Pending(self)]

    def targets(self) -> list[Node]:
        """This node, as the end of an edge."""
        return [self]

    def on(self, condition: str | None = None, /, **keywords: Any) -> Pending:
        """An edge taken when a condition holds: an expression, or keywords over this node's own output.

        Args:
            condition: as `"state.score > 0.8 and inputs.kind in ['x', 'y']"`.
            **keywords: `status="ok"`, `score__gt=0.8`; operators eq ne gt gte lt lte in contains exists matches.
                All must hold.

        Raises:
            DefinitionError: a condition that is neither; one in Python is given to `goto`.
        """
        return Pending(self, "when", when=condition_of(self.id, condition, keywords))

    def otherwise(self) -> Pending:
        """An edge taken when no conditional edge of this node was."""
        return Pending(self, "otherwise")

    def on_error(self, *errors: Any) -> Any:
        """An edge taken when the step failed with one of these errors; with any, when none is named.

        A subclass may define `async def on_error(self, error)` as its hook: it is called after each failed step
        and keeps this name free for wiring.

        Args:
            *errors: exception classes, or their registered names.
        """
        if len(errors) == 1 and isinstance(errors[0], BaseException):
            return _nothing()  # super().on_error(error) from a hook
        return Pending(self, "error", errors=tuple(error_name(error) for error in errors))

    def goto(
        self,
        target: Node,
        *,
        condition: EdgeCondition | str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Node:
        """An edge to `target`, with a condition in Python or as an expression, and metadata of the author's.

        Args:
            target: where it leads, a node or a list; it is given back, to go on from.
            condition: an expression, as of `on`; or `EdgeCondition(function)`, whose function is called with a
                `Routing` and takes the edge when what it gives is true.
            metadata: kept with the edge, as `graph.edges` has it.

        Raises:
            DefinitionError: a condition that is neither.
        """
        source = going(self, condition, metadata)
        for node in as_wirable(target).targets():
            connect(source, node)
        return target

    def may_route(self, *targets: Node) -> Group:
        """Edges that only a `Route` returned by this node takes."""
        group = Group(targets)
        for target in group.targets():
            connect(Pending(self, "route"), target)
        return group

    # --- hooks; an author overrides those of interest

    async def on_start(self, ctx: Context) -> None:
        """Called once per process, before the node's first step; a failure fails the run."""

    async def on_finish(self, result: Values) -> None:
        """Called after each completed step with its outputs; a failure is recorded and changes nothing."""

    async def on_stop(self) -> None:
        """Called when the engine closes, if the node was started."""

    def safe_state(self) -> Awaitable[None] | None:
        """Called by a clock when a tick missed its limit, with `on_miss="safe_state"`: bring what it drives to rest.

        A plain one is called on another thread than that of the tick, which may hang; an async one on the loop.
        """
        return None

    def log(self, message: str, /, **fields: Any) -> None:
        """Log under this node's identifier, with fields."""
        ctx = current_context()
        known = log_fields(ctx) if ctx is not None else {}
        text = " ".join([message, *(f"{key}={value!r}" for key, value in fields.items())])
        logging.getLogger(self.identifier).info(text, extra={**known, "fields": MASKS.data(fields)})


def _written(cls: type[Node]) -> tuple[str, Any] | None:
    """The nearest `work` or `execute` that no base node has been read for yet: its own, or that of a mixin."""
    for kind in cls.__mro__:
        if kind is not cls and issubclass(kind, Node):
            return None
        for spelling in ("work", "execute"):
            if spelling in kind.__dict__:
                return spelling, kind.__dict__[spelling]
    return None


def _is_version(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


async def _nothing() -> None:
    return None


def _made_anew(
    kind: type[Node], args: tuple[Any, ...], keywords: Mapping[str, Any], changes: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What a copy is made with: a param may be given by name or in `params`, and the change wins over both."""
    if args and kind.__init__ is Node.__init__:
        keywords = {"params": args[0], **keywords}
        args = ()
    if args or not ("params" in keywords or "params" in changes):
        return args, {**keywords, **changes}
    params: dict[str, Any] = {**(keywords.get("params") or {}), **(changes.get("params") or {})}
    given = {word: value for word, value in keywords.items() if word not in params}
    kept = {name: value for name, value in params.items() if name not in changes}
    return (), {**given, **changes, "params": kept}


def _hook_or_edge(hook: Callable[[Any, BaseException], Any]) -> Any:
    """An author's `on_error(self, error)` beside the wiring of that name: an exception is told, a class wired."""

    @functools.wraps(hook)
    def on_error(self: Node, *errors: Any) -> Any:
        told = len(errors) == 1 and isinstance(errors[0], BaseException)
        return hook(self, errors[0]) if told else Node.on_error(self, *errors)

    on_error.hook = hook  # type: ignore[attr-defined]
    return on_error
