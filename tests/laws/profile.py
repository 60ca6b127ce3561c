"""How long the state machines of this folder run: a fixed script in CI, as much as one likes by hand.

`SGNUS_EXAMPLES=2000 pytest tests/laws -k machine` runs so many random scripts of each machine, with a fresh seed each time;
what fails is printed as a script, with the line that repeats it.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("SGNUS_EXAMPLES", "0"))


def scripts(count: int, steps: int) -> settings:
    """`count` scripts of at most so many steps, the same in each run unless the environment asks for others."""
    return settings(
        max_examples=EXAMPLES or count,
        stateful_step_count=steps,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
