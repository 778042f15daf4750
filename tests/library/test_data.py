"""JSON and CSV nodes, on files and on texts."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.library.conftest import Bench
from tests.library.web import Web

from nodeloom import Graph, ParamsError
from nodeloom.errors import LimitExceeded, PathNotAllowed
from nodeloom.library import ContentError, CsvParse, CsvRead, CsvWrite, HttpRequest, JsonParse, JsonRead, JsonWrite

PEOPLE = 'name,age,tall\r\nAda,36,true\r\n"Grace, H.",,no\r\n'


# --- JSON


@pytest.mark.parametrize("value", [{}, [], 0, 0.0, "", None, False, {"items": [1, {"ü": "\ud800"}]}, 10**40])
async def test_json_that_is_written_is_read_back(bench: Bench, value: object) -> None:
    """1.8."""
    await bench.run(JsonWrite(path="f.json", value=value))
    assert (await bench.run(JsonRead(path="f.json")))["value"] == value


async def test_json_is_indented_and_sorted_as_asked(root: Path, bench: Bench) -> None:
    await bench.run(JsonWrite(path="f", value={"b": 1, "a": 2}, indent=None, sort_keys=True))
    assert (root / "f").read_text() == '{"a": 2, "b": 1}\n'


async def test_appended_values_are_json_lines(root: Path, bench: Bench) -> None:
    for n in range(2):
        await bench.run(JsonWrite(path="log.jsonl", value={"n": n}, mode="append"))
    assert (root / "log.jsonl").read_text() == '{"n": 0}\n{"n": 1}\n'


async def test_a_byte_order_mark_is_no_part_of_json(root: Path, bench: Bench) -> None:
    (root / "f").write_bytes(b"\xef\xbb\xbf[1]")
    assert (await bench.run(JsonRead(path="f")))["value"] == [1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1,\n  b: 2}', r"line 2, column 3: Expecting property name"),
        ("", r"line 1, column 1: Expecting value"),
        ("[1] 2", r"line 1, column 5: Extra data"),
        ("[NaN]", r"NaN is a number JSON does not have"),
        ("[1, -1e400]", r"-1e400 is too large for a number"),
        ("[" * 200_000, r"is JSON nested too deep to be read"),
        ("1" * 5000, r"is not JSON"),
    ],
)
async def test_what_is_no_json_is_one_message_with_its_place(root: Path, bench: Bench, text: str, reason: str) -> None:
    (root / "f.json").write_text(text)
    with pytest.raises(ContentError, match=rf"f\.json .*{reason}"):
        await bench.run(JsonRead(path="f.json"))
    with pytest.raises(ContentError, match=rf"the text .*{reason}"):
        await bench.run(JsonParse(text="{{ inputs.text }}"), {"text": text})


async def test_json_nodes_keep_to_the_roots_and_the_limits(root: Path, bench: Bench) -> None:
    with pytest.raises(PathNotAllowed):
        await bench.run(JsonRead(path="../secret.txt"))
    with pytest.raises(PathNotAllowed):
        await bench.run(JsonWrite(path="../x", value=1))
    with pytest.raises(LimitExceeded, match=r"4 characters, more than 3"):
        await bench.run(JsonParse(text="1234", max_characters=3))
    (root / "f").write_text("1234")
    with pytest.raises(LimitExceeded):
        await bench.run(JsonRead(path="f", max_bytes=3))
    (root / "f").write_bytes(b"\xff")
    with pytest.raises(ContentError, match="f is not utf-8 text"):
        await bench.run(JsonRead(path="f"))


async def test_a_step_after_a_request_parses_its_body(web: Web, bench: Bench) -> None:
    fetch = HttpRequest(url=web.url + "/echo", parse="text", id="fetch")
    fetch >> JsonParse(text="{{ outputs.fetch.body }}")
    assert (await bench.graph(Graph(fetch)))["value"]["method"] == "GET"


# --- CSV


async def test_rows_are_mappings_with_types(root: Path, bench: Bench) -> None:
    (root / "p.csv").write_bytes(b"\xef\xbb\xbf" + PEOPLE.encode())
    result = await bench.run(CsvRead(path="p.csv", types={"age": "integer", "tall": "boolean"}))
    assert result["rows"] == [
        {"name": "Ada", "age": 36, "tall": True},
        {"name": "Grace, H.", "age": None, "tall": False},
    ]
    assert (result["columns"], result["count"]) == (["name", "age", "tall"], 2)


async def test_columns_choose_and_order_or_name_what_has_no_header(bench: Bench) -> None:
    chosen = await bench.run(CsvParse(text=PEOPLE, columns=["tall", "name"]))
    assert chosen["rows"][0] == {"tall": "true", "name": "Ada"}
    named = await bench.run(CsvParse(text="1;2\n3;4", delimiter=";", header=False, columns=["a", "b"]))
    assert named["rows"] == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]


@pytest.mark.parametrize(
    ("cell", "kind", "value"),
    [
        (" 7 ", "integer", 7),
        ("-0", "integer", 0),
        ("1e3", "number", 1000.0),
        (".5", "number", 0.5),
        ("", "number", None),
        ("", "string", ""),
        ("YES", "boolean", True),
    ],
)
async def test_a_cell_is_read_as_its_type(bench: Bench, cell: str, kind: str, value: object) -> None:
    result = await bench.run(CsvParse(text=f"a,b\n{cell},x\n", types={"a": kind}))
    assert result["rows"] == [{"a": value, "b": "x"}]


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("1.0", "integer"),
        ("1_0", "integer"),
        ("nan", "number"),
        ("inf", "number"),
        ("1e999", "number"),
        ("ja", "boolean"),
    ],
)
async def test_a_cell_that_does_not_fit_is_named_with_file_line_and_column(
    root: Path, bench: Bench, cell: str, kind: str
) -> None:
    (root / "t.csv").write_text(f'a,b\n"two\nlines",1\nx,{cell}\n')
    with pytest.raises(ContentError, match=rf"t\.csv, line 4, column 'b' \(cell 2\): '{cell}' is no {kind}"):
        await bench.run(CsvRead(path="t.csv", types={"b": kind}))


@pytest.mark.parametrize(
    ("text", "params", "reason"),
    [
        ("a,b\n1,2\n\n3\n", {}, r"the text, line 4: the row has 1 cells, but there are 2 columns"),
        ("a,b\n1,2,3\n", {}, r"line 2: the row has 3 cells"),
        ('a\n"open', {}, r"line 2: it is not CSV"),
        ('a\n"x"y\n', {}, r"line 2: it is not CSV"),
        ("a,a\n", {}, r"line 1: two columns are named 'a'"),
        ("", {}, r"the text is empty"),
        ("1,2", {"header": False}, r"without a header, name its columns"),
        ("name\nx", {"types": {"nmae": "integer"}}, r"no column 'nmae'; did you mean 'name'\? \(columns: name\)"),
        ("name\nx", {"columns": ["age"]}, r"no column 'age' \(columns: name\)"),
    ],
)
async def test_what_is_no_table_is_one_message_with_its_line(
    bench: Bench, text: str, params: dict, reason: str
) -> None:
    with pytest.raises(ContentError, match=reason):
        await bench.run(CsvParse(text="{{ inputs.text }}", **params), {"text": text})


async def test_csv_nodes_keep_to_the_roots_and_the_limits(root: Path, bench: Bench) -> None:
    with pytest.raises(PathNotAllowed):
        await bench.run(CsvRead(path="../secret.txt"))
    with pytest.raises(PathNotAllowed):
        await bench.run(CsvWrite(path="../x", rows=[]))
    with pytest.raises(LimitExceeded, match=r"the text has more than 2 rows \(max_rows\)"):
        await bench.run(CsvParse(text="a\n1\n2\n3", max_rows=2))
    with pytest.raises(LimitExceeded, match="line 2: a cell is too long"):
        await bench.run(CsvParse(text="a\n" + "x" * 200_000))
    with pytest.raises(LimitExceeded):
        await bench.run(CsvParse(text="a\n1", max_characters=2))
    (root / "f").write_bytes(b"a\n\xff\n")
    with pytest.raises(ContentError, match=r"byte 0xff at offset 2 \(line 2\)"):
        await bench.run(CsvRead(path="f", encoding="utf-8"))


async def test_rows_that_are_written_are_read_back(root: Path, bench: Bench) -> None:
    rows = [{"a": 'x,"y"', "b": None}, {"a": "", "c": [1, True]}, {"b": 0, "c": False}]
    written = await bench.run(CsvWrite(path="t.csv", rows=rows))
    assert written["count"] == 3
    assert (root / "t.csv").read_bytes() == b'a,b,c\r\n"x,""y""",,\r\n,,"[1, true]"\r\n,0,false\r\n'
    assert (await bench.run(CsvRead(path="t.csv")))["rows"][2] == {"a": "", "b": "0", "c": "false"}


