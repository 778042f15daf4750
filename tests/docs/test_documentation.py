"""Documentation is executed: Python blocks run top to bottom, a page at a time; documents are loaded."""

from __future__ import annotations

import io
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from nodeloom import Graph
from nodeloom.nodes.documents.loading import load_text

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
PRINTED = re.compile(r"^ *(?:print\(.*)?\)  # (?P<expected>.+)$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)(#[^)]*)?\)")


class Block(NamedTuple):
    """One code block: its language, its text, and the line it begins at."""

    language: str
    text: str
    line: int


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(found[1], found[2], text[: found.start()].count("\n") + 2) for found in BLOCK.finditer(text)]


def pages_with(language: str) -> list[Path]:
    return [page for page in PAGES if any(block.language == language for block in blocks_of(page))]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", pages_with("python"), ids=name_of)
def test_the_python_of_a_page_runs_from_top_to_bottom(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A comment behind a print is what it prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = ModuleType(f"page_{page.stem}")
    names: dict[str, Any] = module.__dict__
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in blocks_of(page):
        if block.language != "python":
            continue
        printed = io.StringIO()
        source = "\n" * (block.line - 1) + block.text
        with redirect_stdout(printed):
            exec(compile(source, name_of(page), "exec"), names)  # noqa: S102 - the pages are this repository's own
        expected = [found["expected"] for found in PRINTED.finditer(block.text)]
        lines = printed.getvalue().splitlines()
        if expected:
            assert lines == expected, f"{name_of(page)}:{block.line}"


@pytest.mark.parametrize("page", pages_with("yaml"), ids=name_of)
def test_the_documents_of_a_page_are_graphs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for block in blocks_of(page):
        if block.language == "yaml" and block.text.lstrip().startswith("nodeloom:"):
            assert isinstance(load_text(block.text, f"{name_of(page)}:{block.line}"), Graph)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    missing = [link for link, _ in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]
    assert missing == []


def test_the_readme_names_the_command_that_ci_runs() -> None:
    assert "make test" in (ROOT / "README.md").read_text(encoding="utf-8")
