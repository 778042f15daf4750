"""The secrets in a node's params: references in the definition, values while a step runs (semantics 12.1, 12.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import DefinitionError, SecretError
from ..expressions import compile_template
from ..model.values import Values
from ..nodes.node import Node
from ..nodes.own import pairs_of, with_fields

if TYPE_CHECKING:  # forms load pydantic, which nodes without params need not
    from ..forms.secret import Secret
    from ..resources.secrets import Secrets, Sent

__all__ = ["Sealed", "sealed_fields", "unsealed"]


class Sealed:
    """The params of a node in which there are secrets, found once for all its steps.

    Args:
        node: the definition. fields: the names of those params. node_id: its place.

    Attributes:
        given: the node's params as they were given; in those that are templates, each secret is an object of its own,
            by which `opened` tells the author's from what a run brought.
    """

    __slots__ = ("_fields", "_node_id", "_templates", "_written", "given")

    def __init__(self, node: Node, fields: frozenset[str], node_id: str) -> None:
        from ..forms.secret_places import with_references

        self._fields = fields
        self._node_id = node_id
        self._written: list[Secret] = []
        self._templates = [name for name in fields & node.given.keys() if compile_template(node.given[name])]
        own = {name: with_references(node.given[name], self._written) for name in self._templates}
        self.given: Mapping[str, Any] = {**node.given, **own}

    @classmethod
    def of(cls, node: Node, node_id: str) -> Sealed | None:
        """Those of a node; None where it has no secret."""
        fields = sealed_fields(node)
        return cls(node, fields, node_id) if fields else None

    def opened(self, params: Any, secrets: Secrets, *, rendered: bool) -> Any:
        """A step's own params, with the values of the secrets in them.

        Args:
            params: of the step. secrets: the engine's. rendered: they were made of templates, for this step.

        Raises:
            SecretError: a secret cannot be had; or what a run brought names one, which only the author may.
        """
        if rendered:
            for name in self._templates:
                self._refuse_foreign(name, params)
        return unsealed(params, self._fields, secrets)

    def _refuse_foreign(self, name: str, params: Any) -> None:
        from ..forms.secret_places import secrets_in

        value = pairs_of(params)[name]
        for secret in secrets_in(value, given=True):
            if not any(secret is each for each in self._written):
                raise SecretError(
                    f"params.{name} of node {self._node_id} was given secret {secret.name!r} by a template: only what "
                    f"is written in the definition may name a secret, never the data of a run"
                )

    def sent(self, secrets: Secrets) -> Sent:
        """Where a worker process finds them.

        Raises:
            DefinitionError: in a source that is the engine's own, and cannot be had there.
        """
        sent = secrets.sent()
        if sent is None:
            raise DefinitionError(
                f"node {self._node_id} has isolation='process' and secrets in its params, which its worker process "
                f"resolves; but {secrets!r} cannot be had there: only the environment and secrets files can. Keep the "
                f"secret in one of those, or use isolation='thread'"
            )
        return sent


def sealed_fields(node: Node) -> frozenset[str]:
    """The params of a node in which there may be secrets: by what they are declared as, or were given."""
    if node.params_model is None and not node.given:
        return frozenset()
    from ..forms.secret_places import secret_fields, secrets_in

    given = [name for name, value in node.given.items() if next(secrets_in(value), None) is not None]
    return secret_fields(node.params_model) | frozenset(given)


def unsealed(params: Any, fields: frozenset[str], secrets: Secrets) -> Any:
    """Params with the values of the secrets that are in these fields."""
    from ..forms.secret_places import with_secrets

    if params is None:
        return None
    given = pairs_of(params)
    opened = {name: with_secrets(given[name], secrets.resolved) for name in fields}
    return Values({**given, **opened}) if isinstance(params, Mapping) else with_fields(params, opened)
