"""What came of a demo: the object of `--json`, the table for people, and what went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sgnus.frontends.cli.saying import count
from sgnus.frontends.demo.chaos import Chaos
from sgnus.frontends.demo.evidence import Evidence
from sgnus.frontends.demo.options import DemoOptions
from sgnus.frontends.sdk.views import JobStatus


@dataclass(slots=True)
class Outcome:
    """What is reported in the end."""

    identical: bool
    status: JobStatus
    chaos: Chaos
    evidence: Evidence
    bytes: int
    job_seconds: float


def failures(options: DemoOptions, outcome: Outcome) -> list[str]:
    """What did not come out as it must, a sentence each."""
    evidence, found = outcome.evidence, []
    if not outcome.identical:
        believed = bool(evidence.lies) and not evidence.is_liar_caught
        why = f": what the liar delivered was believed ({_policy(options)})" if believed else ""
        found.append(f"the result differs from a single process's{why}")
    if options.has_chaos and not outcome.status.takeovers:
        found.append("no host was killed whose room went on, so nobody took over: this run shows nothing")
    if options.promises and evidence.lies and not evidence.is_liar_caught:
        found.append("the liar delivered, and was not caught")
    if options.verify != "none" and not evidence.is_complete:
        found.append(
            f"the receipts do not cover the job: {evidence.receipts} of {outcome.status.microjobs} hold"
        )
    if evidence.wronged:
        found.append(f"somebody was convicted who did not lie: {', '.join(evidence.wronged)}")
    return found


def _policy(options: DemoOptions) -> str:
    samples = f" --samples {options.samples:.0%}" if options.verify == "sample" else ""
    return f"--verify {options.verify}{samples}"


def report(options: DemoOptions, outcome: Outcome, seconds: float) -> dict[str, Any]:
    """The object of `--json`."""
    status, chaos, evidence = outcome.status, outcome.chaos, outcome.evidence
    return {
        "identical": outcome.identical,
        "nodes": options.nodes,
        "rooms": status.microjobs,
        "sub_blocks": status.sub_blocks,
        "takeovers": status.takeovers,
        "removals": chaos.removals,
        "verify": options.verify,
        "samples": options.samples if options.verify == "sample" else None,
        "liar": evidence.liar or None,
        "lies_delivered": len(evidence.lies),
        "liars_caught": list(evidence.convicted),
        "evidence": dict(evidence.convicted),
        "receipts": evidence.receipts,
        "verified": evidence.is_complete,
        "seconds": round(seconds, 2),
        "output": str(options.output.absolute()),
        "input": str(options.input.absolute()),
        "members_killed": [victim.peer for victim in chaos.victims],
        "rooms_founded": len(chaos.rooms),
        "bytes": outcome.bytes,
        "job_seconds": round(outcome.job_seconds, 2),
        "job": status.job,
    }


def rows(report: dict[str, Any]) -> list[tuple[str, str]]:
    """The table at the end."""
    return [
        ("rooms", str(report["rooms"])),
        ("sub-blocks", str(report["sub_blocks"])),
        ("members", f"{report['nodes']}, of whom {len(report['members_killed'])} were killed"),
        ("take-overs", str(report["takeovers"])),
        ("removals", str(report["removals"])),
        ("liars", _liars(report)),
        *((f"caught: ..{peer}", why) for peer, why in report["evidence"].items()),
        ("receipts", _receipts(report)),
        ("bytes of the result", f"{report['bytes']:,}"),
        ("seconds", f"{report['seconds']:.1f}, of which the job {report['job_seconds']:.1f}"),
        ("input", report["input"]),
        ("output", report["output"]),
        ("identical to one process", "yes, byte for byte" if report["identical"] else "NO"),
    ]


def _liars(report: dict[str, Any]) -> str:
    if report["liar"] is None:
        return "none among them (--no-liar)"
    lies = count(report["lies_delivered"], "false sub-block")
    if not report["lies_delivered"]:
        return f"..{report['liar'][-6:]}, which delivered nothing this time, so there was nothing to catch"
    return f"..{report['liar'][-6:]}, which delivered {lies}"


def _receipts(report: dict[str, Any]) -> str:
    if report["verify"] == "none":
        return "none (--verify none)"
    held = f"{report['receipts']} of {report['rooms']} microjobs, each checked here, offline"
    return held if report["verified"] else f"NOT ALL: {held}"
