"""The catalogue of node types: identifiers, versions, what is discovered and what cannot be loaded."""

import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeloom import Node, Registry, node
from nodeloom.errors import DuplicateNodeType, RegistryError, UnknownNodeType


class Echo(Node):
    identifier = "test.echo"

    async def work(self, inputs):
        return inputs


class EchoTwo(Echo):
    identifier = "test.echo"
    version = 2


@node("test.count")
def count(inputs):
    return {"n": len(inputs)}


NODE = """
from nodeloom import Node, node
from nodeloom import Registry  # something that is no node

class {name}(Node):
    identifier = "found.{name}"
    async def work(self):
        return {{"from": "{name}"}}

class Base(Node):
    pass

class Abstract(Node):
    abstract = True
    async def work(self):
        return None

@node("found.{name}.function")
def function():
    return None
"""


def test_a_type_is_found_by_identifier_and_version() -> None:
    registry = Registry(Echo, EchoTwo, count)
    assert registry.get("test.echo") is EchoTwo
    assert registry.resolve("test.echo") is EchoTwo
    assert registry.resolve("test.echo", 1) is Echo
    assert registry.get("test.count") is type(count)
    assert "test.echo" in registry
    assert "test.other" not in registry
    assert len(registry) == 2
    assert list(registry) == [type(count), EchoTwo]


def test_an_unknown_type_is_told_the_nearest() -> None:
    with pytest.raises(UnknownNodeType, match=r"no node type 'test\.eho' is registered; did you mean 'test\.echo'"):
        Registry(Echo).get("test.eho")
    with pytest.raises(UnknownNodeType, match=r"'test\.echo' has no version 3; there are: 1, 2"):
        Registry(Echo, EchoTwo).resolve("test.echo", 3)
    with pytest.raises(LookupError):
        Registry().get("anything")


def test_a_duplicate_is_an_error_naming_both() -> None:
    class Other(Node):
        identifier = "test.echo"

        async def work(self):
            return None

    registry = Registry(Echo)
    with pytest.raises(DuplicateNodeType, match=r"Other.*Echo.*'test.echo' version 1"):
        registry.register(Other)
    assert registry.register(Echo) is Echo
    assert registry.get("test.echo") is Echo


def test_registering_is_a_decorator_too() -> None:
    registry = Registry()

    @registry.register
    class Mine(Node):
        identifier = "test.mine"

        async def work(self):
            return None

    assert registry.get("test.mine") is Mine


@pytest.mark.parametrize("wrong", [3, "text", object, None])
def test_only_node_types_are_registered(wrong: object) -> None:
    with pytest.raises(RegistryError, match="node classes and function nodes"):
        Registry(wrong)  # type: ignore[arg-type]


def test_registries_do_not_share_anything() -> None:
    Registry(Echo)
    assert len(Registry()) == 0


def test_a_folder_gives_the_types_its_files_define(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(NODE.format(name="One"))
    (tmp_path / "two.py").write_text(NODE.format(name="Two"))
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "three.py").write_text(NODE.format(name="Three"))
    (tmp_path / "notes.txt").write_text("no Python")
    registry = Registry()
    assert registry.discover(tmp_path, entry_points=False) == []
    assert [kind.identifier for kind in registry] == [
        "found.One",
        "found.One.function",
        "found.Two",
        "found.Two.function",
    ]
    assert registry.get("found.One")().run_sync() == {"from": "One"}


@pytest.mark.parametrize(
    "broken",
    [
        "import nothing_of_this_name",
        "def (:",
        "1 / 0",
        "raise SystemExit(3)",
        "from nodeloom import Node\nclass Wrong(Node):\n    async def work(self, colour): ...",
    ],
)
def test_a_broken_module_is_one_problem_and_hides_no_other(tmp_path: Path, broken: str) -> None:
    (tmp_path / "a_first.py").write_text(NODE.format(name="First"))
    (tmp_path / "broken.py").write_text(broken)
    (tmp_path / "z_last.py").write_text(NODE.format(name="Last"))
    registry = Registry()
    problems = registry.discover(str(tmp_path), entry_points=False)
    assert [problem.code for problem in problems] == ["broken_module"]
    assert "broken.py" in problems[0].message
    assert registry.problems == problems
    assert "found.First" in registry
    assert "found.Last" in registry


