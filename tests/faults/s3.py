"""An S3-compatible server on the loopback: moto's, in a process of its own, on a port the system picks."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

START = """
import sys
from moto.server import create_backend_app  # the parts a server of one service needs
from werkzeug.serving import make_server
server = make_server("127.0.0.1", 0, create_backend_app("s3"), threaded=True)
print(server.socket.getsockname()[1], flush=True)
server.serve_forever()
"""


@contextmanager
def s3_server() -> Iterator[str]:
    """The server's address; it is stopped by its process id."""
    process = subprocess.Popen([sys.executable, "-c", START], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        port = process.stdout.readline().decode().strip()
        assert port, "moto's server did not start"
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def put(url: str, body: bytes = b"") -> None:
    kind = {"content-type": "application/octet-stream", "x-amz-acl": "public-read"}  # who reads signs nothing
    request = urllib.request.Request(url, data=body, method="PUT", headers=kind)
    with urllib.request.urlopen(request, timeout=30) as response:
        assert response.status == 200
