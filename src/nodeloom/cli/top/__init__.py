"""How living systems are shown: tables that move, lines, JSON; and `nodeloom top`, which shows other processes."""
