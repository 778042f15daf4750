"""`nodeloom form NODE`, from what it is given to what it writes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import Problem
from ...forms import NOTHING
from ...nodes.documents.catalogue import Catalogue
from ...nodes.documents.entries import is_id
from ...nodes.documents.yaml_writing import dump_yaml
from ...nodes.naming import snake_case
from ...nodes.node import Node
from ..inputs import read_inputs, read_pairs
from ..options import FormOptions
from ..output import write_json
from ..report import WRONG, UsageError, fail, harmless
from ..targets import importable, registry_with
from .answers import values_as_given
from .chooser import named
from .dialogue import Dialogue, Unanswerable
from .entry import entry_of
from .insertion import Destination
from .screen import Screen
from .session import Session

__all__ = ["form_command"]


class Found(NamedTuple):
    """A node type that was asked for.

    Attributes:
        kind: the type. name: what it was found under.
    """

    kind: type[Node]
    name: str


def form_command(node: str, options: FormOptions) -> int:
    """Fill in the form of a node; gives the exit code."""
    with redirect_stdout(sys.stderr):
        found = _find(node, options.folder or ())
    id = options.id if options.id is not None else snake_case(found.kind.__name__)
    if not is_id(id):
        raise UsageError(f"{id!r} is no node id: use letters, digits and underscores, as fetch_page")
    destination = Destination(options.into, id) if options.into is not None else None
    problems: Sequence[Problem]
    with Session(found.kind) as session:
        given = {**read_inputs([], options.inputs), **values_as_given(session.form, read_pairs(options.input or []))}
        if options.json or not _is_terminal():
            session.update(given)
            values, problems = given, session.check(given)
        else:
            values, problems = _ask(session, given)
        hidden = {path for path, state in session.states.items() if not state.visible}
        # Of values that do not fit there is no entry: they may not even have the shape of one.
        entry = {} if problems else entry_of(found.kind, found.name, session.form, values, hidden)
        if options.json:
            _print(session, problems, id, entry)
    if problems:
        return WRONG if options.json else fail(_paragraph(found, problems), WRONG)
    if destination is not None:
        destination.write(entry)
        print(f"{id} is in {destination.path}", file=sys.stderr)
    elif not options.json:
        sys.stdout.write(dump_yaml({id: entry}))
    return 0


def _find(text: str, folders: Sequence[Path]) -> Found:
    """The node type of an identifier or an import path, as in a document; or `file.py:Name`."""
    importable(Path())
    left, _, name = text.rpartition(":")
    if left.endswith(".py"):
        if not Path(left).is_file():
            raise UsageError(f"no file {left}")
        importable(Path(left).parent)
        text = f"{Path(left).stem}.{name}"
    kind = Catalogue(registry_with(folders), imports=True, folder=Path()).find(text)
    return Found(kind, text.replace(":", "."))


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _ask(session: Session, given: dict[str, Any]) -> tuple[dict[str, Any], Sequence[Problem]]:
    """Ask a person, and sum up what was answered."""
    screen, kind = Screen(), session.kind
    screen.say(f"{kind.display_name} ({kind.identifier})", *([kind.description] if kind.description else []))
    screen.say("Enter keeps a default, - goes one question back, Ctrl-C leaves and writes nothing.")
    dialogue = Dialogue(session, screen, given)
    try:
        values = dialogue.run()
    except Unanswerable as wrong:
        return dialogue.values, wrong.problems
    screen.say("", "Filled in, and everything fits:", *_summary(session), "")
    return values, ()


def _summary(session: Session) -> list[str]:
    fields = [(field.label, session.states[field.name]) for field in session.form.fields]
    empty = (None, "", NOTHING)
    rows = [(label, named(state)) for label, state in fields if state.visible and state.value not in empty]
    width = max((len(label) for label, _ in rows), default=0)
    return [f"  {label.ljust(width)}  {value}" for label, value in rows]


def _paragraph(found: Found, problems: Sequence[Problem]) -> str:
    return "\n  ".join(
        [f"the form of {found.name} is not filled in right", *(harmless(str(each)) for each in problems)]
    )


def _print(session: Session, problems: Sequence[Problem], id: str, entry: dict[str, Any]) -> None:
    kind = session.kind
    known = {"identifier": kind.identifier, "version": kind.version, "valid": not problems}
    states = [state.as_mapping() for state in session.states.values()]
    wrong = [{"code": each.code, "field": each.field, "message": each.message} for each in problems]
    made = {"fields": session.form.as_list(), "states": states, "problems": wrong}
    write_json({**known, **made, "entry": None if problems else {id: entry}}, sys.stdout)
