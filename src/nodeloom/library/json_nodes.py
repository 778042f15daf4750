"""`json.read`, `json.write` and `json.parse`."""

from __future__ import annotations

from typing import Any

from nodeloom import Context, Field, Node, Params
from nodeloom.errors import LimitExceeded

from .files import MAX_BYTES, PATH, Written
from .places import WriteMode, locate, read_bytes, write_bytes
from .texts import as_json, as_text, from_json

__all__ = ["JsonParse", "JsonRead", "JsonWrite"]


class ReadParams(Params):
    path: str = Field(label="Path", placeholder="data.json", description=PATH)
    max_bytes: int = Field(MAX_BYTES, ge=1, label="Largest size", description="In bytes; a larger file fails.")


class JsonRead(Node):
    """Read a JSON file.

    Raises: ContentError naming file, line and column; PathNotAllowed, LimitExceeded, and the system's own errors.
    """

    identifier = "json.read"
    display_name = "Read JSON"
    icon = "braces"
    category = "Files"

    class Outputs(Params):
        value: Any = Field(description="What the file holds.")
        path: str = Field(description="The whole path.")

    def work(self, params: ReadParams, ctx: Context) -> dict[str, Any]:
        place = locate(params.path, ctx.setting("file_roots"))
        text = as_text(read_bytes(place, params.max_bytes), "utf-8", params.path)
        return {"value": from_json(text, params.path), "path": str(place.path)}


class WriteParams(Params):
    path: str = Field(label="Path", placeholder="out/data.json", description=PATH)
    value: Any = Field(label="Value")
    mode: WriteMode = Field(
        "write",
        label="Mode",
        description="`write` replaces the file whole, `append` adds a line, `create` refuses one that exists.",
    )
    indent: int | None = Field(
        2, ge=0, le=16, label="Indent", description="In spaces; none, and always with `append`: all in one line."
    )
    sort_keys: bool = Field(False, label="Sort keys")
    make_parents: bool = Field(False, label="Make folders", description="Make the folders the file is in.")


class JsonWrite(Node):
    """Write a value to a JSON file; with `append`, as one more line of it (JSON Lines).

    Raises: ContentError naming the part of the value that JSON has no form for; PathNotAllowed, FileExistsError
    with `create`, and the system's own errors.
    """

    identifier = "json.write"
    display_name = "Write JSON"
    icon = "braces"
    category = "Files"
    Outputs = Written

    def work(self, params: WriteParams, ctx: Context) -> dict[str, Any]:
        place = locate(params.path, ctx.setting("file_roots"))
        indent = None if params.mode == "append" else params.indent
        text = as_json(params.value, params.path, indent=indent, sort_keys=params.sort_keys) + "\n"
        data = text.encode("utf-8", "backslashreplace")  # lone surrogates as JSON's own \uXXXX
        write_bytes(place, data, params.mode, make_parents=params.make_parents)
        return {"path": str(place.path), "size": len(data)}


class ParseParams(Params):
    text: str = Field(label="Text", description="JSON text, as a body or what a command wrote.")
    max_characters: int = Field(MAX_BYTES, ge=1, label="Longest text", description="In characters.")


class JsonParse(Node):
    """Read JSON from a text.

    Raises: ContentError naming line and column; LimitExceeded.
    """

    identifier = "json.parse"
    display_name = "Parse JSON"
    icon = "braces"
    category = "Data"

    class Outputs(Params):
        value: Any = Field(description="What the text holds.")

    def work(self, params: ParseParams) -> dict[str, Any]:
        if len(params.text) > params.max_characters:
            raise LimitExceeded(
                f"the text has {len(params.text):,} characters, more than {params.max_characters:,} (max_characters)"
            )
        return {"value": from_json(params.text, "the text")}
