"""`nodeloom run`: inputs, output, progress lines, failures, and their exit codes."""

import json

import pytest


def test_the_output_is_json_on_standard_output_and_progress_is_elsewhere(command):
    said = command("run", "flows:graph")
    assert said.code == 0
    assert said.json == {"report": "2 words, 11 letters"}
    assert "printed by fetch" in said.err
    assert " fetch completed in " in said.err
    assert said.err.splitlines()[-1].split(" ", 1)[1].startswith("triage completed: 4 steps in ")
    assert "started" not in said.err
    assert "chunk" not in said.err


def test_verbose_tells_of_starts_chunks_and_progress(cli):
    said = cli("run", "flows:graph", "-v")
    assert "fetch started" in said.err
    assert 'words chunk {"word": "hello"}' in said.err
    assert "letters 1 of 2 counting" in said.err


def test_quiet_shows_the_output_only(cli):
    said = cli("run", "flows:graph", "--quiet")
    assert said.json == {"report": "2 words, 11 letters"}
    assert said.err == "printed by fetch\n"


def test_a_document_runs_with_nodes_from_its_own_folder(command, project):
    folder = project / "below"
    folder.mkdir()
    for name in ("own.py", "counting.yaml"):
        (project / name).rename(folder / name)
    said = command("run", "below/counting.yaml", "-i", "text=one two", "-q")
    assert (said.code, said.json) == (0, {"kind": "short"})
    assert command("run", "below/counting.yaml", "-i", "text=a b c d", "-q").json == {"kind": "long"}


def test_a_graph_of_a_python_file_runs_by_its_path(cli):
    assert cli("run", "./flows.py:graph", "-q").json == {"report": "2 words, 11 letters"}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("x=3", 3),
        ("x=3.5", 3.5),
        ("x=true", True),
        ("x=null", None),
        ('x=["a", 1]', ["a", 1]),
        ('x={"a": {}}', {"a": {}}),
        ('x="3"', "3"),
        ("x=three", "three"),
        ("x=", ""),
        ("x=a=b", "a=b"),
        ("x=NaN", "NaN"),
        ("x=1e999", "1e999"),
        ("x=01", "01"),
        ("x=[1", "[1"),
        ("x=-1", -1),
        ("x= -i", " -i"),
        ("x=ünïcode €", "ünïcode €"),
    ],
)
def test_an_input_is_json_where_it_is_valid_json_else_text(cli, written, value):
    assert cli("run", "flows:echoing", "-q", "-i", written).json == {"x": value}


def test_what_is_no_number_is_printed_as_a_text(command, cli, project):
    (project / "odd.py").write_text(
        "import math\n"
        "from nodeloom import Graph, node\n"
        "@node\n"
        "def odd(): return {'a': [math.nan, math.inf, -math.inf], 'b': 1e308}\n"
        "graph = Graph(odd, name='odd')\n",
        encoding="utf-8",
    )
    printed = {"a": ["NaN", "Infinity", "-Infinity"], "b": 1e308}
    assert command("run", "odd:graph", "-q").json == printed
    lines = cli("run", "odd:graph", "--json").out.splitlines()
    assert json.loads(lines[-1])["output"] == printed


@pytest.mark.parametrize("value", ["NaN", "1e999", "-Infinity", "inf"])
def test_a_number_has_to_be_one(cli, project, value):
    (project / "waits.yaml").write_text(
        "nodeloom: 1\nname: waits\ninputs: {slow: {type: number}}\n"
        "nodes: {a: {type: transform, params: {values: {n: '{{ run.inputs.slow }}'}}}}\n",
        encoding="utf-8",
    )
    said = cli("run", "waits.yaml", "-i", f"slow={value}")
    assert (said.code, said.out) == (2, "")
    assert f"the inputs do not fit graph waits.yaml\n  slow: Input should be a finite number, not '{value}'" in said.err
    assert cli("run", "waits.yaml", "-q", "-i", "slow=1e300").json == {"n": 1e300}


def test_inputs_come_from_a_file_and_single_ones_win(cli, project):
    (project / "in.json").write_text('{"a": 1, "b": [2]}', encoding="utf-8")
    assert cli("run", "flows:echoing", "-q", "--inputs", "in.json", "-i", "a=5").json == {"a": 5, "b": [2]}


