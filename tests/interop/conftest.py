"""The C++ app, built once for all tests of a run."""

from pathlib import Path

import pytest

from tests.interop.cpp_app import build


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that examples/cpp makes."""
    return build(tmp_path_factory.mktemp("cpp"))
