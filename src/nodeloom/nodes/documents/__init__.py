"""Graphs as documents: read, checked with every problem and its line, loaded, and saved without loss."""