def test_inputs_come_from_standard_input(command):
    assert command("run", "flows:echoing", "-q", "--inputs", "-", stdin='{"a": "é"}').json == {"a": "é"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-i", "novalue"], "-i novalue: an input is given as -i name=value"),
        (["-i", "=3"], "an input is given as"),
        (["-i", "a=1", "-i", "a=2"], "-i a=... is given twice"),
        (["--inputs", "gone.json"], "--inputs gone.json: No such file"),
        (["--inputs", "list.json"], "list.json holds a JSON array; inputs are an object"),
        (["--inputs", "bad.json"], "bad.json:2:8: no JSON"),
        (["--inputs", "nan.json"], "nan.json: no JSON: NaN"),
        (["--inputs", "huge.json"], "huge.json: no JSON: -1e400 is too large for a number"),
        (["--inputs", "bytes.json"], "bytes.json is not UTF-8 text (byte 2)"),
        (["--max-steps", "0"], "--max-steps 0: give a whole number from 1"),
        (["--max-steps", "many"], "--max-steps"),
        (["--file-root", "nowhere"], "--file-root nowhere: there is no such folder"),
        (["--as", "batch"], "there is no such way to run; there are graph, actor, tick"),
        (["--as", "tree"], "there is no such way to run"),
        (["--quite"], "--quite. Did you mean --quiet?"),
        (["extra"], "'extra' is more than the command takes"),
    ],
)
def test_wrong_usage_is_a_paragraph_and_2(cli, project, words, message):
    (project / "list.json").write_text("[1]", encoding="utf-8")
    (project / "bad.json").write_text('{\n  "a": oops}', encoding="utf-8")
    (project / "nan.json").write_text('{"a": NaN}', encoding="utf-8")
    (project / "huge.json").write_text('{"a": [-1e400]}', encoding="utf-8")
    (project / "bytes.json").write_bytes(b'"\xff"')
    said = cli("run", "flows:echoing", *words)
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith("nodeloom: ")
    assert message in said.err
    assert "Traceback" not in said.err


def test_inputs_that_do_not_fit_are_all_named_and_2(cli):
    said = cli("run", "flows:strict", "-i", "times=often")
    assert said.code == 2
    assert "do not fit graph" in said.err
    assert "url" in said.err
    assert "times" in said.err
    missing = cli("run", "counting.yaml")
    assert missing.code == 2
    assert "text: is required" in missing.err


def test_a_failed_run_names_node_error_and_the_authors_line_and_1(command):
    said = command("run", "flows:failing")
    assert said.code == 1
    assert said.out == ""
    assert "the run failed in node bad: ValueError: no report today" in said.err
    assert 'flows.py:36, in bad: raise ValueError("no report today")' in said.err
    assert "bad failed after" in said.err
    assert "Traceback" not in said.err


def test_a_failure_inside_a_graph_inside_the_graph_names_the_way_there(cli):
    said = cli("run", "flows:outer")
    assert said.code == 1
    assert "the run failed in node middle/deep: ValueError: no report today" in said.err
    assert "flows.py:36, in bad" in said.err
    assert "middle/deep failed after" in said.err


def test_a_caught_failure_is_told_and_the_run_completes(cli):
    said = cli("run", "flows:caught")
    assert (said.code, said.json) == (0, {"rescued": True})
    assert "ValueError: no report today (caught by rescue)" in said.err


def test_tracebacks_are_shown_when_they_are_asked_for(cli, monkeypatch):
    assert "Traceback (most recent call last)" in cli("run", "flows:failing", "--traceback").err
    monkeypatch.setattr("nodeloom.cli.report._traceback", [])
    monkeypatch.setenv("NODELOOM_TRACEBACK", "1")
    assert "Traceback (most recent call last)" in cli("run", "flows:failing").err
    monkeypatch.setenv("NODELOOM_TRACEBACK", "0")
    assert "Traceback" not in cli("run", "flows:failing").err


def test_json_gives_every_event_as_a_line_and_the_result_last(command):
    said = command("run", "flows:graph", "--json", "--run-id", "mine")
    events = said.lines
    assert [event["type"] for event in events[:2]] == ["run_started", "step_started"]
    assert {event["run_id"] for event in events} == {"mine"}
    assert [event["seq"] for event in events[:-1]] == list(range(1, len(events)))
    assert events[-1]["type"] == "result"
    assert events[-1]["status"] == "completed"
    names = ("type", "run_id", "status", "state", "outputs", "output", "steps", "error", "errors", "batch")
    assert tuple(events[-1]) == names
    assert events[-1]["outputs"]["letters"] == {"letters": 11}
    assert events[-1]["output"] == {"report": "2 words, 11 letters"}
    assert events[-1]["outputs"]["words"] == {"words": 2}
    assert said.err == "printed by fetch\n"


def test_json_of_a_failed_run_ends_with_its_error(cli):
    said = cli("run", "flows:failing", "--json")
    assert said.code == 1
    assert said.lines[-1]["status"] == "failed"
    assert said.lines[-1]["error"]["message"] == "no report today"


def test_max_steps_ends_a_runaway_and_1(cli):
    assert cli("run", "flows:looping", "-q").json == {"n": 50}
    said = cli("run", "flows:looping", "--max-steps", "10")
    assert said.code == 1
    assert "MaxStepsExceeded: the run took its 10 steps" in said.err


def test_the_run_id_is_the_one_given(cli):
    assert "run order-42, after 1 step" in cli("run", "flows:failing", "--run-id", "order-42").err


def test_file_nodes_may_touch_the_roots_only(cli, project, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "note.txt").write_text("hello", encoding="utf-8")
    document = {
        "nodeloom": 1,
        "name": "reading",
        "nodes": {"read": {"type": "file.read", "params": {"path": str(elsewhere / "note.txt")}}},
    }
    (project / "reading.json").write_text(json.dumps(document), encoding="utf-8")
    refused = cli("run", "reading.json")
    assert refused.code == 1
    assert "PathNotAllowed" in refused.err
    assert cli("run", "reading.json", "--file-root", str(elsewhere)).code == 0


