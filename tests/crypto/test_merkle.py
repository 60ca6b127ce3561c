"""Merkle trees against published vectors of RFC 6962, and commits against golden ones."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgnus.crypto import merkle
from sgnus.crypto.commits import chunk_salt, commit_leaf, commit_root, commit_root_of
from sgnus.crypto.digests import digest, sha256
from sgnus.messages.errors import OurFault, PeerFault
from sgnus.messages.ids import BlockId, InstanceId, PeerId

# Leaves, roots and paths of the Certificate Transparency reference implementation's tests.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATHS = [
    (1, 0, []),
    (
        8,
        0,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        8,
        5,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (3, 2, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        5,
        1,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_the_published_ones(size: int) -> None:
    assert merkle.root(LEAVES[:size]).hex() == ROOTS[size - 1]


@pytest.mark.parametrize(("size", "index", "nodes"), PATHS)
def test_paths_are_the_published_ones(size: int, index: int, nodes: list[str]) -> None:
    assert [node.hex() for node in merkle.path(LEAVES[:size], index)] == nodes


def test_the_root_of_nothing_is_the_hash_of_nothing() -> None:
    assert merkle.root([]) == hashlib.sha256(b"").digest()
    with pytest.raises(OurFault):
        merkle.path([], 0)


def naive_root(hashes: list[bytes]) -> bytes:
    """Section 2.1 of the RFC word for word: split at the largest power of two below the number of leaves."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << ((len(hashes) - 1).bit_length() - 1)
    return sha256(b"\x01" + naive_root(hashes[:split]) + naive_root(hashes[split:]))


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=70), st.data())
def test_every_path_verifies_and_no_change_of_anything_does(leaves: list[bytes], data: st.DataObject) -> None:
    root = merkle.root(leaves)
    assert root == naive_root([merkle.leaf_hash(leaf) for leaf in leaves])
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = merkle.path(leaves, index)
    assert len(path) == merkle.path_nodes(index, len(leaves))
    size = len(leaves)
    assert merkle.verify_path(root, leaves[index], index=index, leaves=size, path=path)
    assert not merkle.verify_path(root, leaves[index] + b"x", index=index, leaves=size, path=path)
    assert not merkle.verify_path(sha256(root), leaves[index], index=index, leaves=size, path=path)
    assert not merkle.verify_path(root, leaves[index], index=index, leaves=size, path=(*path, root))
    assert not merkle.verify_path(root, leaves[index], index=-1 - index, leaves=size, path=path)
    assert not merkle.verify_path(root, leaves[index], index=size, leaves=size, path=path)
    other = data.draw(st.integers(0, size - 1))
    if leaves[other] != leaves[index]:
        assert not merkle.verify_path(root, leaves[index], index=other, leaves=size, path=path)
    for place, node in enumerate(path):
        for changed in (bytes(32), node[:-1], node[:-1] + bytes([node[-1] ^ 1])):
            forged = (*path[:place], changed, *path[place + 1 :])
            assert not merkle.verify_path(root, leaves[index], index=index, leaves=size, path=forged)


def test_an_inner_node_is_no_leaf() -> None:
    a, b = merkle.leaf_hash(b"a"), merkle.leaf_hash(b"b")
    assert merkle.root([a + b]) != merkle.root([b"a", b"b"])


# ---- the manifest ---------------------------------------------------------------------------------------------------
@given(st.lists(st.lists(st.integers(0, 255), min_size=1, max_size=5), min_size=1, max_size=12), st.data())
def test_a_room_proves_its_own_branch_and_no_other(jobs: list[list[int]], data: st.DataObject) -> None:
    digests = [[digest(bytes([number])) for number in job] for job in jobs]
    branches = [merkle.branch_root(each) for each in digests]
    manifest = merkle.manifest_root(branches)
    microjob = data.draw(st.integers(0, len(jobs) - 1))
    path = merkle.branch_path(branches, microjob)
    assert path == merkle.manifest_tree(branches).path(microjob)

    def is_proved(microjob: int, claimed: list[bytes]) -> bool:
        return merkle.verify_branch(manifest, claimed, microjob=microjob, microjobs=len(jobs), path=path)

    own = digests[microjob]
    assert is_proved(microjob, own)
    assert not is_proved(microjob, [*own, own[0]])
    assert not is_proved(microjob, own[:-1])
    assert not is_proved(microjob, [sha256(own[0]), *own[1:]])
    assert not is_proved(microjob, [own[0][:-1], *own[1:]])
    other = data.draw(st.integers(0, len(jobs) - 1))
    if jobs[other] != jobs[microjob]:
        assert not is_proved(other, own)
        assert not is_proved(microjob, digests[other])


def test_digests_travel_as_one_string_of_an_exact_length() -> None:
    digests = (digest(b"a"), digest(b"b"))
    assert merkle.split_digests(b"".join(digests), 2) == digests
    with pytest.raises(PeerFault, match="63 bytes of digests came instead of 64"):
        merkle.split_digests(b"".join(digests)[:-1], 2)


# ---- hashes and commits ---------------------------------------------------------------------------------------------
JOB, INSTANCE, PEER = BlockId("bafyjob"), InstanceId("00ff"), PeerId("12D3peer")


def test_the_digest_is_blake3() -> None:
    # The reference implementation's vector for empty input.
    assert digest(b"").hex() == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    assert digest(memoryview(b"abc")) == digest(bytearray(b"abc"))


def test_a_salt_is_the_hmac_of_the_chunks_number() -> None:
    assert chunk_salt(b"seed", 258) == hmac.new(b"seed", b"\0\0\0\0\0\0\1\2", hashlib.sha256).digest()


def test_a_commit_leaf_is_the_hash_of_its_canonical_list() -> None:
    salt, of = bytes(range(32)), bytes(range(32, 64))
    encoded = (
        bytes([0x86, 0x67]) + b"bafyjob" + bytes([0x64]) + b"00ff" + bytes([0x68]) + b"12D3peer"
        + bytes([0x19, 0x01, 0x02, 0x58, 0x20]) + salt + bytes([0x58, 0x20]) + of
    )  # fmt: skip
    leaf = commit_leaf(JOB, INSTANCE, PEER, chunk=258, salt=salt, digest=of)
    assert leaf == hashlib.sha256(b"\0" + encoded).digest()
    assert commit_root([leaf]) == leaf
    with pytest.raises(OurFault):
        commit_leaf(JOB, INSTANCE, PEER, chunk=258, salt=salt[:-1], digest=of)


def test_a_commit_binds_who_where_and_what() -> None:
    digests = [digest(bytes([i])) for i in range(3)]

    def root_of(
        job: BlockId = JOB, peer: PeerId = PEER, seed: bytes = b"s", chunks: tuple[int, ...] = (7, 8, 9)
    ) -> bytes:
        return commit_root_of(job, INSTANCE, peer, seed=seed, chunks=chunks, digests=digests)

    leaves = [
        commit_leaf(JOB, INSTANCE, PEER, chunk=7 + i, salt=chunk_salt(b"s", 7 + i), digest=each)
        for i, each in enumerate(digests)
    ]
    assert root_of() == merkle.node_hash(merkle.node_hash(leaves[0], leaves[1]), leaves[2])
    roots = {
        root_of(),
        root_of(job=BlockId("bafyother")),
        root_of(peer=PeerId("12D3other")),
        root_of(seed=b"t"),
        root_of(chunks=(7, 8, 10)),
    }
    assert len(roots) == 5
    with pytest.raises(OurFault):
        root_of(chunks=(7, 8))
