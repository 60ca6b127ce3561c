"""`python -m sgnus.frontends.cli` is the command `sgnus`."""

import sys

from sgnus.frontends.cli import main

sys.exit(main())
