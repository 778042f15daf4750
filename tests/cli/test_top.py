"""`nodeloom top`: the tables, how they fit, and how it finds and loses processes (semantics 10.5)."""

import contextlib
import os
import re
import signal
import socket
import tempfile
from pathlib import Path

import pytest
from rich.console import Console

from nodeloom.cli.top.plain import plain_lines
from nodeloom.cli.top.table import picture, rows_for
from nodeloom.cli.top.units import count_text, precise_rate_text, rate_text, span_text
from nodeloom.runners.readings import Ask, Reading, View, read
from nodeloom.runners.stats import ActorStats, TickStats

from .living import ROBOT, SHOP, Fake, living_process
from .test_terminal import ESCAPE, on_terminal

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sockets of POSIX")


def drawn(reading, width=80, height=40, **more):
    """The lines of the tables as a terminal of that size shows them."""
    console = Console(width=width, height=height, force_terminal=True, highlight=False, **more)
    with console.capture() as capture:
        console.print(picture(reading, console))
    return capture.get().splitlines()


def plain(lines):
    return [ESCAPE.sub("", line) for line in lines]


# --- the tables


@pytest.mark.parametrize("width", [30, 60, 80, 100, 140, 200])
def test_no_line_is_wider_than_the_terminal_and_every_node_is_there(width):
    lines = plain(drawn(read([SHOP, ROBOT]), width))
    assert max(map(len, lines)) <= width
    for node in ("take_order", "pack", "send", "camera", "control", "lidar"):
        assert sum(line.startswith(node) for line in lines) == 1


def test_at_80_columns_what_matters_most_stays():
    lines = plain(drawn(read([SHOP, ROBOT])))
    assert lines[2].split() == ["NODE", "STATE", "MAILBOX", "IN/S", "OUT/S", "P99", "DONE", "FAILED", "DEAD"]
    assert lines[3].split() == ["send", "restarting", "20/20", "9.8", "0.25", "1.0", "min", "9,000", "17", "17"]
    assert lines[7].split() == ["NODE", "HEALTH", "ASKED", "HZ", "P99", "TICKS", "MISSES", "OVERRUNS"]
    assert lines[8].split() == ["lidar", "hung", "10", "7.50", "500", "ms", "225/300", "12", "60"]
    assert lines[9] == "  its watchdog expired 4.0 s ago: it has run for 5.0 s"


def test_at_140_columns_every_figure_is_there():
    lines = plain(drawn(read([SHOP, ROBOT]), 140))
    titles = lines[2].split()
    assert titles[-5:] == ["DONE", "FAILED", "RESTARTS", "DEAD", "DROPPED"]
    assert lines[4].split()[:4] == ["pack", "idle", "━━━━━─", "850/1,000"]
    assert lines[5].endswith("{'order': 7}")
    assert [*lines[7].split()[-3:], len(lines[7].split())] == ["RESTARTS", "LOST", "AGE", 16]


def test_numbers_are_aligned_with_their_titles():
    lines = plain(drawn(read([SHOP]), 140))
    for title, cells in (("MAILBOX", ("20/20", "850/1,000", "3/1,000")), ("DROPPED", ("1,204", "0", "0"))):
        ends = {lines[2].index(title) + len(title)}
        ends |= {
            line.rindex(cell) + len(cell) for line, cell in zip(lines[3:], cells, strict=False) if title == "MAILBOX"
        }
        ends |= {len(line[: lines[2].index(title) + len(title)].rstrip()) for line in lines[3:6]}
        assert len(ends) == 1


def test_columns_of_zeros_make_room_for_figures():
    fine = Fake(
        "fine",
        "actors",
        [ActorStats("a", depth=1, maxsize=10, rate_in=5, rate_out=5, latency_p50=0.1, latency_p99=1.0)],
    )
    assert "P50" in plain(drawn(read([fine]), 60))[2]
    assert "DEAD" not in plain(drawn(read([fine]), 60))[2]
    assert "DEAD" in plain(drawn(read([SHOP]), 60))[2]


