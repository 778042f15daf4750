"""What tests of nodes and graphs need: virtual time."""

from .virtual_time import VirtualTimeLoop, pass_time, run_virtual

__all__ = ["VirtualTimeLoop", "pass_time", "run_virtual"]
