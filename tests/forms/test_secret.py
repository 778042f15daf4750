"""A secret is its name: nothing shows a value, and a form takes no text for one (12.3)."""

import copy
import dataclasses
import json
import pickle
from typing import Annotated, Any, NamedTuple, TypedDict, cast

import msgspec
import pydantic
import pytest

import nodeloom
from nodeloom import Field, Graph, Node, Params, Registry, Secret, node
from nodeloom.errors import NodeloomError, ParamsError, SecretError
from nodeloom.forms.secret_places import holds_secret, secrets_in, with_secrets
from nodeloom.model.codec import decode_value, encode_value

CANARY = "canary-5f1c/9 \"quoted\" 'twice'"


class Auth(pydantic.BaseModel):
    user: str = "me"
    password: Secret


class SendParams(Params):
    api_key: Secret = Field(label="API key")
    spare: Secret | None = None
    auth: Auth | None = None
    keys: list[Secret] = []
    attempts: int = 1


class Send(Node):
    async def work(self, params: SendParams):
        return {}


@dataclasses.dataclass
class Pair:
    left: Secret
    right: Any = None


@pytest.mark.parametrize("given", [{"$secret": "mail.key-1"}, Secret("mail.key-1"), nodeloom.Secret("mail.key-1")])
def test_a_reference_or_a_secret_is_taken(given: Any) -> None:
    params = cast("Any", SendParams)(api_key=given, auth={"password": given}, keys=[given])
    assert params.api_key == params.auth.password == params.keys[0] == Secret("mail.key-1")
    assert params.api_key.name == "mail.key-1"


@pytest.mark.parametrize(
    "given",
    [
        CANARY,
        CANARY.encode(),
        {"$secret": CANARY},
        {"$secret": 5},
        {"$secret": "a", CANARY: 1},
        {CANARY: "a"},
        [CANARY],
    ],
)
@pytest.mark.parametrize("where", ["api_key", "spare", "auth", "password", "keys"])
def test_anything_else_is_refused_and_not_shown(given: Any, where: str) -> None:
    """The message says how it is done right."""
    values: dict[str, Any] = {"api_key": Secret("a"), "attempts": "many"}
    if where == "password":
        values["auth"] = {"user": CANARY, "password": given, "more": CANARY}
    else:
        values[where] = [given] if where == "keys" else given
    with pytest.raises(ParamsError) as caught:
        Send(**values)
    text = f"{caught.value!r} {caught.value} {caught.value.problems}"
    assert "canary" not in text
    assert "params.attempts" in text
    assert "not 'many'" in text
    assert any(str(problem.field).startswith("params.a") for problem in caught.value.problems)
    assert caught.value.__cause__ is caught.value.__context__ is None
    if isinstance(given, str):
        wanted = "Input should be a valid dictionary" if where == "auth" else '{"$secret": "name"}'
        assert wanted in text


def test_pydantic_itself_does_not_show_what_was_refused() -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        cast("Any", SendParams)(api_key=CANARY, auth={"password": CANARY}, attempts=CANARY)
    assert "canary" not in f"{caught.value} {caught.value!r}"
    with pytest.raises(pydantic.ValidationError) as alone:
        cast("Any", Auth)(password=CANARY)  # a model of an author's, with no setting to hide what it was given
    assert "canary" not in f"{alone.value} {alone.value.json()}"


def test_a_dict_around_a_secret_is_not_shown_either() -> None:
    class Checked(Params):
        token: Secret
        url: str

        @pydantic.model_validator(mode="before")
        @classmethod
        def _check(cls, values: Any) -> Any:
            if "url" not in values:
                raise ValueError("a URL is needed")
            return values

    class Call(Node):
        async def work(self, params: Checked):
            return {}

    with pytest.raises(ParamsError, match="a URL is needed") as caught:
        Call(token=CANARY)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        {"api_key": "{{ run.inputs.key }}"},
        {"api_key": {"$secret": "{{ run.inputs.name }}"}},
        {"api_key": Secret("a"), "keys": ["{{ run.id }}", CANARY]},
        {"api_key": Secret("a"), "auth": {"user": "{{ run.id }}", "password": CANARY}},
    ],
)
def test_a_template_gives_no_secret(values: dict[str, Any]) -> None:
    """12.1: refused where it is written, beside other templates too."""
    with pytest.raises(ParamsError, match=r"is given by its name|is named by letters") as caught:
        Send(**values)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "9a", ".a", "-a", "a b", "a/b", "a\n", "é", 5, None])
