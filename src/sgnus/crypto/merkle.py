"""Merkle trees as in RFC 6962 section 2.1 (SHA-256, leaf 0x00, inner node 0x01), and the two-level manifest.

The manifest is the tree over microjobs; the leaf of a microjob is the root of the tree over its input chunks' digests.
So a room that has its own digests and one path proves them against the job's manifest_root, and reads nothing else.
Proofs come from strangers: lengths are checked before anything is hashed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sgnus.crypto.digests import DIGEST_BYTES, sha256
from sgnus.messages.errors import OurFault, PeerFault


def leaf_hash(leaf: bytes) -> bytes:
    """Hash of a leaf's bytes."""
    return sha256(b"\x00" + leaf)


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return sha256(b"\x01" + left + right)


class Tree:
    """All levels of one tree, so that each of many paths costs its own length only."""

    def __init__(self, leaf_hashes: Iterable[bytes]) -> None:
        self._levels: list[list[bytes]] = [list(leaf_hashes)]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            above = [node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
            # A last node without a sibling goes up as it is. This is the split at the largest power of two of the RFC.
            self._levels.append(above + below[len(below) & ~1 :])

    @property
    def root(self) -> bytes:
        """Root; of no leaves the hash of nothing, as in the RFC."""
        return self._levels[-1][0] if self._levels[-1] else sha256(b"")

    def path(self, index: int) -> tuple[bytes, ...]:
        """Audit path of leaf `index`, lowest sibling first. An index outside is OurFault."""
        if not 0 <= index < len(self._levels[0]):
            raise OurFault(f"no leaf {index} in a tree of {len(self._levels[0])}")
        siblings = []
        for level in self._levels[:-1]:
            if index ^ 1 < len(level):
                siblings.append(level[index ^ 1])
            index >>= 1
        return tuple(siblings)


def root(leaves: Iterable[bytes]) -> bytes:
    """Root over leaves given as bytes."""
    return Tree(map(leaf_hash, leaves)).root


def path(leaves: Iterable[bytes], index: int) -> tuple[bytes, ...]:
    """Audit path of leaf `index`."""
    return Tree(map(leaf_hash, leaves)).path(index)


def path_nodes(index: int, leaves: int) -> int:
    """Number of nodes on the audit path of leaf `index` of a tree of `leaves`."""
    nodes, last = 0, leaves - 1
    while last > 0:
        nodes += index ^ 1 <= last
        index, last = index >> 1, last >> 1
    return nodes


def verify_path(root_hash: bytes, leaf: bytes, *, index: int, leaves: int, path: Sequence[bytes]) -> bool:
    """Whether `leaf` is leaf `index` of the tree of `leaves` leaves with that root."""
    if not 0 <= index < leaves or len(path) != path_nodes(index, leaves):
        return False
    if any(len(node) != DIGEST_BYTES for node in path):
        return False
    node, last, siblings = leaf_hash(leaf), leaves - 1, iter(path)
    while last > 0:
        if index & 1:
            node = node_hash(next(siblings), node)
        elif index < last:
            node = node_hash(node, next(siblings))
        index, last = index >> 1, last >> 1
    return node == root_hash


# ---- the manifest ---------------------------------------------------------------------------------------------------
def branch_root(digests: Iterable[bytes]) -> bytes:
    """Branch of one microjob: the root over the digests of its input chunks, in the order of the plan."""
    return root(digests)


def manifest_tree(branches: Iterable[bytes]) -> Tree:
    """The manifest over all microjobs' branches; keep it to serve paths."""
    return Tree(map(leaf_hash, branches))


def manifest_root(branches: Iterable[bytes]) -> bytes:
    """The job's manifest_root."""
    return manifest_tree(branches).root


def branch_path(branches: Iterable[bytes], microjob: int) -> tuple[bytes, ...]:
    """Path from the branch of `microjob` to the manifest's root."""
    return manifest_tree(branches).path(microjob)


def verify_branch(
    manifest: bytes, digests: Sequence[bytes], *, microjob: int, microjobs: int, path: Sequence[bytes]
) -> bool:
    """Whether `digests` are those of all input chunks of `microjob` in the job with that manifest_root.

    The caller compares their number with its plan first: it bounds the work.
    """
    if any(len(each) != DIGEST_BYTES for each in digests):
        return False
    return verify_path(manifest, branch_root(digests), index=microjob, leaves=microjobs, path=path)


def split_digests(data: bytes, number: int) -> tuple[bytes, ...]:
    """`number` digests that travelled as one string; PeerFault when the length is another."""
    if len(data) != number * DIGEST_BYTES:
        raise PeerFault(f"{len(data)} bytes of digests came instead of {number * DIGEST_BYTES}")
    return tuple(data[i : i + DIGEST_BYTES] for i in range(0, len(data), DIGEST_BYTES))
