"""The geometry of a chunk: which bytes of a stream it selects, and in which order.

`byte(k, r) = offset + k * block_stride + r * line_stride`, `width` bytes each, for lines `r < height` of blocks
`k < count`. A chunk's payload is its lines one after another, those of block 0 first. That is the whole geometry
(docs/protocol/chunk.md). It comes from strangers: nothing here allocates or loops by a number that `validate` has not
passed, and `validate` itself takes a bounded number of integer steps whatever the numbers are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from sgnus.messages.errors import PeerFault
from sgnus.messages.limits import CHUNK_BYTES_MAX, STREAM_BYTES_MAX
from sgnus.messages.v1.types import Chunk


class GeometryFault(PeerFault):
    """A chunk, cut or array that cannot be. One clear sentence, so that it serves as a UserFault's text as well.

    It is a PeerFault because a job's description usually comes from a stranger; `core.cut` turns it into a UserFault
    where the description comes from our own app.
    """


def told(*numbers: int) -> str:
    """Numbers as a sentence shows them, `512x512`. Hostile ones may have thousands of digits: those are described."""
    return "x".join(
        str(number) if abs(number) <= STREAM_BYTES_MAX else f"({number.bit_length()}-bit number)"
        for number in numbers
    )


def validate(chunk: Chunk, stream_bytes: int, *, writes: bool = False) -> None:
    """Refuse with GeometryFault a chunk that is not wholly inside a stream of `stream_bytes` bytes.

    With `writes`, for output chunks, also one that would write a byte twice. Inputs may read a byte twice.
    """
    _validate_numbers(chunk)
    # The strides of a single line or block are never walked, so they do not count here.
    size = chunk.width * chunk.height * chunk.count
    if size > CHUNK_BYTES_MAX:
        raise GeometryFault(
            f"chunk {chunk.chunk_id} selects {told(size)} bytes, and a chunk has at most {CHUNK_BYTES_MAX}: make it smaller"
        )
    if end_position(chunk) > stream_bytes:
        raise GeometryFault(
            f"chunk {chunk.chunk_id} ends at byte {told(end_position(chunk))}, behind the stream's {stream_bytes} bytes: "
            "move or shrink it"
        )
    if writes and has_overlap(chunk):
        raise GeometryFault(
            f"output chunk {chunk.chunk_id} writes a byte twice: make its line_stride and block_stride larger"
        )


def _validate_numbers(chunk: Chunk) -> None:
    least = min(chunk.chunk_id, chunk.offset, chunk.line_stride, chunk.block_stride)
    extents = (chunk.width, chunk.height, chunk.count)
    most = max(chunk.chunk_id, chunk.offset, chunk.line_stride, chunk.block_stride, *extents)
    if least >= 0 and min(extents) >= 1 and most <= STREAM_BYTES_MAX:
        return
    for name in ("chunk_id", "offset", "width", "height", "line_stride", "block_stride", "count"):
        value, least = getattr(chunk, name), int(name in ("width", "height", "count"))
        if not least <= value <= STREAM_BYTES_MAX:
            raise GeometryFault(
                f"a chunk's {name} is {told(value)}: it must be {least} to {STREAM_BYTES_MAX}"
            )


def byte_position(chunk: Chunk, block: int, line: int) -> int:
    """Position in the stream of the first byte of `line` of `block`."""
    return chunk.offset + block * chunk.block_stride + line * chunk.line_stride


def end_position(chunk: Chunk) -> int:
    """Position behind the last byte that the chunk selects."""
    return byte_position(chunk, chunk.count - 1, chunk.height - 1) + chunk.width


def payload_bytes(chunk: Chunk) -> int:
    """Length of the chunk's payload."""
    return chunk.width * chunk.height * chunk.count


