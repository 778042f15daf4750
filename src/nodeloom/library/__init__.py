"""The nodes that ship: what an author would write, found by the entry point `nodeloom.nodes`.

`NODES` lists them. Importing this is light: what a node needs beyond nodeloom is imported when it runs.
"""

from __future__ import annotations

from .csv_nodes import CsvParse, CsvRead, CsvWrite
from .files import FileRead, FileWrite
from .flow import Delay, Transform
from .http_request import HttpConnectionError, HttpError, HttpRequest, HttpStatusError, HttpTimeout
from .json_nodes import JsonParse, JsonRead, JsonWrite
from .shell import CommandTimeout, ShellRun
from .subgraph import NestingTooDeep, Subgraph
from .template import TemplateFailed, TemplateRender
from .texts import ContentError

__all__ = [
    "NODES",
    "CommandTimeout",
    "ContentError",
    "CsvParse",
    "CsvRead",
    "CsvWrite",
    "Delay",
    "FileRead",
    "FileWrite",
    "HttpConnectionError",
    "HttpError",
    "HttpRequest",
    "HttpStatusError",
    "HttpTimeout",
    "JsonParse",
    "JsonRead",
    "JsonWrite",
    "NestingTooDeep",
    "ShellRun",
    "Subgraph",
    "TemplateFailed",
    "TemplateRender",
    "Transform",
]

NODES = [
    HttpRequest,
    FileRead,
    FileWrite,
    JsonRead,
    JsonWrite,
    JsonParse,
    CsvRead,
    CsvWrite,
    CsvParse,
    TemplateRender,
    ShellRun,
    Transform,
    Delay,
    Subgraph,
]
