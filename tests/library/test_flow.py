"""`transform`, `delay` and what all nodes of the library have."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest
from tests.library.conftest import Bench

from nodeloom import Graph, Node, ParamsError, Registry
from nodeloom.forms.shown import shown_of
from nodeloom.library import NODES, Delay, Transform


async def test_transform_gives_the_values_with_their_types(bench: Bench) -> None:
    """12.1: a text that is one expression keeps its type."""
    node = Transform(
        values={"n": "{{ inputs.a + 1 }}", "text": "n={{ inputs.a }}", "flag": False, "deep": [{"x": "{{ inputs.a }}"}]}
    )
    assert await bench.run(node, {"a": 1}) == {"n": 2, "text": "n=1", "flag": False, "deep": [{"x": 1}]}


async def test_transform_keeps_the_inputs_that_are_named_even_falsy_ones(bench: Bench) -> None:
    """1.8."""
    node = Transform(keep=["a", "b"], values={"b": 2})
    assert await bench.run(node, {"a": None, "b": 1, "c": 3}) == {"a": None, "b": 2}
    assert await bench.run(Transform(), {"a": 1}) == {}


async def test_an_input_to_keep_that_is_not_there_is_named(bench: Bench) -> None:
    """12.2."""
    with pytest.raises(ParamsError, match=r"keep names an input 'quary', .* did you mean 'query'\? \(inputs: query\)"):
        await bench.run(Transform(keep=["quary"]), {"query": 1})


async def test_delay_waits_and_passes_its_inputs_on(bench: Bench) -> None:
    """1.8."""
    started = time.perf_counter()
    assert await bench.run(Delay(seconds=0.05), {"a": 0, "b": {}}) == {"a": 0, "b": {}}
    assert 0.045 < time.perf_counter() - started < 1


async def test_a_thousand_delays_take_as_long_as_one(bench: Bench) -> None:
    """7.1: idle nodes own no thread."""
    started = time.perf_counter()
    await asyncio.gather(*[bench.run(Delay(seconds=0.1)) for _ in range(1000)])
    assert time.perf_counter() - started < 3


async def test_a_delay_is_cancelled_at_once(bench: Bench) -> None:
    handle = await bench.engine.start(Graph(Delay(seconds=3600)))
    await asyncio.sleep(0.01)
    started = time.perf_counter()
    await handle.cancel()
    assert time.perf_counter() - started < 1
    assert handle.status == "cancelled"


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan"), "soon", None])
def test_a_delay_that_is_none_is_refused(seconds: object) -> None:
    with pytest.raises(ParamsError, match=r"params\.seconds"):
        Delay(seconds=seconds)


async def test_a_delay_made_by_a_template_is_validated_at_the_step(bench: Bench) -> None:
    """12.1."""
    assert await bench.run(Delay(seconds="{{ inputs.s }}"), {"s": 0}) == {"s": 0}
    with pytest.raises(ParamsError, match=r"params\.seconds"):
        await bench.run(Delay(seconds="{{ inputs.s }}"), {"s": -1})


def test_importing_the_library_loads_no_client_and_no_template_engine() -> None:
    code = (
        "import nodeloom.library, sys; print([m for m in ('httpx2', 'minijinja', 'ruamel', 'h2') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_registry_finds_every_node_by_its_entry_point() -> None:
    registry = Registry()
    assert registry.discover() == []
    assert {node.identifier for node in NODES} <= {node.identifier for node in registry}


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.identifier)
def test_every_node_says_what_it_is_and_what_its_fields_are(node: type[Node]) -> None:
    assert node.display_name
    assert node.icon != "box"
    assert node.category
    assert node.description.endswith(".")
    assert node.params_model is not None
    for name, field in node.params_model.model_fields.items():
        assert shown_of(field)["label"], name
