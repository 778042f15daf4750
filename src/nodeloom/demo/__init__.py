"""`nodeloom demo`: a workflow worth watching, on real data that ships with it."""

from __future__ import annotations

from .run import run_demo

__all__ = ["run_demo"]
