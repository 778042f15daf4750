"""Node types that the documents of these tests use."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from nodeloom import Field, Node, Params, Registry, node
from nodeloom.library import Transform


class FetchRefused(Exception):
    """The page is not for us."""


class FetchParams(Params):
    url: str = Field(label="URL")
    attempts: int = Field(3, ge=1, le=10)
    method: Literal["GET", "POST"] = "GET"
    headers: list[dict[str, str]] = Field(default_factory=list)
    since: date | None = None
    raw: str = Field("", literal=True)


class Fetch(Node):
    """Fetch a page."""

    identifier = "web.fetch"

    async def work(self, params: FetchParams) -> dict[str, Any]:
        return {"body": params.url}


class CountParams(Params):
    text: str


class Count(Node):
    """Count words."""

    identifier = "text.count"

    class Inputs(Params):
        body: str

    class Outputs(Params):
        words: int

    async def work(self, params: CountParams) -> dict[str, Any]:
        return {"words": len(params.text.split())}


class Free(Node):
    """Takes any params."""

    identifier = "test.free"

    def __init__(self, greeting: str = "hello", /, **settings: Any) -> None:
        super().__init__(**settings)
        self.greeting = greeting

    def work(self) -> dict[str, Any]:
        return {"greeting": self.greeting}


class Greeter(Node):
    """Has a constructor of its own."""

    identifier = "test.greeter"

    def __init__(self, greeting: str = "hello", **settings: Any) -> None:
        super().__init__(**settings)
        if not greeting:
            raise RuntimeError("a greeting is not empty")
        self.greeting = greeting

    def work(self) -> dict[str, Any]:
        return {"greeting": self.greeting}


class OldScale(Node):
    identifier = "test.scale"

    class Params(Params):  # type: ignore[misc, unused-ignore]
        factor: float = 1.0

    def work(self) -> None: ...


class Scale(Node):
    identifier = "test.scale"
    version = 3

    class Params(Params):  # type: ignore[misc, unused-ignore]
        percent: float = 100.0

    @classmethod
    def migrate(cls, params: dict[str, Any], from_version: int) -> dict[str, Any]:
        return {"percent": params.get("factor", 1.0) * 100}

    def work(self) -> None: ...


@node("text.shout")
def shout(inputs: Any) -> dict[str, Any]:
    return dict(inputs)


class Module(Node):
    """Has the identifier that it has by default."""

    def work(self) -> None: ...


@node
def function() -> None: ...


REGISTRY = Registry(Fetch, Count, Greeter, OldScale, Scale, shout, Transform)
