"""From what a command names to a graph: a document, `module:graph`, or `file.py:graph`."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import GraphError, NodeloomError, ParamsError, Problem
from ..nodes.graph import Graph
from ..nodes.node import Node
from ..nodes.registry import Registry
from .report import UsageError, author_place

__all__ = ["Target", "check_target", "importable", "inputs_problem", "load_graph", "parse_target", "registry_with"]

DOCUMENTS = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Target:
    """What a command was asked to work on.

    Attributes:
        text: as it was given. path: the document or Python file, or None. module, name: of a Python graph.
        folders: whose nodes a document may use besides.
    """

    text: str
    path: Path | None = None
    module: str = ""
    name: str = ""
    folders: tuple[Path, ...] = ()

    @property
    def is_document(self) -> bool:
        return self.path is not None and self.path.suffix != ".py"


def parse_target(text: str, folders: Sequence[Path] | None = None) -> Target:
    """Tell what a target names.

    Args:
        text: the target. folders: with nodes that a document may use, besides those that are installed.

    Raises:
        UsageError: it is none of the three, or the file does not exist; or folders are given with a graph in Python.
    """
    path = Path(text)
    if path.suffix.lower() in DOCUMENTS:
        if path.is_file():
            return Target(text, path, folders=tuple(folders or ()))
        raise UsageError(_no_file(path))
    if folders:
        raise UsageError(f"--folder adds node types that a document names; {text} is no document, and imports its own")
    left, colon, name = text.rpartition(":")
    if not colon or not left or not name:
        raise UsageError(_no_target(text))
    if left.endswith(".py"):
        if not Path(left).is_file():
            raise UsageError(_no_file(Path(left)))
        return Target(text, Path(left), Path(left).stem, name)
    if not all(part.isidentifier() for part in left.split(".")):
        raise UsageError(_no_target(text))
    return Target(text, None, left, name)


def load_graph(target: Target) -> Graph:
    """The graph a target names.

    Raises:
        UsageError: it cannot be found or imported. GraphError: it can, and is no valid graph.
    """
    if target.is_document and target.path is not None:
        return _load_document(target.path, target.folders)
    return _graph_in(_load_module(target), target)


def _load_document(path: Path, folders: Sequence[Path]) -> Graph:
    from ..nodes.documents.loading import from_document

    registry = registry_with(folders)
    importable(path.parent)
    return from_document(path, registry, imports=True, folder=path.parent)


def registry_with(folders: Sequence[Path]) -> Registry | None:
    """The node types that are installed, and those in these folders; None where there are no folders.

    Raises:
        UsageError: some of the folders' cannot be loaded.
    """
    if not folders:
        return None
    registry = Registry()
    registry.discover()
    for folder in folders:
        importable(folder)
    problems = registry.discover(*folders, entry_points=False)
    if problems:
        raise UsageError("\n  ".join(["some nodes could not be loaded", *map(str, problems)]))
    return registry


def check_target(target: Target) -> Sequence[Problem]:
    """Everything that is wrong or questionable about a graph.

    Raises:
        UsageError: it cannot be found or imported. GraphError: a graph in Python, with what is wrong with it.
    """
    if target.is_document and target.path is not None:
        from ..nodes.documents.loading import check_document

        registry = registry_with(target.folders)
        importable(target.path.parent)
        return check_document(target.path, registry, imports=True, folder=target.path.parent)
    return load_graph(target).validate()


def importable(folder: Path) -> None:
    """Let modules of a folder be imported, before any others of their names."""
    name = str(folder.resolve())
    if name not in sys.path:
        sys.path.insert(0, name)


def _load_module(target: Target) -> ModuleType:
    importable(target.path.parent if target.path is not None else Path())
    try:
        return importlib.import_module(target.module)
    except GraphError:
        raise
    except ModuleNotFoundError as error:
        if error.name is None or not _is_part(error.name, target.module):
            raise UsageError(_broken(target, error)) from error
        raise UsageError(
            f"no module {error.name!r} to import from {Path.cwd()}: name a module there (as triage:graph), or a "
            f"file (as flows/triage.py:graph)"
        ) from error
    except NodeloomError as error:
        raise UsageError(_broken(target, error)) from error
    except SystemExit as error:
        raise UsageError(f"importing {target.module} ended the program (exit {error.code}): {_guard()}") from error
    except Exception as error:  # an author's module may raise anything
        raise UsageError(_broken(target, error)) from error


def _is_part(missing: str, module: str) -> bool:
    return module == missing or module.startswith(f"{missing}.")


def _broken(target: Target, error: BaseException) -> str:
    place = author_place(error)
    where = f"\n  at {place}" if place else ""
    reason = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{target.module} cannot be imported: {type(error).__name__}: {reason}{where}"


def _guard() -> str:
    return "keep what it does when it is run under `if __name__ == '__main__':`"


def _graph_in(module: ModuleType, target: Target) -> Graph:
    found: Any = module
    for part in target.name.split("."):
        found = getattr(found, part, None)
    if isinstance(found, Graph):
        return found
    graphs = sorted(name for name, value in vars(module).items() if isinstance(value, Graph))
    at = getattr(module, "__file__", None) or target.module
    known = f"it has {', '.join(graphs)}" if graphs else "it has no graph at its top level"
    if found is None:
        near = difflib.get_close_matches(target.name, graphs, 1)
        hint = f"; did you mean {target.module}:{near[0]}?" if near else ""
        raise UsageError(f"{at} has no {target.name!r}: {known}{hint}")
    if isinstance(found, Node):
        raise UsageError(
            f"{target.text} is a node, not a graph: write graph = Graph({target.name}, name={target.name!r}) "
            f"in {at}, and run {target.module}:graph"
        )
    raise UsageError(f"{target.text} is a {type(found).__name__}, not a Graph: {known}")


def _no_file(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"no file {path}: there is no folder {folder}"
    names = sorted(each.name for each in folder.iterdir() if each.suffix.lower() in (*DOCUMENTS, ".py"))
    near = difflib.get_close_matches(path.name, names, 1)
    hint = f"did you mean {folder / near[0]}?" if near else f"looked in {folder.resolve()}"
    return f"no file {path}; {hint}"


def _no_target(text: str) -> str:
    if text.endswith(".py"):
        return f"{text} is a Python file: say which graph of it, as {text}:graph"
    path = Path(text)
    if path.is_file():
        return f"{text} is no document: its name ends in .yaml, .yml or .json"
    if path.is_dir():
        return f"{text} is a folder: name a document in it, as {Path(text) / 'graph.yaml'}"
    return f"{text!r} names no graph: give a document (triage.yaml), module:graph (triage:graph) or file.py:graph"


def inputs_problem(error: ParamsError, name: str) -> str:
    """What is wrong with the inputs of a run."""
    if not error.problems:
        return str(error)
    lines = [f"  {_input_name(problem)}: {problem.message}" for problem in error.problems]
    return "\n".join([f"the inputs do not fit graph {name}", *lines])


def _input_name(problem: Problem) -> str:
    return (problem.field or "inputs").removeprefix("inputs.").removeprefix("params.")
