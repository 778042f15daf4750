"""Params and forms: what a node is configured with, and how every face asks for it, explains and refuses it."""

from __future__ import annotations

from .asking import Asker
from .evaluator import Evaluator
from .field import NOTHING, FormField
from .form import Form, form_of
from .option import Option, Page
from .or_secret import OrSecret, revealed
from .params import Field, Params
from .state import FieldState

__all__ = [
    "NOTHING",
    "Asker",
    "Evaluator",
    "Field",
    "FieldState",
    "Form",
    "FormField",
    "Option",
    "OrSecret",
    "Page",
    "Params",
    "form_of",
    "revealed",
]
