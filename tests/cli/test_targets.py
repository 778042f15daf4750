"""What a command can be pointed at, and what it says when that is not there."""

import pytest


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nothing", "'nothing' names no graph: give a document"),
        ("gone.yaml", "no file gone.yaml"),
        ("countin.yaml", "did you mean counting.yaml?"),
        ("nowhere/gone.yaml", "there is no folder nowhere"),
        ("flows", "names no graph"),
        ("flows.py", "say which graph of it, as flows.py:graph"),
        ("gone.py:graph", "no file gone.py"),
        ("flows:grap", "did you mean flows:graph?"),
        ("flows:zzz", "it has caught, echoing, failing, graph, inner, looping, outer, strict"),
        ("flows:a_node", "flows:a_node is a node, not a graph"),
        ("flows:a_text", "flows:a_text is a str, not a Graph"),
        ("gone:graph", "no module 'gone' to import from"),
        ("gone.deeper:graph", "no module 'gone' to import from"),
        ("bro ken:graph", "names no graph"),
        (":graph", "names no graph"),
        (".", "is a folder: name a document in it"),
        ("notes.txt", "notes.txt is no document"),
        ("raising:graph", "raising cannot be imported: RuntimeError: not today\n  at raising.py:2"),
        ("syntax:graph", "syntax cannot be imported: SyntaxError"),
        ("needs:graph", "needs cannot be imported: ModuleNotFoundError: No module named 'not_installed_here'"),
        ("exits:graph", "importing exits ended the program (exit 3)"),
        ("params:graph", "params cannot be imported"),
    ],
)
@pytest.mark.parametrize("command", ["run", "validate", "draw"])
def test_a_target_that_is_no_graph_is_a_paragraph_and_2(cli, project, command, target, message):
    (project / "notes.txt").write_text("notes", encoding="utf-8")
    (project / "raising.py").write_text("\nraise RuntimeError('not today')\n", encoding="utf-8")
    (project / "syntax.py").write_text("graph = (\n", encoding="utf-8")
    (project / "needs.py").write_text("import not_installed_here\n", encoding="utf-8")
    (project / "exits.py").write_text("import sys\nsys.exit(3)\n", encoding="utf-8")
    (project / "params.py").write_text("from own import Count\nCount(text=3)\n", encoding="utf-8")
    said = cli(command, target)
    assert said.code == 2
    assert said.err.startswith("nodeloom: ")
    assert message in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


def test_a_syntax_error_in_a_module_shows_file_and_line(cli, project):
    (project / "syntax.py").write_text("graph = 1\nif True\n    pass\n", encoding="utf-8")
    assert "syntax.py:2: if True" in cli("run", "syntax:graph").err


@pytest.mark.parametrize("command", ["run", "draw"])
def test_a_broken_document_shows_every_problem_and_2(cli, project, command):
    (project / "broken.yaml").write_text(BROKEN, encoding="utf-8")
    said = cli(command, "broken.yaml")
    assert said.code == 2
    assert "broken.yaml has 3 problems and cannot run" in said.err
    assert "broken.yaml:4:" in said.err
    assert said.out == ""


def test_validate_shows_every_problem_with_line_and_column_and_2(command, project):
    (project / "broken.yaml").write_text(BROKEN, encoding="utf-8")
    said = command("validate", "broken.yaml")
    assert said.code == 2
    lines = said.out.splitlines()
    assert lines[-1] == "broken.yaml: 3 problems"
    assert lines[0].startswith("broken.yaml:4:")
    assert "node count" in lines[0]
    assert any(line.startswith("broken.yaml:7:") and "nowhere" in line for line in lines)


def test_validate_tells_what_is_wrong_with_a_document_that_is_named(command, project):
    (project / "below").mkdir()
    inner = "nodeloom: 1\nnodes: {step: {type: subgraph, params: {path: broken.yaml}}}\n"
    (project / "below" / "inner.yaml").write_text(inner, encoding="utf-8")
    (project / "below" / "broken.yaml").write_text(BROKEN, encoding="utf-8")
    (project / "outer.yaml").write_text(inner.replace("broken", "below/inner"), encoding="utf-8")
    said = command("validate", "outer.yaml")
    assert said.code == 2
    assert said.out.splitlines()[0].startswith("below/broken.yaml:4:")
    assert said.out.splitlines()[-1] == "outer.yaml: 3 problems"
    problems = command("validate", "outer.yaml", "--json").json["problems"]
    assert {problem["file"] for problem in problems} == {"below/broken.yaml"}
    said = command("run", "outer.yaml")
    assert (said.code, "\n  below/broken.yaml:4:" in said.err) == (2, True)


def test_validate_gives_the_problems_as_json(cli, project):
    (project / "broken.yaml").write_text(BROKEN, encoding="utf-8")
    said = cli("validate", "broken.yaml", "--json")
    assert said.code == 2
    assert said.json["valid"] is False
    assert len(said.json["problems"]) == 3
    assert all({"code", "message", "line", "severity"} <= problem.keys() for problem in said.json["problems"])


def test_a_valid_graph_is_said_to_be_and_0(cli):
    assert (cli("validate", "counting.yaml").code, cli("validate", "counting.yaml").out) == (
        0,
        "counting.yaml: valid\n",
    )
    said = cli("validate", "flows:graph", "--json")
    assert (said.code, said.json) == (0, {"target": "flows:graph", "valid": True, "problems": []})


def test_a_graph_in_python_that_cannot_be_compiled_shows_its_problems(cli, project):
    (project / "wrong.py").write_text(
        "from nodeloom import Graph, node\n"
        "@node\n"
        "def a(): return {}\n"
        "a.on('output.x >') >> a\n"
        "graph = Graph(a, name='wrong')\n",
        encoding="utf-8",
    )
    said = cli("validate", "wrong:graph")
    assert said.code == 2
    assert "wrong:graph: edge a -> a" in said.out
    assert cli("run", "wrong:graph").code == 2


def test_text_that_is_no_yaml_is_a_problem_with_its_place(cli, project):
    (project / "text.yaml").write_text("nodeloom: 1\nnodes: [a\n", encoding="utf-8")
    said = cli("validate", "text.yaml")
    assert said.code == 2
    assert "text.yaml:" in said.out


BROKEN = """nodeloom: 1
name: broken
nodes:
  count: {type: own.Cont, params: {}}
  say: {type: own.Say, params: {kind: x, knd: y}}
edges:
  - say -> nowhere
"""
