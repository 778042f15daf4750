"""The root of the tree, and what an author wrote that cannot work."""

from __future__ import annotations

from collections.abc import Sequence

from .problems import Problem

__all__ = [
    "DefinitionError",
    "DuplicateNodeType",
    "FormError",
    "FrozenDefinition",
    "NodeloomError",
    "NotStorable",
    "ParamsError",
    "RegistryError",
    "SignatureError",
    "UnknownNodeType",
]


class NodeloomError(Exception):
    """The root of the tree: `except NodeloomError` catches whatever nodeloom itself raises."""

    code = "nodeloom"
    retryable = False


class DefinitionError(NodeloomError, TypeError):
    """What an author wrote cannot work; raised where it is written, never in the middle of a run."""

    code = "definition"


class SignatureError(DefinitionError):
    """`work` asks for a parameter that does not exist; the message names those that do."""

    code = "signature"


class FrozenDefinition(DefinitionError):
    """A definition was changed after a graph was compiled from it."""

    code = "frozen_definition"


class ParamsError(NodeloomError, ValueError):
    """Params that do not validate. `problems` holds one entry a field."""

    code = "params"

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class FormError(NodeloomError, ValueError):
    """What a form was given, or what a function of an author's gave it, makes no sense."""

    code = "form"


class RegistryError(NodeloomError):
    """The catalogue of node types."""

    code = "registry"


class UnknownNodeType(RegistryError, LookupError):
    """No node type of this identifier, or none of this version."""

    code = "unknown_node_type"


class DuplicateNodeType(RegistryError):
    """Two node types under one identifier and version."""

    code = "duplicate_node_type"


class NotStorable(NodeloomError, TypeError):
    """A value that no store can keep; the message says where it is and what it is."""

    code = "not_storable"
