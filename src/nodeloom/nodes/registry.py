"""The catalogue: identifier and version to node type (semantics, glossary: an object, never a global dict)."""

from __future__ import annotations

import difflib
import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from ..errors import DuplicateNodeType, Problem, RegistryError, UnknownNodeType
from .describing import describe_type, matches
from .function import FunctionNode
from .node import Node

__all__ = ["ENTRY_POINTS", "Registry", "load_module"]

ENTRY_POINTS = "nodeloom.nodes"


class Registry:
    """Node types by identifier and version.

    Args:
        *types: node classes (or function nodes) to begin with.

    Example:
        >>> from nodeloom import Node, Registry
        >>> class Echo(Node):
        ...     identifier = "demo.echo"
        ...     async def work(self, inputs):
        ...         return inputs
        >>> Registry(Echo).get("demo.echo") is Echo
        True
    """

    def __init__(self, *types: type[Node] | Node) -> None:
        self._types: dict[str, dict[int, type[Node]]] = {}
        self.problems: list[Problem] = []
        for each in types:
            self.register(each)

    def register(self, node: type[Node] | Node) -> type[Node]:
        """Add a node type; a function node adds the type made of it. Can be used as a decorator.

        Raises:
            DuplicateNodeType: another type has this identifier and version.
        """
        kind: Any = type(node) if isinstance(node, Node) else node
        if not (isinstance(kind, type) and issubclass(kind, Node)):
            raise RegistryError(f"a registry holds node classes and function nodes, not {node!r}")
        versions = self._types.setdefault(kind.identifier, {})
        other = versions.get(kind.version)
        if other is not None and other is not kind:
            raise DuplicateNodeType(
                f"{_place(kind)} and {_place(other)} are both {kind.identifier!r} version {kind.version}: "
                f"give one of them another identifier, or a new version"
            )
        versions[kind.version] = kind
        return kind

    def get(self, identifier: str) -> type[Node]:
        """The newest version of a node type.

        Raises:
            UnknownNodeType: naming the nearest that exists.
        """
        return self.resolve(identifier)

    def resolve(self, identifier: str, version: int | None = None) -> type[Node]:
        """A node type by identifier and version; the newest when none is given.

        Raises:
            UnknownNodeType: no such identifier, or no such version of it.
        """
        versions = self._types.get(identifier)
        if not versions:
            near = difflib.get_close_matches(identifier, self._types, 3)
            hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise UnknownNodeType(f"no node type {identifier!r} is registered{hint}")
        if version is None:
            return versions[max(versions)]
        if version not in versions:
            known = ", ".join(map(str, sorted(versions)))
            raise UnknownNodeType(f"{identifier!r} has no version {version}; there are: {known}")
        return versions[version]

    def discover(self, *folders: str | Path, entry_points: bool = True) -> list[Problem]:
        """Register what installed packages offer, and the node types in the Python files of folders.

        A module that cannot be imported, or repeats an identifier, is one problem and does not hide the others.

        Args:
            *folders: each `*.py` in them (not in their subfolders) is imported.
            entry_points: look for installed ones too, in the group `nodeloom.nodes`.

        Returns:
            What went wrong; also kept in `problems`.
        """
        found: list[Problem] = []
        if entry_points:
            for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
                where = f"entry point {entry.name} = {entry.value}"
                found += self._load(where, functools.partial(_nodes_of, entry))
        for folder in folders:
            path = Path(folder)
            if not path.is_dir():
                found.append(Problem("no_folder", f"{path} is no folder to look for nodes in"))
            for file in sorted(path.glob("*.py")) if path.is_dir() else ():
                found += self._load(str(file), functools.partial(_import_file, file))
        self.problems += found
        return found

    def search(self, text: str) -> list[type[Node]]:
        """The newest version of each type whose identifier, name, description and category hold every word of a text.

        Args:
            text: words in any order; capitals do not matter. Without any, every type is found.
        """
        return [kind for kind in self if matches(kind, text)]

    def describe(self, text: str = "") -> list[dict[str, Any]]:
        """The catalogue as plain data: the newest version of each type, for a palette drawn elsewhere.

        Each has `identifier`, `display_name`, `description`, `icon`, `category`, `version`; `ports`, whose `inputs` and
        `outputs` are lists of fields where the type declares them, else None; `policies`, those it has by default, as a
        document says them; `schema`, what its `schema()` gives. Of a type whose schema cannot be had, that is None and
        `problem` says why.

        Args:
            text: what to search for; everything by default.

        Example:
            >>> from nodeloom import Node, Registry
            >>> class Echo(Node):
            ...     identifier = "demo.echo"
            ...     async def work(self, inputs):
            ...         return inputs
            >>> [entry["identifier"] for entry in Registry(Echo).describe()]
            ['demo.echo']
        """
        return [describe_type(kind) for kind in self.search(text)]

    def __iter__(self) -> Iterator[type[Node]]:
        """The newest version of each type, by identifier."""
        return iter([self.get(identifier) for identifier in sorted(self._types)])

    def __len__(self) -> int:
        return len(self._types)

    def __contains__(self, identifier: object) -> bool:
        return identifier in self._types

    def _load(self, where: str, load: Callable[[], Any]) -> list[Problem]:
        try:
            loaded = load()
        except (Exception, SystemExit) as error:  # whatever a foreign module raises is its own problem, and one
            return [Problem("broken_module", f"{where} cannot be loaded: {type(error).__name__}: {error}")]
        problems: list[Problem] = []
        for kind in _types_in(loaded):
            try:
                self.register(kind)
            except DuplicateNodeType as error:
                problems.append(Problem("duplicate", f"{where}: {error}"))
            except RegistryError as error:
                problems.append(Problem("broken_module", f"{where} cannot be loaded: {error}"))
        return problems


