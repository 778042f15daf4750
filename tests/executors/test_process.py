"""A node's work in a worker process: sent, forwarded, killed (5.4, 7.2)."""

import asyncio
import datetime as dt
import logging
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
from tests.executors import process_nodes as nodes

from nodeloom import Event, Graph, Node, Params, Registry, Route, RunFailed, node
from nodeloom.errors import (
    DefinitionError,
    OutputError,
    RemoteError,
    RetryAfter,
    StartFailed,
    StepError,
    StepTimeout,
    WorkerDied,
)
from nodeloom.executors.process import WorkerCall
from nodeloom.model.advance import error_info, start
from nodeloom.model.run import ErrorInfo
from nodeloom.model.values import Values
from nodeloom.nodes.context import Context, Live, Own, Walk
from nodeloom.nodes.memory import Memory
from nodeloom.policies.first_step import bounded
from nodeloom.policies.policy import Handler
from nodeloom.resources.processes import ProcessPool

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[ProcessPool]:
    before = psutil.Process().children(recursive=True)
    made = ProcessPool("work", 1)
    yield made
    await made.close()
    assert [child for child in psutil.Process().children(recursive=True) if child not in before] == []


class NoEngine:
    """Nothing of the engine is asked for here."""


def context_of(node: Node, inputs: Mapping[str, Any] | None = None, **parts: Any) -> Context:
    graph = Graph.alone(node)
    run = start(graph.plan, "run-1", inputs or {})
    live = Live(graph, graph.plan, run, NoEngine())  # type: ignore[arg-type]
    live.watch = parts.pop("watch", None)
    live.metadata, live.config = parts.pop("metadata", {}), parts.pop("config", {})
    step = run.ready[0]
    step.error = parts.pop("error", None)
    walk = Walk(live)
    walk.context = Context(step, walk, node, parts.pop("params", node.params), parts.pop("attempt", 1), **parts)
    return walk.context


async def perform(pool: ProcessPool, node: Node, inputs: Mapping[str, Any] | None = None, **parts: Any) -> Any:
    return await WorkerCall(node, pool, node.id)(context_of(node, inputs, **parts))


# --- where it runs


async def test_plain_work_runs_in_the_main_thread_of_another_process(pool: ProcessPool) -> None:
    """7.2: where libraries that ask for a main thread can be used."""
    outputs = await perform(pool, nodes.where)
    assert outputs["main"] is True
    assert outputs["pid"] != os.getpid()


async def test_async_work_does_as_well(pool: ProcessPool) -> None:
    """7.2."""
    assert (await perform(pool, nodes.where_async))["pid"] == (await perform(pool, nodes.where))["pid"]


async def test_values_come_back_as_they_went(pool: ProcessPool) -> None:
    """7.2."""
    values = {
        "when": dt.datetime(2024, 5, 1, 12, 30, tzinfo=dt.UTC),
        "day": dt.date(2024, 5, 1),
        "price": Decimal("1.10"),
        "bytes": b"\x00\xff",
        "pair": (1, 2),
        "set": {1, 2},
        "big": 2**100,
        "nested": {"items": [None, True, 1.5, "é"], 3: "three"},
        "items": "a key named as a method",
        "values": Values({"x": 1}),
    }
    assert await perform(pool, nodes.echo, values) == values


async def test_work_that_returns_nothing_has_no_outputs(pool: ProcessPool) -> None:
    """1.7."""
    assert await perform(pool, nodes.nothing) is None


async def test_what_is_no_output_is_refused_there(pool: ProcessPool) -> None:
    """1.7."""
    with pytest.raises(OutputError, match="work of node seven returned int 7; it returns a mapping"):
        await perform(pool, nodes.seven)


async def test_outputs_that_cannot_be_sent_say_which(pool: ProcessPool) -> None:
    """7.2."""
    with pytest.raises(OutputError, match=r"isolation='process', so what it gives is sent.*outputs\.lock is a _thread"):
        await perform(pool, nodes.unsendable)


