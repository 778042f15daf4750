"""`nodeloom new`: a small project that runs and passes its tests at once."""

from __future__ import annotations

import json
from pathlib import Path

from .report import UsageError
from .scaffold_node import PYTEST, new_node_command

__all__ = ["new_command"]

NODES = '''"""The nodes of this project: what each step does."""

from nodeloom import Field, Node, Params


class CountWords(Node):
    """Count the words of a text."""

    class Params(Params):
        text: str = Field(label="Text")

    async def work(self, params):
        words = params.text.split()
        return {"words": len(words), "longest": max(words, key=len, default="")}


class Summarise(Node):
    """Say in one sentence what was counted."""

    class Params(Params):
        kind: str = Field(label="Kind of text")

    async def work(self, params, state):
        return {"summary": f"A {params.kind} text of {state.words} words; the longest is {state.longest!r}."}
'''
GRAPH = """nodeloom: 1
name: @NAME@

inputs:
  text: {type: string, default: "Write a node once, and run it anywhere."}

nodes:
  count:
    type: nodes.CountWords
    params: {text: "{{ run.inputs.text }}"}
  short:
    type: nodes.Summarise
    params: {kind: short}
  long:
    type: nodes.Summarise
    params: {kind: long}

edges:
  - {from: count, to: long, when: "outputs.count.words > 100"}
  - {from: count, to: short, otherwise: true}
"""
TESTS = '''"""A node is tested by itself, the graph as a whole."""

from pathlib import Path

from nodeloom import Graph, Registry

from nodes import CountWords, Summarise

DOCUMENT = Path(__file__).with_name("graph.yaml")


def test_words_are_counted():
    outputs = CountWords(text="one three two").run_sync()
    assert outputs == {"words": 3, "longest": "three"}


def test_a_short_text_is_called_short():
    graph = Graph.from_document(DOCUMENT, Registry(CountWords, Summarise))
    result = graph.run_sync({"text": "hello world"})
    assert result.output["summary"] == "A short text of 2 words; the longest is 'hello'."


def test_a_long_text_is_called_long():
    graph = Graph.from_document(DOCUMENT, Registry(CountWords, Summarise))
    result = graph.run_sync({"text": "word " * 101})
    assert result.output["summary"].startswith("A long text of 101 words")
'''
README = """# @TITLE@

```
nodeloom run graph.yaml                               run it
nodeloom run graph.yaml -i text="A text of your own"  with an input
nodeloom validate graph.yaml                          check it without running it
nodeloom draw graph.yaml -o graph.svg                 a picture of it
python -m pytest                                      test it; `python -m pip install pytest` gets pytest
```

- `nodes.py`: what each step does.
- `graph.yaml`: which steps there are, and what follows what.
- `test_nodes.py`: tests of both.

A node of your own is a class in `nodes.py`; `graph.yaml` names it as `nodes.ItsName`. `nodeloom nodes` lists those
that come with nodeloom.
"""


def new_command(project: Path, node: str | None = None) -> int:
    """Make the project; or, where the word `node` stands in its place, a node. Gives the exit code."""
    if str(project) == "node":
        return _new_node(node)
    if node is not None:
        raise UsageError(f"{node!r} is more than `new` takes: `new {project}` makes a project, `new node NAME` a node")
    name = project.resolve().name
    if not name:
        raise UsageError(f"{project} is no folder to make: give it a name, as triage")
    if project.exists() and (not project.is_dir() or any(project.iterdir())):
        raise UsageError(f"{project} exists already, and nothing in it is overwritten: choose another name")
    try:
        project.mkdir(parents=True, exist_ok=True)
        for file, text in _files(name).items():
            (project / file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{project} cannot be made: {error.strerror or error}") from error
    print(f"{project} is ready: " + ", ".join(_files(name)))
    print(f"\n  cd {_quoted(project)}\n  nodeloom run graph.yaml\n  python -m pytest  {PYTEST}")
    return 0


def _new_node(name: str | None) -> int:
    if name is None:
        raise UsageError("`new node` makes a node: give its name, as `new node ResizeImage`. A project is `new ./node`")
    return new_node_command(name)


def _files(name: str) -> dict[str, str]:
    title = " ".join(name.split())
    return {
        "nodes.py": NODES,
        "graph.yaml": GRAPH.replace("@NAME@", json.dumps(title)),
        "test_nodes.py": TESTS,
        "README.md": README.replace("@TITLE@", title),
    }


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))
