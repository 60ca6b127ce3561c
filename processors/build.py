"""Build every processor of this folder into wasm, bit for bit the same with the pinned compiler.

`python processors/build.py [FOLDER]`; by default into the folder of the package that ships them.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

SOURCES = Path(__file__).resolve().parent
COMPILER = "0.17.1"
"""Release of `ziglang` that the shipped modules were built with; another one may give other bytes."""
SHIPPED = SOURCES.parent / "src" / "sgnus" / "adapters" / "processors" / "wasm"
FLAGS = [
    "-target", "wasm32-freestanding", "-mcpu=generic+simd128", "-std=c11", "-O3", "-nostdlib",
    "-ffreestanding", "-ffp-contract=off", "-fno-sanitize=all", "-g0",
    "-Wall", "-Wextra", "-Werror", "-Wno-unused-function",
    "-Wl,--no-entry", "-Wl,--strip-all", "-Wl,-z,stack-size=65536",
]  # fmt: skip


def command(source: str, output: Path) -> list[str]:
    """The compiler call for one C file of this folder; run it here, so that no path enters the module."""
    return [sys.executable, "-m", "ziglang", "cc", *FLAGS, source, "-o", str(output)]


def build(folder: Path) -> list[Path]:
    """Build all sources into `folder`; the paths of the modules, sorted."""
    found = version("ziglang")
    if found != COMPILER:
        raise SystemExit(
            f"ziglang {found} is installed, the modules are built with {COMPILER}: install that one"
        )
    folder.mkdir(parents=True, exist_ok=True)
    built = []
    for source in sorted(SOURCES.glob("*.c")):
        output = folder / f"{source.stem}.wasm"
        subprocess.run(command(source.name, output), cwd=SOURCES, check=True)
        built.append(output)
    return built


if __name__ == "__main__":
    for path in build(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else SHIPPED):
        sys.stdout.write(f"{path.name}: {path.stat().st_size} bytes\n")