async def test_a_route_comes_back(pool: ProcessPool) -> None:
    """1.7, 3.7."""
    route = await perform(pool, nodes.route)
    assert isinstance(route, Route)
    assert route.outputs == {"n": 1}
    assert route.sends() == [("left", None), ("right", {"m": 2})]


# --- what it sees


async def test_a_context_shows_there_what_it_shows_here(pool: ProcessPool) -> None:
    """7.2: the same step id, so that it is an idempotency key there as well."""
    error = ErrorInfo("ValueError", "value_error", "no", "before")
    parts: dict[str, Any] = {"attempt": 2, "metadata": {"user": "me"}, "config": {"k": 1}, "error": error}
    ctx = context_of(nodes.look, {"word": "x"}, **parts)
    seen = await perform(pool, nodes.look, {"word": "x"}, **parts)
    here = nodes.look.work(ctx)  # type: ignore[call-arg, func-returns-value]
    assert seen == here
    assert seen["key"] == "x"
    assert seen["attempt"] == 2
    assert seen["error"]["message"] == "no"


async def test_an_item_of_a_batch_has_its_own_step_id_and_state(pool: ProcessPool) -> None:
    """8.4."""
    own = Own(Values({"word": "own"}), Values(), index=3)
    seen = await perform(pool, nodes.look, {"word": "x"}, own=own)
    assert seen["ids"][1].endswith("[3]")
    assert seen["key"] == "own"


async def test_an_item_of_a_batch_and_its_index_are_read_there_too(pool: ProcessPool) -> None:
    """8.4, 7.2"""
    own = Own(index=3, item={"n": 1}, alias="item")
    assert await perform(pool, nodes.read_the_item, {}, own=own) == {"item": {"n": 1}, "index": 3}
    with pytest.raises(DefinitionError, match=r"has no batch, so there is no ctx\.item"):
        await perform(pool, nodes.read_the_item, {})


async def test_only_what_is_used_is_sent(pool: ProcessPool) -> None:
    """7.2: what cannot be sent is in nobody's way who does not read it."""
    inputs = {"word": "x", "lock": threading.Lock()}
    own = Own(Values({"word": "x"}), Values({"before": Values({"text": "t"})}))
    assert await perform(pool, nodes.read_state_only, inputs, own=own) == {"got": "x"}
    assert await perform(pool, nodes.nothing, inputs) is None
    with pytest.raises(StepError, match=r"isolation='process', so what it asks for is sent.*inputs\.lock"):
        await perform(pool, nodes.echo, inputs)


async def test_what_cannot_be_sent_fails_where_it_is_read(pool: ProcessPool) -> None:
    """7.2."""
    own = Own(Values(), Values({"before": Values({"lock": threading.Lock()})}))
    with pytest.raises(StepError, match=r"its ctx\.outputs is sent between processes.*lock is a _thread\.lock"):
        await perform(pool, nodes.read_the_outputs, own=own)


@pytest.mark.parametrize(
    ("asking", "what"),
    [
        (nodes.use_http, r"ctx\.http"),
        (nodes.use_a_resource, r"ctx\.resource\('db'\)"),
        (nodes.use_resources, r"ctx\.resource\('db'\)"),
        (nodes.use_shared, r"ctx\.shared"),
        (nodes.use_a_setting, r"ctx\.setting\('file_roots'\)"),
    ],
)
async def test_it_has_no_live_resources_and_says_so(pool: ProcessPool, asking: Node, what: str) -> None:
    """7.2."""
    with pytest.raises(StepError, match=f"{asking.id} runs in a worker process.*no live resources: {what} cannot"):
        await perform(pool, asking)


async def test_offload_uses_a_thread_of_its_own_process(pool: ProcessPool) -> None:
    """7.1."""
    assert (await perform(pool, nodes.offload))["thread"] != "MainThread"


# --- what is forwarded


