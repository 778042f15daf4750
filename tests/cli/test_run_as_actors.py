"""`nodeloom run FILE --as actor`: lines of JSON in, lines of JSON out, and nothing lost (semantics 9)."""

import json
import math
import os
import pty
import re
import signal
import subprocess
import tempfile
from datetime import date
from typing import Any

import pytest

from nodeloom.cli.living.keeping import tell_lost
from nodeloom.cli.living.lines import Lines
from nodeloom.cli.living.messages import BadLine, Told, left_line, message_of
from nodeloom.model.masks import MASKS
from nodeloom.model.values import Values
from nodeloom.runners.actors.delivery import LeftMessage

from .conftest import COMMAND, environment
from .test_signals import finish, wait_for
from .test_terminal import ESCAPE

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and sockets of POSIX")

FLOW = """
import asyncio
from pathlib import Path
from nodeloom import Graph, Mailbox, Node, Params, node

@node(mailbox=Mailbox(5))
async def double(inputs):
    if inputs.get("n") == 13:
        raise ValueError("unlucky")
    return {"n": inputs["n"] * 2}

@node
async def tell(inputs):
    return {"text": f"n is {inputs['n']}"}

double >> tell
flow = Graph(double, name="flow")

@node(mailbox=Mailbox(3))
async def gate(inputs):
    Path("began").touch()
    while not Path("open").exists():
        await asyncio.sleep(0.01)
    return inputs

gated = Graph(gate, name="gated")

@node(mailbox=Mailbox(3))
async def slowly(inputs):
    while inputs["n"] and not Path("open" if inputs["n"] == 1 else "free").exists():
        await asyncio.sleep(0.01)
    return inputs

slow = Graph(slowly, name="slow")

@node
async def begin(inputs):
    return {"n": inputs["n"], "words": ["a", inputs["text"]], "own": object() if inputs["n"] == 2 else None}

@node(mailbox=Mailbox(2))
async def wait(inputs, state, ctx):
    Path("began").touch()
    while not Path("open").exists():
        await asyncio.sleep(0.01)
    if inputs["n"] == 7 and not Path("mended").exists():
        raise ValueError("unlucky")
    return {"n": inputs["n"], "text": state["text"], "words": state["words"], "from": ctx.run_inputs["text"]}

begin >> wait
stateful = Graph(begin, name="stateful")

class Wanted(Params):
    url: str

@node
async def fetch(inputs):
    return {"url": inputs["url"]}

strict = Graph(fetch, name="strict", inputs=Wanted)

@node
async def again(inputs):
    return {"n": inputs["n"] + 1}

again.on("outputs.again.n < 3") >> again
loop = Graph(again, name="loop")
"""


