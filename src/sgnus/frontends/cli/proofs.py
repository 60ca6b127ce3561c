"""`sgnus proof`: who is guilty by a proof of fraud, found by running the one chunk again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sgnus.frontends.cli.receipts import read_file
from sgnus.frontends.cli.saying import answer_json, facts, remark
from sgnus.messages.errors import PeerFault, UserFault

if TYPE_CHECKING:
    from sgnus.runtime.frauds import FraudReport

GUILTY = 0
NOBODY = 1


@click.group()
def proof() -> None:
    """Check proofs of fraud: two signed results of one chunk that cannot both be right.

    \b
    Examples:
      sgnus job proofs bafyrei... -o proofs
      sgnus proof verify proofs/chunk-7.proof
    """


@proof.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def verify(file: Path, as_json: bool) -> int:
    """Check a proof offline: run its chunk again in the sandbox, and say whose signature is false, and why.

    Exit status: 0 somebody is guilty, 1 nobody is convicted by it, 2 it cannot be read.

    \b
    Examples:
      sgnus proof verify chunk-7.proof
      sgnus proof verify chunk-7.proof --json
    """
    from sgnus.runtime import frauds

    try:
        report = frauds.verify(read_file(file, frauds.BYTES_MAX))
    except PeerFault as fault:
        why = f"{file} convicts nobody: {fault}."
        if as_json:
            answer_json({"file": str(file), "guilty": [], "why": why})
        else:
            remark(f"sgnus: {why}")
        return NOBODY
    if as_json:
        answer_json({"file": str(file), **asdict(report)})
    else:
        _tell(file, report)
    return GUILTY if report.guilty else NOBODY


def save(folder: Path, proofs: Sequence[bytes]) -> list[Path]:
    """Write each as chunk-N.proof into `folder`, which is made; a second one of a chunk as chunk-N-2.proof. UserFault if
    that cannot be.
    """
    from sgnus.runtime.frauds import chunk_of

    counts: Counter[int] = Counter()
    files = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for data in proofs:
            chunk = chunk_of(data)
            counts[chunk] += 1
            suffix = f"-{counts[chunk]}" if counts[chunk] > 1 else ""
            file = folder / f"chunk-{chunk}{suffix}.proof"
            file.write_bytes(data)
            files.append(file)
    except OSError as error:
        raise UserFault(f"The proofs cannot be saved in {folder}: {error.strerror}.") from error
    return files


def _tell(file: Path, report: FraudReport) -> None:
    facts(
        [
            ("job", f"{report.job} ({report.name!r})"),
            ("publisher", report.publisher),
            ("chunk", f"{report.chunk}, in microjob {report.microjob}"),
            ("worker", f"{report.worker} signed {report.returned}"),
            ("checker", f"{report.checker} signed {report.judged}"),
            ("run here", report.right or "-"),
        ]
    )
    for peer in report.guilty:
        did = "returned" if peer == report.worker else "accused its worker of"
        click.echo(
            f"{peer} is guilty: it {did} a result of chunk {report.chunk} that running the chunk does not give."
        )
    if not report.guilty:
        click.echo(
            f"{file} convicts nobody yet: the two signed results differ, so one of them is false, but {report.why}."
        )
