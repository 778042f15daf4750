"""The console blocks of docs/cli.md and docs/forms.md run, and print what the page says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import environment

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
VARIES = [
    (re.compile(r"^\d\d:\d\d:\d\d ", re.MULTILINE), ""),
    (re.compile(r"<1 ms|\d+ ms|\d+\.\d+ s"), "T"),
]


def commands(page):
    """Each command with the lines after it, up to the next one; `> ` goes on with a command."""
    found = []
    for block in BLOCK.findall(page):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append([line[2:], []])
            elif line.startswith(">") and not found[-1][1]:
                found[-1][0] += "\n" + line[2:]
            else:
                found[-1][1].append(line)
    return found


def settled(text):
    for pattern, word in VARIES:
        text = pattern.sub(word, text)
    return text.rstrip()


def matches(expected, said):
    """Whether the output is as on the page, where `...` stands for any lines."""
    parts = [re.escape(settled(part).strip("\n")) for part in re.split(r"^\.\.\.$", expected, flags=re.MULTILINE)]
    return re.fullmatch(r"\n(?:.*\n)*?".join(parts), settled(said)) is not None


@pytest.mark.skipif(os.name == "nt", reason="the page is written for a POSIX shell")
@pytest.mark.parametrize(("page", "least"), [("cli.md", 10), ("forms.md", 3)])
def test_the_page_says_what_happens(tmp_path, page, least):
    shims = tmp_path / "shims"
    shims.mkdir()
    shim = shims / "nodeloom"
    shim.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -c "import sys; from nodeloom.cli import main; sys.exit(main())" "$@"\n',
        encoding="utf-8",
    )
    shim.chmod(0o755)
    env = environment(PATH=f"{shims}{os.pathsep}{os.environ['PATH']}")
    found = commands((DOCS / page).read_text(encoding="utf-8"))
    assert len(found) > least
    mark = "----- end of"
    script = "exec 2>&1\n" + "\n".join(
        f"{command}\nstatus=$?; echo '{mark} {number}'; (exit $status)" for number, (command, _) in enumerate(found)
    )
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=100, check=False
    )
    pieces = re.split(rf"^{mark} \d+\n", done.stdout, flags=re.MULTILINE)
    for (command, expected), said in zip(found, pieces, strict=False):
        assert matches("\n".join(expected), said), f"$ {command}\n{said}"
    assert len(pieces) == len(found) + 1
