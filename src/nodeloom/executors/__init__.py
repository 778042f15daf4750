"""Where a step runs. For now: in this process."""
