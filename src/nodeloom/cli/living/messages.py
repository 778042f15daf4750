"""Messages to actors as lines of JSON, in both directions: what comes in, and what was left of it."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias, cast

from ...expressions.shapes import is_list, is_map
from ...model.masks import MASKS
from ...model.values import handed
from ...runners.actors.delivery import DeadLetter, LeftMessage
from ..inputs import strict_json

__all__ = ["BadLine", "Told", "dead_line", "is_whole", "left_line", "message_of"]

Line: TypeAlias = dict[str, Any]

WORDS = ("node", "inputs", "priority", "state", "run_inputs", "left", "dead")
DEEPEST: Final = 64
NOT_WHOLE: Final = "not_whole"
"""What a line says of the parts of a message that have no form in JSON."""


class BadLine(ValueError):
    """A line that is no message; the text says why."""


class Told(NamedTuple):
    """A message: to whom (where the graph starts, where nobody is named), and what.

    One that was under way before also has the state it had, and what came from outside, where these are not its inputs.
    """

    node: str | None
    inputs: dict[str, Any]
    priority: int = 0
    state: dict[str, Any] | None = None
    run_inputs: dict[str, Any] | None = None

    @property
    def was_under_way(self) -> bool:
        """Whether it goes on with what it had before."""
        return self.state is not None or self.run_inputs is not None

    def as_left(self, node: str) -> LeftMessage:
        """As it was left at a node."""
        inputs = handed(self.inputs)
        state, run_inputs = (inputs if each is None else handed(each) for each in (self.state, self.run_inputs))
        return LeftMessage(node, "", inputs, state, run_inputs=run_inputs, priority=self.priority)

    def as_line(self) -> Line:
        """As a line that can be sent again."""
        line: Line = {} if self.node is None else {"node": self.node}
        line["inputs"] = self.inputs
        if self.priority:
            line["priority"] = self.priority
        more = {"state": self.state, "run_inputs": self.run_inputs}
        return line | {word: value for word, value in more.items() if value is not None}


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
            f"a message with node or inputs has node, inputs and priority, and state and run_inputs where it was left, "
            f'not {", ".join(unknown)}; an input of that name is given inside, as {{"inputs": {{"node": ...}}}}'
        )
    node, inputs, priority = found.get("node"), found.get("inputs", {}), found.get("priority", 0)
    if node is not None and not isinstance(node, str):
        _refuse("node", "the id of a node", node)
    for word in ("inputs", "state", "run_inputs"):
        if not isinstance(found.get(word, {}), dict):
            _refuse(word, "an object", found[word])
    if type(priority) is not int:
        _refuse("priority", "a whole number", priority)
    return Told(node, cast("dict[str, Any]", inputs), priority, found.get("state"), found.get("run_inputs"))


def _refuse(word: str, right: str, value: Any) -> NoReturn:
    raise BadLine(f"{word} is {right}, not {value!r}"[:200])


def left_line(left: LeftMessage) -> Line:
    """A message that was left, in the form in which it can be sent again, with its state; see `sendable`."""
    line = _line_of(left)
    if not left.node:
        del line["node"]
    return line | {"left": {"message": left.message_id, "status": left.status, **line.pop("about")}}


def dead_line(letter: DeadLetter) -> Line:
    """A message that failed, in the form in which it can be sent again; one of a join as what came from outside."""
    about: Line = {"message": letter.message_id, "node": letter.node, "error": letter.error.as_values()}
    about |= {"attempts": letter.attempts, "time": letter.time, "run_inputs": letter.run_inputs}
    if not letter.has_inputs:
        return {"inputs": letter.run_inputs, "priority": letter.priority, "dead": about}
    line = _line_of(letter)
    return line | {"dead": about | line.pop("about")}


def is_whole(line: Line) -> bool:
    """Whether all of a message is in its line."""
    return NOT_WHOLE not in line.get("left", {}) and NOT_WHOLE not in line.get("dead", {})


def _line_of(message: LeftMessage | DeadLetter) -> Line:
    """A message with its state and what came from outside, where these are not its inputs.

    A part of these that JSON cannot say is left out, and named; of the inputs it is there, as JSON says it.
    """
    inputs = message.inputs
    line: Line = {"node": message.node, "inputs": inputs}
    if message.priority:
        line["priority"] = message.priority
    lost = [f"inputs.{key}" for key, value in inputs.items() if not _is_json(value)]
    for word, values in (("state", message.state), ("run_inputs", message.run_inputs)):
        if values != inputs:
            line[word] = {key: value for key, value in values.items() if _is_json(value)}
            lost += [f"{word}.{key}" for key in values if key not in line[word]]
    return {**line, "about": {NOT_WHOLE: lost} if lost else {}}


def _is_json(value: Any, depth: int = 0) -> bool:
    """Whether a value is the same when it was written as JSON and read; lists stand for tuples."""
    if value is None or type(value) in (bool, int):
        return True
    if type(value) is float:
        return math.isfinite(value)
    if type(value) is str:
        return MASKS.text(value) == value
    if depth >= DEEPEST:
        return False
    if is_map(value):
        return all(type(key) is str and _is_json(below, depth + 1) for key, below in value.items())
    return is_list(value) and all(_is_json(each, depth + 1) for each in value)
