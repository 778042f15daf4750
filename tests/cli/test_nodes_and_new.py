"""`nodeloom nodes`, the catalogue, and `nodeloom new`, a project to begin with."""

import ast
import subprocess
import sys

import pytest

from nodeloom.cli.scaffold_node import NODE, TAKEN

from .conftest import environment

KINDS = """
from nodeloom import Node, Params, Retry

class Whole(Node):
    policies = [Retry(3)]
    class Inputs(Params):
        image: str
    class Params(Params):
        size: int
    async def work(self, params):
        return {}

class ByHand(Node):
    def schema(self):
        return {"fields": [{"name": "a", "required": True}]}
    async def work(self):
        return {}

class Broken(Node):
    def schema(self):
        raise RuntimeError("no schema today")
    async def work(self):
        return {}

class NoForm(Node):
    def schema(self):
        return {"name": "a"}
    async def work(self):
        return {}
"""


def test_the_catalogue_has_a_line_for_each_node_that_ships(cli):
    said = cli("nodes")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].split() == ["IDENTIFIER", "NAME", "VERSION", "DESCRIPTION"]
    assert any(line.startswith("http.request ") and "HTTP" in line for line in lines)


def test_a_search_looks_for_every_word_in_names_and_descriptions(cli):
    found = [entry["identifier"] for entry in cli("nodes", "csv FILE", "--json").json]
    assert found == ["csv.read", "csv.write"]


def test_a_search_without_a_match_names_the_nearest_and_1(cli):
    said = cli("nodes", "htp.request")
    assert (said.code, said.out) == (1, "")
    assert "no node type matches 'htp.request'; did you mean http.request?" in said.err


def test_json_has_description_and_the_schema_of_the_params(cli):
    (entry,) = cli("nodes", "http.request", "--json").json
    assert entry["version"] == 1
    assert entry["description"]
    assert entry["params"]["properties"]["url"]["type"] == "string"


def test_json_has_each_nodes_form_ports_and_policies(cli, project):
    (project / "kinds.py").write_text(KINDS, encoding="utf-8")
    entries = {entry["identifier"]: entry for entry in cli("nodes", "--folder", ".", "kinds", "--json").json}
    whole = entries["kinds.Whole"]
    assert [field["name"] for field in whole["fields"]] == ["size"]
    assert whole["json_schema"]["properties"]["size"]["x-ui"]["label"] == "Size"
    assert [port["name"] for port in whole["ports"]["inputs"]] == ["image"]
    assert whole["ports"]["outputs"] is None
    assert whole["policies"] == {"retry": 3}
    assert [field["name"] for field in entries["kinds.ByHand"]["fields"]] == ["a"]
    assert entries["kinds.ByHand"]["json_schema"]["required"] == ["a"]
    for broken in ("kinds.Broken", "kinds.NoForm"):
        assert entries[broken]["fields"] == []
        assert "no schema today" in entries[broken]["problem"] or "`fields`" in entries[broken]["problem"]


def test_a_folder_adds_nodes_of_ones_own(cli, project):
    (project / "mine").mkdir()
    (project / "own.py").rename(project / "mine" / "own.py")
    found = cli("nodes", "--folder", "mine", "--json").json
    assert any(entry["identifier"].endswith("own.Count") for entry in found)


def test_every_command_that_takes_a_document_takes_folders_of_nodes(cli, project):
    (project / "mine").mkdir()
    (project / "mine" / "own.py").write_text(
        "import beside\n"
        "from nodeloom import Node, Params\n"
        "class Greet(Node):\n"
        "    identifier = 'mine.greet'\n"
        "    class Params(Params):\n"
        "        name: str\n"
        "    async def work(self, params): return {'text': beside.hello + params.name}\n",
        encoding="utf-8",
    )
    (project / "mine" / "beside.py").write_text("hello = 'hello '\n", encoding="utf-8")
    (project / "greets.yaml").write_text(
        "nodeloom: 1\nnodes: {greet: {type: mine.greet, params: {name: Ada}}}\n", encoding="utf-8"
    )
    assert cli("run", "greets.yaml", "-q").code == 2
    assert cli("run", "greets.yaml", "-q", "--folder", "mine").json == {"text": "hello Ada"}
    assert cli("validate", "greets.yaml").code == 2
    assert cli("validate", "greets.yaml", "--folder", "mine").out == "greets.yaml: valid\n"
    assert "greet" in cli("draw", "greets.yaml", "--folder", "mine").out
    assert "type: mine.greet" in cli("form", "mine.greet", "--folder", "mine", "-i", "name=Ada").out
    assert cli("form", "mine.greet", "-i", "name=Ada").code == 2


@pytest.mark.parametrize("command", [["run", "-q"], ["validate"], ["draw"]])
def test_folders_that_cannot_be_used_are_a_paragraph_and_2(cli, project, command):
    said = cli(*command, "counting.yaml", "--folder", "gone")
    assert (said.code, said.out) == (2, "")
    assert "some nodes could not be loaded\n  gone is no folder to look for nodes in" in said.err
    said = cli(*command, "flows:graph", "--folder", ".")
    assert said.code == 2
    assert "--folder adds node types that a document names; flows:graph is no document" in said.err


