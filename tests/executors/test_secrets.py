"""Secrets in params are resolved in the process that runs the step, and only there (12.1, 12.3)."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.executors.secret_nodes import Auth, Use, digest

from nodeloom import Batch, Concurrency, Engine, Graph, Idempotency, Node, Params, Retry, RunFailed, Secret, State, node
from nodeloom.errors import DefinitionError, SecretError, SecretNotFound
from nodeloom.executors.sealed import Sealed
from nodeloom.model.masks import MASKS
from nodeloom.resources.secrets import Environment, Secrets, SecretsFile
from nodeloom.resources.secrets_file import make_key

VALUES = {"a": "value-of-a", "b": "value-of-b", "c": "value-of-c"}
A, B, C = (digest(value) for value in VALUES.values())


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("NODELOOM_SECRET")]:
        monkeypatch.delenv(name)
    yield
    MASKS.forget()


async def outputs_of(node: Node, inputs: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    async with Engine(secrets=VALUES, **settings) as engine:
        return dict((await engine.run(Graph(node, name="g"), inputs or {})).output)


async def test_secrets_are_resolved_wherever_they_are() -> None:
    use = Use(
        token=Secret("a"),
        others=[{"$secret": "b"}],
        by_name={"x": Secret("c")},
        auth=Auth(user="u", password=Secret("a")),
        extra={"y": Secret("b")},
    )
    assert (await outputs_of(use))["digests"] == [A, B, C, A, B]


async def test_the_definition_keeps_references() -> None:
    use = Use(token=Secret("a"), auth={"password": Secret("b")})
    async with Engine(secrets=VALUES) as engine:
        graph = Graph(use)
        for _ in range(2):
            await engine.run(graph)
            for secret in (use.params.token, use.params.auth.password, use.given["token"]):
                with pytest.raises(SecretError):
                    secret.reveal()


async def test_a_value_that_changes_is_seen_by_the_next_step() -> None:
    values = {"a": "the first"}
    async with Engine(secrets=values) as engine:
        use = Use(token=Secret("a"))
        assert (await engine.call(use))["digests"] == [digest("the first")]
        values["a"] = "the second"
        assert (await engine.call(use))["digests"] == [digest("the second")]


async def test_a_default_is_resolved_too() -> None:
    class Defaulted(Params):
        token: Secret = Secret("a")
        text: str = ""

    @node
    async def use(params: Defaulted):
        return {"got": digest(params.token.reveal()), "text": params.text}

    assert (await outputs_of(use))["got"] == A
    assert await outputs_of(use.copy(text="{{ inputs.t }}"), {"t": "x"}) == {"got": A, "text": "x"}


async def test_a_node_with_an_init_of_its_own_has_its_secrets_resolved() -> None:
    class Own(Node):
        def __init__(self, token: Any, **settings: Any) -> None:
            super().__init__(params={"token": token}, **settings)

        async def work(self, params):
            return {"got": digest(params["token"].reveal())}

    assert await outputs_of(Own(Secret("a"))) == {"got": A}


async def test_on_start_sees_them_as_well() -> None:
    seen = []

    class Opens(Use):
        async def on_start(self, ctx: Any) -> None:
            seen.append(ctx.params.token.reveal())

    await outputs_of(Opens(token=Secret("a")))
    assert seen == ["value-of-a"]


async def test_each_item_of_a_batch_and_each_attempt_has_them() -> None:
    class Tries(Use):
        async def work(self, params, ctx):  # type: ignore[override]
            if ctx.attempt == 1:
                raise ValueError(params.token.reveal())
            return await super().work(params)

        from tests.executors.secret_nodes import UseParams as Params

    tries = Tries(
        token=Secret("a"), url="{{ item }}", batch=Batch(items=["x", "y"]), policies=[Retry(2, wait=0, jitter=False)]
    )
    result = (await outputs_of(tries))["results"]
    assert [(each["digests"], each["url"]) for each in result] == [([A], "x"), ([A], "y")]


async def test_one_that_is_nowhere_fails_the_step_with_one_clear_error() -> None:
    with pytest.raises(RunFailed, match=r"there is no secret 'tokn'; did you mean 'token'\?") as caught:
        async with Engine(secrets=[Environment(), {"token": "x"}]) as engine:
            await engine.run(Graph(Use(token=Secret("tokn")), name="g"))
    error = caught.value.result.error
    assert (error.type, error.code, error.node) == ("SecretNotFound", "secret", "use")
    assert "NODELOOM_SECRET_TOKN" in error.message
    assert isinstance(caught.value.__cause__, SecretNotFound)


async def test_an_error_edge_catches_one_that_is_nowhere() -> None:
    @node
    async def sorry():
        return {"sorry": True}

    use = Use(token=Secret("nowhere"))
    use.on_error("SecretNotFound") >> sorry
    assert await outputs_of(use) == {"sorry": True}


# --- templates


async def test_what_the_author_wrote_beside_templates_is_resolved() -> None:
    """12.1."""
    use = Use(
        token={"$secret": "a"},
        url="{{ inputs.url }}",
        auth={"user": "{{ inputs.user }}", "password": {"$secret": "b"}},
        extra={"y": Secret("c"), "z": "{{ inputs.user }}"},
    )
    outputs = await outputs_of(use, {"url": "u", "user": "me"})
    assert outputs == {"digests": [A, B, C], "user": "me", "url": "u"}


@pytest.mark.parametrize(
    ("values", "given"),
    [
        ({"others": "{{ inputs.x }}"}, [{"$secret": "a"}]),
        ({"others": "{{ inputs.x }}"}, [Secret("a")]),
        ({"others": [{"$secret": "a"}, "{{ inputs.x }}"]}, None),
        ({"auth": "{{ inputs.x }}"}, {"password": {"$secret": "a"}}),
        ({"auth": "{{ inputs.x }}"}, Auth(password=Secret("a"))),
        ({"auth": {"user": "u", "password": {"$secret": "a"}}, "by_name": "{{ inputs.x }}"}, {"k": {"$secret": "a"}}),
        ({"extra": {"mine": Secret("a"), "theirs": "{{ inputs.x }}"}}, Secret("b")),
    ],
)
async def test_the_data_of_a_run_names_no_secret(values: dict[str, Any], given: Any) -> None:
    """12.1: not even one that the author names as well."""
    if given is None:
        with pytest.raises(Exception, match="is given by its name"):
            Use(token=Secret("a"), **values)
        return
    with pytest.raises(RunFailed, match="by a template: only what is written in the definition may name a secret"):
        await outputs_of(Use(token=Secret("a"), **values), {"x": given})


async def test_a_template_may_still_give_a_field_no_secret() -> None:
    use = Use(token=Secret("a"), auth="{{ inputs.auth }}", others="{{ inputs.others }}")
    outputs = await outputs_of(use, {"auth": {"user": "me"}, "others": []})
    assert outputs["user"] == "me"
    assert outputs["digests"] == [A]


async def test_a_rendered_text_is_refused_and_not_shown() -> None:
    canary = "canary-rendered"
    with pytest.raises(RunFailed, match="is given by its name") as caught:
        await outputs_of(Use(token=Secret("a"), others="{{ inputs.x }}"), {"x": [canary]})
    assert "canary" not in f"{caught.value} {caught.value.__cause__!r} {caught.value.result.error}"


# --- policies


async def test_a_digest_of_params_is_made_of_the_name() -> None:
    values = {"a": "the first"}
    use = Use(token=Secret("a"), policies=[Idempotency()])
    async with Engine(secrets=values) as engine:
        first = await engine.call(use)
        values["a"] = "the second"
        assert await engine.call(use) == first


async def test_a_key_cannot_be_made_of_a_secret() -> None:
    with pytest.raises(RunFailed, match=r"Concurrency of node use: key") as caught:
        await outputs_of(Use(token=Secret("a"), policies=[Concurrency(1, key="{{ params.token }}")]))
    assert "value-of-a" not in str(caught.value)


# --- who has none


def test_a_node_without_secrets_has_nothing_of_this() -> None:
    @node
    async def plain(inputs):
        return inputs

    class Any_(Params):
        extra: Any = None

    @node
    async def with_params(params: Any_):
        return {}

    for each in (plain, with_params, with_params.copy(extra={"a": [1]}), with_params.copy(extra="{{ inputs.x }}")):
        assert Sealed.of(each, "n") is None
    assert Sealed.of(with_params.copy(extra=[Secret("a")]), "n") is not None
    assert Sealed.of(Use(token=Secret("a")), "n") is not None


async def test_a_secret_in_the_state_is_a_reference() -> None:
    class Held(State):
        token: Any = None

    @node
    async def give():
        return {"token": Secret("a")}

    @node
    async def take(state):
        with pytest.raises(SecretError):
            state.token.reveal()
        return {"done": True}

    give >> take
    result = await Graph(give, state=Held).run()
    assert result.state["token"] == Secret("a")


# --- worker processes


async def test_a_worker_process_resolves_them_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NODELOOM_SECRET_A", "value-of-a")
    file = SecretsFile(tmp_path / "elsewhere" / "s.json", tmp_path / "others" / "own.key")
    make_key(file.key_file)
    file.set("b", "value-of-b")
    auth = {"user": "{{ inputs.user }}", "password": Secret("b")}
    fixed, rendered = Use(token=Secret("a"), others=[Secret("b")]), Use(token=Secret("a"), auth=auth)
    for each in (fixed, rendered):
        each.isolation = "process"
    async with Engine(secrets=[Environment(), file], workers={"default": 1}) as engine:
        assert (await engine.run(Graph(fixed, name="fixed"))).output["digests"] == [A, B]
        outputs = (await engine.run(Graph(rendered, name="rendered"), {"user": "me"})).output
        assert (outputs["digests"], outputs["user"]) == ([A, B], "me")


async def test_the_default_file_is_found_by_a_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    make_key(tmp_path / ".nodeloom" / "secrets.key")
    SecretsFile(".nodeloom/secrets.json").set("a", "value-of-a")
    use = Use(token=Secret("a"))
    use.isolation = "process"
    async with Engine(workers={"default": 1}) as engine:
        assert (await engine.run(Graph(use))).output["digests"] == [A]


async def test_a_source_of_the_engines_own_does_not_cross_and_is_refused_at_once() -> None:
    use = Use(token=Secret("a"))
    use.isolation = "process"
    async with Engine(secrets=VALUES) as engine:
        with pytest.raises(DefinitionError, match=r"node use has isolation='process' and secrets.*type dict") as caught:
            await engine.run(Graph(use))
        assert "value-of-a" not in str(caught.value)

        @node
        async def plain():
            return {"fine": True}

        assert (await engine.run(Graph(plain))).output == {"fine": True}


def test_what_is_sent_to_a_worker_holds_no_value(tmp_path: Path) -> None:
    file = SecretsFile(tmp_path / "s.json")
    sent = Secrets([Environment(), file]).sent()
    assert sent == [("environment",), ("file", str(file.path), str(file.key_file))]
    assert repr(Secrets.received(sent)) == f"Secrets(Environment(), {file!r})"
    assert Secrets([Environment(), VALUES]).sent() is None
