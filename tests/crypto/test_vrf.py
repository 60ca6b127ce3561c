"""The VRF against the published vectors of RFC 9381, a naive one, and liars."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgnus.crypto.identity import Identity
from sgnus.crypto.vrf import (
    KEY_BYTES,
    OUTPUT_BYTES,
    PROOF_BYTES,
    VrfKey,
    curve_point_of,
    output_of,
    verify,
    vrf_seed_of,
)
from sgnus.messages.errors import OurFault
from tests.crypto import naive_vrf as naive

# RFC 9381 appendix B.3, examples 16 to 18. `k` is what the RFC prints as k_string, before it is reduced.
VECTORS = [
    {
        "seed": "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "public_key": "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "alpha": "",
        "x": "307c83864f2833cb427a2ef1c00a013cfdff2768d980c0a3a520f006904de94f",
        "counter": "00",
        "h": "91bbed02a99461df1ad4c6564a5f5d829d0b90cfc7903e7a5797bd658abf3318",
        "k": "7100f3d9eadb6dc4743b029736ff283f5be494128df128df2817106f345b8594"
        "b6d6da2d6fb0b4c0257eb337675d96eab49cf39e66cc2c9547c2bf8b2a6afae4",
        "u": "aef27c725be964c6a9bf4c45ca8e35df258c1878b838f37d9975523f09034071",
        "v": "5016572f71466c646c119443455d6cb9b952f07d060ec8286d678615d55f954f",
        "pi": "8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f"
        "26f8a57ccaed74ee1b190bed1f479d97"
        "27d2d0f9b005a6e456a35d4fb0daab1268a1b0db10836d9826a528ca76567805",
        "beta": "90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff"
        "66b71dda49d2de59d03450451af026798e8f81cd2e333de5cdf4f3e140fdd8ae",
    },
    {
        "seed": "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "public_key": "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "alpha": "72",
        "x": "68bd9ed75882d52815a97585caf4790a7f6c6b3b7f821c5e259a24b02e502e51",
        "counter": "01",
        "h": "5b659fc3d4e9263fd9a4ed1d022d75eaacc20df5e09f9ea937502396598dc551",
        "k": "42589bbf0c485c3c91c1621bb4bfe04aed7be76ee48f9b00793b2342acb9c167"
        "cab856f9f9d4febc311330c20b0a8afd3743d05433e8be8d32522ecdc16cc5ce",
        "u": "1dcb0a4821a2c48bf53548228b7f170962988f6d12f5439f31987ef41f034ab3",
        "v": "fd03c0bf498c752161bae4719105a074630a2aa5f200ff7b3995f7bfb1513423",
        "pi": "f3141cd382dc42909d19ec5110469e4feae18300e94f304590abdced48aed593"
        "3bf0864a62558b3ed7f2fea45c92a465"
        "301b3bbf5e3e54ddf2d935be3b67926da3ef39226bbc355bdc9850112c8f4b02",
        "beta": "eb4440665d3891d668e7e0fcaf587f1b4bd7fbfe99d0eb2211ccec90496310eb"
        "5e33821bc613efb94db5e5b54c70a848a0bef4553a41befc57663b56373a5031",
    },
    {
        "seed": "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "public_key": "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "alpha": "af82",
        "x": "909a8b755ed902849023a55b15c23d11ba4d7f4ec5c2f51b1325a181991ea95c",
        "counter": "00",
        "h": "bf4339376f5542811de615e3313d2b36f6f53c0acfebb482159711201192576a",
        "k": "38b868c335ccda94a088428cbf3ec8bc7955bfaffe1f3bd2aa2c59fc31a0febc"
        "59d0e1af3715773ce11b3bbdd7aba8e3505d4b9de6f7e4a96e67e0d6bb6d6c3a",
        "u": "2bae73e15a64042fcebf062abe7e432b2eca6744f3e8265bc38e009cd577ecd5",
        "v": "88cba1cb0d4f9b649d9a86026b69de076724a93a65c349c988954f0961c5d506",
        "pi": "9bc0f79119cc5604bf02d23b4caede71393cedfbb191434dd016d30177ccbf80"
        "96bb474e53895c362d8628ee9f9ea3c0"
        "e52c7a5c691b6c18c9979866568add7a2d41b00b05081ed0f58ee5e31b3a970e",
        "beta": "645427e5d00c62a23fb703732fa5d892940935942101e456ecca7bb217c61c45"
        "2118fec1219202a0edcf038bb6373241578be7217ba85a2687f7a0310b2df19f",
    },
]
# The points of order 1, 2, 4, 4, 8, 8, 8, 8, and the further spellings that a lax decoder takes for one of them.
LOW_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]
LOW_ORDER_RESPELT = [
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]
TORSION = [naive.decoded(bytes.fromhex(each)) for each in LOW_ORDER]
KEY = VrfKey.from_seed(bytes.fromhex(VECTORS[2]["seed"]))
SCALAR = int.from_bytes(bytes.fromhex(VECTORS[2]["x"]), "little")
ALPHA, PROOF = bytes.fromhex(VECTORS[2]["alpha"]), bytes.fromhex(VECTORS[2]["pi"])


def scalar_bytes(number: int) -> bytes:
    return number.to_bytes(32, "little")


# ---- the suite ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("vector", VECTORS, ids=["example 16", "example 17", "example 18"])
def test_keys_proofs_and_outputs_are_the_published_ones(vector: dict[str, str]) -> None:
    key, alpha = VrfKey.from_seed(bytes.fromhex(vector["seed"])), bytes.fromhex(vector["alpha"])
    proof = bytes.fromhex(vector["pi"])
    assert key.public_key.hex() == vector["public_key"]
    assert key.prove(alpha) == proof
    for output in (verify(key.public_key, alpha, proof), output_of(proof)):
        assert output is not None
        assert output.hex() == vector["beta"]
    assert (len(proof), len(key.public_key), len(vector["beta"])) == (
        PROOF_BYTES,
        KEY_BYTES,
        2 * OUTPUT_BYTES,
    )


@pytest.mark.parametrize("vector", VECTORS, ids=["example 16", "example 17", "example 18"])
def test_the_naive_prover_passes_through_every_published_value(vector: dict[str, str]) -> None:
    values = naive.prove(bytes.fromhex(vector["seed"]), bytes.fromhex(vector["alpha"]))
    assert bytes([values.counter]).hex() == vector["counter"]
    for name in ("public_key", "x", "h", "k", "u", "v", "pi", "beta"):
        assert getattr(values, name).hex() == vector[name], name


@settings(deadline=None, derandomize=True, max_examples=20)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200))
def test_proofs_and_outputs_are_those_of_the_naive_prover(seed: bytes, alpha: bytes) -> None:
    values, key = naive.prove(seed, alpha), VrfKey.from_seed(seed)
    assert key.public_key == values.public_key
    assert key.prove(alpha) == values.pi
    assert verify(key.public_key, alpha, values.pi) == values.beta


@settings(deadline=None, derandomize=True)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.binary(max_size=200))
def test_what_is_proved_verifies_for_its_own_alpha_alone(seed: bytes, alpha: bytes, other: bytes) -> None:
    key = VrfKey.from_seed(seed)
    proof = key.prove(alpha)
    assert verify(key.public_key, alpha, proof) == output_of(proof) is not None
    if other != alpha:
        assert verify(key.public_key, other, proof) is None
        assert output_of(key.prove(other)) != output_of(proof)


def test_a_point_is_eight_times_what_its_bytes_encode() -> None:
    found = 0
    for number in range(40):
        string = hashlib.sha256(bytes([number])).digest()
        point = naive.decode(string)
        found += point is not None
        assert curve_point_of(string) == (None if point is None else naive.encode(naive.times(8, point)))
    assert 10 < found < 30


# ---- seeds ----------------------------------------------------------------------------------------------------------
def test_the_vrf_has_a_seed_of_its_own() -> None:
    seed = bytes(range(32))
    derived = vrf_seed_of(seed)
    assert derived.hex() == "596a3e2615819f91b3a00eabf9f98d7dd61bf73e3207c5a50241e95ec800e514"
    assert derived == hmac.new(seed, b"sgnus/v1/vrf", hashlib.sha256).digest()
    assert VrfKey.from_seed(derived).public_key != Identity.from_seed(seed).public_key


def test_a_seed_of_another_length_is_our_fault() -> None:
    with pytest.raises(OurFault, match="32 bytes, not 31"):
        VrfKey.from_seed(bytes(31))
    with pytest.raises(OurFault, match="32 bytes, not 64"):
        vrf_seed_of(bytes(64))


def test_no_secret_of_a_key_is_printed() -> None:
    assert repr(KEY) == f"VrfKey(public_key={KEY.public_key!r})"


# ---- liars ----------------------------------------------------------------------------------------------------------
def test_a_proof_with_any_bit_flipped_is_refused() -> None:
    assert verify(KEY.public_key, ALPHA, PROOF) is not None
    whole = int.from_bytes(PROOF, "big")
    for bit in range(8 * PROOF_BYTES):
        assert verify(KEY.public_key, ALPHA, (whole ^ 1 << bit).to_bytes(PROOF_BYTES, "big")) is None, bit


def test_a_key_with_any_bit_flipped_is_refused() -> None:
    whole = int.from_bytes(KEY.public_key, "big")
    for bit in range(8 * KEY_BYTES):
        assert verify((whole ^ 1 << bit).to_bytes(KEY_BYTES, "big"), ALPHA, PROOF) is None, bit


def test_a_proof_serves_no_other_key() -> None:
    other = VrfKey.from_seed(bytes(32))
    assert verify(other.public_key, ALPHA, PROOF) is None
    assert verify(KEY.public_key, ALPHA, other.prove(ALPHA)) is None


def test_keys_and_proofs_of_another_length_are_refused() -> None:
    for size in (0, 1, 31, 33, 64):
        assert verify((KEY.public_key + bytes(64))[:size], ALPHA, PROOF) is None
    for size in (0, 1, 32, 79, 81, 160):
        wrong = (PROOF + bytes(80))[:size]
        assert verify(KEY.public_key, ALPHA, wrong) is None
        assert output_of(wrong) is None


def test_a_response_is_written_in_one_way() -> None:
    response = int.from_bytes(PROOF[48:], "little")
    for multiple in range(1, 16):
        raised = response + multiple * naive.Q
        if raised < 2**256:
            wrong = PROOF[:48] + scalar_bytes(raised)
            assert verify(KEY.public_key, ALPHA, wrong) is None
            assert output_of(wrong) is None
    for scalar in (0, naive.Q, naive.Q + 1, 2**255, 2**256 - 1):
        assert verify(KEY.public_key, ALPHA, PROOF[:48] + scalar_bytes(scalar)) is None


def test_a_challenge_of_zero_is_refused() -> None:
    wrong = PROOF[:32] + bytes(16) + PROOF[48:]
    assert verify(KEY.public_key, ALPHA, wrong) is None


def test_the_low_order_points_are_all_eight_and_their_spellings_are_not_canonical() -> None:
    assert sorted(TORSION) == sorted(naive.times(i, TORSION[4]) for i in range(8))
    assert [naive.encode(point).hex() for point in TORSION] == LOW_ORDER
    assert [naive.decode(bytes.fromhex(each)) for each in LOW_ORDER_RESPELT] == [None] * 6


@pytest.mark.parametrize("encoding", LOW_ORDER + LOW_ORDER_RESPELT)
def test_a_low_order_point_is_no_key_no_gamma_and_no_curve_point(encoding: str) -> None:
    point = bytes.fromhex(encoding)
    assert verify(point, ALPHA, PROOF) is None
    assert verify(KEY.public_key, ALPHA, point + PROOF[32:]) is None
    assert output_of(point + PROOF[32:]) is None
    assert curve_point_of(point) is None
    # The equations of this proof hold: whoever takes the points takes an output that everybody can compute.
    forged = naive.forge(point, ALPHA, 0, torsion=naive.IDENTITY, gamma=point)
    assert verify(point, ALPHA, forged) is None


@pytest.mark.parametrize("torsion", TORSION[1:], ids=LOW_ORDER[1:])
def test_a_key_or_gamma_with_a_low_order_part_is_refused(torsion: naive.Point) -> None:
    """Among them the point of order 2, which libsodium took for none until PyNaCl 1.6.2 (CVE-2025-69277)."""
    twisted = naive.encode(naive.add(naive.times(SCALAR, naive.BASE), torsion))
    forged = naive.forge(twisted, ALPHA, SCALAR, torsion=naive.IDENTITY)
    assert output_of(forged) is not None
    assert verify(twisted, ALPHA, forged) is None
    forged = naive.forge(KEY.public_key, ALPHA, SCALAR, torsion=torsion)
    assert output_of(forged) is None
    assert verify(KEY.public_key, ALPHA, forged) is None


def test_an_owner_can_make_another_proof_but_no_other_output() -> None:
    honest = naive.forge(KEY.public_key, ALPHA, SCALAR, torsion=naive.IDENTITY)
    assert honest != PROOF
    assert verify(KEY.public_key, ALPHA, honest) == output_of(PROOF)


def test_a_coordinate_of_p_or_more_is_refused() -> None:
    for sign in (0, 1):
        for y in range(naive.P, 2**255):
            point = scalar_bytes(y | sign << 255)
            assert verify(point, ALPHA, PROOF) is None
            assert verify(KEY.public_key, ALPHA, point + PROOF[32:]) is None
            assert output_of(point + PROOF[32:]) is None
            assert curve_point_of(point) is None


def parts(size: int, known: list[bytes]) -> st.SearchStrategy[bytes]:
    exact = st.binary(min_size=size, max_size=size)
    return st.one_of(st.sampled_from(known), exact, st.just(bytes(size)), st.just(b"\xff" * size))


POINTS = parts(32, [KEY.public_key, PROOF[:32], *map(bytes.fromhex, LOW_ORDER + LOW_ORDER_RESPELT)])
PROOFS = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda *each: b"".join(each),
        POINTS,
        parts(16, [PROOF[32:48]]),
        parts(32, [PROOF[48:], *map(scalar_bytes, (1, naive.Q - 1, naive.Q, 2**255))]),
    ),
)


@settings(deadline=None, derandomize=True, max_examples=400)
@given(st.one_of(POINTS, st.binary(max_size=70)), st.one_of(st.just(ALPHA), st.binary(max_size=70)), PROOFS)
def test_no_bytes_of_a_stranger_raise_an_error_or_prove_anything(
    key: bytes, alpha: bytes, proof: bytes
) -> None:
    output = output_of(proof)
    assert output is None or len(output) == OUTPUT_BYTES
    assert verify(key, alpha, proof) is None or (key, alpha, proof) == (KEY.public_key, ALPHA, PROOF)