def test_what_is_well_has_no_colour():
    """Colour says that something is not well, and nothing else does."""
    well = read([Fake("a", "actors", [SHOP.nodes[0]]), Fake("c", "clock", ROBOT.nodes[:2])])
    assert not re.search(r"\x1b\[(?:\d+;)*3[0-7]m", "\n".join(drawn(well, 200)))
    ill = drawn(read([SHOP, ROBOT]), 200)
    assert re.search(r"\x1b\[31m *20/20", "\n".join(ill))
    assert re.search(r"\x1b\[33m *850/1,000", "\n".join(ill))
    assert re.search(r"\x1b\[31mhung", "\n".join(ill))
    assert re.search(r"\x1b\[33m *7\.50", "\n".join(ill))


def test_of_ten_thousand_the_worst_are_shown_and_the_rest_is_counted():
    crowd = [ActorStats(f"a{number}", depth=1, maxsize=10) for number in range(10_000)]
    crowd[9000] = ActorStats("sick", "stopped", 1, 10, failed=2, dead_letters=2)
    lines = plain(drawn(read([Fake("crowd", "actors", crowd)], Ask(limit=20)), 80, height=12))
    assert len(lines) <= 12
    assert lines[3].startswith("sick")
    assert re.fullmatch(r"and 9,99\d more: 9,99\d waiting", lines[-1])
    assert "10,000 nodes · 2 dead letters · 2 failed · 10,000 waiting" in lines[1]


def test_several_systems_share_the_height():
    many = View("a", "actors", 50, {}, tuple(ActorStats(f"n{number}") for number in range(50)))
    few = View("b", "clock", 2, {}, (), (TickStats("x"), TickStats("y")))
    assert rows_for([many, few], 20) == [12, 2]
    assert rows_for([many, few], 3) == [1, 1]


def test_reasons_have_their_room():
    ill = Fake("ill", "clock", [TickStats(f"n{number}", health="hung", reason="it hangs") for number in range(50)])
    lines = plain(drawn(read([ill], Ask(limit=50)), 40, height=20))
    assert len(lines) <= 20
    assert lines.count("  it hangs") == 7
    assert lines[-1] == "and 43 more"


def test_a_terminal_without_unicode_gets_ascii(tmp_path):
    with (tmp_path / "out").open("w", encoding="ascii") as file:
        console = Console(file=file, width=140, height=40)
        console.print(picture(read([SHOP, ROBOT]), console))
    text = (tmp_path / "out").read_text(encoding="ascii")
    assert "#####-  850/1,000" in text
    assert "820 us" in text


def test_what_another_process_says_cannot_steer_the_terminal():
    evil = Reading(
        1, "x\x1b[2J", 0.0, (View("n\x1b]0;t\x07", "actors", 1, {}, (ActorStats("a\nb", last_input="\x1b[31m"),)),)
    )
    lines = drawn(evil, 200)
    assert "\x1b[2J" not in "".join(lines)
    assert "\x07" not in "".join(lines)
    assert len(lines) == 4
    assert all("\x1b[2J" not in line for line in plain_lines(evil))


def test_of_a_kind_only_its_own_nodes_are_shown():
    """A reading may come from anywhere: a clock that has actors is drawn all the same."""
    odd = Reading(1, "", 0.0, (View("odd", "clock", 1, {}, (ActorStats("a"),)),))
    assert plain(drawn(odd))[1] == "clock odd · 1 node · 0 of 0 ticks"


def test_lines_say_it_in_words_and_what_went_wrong_only_where_something_has():
    lines = [line.split(" ", 1)[1] for line in plain_lines(read([SHOP, ROBOT]))]
    assert lines[2] == (
        "shop/take_order processing, mailbox 3/1,000, in 120/s, out 120/s, p50 820 µs, p99 3.1 ms, 12,345 done"
    )
    assert lines[0].endswith("9,000 done, 17 failed, 4 restarts, 17 dead letters, 1,204 dropped")
    assert lines[3] == (
        "robot/lidar hung, 7.50 of 10 Hz, period error p50 20 ms, p99 500 ms, max 3.0 s, 225 of 300 ticks, 12 misses, "
        "60 overruns, 1 watchdog, 2 blocked, its watchdog expired 4.0 s ago: it has run for 5.0 s"
    )
    assert next(plain_lines(read([]))).endswith("nothing lives here at the moment")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"), (0, "–"), (0.0000024, "2.4 µs"), (0.00082, "820 µs"), (0.0009996, "1.0 ms"), (0.0012, "1.2 ms"),
        (0.035, "35 ms"), (0.9999, "1.0 s"), (1.2, "1.2 s"), (42, "42 s"), (90, "1.5 min"), (7200, "2.0 h"),
    ],
)  # fmt: skip
def test_a_span_has_the_unit_that_fits(seconds, text):
    assert span_text(seconds) == text


