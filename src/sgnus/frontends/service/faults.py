"""What went wrong in a call, as a gRPC status and as an HTTP Problem: one mapping for both faces."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from sgnus.frontends.service.bounds import PROBLEM_CHARACTERS_MAX
from sgnus.messages.errors import Conflict, NotFound, UserFault, WorldFault

LOG = logging.getLogger("sgnus.service")


@dataclass(slots=True)
class Refusal(Exception):
    """A call that is answered with an error: `code` is a gRPC status name, `status` its HTTP status."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def problem(self) -> dict[str, str]:
        """The body of the HTTP answer: a Problem."""
        return {"code": self.code, "message": self.message}


def malformed(message: str) -> Refusal:
    """What the app sent is not what the definition says."""
    return Refusal(400, "INVALID_ARGUMENT", shortened(message))


def refusal_of(error: BaseException, call: str) -> Refusal:
    """The answer to whatever a call raised; what is no app's business is logged, and told by a number alone."""
    match error:
        case Refusal():
            return error
        case NotFound():
            return Refusal(404, "NOT_FOUND", shortened(str(error)))
        case Conflict():
            return Refusal(409, "FAILED_PRECONDITION", shortened(str(error)))
        case UserFault():
            return malformed(str(error))
        case WorldFault():
            return Refusal(503, "UNAVAILABLE", shortened(str(error)))
    number = secrets.token_hex(4)
    LOG.error("story %s: %s failed", number, call, exc_info=error)
    return Refusal(
        500, "INTERNAL", f"{call} failed by a fault of the node's own; its log has it as story {number}."
    )


def shortened(message: str) -> str:
    """`message`, of bounded length: it may quote what the app sent."""
    if len(message) <= PROBLEM_CHARACTERS_MAX:
        return message
    return message[: PROBLEM_CHARACTERS_MAX - 1] + "…"
