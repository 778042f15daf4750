"""Where what outlives a step is kept; in memory, for now."""
