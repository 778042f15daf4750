"""Where a node type comes from, so that another process can import it (semantics 7.2)."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from ..errors import DefinitionError
from ..nodes.node import Node
from ..nodes.registry import load_module

__all__ = ["MAIN", "Origin", "home_module"]

MAIN = "__mp_main__"
"""What a worker calls the main module, as the standard library does: its `if __name__ == "__main__"` is not run."""


class Origin(msgspec.Struct, frozen=True, array_like=True):
    """A place to import a node type from.

    Attributes:
        module: its module's name. path: its name in there, or that of a node of its type, as `Outer.Inner`.
        file: the module's file. package: what relative imports of a main module start from.
        name: what identifiers of a file found by a registry begin with.
    """

    module: str
    path: str
    file: str | None = None
    package: str | None = None
    name: str | None = None

    @classmethod
    def of(cls, kind: type[Node]) -> Origin:
        """The origin of a node type.

        Raises:
            DefinitionError: another process cannot import it; says why, and what would be right.
        """
        module = sys.modules.get(kind.__module__)
        if module is None:
            raise _cannot(kind, f"its module {kind.__module__} is not among those that were imported")
        path = _path_of(kind, module)
        if path is None:
            raise _cannot(kind, _why_not_found(kind))
        file = getattr(module, "__file__", None)
        if kind.__module__ == "__main__" and not file:
            raise _cannot(kind, "it is defined where no file is (a prompt, a notebook, -c): put it into a module")
        return cls(
            kind.__module__,
            path,
            str(Path(file).resolve()) if file else None,
            getattr(module, "__package__", None) or None,
            getattr(module, "__nodeloom_name__", None),
        )

    def load(self) -> type[Node]:
        """Import the node type.

        Raises:
            DefinitionError: it cannot be imported here; says why.
        """
        try:
            found: Any = _main_module(self) if self.module == "__main__" else _module(self)
        except Exception as error:  # an author's module may raise anything
            raise DefinitionError(self._not_imported(error)) from error
        except SystemExit as error:
            raise DefinitionError(self._not_imported(error)) from error
        for part in self.path.split("."):
            found = getattr(found, part, None)
        kind = type(found) if isinstance(found, Node) else found
        if not (isinstance(kind, type) and issubclass(kind, Node)):
            raise DefinitionError(f"module {self.module} has no node type {self.path!r} in a worker process")
        return kind

    def _not_imported(self, error: BaseException) -> str:
        hint = ""
        if self.module == "__main__":
            hint = "; keep what the script does when it is run under `if __name__ == '__main__':`"
        where = self.file or self.module
        return f"a worker process cannot import {where}: {type(error).__name__}: {error}{hint}"


def home_module(name: str) -> str:
    """A module's name in the process that a worker works for."""
    return "__main__" if name == MAIN else name


def _path_of(kind: type[Node], module: ModuleType) -> str | None:
    """Under what name the type, or a node of it, is found in its module."""
    found: Any = module
    for part in kind.__qualname__.split("."):
        found = getattr(found, part, None)
    if found is kind or type(found) is kind:
        return kind.__qualname__
    return next((name for name, value in vars(module).items() if value is kind or type(value) is kind), None)


def _why_not_found(kind: type[Node]) -> str:
    if "<locals>" in kind.__qualname__:
        return "it is defined inside a function: define it at the top level of its module"
    return f"its module has no {kind.__qualname__!r} that is this type: give it that name at the top level"


def _cannot(kind: type[Node], reason: str) -> DefinitionError:
    name = f"{kind.__module__}.{kind.__qualname__}"
    return DefinitionError(f"{name} cannot have isolation='process', for a worker process cannot import it: {reason}")


def _module(origin: Origin) -> ModuleType:
    try:
        module = importlib.import_module(origin.module)
    except ModuleNotFoundError as error:
        if origin.file is None or error.name is None or not f"{origin.module}.".startswith(f"{error.name}."):
            raise
        return _execute(origin, origin.module)
    file = getattr(module, "__file__", None)
    if origin.file is not None and file is not None and Path(file).resolve() != Path(origin.file):
        raise ImportError(f"module {origin.module} is another file there: {file} instead of {origin.file}")
    return module


def _main_module(origin: Origin) -> ModuleType:
    """The script that was started, under another name, so that it does not start itself."""
    known = sys.modules.get(MAIN)
    if known is not None:
        return known
    if origin.package:
        importlib.import_module(origin.package)
    module = _execute(msgspec.structs.replace(origin, name="__main__"), MAIN)
    sys.modules["__main__"] = module
    return module


def _execute(origin: Origin, name: str) -> ModuleType:
    """A module made of its file, wherever that is."""
    attributes: dict[str, Any] = {"__spec__": None, "__package__": origin.package} if name == MAIN else {}
    if origin.name is not None:
        attributes["__nodeloom_name__"] = origin.name  # as when it was found: its nodes' identifiers
    return load_module(name, origin.file or "", **attributes)