@pytest.mark.parametrize("generator", [nodes.generate, nodes.generate_async])
async def test_chunks_reach_the_watchers_and_the_last_is_the_output(pool: ProcessPool, generator: Node) -> None:
    """1.7, 7.2."""
    events: list[Event] = []
    assert await perform(pool, generator, watch=events.append, attempt=3) == {"number": 2}
    assert [event["chunk"] for event in events if event.type == "chunk"] == [{"number": n} for n in range(3)]
    assert {(event.node, event.attempt) for event in events} == {(generator.id, 3)}
    if generator is nodes.generate_async:
        assert events[0].data == {"done": 1, "total": 2, "message": "half"}


async def test_a_last_chunk_that_is_no_mapping_is_refused(pool: ProcessPool) -> None:
    """1.7."""
    with pytest.raises(OutputError, match="last chunk that node end_badly yields"):
        await perform(pool, nodes.end_badly)


async def test_a_chunk_that_cannot_be_sent_is_lost_and_said_so(
    pool: ProcessPool, caplog: pytest.LogCaptureFixture
) -> None:
    """7.2: watchers change nothing."""
    events: list[Event] = []
    assert await perform(pool, nodes.stream_a_lock, watch=events.append) is None
    assert events == []
    assert "stream_a_lock has isolation='process', so its chunk is sent between processes" in caplog.text


async def test_log_records_arrive_with_the_fields_of_their_step(
    pool: ProcessPool, caplog: pytest.LogCaptureFixture
) -> None:
    """13.2."""
    await perform(pool, nodes.log_something)
    ours, elsewhere = caplog.records
    assert (ours.name, ours.getMessage(), ours.levelno) == (nodes.log_something.identifier, "3 words", logging.WARNING)
    fields: dict[str, Any] = vars(ours)
    assert (fields["node"], fields["run"], fields["colour"]) == ("log_something", "run-1", "red")
    assert fields["step"].startswith("log_something:")
    assert "lock" in fields["lock"]
    assert elsewhere.name == "elsewhere"
    assert "ValueError: deep" in caplog.text
    assert ours.process != os.getpid()


async def test_what_a_thread_of_an_earlier_step_says_is_not_the_present_one_s(pool: ProcessPool) -> None:
    """5.4."""
    events: list[Event] = []
    await perform(pool, nodes.stream_later, watch=events.append)
    outputs = await perform(pool, nodes.let_it_go, watch=events.append)
    assert [event["chunk"] for event in events] == ["mine"]
    assert outputs["late_reads"] == ["the step of node stream_later is over: ctx.outputs cannot be read any more"]


# --- memory


async def test_memory_is_sent_and_comes_back(pool: ProcessPool) -> None:
    """4.1."""
    kept: dict[str, Any] = {"old": 1, "other": {"x": [1]}}
    for number in (1, 2):
        memory = Memory(kept)
        assert await perform(pool, nodes.count, own_memory=memory) == {"n": number}
        memory.commit()
    assert kept == {"n": 2, "seen": [1, 2], "other": {"x": [1]}}


async def test_a_failed_attempt_leaves_no_trace_in_memory(pool: ProcessPool) -> None:
    """4.7."""
    memory = Memory({"n": 1})
    with pytest.raises(ValueError, match="after writing"):
        await perform(pool, nodes.count, {"fail": True}, own_memory=memory)
    assert dict(memory) == {"n": 1}


# --- failures


async def failure(pool: ProcessPool, kind: str) -> BaseException:
    with pytest.raises(BaseException) as caught:
        await perform(pool, nodes.fail, {"kind": kind})
    return caught.value


async def test_a_failure_is_what_it_was_with_the_traceback_as_a_note(pool: ProcessPool) -> None:
    """2.5, 7.2."""
    error = await failure(pool, "builtin")
    assert type(error) is FileNotFoundError
    assert (error.errno, error.strerror, error.filename) == (2, "No such file", "page.html")
    noted, trace = error.__notes__
    assert noted == "noted"
    assert trace.startswith("In the worker process:\n\nTraceback")
    assert "in fail_with\n    raise error\n" in trace


