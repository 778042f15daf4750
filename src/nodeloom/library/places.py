"""Where file nodes may go: a path is found below the allowed roots, and opened without following a link.

A path is resolved first, links and all, and must lie below a root. Then its folders are opened one below the
other, each refusing to be a link, so that a link put there in between leads nowhere.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nodeloom.errors import LimitExceeded, PathNotAllowed

__all__ = ["Place", "WriteMode", "folder_at", "locate", "read_bytes", "write_bytes"]

WriteMode = Literal["write", "append", "create"]

# Windows opens no folders: there the check on the resolved path stands alone.
WALKS = os.open in os.supports_dir_fd
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)  # opening a pipe must not wait for its other end
_BINARY = getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class Place:
    """A path that was found to be allowed.

    Attributes: `shown` the path as it was written; `root` the root it is below; `parts` the names from there,
    with links resolved.
    """

    shown: str
    root: Path
    parts: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The whole path, without links."""
        return self.root.joinpath(*self.parts)

    def entry(self, folder: int | None, name: str | None = None) -> str:
        """How a file is named to `os`: by its name alone below an open folder, else by its path."""
        name = self.parts[-1] if name is None else name
        return name if folder is not None else str(self.path.with_name(name))


def locate(path: str, roots: Sequence[Path]) -> Place:
    """The place of a path below the roots; a relative one is below the first.

    Raises:
        PathNotAllowed: it is outside of them, by `..`, by a link or from the start; names path and roots.
    """
    if not path or "\0" in path:
        raise PathNotAllowed(f"{path!r} is no path: it is {'empty' if not path else 'holding a NUL character'}")
    real_roots = [Path(os.path.realpath(root)) for root in roots]
    # An absolute path stays itself when it is joined.
    real = Path(os.path.realpath(real_roots[0] / path))
    for root in real_roots:
        if real.is_relative_to(root):
            return Place(path, root, real.relative_to(root).parts)
    leads = "" if str(real) == path else f" (it leads to {real})"
    allowed = ", ".join(map(str, real_roots))
    raise PathNotAllowed(
        f"{path}{leads} is outside of the folders this engine allows: {allowed}; Engine(file_roots=[...]) names them"
    )


def folder_at(path: str, roots: Sequence[Path]) -> Path:
    """A folder below the roots.

    Raises:
        PathNotAllowed: it is outside of them. NotADirectoryError: there is no such folder.
    """
    place = locate(path, roots)
    if not place.path.is_dir():
        raise NotADirectoryError(f"there is no folder {place.shown} below {place.root}")
    return place.path


def read_bytes(place: Place, limit: int) -> bytes:
    """What a file holds.

    Raises:
        LimitExceeded: more than `limit` bytes. OSError: of the kind that happened, naming the file.
    """
    with _naming("read", place), _folder(place) as folder:
        handle = os.open(place.entry(folder), os.O_RDONLY | _NO_LINK | _AT_ONCE | _BINARY, dir_fd=folder)
        with _regular(handle):
            # A file whose size is not known in advance, or that grows, is cut off all the same.
            data = _read(handle, limit + 1)
    if len(data) > limit:
        raise LimitExceeded(f"{place.shown} is larger than {limit:,} bytes (max_bytes)")
    return data


def write_bytes(place: Place, data: bytes, mode: WriteMode = "write", *, make_parents: bool = False) -> None:
    """Write a file.

    Args:
        place: where. data: what. mode: `write` replaces it whole, or leaves it as it was; `append` adds to its end;
            `create` refuses a file that exists. make_parents: make the folders it is in.

    Raises:
        OSError: of the kind that happened, naming the file.
    """
    with _naming("write", place), _folder(place, make=make_parents) as folder:
        if mode == "append":
            handle = os.open(place.entry(folder), _writing(os.O_APPEND | os.O_CREAT), 0o666, dir_fd=folder)
            with _regular(handle):
                _pour(handle, data)
        elif mode == "create":
            _create(place.entry(folder), folder, data)
        else:
            _replace(place, folder, data)


def _replace(place: Place, folder: int | None, data: bytes) -> None:
    """Write beside the file, then put the new one in its place: readers see the old or the new, never a half."""
    target, fresh = place.entry(folder), place.entry(folder, f".{secrets.token_hex(8)}.part")
    _create(fresh, folder, data, _permissions(target, folder))
    try:
        os.replace(fresh, target, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        os.unlink(fresh, dir_fd=folder)
        raise


def _create(entry: str, folder: int | None, data: bytes, permissions: int | None = None) -> None:
    handle = os.open(entry, _writing(os.O_CREAT | os.O_EXCL), 0o666, dir_fd=folder)
    try:
        with _regular(handle):
            if permissions is not None and hasattr(os, "fchmod"):
                os.fchmod(handle, permissions)
            _pour(handle, data)
            os.fsync(handle)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(entry, dir_fd=folder)
        raise


def _permissions(entry: str, folder: int | None) -> int | None:
    try:
        return stat.S_IMODE(os.stat(entry, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return None


def _writing(flags: int) -> int:
    return os.O_WRONLY | flags | _NO_LINK | _AT_ONCE | _BINARY


def _pour(handle: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]


def _read(handle: int, most: int) -> bytes:
    found = bytearray()
    while len(found) < most and (chunk := os.read(handle, min(1 << 20, most - len(found)))):
        found += chunk
    return bytes(found)


@contextmanager
def _regular(handle: int) -> Generator[None, None, None]:
    """Use an open file, which must be one, and close it."""
    try:
        kind = os.fstat(handle).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if not stat.S_ISREG(kind):
            raise OSError(errno.EINVAL, "it is no ordinary file")
        yield
    finally:
        os.close(handle)


@contextmanager
def _folder(place: Place, *, make: bool = False) -> Generator[int | None, None, None]:
    """The folder a place is in, opened from the root down without following a link."""
    if not place.parts:
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not WALKS:
        if make:
            place.path.parent.mkdir(parents=True, exist_ok=True)
        yield None
        return
    handle = os.open(place.root, _FOLDER)
    try:
        for part in place.parts[:-1]:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=handle)
            inner = os.open(part, _FOLDER | _NO_LINK, dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _naming(verb: str, place: Place) -> Generator[None, None, None]:
    """Let an error of the system name the file it is about, and keep its kind."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise PathNotAllowed(f"cannot {verb} {place.shown}: there is a link on the way to {place.path}") from None
        reason = error.strerror or str(error)
        where = f" (looked in {place.path.parent})" if isinstance(error, FileNotFoundError) else ""
        raise type(error)(f"cannot {verb} {place.shown}: {reason}{where}") from None
