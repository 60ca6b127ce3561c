"""Messages as protobuf bytes, as maps for dag-cbor, and as JSON: the one door to all codecs."""

from sgnus.wire.decoding import decode
from sgnus.wire.encoding import encode
from sgnus.wire.trees import from_json, from_map, to_json, to_map

__all__ = ["decode", "encode", "from_json", "from_map", "to_json", "to_map"]
