"""The bounds of the language (rule 12.1: bounds on time and output).

The language has no loops and no variables, so what one evaluation does is bounded by its text. `MAX_WORK` bounds
what its costly operations do together, and the others what each of them makes.
"""

from __future__ import annotations

from typing import Final

MAX_TEXT: Final = 10_000
"""Characters of one expression."""

MAX_DEPTH: Final = 64
"""Levels of nesting: brackets, calls and operators inside one another."""

MAX_STRUCTURE_DEPTH: Final = 200
"""Levels of lists and maps in a value that is compiled as a template."""

MAX_CHARACTERS: Final = 1_000_000
"""Characters of a text that an operation or a function makes."""

MAX_ITEMS: Final = 100_000
"""Items of a list that an operation or a function makes."""

MAX_BITS: Final = 4_096
"""Bits of a whole number that is written or made."""

MAX_OUTPUT: Final = 10_000_000
"""Characters that one rendering of a template makes."""

MAX_PATTERN: Final = 1_000
"""Characters of a regular expression."""

MAX_WORK: Final = 20_000_000
"""Units of work in one evaluation of an expression, or of all expressions in a template: one for a
character that is read or made, ten for an item of a list or map, one for a way in which a pattern may match. A unit is
some 10 ns, often less."""

MAX_FORESIGHT: Final = 10_000
"""Units of work that may be done to know the value of an expression before any run."""
