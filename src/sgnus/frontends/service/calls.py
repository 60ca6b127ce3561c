"""The calls of the local service: what the definition says of each, and the method of the node that answers it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from sgnus.messages.fields import Call
from sgnus.messages.v1.services import CALLS
from sgnus.runtime.local_api import LocalApi

LOCAL_CALLS: Final = tuple(call for call in CALLS if call.service == "Processing")


def method_of(api: LocalApi, call: Call) -> Callable[[Any], Any]:
    """The method of `api` that answers `call`: the name of the call in snake case."""
    method: Callable[[Any], Any] = getattr(api, re.sub(r"(?<=[a-z])(?=[A-Z])", "_", call.name).lower())
    return method


@asynccontextmanager
async def closing(items: AsyncIterator[Any]) -> AsyncIterator[AsyncIterator[Any]]:
    """`items`, closed on the way out if it can be: who leaves a stream early must not leave its work running."""
    try:
        yield items
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()