@pytest.fixture(autouse=True)
def flow(project, monkeypatch):
    (project / "flow.py").write_text(FLOW, encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield


def lines(*values):
    return "".join(json.dumps(value) + "\n" for value in values)


def test_each_line_is_a_message_and_the_outputs_of_final_nodes_go_out(command):
    """9.3, 9.6"""
    said = command("run", "flow:flow", "--as", "actor", stdin=lines(*({"n": n} for n in range(100, 150))))
    assert said.code == 0
    assert said.lines == [{"node": "tell", "outputs": {"text": f"n is {2 * n}"}} for n in range(100, 150)]
    assert "flow: 50 messages in " in said.err
    assert "100 steps, 0 left" in said.err


def test_a_line_may_name_a_node_and_messages_may_be_in_a_file(command, project):
    given = lines({"node": "tell", "inputs": {"n": 1}}, {"inputs": {"n": 2}}, {"n": 3})
    (project / "messages.jsonl").write_text(given, encoding="utf-8")
    words = ("run", "flow:flow", "--as", "actor", "--messages", "messages.jsonl", "--quiet")
    said = command(*words)
    assert sorted(line["outputs"]["text"] for line in said.lines) == ["n is 1", "n is 4", "n is 6"]
    assert (said.code, said.err) == (0, "")
    said = command(*words, "--outputs", "double")
    assert [line["outputs"]["n"] for line in said.lines] == [4, 6]


def test_a_bad_line_is_told_with_its_number_and_stops_no_other(command):
    """9.4"""
    given = '{"n": 1}\n\nnonsense\n[1]\n{"node": "tel", "inputs": {}}\n{"node": "tell", "n": 1}\n{"n": 2}'
    said = command("run", "flow:flow", "--as", "actor", stdin=given)
    assert [line["outputs"]["text"] for line in said.lines] == ["n is 2", "n is 4"]
    assert said.code == 1
    told = [line for line in said.err.splitlines() if "line " in line and line.startswith("nodeloom: line")]
    assert told[0] == "nodeloom: line 3 of standard input: no JSON: Expecting value: line 1 column 1 (char 0)"
    assert told[1].startswith("nodeloom: line 4 of standard input: a message is an object, as {")
    assert "did you mean `tell`?" in told[2]
    assert "a message with node or inputs has node, inputs and priority, and state" in told[3]
    assert "where it was left, not n; an input of that name" in told[3]
    assert "2 messages in" in said.err
    assert "4 bad lines, 0 left" in said.err


def test_inputs_that_do_not_fit_are_a_bad_line(command):
    said = command("run", "flow:strict", "--as", "actor", stdin='{"url": 1}\n{"url": "u"}\n')
    assert [line["outputs"] for line in said.lines] == [{"url": "u"}]
    assert said.code == 1
    assert "line 1 of standard input: the inputs do not fit graph strict\n  url: " in said.err


def test_strict_ends_at_the_first_bad_line(command):
    said = command("run", "flow:flow", "--as", "actor", "--strict", stdin='{"n": 1}\nnonsense\n{"n": 2}\n')
    assert said.code == 2
    assert [line["outputs"]["text"] for line in said.lines] == ["n is 2"]
    assert "1 message left, and not kept" in said.err
    assert '1 line of standard input, read and not sent\n  {"n": 2}\n' in said.err


def test_a_message_that_fails_is_a_dead_letter_and_the_exit_code_says_so(command):
    """9.4"""
    said = command("run", "flow:flow", "--as", "actor", stdin=lines({"n": 1}, {"n": 13}, {"n": 2}))
    assert said.code == 1
    assert len(said.lines) == 2
    assert "ValueError: unlucky" in said.err
    assert "1 dead letter, 0 left" in said.err


def test_a_failure_is_told_once_with_its_line_and_on_demand_with_its_traceback(command):
    words = ("run", "flow:flow", "--as", "actor")
    (told,) = [line for line in command(*words, stdin='{"n": 13}\n').err.splitlines() if "unlucky" in line]
    assert told.endswith(" failed at double: ValueError: unlucky (at flow.py:9)")
    for said in (
        command(*words, "--traceback", stdin='{"n": 13}\n'),
        command(*words, stdin='{"n": 13}\n', NODELOOM_TRACEBACK="1"),
    ):
        assert "failed at double: ValueError: unlucky\nTraceback (most recent call last):" in said.err
        assert 'raise ValueError("unlucky")\nValueError: unlucky\n' in said.err


def test_dead_letters_are_kept_and_can_be_sent_again(command, project):
    given = lines({"n": 1}, {"node": "double", "inputs": {"n": 13}, "priority": 2})
    words = ("run", "flow:flow", "--as", "actor", "--dead", "dead.jsonl")
    said = command(*words, stdin=given)
    (line,) = (project / "dead.jsonl").read_text(encoding="utf-8").splitlines()
    letter = json.loads(line)
    assert (letter["node"], letter["inputs"], letter["priority"]) == ("double", {"n": 13}, 2)
    about = letter["dead"]
    assert (about["error"]["type"], about["error"]["message"]) == ("ValueError", "unlucky")
    assert about["run_inputs"] == {"n": 13}
    assert f"message {about['message']} failed" in said.err
    assert "not kept" not in said.err
    (project / "flow.py").write_text(FLOW.replace("== 13", "== 14"), encoding="utf-8")
    again = command("run", "flow:flow", "--as", "actor", "--messages", "dead.jsonl")
    assert (again.code, [each["outputs"] for each in again.lines]) == (0, [{"text": "n is 26"}])


def test_a_document_says_what_an_actor_does_after_a_failure(command, project):
    """9.4"""
    nodes = {"double": {"type": "flow.double", "supervision": "stop"}}
    (project / "stops.json").write_text(json.dumps({"nodeloom": 1, "nodes": nodes}), encoding="utf-8")
    said = command("run", "stops.json", "--as", "actor", stdin=lines({"n": 1}, {"n": 13}, {"n": 2}))
    assert [line["outputs"] for line in said.lines] == [{"n": 2}]
    assert "actor double has stopped: " in said.err


def test_dead_letters_are_kept_at_a_signal_too(started, project):
    process = started("run", "flow:flow", "--as", "actor", "--dead", "dead.jsonl", stdin=subprocess.PIPE)
    process.stdin.write(lines({"n": 13}, {"n": 1}).encode())
    process.stdin.flush()
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert finish(process)[0] == 143
    assert json.loads((project / "dead.jsonl").read_text(encoding="utf-8"))["inputs"] == {"n": 13}


def test_dead_letters_that_nobody_keeps_are_counted_at_the_end(command):
    said = command("run", "flow:flow", "--as", "actor", "--quiet", stdin=lines({"n": 13}, {"n": 13}))
    assert said.err.splitlines()[-1] == "nodeloom: 2 dead letters not kept; --dead FILE keeps them"


def test_with_json_every_event_is_a_line_and_the_last_is_the_result(command):
    said = command("run", "flow:flow", "--as", "actor", "--json", stdin=lines({"n": 1}, {"n": 13}))
    kinds = [line["type"] for line in said.lines]
    assert kinds.count("run_started") == 2
    assert "message_died" in kinds
    assert {"type": "output", "node": "tell", "outputs": {"text": "n is 2"}} in said.lines
    result = said.lines[-1]
    assert result == {"type": "result", "name": "flow", "sent": 2, "bad_lines": 0, "dead_letters": 1, "left": 0}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("flow:flow", "--as", "actor", "--outputs", "tel"),
            "--outputs tel: flow has no such node; did you mean `tell`?",
        ),
        (("flow:loop", "--as", "actor"), "something follows on every node of loop: say with --outputs whose go out"),
        (("flow:flow", "--as", "actor", "--messages", "none.jsonl"), "none.jsonl: No such file"),
        (("flow:flow", "--as", "actor", "-i", "n=1"), "--input means nothing --as actor; it is for graph"),
        (("flow:flow", "--messages", "m.jsonl"), "--messages means nothing --as graph; it is for actor"),
        (("flow:flow", "--strict"), "--strict means nothing --as graph"),
        (("flow:flow", "--duration", "1"), "--duration means nothing --as graph; it is for tick"),
        (("flow:flow", "--as", "actors"), "--as actors: there is no such way to run; there are graph, actor, tick"),
    ],
)
def test_options_that_cannot_be_are_usage_errors(command, words, message):
    said = command("run", *words)
    assert (said.code, said.out) == (2, "")
    assert message in said.err


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_what_is_left_at_a_signal_is_written_and_can_be_sent_again(started, command, project, number, code, word):
    """9.5: nothing is consumed unprocessed; 6.3"""
    process = started(
        "run", "flow:gated", "--as", "actor", "--grace", "0.1", "--left", "left.jsonl", stdin=subprocess.PIPE
    )
    process.stdin.write(lines(*({"n": n} for n in range(20))).encode())
    process.stdin.flush()
    wait_for(project / "began")
    process.send_signal(number)
    found, out, err = finish(process)
    assert (found, out) == (code, "")
    assert f"nodeloom: {word} after line " in err
    assert "20 left" in err
    left = [json.loads(line) for line in (project / "left.jsonl").read_text().splitlines()]
    assert sorted(line.get("inputs", line)["n"] for line in left) == list(range(20))
    assert left[0]["left"]["status"] == "interrupted"
    (project / "open").touch()
    said = command("run", "flow:gated", "--as", "actor", "--messages", "left.jsonl")
    assert said.code == 0
    assert sorted(line["outputs"]["n"] for line in said.lines) == list(range(20))


