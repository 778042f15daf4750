"""What a worker process does in the tests of pools: small and quick to start, for it imports next to nothing."""

import ctypes
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable

LENGTH = struct.Struct("!Q")
SLEEPER = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]


def main(data: int) -> None:
    end = socket.socket(fileno=data)
    file = end.makefile("rb")

    def send(message: bytes) -> None:
        end.sendall(LENGTH.pack(len(message)) + message)

    def receive() -> bytes:
        return file.read(LENGTH.unpack(file.read(LENGTH.size))[0])

    while message := receive():
        word, _, rest = message.partition(b" ")
        if word == b"ask":
            send(b"T" + rest)
            send(b"A" + receive())
        elif word == b"answer-and-exit":
            send(b"A" + rest)
            os._exit(0)
        elif word == b"tell":
            for part in rest.split():
                send(b"T" + part)
            send(b"A")
        else:
            send(b"A" + COMMANDS[word](rest))
    if os.environ.get("NOTE_THE_END"):
        with open(os.environ["NOTE_THE_END"], "a") as note:
            note.write("ended\n")
    if os.environ.get("NEVER_END"):
        spin(b"")


def spin(rest: bytes) -> bytes:
    while True:
        pass


def hold_interpreter(rest: bytes) -> bytes:
    ctypes.PyDLL(None).sleep(600)
    return b""


def start_others(rest: bytes) -> bytes:
    """A child, one in a session of its own, and one whose parent is gone; their ids, into a file, and then go on."""
    child = subprocess.Popen(SLEEPER)
    apart = subprocess.Popen(SLEEPER, start_new_session=True)
    between = f"import subprocess; print(subprocess.Popen({SLEEPER!r}, stdout=2, start_new_session=True).pid)"
    orphan = subprocess.run([sys.executable, "-S", "-c", between], stdout=subprocess.PIPE, check=True).stdout
    return b"%d %d %d %d" % (os.getpid(), child.pid, apart.pid, int(orphan))


def start_others_and_spin(rest: bytes) -> bytes:
    others = start_others(b"")
    with open(rest + b".part", "wb") as file:
        file.write(others)
    os.rename(rest + b".part", rest)
    return spin(b"")


def print_something(rest: bytes) -> bytes:
    print("printed", flush=True)
    os.write(1, b"written\n")
    return b"read %d" % len(sys.stdin.read())


def signal_oneself(rest: bytes) -> bytes:
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(os.getpid(), number)
        os.kill(os.getppid(), number)
    return b"still here"


def fault(rest: bytes) -> bytes:
    os.kill(os.getpid(), signal.SIGSEGV)
    threading.Event().wait()
    return b""


def leave(rest: bytes) -> bytes:
    os._exit(int(rest))


COMMANDS: dict[bytes, Callable[[bytes], bytes]] = {
    b"pid": lambda rest: str(os.getpid()).encode(),
    b"keeper": lambda rest: str(os.getppid()).encode(),
    b"echo": lambda rest: rest,
    b"spin": spin,
    b"hold-interpreter": hold_interpreter,
    b"start-others": start_others,
    b"start-others-and-spin": start_others_and_spin,
    b"print": print_something,
    b"signal": signal_oneself,
    b"fault": fault,
    b"exit": leave,
}
