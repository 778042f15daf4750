"""Messages to actors as lines of JSON, in both directions: what comes in, and what was left of it."""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn, cast

from ...runners.actors.delivery import DeadLetter
from ..inputs import strict_json

__all__ = ["BadLine", "Told", "dead_line", "left_line", "message_of"]

WORDS = ("node", "inputs", "priority", "left", "dead")


class BadLine(ValueError):
    """A line that is no message; the text says why."""


class Told(NamedTuple):
    """A message: to whom (where the graph starts, where nobody is named), and what."""

    node: str | None
    inputs: dict[str, Any]
    priority: int = 0


def message_of(line: bytes) -> Told:
    """Read a line: `{"node": "fetch", "inputs": {...}, "priority": 0}`, or the inputs alone.

    Raises:
        BadLine: it is neither.
    """
    try:
        value = strict_json(line.decode())
    except UnicodeDecodeError as error:
        raise BadLine(f"not UTF-8 text (byte {error.start + 1})") from None
    except (ValueError, RecursionError) as error:
        raise BadLine(f"no JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadLine('a message is an object, as {"url": "..."} or {"node": "fetch", "inputs": {"url": "..."}}')
    found = cast("dict[str, Any]", value)
    return _addressed(found) if "node" in found or "inputs" in found else Told(None, found)


def _addressed(found: dict[str, Any]) -> Told:
    unknown = [word for word in found if word not in WORDS]
    if unknown:
        raise BadLine(
            f"a message with node or inputs has node, inputs and priority, not {', '.join(unknown)}; an input of that "
            f'name is given inside, as {{"inputs": {{"node": ...}}}}'
        )
    node, inputs, priority = found.get("node"), found.get("inputs", {}), found.get("priority", 0)
    if node is not None and not isinstance(node, str):
        _refuse("node", "the id of a node", node)
    if not isinstance(inputs, dict):
        _refuse("inputs", "an object", inputs)
    if type(priority) is not int:
        _refuse("priority", "a whole number", priority)
    return Told(node, cast("dict[str, Any]", inputs), priority)


def _refuse(word: str, right: str, value: Any) -> NoReturn:
    raise BadLine(f"{word} is {right}, not {value!r}"[:200])


def left_line(node: str | None, inputs: Any, about: dict[str, Any] | None = None, priority: int = 0) -> dict[str, Any]:
    """What was left, in the form in which it can be sent again.

    Args:
        node, inputs, priority: of the message. about: what else is known of it, for who reads it.
    """
    line: dict[str, Any] = {} if node is None else {"node": node}
    line["inputs"] = inputs
    if priority:
        line["priority"] = priority
    return {**line, "left": about} if about else line


def dead_line(letter: DeadLetter) -> dict[str, Any]:
    """A message that failed, in the form in which it can be sent again; one of a join as what came from outside."""
    about: dict[str, Any] = {"message": letter.message_id, "node": letter.node, "error": letter.error.as_values()}
    about |= {"attempts": letter.attempts, "time": letter.time, "run_inputs": letter.run_inputs}
    if not letter.has_inputs:
        return {"inputs": letter.run_inputs, "priority": letter.priority, "dead": about}
    if letter.state != letter.inputs:
        about["state"] = letter.state
    return {"node": letter.node, "inputs": letter.inputs, "priority": letter.priority, "dead": about}
