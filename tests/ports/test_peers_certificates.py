"""Who calls is proven by its certificate: every way to be somebody else fails."""

from __future__ import annotations

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from sgnus.adapters.peers.certificates import Leaf, author_of_leaf, authority_pem, make_leaf
from sgnus.crypto.identity import Identity
from sgnus.messages.errors import PeerFault, WorldFault
from sgnus.messages.ids import PeerId
from sgnus.ports import PeerLost
from tests.ports.liars import (
    BRANCH,
    MALLORY,
    certificate,
    channel_to,
    code_of,
    endpoint_of,
    forged_leaf,
    key_of,
    named,
    record_of,
    run,
)
from tests.ports.peers_support import (
    Nodes,
    identity,
    until,
)


# ---- who is it
def test_the_authority_of_a_peer_id_is_always_the_same_bytes_and_checks_its_leaf() -> None:
    one = identity(1)
    again = Identity.from_seed(one.seed)
    assert authority_pem(one.peer_id) == authority_pem(again.peer_id)
    parsed = x509.load_pem_x509_certificate(authority_pem(one.peer_id))
    assert parsed.subject == parsed.issuer == named(one.peer_id)
    assert author_of_leaf(make_leaf(one).certificate_pem) == one.peer_id


def test_a_leaf_whose_issuer_did_not_sign_it_has_no_author() -> None:
    lie = forged_leaf(issuer=identity(1).peer_id, signer=key_of(MALLORY), san=identity(1).peer_id)
    with pytest.raises(PeerFault, match="not signed by"):
        author_of_leaf(lie.certificate_pem)
    with pytest.raises(PeerFault, match="not an Ed25519 peer id"):
        author_of_leaf(forged_leaf(issuer="root", signer=key_of(MALLORY), san="x").certificate_pem)


def test_a_stranger_is_not_let_in() -> None:
    async def story(nodes: Nodes) -> None:
        party = await nodes.add(1)
        async with channel_to(party, make_leaf(MALLORY)) as channel:
            assert (await code_of(channel))[0] is grpc.StatusCode.UNAVAILABLE
        assert party.service.asked == []

    run(story)


def test_nobody_gets_in_without_a_certificate() -> None:
    async def story(nodes: Nodes) -> None:
        party = await nodes.add(1)
        bare = grpc.ssl_channel_credentials(authority_pem(party.peer))
        options = (("grpc.ssl_target_name_override", str(party.peer)),)
        endpoint = endpoint_of(party)
        async with grpc.aio.secure_channel(
            f"{endpoint.host}:{endpoint.port}", bare, options=options
        ) as channel:
            assert (await code_of(channel))[0] is grpc.StatusCode.UNAVAILABLE
        assert party.service.asked == []

    run(story)


def test_the_caller_is_the_issuer_whatever_the_san_says() -> None:
    async def story(nodes: Nodes) -> None:
        party, friend = await nodes.two()
        party.peers.admit(record_of(MALLORY, party))
        leaf = forged_leaf(issuer=MALLORY.peer_id, signer=key_of(MALLORY), san=friend.peer)
        async with channel_to(party, leaf) as channel:
            assert (await code_of(channel))[0] is grpc.StatusCode.OK
        assert party.service.asked == [(MALLORY.peer_id, "ReadBranch")]

    run(story)


def test_an_issuer_name_without_its_key_is_not_let_in() -> None:
    async def story(nodes: Nodes) -> None:
        party, friend = await nodes.two()
        party.peers.admit(record_of(MALLORY, party))
        leaf = forged_leaf(issuer=friend.peer, signer=key_of(MALLORY), san=friend.peer)
        async with channel_to(party, leaf) as channel:
            assert (await code_of(channel))[0] is grpc.StatusCode.UNAVAILABLE
        assert party.service.asked == []

    run(story)


@pytest.mark.parametrize("is_edwards", [True, False])
@pytest.mark.parametrize("victim", [identity(2).peer_id, identity(9).peer_id], ids=["admitted", "stranger"])
def test_an_admitted_peer_cannot_make_an_authority_with_another_name(
    victim: PeerId, is_edwards: bool
) -> None:
    async def story(nodes: Nodes) -> None:
        party, _ = await nodes.two()
        party.peers.admit(record_of(MALLORY, party))
        middle = (
            ed25519.Ed25519PrivateKey.generate() if is_edwards else ec.generate_private_key(ec.SECP256R1())
        )
        between = certificate(
            issuer=MALLORY.peer_id, subject=victim, key=middle, signer=key_of(MALLORY), is_authority=True
        )
        leaf = forged_leaf(issuer=victim, signer=middle, san=victim)
        with pytest.raises(PeerFault, match="not signed by"):
            author_of_leaf(leaf.certificate_pem)
        chain = Leaf(leaf.key_pem, leaf.certificate_pem + between)
        # TLS as gRPC sets it up lets the stranger's name through, whatever the path length: our own check does not.
        async with channel_to(party, chain) as channel:
            expected = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.PERMISSION_DENIED}
            assert (await code_of(channel))[0] in expected
        assert party.service.asked == []

    run(story)


def test_who_listens_at_a_peers_address_with_another_key_gets_nothing() -> None:
    async def story(nodes: Nodes) -> None:
        party, impostor = await nodes.two()
        victim = identity(9)
        party.peers.admit(record_of(victim, impostor))
        party.peers.open(victim.peer_id)
        assert party.peers.send(victim.peer_id, b"secret")
        await until(lambda: party.told(PeerLost, victim.peer_id), "a failed attempt")
        with pytest.raises(WorldFault, match="unreachable"):
            await party.peers.calls.read_branch(victim.peer_id, BRANCH)
        assert impostor.events == [] and impostor.service.asked == []

    run(story)


def test_a_removed_peer_is_refused_on_its_open_connection() -> None:
    async def story(nodes: Nodes) -> None:
        party = await nodes.add(1)
        party.peers.admit(record_of(MALLORY, party))
        async with channel_to(party, make_leaf(MALLORY)) as channel:
            assert (await code_of(channel))[0] is grpc.StatusCode.OK
            party.peers.remove(MALLORY.peer_id)
            assert await code_of(channel) == (
                grpc.StatusCode.PERMISSION_DENIED,
                "this node does not know you (any more)",
            )

    run(story)