@pytest.mark.parametrize(
    ("kind", "type_", "message"),
    [
        ("key", KeyError, "'missing'"),
        ("own", nodes.OwnError, "own goal"),
        ("own with a lock", nodes.OwnError, "own goal"),
        ("retry", RetryAfter, "to be tried again after 20 s"),
        ("unicode", UnicodeDecodeError, "'utf-8' codec can't decode byte 0xff in position 0: invalid"),
        ("cancelled", asyncio.CancelledError, ""),
    ],
)
async def test_a_failure_of_a_known_class_is_of_that_class(
    pool: ProcessPool, kind: str, type_: type[BaseException], message: str
) -> None:
    """2.5, 5.3."""
    error = await failure(pool, kind)
    assert type(error) is type_
    assert str(error) == message


async def test_attributes_of_a_failure_come_along(pool: ProcessPool) -> None:
    """5.3: as what Retry-After asks for."""
    assert (await failure(pool, "retry")).retry_after == 20  # type: ignore[attr-defined]
    assert (await failure(pool, "own")).what == "goal"  # type: ignore[attr-defined]


async def test_a_class_that_is_not_known_here_keeps_its_names(pool: ProcessPool) -> None:
    """2.5, 5.3: on_error by name and retry_on by a known class match; nothing is imported on its word."""
    error = await failure(pool, "imported here only")
    assert isinstance(error, RemoteError)
    assert isinstance(error, ZeroDivisionError)
    assert isinstance(error, LookupError)
    info = error_info(error, "fail")
    assert (info.type, info.message, info.code, info.retryable) == (
        "DeeperError",
        "('tabnanny is known', 3)",
        "hidden",
        True,
    )
    assert {"DeeperError", "hidden.place.DeeperError", "HiddenError", "ZeroDivisionError"} <= set(info.names)
    assert "tabnanny" not in sys.modules


async def test_a_class_that_cannot_be_made_anew_still_matches(pool: ProcessPool) -> None:
    """2.5."""
    error = await failure(pool, "unmade")
    assert isinstance(error, nodes.Unmade | RemoteError)
    assert "tests.executors.process_nodes.Unmade" in error_info(error, "fail").names
    assert error_info(error, "fail").message == "own goal"
    group = await failure(pool, "group")
    assert error_info(group, "fail").type == "ExceptionGroup"


@pytest.mark.parametrize(
    ("kind", "message"),
    [("exit", r"work of node fail called sys\.exit\(3\)"), ("interrupt", "work of node fail raised KeyboardInterrupt")],
)
async def test_what_would_end_a_process_fails_the_step(pool: ProcessPool, kind: str, message: str) -> None:
    """7.2."""
    error = await failure(pool, kind)
    assert type(error) is StepError
    assert error.args[0].startswith(message.replace("\\", ""))


async def test_a_graph_that_fails_in_there_says_what_failed(pool: ProcessPool) -> None:
    """2.6."""
    with pytest.raises(RunFailed) as caught:
        await perform(pool, nodes.run_a_failing_graph)
    assert error_info(caught.value, "outer").type == "KeyError"
    assert error_info(caught.value, "outer").node == "outer/fail"


# --- what else work may do there


async def test_work_may_run_a_graph_or_a_loop_there(pool: ProcessPool) -> None:
    """13.1."""
    assert await perform(pool, nodes.run_a_graph) == {"x": 1}
    assert await perform(pool, nodes.use_a_loop_of_ones_own) == {"n": 3}


async def test_asyncio_tasks_that_work_leaves_behind_are_cancelled(pool: ProcessPool) -> None:
    """7.2: nothing would run them until the next call."""
    assert await perform(pool, nodes.leave_a_task) == {"done": False}
    assert await perform(pool, nodes.what_ended) == {"ended": ["cancelled"]}


async def test_on_start_is_called_once_in_the_process_and_on_stop_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """6.1."""
    monkeypatch.setenv("NOTE_THE_STOP", str(tmp_path / "note"))
    own = ProcessPool("own", 1)
    starting = nodes.Starting()
    with pytest.raises(StartFailed, match="on_start of node starting failed in a worker process: no model") as caught:
        await perform(own, starting, {"broken": True})
    assert type(caught.value.__cause__) is ConnectionError
    for _ in range(3):
        assert await perform(own, starting) == {"happened": ["started"]}
    await own.close()
    assert (tmp_path / "note").read_text() == "stopped\n"


