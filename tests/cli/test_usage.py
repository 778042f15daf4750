"""Help, version, wrong words, and what importing the command line costs."""

import subprocess
import sys

import pytest

import nodeloom
from nodeloom.cli.app import app

COMMANDS = ("run", "validate", "draw", "nodes", "new", "demo", "top", "secrets")


def test_the_version_is_the_packages(cli):
    said = cli("--version")
    assert (said.code, said.out.strip()) == (0, nodeloom.__version__)


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_help_names_every_command_and_the_exit_codes(cli, words):
    said = cli(*words)
    assert said.code == 0
    assert all(f" {name} " in said.out for name in COMMANDS)
    assert "130 interrupted" in said.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(cli, name):
    said = cli(name, "--help")
    assert said.code == 0
    assert said.out.startswith(f"Usage: nodeloom {name}")
    assert said.err == ""


def test_help_says_how_a_value_is_read(cli):
    assert "read as JSON" in cli("run", "--help").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rnu"], "no command 'rnu'; did you mean 'run'?"),
        (["zzz"], "no command 'zzz'; there are: run, validate, draw, nodes, form, new, demo, top, secrets"),
        (["--nope"], "no command '--nope'"),
        (["run"], "TARGET"),
        (["run", "a", "--max-stps", "3"], "--max-stps. Did you mean --max-steps?"),
        (["run", "a", "--max-steps"], "--max-steps requires an argument"),
        (["validate", "a", "b"], "'b' is more than the command takes"),
        (["new"], "PROJECT"),
        (["secrets", "sett"], "no command 'sett'; did you mean 'set'?"),
        (["secrets", "zzz"], "no command 'zzz'; there are: set, list, remove, key"),
        (["secrets", "set"], "NAME"),
    ],
)
def test_wrong_words_are_a_paragraph_with_the_nearest_match_and_2(cli, words, message):
    said = cli(*words)
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("nodeloom: ")
    assert message in said.err
    assert "--help lists what there is" in said.err


def test_help_loads_nothing_that_only_a_command_needs():
    code = (
        "import sys\nfrom nodeloom.cli import main\nmain(['--help'])\n"
        "heavy = ('pydantic', 'ruamel', 'minijinja', 'httpx2', 'rich.live', 'nodeloom.library', 'nodeloom.cli.run')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_the_commands_that_are_named_are_those_there_are(cli):
    named = cli("zzz").err.partition("there are: ")[2].splitlines()[0].split(", ")
    assert sorted(named) == sorted(name for name in app if not name.startswith("-"))
