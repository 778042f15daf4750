"""A file of secrets: encrypted one by one, each bound to its name (semantics 12.3)."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import os
import stat
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from ..errors import SecretError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["KEY_VARIABLE", "SecretsFile", "make_key"]

KEY_VARIABLE: Final = "NODELOOM_SECRETS_KEY"
KEY_FILE_VARIABLE: Final = "NODELOOM_SECRETS_KEY_FILE"
VERSION: Final = 1
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12


class SecretsFile:
    """Secrets in a file, encrypted with AES-GCM under one key. Needs `pip install "nodeloom[secrets]"`.

    The key is 32 bytes in base64: what `NODELOOM_SECRETS_KEY` says, else what is in the key file, which nobody but its
    owner may read. A secret is bound to its name: put under another, it cannot be decrypted.

    Args:
        path: the file; it need not exist yet.
        key_file: the file of the key; by default what `NODELOOM_SECRETS_KEY_FILE` says, else the one beside it, as
            `secrets.key` beside `secrets.json`.

    Example:
        `SecretsFile(".nodeloom/secrets.json").set("mail_key", "k-123456")`
    """

    def __init__(self, path: str | Path, key_file: str | Path | None = None) -> None:
        self.path = Path(path)
        self.key_file = Path(key_file or os.environ.get(KEY_FILE_VARIABLE) or self.path.with_suffix(".key"))

    def get(self, name: str) -> str | None:
        """The value of a secret; None where the file has none of that name, or does not exist.

        Raises:
            SecretError: the key is missing, or the wrong one; the file is damaged, or cannot be read.
        """
        kept = self._read().get(name)
        return None if kept is None else self._decrypted(name, kept)

    def names(self) -> list[str]:
        """The names of what it holds, which are not encrypted."""
        return sorted(self._read())

    def set(self, name: str, value: str) -> None:
        """Keep a value under a name, in the place of an earlier one.

        Raises:
            ValueError: that is no name. SecretError: as of `get`.
        """
        from ..forms.secret import Secret  # which loads pydantic

        name = Secret(name).name
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + self._cipher(name).encrypt(nonce, value.encode(), name.encode())
        with self._alone():
            self._write({**self._read(), name: base64.b64encode(sealed).decode()})

    def remove(self, name: str) -> bool:
        """Forget a secret; False where there is none of that name. Needs no key."""
        with self._alone():
            kept = self._read()
            if kept.pop(name, None) is None:
                return False
            self._write(kept)
        return True

    def __repr__(self) -> str:
        return f"SecretsFile({str(self.path)!r})"

    def _read(self) -> dict[str, str]:
        try:
            held: Any = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise SecretError(f"the secrets file {self.path} cannot be read: {error.strerror or error}") from None
        except (ValueError, RecursionError):
            raise self._damaged("it is no JSON") from None
        if not isinstance(held, dict):
            raise self._damaged("it holds no secrets")
        found = cast("dict[str, Any]", held)
        version, kept = found.get("nodeloom_secrets"), found.get("secrets")
        if isinstance(version, int) and version > VERSION:
            raise SecretError(f"the secrets file {self.path} is of version {version}, and {VERSION} is read here")
        if version != VERSION or not isinstance(kept, dict):
            raise self._damaged("it holds no secrets")
        return cast("dict[str, str]", kept)

    def _write(self, kept: dict[str, str]) -> None:
        text = json.dumps({"nodeloom_secrets": VERSION, "secrets": dict(sorted(kept.items()))}, indent=2)
        fresh = self.path.with_name(f".{self.path.name}.{os.urandom(8).hex()}.part")
        try:
            with _new_file(fresh) as number:
                os.write(number, f"{text}\n".encode())
                os.fsync(number)
            fresh.replace(self.path)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise SecretError(f"the secrets file {self.path} cannot be written: {error.strerror or error}") from None

    @contextlib.contextmanager
    def _alone(self) -> Generator[None]:
        """Let no other process change the file meanwhile, where the system has locks of folders."""
        folder = self.path.parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            import fcntl

            number = os.open(folder, os.O_RDONLY)
        except ImportError:
            yield
            return
        except OSError as error:
            raise SecretError(f"the folder {folder} of secrets cannot be used: {error.strerror or error}") from None
        try:
            fcntl.flock(number, fcntl.LOCK_EX)
            yield
        finally:
            os.close(number)

    def _decrypted(self, name: str, kept: Any) -> str:
        cipher = self._cipher(name)
        from cryptography.exceptions import InvalidTag

        try:
            sealed = base64.b64decode(kept, validate=True)
            return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], name.encode()).decode()
        except (InvalidTag, TypeError, ValueError):
            raise SecretError(
                f"secret {name!r} in {self.path} cannot be decrypted: it was encrypted with another key than "
                f"{self._key_place()} holds, or was changed since. Give the right key, or set the secret again"
            ) from None

    def _cipher(self, name: str) -> AESGCM:
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError as error:
            raise SecretError(
                f'secret {name!r} in {self.path}: a secrets file needs cryptography: pip install "nodeloom[secrets]"'
            ) from error
        return AESGCM(self._key())

    def _key_place(self) -> str:
        return KEY_VARIABLE if os.environ.get(KEY_VARIABLE) else str(self.key_file)

    def _key(self) -> bytes:
        text = os.environ.get(KEY_VARIABLE) or self._key_in_file()
        try:
            key = base64.b64decode(text.strip().translate(str.maketrans("-_", "+/")), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            raise SecretError(
                f"the key of {self.path} in {self._key_place()} is not {KEY_BYTES} bytes in base64: make one with "
                f"`nodeloom secrets key`"
            )
        return key

    def _key_in_file(self) -> str:
        try:
            number = os.open(self.key_file, os.O_RDONLY)
        except FileNotFoundError:
            raise SecretError(
                f"there is no key for {self.path}: set {KEY_VARIABLE}, or make a key file, {self.key_file}, with "
                f"`nodeloom secrets key`"
            ) from None
        except OSError as error:
            raise SecretError(f"the key file {self.key_file} cannot be read: {error.strerror or error}") from None
        with os.fdopen(number, encoding="ascii", errors="replace") as file:
            self._be_private(os.fstat(number))
            return file.read(1_000)

    def _be_private(self, status: os.stat_result) -> None:
        """Refuse a key that others can read, or have put there. Looked at once it is open: a name may be changed."""
        if os.name != "posix":
            return
        if status.st_uid != os.geteuid():
            raise SecretError(
                f"the key file {self.key_file} belongs to another user (id {status.st_uid}): make it your own, as by "
                f"`chown {os.geteuid()} {self.key_file}`, and `chmod 600 {self.key_file}`"
            )
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o177:
            mode = stat.S_IMODE(status.st_mode)
            raise SecretError(
                f"the key file {self.key_file} has mode {mode:04o}, so that others may use it; nobody but you may: "
                f"`chmod 600 {self.key_file}`"
            )

    def _damaged(self, reason: str) -> SecretError:
        return SecretError(f"the secrets file {self.path} is damaged: {reason}. Restore it, or remove it and set anew")


def make_key(path: Path) -> None:
    """Make a key file that nobody but its owner can read.

    Raises:
        SecretError: it exists, and what is encrypted with it would be lost; or it cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _new_file(path) as number:
            os.write(number, base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")
            os.fsync(number)
    except FileExistsError:
        raise SecretError(
            f"there is a key file {path}; what is encrypted with it could not be read any more, so it is kept. For "
            f"another key, move it away first"
        ) from None
    except OSError as error:
        raise SecretError(f"the key file {path} cannot be written: {error.strerror or error}") from None


@contextlib.contextmanager
def _new_file(path: Path) -> Generator[int]:
    """A file that was not there, for its owner alone from its first moment on."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        yield number
    finally:
        os.close(number)
