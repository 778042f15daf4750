"""The messages that failed for good: to look at, and to send again (semantics 9.4)."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import overload

from ...errors import NodeloomError
from ..observers import Observer, Observers
from .delivery import DeadLetter

__all__ = ["DeadLetters"]

log = logging.getLogger("nodeloom.actors")


class DeadLetters(Sequence[DeadLetter]):
    """The dead letters of a system of actors, oldest first.

    Args:
        kept: how many are kept, the latest. again: sends one again.

    Attributes:
        total: how many there were in all. lost: how many of them are not kept any more.
    """

    def __init__(self, kept: int, again: Callable[[DeadLetter], Awaitable[bool]]) -> None:
        self._letters: deque[DeadLetter] = deque()
        self._kept = kept
        self._again = again
        self._observers: Observers | None = None
        self.total = self.lost = 0

    def add(self, letter: DeadLetter) -> None:
        """Keep one more."""
        self.total += 1
        self._letters.append(letter)
        self._forget_oldest()
        if self._observers is not None:
            self._observers.tell(letter)

    def add_observer(self, observer: Observer) -> None:
        """Give every letter from now on to a function: a plain one is called at once, an async one from a task.

        What it raises is logged, and nobody else's; a slow async one loses the oldest when it is 1,000 letters behind.

        Raises:
            TypeError: it is no function.
        """
        if not callable(observer):
            raise TypeError(f"an observer of dead letters is a function of one, as letters.append, not {observer!r}")
        if self._observers is None:
            self._observers = Observers("dead letters")
        self._observers.add(observer)

    def remove_observer(self, observer: Observer) -> None:
        """Give it nothing more; of one that is not there, nothing."""
        if self._observers is not None:
            self._observers.remove(observer)

    async def close(self, within: float) -> None:
        """Let async observers finish with the letters they have, for these seconds at most."""
        if self._observers is not None:
            await self._observers.close(within)

    def _forget_oldest(self) -> None:
        while len(self._letters) > self._kept:
            self._letters.popleft()
            self.lost += 1
            if self.lost == 1 and self._kept:
                log.warning("there are more than %d dead letters: the oldest are not kept any more", self._kept)

    async def send_again(self, *letters: DeadLetter) -> int:
        """Send these again, each to the actor that could not do it, with its inputs and state; or all there are.

        Those are no dead letters any more; what fails once more becomes one anew.

        Returns:
            How many were taken in; what has no room in a mailbox that drops stays a dead letter.

        Raises:
            NodeloomError: one of them is none of these, or not any more, or a join's. ChannelFull: a mailbox refuses.
        """
        count = 0
        for letter in letters or [each for each in self._letters if each.has_inputs]:
            if not letter.has_inputs:
                raise NodeloomError(
                    f"the letter of message {letter.message_id} at {letter.node} is a join's, which failed on what "
                    f"several messages brought: send what came from outside anew, its `run_inputs`"
                )
            place, sent = self._take_out(letter), False
            try:
                sent = await self._again(letter)
            finally:
                if not sent:
                    self._letters.insert(min(place, len(self._letters)), letter)
                    self._forget_oldest()
            count += sent
        return count

    def discard(self, letter: DeadLetter) -> None:
        """Forget one.

        Raises:
            NodeloomError: it is none of these, or not any more.
        """
        self._take_out(letter)

    def _take_out(self, letter: DeadLetter) -> int:
        for place, each in enumerate(self._letters):
            if each is letter:
                del self._letters[place]
                return place
        raise NodeloomError(f"no dead letter of message {letter.message_id} at {letter.node} is kept here")

    def clear(self) -> None:
        """Forget them all."""
        self._letters.clear()

    @overload
    def __getitem__(self, place: int) -> DeadLetter: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[DeadLetter]: ...
    def __getitem__(self, place: int | slice) -> DeadLetter | Sequence[DeadLetter]:
        return list(self._letters)[place] if isinstance(place, slice) else self._letters[place]

    def __len__(self) -> int:
        return len(self._letters)

    def __iter__(self) -> Iterator[DeadLetter]:
        return iter(list(self._letters))

    def __repr__(self) -> str:
        return f"<DeadLetters {len(self)}: {', '.join(f'{each.node} {each.error.type}' for each in list(self)[:3])}>"
