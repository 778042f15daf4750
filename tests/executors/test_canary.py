"""A canary, the value of a secret, is looked for in everything that runs write (12.3)."""

import gc
import io
import json
import logging
import os
import pickle
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.executors.secret_nodes import Talkative, TalkativeThread, Unchanging, Use, digest

from nodeloom import (
    Batch,
    Engine,
    Fallback,
    Graph,
    NodeloomError,
    Registry,
    Retry,
    RunFailed,
    Secret,
    StepFilter,
    node,
)
from nodeloom.cli.output import write_json, write_line
from nodeloom.errors import StepError
from nodeloom.executors.worker_context import LogForwarder
from nodeloom.model.codec import encode_value
from nodeloom.model.masks import MASKS
from nodeloom.model.result import error_info
from nodeloom.nodes.documents.saving import dump_yaml
from nodeloom.nodes.scrubbing import masked_twin, scrubbed

CANARY = "canary-quzwyx 'and' \"so\" on\\"
PIECE = "quzwyx"  # no digit of an id, which could hold it by chance
"""Of the canary, which no other test nor any quoting changes."""


class Written:
    """Everything that is written while a test runs."""

    def __init__(self, folder: Path) -> None:
        self.log = io.StringIO()
        self.parts: list[str] = []
        self.folder = folder
        self._capture: Callable[[], Any] = lambda: None

    def add(self, *values: Any) -> None:
        for value in values:
            self.parts += [str(value), repr(value)]
        for write in (write_json, write_line):
            stream = io.StringIO()
            write(list(values), stream)
            self.parts.append(stream.getvalue())

    def failure(self, error: BaseException) -> None:
        self.parts += traceback.format_exception(error)
        self.add(error)

    def text(self) -> str:
        files = [each for each in self.folder.rglob("*") if each.is_file()]
        kept = [each.read_bytes().decode("latin-1") for each in files]
        return "\n".join([self.log.getvalue(), *self.parts, *kept])


class Everything(logging.Formatter):
    """A record with all that is on it."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {key: value for key, value in vars(record).items() if key not in ("exc_info", "msg", "args")}
        return f"{super().format(record)} {fields!r} {record.exc_info!r}"


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> Iterator[Written]:
    """What is written is looked through at the end, and has to hold the masks of what was looked for."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NODELOOM_SECRET_CANARY", CANARY)
    monkeypatch.setattr(logging, "raiseExceptions", True)
    made = Written(tmp_path)
    handlers = [logging.StreamHandler(made.log), logging.StreamHandler(made.log)]
    handlers[0].setFormatter(Everything("%(name)s %(levelname)s %(message)s"))
    root, level = logging.getLogger(), logging.getLogger().level
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield made
    for handler in handlers:
        root.removeHandler(handler)
    root.setLevel(level)
    made.parts += capfd.readouterr()
    text = made.text()
    MASKS.forget()
    assert "[secret canary]" in text
    assert PIECE not in text


async def test_a_run_that_completes(written: Written) -> None:
    async with Engine() as engine:
        graph = Graph(Talkative(token=Secret("canary")), name="g")
        events = [event async for event in engine.stream(graph)]
        result = await engine.run(graph)
    assert result.output["digest"] == digest(CANARY)
    assert result.output["value"] == CANARY  # what nodes hand on is not changed
    assert [event.type for event in events].count("chunk") == 3
    written.add(*events, engine.metrics(), graph, engine, graph.nodes["talkative"], vars(graph.nodes["talkative"]))


@pytest.mark.parametrize("kind", ["plain", "chained", "group", "attribute", "validation", "unchanging"])
@pytest.mark.parametrize("kind_of_node", [Talkative, TalkativeThread])
async def test_a_run_that_fails_with_the_value_in_its_error(written: Written, kind: str, kind_of_node: Any) -> None:
    graph = Graph(kind_of_node(token=Secret("canary")), name="g")
    async with Engine() as engine:
        events = [event async for event in engine.stream(graph, {"fails": 1, "kind": kind})]
        written.add(*events)
        with pytest.raises(RunFailed) as caught:
            await engine.run(graph, {"fails": 1, "kind": kind})
        written.failure(caught.value)
        written.add(caught.value.result, caught.value.result.error, engine.metrics())
        with pytest.raises(Exception) as alone:
            await engine.call(kind_of_node(token=Secret("canary")), {"fails": 1, "kind": kind})
        written.failure(alone.value)
    assert events[-1].type == "run_failed"


async def test_attempts_that_fail_and_what_is_done_then(written: Written) -> None:
    tries = Talkative(token=Secret("canary"), policies=[Retry(3, wait=0, jitter=False)])
    gives_up = Talkative(token=Secret("canary"), id="gives_up", policies=[Fallback(value={"fallen": "back"})])

    @node
    async def look(ctx):
        return {"error": dict(ctx.error)}

    caught = Talkative(token=Secret("canary"), id="caught")
    caught.on_error(ValueError) >> look
    async with Engine() as engine:
        for each in (tries, gives_up, caught):
            events = [event async for event in engine.stream(Graph(each, name="g"), {"fails": 2})]
            assert events[-1].type == "run_completed"
            written.add(*events)
            assert {"step_retried", "fallback_used", "step_failed"} & {event.type for event in events}
        result = await engine.run(Graph(caught, name="g"), {"fails": 2})
    assert "[secret canary]" in result.output["error"]["message"]


