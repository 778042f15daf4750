"""Benchmarks: nodeloom beside the limit and its peers, on the same work, in one run."""
