"""Graphs, plans, runs and `advance`: frozen data and pure moves."""
