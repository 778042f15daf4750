"""`nodeloom validate FILE --as actor` and `--as tick`: what `nodeloom run` would refuse, before it is run."""

import pytest

ROBOT = """nodeloom: 1
name: robot
nodes:
  camera: {type: parts.Camera, rate: 50}
  control: {type: parts.Control, rate: 100, on_miss: safe_state}
  writer: {type: parts.Control, rate: 1}
  alone: {type: parts.Control}
edges:
  - camera -> control
  - {from: camera, to: writer, metadata: {raed: queue}}
"""

PARTS = """
from nodeloom import Graph, Node, node

class Camera(Node):
    def work(self):
        raise AssertionError("validate runs nothing")

class Control(Node):
    def work(self, inputs):
        return {}

@node
async def again(inputs):
    return {}

again.on("outputs.again.n < 3") >> again
loop = Graph(again, name="loop")
still = Graph(Camera(), name="still")

def inside():
    class Far(Node):
        isolation = "process"
        def work(self):
            return {}
    return [Far(id="far"), Far(id="farther")]

far = Graph(inside(), name="far")
"""


@pytest.fixture(autouse=True)
def robot(project):
    (project / "robot.yaml").write_text(ROBOT, encoding="utf-8")
    (project / "parts.py").write_text(PARTS, encoding="utf-8")


def test_what_a_clock_would_refuse_is_told_at_once_with_its_lines(cli):
    """10.7, 12.2"""
    said = cli("validate", "robot.yaml", "--as", "tick")
    assert said.code == 2
    lines = said.out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        "robot.yaml:5",
        "robot.yaml:7",
        "robot.yaml:9",
        "robot.yaml:10",
        "robot.yaml:10:43",
        "robot.yaml",
    ]
    assert 'node control: has on_miss="safe_state" and no such hook' in lines[0]
    assert "node alone: has no rate, and no ticking node leads to it" in lines[1]
    assert "edge camera -> control, metadata.read: does not say how it is read" in lines[2]
    assert "('raed' is no such word)" in lines[3]
    assert "warning: edge camera -> writer, metadata.raed: nothing reads 'raed'" in lines[4]
    assert lines[5] == "robot.yaml: 4 problems, 1 warning"


def test_run_refuses_the_same_with_the_same_lines(cli):
    said = cli("run", "robot.yaml", "--as", "tick", "--duration", "1")
    assert said.code == 2
    for line in (5, 7, 9, 10):
        assert f"\n  robot.yaml:{line}: " in said.err


def test_as_a_graph_or_as_actors_the_same_document_is_valid(cli):
    for words in ((), ("--as", "graph"), ("--as", "actor")):
        said = cli("validate", "robot.yaml", *words)
        assert (said.code, said.out.splitlines()[-1]) == (0, "robot.yaml: valid, 1 warning")


def test_a_document_that_is_no_graph_has_the_problems_it_has(cli, project):
    (project / "wrong.yaml").write_text(ROBOT.replace("parts.Camera", "parts.Camra"), encoding="utf-8")
    said = cli("validate", "wrong.yaml", "--as", "tick", "--json")
    assert said.code == 2
    assert [problem["code"] for problem in said.json["problems"]] == ["unknown_type", "reading"]


def test_a_graph_in_python_that_nothing_ticks_in(cli):
    said = cli("validate", "parts:still", "--as", "tick")
    assert said.code == 2
    assert "parts:still: no node of this clock has a rate" in said.out


def test_actors_of_which_no_outputs_would_go_out_are_a_warning_for_outputs_can_be_named(cli):
    said = cli("validate", "parts:loop", "--as", "actor", "--json")
    assert (said.code, said.json["valid"]) == (0, True)
    (problem,) = said.json["problems"]
    assert (problem["code"], problem["severity"]) == ("no_outputs", "warning")
    assert "run it with --outputs NODE; there are: again" in problem["message"]
    assert cli("validate", "parts:loop").out == "parts:loop: valid\n"


@pytest.mark.parametrize("kind", ["graph", "actor", "tick"])
def test_what_no_worker_process_can_import_is_told_of_every_node(cli, kind):
    said = cli("validate", "parts:far", "--as", kind)
    assert said.code == 2
    assert "parts:far: node far: " in said.out
    assert "parts:far: node farther: " in said.out


def test_a_way_to_run_that_there_is_not_is_a_usage_error(cli):
    said = cli("validate", "robot.yaml", "--as", "ticks")
    assert (said.code, said.out) == (2, "")
    assert "--as ticks: there is no such way to run; there are graph, actor, tick" in said.err
