"""`nodeloom form`: a node's form asked on a terminal, and from values that are given."""

import json

import pytest

from nodeloom.nodes.documents.reading import read_text

from .persons import Person

NODES = '''
"""Nodes with forms of every kind."""

from datetime import date, time
from typing import Any, Literal

from nodeloom import Field, Node, Option, Params


class Plain(Node):
    """Everything by itself."""

    class Params(Params):
        name: str = Field(label="Your name", placeholder="Ada", description="As on the letter.", min_length=2)
        age: int = Field(18, ge=1, le=120)
        tall: bool = False
        born: date | None = None
        at: time | None = None
        tags: list[str] = []
        counts: list[int] = []
        text: str = Field("", widget="textarea")
        more: dict[str, Any] | None = None
        kind: Literal["a", "b"] = "a"

    async def work(self, params):
        return {"name": params.name}


class Address(Params):
    street: str
    door: int = Field(1, ge=1)


class Person(Params):
    who: str
    role: Literal["author", "reader"] = "reader"
    page: int | None = Field(None, visible_when="role == 'reader'")


class Nested(Node):
    version = 2

    class Params(Params):
        home: Address
        work_place: Address | None = None
        people: list[Person] = Field(label="People", min_length=1)

    async def work(self, params):
        return {"people": len(params.people)}


class Secretive(Node):
    def schema(self):
        return {"fields": [{"name": "api_key", "type": "secret", "label": "API key", "required": True}]}

    async def work(self):
        return {}


def find_codes(*, query: str = ""):
    codes = ["AB", "ABC", "12"] if query else ["X"]
    return [Option(code, code.title()) for code in codes if query in code]


calls = []


def list_towns(country: str, *, query: str = ""):
    print("printed by an author")
    calls.append(country)
    if len(calls) == 1:
        raise LookupError("the town hall is closed")
    return [Option(n, f"Town {n}", group="far" if n > 2 else "near") for n in range(1, 4) if query in f"Town {n}"]


def describe(country: str, town: int):
    if town == 3:
        raise ValueError("nobody lives in town 3")
    return f"{town} in {country}"


class Asks(Node):
    class Params(Params):
        country: str
        town: int = Field(options=list_towns)
        told: str = Field("", label="Told", derived=describe)

    async def work(self, params):
        return {}


class Exact(Node):
    class Params(Params):
        year: int = Field(options=[2020, 2021, 2, 1])
        years: list[int] = Field(options=[2020, 2021, 2, 1])
        code: str = Field(options=find_codes)

    async def work(self, params):
        return {}


class Many(Node):
    class Params(Params):
        colours: list[str] = Field(options=["red", "green", "blue"])
        number: int = Field(options=list(range(100, 150)))

    async def work(self, params):
        return {}
'''

FLOW = """\
# what this is for
nodeloom: 1
name: flow   # its name

nodes:
    first: {type: own.Say, params: {kind: "short"}}  # the first

    # a note on the second
    second:
        type: own.Say
        params:
            kind: 'long'
        # the end of the second

# the edges
edges:
  -   first -> second
"""


@pytest.fixture(autouse=True)
def nodes(project):
    (project / "forms.py").write_text(NODES, encoding="utf-8")


def entry_of(out):
    (entry,) = read_text(out).data.values()
    return entry


def test_every_kind_of_field_is_asked_with_what_is_said_of_it(project):
    with Person(project, "form", "forms.Plain") as person:
        person.reads("Everything by itself.").reads("Your name").reads("As on the letter.")
        person.reads("Ada, at least 2 characters").types("A").reads("should have at least 2 characters").types("Ada")
        person.reads("Age").reads("a whole number, at least 1, at most 120, default: 18").types("many")
        person.reads("not 'many'").types("200").reads("less than or equal to 120").types("36")
        person.reads("Tall").reads("y or n").types("perhaps").reads("valid boolean").types("y")
        person.reads("Born").reads("as 2026-01-31, optional").types("1815-13-10").reads("valid date").types(
            "1815-12-10"
        )
        person.reads("At").types("").reads("Tags").types("first", "second", "").reads("Counts").types("1", "2", "")
        person.reads("Text").types("one").sends("two\n.\n").reads("More").types('{"a": [1]}').reads("Kind").types("2")
        person.reads("everything fits").reads("Your name  Ada")
        code, out = person.end()
    assert code == 0
    assert entry_of(out) == {
        "type": "forms.Plain",
        "params": {
            "name": "Ada",
            "age": 36,
            "tall": True,
            "born": "1815-12-10",
            "tags": ["first", "second"],
            "counts": [1, 2],
            "text": "one\ntwo\n",
            "more": {"a": [1]},
            "kind": "b",
        },
    }


