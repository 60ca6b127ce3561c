"""The demo's list of what its nodes started, while they start and end."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from sgnus.frontends.demo.nodes import _descendants

LOOKS = 5_000


@pytest.fixture
def restless() -> Iterator[int]:
    """A process whose children end as fast as it can start them, beside one that stays."""
    command = ["sh", "-c", "sleep 600 & while :; do (:); (:) & done"]
    with subprocess.Popen(command, start_new_session=True) as shell:
        yield shell.pid
        os.killpg(shell.pid, 9)


def test_children_that_end_while_they_are_listed_hide_nobody(restless: int) -> None:
    while not _descendants(restless):
        pass
    stays = _descendants(restless)[0]
    assert all(stays in _descendants(restless) for _ in range(LOOKS))