def collapsed(chunk: Chunk) -> Chunk:
    """The chunk that selects the same bytes in the same order with the fewest lines and blocks.

    Strides that are not walked become 0.
    """
    width = chunk.width
    levels = [(chunk.line_stride, chunk.height), (chunk.block_stride, chunk.count)]
    walked: list[tuple[int, int]] = []
    for stride, number in levels:
        if number == 1:
            continue
        if not walked and stride == width:
            width *= number
        elif walked and stride == walked[-1][0] * walked[-1][1]:
            walked[-1] = (walked[-1][0], walked[-1][1] * number)
        else:
            walked.append((stride, number))
    (line_stride, height), (block_stride, count) = (*walked, (0, 1), (0, 1))[:2]
    return Chunk(
        chunk_id=chunk.chunk_id,
        offset=chunk.offset,
        width=width,
        height=height,
        line_stride=line_stride,
        block_stride=block_stride,
        count=count,
    )


def joined(chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, int]]:
    """(chunk, number) of each run of neighbours that are one chunk: its payload is theirs, one after another.

    Tiles beside each other become the blocks of one chunk, so that a sub-block is copied in few long strides.
    """
    first: Chunk | None = None
    number = step = 0
    for chunk in chunks:
        if first is not None:
            step = step if number > 1 else chunk.offset - first.offset
            if step > 0 and chunk.offset == first.offset + number * step and _is_like(first, chunk):
                number += 1
                continue
            yield _blocks(first, number, step), number
        first, number = chunk, 1
    if first is not None:
        yield _blocks(first, number, step), number


def _is_like(first: Chunk, chunk: Chunk) -> bool:
    return (
        first.count == chunk.count == 1
        and first.width == chunk.width
        and first.height == chunk.height
        and first.line_stride == chunk.line_stride
    )


def _blocks(first: Chunk, number: int, step: int) -> Chunk:
    return first if number == 1 else replace(first, count=number, block_stride=step)


def segments(chunk: Chunk) -> Iterator[tuple[int, int]]:
    """(start, length) of each contiguous run of a validated chunk, in payload order, neighbours merged."""
    chunk = collapsed(chunk)
    start, length = chunk.offset, 0
    for block in range(chunk.count):
        for line in range(chunk.height):
            position = byte_position(chunk, block, line)
            if position != start + length:
                yield start, length
                start, length = position, 0
            length += chunk.width
    yield start, length


def has_overlap(chunk: Chunk) -> bool:
    """Whether a byte is selected twice: exact, in a bounded number of steps."""
    if chunk.height > 1 and chunk.line_stride < chunk.width:
        return True
    if chunk.count > 1 and chunk.block_stride < chunk.width:
        return True
    if chunk.height == 1 or chunk.count == 1:
        return False
    # Two lines overlap if for some 0 < k < count and 0 < r < height the distance |k * block_stride - r * line_stride|
    # is below the width. The smallest k that comes so near to any multiple of line_stride has the smallest r too, so
    # it alone decides.
    reach = chunk.width - 1
    k = _first_near(chunk.block_stride, chunk.line_stride, reach)
    if k is None or k >= chunk.count:
        return False
    r = (k * chunk.block_stride + reach) // chunk.line_stride
    if r * chunk.line_stride > k * chunk.block_stride and r >= chunk.height:
        r -= 1
    return r < chunk.height and abs(k * chunk.block_stride - r * chunk.line_stride) <= reach


def _first_near(step: int, modulus: int, reach: int) -> int | None:
    """Smallest k >= 1 for which k * step lies within `reach` of a multiple of `modulus`; None if there is none."""
    low = (-step - reach) % modulus
    high = low + 2 * reach
    if high >= modulus:
        return 1
    found = _first_between(step, modulus, low, high)
    return None if found is None else found + 1


def _first_between(step: int, modulus: int, low: int, high: int) -> int | None:
    """Smallest k >= 0 with low <= k * step mod modulus <= high, as in Euclid's algorithm (0 <= low <= high < modulus)."""
    if low == 0:
        return 0
    step %= modulus
    if step == 0:
        return None
    if 2 * step > modulus:
        # Walking up by `step` is walking down by the rest; at least halving the step bounds the depth by its bits.
        return _first_between(modulus - step, modulus, modulus - high, modulus - low)
    first = -(-low // step)
    if first * step <= high:
        return first
    turns = _first_between(modulus % step, step, -high % step, -low % step)
    return None if turns is None else -(-(low + modulus * turns) // step)
