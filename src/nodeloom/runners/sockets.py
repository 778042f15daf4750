"""Where processes that want to be seen are found: sockets in a folder that is its user's alone."""

from __future__ import annotations

import os
import re
import secrets
import socket
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from ..errors import NodeloomError

__all__ = ["Place", "can_be_seen", "folder_problem", "listening", "places", "published"]

can_be_seen: Final = hasattr(socket, "AF_UNIX") and hasattr(os, "geteuid")
"""Whether this system has sockets of that kind."""
NAME: Final = re.compile(r"(\d+)\.[0-9a-f]{8}\.sock")


class Place(NamedTuple):
    """The socket of one process."""

    pid: int
    path: Path


def folders() -> list[Path]:
    """Where sockets may be: in the folder that the system keeps for a user's session, or below the temporary one."""
    session = os.environ.get("XDG_RUNTIME_DIR", "")
    temporary = Path(tempfile.gettempdir()) / f"nodeloom-{os.geteuid()}"
    return [Path(session) / "nodeloom", temporary] if session and not _problem(Path(session)) else [temporary]


def folder_problem(folder: Path) -> str:
    """Why a folder is not to be trusted; empty when it is."""
    problem = _problem(folder)
    if problem or not folder.stat().st_mode & 0o077:
        return problem
    return "others can read it"


def _problem(folder: Path) -> str:
    try:
        found = folder.lstat()
    except OSError as error:
        return error.strerror or str(error)
    if not stat.S_ISDIR(found.st_mode):
        return "it is no folder"
    return "" if found.st_uid == os.geteuid() else f"it belongs to somebody else, user {found.st_uid}"


def own_folder() -> Path:
    """The folder to put a socket in, made where it is not there.

    Raises:
        NodeloomError: it is not this user's alone.
    """
    folder = folders()[0]
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise NodeloomError(f"nobody can see this process: {folder}: {error.strerror or error}") from error
    if problem := folder_problem(folder):
        raise NodeloomError(f"nobody can see this process: {folder} is not to be trusted: {problem}")
    return folder


def listening() -> tuple[socket.socket, Path]:
    """A socket that nobody finds yet, and where it is; `published` gives it its name.

    Raises:
        NodeloomError: there can be none.
    """
    if not can_be_seen:
        raise NodeloomError("nobody can see this process: this system has no sockets of the kind that it takes")
    folder = own_folder()
    path = folder / f".{os.getpid()}.{secrets.token_hex(4)}"
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        found.bind(str(path))
        path.chmod(0o600)
        found.listen()
    except OSError as error:
        found.close()
        path.unlink(missing_ok=True)
        raise NodeloomError(f"nobody can see this process: {path}: {error.strerror or error}") from error
    return found, path


def published(path: Path) -> Path:
    """Let a socket be found, now that it answers: one that does not is taken for a dead process's."""
    return path.rename(path.with_name(f"{path.name[1:]}.sock"))


def places() -> list[Place]:
    """The sockets there are, by process; those of dead processes are swept away."""
    found: list[Place] = []
    for folder in folders() if can_be_seen else ():
        if folder_problem(folder):
            continue
        named = [(NAME.fullmatch(path.name), path) for path in folder.iterdir()]
        alive = [Place(int(name[1]), path) for name, path in named if name is not None and not _swept(path)]
        found += alive
    return sorted(found)


def _swept(path: Path) -> bool:
    """Remove what nobody listens at any more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except BlockingIOError:
            return False  # somebody does, and has much to do
        except (ConnectionRefusedError, FileNotFoundError):
            with suppress(OSError):
                path.unlink()
            return True
        except OSError:
            return True
    return False
