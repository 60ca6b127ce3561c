"""What a job's processor is: one that ships, with its parameters checked, or a module or app that is taken as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sgnus.core.processors import (
    check_halo,
    check_parameters,
    parameters_text,
    processor_named,
    required_halo,
)
from sgnus.messages.errors import UserFault


@dataclass(frozen=True, slots=True)
class Resolved:
    """`halo`: what it needs at least. `output_bytes`: so many a chunk; 0 for what the request says."""

    id: str
    parameters: Mapping[str, str]
    halo: tuple[int, ...] = ()
    output_bytes: int = 0


def resolve(
    name: str, parameters: Mapping[str, str], dtype: str, shape: Sequence[int], halo: Sequence[int]
) -> Resolved:
    """The processor that a request names; `halo` is empty, or what it asks for.

    UserFault: a name that does not ship, a parameter, an array or a halo that it does not take.
    """
    if name == "wasm" or name.startswith(("wasm:", "app:")):
        if name.startswith("app:") and not name.removeprefix("app:"):
            raise UserFault("An app's processor needs a name: app:NAME.")
        parameters_text(parameters)
        return Resolved(name, parameters)
    found = processor_named(name)
    values = check_parameters(name, dict(parameters), dtype, shape)
    needed = required_halo(name, values, len(shape))
    if halo:
        check_halo(name, values, tuple(halo) + (0,) * (len(needed) - len(halo)))
    return Resolved(f"builtin:{name}@{found.version}", values, needed, found.output_bytes)
