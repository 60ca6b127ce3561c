"""The errors of the SDK; each is a `SgnusError`, and its text is one sentence to show to a person."""

from sgnus.messages.errors import Conflict, NotFound, SgnusError, WorldFault

__all__ = ["Conflict", "JobCancelled", "JobFailed", "NoSeat", "NodeUnreachable", "NotFound"]


class JobFailed(SgnusError):
    """The job ended without a result; the text is the reason."""


class JobCancelled(SgnusError):
    """The job was cancelled; there will be no further results."""


class NodeUnreachable(WorldFault):
    """No node answers, or it went away and did not come back in time."""


class NoSeat(WorldFault):
    """This node has no seat in the room any more, and got none again."""
