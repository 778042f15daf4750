"""`nodeloom draw`: Mermaid, and an SVG that is valid, complete, and without cards on top of one another."""

import random
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from pydantic import SecretStr

from nodeloom import Graph, Node, Params
from nodeloom.cli.layout import backward, crossings, lay_out
from nodeloom.cli.svg import svg

SVG = "{http://www.w3.org/2000/svg}"


class Ask(Node):
    """Asks & <answers>."""

    async def work(self):
        return {}


def cards(root):
    found = {}
    for group in root.iter(f"{SVG}g"):
        if group.get("class") == "node":
            x, y = map(float, group.get("transform")[len("translate(") : -1].split())
            found[group.get("data-id")] = (x, y)
    return found


def lines(root):
    return [
        (path.get("data-source"), path.get("data-target"))
        for path in root.iter(f"{SVG}path")
        if path.get("d") and path.get("data-source")
    ]


def plates(root):
    for rect in root.iter(f"{SVG}rect"):
        if rect.get("class") == "plate":
            yield tuple(float(rect.get(name)) for name in ("x", "y", "width", "height"))


def size(root, name):
    return float(root.get(name))


def apart(one, other):
    return (
        one[0] + one[2] <= other[0]
        or other[0] + other[2] <= one[0]
        or one[1] + one[3] <= other[1]
        or other[1] + other[3] <= one[1]
    )


def sound(graph, **options):
    """The parts of a drawing that holds every node and edge, inside the frame, no card on another."""
    root = ET.fromstring(svg(graph, **options))
    found = cards(root)
    assert set(found) == set(graph.nodes)
    assert set(lines(root)) == {(edge.source, edge.target) for edge in graph.edges}
    boxes = [(x, y, 232.0, 78.0) for x, y in found.values()]
    for number, box in enumerate(boxes):
        assert all(apart(box, other) for other in boxes[number + 1 :])
        assert box[0] >= 0
        assert box[1] >= 0
        assert box[0] + box[2] <= size(root, "width")
        assert box[1] + box[3] <= size(root, "height")
    return root, found, boxes


def a_graph(seed, count=50, loops=True):
    choose = random.Random(seed)
    nodes = [Ask(id=f"n{number}") for number in range(count)]
    for number in range(1, count):
        for source in choose.sample(range(number), min(number, choose.choice([1, 1, 1, 2, 3]))):
            nodes[source] >> nodes[number]
    for _ in range(4 if loops else 0):
        source, target = choose.sample(range(count), 2)
        nodes[source].on(f"output.kind == 'k{source}'") >> nodes[target]
    nodes[3].on(again=True) >> nodes[3]
    nodes[4].on_error(OSError) >> nodes[9]
    return Graph(nodes[0], name="random", max_steps=1000)


@pytest.mark.parametrize("direction", ["auto", "right", "down"])
@pytest.mark.parametrize("seed", range(6))
def test_every_node_and_edge_is_drawn_and_no_cards_overlap(seed, direction):
    _, _, boxes = sound(a_graph(seed), direction=direction)
    root = ET.fromstring(svg(a_graph(seed), direction=direction))
    for plate in plates(root):
        assert all(apart(plate, box) for box in boxes), "a label covers a card"


@pytest.mark.parametrize("seed", range(6))
def test_labels_do_not_cover_one_another(seed):
    root, _, _ = sound(a_graph(seed, 20))
    found = list(plates(root))
    assert all(apart(one, other) for number, one in enumerate(found) for other in found[number + 1 :])


def test_a_line_of_nodes_is_straight():
    nodes = [Ask(id=f"n{number}") for number in range(5)]
    for source, target in pairwise(nodes):
        source >> target
    graph = Graph(nodes[0], name="line")
    _, found, _ = sound(graph, direction="right")
    assert len({y for _, y in found.values()}) == 1
    assert sorted(found, key=lambda node: found[node][0]) == [f"n{number}" for number in range(5)]
    _, down, _ = sound(graph, direction="down")
    assert len({x for x, _ in down.values()}) == 1


