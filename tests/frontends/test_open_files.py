"""A node takes as many open files as it may have, whatever it was started with."""

from __future__ import annotations

import subprocess
import sys

from tests.whole.grid import environment

SCRIPT = """
import resource
from sgnus.frontends.node_main import allow_open_files
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
allow_open_files()
print(resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard))
"""


def test_a_node_may_open_as_many_files_as_its_user_may() -> None:
    said = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment(), capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "True"