def test_defaults_are_kept_and_not_written(project):
    with Person(project, "form", "forms.Plain", "--id", "me", "-i", "name=Ada") as person:
        person.types(*[""] * 9)
        assert person.end() == (0, "me:\n  type: forms.Plain\n  params:\n    name: Ada\n")
        assert "Your name\n  As on" not in person.seen


def test_objects_and_rows_are_asked_field_by_field(project):
    with Person(project, "form", "forms.Nested") as person:
        person.reads("Street (home)").types("Main street").reads("Door (home)").types("")
        person.reads("Fill in Work place? (y/n) ").sends("n\n")
        person.reads("Add one to People? (y/n) ").sends("n\n").reads("There is something wrong:").reads("people: ")
        person.reads("Add one to People? (y/n) ").sends("y\n")
        person.reads("Who (people 1)").types("Ada").reads("Role (people 1)").types("1")
        person.reads("Add another to People? (y/n) ").sends("perhaps\n").reads("answer y or n").sends("y\n")
        person.reads("Who (people 2)").types("Bob").reads("Role").types("2").reads("Page (people 2)").types("7")
        person.reads("Add another to People? (y/n) ").sends("n\n")
        code, out = person.end()
    assert code == 0, person.seen
    assert "Page (people 1)" not in person.seen
    assert "one on a line" not in person.seen
    people = [{"who": "Ada", "role": "author"}, {"who": "Bob", "role": "reader", "page": 7}]
    params = {"home": {"street": "Main street"}, "people": people}
    assert entry_of(out) == {"type": "forms.Nested", "version": 2, "params": params}


def test_a_secret_is_a_name_and_what_is_none_is_not_shown_again(project):
    with Person(project, "form", "forms.Secretive") as person:
        person.reads("API key").reads("the name of a secret, never its value").types("hunter 2!")
        person.reads("that is no name of a secret").types("mail_key")
        person.reads("API key  secret mail_key")
        code, out = person.end()
    assert code == 0
    assert person.seen.count("hunter 2!") == 1  # what the terminal itself echoed
    assert entry_of(out)["params"] == {"api_key": {"$secret": "mail_key"}}


def test_a_function_that_fails_is_told_in_its_authors_words_and_asked_again(project):
    with Person(project, "form", "forms.Asks") as person:
        person.reads("Country").types("FR").reads("Town").reads("! its options cannot be had: the town hall is closed")
        person.reads("Enter asks again").types("").reads("near").reads("  1  Town 1 (1)").reads("far").types("3")
        person.reads("! Told: nobody lives in town 3")
        person.reads("Town\n").types("2").reads("Told: 2 in FR")
        code, out = person.end()
    assert code == 0
    assert entry_of(out)["params"] == {"country": "FR", "town": 2}
    assert "printed by an author" in person.seen


def test_several_are_chosen_by_numbers_and_a_long_list_is_turned_and_searched(project):
    with Person(project, "form", "forms.Many") as person:
        person.reads("Colours").types("1, 9").reads("there is no number 9: choose from 1 to 3").types("1 3")
        person.reads("Number").reads(" 20  119").types("n").reads(" 21  120").reads(" 40  139")
        person.types("14").reads("Filled in")
        code, out = person.end()
    assert code == 0
    assert entry_of(out)["params"] == {"colours": ["red", "blue"], "number": 113}
    with Person(project, "form", "forms.Many", "-i", "colours=[]") as person:
        person.reads("Number").types("x").reads("nothing is found for 'x'").types("").reads(" 1  100").types("149")
        assert entry_of(person.end()[1])["params"]["number"] == 149


def test_what_is_exactly_an_option_is_chosen_before_a_place_in_the_list_and_by_a_search(project):
    with Person(project, "form", "forms.Exact") as person:
        person.reads("Year").reads("  4  1").types("2").reads("Years").types("3, 1, 2020").reads("Code").types("AB")
        person.reads("Filled in")
        code, out = person.end()
    assert (code, entry_of(out)["params"]) == (0, {"year": 2, "years": [2, 1, 2020], "code": "AB"})
    with Person(project, "form", "forms.Exact", "-i", "year=1", "-i", "years=[1]") as person:
        person.reads("Code").types("12").reads("Filled in")  # a number that is no place is looked for
        assert entry_of(person.end()[1])["params"]["code"] == "12"


def test_a_template_is_an_answer_and_what_depends_on_it_is_a_text(project):
    with Person(project, "form", "forms.Asks") as person:
        person.types("{{ inputs.country }}").reads("Town").types("7")
        code, out = person.end()
    assert code == 0, person.seen
    assert entry_of(out)["params"] == {"country": "{{ inputs.country }}", "town": 7}


