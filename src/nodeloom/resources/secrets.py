"""Where the values of secrets come from: the environment, an encrypted file, or a source of one's own (12.3)."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, cast, runtime_checkable

from ..errors import DefinitionError, SecretError, SecretNotFound
from ..model.masks import MASKS
from ..nodes.logs import mask_records
from .secrets_file import SecretsFile

if TYPE_CHECKING:
    from ..forms.secret import Secret

__all__ = ["DEFAULT_FILE", "FILE_VARIABLE", "Environment", "Secrets", "SecretsFile", "Source", "default_file"]

FILE_VARIABLE: Final = "NODELOOM_SECRETS_FILE"
DEFAULT_FILE: Final = ".nodeloom/secrets.json"
PREFIX: Final = "NODELOOM_SECRET_"

Sent = list[tuple[str, ...]]
"""Sources as plain data: each by its kind, and what it is made of."""


@runtime_checkable
class Source(Protocol):
    """Gives the values of secrets. It is asked on the event loop, at every step that uses one: let it answer at once.

    With a method `names()` beside `get`, an error about a name that there is not names those that are near.
    """

    def get(self, name: str, /) -> str | None:
        """The value of the secret of that name, or None where there is none."""
        ...


class Environment:
    """Secrets in environment variables: `mail.key` in `NODELOOM_SECRET_MAIL_KEY`. An empty one is none."""

    def get(self, name: str) -> str | None:
        """The value of a secret."""
        return os.environ.get(variable_of(name)) or None

    def names(self) -> list[str]:
        """What there is, as far as names can be told from variables."""
        return [each.removeprefix(PREFIX).lower() for each in os.environ if each.startswith(PREFIX)]

    def __repr__(self) -> str:
        return "Environment()"


def variable_of(name: str) -> str:
    """The environment variable of a secret."""
    return PREFIX + re.sub(r"[^A-Z0-9]", "_", name.upper())


def default_file() -> Path:
    """The secrets file where none is named: what NODELOOM_SECRETS_FILE says, or `.nodeloom/secrets.json`."""
    return Path(os.environ.get(FILE_VARIABLE) or DEFAULT_FILE)


class DefaultFile:
    """The secrets file where none is named; where it is may change while an engine lives."""

    def get(self, name: str) -> str | None:
        """The value of a secret."""
        return SecretsFile(default_file()).get(name)

    def names(self) -> list[str]:
        """The names of what it holds."""
        return SecretsFile(default_file()).names()


class Secrets:
    """An engine's secrets: the sources that are asked, in turn. What they give is masked from then on.

    Args:
        sources: one, several, or the path of a secrets file; by default the environment, then the file that
            NODELOOM_SECRETS_FILE names, or `.nodeloom/secrets.json`.

    Raises:
        DefinitionError: that is no source.

    Example:
        >>> Secrets({"mail_key": "k-123456"}).resolved(Secret("mail_key")).reveal()
        'k-123456'
    """

    def __init__(self, sources: Source | Sequence[Source | str | Path] | str | Path | None = None) -> None:
        if sources is None:
            sources = [Environment(), DefaultFile()]
        given = cast("list[Any]", sources) if isinstance(sources, list | tuple) else [sources]
        self._sources = [_source(each) for each in given]

    def resolved(self, secret: Secret) -> Secret:
        """The secret with its value.

        Raises:
            SecretNotFound: no source has it. SecretError: one of them cannot tell.
        """
        for source in self._sources:
            value = self._asked(source, secret.name)
            if value is not None:
                mask_records()
                MASKS.remember(secret.name, value)
                return secret.resolved(value)
        raise self._not_found(secret.name)

    def sent(self) -> Sent | None:
        """The sources as another process can have them; None where one of them is the engine's own."""
        sent: Sent = []
        for source in self._sources:
            if type(source) is Environment:
                sent.append(("environment",))
            elif type(source) in (SecretsFile, DefaultFile):
                file = source if isinstance(source, SecretsFile) else SecretsFile(default_file())
                sent.append(("file", str(file.path.absolute()), str(file.key_file.absolute())))
            else:
                return None
        return sent

    @classmethod
    def received(cls, sent: Iterable[Sequence[str]]) -> Secrets:
        """The sources that were sent."""
        return cls([Environment() if kind == "environment" else SecretsFile(*parts) for kind, *parts in sent])

    def __repr__(self) -> str:
        return f"Secrets({', '.join(map(_words, self._sources))})"

    def _asked(self, source: Source, name: str) -> str | None:
        try:
            value: Any = source.get(name)
        except SecretError:
            raise
        except Exception as error:  # of an author's source; what it says may hold anything, so it is not repeated
            raise SecretError(
                f"secret {name!r} cannot be had from {_words(source)}, which raised {type(error).__name__}"
            ) from None
        if value is None or isinstance(value, str):
            return value
        raise SecretError(f"{_words(source)} gave secret {name!r} as {type(value).__name__}; a value is a text")

    def _not_found(self, name: str) -> SecretNotFound:
        known = dict.fromkeys(each for source in self._sources for each in _names_of(source))
        near = difflib.get_close_matches(name.lower(), list(known), 3)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
        places = "; ".join(_place(source, name) for source in self._sources) or "no source at all"
        return SecretNotFound(f"there is no secret {name!r}{hint} Looked in {places}")


def _names_of(source: Source) -> list[str]:
    """What a source says it holds, where it says so."""
    listed = getattr(source, "names", None) or getattr(source, "keys", None)  # of a mapping, its own
    try:
        return [str(each) for each in listed()] if listed is not None else []
    except Exception:  # near names are a courtesy: the error is about another one
        return []


def _source(given: Any) -> Source:
    if isinstance(given, str | Path):
        return SecretsFile(given)
    if isinstance(given, Source) and not isinstance(given, type):
        return given
    raise DefinitionError(
        f"secrets= takes the path of a secrets file, or what has a method get(name) that gives a text or None, or a "
        f"list of these; not {type(given).__name__}"
    )


def _words(source: Source) -> str:
    """A source in words. Of one's own by its type only, for its repr may show what it holds, as a dict's does."""
    if isinstance(source, SecretsFile | Environment):
        return repr(source)
    return (
        "the default secrets file" if isinstance(source, DefaultFile) else f"a source of type {type(source).__name__}"
    )


def _place(source: Source, name: str) -> str:
    """Where a secret was looked for."""
    if isinstance(source, Environment):
        return f"the environment, as {variable_of(name)}"
    if not isinstance(source, SecretsFile | DefaultFile):
        return _words(source)
    path = source.path if isinstance(source, SecretsFile) else default_file()
    return f"the file {path}{'' if path.exists() else ' (there is none)'}"
