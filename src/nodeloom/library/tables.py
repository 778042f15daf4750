"""CSV text as rows, and rows as CSV text."""

from __future__ import annotations

import csv
import difflib
import io
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, cast

from nodeloom.errors import LimitExceeded

from .texts import ContentError, as_json

__all__ = ["CellType", "as_table", "from_table"]

CellType = Literal["integer", "number", "boolean", "string"]
Numbered = Iterator[tuple[int, list[str]]]


def from_table(
    text: str,
    source: str,
    *,
    delimiter: str,
    header: bool,
    columns: Sequence[str] | None,
    types: Mapping[str, CellType],
    max_rows: int,
) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of a CSV text, each a mapping of column to value, and the columns.

    Raises:
        ContentError: naming source, line and column. LimitExceeded: more than `max_rows` rows, or a cell too long.
    """
    numbered = _numbered(text, source, delimiter)
    names = _names(numbered, source, columns, header)
    kept = list(columns) if columns is not None else names
    _require([*kept, *types], names, source)
    readers: list[tuple[int, str, Callable[[str], Any]]] = [
        (names.index(name), name, _READERS[types.get(name, "string")]) for name in kept
    ]
    rows: list[dict[str, Any]] = []
    for line, cells in numbered:
        if len(rows) >= max_rows:
            raise LimitExceeded(f"{source} has more than {max_rows:,} rows (max_rows)")
        if len(cells) != len(names):
            raise ContentError(
                f"{source}, line {line}: the row has {len(cells)} cells, but there are {len(names)} columns"
            )
        rows.append(_row(cells, readers, f"{source}, line {line}"))
    return rows, kept


def as_table(rows: Sequence[Any], source: str, columns: Sequence[str] | None, delimiter: str, header: bool) -> str:
    """Rows as CSV text.

    Raises:
        ContentError: a row that does not fit its columns, or a cell that has no form; names the row, from 1.
    """
    names = list(columns) if columns is not None else _keys(rows)
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    if header and names:
        writer.writerow(names)
    for number, row in enumerate(rows, 1):
        where = f"{source}, row {number}"
        writer.writerow([_cell(cell, where) for cell in _cells_of(row, names, where)])
    return text.getvalue()


def _numbered(text: str, source: str, delimiter: str) -> Numbered:
    """The rows that hold anything, each with the line it begins in, from 1."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            if "field larger" in str(error):
                raise LimitExceeded(f"{source}, line {line}: a cell is too long: {error}") from None
            raise ContentError(f"{source}, line {line}: it is not CSV: {error}") from None
        if cells is None:
            return
        if cells:
            yield line, cells


def _names(numbered: Numbered, source: str, columns: Sequence[str] | None, header: bool) -> list[str]:
    """The columns of the text: those its first row names, or those that were given."""
    if not header:
        if columns is None:
            raise ContentError(f"{source}: without a header, name its columns (columns)")
        names = list(columns)
    else:
        _, names = next(numbered, (0, list[str]()))
        if not names:
            raise ContentError(f"{source} is empty: not even a header is there")
    twice = [name for index, name in enumerate(names) if name in names[:index]]
    if twice:
        raise ContentError(f"{source}, line 1: two columns are named {twice[0]!r}")
    return names


def _require(wanted: Sequence[str], names: Sequence[str], source: str) -> None:
    for name in wanted:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ContentError(f"{source} has no column {name!r}{hint} (columns: {', '.join(names)})")


def _row(cells: list[str], readers: Sequence[tuple[int, str, Callable[[str], Any]]], where: str) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for index, name, read in readers:
        try:
            row[name] = read(cells[index])
        except ValueError as error:
            shown = cells[index] if len(cells[index]) <= 40 else cells[index][:37] + "..."
            raise ContentError(f"{where}, column {name!r} (cell {index + 1}): {shown!r} is no {error}") from None
    return row


def _integer(cell: str) -> int | None:
    cell = cell.strip()
    if not cell:
        return None
    if not re.fullmatch(r"[+-]?[0-9]{1,4000}", cell):
        raise ValueError("integer")
    return int(cell)


def _number(cell: str) -> float | None:
    cell = cell.strip()
    if not cell:
        return None
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", cell):
        raise ValueError("number")
    number = float(cell)
    if math.isinf(number):
        raise ValueError("number that fits")
    return number


def _boolean(cell: str) -> bool | None:
    word = cell.strip().lower()
    if word not in _BOOLEANS:
        raise ValueError("boolean (true, false, yes, no, 1, 0)")
    return _BOOLEANS[word]


_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False, "": None}
_READERS: dict[str, Callable[[str], Any]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "string": str,
}


def _keys(rows: Sequence[Any]) -> list[str]:
    """The keys of the rows that are mappings, in the order they first appear."""
    mappings = [cast("Mapping[str, Any]", row) for row in rows if isinstance(row, Mapping)]
    return list(dict.fromkeys(str(key) for row in mappings for key in row))


def _cells_of(row: Any, names: Sequence[str], where: str) -> list[Any]:
    if isinstance(row, Mapping):
        cells = {**cast("Mapping[str, Any]", row)}  # of a read-only mapping, a column may stand where a method was
        return [cells.get(name) for name in names]
    if names and len(row) != len(names):
        raise ContentError(f"{where}: it has {len(row)} cells, but there are {len(names)} columns")
    return list(row)


def _cell(value: Any, where: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return as_json(value, where)