def test_a_hyphen_goes_back_and_quotes_make_it_a_text(project):
    with Person(project, "form", "forms.Nested") as person:
        person.types("-").reads("this is the first question").types("Main street").reads("Door").types("-")
        person.reads("Street (home)").types('"-"').reads("Door (home)").types("4")
        person.reads("Work place").sends("n\n").reads("Add one").sends("y\n").reads("Who").types("A").types("1")
        person.reads("Add another").sends("n\n")
        code, out = person.end()
    assert (code, entry_of(out)["params"]["home"]) == (0, {"street": "-", "door": 4})


def test_ctrl_c_exits_130_and_writes_nothing(project):
    with Person(project, "form", "forms.Plain", "--into", "new.yaml") as person:
        person.types("Ada").reads("Age").interrupts()
        code, out = person.end()
    assert (code, out) == (130, "")
    assert "nodeloom: interrupted" in person.seen
    assert "Traceback" not in person.seen
    assert not (project / "new.yaml").exists()


def test_the_end_of_the_input_writes_nothing_and_is_2(project):
    with Person(project, "form", "forms.Plain") as person:
        person.types("Ada").reads("Age").sends("\x04")
        assert person.end() == (2, "")
    assert "the input ended before the form was filled in" in person.seen


def test_what_is_given_and_wrong_is_told_first_and_asked_for(project):
    with Person(project, "form", "forms.Plain", "-i", "name=Ada", "-i", "age=500", "-i", "nmae=x") as person:
        person.reads("! nmae: no such field").reads("! age: ").reads("Age").types("36").reads("Tall")
        person.types(*[""] * 8)
        code, out = person.end()
    assert code == 0
    assert entry_of(out)["params"] == {"name": "Ada", "age": 36}


def test_going_back_takes_back_a_row(project):
    with Person(
        project, "form", "forms.Nested", "-i", 'home={"street": "x", "door": 2}', "-i", "work_place=null"
    ) as person:
        person.reads("Add one to People?").sends("y\n").reads("Who (people 1)").types("-")
        person.reads("Add one to People?").sends("y\n").reads("Who (people 1)").types("Ada").reads("Role").types("1")
        person.reads("Add another").sends("n\n")
        code, out = person.end()
    assert code == 0
    assert entry_of(out)["params"]["people"] == [{"who": "Ada", "role": "author"}]


# --- not on a terminal


def test_all_problems_are_told_at_once_and_2(command):
    said = command("form", "forms.Plain", "-i", "age=0", "-i", "nmae=Ada", "-i", "kind=c", "-i", "born=never")
    assert (said.code, said.out) == (2, "")
    for part in ("nmae: no such field; did you mean 'name'?", "name: is required", "age: ", "kind: ", "born: "):
        assert f"\n  {part}" in said.err, said.err


def test_values_are_read_as_their_fields_take_them_and_an_i_wins(command, project):
    (project / "values.json").write_text('{"name": "Ada", "age": 3}', encoding="utf-8")
    said = command("form", "forms.Plain", "--inputs", "values.json", "-i", "age=4", "-i", "name=12", "-i", "tags=[]")
    assert said.code == 0, said.err
    assert entry_of(said.out)["params"] == {"name": "12", "age": 4, "tags": []}


def test_json_has_the_fields_the_states_the_problems_and_the_entry(command):
    known = command("form", "forms.Asks", "--json", "-i", "country=FR").json
    assert (known["identifier"], known["valid"], known["entry"]) == ("forms.Asks", False, None)
    assert [field["name"] for field in known["fields"]] == ["country", "town", "told"]
    states = {state["path"]: state for state in known["states"]}
    assert states["town"]["error"] == "the town hall is closed"
    assert states["told"]["waiting_for"] == ["town"]
    said = command(
        "form", "forms.Nested", "--json", "--id", "n", "-i", 'home={"street": "x"}', "-i", 'people=[{"who":"A"}]'
    )
    assert (said.code, said.json["valid"]) == (0, True)
    assert said.json["entry"]["n"]["params"] == {"home": {"street": "x"}, "people": [{"who": "A"}]}
    assert "people.0.page" in {state["path"] for state in said.json["states"]}


