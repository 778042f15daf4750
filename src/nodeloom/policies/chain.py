"""A node's policies as one call: a list, in the fixed order, and a loop (semantics 5.1, 5.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, cast, get_args

from ..errors import DefinitionError
from ..expressions.wording import nearest
from .policy import Handler, Layer, Place, Policy

__all__ = ["chain", "check_policies", "ordered", "policy_problems"]

ORDER: Final[dict[str, int]] = {layer: rank for rank, layer in enumerate(get_args(Layer))}
SHARED: Final = ("step", "attempt", "work")
"""The layers that any number of policies may stand in, in the order the author lists them."""


def chain(policies: Sequence[Policy], call: Handler, place: Place) -> Handler:
    """The call with a node's policies around it; called once for a node and place.

    Args:
        policies: in any order. call: what runs `work` once. place: where the node stands.

    Returns:
        What to call with the context of each step; without policies, the call itself.

    Raises:
        DefinitionError: policies that cannot be on one node, or not on this one, or whose keys name what does not
            exist; says which node and policy. RateLimitConflict, ConcurrencyConflict, PolicyError: a limit that
            contradicts another one under the same constant key.

    Example:
        `handler = chain([Timeout(10), Retry(3)], work, place)`, then `await handler(ctx)` for each step.
    """
    found = check_policies(policies, place.node_id)
    problems = policy_problems(found, place.names, place.node)
    if problems:
        raise DefinitionError(f"policies of node {place.node_id}: {'; '.join(problems)}")
    for policy in found:
        call = policy.innermost(call, place)
    for policy in reversed(ordered(found)):
        call = policy.around(call, place)
    return call


def check_policies(policies: Any, node: str) -> tuple[Policy, ...]:
    """What an author gave as a node's policies, as far as it can be judged without the node.

    Args:
        policies: should be policies. node: what messages call the node.

    Raises:
        DefinitionError: something is no policy, stands nowhere in the order, or is there twice.
    """
    if not isinstance(policies, list | tuple):
        raise DefinitionError(f"policies of node {node} are a list, as [Retry(3), Timeout(10)], not {policies!r}")
    found: list[Policy] = []
    for policy in cast("list[Any]", policies):
        if not isinstance(policy, Policy):
            hint = f" (a class: give {policy.__name__}(...))" if isinstance(policy, type) else ""
            raise DefinitionError(f"policies of node {node}: {policy!r} is no policy{hint}")
        _check_layer(policy, node)
        twin = next((other for other in found if _excludes(other, policy)), None)
        if twin is not None:
            raise DefinitionError(
                f"policies of node {node}: {twin!r} and {policy!r} are both {policy.layer}; a node has one of a kind"
            )
        found.append(policy)
    return tuple(found)


def ordered(policies: Iterable[Policy]) -> list[Policy]:
    """Policies from the outermost to the innermost, whatever order they are in."""
    return sorted(policies, key=lambda policy: ORDER[policy.layer])


def policy_problems(policies: Iterable[Policy], names: frozenset[str], node: Any = None) -> list[str]:
    """What is wrong with a node's policies where these names are known, each naming its policy.

    Args:
        policies: those of one node. names: what the keys' expressions may use there. node: the node, when there is
            one, to tell whether it can be batched, and what params it has.
    """
    return list(_problems(ordered(policies), names, node))


def _problems(policies: list[Policy], names: frozenset[str], node: Any) -> Iterator[str]:
    batching = next((policy for policy in policies if policy.layer == "batching"), None)
    if batching is not None and node is not None and not callable(getattr(node, "work_batch", None)):
        yield f"{type(batching).__name__}: the node gathers no calls: it has no work_batch(self, items)"
    names |= _param_names(node)
    if batching is not None and getattr(node, "isolation", None) == "process":
        yield f"{type(batching).__name__}: work_batch runs in this process, and the node says isolation='process'"
    for policy in policies:
        if policy.layer in _endless(node):
            yield (
                f"{type(policy).__name__}: work is a plain function that runs inline, on the loop itself, where "
                f"nothing can interrupt it; make it async, or leave isolation='inline' out"
            )
        gathered = batching is not None and ORDER[policy.layer] > ORDER["batching"]
        where = " (one call for many steps, inside Batching: its key uses params only)" if gathered else ""
        for problem in policy.problems(_gathered(names) if gathered else names):
            yield f"{type(policy).__name__}{where}: {problem}"


def _endless(node: Any) -> tuple[str, ...]:
    """The layers that can bound nothing: its work is plain code on the loop, which never lets that go."""
    shape = getattr(getattr(node, "signature", None), "shape", "")
    if getattr(node, "isolation", None) != "inline" or shape not in ("plain", "generator"):
        return ()
    return ("timeout", "deadline") if node.batch is None else ("timeout",)  # between two items it is asked


def _param_names(node: Any) -> frozenset[str]:
    """The params of a node, where it has those it declares and no others."""
    model: Any = getattr(node, "params_model", None)
    if model is None or model.model_config.get("extra") == "allow":
        return frozenset()
    return frozenset(f"params.{name}" for name in model.model_fields)


def _gathered(names: frozenset[str]) -> frozenset[str]:
    """What keys may use that wrap one call for many steps."""
    return frozenset(name for name in names if name.partition(".")[0] == "params")


def _excludes(one: Policy, other: Policy) -> bool:
    """Whether they are of one kind; of an author's own, several may be if they differ."""
    if one.layer != other.layer:
        return False
    return one.layer not in SHARED or one == other


def _check_layer(policy: Policy, node: str) -> None:
    if policy.layer not in ORDER:
        known = ", ".join(ORDER)
        raise DefinitionError(
            f"policies of node {node}: layer {policy.layer!r} of {type(policy).__name__} is none of "
            f"{known}{nearest(str(policy.layer), ORDER)}"
        )
