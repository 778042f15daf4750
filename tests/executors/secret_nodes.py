"""Nodes with secrets in their params; a module of its own, for a worker process imports it."""

import hashlib
import logging
from typing import Any

import pydantic

from nodeloom import Field, Node, Params, Secret


def digest(text: str) -> str:
    """What a node may give of a secret, to prove that it had it."""
    return hashlib.sha256(text.encode()).hexdigest()


class Auth(pydantic.BaseModel):
    user: str = ""
    password: Secret | None = None


class UseParams(Params):
    token: Secret = Field(label="Token")
    auth: Auth = Auth()
    others: list[Secret] = []
    by_name: dict[str, Secret] = {}
    url: str = ""
    extra: Any = None


class Use(Node):
    """Gives a digest of each of its secrets."""

    identifier = "test.use"

    async def work(self, params: UseParams):
        secrets = [params.token, *params.others, *params.by_name.values()]
        if params.auth.password is not None:
            secrets.append(params.auth.password)
        if isinstance(params.extra, dict):
            secrets += [each for each in params.extra.values() if isinstance(each, Secret)]
        return {"digests": [digest(each.reveal()) for each in secrets], "user": params.auth.user, "url": params.url}


class Talkative(Node):
    """Tells its secret to everybody, in every way there is."""

    identifier = "test.talkative"

    async def work(self, params: UseParams, inputs, ctx):
        value = params.token.reveal()
        tell(self, ctx, value)
        yield {"chunk": value, "deep": [{"of": (value,)}], value: 1}
        if inputs.get("fails", 0) >= ctx.attempt:
            raise failure_of(value, inputs.get("kind", "plain"))
        yield {"digest": digest(value), "value": value, "secret": params.token, "params": params.model_dump()}


class TalkativeThread(Node):
    """The same from a thread, and from a worker process."""

    identifier = "test.talkative_thread"

    def work(self, params: UseParams, inputs, ctx):
        value = params.token.reveal()
        tell(self, ctx, value)
        yield {"chunk": value}
        if inputs.get("fails", 0) >= ctx.attempt:
            raise failure_of(value, inputs.get("kind", "plain"))
        yield {"digest": digest(value), "value": value}


def tell(node: Node, ctx: Any, value: str) -> None:
    ctx.progress(1, 2, f"with {value}")
    ctx.stream(value)
    ctx.log.info("using %s and %r", value, [value], extra={"given": {"value": value}})
    ctx.log.warning("with too few arguments %s", value)
    node.log(f"it is {value}", value=value)
    logging.getLogger("some.library").info("GET https://example.org/?key=%s", value)
    try:
        raise OSError(5, "not there", f"/{value}")
    except OSError:
        ctx.log.exception("reading with %s", value)


class Quiet(Exception):
    """Keeps what it is made of where only its text shows it."""

    def __init__(self, value: str) -> None:
        super().__init__()
        self.value = value

    def __str__(self) -> str:
        return f"quiet about {self.value}"


class Unchanging(Exception):
    """Cannot be changed."""

    def __init__(self, value: str) -> None:
        super().__init__()
        object.__setattr__(self, "_text", lambda: f"unchanging about {value}")

    def __str__(self) -> str:
        return str(self._text())  # type: ignore[attr-defined]


def failure_of(value: str, kind: str) -> BaseException:
    if kind == "chained":
        try:
            raise KeyError(value)
        except KeyError as error:
            failure = ValueError("no luck")
            failure.__cause__ = error
            failure.add_note(f"was {value}")
            return failure
    if kind == "group":
        return ExceptionGroup(f"several with {value}", [ValueError(value), TypeError("other")])
    if kind == "validation":
        try:
            pydantic.TypeAdapter(int).validate_python(value)
        except pydantic.ValidationError as error:
            return error
    kinds: dict[str, Any] = {"plain": ValueError, "attribute": Quiet, "unchanging": Unchanging}
    return kinds[kind](f"{value} is refused" if kind == "plain" else value)