def test_values_that_json_does_not_know_are_written_all_the_same(cli, project):
    (project / "odd.py").write_text(
        """
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from nodeloom import Graph, Params, node

class Colour(Enum):
    RED = "red"

@dataclass
class Point:
    x: int
    label: str

class Model(Params):
    name: str = "m"

class Opaque:
    def __repr__(self):
        return "<opaque>"

@node
async def odd():
    me = []
    me.append(me)
    return {
        "date": date(2026, 1, 2), "delta": timedelta(minutes=1), "decimal": Decimal("1.10"), "path": Path("a/b"),
        "colour": Colour.RED, "point": Point(1, "a"), "model": Model(), "opaque": Opaque(), "nan": float("nan"),
        "bytes": b"\\x00\\xff", "set": {2, 1}, "tuple": (1, 2), "keys": {5: "number"}, "half": "\\ud800", "me": me,
    }
graph = Graph(odd, name="odd")
""",
        encoding="utf-8",
    )
    said = cli("run", "odd:graph", "-q")
    assert said.code == 0, said.err
    found = said.json
    assert found.pop("me")
    assert found == {
        "date": "2026-01-02",
        "delta": 60.0,
        "decimal": "1.10",
        "path": "a/b",
        "colour": "red",
        "point": {"x": 1, "label": "a"},
        "model": {"name": "m"},
        "opaque": "<opaque>",
        "nan": "NaN",
        "bytes": "AP8=",
        "set": [1, 2],
        "tuple": [1, 2],
        "keys": {"5": "number"},
        "half": "\ud800",
    }


def test_what_nodes_say_cannot_steer_a_terminal(cli, project):
    (project / "evil.py").write_text(
        """
from nodeloom import Graph, node
@node
async def evil():
    yield {"text": "\\x1b[2J\\x1b]0;owned\\x07 done"}
    raise ValueError("\\x1b[31mred\\nand more")
graph = Graph(evil, name="evil")
""",
        encoding="utf-8",
    )
    said = cli("run", "evil:graph", "-v")
    assert said.code == 1
    assert "\x1b" not in said.err
    assert "\x07" not in said.err


def test_log_records_show_as_lines_and_information_with_verbose(cli, project):
    (project / "logs.py").write_text(
        """
from nodeloom import Graph, Node
class Talk(Node):
    identifier = "own.talk"
    async def work(self, ctx):
        self.log("thinking", about="life")
        ctx.log.warning("careful")
        return {}
    async def on_finish(self, result):
        raise RuntimeError("hook broke")
graph = Graph(Talk(id="talk"), name="logs")
""",
        encoding="utf-8",
    )
    said = cli("run", "logs:graph")
    assert "talk warning: careful" in said.err
    assert "thinking" not in said.err
    assert "hook broke" in said.err
    assert "Traceback" not in said.err
    assert "talk thinking about='life'" in cli("run", "logs:graph", "-v").err
    assert "careful" not in cli("run", "logs:graph", "-q").err


def test_a_node_that_ends_the_program_fails_the_run(command, project):
    (project / "exits.py").write_text(
        "import sys\nfrom nodeloom import Graph, node\n\n@node\nasync def leave():\n    sys.exit(0)\n"
        "\ngraph = Graph(leave, name='exits')\n",
        encoding="utf-8",
    )
    said = command("run", "exits:graph")
    assert said.code == 1
    assert "work of node leave called sys.exit(0), which is no way to end a step" in said.err
    assert "Traceback" not in said.err


RETRIES = """
from nodeloom import Batch, Graph, Retry, RetryAfter, node

@node(policies=[Retry(3, wait=0.01)])
async def ask(ctx):
    if ctx.attempt == 1:
        raise RetryAfter(0.02, "503, come\\nback later")
    return {}

graph = Graph(ask, name="asking")
many = Graph(ask.copy(id="many", batch=Batch(items=[1])), name="several")
"""


def test_a_wait_for_another_attempt_is_told_when_it_begins(cli, project):
    """5.3: and not only how the step ends."""
    (project / "retries.py").write_text(RETRIES, encoding="utf-8")
    retrying = "ask retrying in 0.02 s, attempt 2: RetryAfter: 503, come back later"
    said = cli("run", "retries:graph").err
    assert said.index(retrying) < said.index("ask completed")
    assert "many item 1 retrying in 0.02 s, attempt 2" in cli("run", "retries:many").err
    assert cli("run", "retries:graph", "-q").err == ""
    verbose = cli("run", "retries:graph", "-v").err
    assert "ask attempt 1 failed (RetryAfter: 503, come" in verbose
    assert "retrying in 0.02 s" in verbose
    assert retrying not in verbose  # once is enough
    events = [json.loads(line) for line in cli("run", "retries:graph", "--json").out.splitlines()]
    (retried,) = [event for event in events if event["type"] == "step_retried"]
    assert (retried["attempt"], retried["data"]["wait"]) == (2, 0.02)
    assert retried["data"]["error"]["message"] == "503, come\nback later"