async def test_lists_are_rows_and_columns_choose_what_is_written(root: Path, bench: Bench) -> None:
    await bench.run(CsvWrite(path="t", rows=[[1, 2], (3, 4)], columns=["a", "b"], delimiter="\t"))
    assert (root / "t").read_text().splitlines() == ["a\tb", "1\t2", "3\t4"]
    await bench.run(CsvWrite(path="t", rows=[{"a": 1, "b": 2}], columns=["b"], header=False, mode="append"))
    assert (root / "t").read_text().splitlines()[-1] == "2"


async def test_a_row_that_does_not_fit_its_columns_is_named(bench: Bench) -> None:
    with pytest.raises(ContentError, match="t, row 2: it has 1 cells, but there are 2 columns"):
        await bench.run(CsvWrite(path="t", rows=[[1, 2], [3]], columns=["a", "b"]))
    with pytest.raises(ParamsError, match="row 1 is a int; a row is a mapping or a list"):
        CsvWrite(path="t", rows=[[1], 2])


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n"])
def test_a_delimiter_is_one_character_that_can_delimit(delimiter: str) -> None:
    with pytest.raises(ParamsError, match=r"params\.delimiter"):
        CsvParse(text="", delimiter=delimiter)


def test_an_unknown_type_is_refused_when_the_node_is_made() -> None:
    with pytest.raises(ParamsError, match=r"params\.types\.a"):
        CsvParse(text="", types={"a": "date"})
