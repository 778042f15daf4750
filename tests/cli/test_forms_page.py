"""The terminal block of docs/forms.md is what a person sees who types what it says."""

import re
from pathlib import Path

from .persons import Person

PAGE = Path(__file__).parents[2] / "docs" / "forms.md"
BLOCK = re.compile(r"^```terminal\n\$ nodeloom (.*?)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_terminal_shows_what_the_page_says(project, cli):
    (block,) = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    command, expected = block
    assert cli("new", "node", "CoverWall").code == 0
    with Person(project, *command.split()) as person:
        person.types(*re.findall(r"^> (.*)$", expected, re.MULTILINE))
        code, out = person.end()
    assert code == 0
    assert person.seen + out == expected
