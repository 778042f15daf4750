"""What an author imports: nodes, wiring, graphs, the context, the registry."""