def test_what_is_left_is_sent_again_with_its_state(started, command, project):
    """9.5: and with what came from outside."""
    words = ("run", "flow:stateful", "--as", "actor", "--quiet")
    process = started(*words, "--grace", "0.1", "--left", "left.jsonl", stdin=subprocess.PIPE)
    given = [{"node": "begin", "inputs": {"n": n, "text": f"t{n}"}, "priority": 3} for n in range(5)]
    process.stdin.write(lines(*given).encode())
    process.stdin.flush()
    wait_for(project / "began")
    process.send_signal(signal.SIGTERM)
    err = finish(process)[2]
    left = [json.loads(line) for line in (project / "left.jsonl").read_text(encoding="utf-8").splitlines()]
    at_wait = {line["inputs"]["n"]: line for line in left if line["node"] == "wait"}
    assert len(at_wait) > 2
    assert at_wait[1]["state"] == {"n": 1, "text": "t1", "words": ["a", "t1"], "own": None}
    assert (at_wait[1]["run_inputs"], at_wait[1]["priority"]) == ({"n": 1, "text": "t1"}, 3)
    assert at_wait[2]["left"]["not_whole"] == ["inputs.own", "state.own"]
    assert "1 of the messages that --left keeps have parts that JSON cannot say" in err
    (project / "open").touch()
    said = command(*words, "--messages", "left.jsonl")
    assert (said.code, said.err) == (0, "")
    found = sorted((line["outputs"] for line in said.lines), key=lambda outputs: outputs["n"])
    assert found == [{"n": n, "text": f"t{n}", "words": ["a", f"t{n}"], "from": f"t{n}"} for n in range(5)]