def test_what_is_hidden_or_derived_is_not_written(command):
    said = command(
        "form", "forms.Nested", "-i", 'home={"street": "x"}', "-i", 'people=[{"who":"A","role":"author","page":3}]'
    )
    assert entry_of(said.out)["params"]["people"] == [{"who": "A", "role": "author"}]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("form", "forms.Gone"), "forms has no 'Gone'"),
        (("form", "gone.py:Plain"), "no file gone.py"),
        (("form", "htp.request"), "did you mean 'http.request'"),
        (("form", "forms.Plain", "--id", "a-b"), "'a-b' is no node id"),
        (("form", "forms.Plain", "--into", "flow.txt"), "its name ends in .yaml, .yml or .json"),
        (("form", "forms.Plain", "--into", "gone/flow.yaml", "-i", "name=Ada"), "gone/flow.yaml cannot be written"),
        (("form", "forms.Plain", "-i", "name"), "given as -i name=value"),
    ],
)
def test_what_cannot_be_done_is_a_paragraph_and_2(command, words, message):
    said = command(*words)
    assert (said.code, said.out) == (2, "")
    assert message in said.err
    assert "Traceback" not in said.err


def test_a_node_of_a_file_is_named_by_it(command):
    assert entry_of(command("form", "forms.py:Plain", "-i", "name=Ada").out)["type"] == "forms.Plain"


def test_a_registered_type_is_written_by_its_identifier(command):
    entry = entry_of(command("form", "nodeloom.library.CsvRead", "-i", "path=a.csv").out)
    assert entry == {"type": "csv.read", "params": {"path": "a.csv"}}


# --- into a document


def test_a_missing_document_is_made_and_runs(command, project):
    said = command("form", "own.Say", "-i", "kind=short", "--into", "my flow.yaml")
    assert (said.code, said.out) == (0, "")
    assert "say is in my flow.yaml" in said.err
    assert command("run", "my flow.yaml", "-q").json == {"kind": "short"}


def test_a_document_keeps_its_comments_and_everything_else(command, project):
    (project / "flow.yaml").write_text(FLOW, encoding="utf-8")
    assert command("form", "own.Say", "-i", "kind=new", "--into", "flow.yaml", "--id", "third").code == 0
    now = (project / "flow.yaml").read_text(encoding="utf-8")
    added = "    third:\n      type: own.Say\n      params:\n        kind: new\n"
    before, after = FLOW.split("        # the end of the second\n")
    assert now == f"{before}        # the end of the second\n{added}{after}"
    assert command("validate", "flow.yaml").code == 0


@pytest.mark.parametrize(
    "text",
    [
        "nodeloom: 1\nnodes: {first: {type: own.Say, params: {kind: a}}}  # here\nname: x # there\n",
        "nodeloom: 1\nname: x\n",
        "nodeloom: 1\nnodes:\nname: x\n",
        "nodeloom: 1\nnodes:\n  first: {type: own.Say, params: {kind: a}}",
        "nodeloom: 1\r\nnodes:\r\n  first:\r\n    type: own.Say\r\nname: x\r\n",
        "nodeloom: 1\nnodes:\n  first:\n    type: own.Say\n    params:\n      kind: |\n        a\n\n        b"
        "\n\nname: x\n",
    ],
)
def test_a_node_comes_into_documents_of_any_shape(command, project, text):
    file = project / "flow.yaml"
    file.write_bytes(text.encode())
    before = read_text(text).data
    assert command("form", "own.Say", "-i", "kind=new", "--into", "flow.yaml").code == 0
    now = file.read_bytes().decode()
    added = {"say": {"type": "own.Say", "params": {"kind": "new"}}}
    assert read_text(now).data == {**before, "nodes": {**(before.get("nodes") or {}), **added}}
    assert text.count("#") == now.count("#")
    assert text.count("\r\n") == 0 or now.count("\n") == now.count("\r\n")


def test_a_json_document_stays_one(command, project):
    (project / "flow.json").write_text('{"nodeloom": 1, "nodes": {"first": {"type": "own.Say"}}}', encoding="utf-8")
    assert command("form", "own.Say", "-i", "kind=new", "--into", "flow.json").code == 0
    nodes = json.loads((project / "flow.json").read_text(encoding="utf-8"))["nodes"]
    assert nodes == {"first": {"type": "own.Say"}, "say": {"type": "own.Say", "params": {"kind": "new"}}}


@pytest.mark.parametrize("text", [FLOW, "nodes: [1]", "a: b: c", "\xff"])
def test_a_taken_id_or_no_document_is_refused_before_anything_is_asked(command, project, text):
    (project / "flow.yaml").write_bytes(text.encode("latin-1"))
    said = command("form", "own.Say", "-i", "kind=new", "--into", "flow.yaml", "--id", "first")
    assert said.code == 2
    assert "flow.yaml" in said.err
    assert "Traceback" not in said.err
    assert (project / "flow.yaml").read_bytes() == text.encode("latin-1")
