"""A node as it is sent to a worker process: where its type is, and what it was made with (semantics 7.2)."""

from __future__ import annotations

import enum
import sys
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, cast

import msgspec

from ..errors import DefinitionError, NotStorable
from ..model.codec import decode_value, encode_value
from ..model.run import digest
from ..model.values import kind_of
from ..nodes.node import RESERVED, Node
from ..resources.processes import ProcessPool
from .origin import Origin

__all__ = ["Parcel", "is_plain", "plain_params", "unfit", "unpack"]

EAGER = ("inputs", "state", "config")
"""What is sent with a call, where work asks for it by name."""


class Parcel(msgspec.Struct, frozen=True):
    """A definition, ready to be sent.

    Attributes:
        key: stands for the definition. definition: as it is sent, once to a worker. names: what its work asks for.
    """

    key: bytes
    definition: bytes
    names: tuple[str, ...]

    @classmethod
    def of(cls, node: Node, node_id: str) -> Parcel:
        """The parcel of a node.

        Raises:
            DefinitionError: its type cannot be imported in another process, or what it was made with not be sent.
        """
        if node.spelling in node.__dict__:
            raise _refused(node_id, f"{node.spelling} was replaced on the instance: replace it on the class")
        origin = Origin.of(type(node))
        args, keywords = node.made_with
        made = {word: _plain(value) for word, value in keywords.items() if word not in RESERVED}
        place, paths = msgspec.structs.astuple(origin), [str(path) for path in sys.path]
        try:
            definition = encode_value((place, paths, [_plain(each) for each in args], made))
        except (NotStorable, ValueError) as error:
            raise _refused(node_id, f"what it was made with cannot be sent: {error}") from error
        _check_twin(node, _made(type(node), definition, node_id), node_id)
        signature = node.signature
        names = (*signature.names, *signature.keywords) if signature is not None else ()
        return cls(digest(definition, node_id.encode()), definition, names)

    def asked(self) -> tuple[str, ...]:
        """What is sent along with each call."""
        wanted = {*self.names, "inputs"} if "ctx" in self.names else set(self.names)
        return tuple(name for name in EAGER if name in wanted)


def unpack(definition: bytes) -> Node:
    """The node that was sent; in a worker.

    Raises:
        DefinitionError: its module cannot be imported here.
    """
    place, paths, args, keywords = decode_value(definition)
    if sys.path != paths:
        sys.path[:] = paths
    ProcessPool.may_start = False
    try:
        kind = Origin(*place).load()
    finally:
        ProcessPool.may_start = True
    return kind(*args, **keywords)


def plain_params(params: Any) -> dict[str, Any]:
    """Validated params as what they can be validated from again: those that were given, as plain data."""
    given = params.model_fields_set if hasattr(kind_of(params), "model_fields_set") else params
    return {name: _plain(params[name] if given is params else getattr(params, name)) for name in given}


def is_plain(value: Any) -> bool:
    """Whether a value can be sent as it is."""
    try:
        encode_value(value)
    except (NotStorable, ValueError):
        return False
    return True


def unfit(node_id: str, what: str, error: Exception) -> str:
    """The message about a value that cannot be sent."""
    return f"node {node_id} has isolation='process', so {what} is sent between processes, and not all can be: {error}"


def _made(kind: type[Node], definition: bytes, node_id: str) -> Node:
    """The node as a worker will make it."""
    _, _, args, keywords = decode_value(definition)
    try:
        return kind(*args, **keywords)
    except Exception as error:  # whatever its constructor raises
        raise _refused(node_id, f"it cannot be made anew of what it was made with: {error}") from error


def _check_twin(node: Node, twin: Node, node_id: str) -> None:
    if twin.params != node.params:
        raise _refused(
            node_id, f"its params do not survive being sent as plain data: {twin.params!r} instead of {node.params!r}"
        )
    own = [name for name in node.__dict__ if name not in twin.__dict__ and name not in RESERVED]
    if own:
        raise _refused(node_id, f"{', '.join(own)} was set on the instance: give it as a param")


def _refused(node_id: str, reason: str) -> DefinitionError:
    return DefinitionError(
        f"node {node_id} cannot have isolation='process', for which its type and params are sent to a worker "
        f"process: {reason}, or use isolation='thread'"
    )


def _plain(value: Any) -> Any:
    """What validates to the same value and can be sent."""
    if isinstance(value, enum.Enum):
        return _plain(value.value)
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(kind_of(value), "get_secret_value"):
        return value.get_secret_value()
    if hasattr(kind_of(value), "model_fields_set"):
        return plain_params(value)
    if isinstance(value, list | tuple | set | frozenset):
        items = cast("list[Any]", value)
        return type(items)(map(_plain, items))
    if isinstance(value, Mapping):
        mapping: Mapping[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return {key: _plain(mapping[key]) for key in mapping}
    return value
