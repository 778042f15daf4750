"""The messages that failed for good: to look at, and to send again (semantics 9.4)."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import overload

from ...errors import NodeloomError
from .delivery import DeadLetter

__all__ = ["DeadLetters"]


class DeadLetters(Sequence[DeadLetter]):
    """The dead letters of a system of actors, oldest first.

    Args:
        kept: how many are kept, the latest. again: sends one again.

    Attributes:
        total: how many there were in all. lost: how many of them are not kept any more.
    """

    def __init__(self, kept: int, again: Callable[[DeadLetter], Awaitable[None]]) -> None:
        self._letters: deque[DeadLetter] = deque(maxlen=kept)
        self._again = again
        self.total = self.lost = 0

    def add(self, letter: DeadLetter) -> None:
        """Keep one more."""
        self.total += 1
        self.lost += len(self._letters) == self._letters.maxlen
        self._letters.append(letter)

    async def send_again(self, *letters: DeadLetter) -> int:
        """Send these again, each to the actor that could not do it, with its inputs and state; or all there are.

        Those are no dead letters any more; what fails once more becomes one anew.

        Returns:
            How many were sent.

        Raises:
            NodeloomError: one of them is none of these, or not any more.
        """
        chosen = letters or tuple(self._letters)
        for letter in chosen:
            self.discard(letter)
            try:
                await self._again(letter)
            except BaseException:
                self._letters.appendleft(letter)
                raise
        return len(chosen)

    def discard(self, letter: DeadLetter) -> None:
        """Forget one.

        Raises:
            NodeloomError: it is none of these, or not any more.
        """
        for place, each in enumerate(self._letters):
            if each is letter:
                del self._letters[place]
                return
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
