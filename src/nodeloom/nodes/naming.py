"""How nodes are called: ids, words for people, where a type is from."""

from __future__ import annotations

import re
import sys

__all__ = ["first_paragraph", "in_words", "module_name", "snake_case"]


def snake_case(name: str) -> str:
    """`FetchPage` as `fetch_page`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"\W+", "_", words).strip("_").lower() or "node"


def in_words(name: str) -> str:
    """`FetchPage` as `Fetch page`."""
    words = snake_case(name).replace("_", " ")
    return words[:1].upper() + words[1:]


def first_paragraph(doc: str | None) -> str:
    """The first paragraph of a docstring, as one line."""
    return " ".join((doc or "").strip().split("\n\n")[0].split())


def module_name(cls: type) -> str:
    """The module a class is in; of a file that a registry found in a folder, the file's name."""
    found = getattr(sys.modules.get(cls.__module__), "__nodeloom_name__", None)
    return found if isinstance(found, str) else cls.__module__