def _nodes_of(entry: importlib.metadata.EntryPoint) -> Any:
    """What an entry point leads to, which has nodes.

    Raises:
        RegistryError: it is a module without any, or anything else that is none. Whatever importing it raises.
    """
    loaded = entry.load()
    if not _types_in(loaded):
        raise RegistryError(
            "it leads to no node: name a node, a list of them, or a module that defines some or lists them in NODES"
        )
    return loaded


def _types_in(loaded: object) -> list[type[Node]]:
    if isinstance(loaded, ModuleType):
        own = [value for value in vars(loaded).values() if _belongs(value, loaded.__name__)]
        listed = getattr(loaded, "NODES", None)
        loaded = own if listed is None else listed
    items = cast("list[Any]", loaded if isinstance(loaded, list | tuple) else [loaded])
    return [type(item) if isinstance(item, Node) else item for item in items]


def _belongs(value: object, module: str) -> bool:
    """A node type that this module defines, as against one it imports; an abstract base has no work."""
    kind = type(value) if isinstance(value, FunctionNode) else value
    if not (isinstance(kind, type) and issubclass(kind, Node)):
        return False
    return kind.__module__ == module and kind.signature is not None and kind.__dict__.get("abstract") is not True


def _import_file(file: Path) -> ModuleType:
    name = f"nodeloom_nodes_{hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:8]}_{file.stem}"
    known = sys.modules.get(name)
    if known is not None:
        return known
    return load_module(name, str(file), __nodeloom_name__=file.stem)  # what its nodes' default identifiers begin with


def load_module(name: str, file: str, **attributes: Any) -> ModuleType:
    """A module made of its file, wherever that is; it is not kept when it cannot be executed.

    Args:
        name: what it is called. file: its path. **attributes: of the module, set before it is executed.

    Raises:
        ImportError: the file cannot be one. Whatever the module raises.
    """
    spec = importlib.util.spec_from_file_location(name, file, loader=SourceFileLoader(name, file))
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    vars(module).update(attributes)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _place(kind: type[Node]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
