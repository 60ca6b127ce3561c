"""A process of the demo that dies with it: `python -m sgnus.frontends.demo.guarded PARENT node|liar|reference ...`.

The kernel ends this process when the demo's ends, whatever ended it (PR_SET_PDEATHSIG follows the thread that started us,
which is the demo's main thread). What is heavy is imported before the node is told its address to begin with, so that
all nodes import at the same time.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

from sgnus.messages.errors import SgnusError

PR_SET_PDEATHSIG: Final = 1
ORPHANED: Final = 3


def main(arguments: Sequence[str]) -> int:
    """Bind our life to `arguments[0]`'s, then run as a node or compute the reference."""
    parent, part, *rest = arguments
    _die_with(int(parent))
    if part == "reference":
        return _reference(rest)
    if part == "liar":
        from sgnus.frontends.demo.liar import lie

        lie()
    return _node()


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        # It ended before the kernel was asked to tell us.
        os._exit(ORPHANED)


def _node() -> int:
    """One line on standard input holds the node's arguments; it runs as `sgnus node run` would."""
    import sgnus.frontends.service.local
    import sgnus.runtime.node  # noqa: F401
    from sgnus.frontends import node_main

    line = sys.stdin.readline()
    return node_main.main(json.loads(line)) if line else ORPHANED


def _reference(arguments: Sequence[str]) -> int:
    """`INPUT.npy OUTPUT PROCESSOR PARAMETERS`: the whole array in one piece, in this one process."""
    import numpy as np

    from sgnus.runtime.reference import compute

    source, target, processor, parameters = arguments
    # Beside the nodes' sandboxed children, which run at 10: the second core would idle after them.
    os.nice(5)
    array = np.load(source)
    try:
        result = compute(processor, json.loads(parameters), array.tobytes(), array.dtype.name, array.shape)
    except SgnusError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    with open(f"{target}.new", "wb") as file:
        file.write(result)
    os.replace(f"{target}.new", target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
