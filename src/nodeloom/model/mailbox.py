"""How an actor is set up: the mailbox it reads, and what is done when a message fails (semantics 9.2, 9.4)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

import msgspec

from ..errors import DefinitionError

__all__ = ["DIRECTIVES", "OVERFLOWS", "Directive", "Mailbox", "Overflow", "Supervision"]

Overflow = Literal["block", "drop_oldest", "drop_newest", "reject"]
"""What a full channel does with one message more: wait for room, drop its oldest, drop that one, or refuse it."""

OVERFLOWS: Final[tuple[str, ...]] = get_args(Overflow)

Directive = Literal["resume", "restart", "stop"]
"""What an actor does after a message that failed for good."""

DIRECTIVES: Final[tuple[str, ...]] = get_args(Directive)


class Mailbox(msgspec.Struct, frozen=True):
    """The mailbox of an actor: how many messages wait there, and what happens to one more.

    Args:
        maxsize: how many messages it holds. overflow: `"block"` lets the sender wait, `"drop_oldest"` and
            `"drop_newest"` drop one, `"reject"` refuses with `ChannelFull`.

    Raises:
        DefinitionError: settings that cannot work.

    Example:
        >>> from nodeloom import Mailbox
        >>> Mailbox(100, "drop_oldest")
        Mailbox(maxsize=100, overflow='drop_oldest')
    """

    maxsize: int = 1_000
    overflow: Overflow = "block"

    def __post_init__(self) -> None:
        if type(self.maxsize) is not int or self.maxsize < 1:
            raise DefinitionError(f"maxsize of a mailbox is a whole number from 1, not {self.maxsize!r}")
        if self.overflow not in OVERFLOWS:
            raise DefinitionError(f"overflow of a mailbox is one of {', '.join(OVERFLOWS)}, not {self.overflow!r}")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Mailbox:
        """The mailbox that a document describes, as `{maxsize: 10, overflow: drop_oldest}`.

        Raises:
            DefinitionError: settings that cannot work, or do not exist.
        """
        unknown = [str(word) for word in settings if word not in cls.__struct_fields__]
        if unknown:
            known = " and ".join(cls.__struct_fields__)
            raise DefinitionError(f"a mailbox has no {', '.join(unknown)}; it has {known}")
        return cls(**settings)


class Supervision(msgspec.Struct, frozen=True):
    """What an actor does after a message that failed for good; the message goes to the dead letters in any case.

    Args:
        directive: `"resume"` goes on with the next message; `"restart"` forgets the actor's memory and calls `on_stop`
            and `on_start` before that; `"stop"` stops the actor.
        max_restarts: how many restarts there may be within a time; one more stops the actor.
        within: that time, in seconds. backoff: seconds before the first restart, doubled for each one more, up to 30.

    Raises:
        DefinitionError: settings that cannot work.

    Example:
        >>> from nodeloom import Supervision
        >>> Supervision("restart", max_restarts=3).wait(2)
        0.2
    """

    directive: Directive = "resume"
    max_restarts: int = 5
    within: float = 60.0
    backoff: float = 0.1

    def __post_init__(self) -> None:
        if self.directive not in DIRECTIVES:
            raise DefinitionError(f"supervision is one of {', '.join(DIRECTIVES)}, not {self.directive!r}")
        if type(self.max_restarts) is not int or self.max_restarts < 0:
            raise DefinitionError(f"max_restarts of a supervision is a whole number from 0, not {self.max_restarts!r}")
        for word, least in (("within", "above 0"), ("backoff", "from 0")):
            value: Any = getattr(self, word)
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not number or value < 0 or (word == "within" and value == 0):
                raise DefinitionError(f"{word} of a supervision is seconds {least}, not {value!r}")

    @classmethod
    def of(cls, settings: Mapping[str, Any] | str) -> Supervision:
        """The supervision that a document describes, as `restart` or `{directive: restart, max_restarts: 3}`.

        Raises:
            DefinitionError: settings that cannot work, or do not exist.
        """
        given: Mapping[str, Any] = {"directive": settings} if isinstance(settings, str) else settings
        unknown = [str(word) for word in given if word not in cls.__struct_fields__]
        if unknown:
            known = ", ".join(cls.__struct_fields__)
            raise DefinitionError(f"a supervision has no {', '.join(unknown)}; it has: {known}")
        return cls(**given)

    def wait(self, restarts: int) -> float:
        """Seconds to wait before a restart, the first of late being 1."""
        return min(self.backoff * 2.0 ** min(restarts - 1, 30), 30.0)
