"""The proof that output chunks write each byte of the output exactly once, without looking at single bytes.

How often byte b is written is the coefficient of x^b of a polynomial. A chunk with strides s, t adds
`x^offset * (1 - x^width)/(1 - x) * (1 - x^(s*height))/(1 - x^s) * (1 - x^(t*count))/(1 - x^t)`, and an output of n bytes
that is written exactly once is `(1 - x^n)/(1 - x)`. Multiplied by the common denominators of all strides, both sides
have a handful of terms a chunk, most of which cancel between neighbours. The two are equal exactly when the outputs
cover: no sampling, no order, no bytes. (Polynomials over the integers have no zero divisors, so multiplying loses
nothing.) The same identity refuses gaps, overlaps and bytes outside at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sgnus.core.chunks import GeometryFault, collapsed, payload_bytes, segments, told
from sgnus.messages.limits import COVERAGE_OPEN_TERMS_MAX, COVERAGE_TERMS_MAX
from sgnus.messages.v1.types import Chunk

_STRIDES_MAX: Final = 4


def prove_coverage(chunks: Sequence[Chunk], output_bytes: int) -> None:
    """Refuse with GeometryFault validated `chunks` that do not cover [0, output_bytes) exactly once.

    Also refused, as too irregular to prove, is a set that would take more than COVERAGE_TERMS_MAX terms.
    """
    total = sum(payload_bytes(chunk) for chunk in chunks)
    if total != output_bytes:
        raise GeometryFault(
            f"the output chunks write {total} bytes and the output has {told(output_bytes)}: each byte must be written once"
        )
    simple = [collapsed(chunk) for chunk in chunks]
    strides = _strides(simple)
    if len(strides) > _STRIDES_MAX:
        simple, strides = _flattened(simple), []
    _check_bound(len(simple) << (1 + len(strides)))
    terms = _Terms()
    for chunk in simple:
        terms.add(chunk.offset, _factors(chunk, strides), 1)
    terms.add(0, [output_bytes, *strides], -1)
    if not terms.is_zero():
        raise GeometryFault(
            f"the output chunks overlap: byte {terms.first()} or one after it is written twice and another one never"
        )


class _Terms:
    """A sparse polynomial: exponent -> coefficient, zeros left out, so that what cancels takes no memory."""

    def __init__(self) -> None:
        self._terms: dict[int, int] = {}

    def add(self, exponent: int, factors: Sequence[int], sign: int) -> None:
        """Add `sign * x^exponent * product of (1 - x^factor)`."""
        products = [(exponent, sign)]
        for factor in factors:
            products += [(power + factor, -coefficient) for power, coefficient in products]
        terms = self._terms
        for power, coefficient in products:
            value = terms.get(power, 0) + coefficient
            if value:
                terms[power] = value
            else:
                del terms[power]
        if len(terms) > COVERAGE_OPEN_TERMS_MAX:
            raise GeometryFault("the output chunks are too irregular: list neighbours together, or use a cut")

    def is_zero(self) -> bool:
        return not self._terms

    def first(self) -> int:
        return min(self._terms)


def _factors(chunk: Chunk, strides: Sequence[int]) -> list[int]:
    """Factors (1 - x^f) of the chunk's numerator over the common denominators.

    The chunk's own strides bring their extent; for the others, which the chunk does not have, the denominator stays.
    """
    own = {}
    if chunk.height > 1:
        own[chunk.line_stride] = chunk.line_stride * chunk.height
    if chunk.count > 1:
        own[chunk.block_stride] = chunk.block_stride * chunk.count
    return [chunk.width, *(own.get(stride, stride) for stride in strides)]


def _strides(chunks: Iterable[Chunk]) -> list[int]:
    """The distinct strides that the chunks walk, in the order of their first use; stops when there are too many."""
    found: dict[int, None] = {}
    for chunk in chunks:
        if chunk.height > 1:
            found[chunk.line_stride] = None
        if chunk.count > 1:
            found[chunk.block_stride] = None
        if len(found) > _STRIDES_MAX:
            break
    return list(found)


def _flattened(chunks: Sequence[Chunk]) -> list[Chunk]:
    """The same bytes as single lines, for chunks whose strides have too little in common."""
    _check_bound(2 * sum(chunk.height * chunk.count for chunk in chunks))
    return [
        Chunk(chunk_id=0, offset=start, width=length, height=1, line_stride=0, block_stride=0, count=1)
        for chunk in chunks
        for start, length in segments(chunk)
    ]


def _check_bound(terms: int) -> None:
    if terms > COVERAGE_TERMS_MAX:
        raise GeometryFault(
            f"to prove that the output chunks cover the output takes {terms} terms, and {COVERAGE_TERMS_MAX} are "
            "allowed: use fewer chunks, or a cut"
        )
