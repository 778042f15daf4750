"""What a sender is told by actors."""

from __future__ import annotations

from .definitions import NodeloomError
from .steps import StepError

__all__ = ["ActorStopped", "AskTimeout", "MailboxDeadlock", "MessageDropped", "UnknownActor"]


class ActorStopped(StepError):
    """The actor, or all of them, have stopped, and take no message any more."""

    code = "actor_stopped"


class MessageDropped(StepError):
    """A message that somebody asked with was dropped by an overflow, so there is no reply."""

    code = "message_dropped"


class MailboxDeadlock(StepError):
    """Actors wait in a circle for room in one another's mailboxes; the message that would close it is given up."""

    code = "mailbox_deadlock"


class AskTimeout(NodeloomError, TimeoutError):
    """No reply came in time; what was asked goes on."""

    code = "ask_timeout"


class UnknownActor(NodeloomError, LookupError):
    """No actor of that name."""

    code = "unknown_actor"
