"""The format of documents as a JSON Schema, for editors; it says what a schema can."""

from __future__ import annotations

from typing import Any

from ...model.mailbox import DIRECTIVES, OVERFLOWS
from ...model.reducers import NAMED
from ..settings import ON_MISS, ON_OVERRUN
from .heading import FORMAT, TYPES

__all__ = ["document_schema"]

_ID = "[A-Za-z_][A-Za-z0-9_]*"
_IDS = {"anyOf": [{"$ref": "#/$defs/id"}, {"type": "array", "items": {"$ref": "#/$defs/id"}, "minItems": 1}]}
_SIDE = rf"\s*({_ID}|\[\s*{_ID}\s*(,\s*{_ID}\s*)*\])\s*"
_ERROR = {"type": "string", "pattern": rf"^{_ID}(\.{_ID})*$"}


def document_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of documents; every call gives a new one.

    What it cannot say, `check_document` does: whether types, nodes and names exist, params, conditions, cycles.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "nodeloom document",
        "type": "object",
        "properties": {
            "nodeloom": {"const": FORMAT, "description": "The version of the format."},
            "name": {"type": "string", "pattern": r"\S"},
            "description": {"type": "string"},
            "start": {**_IDS, "description": "Where a run begins; by default at nodes without incoming edges."},
            "inputs": {"type": ["object", "null"], "additionalProperties": _field(required={"type": "boolean"})},
            "state": {"type": ["object", "null"], "additionalProperties": _field(reducer={"enum": [*NAMED]})},
            "nodes": {
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"$ref": "#/$defs/id"},
                "additionalProperties": {"$ref": "#/$defs/node"},
            },
            "edges": {"type": ["array", "null"], "items": {"$ref": "#/$defs/edge"}},
            "outputs": {"type": ["object", "null"], "description": "Names to templates over outputs, state and run."},
            "on_failure": {"enum": ["fail", "continue"]},
            "strict_routing": {"type": "boolean"},
            "max_steps": {"type": ["integer", "null"], "minimum": 1},
            "ui": {"type": "object", "description": "Positions, groups and notes of an editor."},
            "labels": {"type": "object", "description": "What values were called when they were chosen."},
        },
        "patternProperties": {"^x-": {}},
        "additionalProperties": False,
        "required": ["nodeloom", "nodes"],
        "$defs": {
            "id": {"type": "string", "pattern": f"^{_ID}$"},
            "node": _node(),
            "edge": {"anyOf": [{"type": "string", "pattern": f"^{_SIDE}(->{_SIDE})+$"}, _edge()]},
        },
    }


def _field(**rules: Any) -> dict[str, Any]:
    kind = {"enum": [*TYPES]}
    properties = {"type": kind, "default": {}, "description": {}, **rules}
    return {
        "anyOf": [kind, {"type": "null"}, {"type": "object", "properties": properties, "additionalProperties": False}]
    }


def _node() -> dict[str, Any]:
    quorum = {"type": "integer", "minimum": 1}
    return {
        "type": "object",
        "properties": {
            "type": {"type": "string", "minLength": 1, "description": "The identifier of a node type."},
            "version": {"type": ["integer", "null"], "minimum": 1, "description": "By default the newest."},
            "params": {"type": ["object", "null"]},
            "join": {
                "anyOf": [
                    {"enum": ["all", "any", None]},
                    {
                        "type": "object",
                        "properties": {"quorum": quorum},
                        "required": ["quorum"],
                        "additionalProperties": False,
                    },
                ]
            },
            "routing": {"enum": ["all", "first"]},
            "isolation": {"enum": ["thread", "inline", "process"]},
            "memory": {"anyOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "string"}}]},
            "pool": {"type": "string", "minLength": 1},
            "mailbox": _mailbox(),
            "supervision": _supervision(),
            **_ticking(),
            "batch": _batch(),
            "policies": {"type": "object", "description": "As {retry: 3, timeout: 10, rate_limit: {rate: 10}}."},
            "label": {"type": "string"},
        },
        "required": ["type"],
        "additionalProperties": False,
    }


def _mailbox() -> dict[str, Any]:
    properties = {"maxsize": {"type": "integer", "minimum": 1}, "overflow": {"enum": [*OVERFLOWS]}}
    return {"type": ["object", "null"], "properties": properties, "additionalProperties": False}


def _supervision() -> dict[str, Any]:
    properties = {
        "directive": {"enum": [*DIRECTIVES]},
        "max_restarts": {"type": "integer", "minimum": 0},
        "within": {"type": "number", "exclusiveMinimum": 0, "description": "Seconds."},
        "backoff": {"type": "number", "minimum": 0, "description": "Seconds before the first restart."},
    }
    fields = {"type": ["object", "null"], "properties": properties, "additionalProperties": False}
    return {"anyOf": [{"enum": [*DIRECTIVES]}, fields]}


def _ticking() -> dict[str, Any]:
    seconds = {"type": ["number", "null"], "exclusiveMinimum": 0}
    return {
        "rate": {**seconds, "description": "Ticks a second, under a clock."},
        "order": {"type": "integer"},
        "deadline": {**seconds, "description": "Seconds after it was due by which a tick is to be done."},
        "watchdog": {**seconds, "description": "Seconds without a tick that is done."},
        "on_miss": {"enum": [*ON_MISS]},
        "on_overrun": {"enum": [*ON_OVERRUN]},
    }


def _batch() -> dict[str, Any]:
    least, most = {"type": "number", "minimum": 0}, {"minimum": 1, "maximum": 10_000}
    properties = {
        "items": {
            "type": ["string", "array"],
            "description": "An expression, as '{{ outputs.scan.files }}', or a list.",
        },
        "as": {"$ref": "#/$defs/id"},
        "parallel": {"type": "boolean"},
        "max_concurrent": {"type": "integer", **most},
        "max_retries": {"type": "integer", "minimum": 1, "maximum": 10},
        "retry_wait": least,
        "item_timeout": {"type": ["number", "null"], "exclusiveMinimum": 0},
        "error_handling": {"enum": ["fail_fast", "continue"]},
    }
    return {"type": ["object", "null"], "properties": properties, "additionalProperties": False, "required": ["items"]}


def _edge() -> dict[str, Any]:
    ends = {"from": _IDS, "to": _IDS, "metadata": {"type": ["object", "null"]}}
    errors = {"anyOf": [{"const": True}, _ERROR, {"type": "array", "items": _ERROR, "minItems": 1}]}
    kinds: dict[str, Any] = {
        "when": {"type": ["string", "object"], "description": "An expression, or keywords as {score__gt: 0.8}."},
        "otherwise": {"const": True},
        "on_error": errors,
        "route": {"const": True, "description": "Only taken by a Route."},
    }
    off = {word: {"enum": [None, False]} for word in kinds}
    choices = [{"properties": {**off, word: rule}, "required": [word]} for word, rule in kinds.items()]
    return {
        "type": "object",
        "properties": {**ends, **{word: {} for word in kinds}},
        "required": ["from", "to"],
        "additionalProperties": False,
        "anyOf": [{"properties": off}, *choices],
    }
