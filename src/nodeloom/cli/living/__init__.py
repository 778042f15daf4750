"""`nodeloom run FILE --as actor` and `--as tick`: nodes that live on, fed and watched from a terminal."""
