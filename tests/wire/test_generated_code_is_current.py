"""What is committed is what the definition generates, and the definition itself is sound."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from openapi_spec_validator import OpenAPIV32SpecValidator, validate

from tools.generate.__main__ import HOME, generate

DEFINITION = HOME / "api" / "sgnus.yaml"
GENERATED = [
    "api/fields.lock",
    "proto/sgnus/v1/sgnus.proto",
    "src/sgnus/frontends/pages/openapi.json",
    "src/sgnus/messages/v1/services.py",
    "src/sgnus/messages/v1/sgnus_pb2.py",
    "src/sgnus/messages/v1/sgnus_pb2_grpc.py",
    "src/sgnus/messages/v1/types.py",
]


def test_committed_code_is_what_the_definition_generates(tmp_path: Path) -> None:
    generate(DEFINITION, tmp_path)
    written = sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file())
    assert written == GENERATED
    stale = [name for name in GENERATED if (tmp_path / name).read_bytes() != (HOME / name).read_bytes()]
    assert not stale, f"run `make generate` and commit: {', '.join(stale)}"


def test_the_definition_is_valid_openapi_3_2() -> None:
    validate(yaml.safe_load(DEFINITION.read_text(encoding="utf-8")), cls=OpenAPIV32SpecValidator)


def test_buf_finds_nothing_to_say_about_the_proto_file() -> None:
    buf = Path(sys.executable).with_name("buf")
    done = subprocess.run([buf, "lint"], cwd=HOME, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "module", ["sgnus.messages.v1.types", "sgnus.messages.v1.services", "sgnus.wire.codec"]
)
def test_message_types_and_codecs_need_neither_grpc_nor_protobuf(module: str) -> None:
    code = f"import sys, {module}; sys.exit(any(name in sys.modules for name in ('grpc', 'google.protobuf')))"
    environment = {"PYTHONPATH": str(HOME / "src")}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


def test_stubs_import_without_a_warning() -> None:
    code = "import sgnus.messages.v1.sgnus_pb2_grpc"
    environment = {"PYTHONPATH": str(HOME / "src")}
    assert (
        subprocess.run([sys.executable, "-W", "error", "-c", code], env=environment, check=False).returncode
        == 0
    )
