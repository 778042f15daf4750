"""A document's text as plain data with places: YAML or JSON, bounded before it can hurt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .building import MAX_SIZE, Builder
from .json_text import read_json
from .places import Place, Source, refusal
from .yaml_text import read_yaml

__all__ = ["read_file", "read_mapping", "read_text"]

_JSON_START = re.compile(r'\s*(?:\{\s*["}]|\[\s*["{\[\]])')
_BINARY = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read_file(path: str | Path) -> Source:
    """The document in a file.

    Raises:
        DocumentError: it cannot be read, is too large, or is neither YAML nor JSON.
    """
    name = str(path)
    if isinstance(path, str) and ("\n" in path or len(path) > 4_000):
        raise refusal("document", "no_file", "this is a text, not the path of a file; use load_text(text)")
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_SIZE + 1)
    except IsADirectoryError:
        raise refusal(name, "no_file", f"{name} is a folder; name the document in it") from None
    except FileNotFoundError:
        raise refusal(name, "no_file", f"there is no file {name}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise refusal(name, "no_file", f"{name} cannot be read: {reason}") from None
    return read_text(content, name)


def read_text(text: str | bytes, name: str = "document") -> Source:
    """The document in a text: JSON when its name ends in `.json` or it begins like JSON, else YAML.

    Raises:
        DocumentError: it is too large, or neither YAML nor JSON.
    """
    if len(text) > MAX_SIZE:
        what = f"a document holds at most {MAX_SIZE:,} bytes, and this holds more; keep data in files that nodes read"
        raise refusal(name, "too_large", what)
    readable = _decoded(text, name) if isinstance(text, bytes) else text.removeprefix("\ufeff")
    if _is_json(readable, name):
        builder = Builder(name)
        read_json(readable, builder)
        return builder.source()
    junk = _BINARY.search(readable)
    if junk is not None:
        what = f"YAML is text, and this holds the character U+{ord(junk.group()):04X}; write it as an escape, in quotes"
        raise refusal(name, "encoding", what, _place(readable, junk.start()))
    return read_yaml(readable, name).source()


def read_mapping(document: Mapping[str, Any], name: str = "document") -> Source:
    """A document given as a mapping; what is read is a copy.

    Raises:
        DocumentError: past a bound.
    """
    builder = Builder(name)
    builder.value(document, None)
    return builder.source()


def _is_json(text: str, name: str) -> bool:
    suffix = Path(name[-100:]).suffix.lower()
    if suffix in (".yaml", ".yml"):
        return False
    return suffix == ".json" or _JSON_START.match(text) is not None


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace")
        what = f"a document is text in UTF-8, and the byte 0x{content[error.start]:02X} here is not"
        raise refusal(name, "encoding", what, _place(before, len(before))) from None


def _place(text: str, position: int) -> Place:
    return Place(text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position))
