"""Runs protoc for the Python stubs, which programs other than the node itself may use."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from grpc_tools import protoc

from tools.generate.definition import DefinitionFault

PROTO = "sgnus/v1/sgnus.proto"
STUBS = ("sgnus_pb2.py", "sgnus_pb2_grpc.py")


def write_stubs(proto_root: Path, target: Path, scratch: Path) -> None:
    """Write the stubs of the .proto file below `proto_root` into the folder `target`."""
    wellknown = resources.files("grpc_tools") / "_proto"
    arguments = ["protoc", f"-I{proto_root}", f"-I{wellknown}"]
    arguments += [f"--python_out={scratch}", f"--grpc_python_out={scratch}", PROTO]
    if protoc.main(arguments) != 0:
        raise DefinitionFault(f"protoc refused {PROTO}: its message stands above")
    for name in STUBS:
        text = (scratch / "sgnus" / "v1" / name).read_text(encoding="utf-8")
        # protoc derives the import from the path of the .proto file, which is not our package.
        text = text.replace("from sgnus.v1 import", "from sgnus.messages.v1 import")
        (target / name).write_text(text, encoding="utf-8")
