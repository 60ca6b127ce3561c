"""`sgnus receipt`: what a receipt proves, said by whoever has nothing but its file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from sgnus.frontends.cli.saying import answer_json, facts, remark
from sgnus.messages.errors import PeerFault, UserFault

VALID = 0
NOT_VALID = 1
UNREADABLE = 2


@click.group()
def receipt() -> None:
    """Check receipts: evidence that a microjob was done, and verified by a member that nobody could know before.

    \b
    Examples:
      sgnus job receipts bafyrei... -o receipts
      sgnus receipt verify receipts/*.receipt
    """


@receipt.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def verify(files: tuple[Path, ...], as_json: bool) -> int:
    """Check receipts offline, and say in words what they prove and how surely. No node is asked, and no network.

    Exit status: 0 all are valid, 1 one is not, 2 one cannot be read.

    \b
    Examples:
      sgnus receipt verify receipts/microjob-0.receipt
      sgnus receipt verify receipts/*.receipt --json
    """
    status, answers = VALID, []
    for number, file in enumerate(files):
        answer, found = _checked(file)
        status = max(status, found)
        answers.append(answer)
        if not as_json and number:
            click.echo()
        if not as_json:
            _tell(answer)
    if as_json:
        answer_json(answers)
    return status


def _checked(file: Path) -> tuple[dict[str, Any], int]:
    """What is to be said of one file, and its exit status."""
    from sgnus.runtime import receipts

    answer: dict[str, Any] = {"file": str(file), "valid": False, "why": ""}
    try:
        report = receipts.verify(read_file(file, receipts.BYTES_MAX))
    except PeerFault as fault:
        return {**answer, "why": f"{file}: not valid: {fault}."}, NOT_VALID
    except UserFault as fault:
        return {**answer, "why": str(fault)}, UNREADABLE
    return {**answer, "valid": True, **asdict(report)}, VALID


def save(folder: Path, receipts: Sequence[bytes]) -> list[Path]:
    """Write each as microjob-N.receipt into `folder`, which is made. UserFault if that cannot be."""
    from sgnus.runtime.receipts import microjob_of

    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = []
        for data in receipts:
            file = folder / f"microjob-{microjob_of(data)}.receipt"
            file.write_bytes(data)
            files.append(file)
    except OSError as error:
        raise UserFault(f"The receipts cannot be saved in {folder}: {error.strerror}.") from error
    return files


def read_file(file: Path, bytes_max: int) -> bytes:
    """Its bytes, one more than `bytes_max` at most. UserFault if it cannot be read."""
    try:
        with file.open("rb") as opened:
            return opened.read(bytes_max + 1)
    except OSError as error:
        raise UserFault(f"The file {file} cannot be read: {error.strerror}.") from error


def _tell(answer: dict[str, Any]) -> None:
    if not answer["valid"]:
        remark(f"sgnus: {answer['why']}")
        return
    click.echo(f"{answer['file']}: valid.")
    of = f" of {answer['microjobs']}" if answer["microjobs"] is not None else ""
    facts(
        [
            ("receipt", answer["digest"]),
            ("job", f"{answer['job']} ({answer['name']!r})"),
            ("publisher", answer["publisher"]),
            (
                "microjob",
                f"number {answer['microjob']}{of}, round {answer['round']} of room {answer['instance'][:16]}",
            ),
            ("policy", _policy(answer["policy"])),
            ("beacon", _beacon(answer)),
            ("chunks", answer["chunks"]),
            *(("worker", f"{peer}: {count} chunks") for peer, count in answer["made"].items()),
            *_members(answer),
        ]
    )
    for sentence in _sentences(answer):
        click.echo(sentence)


def _members(answer: dict[str, Any]) -> list[tuple[str, Any]]:
    """Who was drawn from, who was drawn, and who was not."""
    names = ("verifier", "second", *("further",) * len(answer["checked"]))
    return [
        ("drawn from", f"{len(answer['members'])} members"),
        *(("member", peer) for peer in answer["members"]),
        *(("excused", f"{peer}: left, or was not heard by more than half") for peer in answer["excused"]),
        *(("unrevealed", f"{peer}: was late, so it was not drawn") for peer in answer["unrevealed"]),
        *(("skipped", f"{peer}: drawn, but not heard by more than half") for peer in answer["skipped"]),
        *(
            (name, f"{peer}: {count} samples")
            for name, (peer, count) in zip(names, answer["checked"].items(), strict=False)
        ),
    ]


def _beacon(answer: dict[str, Any]) -> str:
    if not answer["has_beacon"]:
        return f"none: {answer['beacon']} was not heard by more than half"
    return f"{answer['beacon']}{' (the publisher)' if answer['is_beacon_publisher'] else ''}"


def _policy(policy: dict[str, Any]) -> str:
    share = (
        "all chunks" if policy["verify"] == "full" else f"{policy['samples_permille'] / 10:g} % of the chunks"
    )
    return f"{policy['verify']}: {share}, verifiers: {policy['verifiers']}, members: {policy['min_members']} or more"


def _sentences(answer: dict[str, Any]) -> list[str]:
    """What it proves, how surely, and what it does not."""
    others = len(answer["members"]) > 2  # In a room of two each knows who checks it, though not what.
    proves = (
        f"It proves that the results of all {answer['chunks']} chunks were signed before anybody could know which would be "
        f"checked{', and by whom' if others else ''}, and that {answer['samples']} of them, drawn by lot, were run again "
        "by members other than their workers, with the same results."
    )
    surely = [
        f"If {escape['percent']} % of the chunks ({escape['false_chunks']}) had been false, no sample would have met one "
        f"with probability {escape['probability']:.3g}."
        for escape in answer["escapes"]
    ]
    if not answer["has_beacon"]:
        surely.append(
            "No beacon spoke, so whoever revealed last could know the draw, and let it fail: these chances do not hold until a "
            "SGNUS node has run all chunks again (sgnus settlements says so)."
        )
    limits = "It does not prove that workers and checkers were not in league"
    if answer["is_beacon_publisher"] and answer["has_beacon"]:
        limits += (
            "; and the publisher, being the beacon, could have let rounds fail whose draw it did not like"
        )
    return [proves, *surely, limits + "."]
