"""A publisher that is gone the moment it has a receipt, for tests alone: `python -m tests.whole.dying_node ...`."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from sgnus.core import judging
from sgnus.frontends import node_main


def die(*_: Any) -> None:
    """As a power cut is: nothing of what was just decided is on disk."""
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    judging._take = die  # type: ignore[assignment]
    sys.exit(node_main.main(sys.argv[1:]))