async def test_a_timeout_is_not_spent_on_getting_a_worker_ready(pool: ProcessPool) -> None:
    """5.4: not on waiting for one, starting it, importing there, or on_start; else none would ever be ready in time."""
    own = ProcessPool("own", 1)
    slow = WorkerCall(nodes.SlowToStart(), own, "slow")
    await timed_out(slow.around(bounded(slow, 0.25, "timeout", overdue)), nodes.SlowToStart(), {"wait": 30})
    call = slow.around(bounded(slow, 0.25, "timeout", overdue))
    first = asyncio.ensure_future(call(context_of(nodes.SlowToStart(), {"wait": 0})))
    second = asyncio.ensure_future(call(context_of(nodes.SlowToStart(), {"wait": 0})))
    assert await first == await second == {"started": 1}
    assert own.stats().started == 2
    await own.close()


async def timed_out(call: Handler, node: Node, inputs: Mapping[str, Any]) -> None:
    with pytest.raises(StepTimeout):
        await call(context_of(node, inputs))


def overdue(ctx: Context) -> Exception:
    return StepTimeout("too long")


async def test_work_called_twice_at_once_by_a_policy_has_two_workers() -> None:
    """7.2: as by one that hedges."""
    own = ProcessPool("own", 2)
    where = WorkerCall(nodes.where, own, "where")

    async def twice(ctx: Context) -> Any:
        return await asyncio.gather(where(ctx), where(ctx))

    one, other = await where.around(twice)(context_of(nodes.where))
    assert one["pid"] != other["pid"]
    await own.close()


async def test_a_worker_takes_any_number_of_nodes(pool: ProcessPool) -> None:
    """7.2: and forgets those it has not seen for long, but not that they were started."""
    for number in [*range(40), *range(40)]:
        await perform(pool, nodes.Made(id=f"made{number}"))
    assert await perform(pool, nodes.Made(id="made1")) == {"made": 40, "started": 0}
    await perform(pool, nodes.Counted(id="counted"))
    for number in [*range(70), *range(70)]:
        assert await perform(pool, nodes.echo.copy(id=f"echo{number}"), {"n": number}) == {"n": number}
    assert await perform(pool, nodes.Counted(id="counted")) == {"made": 41, "started": 1}


# --- params


async def test_params_are_what_they_are_here(pool: ProcessPool) -> None:
    """7.2."""
    configured = nodes.Configured(
        path=Path("a/b"),
        colour=nodes.Colour.RED,
        on=dt.date(2024, 5, 1),
        price="1.10",
        secret="s3cret",
        words="a,b",
    )
    for _ in range(2):  # each step has its own list
        assert await perform(pool, configured) == {
            "path": "a/b",
            "types": ["PosixPath", "Colour", "date", "Decimal"],
            "secret": "s3cret",
            "words": ["a", "b", "added"],
            "text": "",
        }


async def test_rendered_params_are_sent_for_each_step(pool: ProcessPool) -> None:
    """12.1."""
    configured = nodes.Configured(text="{{ inputs.word }}", words=["x"])
    for word in ("one", "two"):
        rendered = nodes.Settings(text=word, words=["x"], secret="from elsewhere", path=Path("p"))  # type: ignore[arg-type]
        outputs = await perform(pool, configured, {"word": word}, params=rendered)
        assert (outputs["text"], outputs["secret"], outputs["path"]) == (word, "from elsewhere", "p")
        assert outputs["words"] == ["x", "added"]


async def test_params_without_a_model_are_rendered_as_well(pool: ProcessPool) -> None:
    """12.1."""
    loose = nodes.Loose(text="{{ inputs.word }}", number=3)
    params = Values({"text": "one", "number": 3})
    assert await perform(pool, loose, {"word": "one"}, params=params) == {"text": "one", "number": 3}