def test_a_broken_module_may_be_mended_and_found_again(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("1 / 0")
    registry = Registry()
    assert registry.discover(tmp_path, entry_points=False)
    (tmp_path / "mine.py").write_text(NODE.format(name="Mended"))
    assert registry.discover(tmp_path, entry_points=False) == []
    assert "found.Mended" in registry


def test_a_repeated_identifier_in_a_folder_is_a_problem_and_the_first_stays(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(NODE.format(name="Same"))
    (tmp_path / "b.py").write_text(NODE.format(name="Same") + NODE.format(name="Other"))
    registry = Registry()
    problems = registry.discover(tmp_path, entry_points=False)
    assert {problem.code for problem in problems} == {"duplicate"}
    assert all("b.py" in problem.message for problem in problems)
    assert "found.Other" in registry


def test_the_same_folder_twice_adds_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(NODE.format(name="Once"))
    registry = Registry()
    registry.discover(tmp_path, entry_points=False)
    assert registry.discover(tmp_path, tmp_path, entry_points=False) == []


def test_files_of_one_name_in_two_folders_are_two_modules(tmp_path: Path) -> None:
    for name in ("Left", "Right"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "nodes.py").write_text(NODE.format(name=name))
    registry = Registry()
    assert registry.discover(tmp_path / "Left", tmp_path / "Right", entry_points=False) == []
    assert {"found.Left", "found.Right"} <= {kind.identifier for kind in registry}


def test_a_folder_that_is_none_is_a_problem(tmp_path: Path) -> None:
    problems = Registry().discover(tmp_path / "nowhere", entry_points=False)
    assert [problem.code for problem in problems] == ["no_folder"]


def test_a_module_may_list_what_it_offers(tmp_path: Path) -> None:
    (tmp_path / "listed.py").write_text(NODE.format(name="Listed") + "\nNODES = [function]\n")
    registry = Registry()
    registry.discover(tmp_path, entry_points=False)
    assert [kind.identifier for kind in registry] == ["found.Listed.function"]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed distribution with a module, and entry points in the group of nodes."""
    (tmp_path / "plugin_of_a_test.py").write_text(NODE.format(name="Plugged"))
    info = tmp_path / "plugin_of_a_test-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin-of-a-test\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[nodeloom.nodes]\n"
        "missing = plugin_of_a_test:NoSuchThing\n"
        "gone = module_that_is_gone\n"
        "plugged = plugin_of_a_test\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("plugin_of_a_test", None)


def test_installed_packages_offer_their_types_by_entry_points(package: Path) -> None:
    registry = Registry()
    problems = registry.discover()
    assert "found.Plugged" in registry
    assert "found.Plugged.function" in registry
    named = "\n".join(problem.message for problem in problems)
    assert "missing = plugin_of_a_test:NoSuchThing" in named
    assert "gone = module_that_is_gone" in named


def test_an_entry_point_may_name_one_class(package: Path) -> None:
    text = "[nodeloom.nodes]\none = plugin_of_a_test:Plugged\n"
    (package / "plugin_of_a_test-1.0.dist-info" / "entry_points.txt").write_text(text)
    registry = Registry()
    registry.discover()
    assert "found.Plugged" in registry
    assert "found.Plugged.function" not in registry


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("os:path", "it leads to no node: name a node, a list of them, or a module that defines some"),
        ("os:sep", "a registry holds node classes and function nodes, not '/'"),
        ("no_such_module_anywhere", "No module named 'no_such_module_anywhere'"),
        ("os:no_such_name", "has no attribute 'no_such_name'"),
    ],
)
def test_an_entry_point_that_leads_to_no_node_is_a_problem(monkeypatch, value: str, reason: str):
    entries = [
        importlib.metadata.EntryPoint("odd", value, "nodeloom.nodes"),
        importlib.metadata.EntryPoint("fine", "nodeloom.library", "nodeloom.nodes"),
    ]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: entries)
    registry = Registry()
    problems = registry.discover()
    assert [problem.code for problem in problems] == ["broken_module"]
    assert problems[0].message.startswith(f"entry point odd = {value} cannot be loaded: ")
    assert reason in problems[0].message
    assert registry.problems == problems
    assert "http.request" in registry