def test_what_failed_is_sent_again_with_its_state(command, project):
    """9.4"""
    (project / "open").touch()
    words = ("run", "flow:stateful", "--as", "actor", "--dead", "dead.jsonl")
    assert command(*words, stdin=lines({"n": 7, "text": "seven"})).code == 1
    (project / "mended").touch()
    said = command("run", "flow:stateful", "--as", "actor", "--messages", "dead.jsonl")
    (line,) = said.lines
    assert line["outputs"] == {"n": 7, "text": "seven", "words": ["a", "seven"], "from": "seven"}


def test_what_was_under_way_and_is_left_again_keeps_its_state(started, project):
    line = {"node": "gate", "inputs": {"n": 1}, "state": {"n": 1, "seen": [2]}, "run_inputs": {"from": "far"}}
    process = started(
        "run", "flow:gated", "--as", "actor", "--grace", "0", "--left", "left.jsonl", stdin=subprocess.PIPE
    )
    process.stdin.write(lines(*[line] * 8).encode())
    process.stdin.flush()
    wait_for(project / "began")
    process.send_signal(signal.SIGINT)
    finish(process)
    left = [json.loads(each) for each in (project / "left.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [{word: each[word] for word in line} for each in left] == [line] * 8


def test_what_can_be_done_within_the_grace_is_done(started, project):
    """9.5"""
    process = started("run", "flow:gated", "--as", "actor", stdin=subprocess.PIPE)
    process.stdin.write(lines({"n": 1}, {"n": 2}).encode())
    process.stdin.flush()
    wait_for(project / "began")
    process.send_signal(signal.SIGTERM)
    assert b"stopping: gated ends what it has, which may take up to 10.0 s" in process.stderr.readline()
    (project / "open").touch()
    code, out, err = finish(process)
    assert [json.loads(line)["outputs"]["n"] for line in out.splitlines()] == [1, 2]
    assert code == 143
    assert "0 left" in err


def test_standard_input_is_held_back_while_mailboxes_are_full(started, project):
    """9.2: a fast producer drowns nobody."""
    process = started("run", "flow:gated", "--as", "actor", "--grace", "0", stdin=subprocess.PIPE)
    line = json.dumps({"n": 1, "filler": "x" * 1000}).encode() + b"\n"
    written = 0
    os.set_blocking(process.stdin.fileno(), False)
    os.write(process.stdin.fileno(), line)
    wait_for(project / "began")
    while True:
        try:
            written += os.write(process.stdin.fileno(), line * 60)
        except BlockingIOError:
            break
    process.send_signal(signal.SIGINT)
    _, _, err = finish(process)
    assert written < 1_000_000
    assert "interrupted after line" in err


def test_a_reader_that_leaves_ends_it_quietly(started):
    process = started("run", "flow:flow", "--as", "actor", "--quiet", stdin=subprocess.PIPE)
    process.stdout.close()
    process.stdin.write(lines({"n": 1}).encode())
    process.stdin.flush()
    assert process.stderr.read() == b""
    assert process.wait(timeout=20) == 141


def leave_after_the_first(process, project):
    """Send twenty messages, and read the output of the first alone; what is written of the second finds nobody."""
    process.stdin.write(lines(*({"n": n} for n in range(20))).encode())
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["outputs"] == {"n": 0}
    process.stdout.close()
    (project / "open").touch()
    assert process.wait(timeout=30) == 141


@pytest.mark.parametrize("both", [False, True])
def test_what_is_left_when_the_reader_leaves_is_kept_and_can_be_sent_again(started, command, project, both):
    """9.5: as in `nodeloom run ... | head`, where standard error may go the same way."""
    words = ("run", "flow:slow", "--as", "actor", "--left", "left.jsonl")
    process = started(*words, stdin=subprocess.PIPE, **({"stderr": subprocess.STDOUT} if both else {}))
    leave_after_the_first(process, project)
    left = [json.loads(line) for line in (project / "left.jsonl").read_text(encoding="utf-8").splitlines()]
    assert sorted(line.get("inputs", line)["n"] for line in left) == list(range(2, 20))
    if not both:
        *_, last, summary = process.stderr.read().decode().splitlines()
        assert last.startswith("nodeloom: stopped after line ")
        assert summary.startswith("  slow: ")
        assert summary.endswith(", 18 left")
    (project / "free").touch()
    said = command("run", "flow:slow", "--as", "actor", "--messages", "left.jsonl")
    assert sorted(line["outputs"]["n"] for line in said.lines) == list(range(2, 20))


def test_what_is_left_when_the_reader_leaves_is_told_where_no_file_is_named(started, project):
    process = started("run", "flow:slow", "--as", "actor", "--quiet", stdin=subprocess.PIPE)
    leave_after_the_first(process, project)
    told = process.stderr.read().decode()
    assert "nodeloom: 18 messages left, and not kept: --left FILE keeps what is left, to be sent again\n" in told
    assert "and 15 more" in told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_nobody_keeps_at_a_signal_is_told_in_a_few_lines(started, project, number):
    """9.5: nothing is lost silently, and a terminal is not flooded."""
    process = started("run", "flow:gated", "--as", "actor", "--grace", "0", "--json", stdin=subprocess.PIPE)
    process.stdin.write(lines(*({"n": n, "filler": "x" * 500} for n in range(110))).encode())
    process.stdin.flush()
    wait_for(project / "began")
    process.send_signal(number)
    _, out, err = finish(process)
    assert "110 messages left, and not kept: --left FILE keeps what is left, to be sent again" in err
    assert re.search(r"\n  4 at gate; 1 on the way in; 105 lines of standard input, read and not sent\n", err), err
    assert '\n  {"node": "gate", "inputs": {"n": 0, "filler": "xxx' in err
    assert "\n  and 107 more\n" in err
    assert "was left at" not in err
    assert len(err) < 1_500
    assert json.loads(out.splitlines()[-1])["left"] == 110


def test_what_is_told_of_what_nobody_keeps_shows_no_secret(capsys):
    MASKS.remember("key", "k-1234567890")
    long = json.dumps({"filler": "x" * 100, "token": "k-1234567890"}).encode()
    tell_lost([{"node": "a", "inputs": {"token": "k-1234567890"}}, long, b"y" * 20_000], "m.jsonl")
    said = capsys.readouterr().err
    assert "k-1" not in said
    assert '{"node": "a", "inputs": {"token": "[secret key]"}}' in said
    assert "3 messages left" in said
    assert "1 at a; 2 lines of m.jsonl, read and not sent" in said
    assert "a line of 20,000 bytes" in said


def test_of_a_message_that_is_left_what_is_no_json_is_named():
    MASKS.remember("key", "k-1234567890")
    inputs = Values({"a": 1, "b": b"bytes"})
    endless: list[Any] = []
    endless.append(endless)
    state = Values({"a": (1, [None, True, 0.5]), "nan": math.nan, "key": "k-1234567890", "day": date(2026, 1, 1)})
    run_inputs = Values({"a": {"b": {"c": "d"}}, "e": {1: 2}, "endless": endless})
    line = left_line(LeftMessage("node", "m-1", inputs, state, "waiting", run_inputs))
    assert line["state"] == {"a": (1, [None, True, 0.5])}
    assert line["run_inputs"] == {"a": {"b": {"c": "d"}}}
    lost = ["inputs.b", "state.nan", "state.key", "state.day", "run_inputs.e", "run_inputs.endless"]
    assert line["left"] == {"message": "m-1", "status": "waiting", "not_whole": lost}
    assert left_line(LeftMessage("node", "m-1", inputs, inputs, "waiting", inputs)).keys() == {"node", "inputs", "left"}


def test_what_cannot_be_kept_where_it_was_to_be_is_told_whole(started, project):
    process = started("run", "flow:slow", "--as", "actor", "--left", "no/left.jsonl", stdin=subprocess.PIPE)
    leave_after_the_first(process, project)
    told = [json.loads(line) for line in process.stderr.read().decode().splitlines() if line.startswith("{")]
    assert sorted(line.get("inputs", line)["n"] for line in told) == list(range(2, 20))


def test_it_can_be_seen_by_top(started, command, project):
    """10.5"""
    process = started("run", "flow:gated", "--as", "actor", "--grace", "0", stdin=subprocess.PIPE)
    process.stdin.write(lines({"n": 1}, {"n": 2}).encode())
    process.stdin.flush()
    wait_for(project / "began")
    said = command("top", str(process.pid), "--json", "--count", "1")
    process.send_signal(signal.SIGINT)
    finish(process)
    (view,) = said.lines[0]["views"]
    assert (view["name"], view["kind"]) == ("gated", "actors")
    assert view["actors"][0]["state"] == "processing"
    assert view["actors"][0]["last_input"] == "{'n': 1}"


@pytest.mark.parametrize("width", [80, 140])
def test_on_a_terminal_the_table_stands_below_the_outputs(project, width):
    main, side = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, "run", "flow:flow", "--as", "actor"], cwd=project, env=environment(), stdin=subprocess.PIPE,
        stdout=side, stderr=side,
    )  # fmt: skip
    os.close(side)
    assert process.stdin is not None
    process.stdin.write(lines({"n": 1}, {"n": 2}).encode())
    process.stdin.close()
    sent = b""
    while True:
        try:
            sent += (piece := os.read(main, 65536))
        except OSError:
            break
        if not piece:
            break
    os.close(main)
    assert process.wait(timeout=20) == 0
    text = ESCAPE.sub("", sent.decode()).replace("\r", "\n")
    picture = text[text.rindex("NODE") :]
    assert text.index('{"node": "tell", "outputs": {"text": "n is 4"}}') < text.rindex("NODE")
    assert [line.split()[0] for line in picture.splitlines()[1:] if line.strip()][:2] == ["double", "tell"]
    assert max(len(line) for line in text.splitlines()) <= max(width, 80)


