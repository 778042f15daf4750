"""When steps run. For now: as a graph's edges say."""