async def test_a_batch_whose_items_fail(written: Written) -> None:
    batch = Batch(items=[1, 2], error_handling="continue", parallel=True)
    async with Engine() as engine:
        graph = Graph(Talkative(token=Secret("canary"), batch=batch), name="g")
        events = [event async for event in engine.stream(graph, {"fails": 1})]
        written.add(*events)
        fine = [event async for event in engine.stream(graph, {})]
        written.add(*fine)
        with pytest.raises(RunFailed) as caught:
            await engine.run(graph, {"fails": 1})
        written.failure(caught.value)
    assert {"item_failed", "run_failed"} <= {event.type for event in events}
    assert "item_completed" in {event.type for event in fine}


async def test_a_graph_inside_a_graph(written: Written) -> None:
    inner = Graph(Talkative(token=Secret("canary")), name="inner")
    outer = Graph(inner.as_node(id="middle"), name="outer")
    async with Engine() as engine:
        written.add(*[event async for event in engine.stream(outer, {"fails": 1})])
        written.add(*[event async for event in engine.stream(outer, {})])


@pytest.mark.parametrize("kind", ["plain", "chained", "group", "attribute", "validation", "unchanging"])
async def test_a_worker_process(written: Written, kind: str) -> None:
    use = TalkativeThread(token=Secret("canary"))
    use.isolation = "process"
    graph = Graph(use, name="g")
    async with Engine(workers={"default": 1}) as engine:
        fine = [event async for event in engine.stream(graph, {})]
        written.add(*fine)
        assert fine[-1].data["output"]["digest"] == digest(CANARY)
        assert "chunk" in {event.type for event in fine}
        with pytest.raises(RunFailed) as caught:
            await engine.run(graph, {"fails": 1, "kind": kind})
        written.failure(caught.value)
        written.add(caught.value.result)
    assert "using [secret canary]" in written.log.getvalue()


async def test_a_hook_that_fails(written: Written) -> None:
    class Hooked(Use):
        async def on_finish(self, result: Any) -> None:
            raise ValueError(f"{CANARY} in a hook")

    async with Engine() as engine:
        graph = Graph(Hooked(token=Secret("canary")), name="g")
        events = [event async for event in engine.stream(graph)]
    assert "hook_failed" in {event.type for event in events}
    written.add(*events)


async def test_another_param_that_is_refused_for_the_value(written: Written) -> None:
    """What the message cuts short is masked before."""
    first = Talkative(token=Secret("canary"), id="first")
    second = Use(token=Secret("canary"), auth={"user": ["{{ outputs.first.value }}"]}, id="second")
    third = Use(token=Secret("canary"), url=["x" * 40, "{{ outputs.first.value }}"], id="third")
    async with Engine() as engine:
        for last in (second, third):
            first.copy() >> last
        for last in (second, third):
            begin = first.copy()
            begin >> last.copy()
            with pytest.raises(RunFailed) as caught:
                await engine.run(Graph(begin, name="g"))
            written.failure(caught.value)


async def test_items_that_are_none(written: Written) -> None:
    begin = Talkative(token=Secret("canary"))

    @node
    async def longer(inputs):
        return {"long": "x" * 40 + inputs["value"]}

    begin >> longer >> Use(token=Secret("canary"), batch=Batch(items="{{ state.long }}"))
    async with Engine() as engine:
        with pytest.raises(RunFailed, match=r"\[secret") as caught:
            await engine.run(Graph(begin, name="g"))
        written.failure(caught.value)


async def test_an_output_that_is_none(written: Written) -> None:
    @node
    async def wrong(inputs):
        return "x" * 60 + inputs["value"]

    begin = Talkative(token=Secret("canary"))
    begin >> wrong
    async with Engine() as engine:
        with pytest.raises(RunFailed) as caught:
            await engine.run(Graph(begin, name="g"))
        written.failure(caught.value)


