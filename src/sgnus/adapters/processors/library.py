"""The modules that the package ships, by the names of `core.processors`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from sgnus.core.processors import processor_named


@cache
def shipped_module(name: str) -> bytes:
    """The wasm of processor `name`; UserFault when none of that name ships."""
    processor = processor_named(name)
    path = files("sgnus.adapters.processors") / "wasm" / f"{processor.name.replace('-', '_')}.wasm"
    return path.read_bytes()