@pytest.mark.parametrize(
    ("folder", "message"),
    [("gone", "gone is no folder"), ("broken", "broken.py cannot be loaded: RuntimeError: oops")],
)
def test_a_folder_that_cannot_be_loaded_is_said_beside_the_rest_and_2(cli, project, folder, message):
    (project / "broken").mkdir()
    (project / "broken" / "broken.py").write_text("raise RuntimeError('oops')", encoding="utf-8")
    said = cli("nodes", "--folder", folder)
    assert said.code == 2
    assert "http.request" in said.out
    assert message in said.err
    assert "Traceback" not in said.err


def test_a_new_project_runs_validates_and_passes_its_tests(cli, command, project):
    said = cli("new", "my project")
    assert said.code == 0
    assert "cd 'my project'" in said.out
    folder = project / "my project"
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "graph.yaml", "nodes.py", "test_nodes.py"]
    ran = command("run", "my project/graph.yaml", "-q")
    assert ran.code == 0, ran.err
    assert ran.json["summary"].startswith("A short text of 8 words")
    assert command("validate", "my project/graph.yaml").code == 0
    assert command("draw", "my project/graph.yaml", "-o", "graph.svg").code == 0
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert "3 passed" in tests.stdout


@pytest.mark.parametrize("name", ["123", "ünïcode", "quote's", 'double"quote', "a: b #c", "{{x}}"])
def test_any_folder_name_makes_a_project_that_runs(cli, name):
    assert cli("new", name).code == 0
    said = cli("run", f"{name}/graph.yaml", "-q")
    assert said.code == 0, said.err


def test_an_existing_folder_is_never_overwritten(cli, project):
    (project / "here").mkdir()
    (project / "here" / "graph.yaml").write_text("mine", encoding="utf-8")
    said = cli("new", "here")
    assert said.code == 2
    assert "here exists already, and nothing in it is overwritten" in said.err
    assert (project / "here" / "graph.yaml").read_text(encoding="utf-8") == "mine"
    assert cli("new", "flows.py").code == 2
    (project / "empty").mkdir()
    assert cli("new", "empty").code == 0


def test_a_folder_that_cannot_be_made_is_a_paragraph(cli):
    said = cli("new", "flows.py/below")
    assert said.code == 2
    assert "cannot be made" in said.err


@pytest.mark.parametrize("name", ["ResizeImage", "resize_image", "resize image", "HTTPThing2", "Sheets", "TestThing"])
def test_a_new_node_passes_its_tests_and_its_form_is_filled_in(cli, project, name):
    said = cli("new", "node", name)
    assert said.code == 0
    (file,) = [path.stem for path in project.glob("*.py") if f" test_{path.stem}.py" in said.out]
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"test_{file}.py"],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert "4 passed" in tests.stdout
    kind = said.out.split()[0]
    said = cli("form", f"{file}.{kind}", "-i", "series=ISO", "-i", "format=A5", "--into", "walls.yaml")
    assert said.code == 0, said.err
    assert cli("run", "walls.yaml", "-q").json == {"sheets": 33}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["node"], "give its name, as `new node ResizeImage`"),
        (["node", "2fast"], "'2fast' cannot be the name of a node"),
        (["node", "class"], "'class' cannot be the name of a node"),
        (["node", "Json"], "would hide the module json"),
        (["node", "Option"], "a class Option would hide the Option that a node is made with: choose another name than"),
        (["node", "node"], "a class Node would hide the Node that a node is made with"),
        (["node", "Flows"], "flows.py exists already, and is not overwritten"),
        (["project", "Thing"], "'Thing' is more than `new` takes"),
    ],
)
def test_a_node_that_cannot_be_made_is_a_paragraph_and_2(cli, project, words, message):
    before = sorted(path.name for path in project.iterdir())
    said = cli("new", *words)
    assert said.code == 2
    assert message in said.err
    assert sorted(path.name for path in project.iterdir()) == before


def test_every_name_that_a_new_node_imports_is_taken():
    tree = ast.parse(NODE.replace("@CLASS@", "Thing"))
    froms = [each for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)]
    assert sorted(name.name for each in froms for name in each.names) == sorted(TAKEN)


def test_what_is_new_says_how_to_get_what_its_tests_need(cli, project):
    for words in (["project"], ["node", "ResizeImage"]):
        assert "# without pytest yet: python -m pip install pytest" in cli("new", *words).out
    assert "python -m pip install pytest" in (project / "project" / "README.md").read_text(encoding="utf-8")


def test_the_demo_gives_its_exit_code(cli, monkeypatch, project):
    import nodeloom.demo

    asked = []

    def run_demo(out, quiet, seconds, screen):
        asked.append((str(out), quiet, seconds, screen))
        return 1

    monkeypatch.setattr(nodeloom.demo, "run_demo", run_demo)
    assert cli("demo", "--out", "there", "--quiet").code == 1
    assert cli("demo", "--live", "0").code == 1
    assert asked == [("there", True, 10.0, None), ("None", False, 0.0, None)]
    assert cli("demo", "--live", "-1").code == 2
