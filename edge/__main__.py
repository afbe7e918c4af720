"""`python -m edge` is `affect-edge`."""

import sys

from edge.cli import main

sys.exit(main())
