"""`nodeloom secrets`, and that no command shows a value (12.3)."""

import io
import json
import os
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from nodeloom.cli.report import fail
from nodeloom.model.masks import MASKS
from nodeloom.resources.secrets import SecretsFile

CANARY = "canary-3b9e-typed"

FLOW = """
from nodeloom import Graph, Node, Params, Secret, Field

class SendParams(Params):
    token: Secret = Field(label="Token")

class Send(Node):
    async def work(self, params: SendParams, inputs, ctx):
        value = params.token.reveal()
        ctx.log.warning("sending %s", value)
        ctx.stream({"chunk": value})
        if inputs.get("fail"):
            raise ValueError(f"{value} is refused")
        return {"length": len(value), "value": value}

graph = Graph(Send(token={"$secret": "mail_key"}), name="mail")
"""

DOCUMENT = """
nodeloom: 1
name: mail
nodes:
  send: {type: sending.Send, params: {token: %s}}
"""


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, project: Any) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("NODELOOM_SECRET")]:
        monkeypatch.delenv(name)
    (project / "sending.py").write_text(textwrap.dedent(FLOW), encoding="utf-8")
    yield
    MASKS.forget()


class Typed(io.StringIO):
    """A terminal's standard input."""

    def isatty(self) -> bool:
        return True


def piped(text: str) -> Any:
    return io.TextIOWrapper(io.BytesIO(text.encode("utf-8", "surrogateescape")), encoding="utf-8")


@pytest.fixture
def kept(cli, monkeypatch) -> Any:
    """A secret that is kept."""
    assert cli("secrets", "key").code == 0
    monkeypatch.setattr(sys, "stdin", piped(f"{CANARY}\n"))
    assert cli("secrets", "set", "mail_key").code == 0
    return cli


def test_a_key_is_made_a_value_piped_in_listed_and_removed(cli, monkeypatch, project):
    said = cli("secrets", "key")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(".nodeloom/secrets.key is the key of .nodeloom/secrets.json")
    assert (project / ".nodeloom/secrets.key").stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(sys, "stdin", piped(f"{CANARY}\r\n"))
    said = cli("secrets", "set", "mail_key")
    assert (said.code, said.out, said.err) == (0, "mail_key is kept in .nodeloom/secrets.json\n", "")
    assert SecretsFile(project / ".nodeloom/secrets.json").get("mail_key") == CANARY
    assert cli("secrets", "list").out == "mail_key\n"
    assert cli("secrets", "remove", "mail_key").out == "mail_key is no longer in .nodeloom/secrets.json\n"
    assert cli("secrets", "list").out == ""
    said = cli("secrets", "remove", "mail_key")
    assert (said.code, said.out) == (1, "")
    assert "there is no secret mail_key" in said.err


def test_a_value_is_asked_for_on_a_terminal_without_echo(kept, monkeypatch, project):
    asked = []

    def getpass(prompt: str, stream: Any) -> str:
        asked.append((prompt, stream))
        return "typed without echo"

    monkeypatch.setattr("getpass.getpass", getpass)
    monkeypatch.setattr(sys, "stdin", Typed("not read"))
    said = kept("secrets", "set", "typed")
    assert said.code == 0
    assert asked == [("value of typed (not shown): ", sys.stderr)] or asked[0][0] == "value of typed (not shown): "
    assert SecretsFile(project / ".nodeloom/secrets.json").get("typed") == "typed without echo"


def test_another_file_has_its_own_key(cli, monkeypatch, project):
    assert cli("secrets", "key", "--file", "own/mine.json").code == 0
    monkeypatch.setattr(sys, "stdin", piped(CANARY))
    assert cli("secrets", "set", "a", "--file", "own/mine.json").code == 0
    assert sorted(each.name for each in (project / "own").iterdir()) == ["mine.json", "mine.key"]
    monkeypatch.setenv("NODELOOM_SECRETS_FILE", "own/mine.json")
    assert cli("secrets", "list").out == "a\n"