def test_a_diamond_is_even():
    a, b, c, d = (Ask(id=name) for name in "abcd")
    a >> [b, c] >> d
    _, found, _ = sound(Graph(a, name="diamond"), direction="right")
    assert found["a"][1] == found["d"][1]
    assert found["b"][0] == found["c"][0]
    assert abs((found["b"][1] + found["c"][1]) / 2 - found["a"][1]) < 1


def test_a_long_graph_goes_down_and_a_short_one_right():
    nodes = [Ask(id=f"n{number}") for number in range(30)]
    for source, target in pairwise(nodes):
        source >> target
    root, _, _ = sound(Graph(nodes[0], name="long"))
    assert size(root, "height") > size(root, "width")
    a, b = Ask(id="a"), Ask(id="b")
    a >> b
    root, _, _ = sound(Graph(a, name="short"))
    assert size(root, "width") > size(root, "height")


def test_one_node_that_goes_to_itself():
    a = Ask(id="a")
    a.on(again=True) >> a
    sound(Graph(a, name="self"))


def test_texts_are_escaped_and_secrets_are_not_in_the_picture():
    class Login(Node):
        class Params(Params):  # type: ignore[misc, unused-ignore]
            user: str
            key: SecretStr

        async def work(self):
            return {}

    a, b = Login(id="a", user='<b>&"me"', key="hunter2"), Ask(id="b")
    a.on("output.x == '<&>' and output.y < 3") >> b
    picture = svg(Graph(a, name='<"x">'))
    ET.fromstring(picture)
    assert "hunter2" not in picture
    assert "user: &lt;b&gt;" in picture


def test_a_thousand_nodes_are_drawn_in_seconds():
    sound(a_graph(1, 1000))


def test_edges_that_close_a_cycle_are_found():
    assert backward(["a", "b", "c"], [("a", "b"), ("b", "c"), ("c", "a"), ("b", "b")]) == {("c", "a"), ("b", "b")}


def test_lines_that_need_not_cross_do_not():
    nodes = ["s", "a", "b", "c", "x", "y", "z"]
    edges = dict.fromkeys([("s", "a"), ("s", "b"), ("s", "c"), ("a", "z"), ("b", "y"), ("c", "x")], 0.0)
    assert crossings(lay_out(nodes, edges, size=78, lane=24, gap=28).layers) == 0


def test_mermaid_is_the_default_and_the_file_name_says_otherwise(cli, project):
    said = cli("draw", "counting.yaml")
    assert said.code == 0
    assert said.out.startswith("flowchart TD\n")
    assert cli("draw", "counting.yaml", "--format", "svg").out.startswith("<svg ")
    assert cli("draw", "counting.yaml", "-o", "graph.svg").out == ""
    ET.parse(project / "graph.svg")
    cli("draw", "counting.yaml", "-o", "graph.mmd")
    assert (project / "graph.mmd").read_text(encoding="utf-8").startswith("flowchart TD\n")
    cli("draw", "counting.yaml", "-o", "graph.md")
    assert (project / "graph.md").read_text(encoding="utf-8").startswith("```mermaid\nflowchart TD\n")
    cli("draw", "counting.yaml", "-o", "graph.txt", "-f", "svg")
    ET.parse(project / "graph.txt")


@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_a_theme_has_its_colours(cli, theme):
    picture = cli("draw", "flows:graph", "-f", "svg", "--theme", theme).out
    assert ("#f1f2f7" in picture) == (theme != "dark")
    assert ("#101119" in picture) == (theme != "light")
    assert ("prefers-color-scheme" in picture) == (theme == "auto")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "png"], 'invalid value "png" for --format. Choose from: "mermaid", "svg"'),
        (["-o", "nowhere/graph.svg"], "nowhere/graph.svg cannot be written: No such file"),
        (["--direction", "up"], 'invalid value "up"'),
    ],
)
def test_wrong_usage_of_draw_is_2(cli, words, message):
    said = cli("draw", "flows:graph", *words)
    assert said.code == 2
    assert message in said.err
