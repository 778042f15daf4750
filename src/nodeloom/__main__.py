"""`python -m nodeloom`: the command line."""

import sys

from nodeloom.cli import main

sys.exit(main())