@pytest.mark.parametrize(
    ("words", "stdin", "message"),
    [
        (["secrets", "set", "9a"], "x", "is named by letters"),
        (["secrets", "remove", "a b"], "x", "is named by letters"),
        (["secrets", "set", "a"], "", "was given no value"),
        (["secrets", "set", "a"], "\n", "was given no value"),
        (["secrets", "set", "a"], "\udcff", "is not UTF-8 text"),
        (["secrets", "set", "a"], "x", "there is no key for .nodeloom/secrets.json"),
        (["secrets", "set", "a", CANARY], "x", "the value is no word of the command"),
        (["secrets", "set", "a", "--value", CANARY], "x", "the value is no word of the command"),
        (["secrets", "set", CANARY + "/"], "x", "is named by letters"),
    ],
)
def test_wrong_use_is_a_paragraph_and_2(cli, monkeypatch, words, stdin, message):
    for more in ([], ["--traceback"]):
        monkeypatch.setattr(sys, "stdin", piped(stdin))
        said = cli(*words, *more)
        assert (said.code, said.out) == (2, "")
        assert "canary" not in said.err
        assert message in said.err


def test_a_key_that_others_can_read_is_refused_with_what_to_do(kept, project):
    (project / ".nodeloom/secrets.key").chmod(0o644)
    said = kept("run", "sending:graph")
    assert said.code == 1
    assert "chmod 600 .nodeloom/secrets.key" in said.err
    assert kept("secrets", "key").code == 2


@pytest.mark.parametrize("more", [[], ["--json"], ["-v"], ["--quiet"], ["--traceback"], ["--json", "--traceback"]])
@pytest.mark.parametrize("fails", [False, True])
def test_no_way_to_run_shows_the_value(kept, more, fails):
    said = kept("run", "sending:graph", *more, *(["-i", "fail=true"] if fails else []))
    assert said.code == (1 if fails else 0)
    assert "canary" not in said.out + said.err
    assert "[secret mail_key]" in said.out + said.err
    if "--json" in more:
        assert said.lines[-1]["type"] == "result"
        if not fails:
            assert said.lines[-1]["output"] == {"length": len(CANARY), "value": "[secret mail_key]"}


def test_the_real_command_shows_no_value_either(kept, command, project):
    shown = []
    for words in (["run", "sending:graph", "-v", "--json"], ["run", "sending:graph", "-i", "fail=1", "--traceback"]):
        said = command(*words)
        shown.append(said.out + said.err)
    shown += [each.read_bytes().decode("latin-1") for each in project.rglob("*") if each.is_file()]
    assert all("[secret mail_key]" in each for each in shown[:2])
    assert not any("canary" in each for each in shown)


def test_a_paragraph_of_any_error_is_masked(capsys):
    MASKS.remember("mail_key", CANARY)
    assert fail(f"it is {CANARY}", 1, ValueError(CANARY)) == 1
    assert capsys.readouterr().err == "nodeloom: it is [secret mail_key]\n"


def test_a_text_in_a_document_is_refused_and_not_shown(cli, project):
    for number, given in enumerate([CANARY, f"{{$secret: {CANARY}/}}", f"[{CANARY}]"]):
        (project / f"mail{number}.yaml").write_text(DOCUMENT % given, encoding="utf-8")
        for words in (["validate"], ["validate", "--json"], ["run"], ["draw"], ["run", "--traceback"]):
            said = cli(*words[:1], f"mail{number}.yaml", *words[1:])
            assert said.code == 2, words
            assert "canary" not in said.out + said.err
            assert "params.token" in said.out + said.err


def test_a_reference_in_a_document_runs(kept, project):
    (project / "mail.yaml").write_text(DOCUMENT % "{$secret: mail_key}", encoding="utf-8")
    assert kept("run", "mail.yaml", "--quiet").json["length"] == len(CANARY)
    assert "canary" not in kept("draw", "mail.yaml", "--format", "svg").out


def test_the_catalogue_says_that_a_param_is_a_secret(cli, project):
    listed = cli("nodes", "sending.send", "--folder", str(project), "--json")
    fields = [each["params"]["properties"] for each in json.loads(listed.out) if each["identifier"] == "sending.Send"]
    shown = fields[0]["token"]["x-ui"]
    assert (shown["label"], shown["type"]) == ("Token", "secret")


def test_one_that_is_nowhere_says_where_it_was_looked_for(cli):
    said = cli("run", "sending:graph")
    assert said.code == 1
    assert "there is no secret 'mail_key'. Looked in the environment, as NODELOOM_SECRET_MAIL_KEY" in said.err
