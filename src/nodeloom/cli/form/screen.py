"""Where a form is asked: lines to a person, and lines from one."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from ..report import UsageError, harmless

__all__ = ["Back", "Screen"]

BACK = "-"


class Back(Exception):
    """The person goes back one question."""


class Screen:
    """The terminal: questions go to standard error, so that standard output holds what the command makes."""

    def say(self, *lines: str) -> None:
        """Write lines."""
        for line in lines:
            print(harmless(line), file=sys.stderr)
        sys.stderr.flush()

    def problems(self, messages: Iterable[str]) -> None:
        """Say what is wrong."""
        self.say(*(f"  ! {message}" for message in messages))

    def ask(self, prompt: str = "> ") -> str:
        """A line from the person, without the blanks around it.

        Raises:
            Back: it is a `-`. UsageError: there are no more lines.
        """
        answer = self.line(prompt).strip()
        if answer == BACK:
            raise Back
        return answer

    def line(self, prompt: str = "> ") -> str:
        """A line from the person as it is."""
        sys.stderr.write(prompt)
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            sys.stderr.write("\n")
            raise UsageError("the input ended before the form was filled in; nothing was written")
        return line.removesuffix("\n")

    def agree(self, question: str) -> bool:
        """Whether the person says yes."""
        while True:
            answer = self.ask(f"{question} (y/n) ").lower()
            if answer in ("y", "yes"):
                return True
            if answer in ("", "n", "no"):
                return False
            self.problems([f"answer y or n, not {answer!r}"])
