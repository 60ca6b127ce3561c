"""What a test does that lacks something of the machine: a tool is skipped here, and fails in continuous integration."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def miss(reason: str) -> NoReturn:
    """Skip with `reason`, which says what to install; fail where CI=true: nothing passes there without having run."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def lack(reason: str) -> NoReturn:
    """Skip with `reason` everywhere: the machine's kernel keeps a right or a device from us that no package brings."""
    pytest.skip(reason)
