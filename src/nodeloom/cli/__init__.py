"""The command line: `nodeloom run`, `validate`, `draw`, `nodes`, `new`, `demo`, `top`, `secrets`."""

from __future__ import annotations

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run a command, and give its exit code.

    Args:
        arguments: the words after `nodeloom`; the process's own by default.

    Returns:
        0 completed, 1 failed, 2 wrong usage or an invalid document, 130 and 143 interrupted, 141 nobody reads.
    """
    from .app import invoke

    return invoke(arguments)
