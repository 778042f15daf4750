"""`nodeloom form`: a node's form, filled in on a terminal or from given values, as an entry of a document."""

from __future__ import annotations

from .command import form_command

__all__ = ["form_command"]
