"""The bounds of the language (rule 12.1: bounds on time and output).

The language has no loops and no variables, so the work of one expression is at most its length
times what one operation may do; these bounds say how much that is.
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

MAX_PATTERN_WORK: Final = 100_000_000
"""Ways, as estimated from above, in which a regular expression may try to match one text."""
