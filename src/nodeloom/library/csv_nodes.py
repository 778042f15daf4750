"""`csv.read`, `csv.write` and `csv.parse`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import field_validator

from nodeloom import Context, Field, Node, Params
from nodeloom.errors import LimitExceeded

from .files import MAX_BYTES, PATH, Written
from .places import WriteMode, locate, read_bytes, write_bytes
from .tables import CellType, as_table, from_table
from .texts import as_bytes, as_text, check_encoding

__all__ = ["CsvParse", "CsvRead", "CsvWrite"]


class TableParams(Params):
    """What says how CSV text is read."""

    delimiter: str = Field(",", min_length=1, max_length=1, label="Delimiter", description="One character.")
    header: bool = Field(True, label="Header", description="The first row names the columns.")
    columns: list[str] | None = Field(
        None, label="Columns", description="With a header: those to keep. Without one: their names."
    )
    types: dict[str, CellType] = Field(
        default_factory=dict,
        label="Types",
        description="Column to integer, number, boolean or string (default). An empty cell that is no string is null.",
    )
    max_rows: int = Field(1_000_000, ge=1, label="Most rows", description="More rows than these fail.")

    @field_validator("delimiter")
    @classmethod
    def _delimits(cls, value: str) -> str:
        if value in '"\r\n':
            raise ValueError("a quote or an end of line cannot delimit")
        return value


class Rows(Params):
    rows: list[dict[str, Any]] = Field(description="A mapping of column to value for each row.")
    columns: list[str]
    count: int = Field(description="How many rows.")


class ReadParams(TableParams):
    path: str = Field(label="Path", placeholder="table.csv", description=PATH)
    encoding: str = Field("utf-8-sig", label="Encoding", description="The default is UTF-8, with or without a mark.")
    max_bytes: int = Field(MAX_BYTES, ge=1, label="Largest size", description="In bytes; a larger file fails.")

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str) -> str:
        return check_encoding(value)


class CsvRead(Node):
    """Read a CSV file as a list of mappings.

    Raises: ContentError naming file, line and column; PathNotAllowed, LimitExceeded, and the system's own errors.
    """

    identifier = "csv.read"
    display_name = "Read CSV"
    icon = "table"
    category = "Files"
    Outputs = Rows

    def work(self, params: ReadParams, ctx: Context) -> dict[str, Any]:
        place = locate(params.path, ctx.setting("file_roots"))
        text = as_text(read_bytes(place, params.max_bytes), params.encoding, params.path)
        return _rows(text, params.path, params)


class ParseParams(TableParams):
    text: str = Field(label="Text", description="CSV text, as a body or what a command wrote.")
    max_characters: int = Field(MAX_BYTES, ge=1, label="Longest text", description="In characters.")


class CsvParse(Node):
    """Read CSV from a text as a list of mappings.

    Raises: ContentError naming line and column; LimitExceeded.
    """

    identifier = "csv.parse"
    display_name = "Parse CSV"
    icon = "table"
    category = "Data"
    Outputs = Rows

    def work(self, params: ParseParams) -> dict[str, Any]:
        if len(params.text) > params.max_characters:
            raise LimitExceeded(
                f"the text has {len(params.text):,} characters, more than {params.max_characters:,} (max_characters)"
            )
        return _rows(params.text.removeprefix("\ufeff"), "the text", params)


class WriteParams(Params):
    path: str = Field(label="Path", placeholder="out/table.csv", description=PATH)
    rows: list[Any] = Field(label="Rows", description="Mappings of column to value, or lists of values.")
    columns: list[str] | None = Field(
        None, label="Columns", description="Which, and in what order; else those of the rows as they appear."
    )
    delimiter: str = Field(",", min_length=1, max_length=1, label="Delimiter", description="One character.")
    header: bool = Field(True, label="Header", description="Begin with a row that names the columns.")
    mode: WriteMode = Field(
        "write",
        label="Mode",
        description="`write` replaces the file whole, `append` adds to its end, `create` refuses one that exists.",
    )
    make_parents: bool = Field(False, label="Make folders", description="Make the folders the file is in.")

    @field_validator("rows")
    @classmethod
    def _rows_fit(cls, value: list[Any]) -> list[Any]:
        for index, row in enumerate(value):
            if not isinstance(row, Mapping | list | tuple):
                raise ValueError(f"row {index} is a {type(row).__name__}; a row is a mapping or a list")
        return value


class CsvWrite(Node):
    """Write rows to a CSV file (UTF-8, rows end with CR LF as RFC 4180 says).

    A null is an empty cell, true and false are written as such, a mapping or list within a cell as JSON.
    Raises: ContentError naming row and column; PathNotAllowed, FileExistsError with `create`, and the system's own.
    """

    identifier = "csv.write"
    display_name = "Write CSV"
    icon = "table"
    category = "Files"

    class Outputs(Written):
        count: int = Field(description="How many rows.")

    def work(self, params: WriteParams, ctx: Context) -> dict[str, Any]:
        place = locate(params.path, ctx.setting("file_roots"))
        text = as_table(params.rows, params.path, params.columns, params.delimiter, params.header)
        data = as_bytes(text, "utf-8", params.path)
        write_bytes(place, data, params.mode, make_parents=params.make_parents)
        return {"path": str(place.path), "size": len(data), "count": len(params.rows)}


def _rows(text: str, source: str, params: TableParams) -> dict[str, Any]:
    rows, columns = from_table(
        text,
        source,
        delimiter=params.delimiter,
        header=params.header,
        columns=params.columns,
        types=params.types,
        max_rows=params.max_rows,
    )
    return {"rows": rows, "columns": columns, "count": len(rows)}
