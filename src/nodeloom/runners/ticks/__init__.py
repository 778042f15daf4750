"""The tick runner: nodes that are stepped at their rates (semantics 10)."""
