"""From the `type` of a node entry to a node type: of a registry, of a module that is loaded, or by import."""

from __future__ import annotations

import functools
import importlib
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...errors import UnknownNodeType
from ..migration import migrates
from ..node import Node
from ..registry import Registry

__all__ = ["Catalogue", "default_registry", "loaded_type"]

_IMPORT_PATH = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*[.:][^\W\d]\w*(?:\.[^\W\d]\w*)*")


@functools.cache
def default_registry() -> Registry:
    """What installed packages offer, the library's nodes among it; looked for once a process."""
    registry = Registry()
    registry.discover()
    return registry


class _NoImport(Exception):
    """Why an import path leads to no node."""


class Catalogue:
    """Where the node types of a document are looked up.

    Args:
        registry: only what it holds, when given. Without one: what is installed, and the types of modules that
            are already loaded under the name an identifier has by default.
        imports: a type in no registry may be imported by its path, `my.nodes.Count` or `my.nodes:Count`. For
            documents of the person who runs them.
        folder: stands first on the import path meanwhile.
    """

    def __init__(self, registry: Registry | None = None, *, imports: bool = False, folder: Path | None = None) -> None:
        self.registry = registry if registry is not None else default_registry()
        self.is_given = registry is not None
        self.imports = imports
        self.folder = folder
        self._found: dict[tuple[str, int | None], type[Node] | UnknownNodeType] = {}

    def find(self, identifier: str, version: int | None = None) -> type[Node]:
        """The node type, of that version or the newest.

        A version that is no longer there is the newest one, when that can `migrate` params.

        Raises:
            UnknownNodeType: with the reason and the nearest that exists.
        """
        key = (identifier, version)
        if key not in self._found:
            try:
                self._found[key] = self._look_up(identifier, version)
            except UnknownNodeType as error:
                self._found[key] = error
        found = self._found[key]
        if isinstance(found, UnknownNodeType):
            raise found.with_traceback(None)
        return found

    def _look_up(self, identifier: str, version: int | None) -> type[Node]:
        if identifier in self.registry:
            newest = self.registry.get(identifier)
            if version is None or migrates(newest, version):
                try:
                    return self.registry.resolve(identifier, version)
                except UnknownNodeType:
                    return newest
            return self._exactly(identifier, version, newest)
        reason = ""
        try:
            kind = self._elsewhere(identifier)
        except _NoImport as error:
            kind, reason = None, f"; nor can it be imported: {error}"
        if kind is None:
            raise UnknownNodeType(self._unknown(identifier) + reason)
        if version not in (None, kind.version) and not migrates(kind, version):
            raise UnknownNodeType(f"{identifier!r} has version {kind.version}, not {version}{_no_way(kind, version)}")
        return kind

    def _exactly(self, identifier: str, version: int, newest: type[Node]) -> type[Node]:
        try:
            return self.registry.resolve(identifier, version)
        except UnknownNodeType as error:
            raise UnknownNodeType(f"{error}{_no_way(newest, version)}") from None

    def _elsewhere(self, identifier: str) -> type[Node] | None:
        if len(identifier) > 500 or not _IMPORT_PATH.fullmatch(identifier):
            return None
        if not self.is_given or self.imports:
            loaded = loaded_type(identifier)
            if loaded is not None:
                return loaded
        return self._imported(identifier) if self.imports else None

    def _imported(self, identifier: str) -> type[Node]:
        with _first_on_path(self.folder):
            found = _import(identifier)
        kind = _as_type(found)
        if kind is None:
            what = "a module" if type(found).__name__ == "module" else f"a {type(found).__name__}"
            raise _NoImport(f"it is {what}, not a node (a Node class, or a function with @node)")
        return kind

    def _unknown(self, identifier: str) -> str:
        if len(identifier) > 200:
            return f"no node type {identifier[:60]!r}... is registered"
        try:
            self.registry.get(identifier)
            message = ""
        except UnknownNodeType as error:
            message = str(error)
        if identifier.startswith("__main__."):
            message += "; it was defined in a script that ran (__main__): move it to a module, and name that"
        elif self.registry.problems and not self.is_given:
            message += f" ({len(self.registry.problems)} could not be loaded: {self.registry.problems[0].message})"
        return message


def loaded_type(identifier: str) -> type[Node] | None:
    """A node type by its import path, if its module is loaded already; nothing is imported."""
    parts = re.split(r"[.:]", identifier)
    for split in range(len(parts) - 1, 0, -1):
        module = sys.modules.get(".".join(parts[:split]))
        if module is not None:
            found: Any = module
            for name in parts[split:]:
                found = getattr(found, "__dict__", {}).get(name)
            return _as_type(found)
    return None


def _as_type(found: Any) -> type[Node] | None:
    kind = type(found) if isinstance(found, Node) else found
    return kind if isinstance(kind, type) and issubclass(kind, Node) and kind is not Node else None


def _no_way(kind: type[Node], version: int | None) -> str:
    if version is None or version > kind.version:
        return ""
    return (
        f"; and no migrate() of {kind.__qualname__} says what params of version {version} are in version {kind.version}"
    )


def _import(identifier: str) -> Any:
    """What an import path names; the module is the longest part of it that is one."""
    module_name, _, rest = identifier.replace(":", ".").rpartition(".")
    if ":" in identifier:
        module_name, _, rest = identifier.partition(":")
    names = rest.split(".")
    found: Any = None
    while found is None:
        try:
            found = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if ":" in identifier or "." not in module_name or not f"{module_name}.".startswith(f"{missing}."):
                raise _NoImport(_not_found(module_name, error)) from None
            module_name, _, last = module_name.rpartition(".")
            names.insert(0, last)
        except (Exception, SystemExit) as error:  # whatever an author's module raises is the reason
            raise _NoImport(_not_found(module_name, error)) from None
    for name in names:
        try:
            found = getattr(found, name)
        except AttributeError:
            raise _NoImport(f"{module_name} has no {name!r}") from None
    return found


def _not_found(module: str, error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name and f"{module}.".startswith(f"{error.name}."):
        return f"there is no module {error.name!r}"
    reason = str(error).splitlines()[0][:300] if str(error) else "no message"
    return f"importing {module} fails with {type(error).__name__}: {reason}"


@contextmanager
def _first_on_path(folder: Path | None) -> Generator[None]:
    if folder is None:
        yield
        return
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        if entry in sys.path:
            sys.path.remove(entry)
