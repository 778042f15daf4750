"""`file.read` and `file.write`."""

from __future__ import annotations

from typing import Any

from pydantic import field_validator

from nodeloom import Context, Field, Node, Params

from .places import WriteMode, locate, read_bytes, write_bytes
from .texts import as_bytes, as_json, as_text, check_encoding

__all__ = ["MAX_BYTES", "FileRead", "FileWrite", "Written"]

MAX_BYTES = 10_000_000
PATH = "Below the folders the engine allows; a relative path is below the first of them."


class ReadParams(Params):
    path: str = Field(label="Path", placeholder="notes/today.txt", description=PATH)
    encoding: str = Field("utf-8", label="Encoding", description="A text encoding, or `bytes` for none.")
    max_bytes: int = Field(MAX_BYTES, ge=1, label="Largest size", description="In bytes; a larger file fails.")

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str) -> str:
        return value if value == "bytes" else check_encoding(value)


class FileRead(Node):
    """Read a file, as text or as bytes.

    Raises: PathNotAllowed, LimitExceeded, ContentError for what is not text of that encoding, and the system's own
    errors (FileNotFoundError, PermissionError, ...), each naming the file.
    """

    identifier = "file.read"
    display_name = "Read a file"
    icon = "file-text"
    category = "Files"

    class Outputs(Params):
        content: Any = Field(description="Text, or bytes.")
        path: str = Field(description="The whole path.")
        size: int = Field(description="In bytes.")

    def work(self, params: ReadParams, ctx: Context) -> dict[str, Any]:
        place = locate(params.path, ctx.setting("file_roots"))
        data = read_bytes(place, params.max_bytes)
        content = data if params.encoding == "bytes" else as_text(data, params.encoding, params.path)
        return {"content": content, "path": str(place.path), "size": len(data)}


class WriteParams(Params):
    path: str = Field(label="Path", placeholder="out/report.txt", description=PATH)
    content: Any = Field(label="Content", description="Text or bytes as they are; any other value as JSON.")
    mode: WriteMode = Field(
        "write",
        label="Mode",
        description="`write` replaces the file whole, `append` adds to its end, `create` refuses one that exists.",
    )
    encoding: str = Field("utf-8", label="Encoding", description="For text.")
    make_parents: bool = Field(False, label="Make folders", description="Make the folders the file is in.")

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str) -> str:
        return check_encoding(value)


class Written(Params):
    """What a node that writes a file gives."""

    path: str = Field(description="The whole path.")
    size: int = Field(description="What was written, in bytes.")


class FileWrite(Node):
    """Write a file: text, bytes, or any value as JSON.

    A file is replaced whole or not at all. Raises: PathNotAllowed, ContentError for a value that cannot be written,
    FileExistsError with `create`, and the system's own errors, each naming the file.
    """

    identifier = "file.write"
    display_name = "Write a file"
    icon = "file-pen"
    category = "Files"
    Outputs = Written

    def work(self, params: WriteParams, ctx: Context) -> dict[str, Any]:
        place = locate(params.path, ctx.setting("file_roots"))
        data = _content(params)
        write_bytes(place, data, params.mode, make_parents=params.make_parents)
        return {"path": str(place.path), "size": len(data)}


def _content(params: WriteParams) -> bytes:
    content = params.content
    if isinstance(content, bytes | bytearray):
        return bytes(content)
    text = content if isinstance(content, str) else as_json(content, params.path, indent=2) + "\n"
    return as_bytes(text, params.encoding, params.path)