def test_rates_and_counts_have_as_many_digits_as_matter():
    assert [rate_text(rate) for rate in (0, 0.25, 0.999, 9.83, 119.6, 12345)] == [
        "0",
        "0.25",
        "1.0",
        "9.8",
        "120",
        "12,345",
    ]
    assert [precise_rate_text(rate) for rate in (99.981, 99.999, 999.99, 0.25)] == ["99.98", "100.0", "1,000", "0.25"]
    assert [count_text(number) for number in (0, 12345, 12_345_678)] == ["0", "12,345", "12.3M"]


# --- processes


@pytest.fixture
def session(monkeypatch):
    """A folder for a user's session, which no other test's processes are in."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


@pytest.fixture
def live(session):
    """Start processes with a system of actors and a clock."""
    with contextlib.ExitStack() as stack:

        def start(body="pass"):
            process = stack.enter_context(living_process(session, body))
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline()
            return process

        yield start


def test_the_only_process_is_shown(cli, live):
    process = live()
    said = cli("top", "--count", "1")
    assert said.code == 0
    assert "shop/send restarting" in said.out
    assert "robot/lidar hung" in said.out
    assert said.err == ""
    assert cli("top", str(process.pid), "--count", "2").out.count("shop/send") == 2


def test_json_is_a_line_for_each_reading(cli, live):
    process = live()
    said = cli("top", "--json", "--count", "2", "--every", "0.1", "--sort", "name", "--limit", "2")
    first, second = said.lines
    assert first["pid"] == process.pid
    assert [each["node"] for each in first["views"][0]["actors"]] == ["pack", "send"]
    assert first["views"][1]["totals"]["misses"] == 12
    assert second["time"] - first["time"] >= 0.09


def test_in_json_counts_are_whole_numbers_and_rates_are_not(cli, live):
    live()
    (reading,) = cli("top", "--json", "--count", "1").lines
    actors, clock = (view["totals"] for view in reading["views"])
    assert {word for word, value in actors.items() if type(value) is float} == {"rate_in", "rate_out"}
    assert all(type(value) is int for value in clock.values())
    told = [each for view in reading["views"] for each in [*view["actors"], *view["ticks"]]]
    counts = ("depth", "maxsize", "processed", "failed", "restarts", "dead_letters", "dropped", "ticks", "expected")
    assert all(type(each[word]) is int for each in told for word in counts if word in each)


def test_without_any_process_it_says_what_can_be_seen(cli, session):
    said = cli("top")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(
        "nodeloom: no process can be seen: a process can be seen that runs `nodeloom run FILE --as"
    )


def test_of_several_one_is_to_be_chosen(cli, live):
    pids = sorted([live().pid, live().pid])
    said = cli("top")
    assert said.code == 2
    assert said.err.splitlines()[0] == "nodeloom: several processes can be seen: say which"
    assert [line.strip() for line in said.err.splitlines()[1:]] == [
        f"nodeloom top {pid}   -c: actors shop (3), clock robot (3)" for pid in pids
    ]
    assert cli("top", str(pids[1]), "--count", "1").code == 0


def test_a_process_that_cannot_be_seen_is_answered_with_those_that_can(cli, live):
    pid = live().pid
    said = cli("top", "1")
    assert said.code == 2
    assert said.err.startswith("nodeloom: process 1 cannot be seen; there is\n")
    assert f"nodeloom top {pid} " in said.err


@pytest.mark.parametrize("words", [("--every", "0"), ("--limit", "0"), ("--count", "-1"), ("--sort", "best"), ("no",)])
def test_wrong_words_are_usage_errors(cli, session, words):
    said = cli("top", *words)
    assert said.code == 2
    assert said.err.startswith("nodeloom: ")


def test_a_process_that_was_killed_is_gone_and_its_socket_swept(cli, live, session):
    """Nothing of it is left, and nobody is told of it any more."""
    process = live()
    sockets = session / "nodeloom"
    assert len(list(sockets.iterdir())) == 1
    process.kill()
    process.wait()
    assert cli("top").code == 1
    assert list(sockets.iterdir()) == []


def test_a_process_that_ends_while_it_is_watched_ends_the_watching(started, live):
    process = live()
    watching = started("top", str(process.pid), "--every", "0.05")
    assert watching.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, err = watching.communicate(timeout=20)
    assert watching.returncode == 0
    assert err.decode() == f"nodeloom: process {process.pid} has ended\n"


def test_a_reader_that_leaves_ends_it_quietly(started, live):
    live()
    watching = started("top", "--every", "0.05")
    assert watching.stdout.readline()
    watching.stdout.close()
    assert watching.stderr.read() == b""
    assert watching.wait(timeout=20) == 141


def test_ctrl_c_leaves_it(started, live):
    live()
    watching = started("top")
    assert watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=20)
    assert (watching.returncode, err) == (0, b"")


def test_a_process_whose_loop_is_blocked_is_said_to_be(cli, live, monkeypatch):
    """10.4: blocking is seen while it lasts."""
    monkeypatch.setattr("nodeloom.cli.top.asking.PATIENCE", 0.2)
    process = live("print('blocked', flush=True); sys.stdin.readline()")
    process.stdin.write("go\n")
    process.stdin.flush()
    assert process.stdout.readline() == "blocked\n"
    said = cli("top", "--count", "1")
    assert said.code == 0
    assert f"process {process.pid} has not answered: something blocks its event loop" in said.out


@contextlib.contextmanager
def stranger(session, answer):
    """Something that listens where a process would, and answers what it likes."""
    folder = session / "nodeloom"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{os.getpid()}.0123abcd.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    with peer, contextlib.suppress(OSError):
                        if peer.recv(1000):
                            peer.sendall(answer)

        import threading

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        b"\x00\xff" * 50 + b"\n",
        b"{}\n",
        b'{"error": "no"}\n',
        b"[" * 100_000 + b"\n",
        b'{"pid": 1, "program": "", "time": 0}\n',
        b"half",
    ],
    ids=range(6),
)
def test_garbage_on_the_socket_is_a_paragraph(cli, session, answer):
    with stranger(session, answer):
        said = cli("top", "--count", "1")
    assert (said.code, said.out) == (1, "")
    assert (
        said.err
        == f"nodeloom: process {os.getpid()} answers with what is no reading: is its nodeloom another version?\n"
    )


def test_an_answer_without_end_is_not_read_to_its_end(cli, session, monkeypatch):
    monkeypatch.setattr("nodeloom.cli.top.asking.LONGEST", 1000)
    with stranger(session, b"x" * 1_000_000):
        assert "what is no reading" in cli("top").err


# --- on a terminal


@pytest.mark.parametrize("width", [80, 140])
def test_on_a_terminal_the_tables_move_in_place(project, live, session, width):
    live()
    more = {"XDG_RUNTIME_DIR": str(session)}
    code, _, sent = on_terminal(project, "top", "--count", "3", "--every", "0.05", width=width, out=True, **more)
    assert code == 0
    lines = ESCAPE.sub("", sent.replace("\x1b[1A", "\n")).replace("\r", "\n").splitlines()
    assert max(map(len, lines)) <= width
    assert sum(line.startswith("NODE") for line in lines) >= 4
    assert "\x1b[1A" in sent
    assert sent.rindex("\x1b[?25h") > sent.rindex("\x1b[?25l")


@pytest.mark.parametrize("width", [80, 140])
def test_the_demos_living_part_is_shown_in_the_tables(project, width):
    code, _, sent = on_terminal(
        project, "demo", "--live", "0.7", "--out", "week.html", width=width, height=40, out=True
    )
    assert code == 0
    living = sent[sent.index("The same nodes, living") :]
    lines = ESCAPE.sub("", living.replace("\x1b[1A", "\n")).replace("\r", "\n").splitlines()
    assert max(map(len, lines)) <= width
    assert sum(line.startswith("actors stations") for line in lines) >= 2
    assert sum(line.startswith("replay ") for line in lines) >= 2
    assert "1,679 sent, 1,679 processed, 0 left, 0 dead letters · nothing lost" in living