# --- lines and messages by themselves


async def test_lines_come_whole_whatever_the_pieces():
    read, write = os.pipe()
    found = Lines(read)
    os.write(write, b"one\ntw")
    assert await found.next() == b"one"
    os.write(write, b"o\nthree")
    os.close(write)
    assert [await found.next(), await found.next(), await found.next()] == [b"two", b"three", None]
    assert found.number == 3
    os.close(read)


async def test_what_was_read_and_not_asked_for_is_given_back_at_the_end():
    read, write = os.pipe()
    found = Lines(read)
    os.write(write, b"one\ntwo\nthr")
    assert await found.next() == b"one"
    assert found.close() == [b"two", b"thr"]
    assert await found.next() is None
    os.close(read)
    os.close(write)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b'{"text": "a"}', Told(None, {"text": "a"})),
        (b"{}", Told(None, {})),
        (b'{"node": "a"}', Told("a", {})),
        (b'{"node": "a", "inputs": {"x": 1}, "priority": 5}', Told("a", {"x": 1}, 5)),
        (b'{"inputs": {"node": 1}, "left": {"status": "waiting"}}', Told(None, {"node": 1})),
        (b'{"node": "a", "state": {"x": 1}, "run_inputs": {}}', Told("a", {}, 0, {"x": 1}, {})),
        (b'{"state": {"x": 1}}', Told(None, {"state": {"x": 1}})),
    ],
)
def test_a_message_is_read_from_its_line(line, told):
    assert message_of(line) == told


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff",
        b"3",
        b'{"a": NaN}',
        b'{"node": 3}',
        b'{"inputs": []}',
        b'{"inputs": {}, "priority": true}',
        b'{"inputs": {}, "state": null}',
        b'{"inputs": {}, "run_inputs": [1]}',
        b"[" * 100_000,
    ],
    ids=range(10),
)
def test_what_is_no_message_says_why(line):
    with pytest.raises(BadLine, match=r"\w+ \w+"):
        message_of(line)
