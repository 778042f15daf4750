"""A secret, as a param holds it: by reference, whose value is there only while a step runs (semantics 12.3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, NoReturn, Self, cast

from ..errors import SecretError

__all__ = ["NAME", "REFERENCE", "Secret", "read_secret"]

REFERENCE: Final = "$secret"
"""The key of a reference in a document."""
NAME: Final = r"^[A-Za-z_][A-Za-z0-9_.-]*$"
"""What a secret may be called."""

_is_name = re.compile(NAME.removesuffix("$") + r"\Z").match
_RIGHT: Final = (
    'a secret is given by its name, as {"$secret": "name"}, or Secret("name") in Python; its value is kept with '
    "`nodeloom secrets set name`, or in the environment. A text, a template or another value is refused, and not shown"
)


class Secret:
    """A secret by its name: the type of a param, whose value is never in a document, a log, an error or a store.

    A field of this type takes `{"$secret": "name"}` or a `Secret`, and no text. While a step runs, the secrets in its
    params are resolved, and `reveal` gives their values. Everywhere else, and in whatever is written, there is the
    name alone. Secrets of one name are equal.

    Args:
        name: letters, digits, `_`, `.` and `-`, and no digit, `.` or `-` first.

    Raises:
        ValueError: that is no name.

    Example:
        >>> class SendParams(Params):
        ...     api_key: Secret = Field(label="API key")
        >>> SendParams(api_key={"$secret": "mail_key"}).api_key
        Secret('mail_key')
    """

    __slots__ = ("_name", "_value")
    form_type: ClassVar = "secret"
    _name: str
    _value: Callable[[], str] | None

    def __init__(self, name: str) -> None:
        given: Any = name
        if not isinstance(given, str) or not _is_name(given):
            # What was given is not shown: it may be the value itself, put where the name belongs.
            raise ValueError(
                "a secret is named by letters, digits, '_', '.' and '-', and begins with a letter or '_'; what was "
                "given is no such name"
            )
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_value", None)

    @property
    def name(self) -> str:
        """What it is kept under."""
        return self._name

    def reveal(self) -> str:
        """The value.

        Raises:
            SecretError: it is not resolved, as anywhere outside of a step.
        """
        if self._value is None:
            raise SecretError(
                f"secret {self._name!r} has no value here: it is resolved in the params of a step, and only while that "
                f"step runs. Reveal it in `work`, from `params` or `ctx.params`"
            )
        return self._value()

    def resolved(self, value: str) -> Secret:
        """The same with its value, as a step has it; for a test of a node's `work`.

        Args:
            value: the text that `reveal` gives.
        """
        if not isinstance(value, str):
            raise TypeError(f"the value of secret {self._name!r} is a text, not {type(value).__name__}")
        twin = Secret(self._name)
        object.__setattr__(twin, "_value", lambda: value)  # a function, which nothing that prints attributes calls
        return twin

    def as_reference(self) -> dict[str, str]:
        """What stands for it wherever it is written."""
        return {REFERENCE: self._name}

    def reference(self) -> Secret:
        """The same without its value."""
        return self if self._value is None else Secret(self._name)

    def __repr__(self) -> str:
        return f"Secret({self._name!r})"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        return self._name == other._name if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash((Secret, self._name))

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"{name} of {self!r} cannot be set: a secret does not change")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{name} of {self!r} cannot be deleted: a secret does not change")

    def __reduce__(self) -> tuple[Any, ...]:
        return Secret, (self._name,)

    def __copy__(self) -> Secret:
        return self.reference()

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self.reference()

    @classmethod
    def of(cls, value: Any) -> Self:
        """The secret that a document's value, or an author's, stands for.

        Raises:
            ValueError: it is no reference; the message does not show it.
        """
        if isinstance(value, cls):
            return cast("Self", value.reference())
        if isinstance(value, Mapping) and list(value) == [REFERENCE]:  # pyright: ignore[reportUnknownArgumentType]
            return cls(value[REFERENCE])  # pyright: ignore[reportUnknownArgumentType]
        raise ValueError(_RIGHT)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            read_secret,
            serialization=core_schema.plain_serializer_function_ser_schema(cls.as_reference, when_used="json"),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {REFERENCE: {"type": "string", "pattern": NAME}},
            "required": [REFERENCE],
            "additionalProperties": False,
            "writeOnly": True,
            "x-ui": {"type": "secret"},
        }


def read_secret(value: Any) -> Secret:
    """The secret a field is given, for pydantic, whose errors hold what was given: one of ours holds it not."""
    from pydantic_core import PydanticCustomError, ValidationError

    try:
        return Secret.of(value)
    except ValueError as error:
        reason = PydanticCustomError("secret", cast("Any", str(error)))
    raise ValidationError.from_exception_data("Secret", [{"type": reason, "loc": (), "input": "(not shown)"}])
