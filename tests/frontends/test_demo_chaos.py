"""Whom the demo kills, and when: events in, victims out."""

from __future__ import annotations

from sgnus.frontends.demo.chaos import Chaos, Role
from sgnus.frontends.sdk.views import (
    Event,
    HostChanged,
    PeerListChanged,
    Processed,
    ProcessingStarted,
    Removal,
)

JOB = "bafyjob"
PUBLISHER = "publisher"
EVERYBODY = (PUBLISHER, "ann", "ben", "cem", "dia", "eva")


def chaos(*events: Event, sub_blocks: int = 20) -> Chaos:
    made = Chaos(PUBLISHER, sub_blocks, 10)
    for event in events:
        made.see(event)
    return made


def room(microjob: int, instance: str, *members: str) -> list[Event]:
    """A room; its first member hosts it."""
    return [
        HostChanged(JOB, microjob, instance, 1, members[0]),
        PeerListChanged(JOB, microjob, instance, members, ()),
    ]


def begun(microjob: int, instance: str, *members: str, first: int = 0) -> list[Event]:
    """One sub-block after the other is leased, to these members."""
    return [
        ProcessingStarted(JOB, microjob, instance, first + number, member, 0)
        for number, member in enumerate(members)
    ]


def held(microjob: int, instance: str, count: int, first: int = 0) -> list[Event]:
    return [
        Processed(JOB, microjob, instance, number, "ann", held=True) for number in range(first, first + count)
    ]


def test_nobody_dies_before_a_quarter_is_delivered() -> None:
    made = chaos(
        *room(0, "i", "ann", "ben", "cem"), *begun(0, "i", "ann", "ben", "cem", first=5), *held(0, "i", 4)
    )
    assert made.next_victim(EVERYBODY) is None
    made.see(held(0, "i", 1, first=4)[0])
    victim = made.next_victim(EVERYBODY)
    assert victim is not None
    assert (victim.peer, victim.role, victim.microjob, victim.members) == ("ben", Role.MEMBER, 0, 3)


def test_the_member_that_dies_is_at_work_hosts_nothing_and_is_not_the_publisher() -> None:
    made = chaos(
        *room(0, "i", "ann", PUBLISHER, "ben", "cem"),
        *begun(0, "i", "ann", PUBLISHER, "cem", first=6),
        *held(0, "i", 6),
    )
    victim = made.next_victim(EVERYBODY)
    assert victim is not None and victim.peer == "cem"
    assert made.next_victim(EVERYBODY) is None, "one member is enough"


def test_the_dead_do_not_die_again() -> None:
    made = chaos(*room(0, "i", "ann", "ben"), *begun(0, "i", "ann", "ben", first=6), *held(0, "i", 6))
    assert made.next_victim(("ann",)) is None


def test_at_half_the_host_of_a_room_with_successors_dies() -> None:
    made = chaos(
        *room(0, "i", "eva", PUBLISHER, "ben", "cem"),
        *room(1, "k", "ann", "dia", "ben"),
        *begun(0, "i", *["eva"] * 10),
        *held(0, "i", 9),
        *held(1, "k", 1),
        *begun(1, "k", "ann", "ann", "dia", "ben"),
    )
    first, second = made.next_victim(EVERYBODY), made.next_victim(EVERYBODY)
    assert first is not None and second is not None
    assert {first.role, second.role} == {Role.MEMBER, Role.HOST}
    assert (second.peer, second.microjob, second.members) == ("ann", 1, 3)


def after_a_hosts_death(*events: Event) -> Chaos:
    """The host of microjob 0 died at half of 30, and this happened since."""
    made = chaos(
        *room(0, "i", "ann", "ben", "cem"),
        *begun(0, "i", "ann", "ben", "cem"),
        *held(1, "k", 10),
        *room(2, "l", "eva", "dia", "cem"),
        *begun(2, "l", "eva", "dia", "cem", first=5),
        *held(2, "l", 5),
        sub_blocks=30,
    )
    first, second = made.next_victim(EVERYBODY), made.next_victim(EVERYBODY)
    assert first is not None and second is not None and second.peer == "ann"
    for event in events:
        made.see(event)
    return made


def test_another_host_dies_if_the_room_of_the_first_ended_with_it() -> None:
    living = ("dia", "eva", "cem")
    assert after_a_hosts_death(*held(0, "i", 9)).next_victim(living) is None, "somebody may still take over"
    made = after_a_hosts_death(*held(0, "i", 10))
    victim = made.next_victim(living)
    assert victim is not None and (victim.peer, victim.role) == ("eva", Role.HOST)
    for event in held(2, "l", 5, first=5):
        made.see(event)
    assert made.next_victim(living) is None, "two are enough"


def test_one_host_is_enough_where_somebody_took_over() -> None:
    made = after_a_hosts_death(HostChanged(JOB, 0, "i", 2, "cem"), *held(0, "i", 10))
    assert made.next_victim(("dia", "eva", "cem")) is None


def test_the_publisher_and_hosts_of_two_are_spared() -> None:
    made = chaos(
        *room(0, "i", PUBLISHER, "ann", "ben"),
        *room(1, "k", "cem", "dia"),
        *begun(0, "i", PUBLISHER, "ann", "ben"),
        *begun(1, "k", "cem", "dia"),
        *held(0, "i", 9),
        *held(1, "k", 9),
    )
    made.next_victim(EVERYBODY)
    assert made.next_victim(EVERYBODY) is None


def test_a_room_that_waits_for_its_hosts_last_sub_block_alone_is_no_target_before_the_end() -> None:
    made = chaos(
        *room(0, "i", "ann", "ben", "cem"),
        *begun(0, "i", *["ben", "cem"] * 4, "ben", "ann"),
        *held(0, "i", 9),
        *held(1, "k", 1),
    )
    assert made.next_victim(EVERYBODY) is None
    for event in held(1, "k", 6, first=1):
        made.see(event)
    victim = made.next_victim(EVERYBODY)
    assert victim is not None and victim.peer == "ann", "from 80 % on, any host of three"


def test_a_newcomer_on_the_list_that_has_not_begun_counts_for_nothing() -> None:
    made = chaos(*room(0, "i", "ann", "ben", "cem"), *begun(0, "i", "ann", "ben"), *held(1, "k", 10))
    made.next_victim(EVERYBODY)
    assert made.next_victim(EVERYBODY) is None
    made.see(begun(0, "i", "cem", first=2)[0])
    victim = made.next_victim(EVERYBODY)
    assert victim is not None and victim.role is Role.HOST


def test_an_instance_whose_host_sits_elsewhere_was_given_up() -> None:
    made = chaos(
        *room(0, "i", "ann", "ben", "cem"),
        *begun(0, "i", "ann", "ben", "cem"),
        *room(0, "k", "dia", "ann"),
        *held(1, "l", 10),
    )
    victim = made.next_victim(EVERYBODY)
    assert victim is None


def test_takeovers_and_removals_are_counted_once_and_leaving_is_no_removal() -> None:
    gone = Removal("ben", "disconnected", (), 0)
    left = Removal("cem", "left", (), 0)
    made = chaos(
        *room(0, "i", "ann", "ben", "cem", "dia"),
        PeerListChanged(JOB, 0, "i", ("ann", "cem", "dia"), (gone,)),
        PeerListChanged(JOB, 0, "i", ("ann", "dia"), (gone, left)),
        HostChanged(JOB, 0, "i", 1, "ann"),
        HostChanged(JOB, 0, "i", 2, "dia"),
    )
    assert (made.takeovers, made.removals) == (1, 1)
