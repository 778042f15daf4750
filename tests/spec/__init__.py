"""The executable specification of the graph runtime, written from docs/semantics alone."""