def test_a_name_is_a_word(name: Any) -> None:
    with pytest.raises(ValueError, match="is named by letters") as caught:
        Secret(name)
    assert not name or str(name) not in str(caught.value).split()


def test_a_resolved_secret_shows_its_name_alone() -> None:
    secret = Secret("key").resolved(CANARY)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!s:>20}",
        f"{secret:^20}",
        "{} {!r}".format(*[secret] * 2),
    ]
    params = SendParams(api_key=Secret("key")).model_copy(update={"api_key": secret, "keys": [secret]})
    shown += [
        repr(params),
        str(params),
        repr(params.model_dump()),
        repr(vars(params)),
        repr(dataclasses.asdict(Pair(secret))),
    ]
    shown += [repr([getattr(secret, name, None) for name in dir(secret)])]
    assert "canary" not in " ".join(shown)
    assert "Secret('key')" in shown[0] == shown[1]
    assert secret.reveal() == CANARY


def test_it_is_resolved_only_while_its_step_runs() -> None:
    with pytest.raises(SecretError, match=r"'key' has no value here.*while that step runs") as caught:
        Secret("key").reveal()
    assert caught.value.code == "secret"
    with pytest.raises(TypeError, match="is a text, not int"):
        Secret("key").resolved(5)  # type: ignore[arg-type]


def test_what_is_written_is_the_reference() -> None:
    secret = Secret("key").resolved(CANARY)
    params = SendParams(api_key=Secret("key")).model_copy(update={"api_key": secret})
    assert json.loads(params.model_dump_json())["api_key"] == {"$secret": "key"}
    assert params.model_dump(mode="json")["api_key"] == {"$secret": "key"}
    data = encode_value({"params": params.model_dump(), "key": secret})
    assert b"canary" not in data
    assert decode_value(data)["key"] == {"$secret": "key"}
    with pytest.raises(TypeError):
        msgspec.msgpack.encode(secret)
    assert msgspec.json.decode(msgspec.json.encode(secret, enc_hook=Secret.as_reference)) == {"$secret": "key"}


@pytest.mark.parametrize("copied", [lambda it: pickle.loads(pickle.dumps(it)), copy.copy, copy.deepcopy])  # noqa: S301 - of this line's own making
def test_a_copy_is_the_reference(copied: Any) -> None:
    secret = Secret("key").resolved(CANARY)
    twin = copied(secret)
    assert b"canary" not in pickle.dumps(secret)
    assert twin == secret
    with pytest.raises(SecretError):
        twin.reveal()


def test_a_definition_keeps_the_reference_of_a_secret_that_has_a_value() -> None:
    with pytest.raises(SecretError):
        Send(api_key=Secret("key").resolved(CANARY)).params.api_key.reveal()


def test_secrets_of_one_name_are_equal() -> None:
    one = Secret("a").resolved("one value")
    assert one == Secret("a") != Secret("b")
    assert {one, Secret("a")} == {Secret("a")}
    assert one != "one value"
    assert one != "a"


def test_a_secret_does_not_change() -> None:
    with pytest.raises(AttributeError, match="does not change"):
        Secret("a").name = "b"  # type: ignore[misc]
    with pytest.raises(AttributeError, match="does not change"):
        del Secret("a")._name


def test_the_schema_says_that_it_is_a_secret_and_keeps_what_the_form_needs() -> None:
    fields = SendParams.model_json_schema()["properties"]
    assert fields["api_key"]["x-ui"] == {"label": "API key", "type": "secret"}
    assert fields["api_key"]["writeOnly"] is fields["spare"]["writeOnly"] is True
    assert fields["api_key"]["required"] == ["$secret"]
    assert fields["spare"]["x-ui"] == {"type": "secret"}
    assert fields["keys"]["items"]["x-ui"] == {"type": "secret"}
    assert "x-ui" not in fields["attempts"]
    assert "writeOnly" not in fields["attempts"]


