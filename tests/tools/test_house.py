"""The house check finds each breach where it is, and nothing where there is none."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def load_house():
    spec = importlib.util.spec_from_file_location("house", ROOT / "tools" / "house.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["house"] = module
    spec.loader.exec_module(module)
    return module


house = load_house()


@pytest.fixture
def project(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text('[tool.house]\nmay_sleep = ["src/pause.py"]\n')

    def inspect(name: str, text: str) -> list[str]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return house.inspect(tmp_path)[0]

    return inspect


@pytest.mark.parametrize(
    ("name", "text", "breach"),
    [
        ("src/string_utils.py", "", "'string_utils' says nothing"),
        ("src/base_node.py", "", "'base_node' says nothing"),
        ("src/helpers/text.py", "", "'helpers' says nothing"),
        ("src/a.py", "# TODO later\n", "in a comment"),
        ("src/a.py", "try:\n    f()\nexcept Exception:\n    pass\n", "src/a.py:3: an error is swallowed"),
        ("src/a.py", "try:\n    f()\nexcept:\n    ...\n", "an error is swallowed"),
        ("src/a.py", "with contextlib.suppress(Exception):\n    f()\n", "an error is swallowed"),
        ("src/a.py", "import time\ntime.sleep(1)\n", "src/a.py:2: time.sleep"),
        ("src/a.py", "from time import sleep\n", "time.sleep"),
        ("src/a.py", "import pickle\n", "pickle runs what it reads"),
        ("src/a.py", "from marshal import loads\n", "marshal runs what it reads"),
        ("docs/a.md", "see /root/things\n", "docs/a.md:1: a path of one machine"),
        ("a.toml", 'index = "https://pypi.org/simple"\n', "the host of a package registry"),
        ("src/a.py", "def f():\n" + "    g()\n" * 60, "f has 61 lines"),
        ("src/a.py", "x = 1\n" * 401, "401 lines"),
        ("src/a.py", "def f():\n" + "    g()\n" * 9, "the median function has 10 lines"),
        ("src/a.py", "def f(:\n", "not Python"),
    ],
)
def test_a_breach_is_named_with_its_file(project, name: str, text: str, breach: str):
    assert any(breach in line for line in project(name, text))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("src/a.py", "try:\n    f()\nexcept OSError:\n    pass\n"),
        ("src/a.py", "try:\n    f()\nexcept Exception:\n    log()\n    raise\n"),
        ("src/pause.py", "import time\ntime.sleep(1)\n"),
        ("tests/a.py", "import time\ntime.sleep(1)\n"),
        ("src/a.py", 'def f():\n    """' + "Long.\n" * 70 + '    """\n'),
        ("src/a.py", "x = 'TODO is text here'\n"),
        ("docs/a.md", "https://example.org/home/page ~/work/ nodes/work()\n"),
        ("src/a.py", "x = 1\n" * 350),
    ],
)
def test_what_is_allowed_passes(project, name: str, text: str):
    assert project(name, text) == []


def test_a_module_past_its_usual_length_is_reported_and_passes(project, tmp_path: Path):
    project("src/a.py", "x = 1\n" * 350)
    assert house.inspect(tmp_path)[1].notes == ["src/a.py: 350 lines, on its way past 300"]
