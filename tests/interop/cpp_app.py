"""The C++ app: built once with the tools of the machine, then run as a process whose lines are waited for."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path

from tests.missing_tool import miss

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "examples" / "cpp"
TOOLS = ("cmake", "g++", "protoc", "grpc_cpp_plugin", "pkg-config")
HEADERS = ("grpcpp/grpcpp.h", "google/protobuf/message.h")
INSTALL = "apt-get install g++ cmake libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc"
BUILD_S_MAX = 500.0
LINE_S_MAX = 60.0


def missing_tools() -> list[str]:
    """What the build needs and this machine lacks."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if "g++" in missing:
        return missing
    for header in HEADERS:
        found = subprocess.run(
            ["g++", "-E", "-x", "c++", "-"],
            input=f"#include <{header}>\n".encode(),
            capture_output=True,
            check=False,
        )
        if found.returncode != 0:
            missing.append(header)
    return missing


def build(folder: Path) -> Path:
    """The app, generated and compiled from nothing; a definition that C++ cannot take fails here."""
    if missing := missing_tools():
        miss(f"for the C++ app {', '.join(missing)} is missing: `{INSTALL}`, then run this test again")
    # Without optimization: the generated code then compiles in half the time.
    _run(["cmake", "-S", str(SOURCES), "-B", str(folder), "-DCMAKE_BUILD_TYPE="])
    _run(["cmake", "--build", str(folder), "--parallel", "2"])
    return folder / "sgnus_app"


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_S_MAX, check=False)
    assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


class Process:
    """A program under way, and the lines that it has said."""

    def __init__(self, *command: str | Path, environment: dict[str, str] | None = None) -> None:
        self.lines: list[str] = []
        self._said = threading.Condition()
        self._process = subprocess.Popen(
            [str(word) for word in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def line(self, part: str) -> str:
        """The first line that holds `part`, once it is said."""
        with self._said:
            heard = self._said.wait_for(lambda: self._found(part) is not None, LINE_S_MAX)
            assert heard, f"{part!r} was not said in {LINE_S_MAX} s, but: {self.lines}"
            return self._found(part) or ""

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> int:
        """The exit status; all lines are there then."""
        status = self._process.wait(LINE_S_MAX)
        self._reader.join()
        return status

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def _found(self, part: str) -> str | None:
        return next((line for line in self.lines if part in line), None)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._said:
                self.lines.append(line)
                self._said.notify_all()
