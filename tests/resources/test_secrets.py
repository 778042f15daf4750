"""Sources of secrets: the environment, the encrypted file, one's own; and what is said when there is none (12.3)."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from nodeloom import Engine, Secret
from nodeloom.errors import DefinitionError, SecretError, SecretNotFound
from nodeloom.model.masks import MASKS
from nodeloom.resources.secrets import Environment, Secrets, SecretsFile
from nodeloom.resources.secrets_file import make_key

CANARY = "canary-8c2e-of-sources"
KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(autouse=True)
def _by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("NODELOOM_SECRET")]:
        monkeypatch.delenv(name)
    yield
    MASKS.forget()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SecretsFile:
    monkeypatch.setenv("NODELOOM_SECRETS_KEY", KEY)
    made = SecretsFile(tmp_path / "kept" / "secrets.json")
    made.set("token", CANARY)
    return made


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises(SecretError) as caught:
        call()
    text = f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"
    assert "canary" not in text
    assert KEY not in text
    assert caught.value.code == "secret"
    return str(caught.value)


# --- the environment


@pytest.mark.parametrize(("name", "variable"), [("token", "TOKEN"), ("mail.api-Key", "MAIL_API_KEY"), ("_a1", "_A1")])
def test_the_variable_of_a_name(monkeypatch: pytest.MonkeyPatch, name: str, variable: str) -> None:
    monkeypatch.setenv(f"NODELOOM_SECRET_{variable}", CANARY)
    assert Environment().get(name) == CANARY
    assert Environment().names() == [variable.lower()]


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODELOOM_SECRET_TOKEN", "")
    assert Environment().get("token") is None


# --- the file


def test_a_value_comes_back_and_is_nowhere_in_the_file(file: SecretsFile) -> None:
    file.set("ünïcode".replace("ü", "u").replace("ï", "i"), "päss\nword")
    assert file.get("token") == CANARY
    assert file.get("unicode") == "päss\nword"
    assert file.names() == ["token", "unicode"]
    assert file.get("other") is None
    data = file.path.read_bytes()
    assert b"canary" not in data
    assert CANARY not in base64.b64decode(json.loads(data)["secrets"]["token"]).decode("latin-1")


def test_a_value_is_encrypted_anew_each_time(file: SecretsFile) -> None:
    before = file.path.read_bytes()
    file.set("token", CANARY)
    assert file.path.read_bytes() != before
    assert file.get("token") == CANARY


def test_the_file_is_its_owners_and_is_written_whole(file: SecretsFile) -> None:
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert file.path.parent.stat().st_mode & 0o777 == 0o700
    file.path.chmod(0o644)
    before = file.path.stat().st_ino
    file.set("other", "value")
    assert file.path.stat().st_ino != before  # another file, moved to its place
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in file.path.parent.iterdir()] == ["secrets.json"]


def test_a_write_that_fails_leaves_the_file_as_it_was(file: SecretsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    before = file.path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "cannot be written: No space left" in refusal(lambda: file.set("token", CANARY + "2"))
    assert file.path.read_bytes() == before
    assert [each.name for each in file.path.parent.iterdir()] == ["secrets.json"]


def test_two_processes_that_write_at_once_lose_nothing(file: SecretsFile) -> None:
    code = (
        "import sys\nfrom nodeloom.resources.secrets_file import SecretsFile\n"
        "for n in range(10): SecretsFile(sys.argv[1]).set(sys.argv[2] + str(n), 'value')"
    )
    others = [subprocess.Popen([sys.executable, "-c", code, str(file.path), name]) for name in ("a", "b")]
    assert [other.wait(60) for other in others] == [0, 0]
    assert len(file.names()) == 21


def test_a_secret_is_bound_to_its_name(file: SecretsFile) -> None:
    held = json.loads(file.path.read_bytes())
    held["secrets"]["other"] = held["secrets"]["token"]
    file.path.write_text(json.dumps(held))
    assert file.get("token") == CANARY
    assert f"secret 'other' in {file.path} cannot be decrypted" in refusal(lambda: file.get("other"))


def test_removing_needs_no_key(file: SecretsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NODELOOM_SECRETS_KEY")
    assert file.remove("token")
    assert not file.remove("token")
    assert file.names() == []


def test_another_key_is_one_clear_error(file: SecretsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODELOOM_SECRETS_KEY", base64.b64encode(bytes(32)).decode())
    text = refusal(lambda: file.get("token"))
    assert f"secret 'token' in {file.path} cannot be decrypted" in text
    assert "another key than NODELOOM_SECRETS_KEY holds" in text


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-10],
        lambda data: b"\xff\xfe" + data,
        lambda data: b"[1, 2]",
        lambda data: b'{"secrets": {"token": "canary"}}',
        lambda data: b'{"nodeloom_secrets": 1, "secrets": "canary"}',
        lambda data: b"[" * 100_000,
    ],
)
def test_a_damaged_file_is_one_clear_error(file: SecretsFile, damage: Callable[[bytes], bytes]) -> None:
    file.path.write_bytes(damage(file.path.read_bytes()))
    assert f"the secrets file {file.path} is damaged" in refusal(lambda: file.get("token"))
    assert "is damaged" in refusal(lambda: file.set("token", CANARY))


@pytest.mark.parametrize("kept", [CANARY, "", None, 5, ["canary"], "Y2FuYXJ5"])
def test_a_damaged_entry_names_the_secret(file: SecretsFile, kept: Any) -> None:
    file.path.write_text(json.dumps({"nodeloom_secrets": 1, "secrets": {"token": kept}}))
    if kept is None:
        assert file.get("token") is None
    else:
        assert "secret 'token'" in refusal(lambda: file.get("token"))


def test_a_file_of_a_later_version_is_refused(file: SecretsFile) -> None:
    file.path.write_text('{"nodeloom_secrets": 2, "secrets": {}}')
    assert "is of version 2, and 1 is read here" in refusal(lambda: file.get("token"))


# --- the key


def test_a_key_file_is_made_for_its_owner_alone_and_used(file: SecretsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NODELOOM_SECRETS_KEY")
    assert "make a key file" in refusal(lambda: file.get("token"))
    make_key(file.key_file)
    assert file.key_file == file.path.with_name("secrets.key")
    assert file.key_file.stat().st_mode & 0o777 == 0o600
    assert len(base64.b64decode(file.key_file.read_text())) == 32
    file.set("token", CANARY)
    assert file.get("token") == CANARY
    before = file.key_file.read_bytes()
    assert "it is kept" in refusal(lambda: make_key(file.key_file))
    assert file.key_file.read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o700, 0o601])
def test_a_key_file_that_others_can_use_is_refused(
    file: SecretsFile, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    monkeypatch.delenv("NODELOOM_SECRETS_KEY")
    file.key_file.write_text(KEY)
    file.key_file.chmod(mode)
    text = refusal(lambda: file.get("token"))
    assert f"has mode {mode:04o}" in text
    assert f"`chmod 600 {file.key_file}`" in text
    file.key_file.chmod(0o600)
    assert file.get("token") == CANARY


def test_a_key_file_of_somebody_else_is_refused(file: SecretsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NODELOOM_SECRETS_KEY")
    file.key_file.write_text(KEY)
    file.key_file.chmod(0o600)
    monkeypatch.setattr(os, "geteuid", lambda: file.key_file.stat().st_uid + 1)
    assert "belongs to another user" in refusal(lambda: file.get("token"))


@pytest.mark.parametrize("key", ["canary", KEY[:-8], KEY + "AAAA", "é" * 44])
def test_what_is_no_key_is_said_without_showing_it(
    file: SecretsFile, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("NODELOOM_SECRETS_KEY", key)
    text = refusal(lambda: file.get("token"))
    assert "in NODELOOM_SECRETS_KEY is not 32 bytes in base64" in text
    assert key not in text


def test_a_key_may_be_written_for_urls_and_end_in_a_newline(file: SecretsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = b"\xfb\xff" * 16
    monkeypatch.setenv("NODELOOM_SECRETS_KEY", base64.urlsafe_b64encode(raw).decode() + "\n")
    file.set("token", "again")
    monkeypatch.setenv("NODELOOM_SECRETS_KEY", base64.b64encode(raw).decode())
    assert file.get("token") == "again"


def test_without_cryptography_the_error_names_the_extra(file: SecretsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    assert 'pip install "nodeloom[secrets]"' in refusal(lambda: file.get("token"))
    assert file.names() == ["token"]


def test_cryptography_is_loaded_only_by_who_uses_a_file() -> None:
    code = "import sys, nodeloom\nnodeloom.Engine; nodeloom.Secret\nprint('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


# --- what an engine asks, and in which order


def test_the_environment_comes_before_the_file(file: SecretsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODELOOM_SECRETS_FILE", str(file.path))
    assert Secrets().resolved(Secret("token")).reveal() == CANARY
    monkeypatch.setenv("NODELOOM_SECRET_TOKEN", "of the environment")
    assert Secrets().resolved(Secret("token")).reveal() == "of the environment"


def test_the_default_file_is_used_when_it_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = Engine().secrets
    assert ".nodeloom/secrets.json (there is none)" in refusal(lambda: secrets.resolved(Secret("token")))
    make_key(tmp_path / ".nodeloom" / "secrets.key")
    SecretsFile(tmp_path / ".nodeloom" / "secrets.json").set("token", CANARY)
    assert secrets.resolved(Secret("token")).reveal() == CANARY


@pytest.mark.parametrize("given", ["path", "text", "list", "mapping", "own"])
def test_an_engine_takes_a_path_a_source_or_a_list(file: SecretsFile, given: str) -> None:
    class Own:
        def get(self, name: str) -> str | None:
            return CANARY if name == "token" else None

    sources: dict[str, Any] = {
        "path": file.path,
        "text": str(file.path),
        "list": [Environment(), file],
        "mapping": {"token": CANARY},
        "own": Own(),
    }
    engine = Engine(secrets=sources[given])
    assert engine.secrets.resolved(Secret("token")).reveal() == CANARY
    assert "canary" not in f"{engine!r} {engine.secrets!r} {vars(engine)!r}"
    assert "canary" not in refusal(lambda: engine.secrets.resolved(Secret("tokens")))


@pytest.mark.parametrize("given", [5, Environment, object(), [None]])
def test_what_is_no_source_is_refused(given: Any) -> None:
    with pytest.raises(DefinitionError, match=r"secrets= takes the path"):
        Engine(secrets=given)


def test_one_that_is_nowhere_is_named_with_the_places_and_near_names(
    file: SecretsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODELOOM_SECRET_TOKENS_OF_MAIL", "x")
    secrets = Secrets([Environment(), file, {"tokn": CANARY}])
    with pytest.raises(SecretNotFound) as caught:
        secrets.resolved(Secret("tken"))
    assert str(caught.value) == (
        f"there is no secret 'tken'; did you mean 'token' or 'tokn'? Looked in the environment, as "
        f"NODELOOM_SECRET_TKEN; the file {file.path}; a source of type dict"
    )


def test_a_source_that_fails_is_named_and_what_it_says_is_not_repeated() -> None:
    class Broken:
        def get(self, name: str) -> str | None:
            raise ConnectionError(f"no vault at https://{CANARY}@vault")

        def names(self) -> list[str]:
            raise ConnectionError(CANARY)

    text = refusal(lambda: Secrets(Broken()).resolved(Secret("token")))
    assert text == "secret 'token' cannot be had from a source of type Broken, which raised ConnectionError"

    class Silent(Broken):
        def get(self, name: str) -> str | None:
            return None

    assert "a source of type Silent" in refusal(lambda: Secrets(Silent()).resolved(Secret("token")))


def test_a_value_is_a_text() -> None:
    text = refusal(lambda: Secrets(cast("Any", {"token": CANARY.encode()})).resolved(Secret("token")))
    assert "gave secret 'token' as bytes" in text
