"""What a job's whole result must be: the same processor over the whole array, in one piece, in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sgnus.adapters.processors.library import shipped_module
from sgnus.adapters.processors.local import run_local, whole_array
from sgnus.core.processors import check_parameters, processor_named, required_halo
from sgnus.messages.errors import UserFault, WorldFault
from sgnus.ports import Computed


def compute(
    processor: str, parameters: Mapping[str, str | int | float], data: bytes, dtype: str, shape: Sequence[int]
) -> bytes:
    """The result's bytes. Blocks until it is done.

    UserFault: a processor that does not ship or whose results are no array of the input's shape, or an array that
    it does not take. WorldFault: it could not be computed here.
    """
    if processor_named(processor).output_bytes:
        raise UserFault(f"{processor} gives one value a chunk: its result depends on how the job is cut.")
    values = check_parameters(processor, parameters, dtype, shape)
    halo = required_halo(processor, values, len(shape))
    outcome = run_local(shipped_module(processor), values, whole_array(data, dtype, shape, halo=halo))
    if not isinstance(outcome, Computed):
        raise WorldFault(f"The reference of {processor} could not be computed: {outcome}")
    return outcome.outputs[0]


def check(
    processor: str, parameters: Mapping[str, str | int | float], dtype: str, shape: Sequence[int]
) -> None:
    """UserFault, with what `compute` would say of these arguments, before anything is computed."""
    if processor_named(processor).output_bytes:
        raise UserFault(f"{processor} gives one value a chunk: its result depends on how the job is cut.")
    check_parameters(processor, parameters, dtype, shape)
