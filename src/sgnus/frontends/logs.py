"""What a node logs, and how: sentences for people, or one JSON object a line for programs.

What a record is about stands in its `extra`: `job`, `room`, `peer`. Nothing secret is given to a logger, ever: no key, no seed,
no token, no invitation (a test runs a node with all that it can say and looks for them).
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final

FORMATS: Final = ("text", "json")
ABOUT: Final = ("job", "microjob", "room", "peer")
"""The ids that a record may carry: BLOCKID, number, instance, peer id."""
TEXT: Final = "%(asctime)s %(name)s %(message)s"
LINE_CHARACTERS_MAX: Final = 16 * 1024


class JsonLines(logging.Formatter):
    """`{"time", "level", "logger", "message"}` and, where the record has them, the ids of ABOUT and `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; the time is UTC (RFC 3339). What is too long is cut, so that the line stays one object."""
        moment = datetime.fromtimestamp(record.created, UTC)
        said: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage()[:LINE_CHARACTERS_MAX],
        }
        said.update({name: getattr(record, name) for name in ABOUT if hasattr(record, name)})
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)[-LINE_CHARACTERS_MAX:]
        return json.dumps(said, ensure_ascii=False, default=str)


def log_to_stderr(form: str, *, verbose: bool) -> None:
    """Every logger of the process, from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else logging.Formatter(TEXT))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.WARNING, handlers=[handler])
