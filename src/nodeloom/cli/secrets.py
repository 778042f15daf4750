"""`nodeloom secrets`: keep secrets in an encrypted file; no value is ever shown."""

from __future__ import annotations

import sys
from pathlib import Path

from ..forms.secret import Secret
from ..resources.secrets import default_file
from ..resources.secrets_file import SecretsFile, make_key
from .report import FAILED, UsageError, fail

__all__ = ["key_command", "list_command", "remove_command", "set_command"]


def set_command(name: str, path: Path | None) -> int:
    """Keep a value, which is typed or piped in; gives the exit code."""
    _check(name)
    value = _typed(name) if sys.stdin.isatty() else _piped(name)
    if not value:
        raise UsageError(f"secret {name} was given no value: type it, or pipe it in")
    file = _file(path)
    file.set(name, value)
    print(f"{name} is kept in {file.path}")
    return 0


def list_command(path: Path | None) -> int:
    """Print the names; gives the exit code."""
    for name in _file(path).names():
        print(name)
    return 0


def remove_command(name: str, path: Path | None) -> int:
    """Forget a secret; gives the exit code."""
    _check(name)
    file = _file(path)
    if file.remove(name):
        print(f"{name} is no longer in {file.path}")
        return 0
    return fail(f"there is no secret {name} in {file.path}; `nodeloom secrets list` names those there are", FAILED)


def key_command(path: Path | None) -> int:
    """Make the key file of a secrets file; gives the exit code."""
    file = _file(path)
    make_key(file.key_file)
    print(f"{file.key_file} is the key of {file.path}: keep it to yourself, and out of version control")
    return 0


def _file(path: Path | None) -> SecretsFile:
    return SecretsFile(path or default_file())


def _check(name: str) -> None:
    try:
        Secret(name)
    except ValueError as error:
        raise UsageError(f"{error}. The value of a secret is no word of the command: it is typed or piped in") from None


def _typed(name: str) -> str:
    from getpass import getpass

    try:
        return getpass(f"value of {name} (not shown): ", stream=sys.stderr)
    except EOFError:
        return ""


def _piped(name: str) -> str:
    """What standard input holds, without the newline at its end."""
    try:
        text = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"the value of {name} is not UTF-8 text (byte {error.start + 1})") from None
    return text.removesuffix("\n").removesuffix("\r")
