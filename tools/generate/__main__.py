"""`python -m tools.generate [--definition FILE] [--root FOLDER]`: write all generated code below FOLDER."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tools.generate.definition import DefinitionFault
from tools.generate.lock import write_lock
from tools.generate.openapi import write_openapi
from tools.generate.proto import write_proto
from tools.generate.python import write_services, write_types
from tools.generate.read import read_definition

HOME = Path(__file__).resolve().parents[2]
LOCK = "fields.lock"


def generate(definition_file: Path, root: Path) -> None:
    """Write the .proto file, the stubs, the Python types and the lock of one definition below `root`.

    The lock that lies beside the definition is read first: nothing is written when a number in it was changed.
    """
    # Imported late: it needs grpcio-tools, while the rest of the generator is of use without.
    from tools.generate.stubs import write_stubs

    definition = read_definition(definition_file)
    lock_file = definition_file.with_name(LOCK)
    lock = write_lock(definition, lock_file.read_text(encoding="utf-8") if lock_file.exists() else "")
    (root / "api").mkdir(parents=True, exist_ok=True)
    (root / "api" / LOCK).write_text(lock, encoding="utf-8")
    proto_folder = root / "proto" / "sgnus" / "v1"
    package = root / "src" / "sgnus" / "messages" / "v1"
    proto_folder.mkdir(parents=True, exist_ok=True)
    package.mkdir(parents=True, exist_ok=True)
    (proto_folder / "sgnus.proto").write_text(write_proto(definition), encoding="utf-8")
    (package / "types.py").write_text(write_types(definition), encoding="utf-8")
    (package / "services.py").write_text(write_services(definition), encoding="utf-8")
    pages = root / "src" / "sgnus" / "frontends" / "pages"
    pages.mkdir(parents=True, exist_ok=True)
    (pages / "openapi.json").write_text(write_openapi(definition_file), encoding="utf-8")
    with tempfile.TemporaryDirectory() as scratch:
        write_stubs(root / "proto", package, Path(scratch))


def main() -> int:
    """Exit status 2 when the definition breaks a rule."""
    parser = argparse.ArgumentParser(prog="python -m tools.generate", description=__doc__)
    parser.add_argument("--definition", type=Path, default=HOME / "api" / "sgnus.yaml")
    parser.add_argument("--root", type=Path, default=HOME)
    arguments = parser.parse_args()
    try:
        generate(arguments.definition, arguments.root)
    except DefinitionFault as fault:
        print(f"{arguments.definition}: {fault}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