async def test_a_node_with_a_constructor_of_its_own_is_made_by_it(
    pool: ProcessPool, caplog: pytest.LogCaptureFixture
) -> None:
    """1.5."""
    caplog.set_level(logging.INFO, nodes.CarriedOver.identifier)
    events: list[Event] = []
    carried = nodes.CarriedOver(3, id="carried", pool="gpu")
    assert await perform(pool, carried, {"n": 2}, config={"k": 1}, watch=events.append) == {"n": 6, "config": {"k": 1}}
    assert [event["chunk"] for event in events] == [{"chunk": 1}]
    assert caplog.records[0].getMessage() == "working on='it'"
    assert vars(caplog.records[0])["fields"] == {"on": "it"}


# --- which nodes can be sent


async def test_a_function_s_node_is_found_under_another_name_too(pool: ProcessPool) -> None:
    """7.2."""
    assert await perform(pool, nodes.another_name) == {"n": 1}
    assert await perform(pool, nodes.again, {"x": 1}) == {"x": 1}


def refusal(node: Node) -> str:
    with pytest.raises(DefinitionError) as caught:
        WorkerCall(node, ProcessPool("work", 1), node.id)
    return str(caught.value)


async def test_a_type_that_cannot_be_imported_is_refused() -> None:
    """7.2."""

    class Local(Node):
        def work(self) -> None: ...

    @node
    def local() -> None: ...

    for each in (Local(), local):
        assert "it is defined inside a function: define it at the top level of its module" in refusal(each)
    hidden = type("Hidden", (Node,), {"__module__": __name__, "work": lambda self: None})
    assert "its module has no 'Hidden' that is this type" in refusal(hidden())


async def test_work_replaced_on_the_instance_is_refused() -> None:
    """7.2."""
    replaced = nodes.Configured()
    replaced.work = dict  # type: ignore[assignment, method-assign]
    assert "node configured cannot have isolation='process'" in refusal(replaced)
    assert "work was replaced on the instance: replace it on the class, or use isolation='thread'" in refusal(replaced)


async def test_what_was_set_on_the_instance_is_refused() -> None:
    """7.2: it would not be there."""
    changed = nodes.Configured()
    changed.extra = 3
    assert "extra was set on the instance: give it as a param" in refusal(changed)


class Holds(Node):
    class Params(Params):
        thing: Any = None

    def work(self, params): ...


async def test_params_that_cannot_be_sent_are_refused() -> None:
    """7.2."""
    assert "thing is a _thread.lock, which cannot be" in refusal(Holds(thing=threading.Lock()))
    assert "params do not survive being sent as plain data" in refusal(Holds(thing=Path("a")))


# --- killing


async def test_a_timeout_is_a_real_kill_and_the_pool_heals(pool: ProcessPool) -> None:
    """5.4, 7.2."""
    worker = (await perform(pool, nodes.where))["pid"]
    began = time.perf_counter()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(perform(pool, nodes.spin), 0.1)
    assert time.perf_counter() - began < 1
    assert not psutil.pid_exists(worker)
    assert (await perform(pool, nodes.where))["pid"] != worker


async def test_work_that_ends_its_process_fails_the_step(pool: ProcessPool) -> None:
    """7.2."""
    with pytest.raises(WorkerDied, match="process of node leave ended with exit code 4"):
        await perform(pool, nodes.leave)


# --- where types come from

MAIN = """
import asyncio, sys
sys.path[:0] = {tests!r}
from nodeloom import Node, node
from tests.executors.test_process import perform
from nodeloom.policies.first_step import bounded
from nodeloom.policies.policy import Handler
from nodeloom.resources.processes import ProcessPool
{relative}
print("imported as", __name__, file=sys.stderr)

class Broken(Exception): ...

class Fetch(Node):
    async def work(self, inputs):
        return {{"module": __name__, "identifier": self.identifier, "double": inputs["n"] * FACTOR}}

@node
def fail():
    raise Broken("as it should")

async def main():
    pool = ProcessPool("work", 1)
    print(await perform(pool, Fetch(), {{"n": 2}}))
    try:
        await perform(pool, fail)
    except Broken as error:
        print("caught", error)
    await pool.close()

{guard}asyncio.run(main())
"""
GUARD = 'if __name__ == "__main__": '
PRINTED = "{'module': '__mp_main__', 'identifier': '__main__.Fetch', 'double': 4}\ncaught as it should\n"


