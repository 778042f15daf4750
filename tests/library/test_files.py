"""`file.read` and `file.write` on a real disk."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest
from tests.library.conftest import Bench

from nodeloom import Engine, Graph, ParamsError, node
from nodeloom.errors import LimitExceeded, PathNotAllowed
from nodeloom.library import ContentError, FileRead, FileWrite, places


async def test_what_is_written_is_read_back(root: Path, bench: Bench) -> None:
    written = await bench.run(FileWrite(path="note.txt", content="grüß\r\ndich\n"))
    assert written == {"path": str(root / "note.txt"), "size": 13}
    assert await bench.run(FileRead(path="note.txt")) == {"content": "grüß\r\ndich\n", **written}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\x00\xff", b"\x00\xff"),
        ("", b""),
        ({"b": [1, None, "ü"]}, '{\n  "b": [\n    1,\n    null,\n    "ü"\n  ]\n}\n'.encode()),
        (0, b"0\n"),
        (None, b"null\n"),
        (False, b"false\n"),
        ([], b"[]\n"),
    ],
)
async def test_bytes_and_text_are_written_as_they_are_and_other_values_as_json(
    root: Path, bench: Bench, content: object, expected: bytes
) -> None:
    """1.8."""
    await bench.run(FileWrite(path="f", content=content))
    assert (root / "f").read_bytes() == expected


async def test_what_a_step_was_given_can_be_written_though_it_is_read_only(root: Path, bench: Bench) -> None:
    """4.8."""
    await bench.run(FileWrite(path="f", content="{{ inputs }}"), {"items": [1], "values": {"keys": 2}})
    assert (root / "f").read_text().split() == [
        "{",
        '"items":',
        "[",
        "1",
        "],",
        '"values":',
        "{",
        '"keys":',
        "2",
        "}",
        "}",
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"a": [object()]}, r"value\.a\[0\] is a object"),
        ({"a": float("nan")}, r"value\.a is nan"),
        ({(1, 2): 3}, r"value has a key that is a tuple"),
    ],
)
async def test_a_value_without_a_form_is_named_and_the_file_stays_as_it_was(
    root: Path, bench: Bench, content: object, reason: str
) -> None:
    (root / "f").write_text("before")
    with pytest.raises(ContentError, match="f: it cannot be written as JSON: " + reason):
        await bench.run(FileWrite(path="f", content=content))
    assert (root / "f").read_text() == "before"


async def test_a_value_that_holds_itself_is_one_message(bench: Bench) -> None:
    loop: list = []
    loop.append(loop)
    with pytest.raises(ContentError):
        await bench.run(FileWrite(path="f", content="{{ inputs.loop }}"), {"loop": loop})


async def test_a_file_is_replaced_whole_and_keeps_its_permissions(root: Path, bench: Bench) -> None:
    (root / "f").write_text("old" * 1000)
    (root / "f").chmod(0o640)
    with (root / "f").open() as reader:
        await bench.run(FileWrite(path="f", content="new"))
        assert reader.read() == "old" * 1000
    assert (root / "f").read_text() == "new"
    assert stat.S_IMODE((root / "f").stat().st_mode) == 0o640
    assert os.listdir(root) == ["f"]


async def test_a_write_that_fails_leaves_the_file_and_no_other(
    root: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "f").write_text("old")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nodeloom.library.places.os.write", full)
    with pytest.raises(OSError, match="cannot write f: No space left on device"):
        await bench.run(FileWrite(path="f", content="new"))
    monkeypatch.undo()
    assert (root / "f").read_text() == "old"
    assert os.listdir(root) == ["f"]


async def test_a_hundred_writers_at_once_leave_one_whole_file(root: Path, bench: Bench) -> None:
    await asyncio.gather(*[bench.run(FileWrite(path="f", content=str(n % 10) * 50_000)) for n in range(100)])
    text = (root / "f").read_text()
    assert len(text) == 50_000
    assert len(set(text)) == 1
    assert os.listdir(root) == ["f"]


async def test_append_adds_to_the_end_and_makes_the_file(root: Path, bench: Bench) -> None:
    for word in ("a", "b"):
        await bench.run(FileWrite(path="log", content=word + "\n", mode="append"))
    assert (root / "log").read_text() == "a\nb\n"


async def test_create_refuses_a_file_that_exists(root: Path, bench: Bench) -> None:
    await bench.run(FileWrite(path="f", content="1", mode="create"))
    with pytest.raises(FileExistsError, match="cannot write f: File exists"):
        await bench.run(FileWrite(path="f", content="2", mode="create"))
    assert (root / "f").read_text() == "1"


async def test_folders_are_made_only_when_asked(root: Path, bench: Bench) -> None:
    with pytest.raises(FileNotFoundError, match="cannot write a/b/f: No such file or directory"):
        await bench.run(FileWrite(path="a/b/f", content=""))
    await bench.run(FileWrite(path="a/b/f", content="x", make_parents=True))
    await bench.run(FileWrite(path="a/b/g", content="y", make_parents=True))
    assert sorted(os.listdir(root / "a/b")) == ["f", "g"]


# --- what cannot be read


async def test_a_file_that_is_missing_is_one_message_and_an_error_edge_catches_it(root: Path, bench: Bench) -> None:
    """2.5."""

    @node
    def sorry(ctx):
        return {"said": ctx.error["message"]}

    read = FileRead(path="none.txt", id="read")
    read.on_error(FileNotFoundError) >> sorry
    said = await bench.graph(Graph(read))
    assert said == {"said": f"cannot read none.txt: No such file or directory (looked in {root})"}


async def test_a_file_that_is_no_utf8_is_named_with_line_and_byte(root: Path, bench: Bench) -> None:
    (root / "f").write_bytes(b"one\ntwo \xff")
    with pytest.raises(ContentError, match=r"f is not utf-8 text: byte 0xff at offset 8 \(line 2\) cannot be read"):
        await bench.run(FileRead(path="f"))
    assert (await bench.run(FileRead(path="f", encoding="latin-1")))["content"] == "one\ntwo ÿ"
    assert (await bench.run(FileRead(path="f", encoding="bytes")))["content"] == b"one\ntwo \xff"


async def test_text_that_the_encoding_does_not_have_is_one_message(bench: Bench) -> None:
    with pytest.raises(ContentError, match="f: the text cannot be written as ascii"):
        await bench.run(FileWrite(path="f", content="ü", encoding="ascii"))


@pytest.mark.parametrize("name", ["klingon", "base64", "a\x00b", ""])
def test_an_unknown_encoding_is_refused_when_the_node_is_made(name: str) -> None:
    with pytest.raises(ParamsError, match=r"params\.encoding"):
        FileRead(path="f", encoding=name)


async def test_a_file_past_the_limit_fails_and_one_of_the_limit_does_not(root: Path, bench: Bench) -> None:
    (root / "f").write_bytes(b"x" * 1000)
    with pytest.raises(LimitExceeded, match=r"f is larger than 999 bytes \(max_bytes\)"):
        await bench.run(FileRead(path="f", max_bytes=999))
    assert (await bench.run(FileRead(path="f", max_bytes=1000)))["size"] == 1000


@pytest.mark.parametrize("path", [".", "sub", "sub/", "sub/.."])
async def test_a_folder_is_no_file(root: Path, bench: Bench, path: str) -> None:
    (root / "sub").mkdir()
    with pytest.raises(IsADirectoryError, match="cannot read"):
        await bench.run(FileRead(path=path))
    with pytest.raises(IsADirectoryError, match="cannot write"):
        await bench.run(FileWrite(path=path, content=""))
    assert os.listdir(root) == ["sub"]


async def test_a_pipe_without_a_writer_is_refused_at_once(root: Path, bench: Bench) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(OSError, match="cannot read pipe: it is no ordinary file"):
        await bench.run(FileRead(path="pipe"))
    with pytest.raises(OSError, match="cannot write pipe"):
        await bench.run(FileWrite(path="pipe", content="x", mode="append"))


async def test_a_file_as_a_folder_is_one_message(root: Path, bench: Bench) -> None:
    (root / "f").write_text("")
    with pytest.raises(NotADirectoryError, match="cannot read f/g: Not a directory"):
        await bench.run(FileRead(path="f/g"))


# --- where a path may lead


@pytest.mark.parametrize("path", ["../secret.txt", "sub/../../secret.txt", "{outside}", "/etc/passwd", "../root2/f"])
async def test_a_path_outside_of_the_roots_is_refused_and_named(root: Path, bench: Bench, path: str) -> None:
    (root / "sub").mkdir()
    path = path.replace("{outside}", str(root.parent / "secret.txt"))
    for node_ in (FileRead(path=path), FileWrite(path=path, content="x", make_parents=True)):
        with pytest.raises(PathNotAllowed, match="is outside of the folders this engine allows") as caught:
            await bench.run(node_)
        assert path in str(caught.value)
        assert str(root) in str(caught.value)
    assert (root.parent / "secret.txt").read_text() == "secret"
    assert not (root.parent / "root2").exists()


@pytest.mark.parametrize("target", ["file", "folder", "chain"])
async def test_a_link_out_of_the_roots_is_refused(root: Path, bench: Bench, target: str) -> None:
    link = root / "link"
    link.symlink_to({"file": "../secret.txt", "folder": "..", "chain": "other"}[target])
    (root / "other").symlink_to(root.parent / "secret.txt")
    path = "link/secret.txt" if target == "folder" else "link"
    for node_ in (FileRead(path=path), FileWrite(path=path, content="x")):
        with pytest.raises(PathNotAllowed, match="it leads to"):
            await bench.run(node_)
    assert (root.parent / "secret.txt").read_text() == "secret"


async def test_a_link_within_the_roots_is_followed_and_stays_a_link(root: Path, bench: Bench) -> None:
    (root / "real").write_text("old")
    (root / "link").symlink_to("real")
    await bench.run(FileWrite(path="link", content="new"))
    assert (root / "link").is_symlink()
    assert (await bench.run(FileRead(path="link")))["content"] == "new"
    assert (root / "real").read_text() == "new"


async def test_links_in_a_circle_are_refused(root: Path, bench: Bench) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(PathNotAllowed, match="there is a link on the way"):
        await bench.run(FileRead(path="a"))


@pytest.mark.parametrize("swapped", ["file", "folder"])
async def test_a_link_put_there_after_the_check_leads_nowhere(
    root: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch, swapped: str
) -> None:
    """The race itself: the place is checked, then what is there becomes a link, then it is opened."""
    (root / "sub").mkdir()
    (root / "sub/f").write_text("harmless")
    (root.parent / "f").write_text("secret")
    checked = places.locate

    def swap(path: str, roots: list[Path]) -> places.Place:
        place = checked(path, roots)
        (root / "sub/f").unlink(missing_ok=True)
        if swapped == "file":
            (root / "sub/f").symlink_to(root.parent / "f")
        else:
            (root / "sub").rmdir()
            (root / "sub").symlink_to(root.parent)
        return place

    for module in ("nodeloom.library.files.locate",):
        monkeypatch.setattr(module, swap)
    with pytest.raises((PathNotAllowed, NotADirectoryError)):
        await bench.run(FileRead(path="sub/f"))
    monkeypatch.undo()
    assert (root.parent / "f").read_text() == "secret"


@pytest.mark.parametrize("path", ["", "a\x00b"])
async def test_what_is_no_path_is_refused(bench: Bench, path: str) -> None:
    with pytest.raises(PathNotAllowed, match="is no path"):
        await bench.run(FileRead(path=path))


async def test_a_second_root_is_reached_by_its_whole_path(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "f").write_text("there")
    async with Engine(file_roots=[root, other]) as engine:
        assert (await engine.call(FileRead(path=str(other / "f"))))["content"] == "there"
        with pytest.raises(FileNotFoundError):
            await engine.call(FileRead(path="f"))


async def test_where_folders_cannot_be_opened_the_check_stands_alone(
    root: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "WALKS", False)
    await bench.run(FileWrite(path="a/f", content="1", make_parents=True))
    await bench.run(FileWrite(path="a/f", content="2"))
    await bench.run(FileWrite(path="a/f", content="3", mode="append"))
    assert (await bench.run(FileRead(path="a/f")))["content"] == "23"
    with pytest.raises(PathNotAllowed):
        await bench.run(FileRead(path="../secret.txt"))


async def test_no_file_is_left_open(root: Path, bench: Bench) -> None:
    (root / "f").write_text("x")
    (root / "sub").mkdir()
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for path in ("f", "sub", "none", "sub/none", "../secret.txt"):
        await asyncio.gather(bench.run(FileRead(path=path)), return_exceptions=True)
        await asyncio.gather(bench.run(FileWrite(path=path + "/x", content="")), return_exceptions=True)
    after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after <= before + 1
