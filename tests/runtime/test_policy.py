"""What becomes of the policy that an app asks for, whatever it is written in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sgnus.messages.errors import UserFault
from sgnus.messages.ids import PeerId
from sgnus.messages.v1.types import ArraySpec, Edge, JobRequest, Policy, SignedEnvelope, SignedKind, Verify
from sgnus.runtime.network_file import SgnusNode
from sgnus.runtime.submitting import Publisher, policy_of

HERE, ELSEWHERE = PeerId("here"), SgnusNode("elsewhere", "0b" * 32)
ADDRESS = SignedEnvelope(kind=SignedKind.ADDRESS, author=HERE, payload=b"", signature=b"")


def asked(
    processor: str, verify: Verify, samples_permille: int = 0, verifiers: int = 0, min_members: int = 0
) -> JobRequest:
    return JobRequest(
        name="x",
        processor=processor,
        parameters=(),
        array=ArraySpec(shape=(4, 4), dtype="uint8"),
        tile=(),
        halo=(),
        edge=Edge.REFLECT,
        chunks_per_sub_block=0,
        deadline_ms=0,
        policy=Policy(
            verify=verify, samples_permille=samples_permille, verifiers=verifiers, min_members=min_members
        ),
        lifetime_ms=0,
    )


def settled(
    processor: str, verify: Verify, samples_permille: int = 0, verifiers: int = 0, min_members: int = 0
) -> tuple[Verify, int, int, int]:
    policy = policy_of(asked(processor, verify, samples_permille, verifiers, min_members))
    return policy.verify, policy.samples_permille, policy.verifiers, policy.min_members


@pytest.mark.parametrize("processor", ["invert", "builtin:invert@1", "wasm"])
def test_what_strangers_can_run_again_is_sampled_unless_the_app_says_otherwise(processor: str) -> None:
    assert settled(processor, Verify.UNSPECIFIED) == (Verify.SAMPLE, 100, 1, 2)
    assert settled(processor, Verify.NONE) == (Verify.NONE, 0, 0, 1)
    assert settled(processor, Verify.FULL) == (Verify.FULL, 1000, 1, 2)


def test_what_an_app_processes_is_not_verified_and_cannot_be() -> None:
    assert settled("app:thumb", Verify.UNSPECIFIED) == (Verify.NONE, 0, 0, 1)
    for verify in (Verify.SAMPLE, Verify.FULL):
        with pytest.raises(UserFault, match="What an app processes cannot be run again"):
            settled("app:thumb", verify)
    with pytest.raises(UserFault, match="What an app processes cannot be run again"):
        settled("app:thumb", Verify.UNSPECIFIED, 500)


def test_what_is_asked_for_in_detail_is_taken() -> None:
    assert settled("invert", Verify.UNSPECIFIED, 500, 3, 5) == (Verify.SAMPLE, 500, 3, 5)
    assert settled("invert", Verify.SAMPLE, 20) == (Verify.SAMPLE, 20, 1, 2)


def test_a_room_has_as_many_members_as_verifiers_at_least() -> None:
    assert settled("invert", Verify.SAMPLE, 0, 4) == (Verify.SAMPLE, 100, 4, 4)
    with pytest.raises(UserFault, match="4 verifiers need a room of as many members"):
        settled("invert", Verify.SAMPLE, 0, 4, 3)


@pytest.mark.parametrize(
    ("verify", "details", "sentence"),
    [
        (Verify.NONE, (100, 0, 0), "nothing is run again"),
        (Verify.NONE, (0, 1, 0), "nothing is run again"),
        (Verify.NONE, (0, 0, 2), "nothing is run again"),
        (Verify.FULL, (500, 0, 0), "all chunks are run again"),
        (Verify.SAMPLE, (1001, 0, 0), "1001 permille"),
        (Verify.SAMPLE, (0, 12, 0), "1 to 11 verifiers"),
        (Verify.SAMPLE, (0, 0, 1), "2 to 11 members"),
        (Verify.SAMPLE, (0, 0, 12), "2 to 11 members"),
    ],
)
def test_what_cannot_be_is_one_sentence(verify: Verify, details: tuple[int, int, int], sentence: str) -> None:
    with pytest.raises(UserFault, match=sentence):
        settled("invert", verify, *details)


def beacon(
    verify: Verify, sgnus_node: SgnusNode | None, *, outside: bool = True
) -> tuple[PeerId, bytes] | None:
    request = replace(asked("invert", verify), outside_beacon=outside)
    return Publisher(HERE, b"key", ADDRESS, sgnus_node).beacon(request, policy_of(request))


def test_the_beacon_is_the_publisher_unless_the_job_wants_an_outside_one() -> None:
    assert beacon(Verify.SAMPLE, ELSEWHERE, outside=False) == (HERE, b"key")
    assert beacon(Verify.NONE, ELSEWHERE, outside=False) is None
    assert beacon(Verify.SAMPLE, ELSEWHERE) == (PeerId("elsewhere"), b"\x0b" * 32)


@pytest.mark.parametrize(
    ("verify", "sgnus_node", "said"),
    [
        (Verify.NONE, ELSEWHERE, "leave out --outside-beacon"),
        (Verify.FULL, None, "the network names no SGNUS node .* Leave it out"),
        (Verify.FULL, SgnusNode(HERE, "0b" * 32), "this node is the network's SGNUS node itself"),
    ],
)
def test_an_outside_beacon_that_cannot_be_is_refused_with_what_to_do(
    verify: Verify, sgnus_node: SgnusNode | None, said: str
) -> None:
    with pytest.raises(UserFault, match=said):
        beacon(verify, sgnus_node)
