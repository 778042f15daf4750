"""Actors: the nodes of a graph, each with a mailbox."""
