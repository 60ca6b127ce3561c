"""Whose fault it is decides what happens: the four families of errors."""


class SgnusError(Exception):
    """Any error that sgnus raises on purpose."""


class OurFault(SgnusError):
    """A bug of ours: the room stops and keeps its story."""


class PeerFault(SgnusError):
    """A peer sent what it may not: drop it, count it, score it; never a traceback."""


class WorldFault(SgnusError):
    """Disk or network failed: retry with a bound, then tell."""


class UserFault(SgnusError):
    """What the user asked for cannot be: one clear sentence that says what is wrong, where, and what to do."""


class NotFound(UserFault):
    """What the user named does not exist here."""


class Conflict(UserFault):
    """What the user asked for cannot be in the present state: the job is over, the seat is gone."""
