"""How long the codecs take for one small message, in microseconds, beside the protobuf library on the same message."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from typing import Any

from bench._figures import is_quick
from sgnus.messages.v1 import sgnus_pb2
from sgnus.messages.v1.types import AddressRecord, Endpoint, SignedEnvelope, SignedKind
from sgnus.wire.codec import decode, encode, from_json, from_map, to_json, to_map

ROUNDS, CALLS = (1, 500) if is_quick() else (5, 20_000)
RECORD = AddressRecord(
    peer="12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA",
    endpoints=(Endpoint(host="192.168.1.20", port=40_001),),
    multiaddrs=("/ip4/192.168.1.20/tcp/40000",),
    sequence=1_700_000_000_000,
    expires_ms=1_700_000_600_000,
    protocol=1,
)
ENVELOPE = SignedEnvelope(
    kind=SignedKind.ADDRESS, author=RECORD.peer, payload=bytes(200), signature=bytes(64)
)


def us(call: Callable[[], Any]) -> float:
    """The best of several rounds: the machine has other things to do."""
    return min(timeit.repeat(call, number=CALLS, repeat=ROUNDS)) / CALLS * 1e6


def main() -> None:
    for message in (ENVELOPE, RECORD):
        kind: Any = type(message)
        data, tree, entry = encode(message), to_json(message), to_map(message)
        theirs = getattr(sgnus_pb2, kind.__name__)
        parsed = theirs.FromString(data)
        print(
            f"{kind.__name__:16s} {len(data):4d} B"
            f"  encode {us(lambda m=message: encode(m)):5.1f} us"
            f"  decode {us(lambda k=kind, d=data: decode(k, d)):5.1f} us"
            f"  to_map {us(lambda m=message: to_map(m)):5.1f}"
            f"  from_map {us(lambda k=kind, t=entry: from_map(k, t)):5.1f}"
            f"  to_json {us(lambda m=message: to_json(m)):5.1f}"
            f"  from_json {us(lambda k=kind, t=tree: from_json(k, t)):5.1f}"
            f"  | protobuf alone: {us(parsed.SerializeToString):4.1f} out, {us(lambda t=theirs, d=data: t.FromString(d)):4.1f} in"
        )


if __name__ == "__main__":
    main()