def test_a_document_holds_references() -> None:
    registry = Registry()
    registry.register(Send)
    given: dict[str, Any] = {
        "api_key": Secret("a"),
        "auth": {"password": {"$secret": "b"}},
        "keys": [Secret("c").resolved(CANARY)],
    }
    document = Graph(Send(**given), name="g").to_document()
    assert document["nodes"]["send"]["params"] == {
        "api_key": {"$secret": "a"},
        "auth": {"password": {"$secret": "b"}},
        "keys": [{"$secret": "c"}],
    }
    again = Graph.from_document(document, registry)
    assert again.nodes["send"].params == Send(**given).params
    assert again.to_document() == document


def test_a_document_holds_references_beside_templates() -> None:
    registry = Registry()
    registry.register(Send)
    graph = Graph(Send(api_key=Secret("a"), attempts="{{ run.inputs.n }}"), name="g")
    document = graph.to_document()
    assert document["nodes"]["send"]["params"] == {"api_key": {"$secret": "a"}, "attempts": "{{ run.inputs.n }}"}
    assert Graph.from_document(document, registry).to_document() == document


def test_a_secret_where_none_is_declared_is_not_saved() -> None:
    class Loose(Params):
        extra: Any = None

    class Take(Node):
        identifier = "test.take"

        async def work(self, params: Loose):
            return {}

    class Own(Node):
        identifier = "test.own"

        def __init__(self, token: Any, **settings: Any) -> None:
            super().__init__(params={"token": token}, **settings)

        async def work(self):
            return {}

    for each in (Take(extra={"deep": [Secret("a")]}), Own(Secret("a"))):
        with pytest.raises(NodeloomError, match=r"params\.(extra|token): it holds a secret, .* of type Secret only"):
            Graph(each, name="g").to_document()


def test_a_document_with_a_text_for_a_secret_is_refused_without_showing_it() -> None:
    registry = Registry()
    registry.register(Send)
    entry = {"type": Send.identifier, "params": {"api_key": CANARY, "attempts": "x"}}
    with pytest.raises(NodeloomError, match="is given by its name") as caught:
        Graph.from_document({"nodeloom": 1, "name": "g", "nodes": {"send": entry}}, registry)
    assert "canary" not in str(caught.value)


async def test_a_text_for_a_secret_among_inputs_or_in_the_state_is_not_shown() -> None:
    @dataclasses.dataclass
    class Held:
        token: Secret | None = None

    @node
    async def nothing():
        return {}

    for graph in (Graph(nothing.copy(), inputs=SendParams), Graph(nothing.copy(), state=Held)):
        with pytest.raises(ParamsError) as caught:
            await graph.run({"api_key": CANARY, "token": CANARY} if graph.inputs else {"token": CANARY})
        assert "canary" not in str(caught.value)


class Typed(TypedDict):
    token: Secret


class Named(NamedTuple):
    token: Secret


class Endless(pydantic.BaseModel):
    below: "Endless | None" = None


@pytest.mark.parametrize(
    ("annotation", "holds"),
    [
        (Secret, True),
        (Secret | None, True),
        (Annotated[Secret, "x"], True),
        (dict[str, list[Secret]], True),
        (list[Auth], True),
        (Pair, True),
        (Typed, True),
        (Named, True),
        (Any, False),
        (dict[str, Any], False),
        (str, False),
        (Endless, False),
    ],
)
def test_types_that_may_hold_a_secret_are_known(annotation: Any, holds: bool) -> None:
    assert holds_secret(annotation) is holds


@pytest.mark.parametrize(
    "value",
    [
        {"a": [Secret("x"), 1]},
        (Secret("x"), "y"),
        {Secret("x")},
        Auth(password=Secret("x")),
        Pair(Secret("x"), [1]),
        Named(Secret("x")),
    ],
)
def test_secrets_are_found_and_changed_wherever_they_are(value: Any) -> None:
    before = repr(value)
    changed = with_secrets(value, lambda secret: Secret(f"{secret.name}2"))
    assert [secret.name for secret in secrets_in(changed)] == ["x2"]
    assert type(changed) is type(value)
    assert repr(value) == before


def test_what_holds_no_secret_is_not_copied() -> None:
    value = {"a": [1, {"b": 2}]}
    assert with_secrets(value, lambda secret: secret) is value
