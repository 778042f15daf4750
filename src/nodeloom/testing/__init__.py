"""What tests of nodes and graphs need: virtual time."""

from .virtual_time import VirtualTimeLoop, run_virtual

__all__ = ["VirtualTimeLoop", "run_virtual"]