async def test_what_is_saved_and_what_can_be_reached(written: Written) -> None:
    seen: list[Any] = []

    class Keeps(Use):
        identifier = "test.keeps"

        async def work(self, params, ctx):  # type: ignore[override]
            seen.extend([ctx, params, ctx.params, ctx.step, ctx.walk, ctx.scope()])
            assert params.token.reveal() == CANARY
            ctx.log.info("had %s", params.token.reveal())
            return {"params": params, "dumped": params.model_dump(), "json": params.model_dump(mode="json")}

        from tests.executors.secret_nodes import UseParams as Params

    registry = Registry()
    keeps = Keeps(token=Secret("canary"), others=[Secret("canary")], auth={"password": Secret("canary")})
    registry.register(Keeps)
    async with Engine() as engine:
        graph = Graph(keeps, name="g")
        result = await engine.run(graph)
        events = [event async for event in engine.stream(graph)]
        written.add(*seen, result, *events, graph.to_mermaid(), engine.secrets, vars(engine), Keeps.Params)
        dumped = result.output["dumped"]
        written.parts += [repr(encode_value(dumped)), repr(encode_value(result.output["json"]))]
        written.parts += [repr(pickle.dumps(seen[1])), seen[1].model_dump_json(), repr(seen[1].model_dump())]
    document = graph.to_document()
    Path("graph.yaml").write_text(dump_yaml(document))
    Path("graph.json").write_text(json.dumps(document))
    assert '"$secret": canary' in Path("graph.yaml").read_text()
    written.parts += [repr(each) for each in gc.get_objects() if isinstance(each, Secret)]


async def test_what_is_not_in_a_step_is_masked_too(
    written: Written, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    """A record of a library's, on a thread, after the run."""
    async with Engine() as engine:
        await engine.call(Use(token=Secret("canary")))
    logging.getLogger("elsewhere").error("%s", {"value": CANARY}, exc_info=ValueError(CANARY))
    apart = logging.getLogger("apart")
    monkeypatch.setattr(apart, "propagate", False)  # pytest's own handler raises what does not fit
    monkeypatch.setattr(apart, "handlers", [logging.StreamHandler(written.log)])
    apart.error("%s %s", *[CANARY])
    assert "'[secret canary]'" in capfd.readouterr().err
    written.add(error_info(ValueError(CANARY), "n"))


async def test_a_filter_of_a_handler_masks_what_else_is_on_a_record(written: Written) -> None:
    apart = logging.getLogger("apart")
    record = apart.makeRecord("apart", logging.INFO, "file", 1, "plain", (), None, extra={"given": [CANARY]})
    async with Engine() as engine:
        await engine.call(Use(token=Secret("canary")))
    assert StepFilter().filter(record)
    written.add(vars(record))


async def test_a_worker_masks_what_its_own_environment_gave_it(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that it works for need not know the value that it has."""
    use = TalkativeThread(token=Secret("canary"))
    use.isolation = "process"
    graph = Graph(use, name="g")
    async with Engine(workers={"default": 1}) as engine:
        await engine.run(graph)
        MASKS.forget()
        monkeypatch.setenv("NODELOOM_SECRET_CANARY", "another value")
        events = [event async for event in engine.stream(graph, {"fails": 1})]
        written.add(*events)
    assert {"chunk", "progress", "run_failed"} <= {event.type for event in events}
    assert "[secret canary] is refused" in events[-1].data["error"]["message"]


# --- exceptions


@pytest.fixture
def remembered() -> Iterator[None]:
    MASKS.remember("canary", CANARY)
    yield
    MASKS.forget()


@pytest.mark.usefixtures("remembered")
def test_an_exception_keeps_its_class_and_what_is_no_secret() -> None:
    error = OSError(5, f"no {CANARY}", f"/tmp/{CANARY}")
    error.more = {"a": [CANARY, 1]}  # type: ignore[attr-defined]
    found = scrubbed(error)
    assert found is error
    assert str(error) == "[Errno 5] no [secret canary]: '/tmp/[secret canary]'"
    assert error.more == {"a": ["[secret canary]", 1]}  # type: ignore[attr-defined]


@pytest.mark.usefixtures("remembered")
def test_a_worker_forwards_no_value_with_a_record() -> None:
    told: list[dict[str, Any]] = []
    apart = logging.getLogger("apart")
    record = apart.makeRecord("apart", logging.INFO, "file", 1, "plain", (), None, extra={"given": [CANARY]})
    LogForwarder(told.append).emit(record)
    assert told[0]["given"] == ["[secret canary]"]


@pytest.mark.usefixtures("remembered")
def test_one_that_cannot_be_changed_is_stood_in_for() -> None:
    found = scrubbed(Unchanging(CANARY))
    assert type(found) is StepError
    assert isinstance(found, NodeloomError)
    assert str(found) == "Unchanging: unchanging about [secret canary]"


@pytest.mark.usefixtures("remembered")
def test_what_is_logged_is_a_copy_and_the_exception_stays_as_it_is() -> None:
    error = ValueError(CANARY)
    twin = masked_twin(error)
    assert (type(twin), str(twin), str(error)) == (ValueError, "[secret canary]", CANARY)
    plain = ValueError("plain")
    assert masked_twin(plain) is plain
    assert scrubbed(plain) is plain


def test_nothing_is_done_where_no_secret_was_resolved() -> None:
    error = ValueError(CANARY)
    assert scrubbed(error) is error
    assert str(error) == CANARY
    assert error_info(error, "n").message == CANARY


def test_the_canary_is_in_the_environment_of_no_other_test() -> None:
    assert "NODELOOM_SECRET_CANARY" not in os.environ
