"""What is installed from a wheel is all of the package: code, processors, pages, pictures."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from sgnus.adapters.processors.library import shipped_module
from sgnus.core.processors import PROCESSORS

HOME = Path(__file__).parents[2]
UNSHIPPED = shutil.ignore_patterns("__pycache__", "*.egg-info")
BUILD_S_MAX = 250

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """Name -> bytes of what a wheel of this checkout holds, built of a copy: what an older build left must not help."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(HOME / name, folder)
    shutil.copytree(HOME / "src", folder / "src", ignore=UNSHIPPED)
    pip = [sys.executable, "-m", "pip", "wheel", "--no-index", "--no-build-isolation", "--no-deps"]
    done = subprocess.run(
        [*pip, "--wheel-dir", str(folder), str(folder)],
        capture_output=True,
        text=True,
        timeout=BUILD_S_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (file,) = folder.glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_wheel_holds_the_built_processors(wheel: Mapping[str, bytes]) -> None:
    found = {name: data for name, data in wheel.items() if name.endswith(".wasm")}
    assert sorted(found.values()) == sorted(shipped_module(name) for name in PROCESSORS)


def test_a_wheel_holds_every_file_of_the_package(wheel: Mapping[str, bytes]) -> None:
    files = [file for file in (HOME / "src" / "sgnus").rglob("*") if file.is_file()]
    expected = {str(file.relative_to(HOME / "src")) for file in files if "__pycache__" not in file.parts}
    assert expected <= wheel.keys()
