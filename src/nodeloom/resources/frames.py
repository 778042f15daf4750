"""Whole messages over a stream socket: eight bytes of length, then as many bytes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable

__all__ = ["FrameSocket", "Frames"]

LENGTH = struct.Struct("!Q")
CHUNK = 1 << 18


class Frames:
    """One end of a socket, served by a loop.

    Args:
        end: the socket. received: called with each message that has come in.
    """

    def __init__(self, end: socket.socket, received: Callable[[bytes], None]) -> None:
        end.setblocking(False)
        self._end = end
        self._received = received
        self._loop = asyncio.get_running_loop()
        self._in = bytearray()
        self._out = bytearray()
        self._loop.add_reader(end, self.read)

    def send(self, message: bytes) -> None:
        """Send a message; what does not fit into the socket yet follows when it does."""
        waiting = bool(self._out)
        self._out += LENGTH.pack(len(message))
        self._out += message
        if not waiting:
            self._write()

    def _write(self) -> None:
        try:
            sent = self._end.send(self._out)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:  # nobody reads any more; whoever waits for an answer hears of it in another way
            sent = len(self._out)
        del self._out[:sent]
        if self._out:
            self._loop.add_writer(self._end, self._write)
        else:
            self._loop.remove_writer(self._end)

    def read(self) -> bool:
        """Take what has come in; whether there may be more."""
        try:
            data = self._end.recv(CHUNK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._end)
            return False
        self._in += data
        self._split()
        return True

    def _split(self) -> None:
        at = 0
        while len(self._in) - at >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._in, at)
            begin = at + LENGTH.size
            if len(self._in) - begin < length:
                break
            at = begin + length
            message = bytes(memoryview(self._in)[begin:at])
            self._received(message)
        del self._in[:at]

    def drain(self) -> None:
        """Take whatever is there."""
        while self.read():
            pass

    def close(self) -> None:
        """Let go of the socket."""
        if self._end.fileno() >= 0:
            self._loop.remove_reader(self._end)
            self._loop.remove_writer(self._end)
            self._end.close()


class FrameSocket:
    """The other end, of a process that may wait: any thread may send.

    Args:
        end: the socket.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._file = end.makefile("rb")
        self._lock = threading.Lock()

    def send(self, message: bytes) -> None:
        """Send a message; returns when it is on its way."""
        with self._lock:
            self._end.sendall(LENGTH.pack(len(message)) + message)

    def receive(self) -> bytes | None:
        """The next message; None when there will be none any more."""
        with contextlib.suppress(ConnectionError):
            head = self._file.read(LENGTH.size)
            if len(head) == LENGTH.size:
                (length,) = LENGTH.unpack(head)
                message = self._file.read(length)
                if len(message) == length:
                    return message
        return None
