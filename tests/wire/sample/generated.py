"""Both sides of a definition: our message types, and protobuf's own classes in a pool of their own."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_tools import protoc

from tools.generate.__main__ import HOME, generate

SAMPLE = Path(__file__).parent / "sample.yaml"


@dataclass(frozen=True)
class Generated:
    """`types` is our module, `protobuf` maps message names to the classes of the protobuf library."""

    name: str
    types: ModuleType
    protobuf: Mapping[str, Any]


@cache
def sample() -> Generated:
    """Generated from sample.yaml beside this file."""
    return _generated("sample", SAMPLE)


@cache
def definition() -> Generated:
    """Generated from api/sgnus.yaml; our side is the committed module."""
    from sgnus.messages.v1 import types

    found = _generated("definition", HOME / "api" / "sgnus.yaml")
    return Generated(name="definition", types=types, protobuf=found.protobuf)


def _generated(name: str, file: Path) -> Generated:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        generate(file, root)
        types = _module(f"types_of_{name}", root / "src" / "sgnus" / "messages" / "v1" / "types.py")
        return Generated(name=name, types=types, protobuf=_protobuf_classes(root))


def _module(name: str, file: Path) -> ModuleType:
    import sys

    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up while they are made.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _protobuf_classes(root: Path) -> Mapping[str, Any]:
    described = root / "described.bin"
    arguments = ["protoc", f"-I{root / 'proto'}", f"--descriptor_set_out={described}", "sgnus/v1/sgnus.proto"]
    assert protoc.main(arguments) == 0
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(described.read_bytes()).file:
        pool.Add(file)
    messages = pool.FindFileByName("sgnus/v1/sgnus.proto").message_types_by_name
    return {name: message_factory.GetMessageClass(one) for name, one in messages.items()}