def run_main(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


async def test_a_script_s_own_nodes_are_imported_from_its_file(tmp_path: Path) -> None:
    """7.2: what it does as a program is not done again."""
    text = MAIN.format(tests=sys.path, relative="FACTOR = 2", guard=GUARD)
    (tmp_path / "script").write_text(text)  # a name without an ending, as of a program
    ended = run_main(["script"], tmp_path)
    assert ended.stdout == PRINTED, ended.stderr
    assert ended.stderr == "imported as __main__\nimported as __mp_main__\n"


async def test_a_module_that_is_run_may_import_its_neighbours(tmp_path: Path) -> None:
    """7.2: python -m package.module."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "factors.py").write_text("FACTOR = 2")
    relative = "from .factors import FACTOR"
    (package / "module.py").write_text(MAIN.format(tests=sys.path, relative=relative, guard=GUARD))
    ended = run_main(["-m", "package.module"], tmp_path)
    assert ended.stdout == PRINTED, ended.stderr


async def test_a_script_that_runs_itself_when_it_is_imported_is_told_how_to_be_written(tmp_path: Path) -> None:
    """7.2: and does not start processes without end."""
    (tmp_path / "script.py").write_text(MAIN.format(tests=sys.path, relative="FACTOR = 2", guard=""))
    ended = run_main(["script.py"], tmp_path)
    assert ended.returncode == 1
    last = ended.stderr.strip().splitlines()
    assert any("keep what the script does when it is run under `if __name__ == '__main__':`" in line for line in last)
    assert ended.stderr.count("imported as") == 2


async def test_a_node_that_was_typed_in_has_no_file_to_import(tmp_path: Path) -> None:
    """7.2."""
    text = MAIN.format(tests=sys.path, relative="FACTOR = 2", guard="")
    ended = run_main(["-c", text], tmp_path)
    assert "it is defined where no file is (a prompt, a notebook, -c): put it into a module" in ended.stderr


async def test_a_node_that_a_registry_found_in_a_folder_is_found_again(pool: ProcessPool, tmp_path: Path) -> None:
    """7.2."""
    (tmp_path / "found.py").write_text(
        textwrap.dedent("""
        from nodeloom import Node
        class Echo(Node):
            def work(self, inputs):
                return {"identifier": self.identifier, **inputs}
        """)
    )
    registry = Registry()
    assert registry.discover(tmp_path, entry_points=False) == []
    kind = registry.get("found.Echo")
    assert await perform(pool, kind(), {"x": 1}) == {"identifier": "found.Echo", "x": 1}


async def test_a_module_that_cannot_be_imported_there_says_why(pool: ProcessPool, tmp_path: Path) -> None:
    """7.2."""
    file = tmp_path / "changing.py"
    file.write_text("from nodeloom import node\n@node\ndef work(): ...\n")
    registry = Registry()
    registry.discover(tmp_path, entry_points=False)
    found = registry.get("changing.work")()
    file.write_text("1 / 0")
    with pytest.raises(DefinitionError, match=r"cannot import .*changing\.py: ZeroDivisionError: division by zero"):
        await perform(pool, found)


async def test_a_module_under_a_name_of_another_is_not_taken_for_it(
    pool: ProcessPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """7.2: where the search path has changed since it was imported."""
    text = "from nodeloom import node\n@node\ndef work(): ...\n"
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "twin_nodes.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path / "first")
    import twin_nodes  # type: ignore[import-not-found]

    monkeypatch.syspath_prepend(tmp_path / "second")
    with pytest.raises(DefinitionError, match=r"another file there: .*second/twin_nodes\.py instead of .*first"):
        await perform(pool, twin_nodes.work)
